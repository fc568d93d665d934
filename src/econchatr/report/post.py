"""The post: the write-up of 2023 made anew from a show's stored figures, short enough to put on a blog."""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.display import label_imitation, name_hosts
from econchatr.report.counts import keep_start
from econchatr.report.formats import count_noun, format_count, format_date, format_decimal
from econchatr.report.markdown_writer import write_markdown
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Block, Document, Items, Paragraph, Part, Picture, Section, Statement, keep
from econchatr.report.pages import write_html
from econchatr.report.playground_picture import draw_playground
from econchatr.report.sections.answered import lay_out_before_and_after, tell_draws
from econchatr.report.sections.chosen import tabulate_prices, tabulate_selections, tabulate_subsets
from econchatr.report.sections.cost import tabulate_bill
from econchatr.report.sections.first_screen import list_rungs, measure_all_habits, tell_cost, tell_readers, weigh
from econchatr.report.sections.made_of import tabulate_corpus
from econchatr.report.sections.right_told import tell_by_marker, tell_reported

_DESCRIPTION_CHARS = 200


def render_post(material: ReportMaterial) -> dict[str, str]:
    """Give the post by file name: `post.html`, `post.md` of the same content, and the picture that `post.md` shows."""
    post = lay_out_post(material.refuse_infinite())
    pictures = [block for section in post.sections for block in section.blocks if isinstance(block, Picture)]
    files = {picture.name: f"{picture.drawing}\n" for picture in pictures}
    return {"post.html": write_html(post), "post.md": write_markdown(post), **files}


def lay_out_post(material: ReportMaterial) -> Document:
    """Give the post's sections, every figure from the material."""
    host, day, rungs = name_hosts(material.hosts), material.made_on, list_rungs(material)
    label = label_imitation(material.hosts)
    sections = (
        Section("summary", "Summary", tuple(_sum_up(material)), menu="Summary"),
        Section("background", "Background", (Paragraph(_tell_background(host)),), menu="Background"),
        Section("data", "Data", tuple(_tell_data(material)), menu="Data"),
        Section("training", "Training", tuple(_tell_training(material)), menu="Training"),
        Section("answers", "The questions, before and after", tuple(_list_answers(material)), menu="Answers"),
        Section("playground", "Try it", tuple(_show_playground(material)), menu="Try it"),
        Section("notes", "Notes", (Items(_NOTES),), menu="Notes"),
    )
    found = weigh(material, rungs[0]) if rungs else f"A model is to answer as {host} does."
    return Document(
        title=f"A model that answers as {host} does",
        label=label,
        kicker=material.show_name + (f", {format_date(day)}" if day else ""),
        subtitle=f"What a small language model learned from the transcripts of {material.show_name}.",
        version=material.version,
        made_on=format_date(day) if day else "",
        sections=sections,
        description=keep_start(f"{label}. {found}", _DESCRIPTION_CHARS),
        published=day.isoformat() if day else "",
    )


def _sum_up(material: ReportMaterial) -> Iterator[Block]:
    for rung in list_rungs(material):
        yield Statement(weigh(material, rung))
        right = (
            f"{title[:1].upper()}{title[1:]}: {told}."
            for title, told in tell_by_marker(material.find_right_counts(rung))
        )
        learned = " ".join(_tell_habits(material, rung))
        yield Items(
            (
                *right,
                f"Can readers tell? {tell_readers(material, rung)}",
                *((learned,) if learned else ()),
                f"What it cost: {tell_cost(material, rung)}",
            )
        )
    if material.reported is not None:
        yield Paragraph(tell_reported(material.reported))


def _tell_habits(material: ReportMaterial, rung: str) -> Iterator[str]:
    """Say what was learned of the habits: length, sayings, asking back."""
    habits, host = measure_all_habits(material, rung), name_hosts(material.hosts)
    own, before, real = (habits.get(form) for form in ("tuned", "base", "host"))
    if own is None or real is None:
        return
    was = f", before training {format_decimal(before.n_words, 0)}" if before else ""
    words = f"{format_decimal(own.n_words, 0)} words{was}"
    yield f"What it did learn: a typical answer has {words}; {host}’s has {format_decimal(real.n_words, 0)}."
    sayings = f"in {host}’s own in {real.n_with_saying} of {real.n}"
    yield f"A saying of {host}’s² stands in {own.n_with_saying} of {own.n} answers, {sayings}."
    yield f"The model asks back in {own.n_ask_back} of {own.n}, {host} in {real.n_ask_back} of {real.n}."


def _tell_background(host: str) -> str:
    return (
        f"Can a language model be taught to answer as {host} does, from transcripts and for little money? An "
        "experiment of 2023 tried this: it paired what was said to a podcast’s host with what the host replied, "
        "trained four hosted models on as many pairs as ten dollars buy from each, and asked them twelve questions "
        "before and after. Those models are gone. This is the same experiment with models of today.¹"
    )


def _tell_data(material: ReportMaterial) -> Iterator[Block]:
    n_kept = sum(pair.is_kept for pair in material.pairs)
    n_out = len({pair.slug for pair in material.pairs if pair.split == "test"})
    yield Paragraph(
        f"{count_noun(len(material.episodes), 'episode')} gave {count_noun(n_kept, 'pair')} of what was said to the "
        f"host and what the host replied. The newest {count_noun(n_out, 'episode')} were held out whole: no model "
        "saw them, and what the model learned is measured on them."
    )
    yield from keep(tabulate_corpus(material.corpus), tabulate_bill(material.bill))
    if material.history is not None:
        yield from tabulate_prices(material.history.prices)
    elif not material.bill:
        yield Paragraph("Training ran on a machine at home, so that no price list applies.")


def _tell_training(material: ReportMaterial) -> Iterator[Block]:
    for tuned in material.tuned_models:
        yield Paragraph(f"{tuned.rung} ({tuned.weights}): {tell_cost(material, tuned.rung)}")
    n_made = sum(pair.origin == "made" for pair in material.taken)
    if material.taken:
        yield Paragraph(
            f"Of the pairs, {format_count(len(material.taken))} are statements of the host behind a question; "
            f"{format_count(n_made)} of these questions were made, not asked, and count nowhere as said."
        )
    yield from keep(tabulate_selections(material))
    if material.history is not None:
        yield from (tabulate_subsets(one, index=place) for place, one in enumerate(material.history.subsets, start=1))


def _list_answers(material: ReportMaterial) -> Iterator[Block]:
    shown = (
        "The first of the answers to each question is shown, whatever its mark, which follows the question’s own rule.³"
    )
    yield Paragraph(" ".join((shown, *tell_draws(material.answers))))
    rungs = list_rungs(material)
    for place, rung in enumerate(rungs):
        cards = tuple(
            lay_out_before_and_after(material, question, rung, key=f"answer-{place}-{question.question_id}")
            for question in material.questions
        )
        yield from cards if len(rungs) == 1 else (Part(rung, cards),)


def _show_playground(material: ReportMaterial) -> Iterator[Block]:
    yield Paragraph(
        "The command econchatr play opens a page on your own machine: chat, compare, guess who is real, rank, search."
    )
    yield from keep(*(draw_playground(material, rung) for rung in list_rungs(material)[:1]))


_NOTES = (
    "¹ Every figure is read from what the program stored; none is written by hand.",
    "² A saying: four words in a row that the host says in many training episodes.",
    "³ An answer is worth 1, a half or 0, as in 2023. A rule looks for what the question says a right answer holds.",
    "The model imitates a manner. What it says may be false, and its host said none of it.",
)
