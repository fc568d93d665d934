"""The post: the write-up of 2023 made anew from a show's stored figures, short enough to put on a blog."""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.display import label_imitation, name_hosts
from econchatr.report.formats import count_noun, format_date
from econchatr.report.markdown_writer import write_markdown
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Block, Document, Items, Paragraph, QuestionCard, Section, keep
from econchatr.report.pages import write_html
from econchatr.report.sections.answered import lay_out_before_and_after
from econchatr.report.sections.chosen import tabulate_prices, tabulate_selections, tabulate_subsets
from econchatr.report.sections.first_screen import tell_readers, tell_right, weigh
from econchatr.report.sections.made_of import tabulate_corpus


def render_post(material: ReportMaterial) -> dict[str, str]:
    """Give the post by file name: `post.html` and `post.md`, of the same content."""
    post = lay_out_post(material.refuse_infinite())
    return {"post.html": write_html(post), "post.md": write_markdown(post)}


def lay_out_post(material: ReportMaterial) -> Document:
    """Give the post's sections, every figure from the material."""
    host, day = name_hosts(material.hosts), material.made_on
    sections = (
        Section("summary", "Summary", tuple(_sum_up(material)), menu="Summary"),
        Section("background", "Background", (Paragraph(_tell_background(host)),), menu="Background"),
        Section("data", "Data", tuple(_tell_data(material)), menu="Data"),
        Section("training", "Training", tuple(_tell_training(material)), menu="Training"),
        Section("answers", "The questions, before and after", tuple(_list_answers(material)), menu="Answers"),
        Section("notes", "Notes", (Items(_NOTES),), menu="Notes"),
    )
    return Document(
        title=f"A model that answers as {host} does",
        label=label_imitation(material.hosts),
        kicker=material.show_name + (f", {format_date(day)}" if day else ""),
        subtitle=f"What a small language model learned from the transcripts of {material.show_name}.",
        version=material.version,
        made_on=format_date(day) if day else "",
        sections=sections,
    )


def _list_rungs(material: ReportMaterial) -> tuple[str, ...]:
    return tuple(dict.fromkeys(answer.rung for answer in material.answers))


def _sum_up(material: ReportMaterial) -> Iterator[Block]:
    for rung in _list_rungs(material):
        yield Paragraph(weigh(material, rung), "lede")
        yield Items((*tell_right(material, rung), tell_readers(material, rung)))


def _tell_background(host: str) -> str:
    return (
        f"Can a language model be taught to answer as {host} does, from public transcripts and for little money? "
        "An experiment of 2023 tried this with four hosted models that are gone now. This is the same experiment "
        "with models of today."
    )


def _tell_data(material: ReportMaterial) -> Iterator[Block]:
    n_kept = sum(pair.is_kept for pair in material.pairs)
    yield Paragraph(
        f"{count_noun(len(material.episodes), 'episode')} gave {count_noun(n_kept, 'pair')} of what was said to the "
        "host and what the host replied. The newest episodes were held out whole."
    )
    yield from keep(tabulate_corpus(material.corpus))
    if material.history is not None:
        yield from tabulate_prices(material.history.prices)


def _tell_training(material: ReportMaterial) -> Iterator[Block]:
    for tuned in material.tuned_models:
        steps = count_noun(tuned.n_steps, "step")
        yield Paragraph(f"{tuned.rung} ({tuned.weights}) was trained for {steps}.")
    yield from keep(tabulate_selections(material))
    if material.history is not None:
        yield from (tabulate_subsets(one, index=place) for place, one in enumerate(material.history.subsets, start=1))


def _list_answers(material: ReportMaterial) -> Iterator[Block]:
    yield Paragraph("The first answer drawn is shown, not the best.")
    for rung in _list_rungs(material):
        for number, question in enumerate(material.questions, start=1):
            answers = lay_out_before_and_after(material, question, rung)
            head = (f"{rung}-{question.question_id}", number, len(material.questions), question.kind, question.text)
            yield QuestionCard(*head, question.expected or "", answers)


_NOTES = (
    "Every figure is read from what the program stored; none is written by hand.",
    "An answer by rule is marked 1, a half or 0, as in 2023.",
    "The model imitates a manner. What it says may be false, and its host said none of it.",
)
