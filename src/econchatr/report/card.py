"""The model card, in the model hub's form: a head for machines, then words for people.

It goes with an export, and stands beside the report; with the report's material it tells what was measured, beside the
rows that keep that honest. A greyed-out Voice is told as one, and left out of the head, where no reason can stand.

Every text from outside is escaped, in the head as JSON, which YAML reads, and below as Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from econchatr.display import escape_markdown, label_imitation, name_hosts
from econchatr.records import Score, TunedModel
from econchatr.report.formats import format_date
from econchatr.report.ladder import lay_out_ladder
from econchatr.report.markdown_writer import write_section, write_table
from econchatr.report.material import ReportMaterial, RightsNote
from econchatr.report.page_blocks import (
    Block,
    Column,
    Facts,
    Items,
    Section,
    Statement,
    Table,
    keep,
    name_columns,
    say_absent,
)
from econchatr.report.score_table import explain_measures, find_gates, tabulate_rows, tell_why_closed
from econchatr.report.scorebook import (
    CHANGE,
    CLOSED_QUESTIONS,
    CONFABULATION,
    COPIED,
    COVERAGE,
    HOST_SHARE,
    MADE_UP,
    TRUE_REPLY,
    VOICE,
    find_score,
    list_rungs,
    refuse_infinite,
)
from econchatr.report.sections.chosen import tell_choices
from econchatr.report.sections.made_of import tabulate_corpus, tabulate_splits
from econchatr.report.sections.verdict import give_verdicts

_LICENCES = ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")
"""Identifiers of the hub that a show's licence may name; any other is `other`, in the show's own words."""


class CardMaterial(NamedTuple):
    """What a card is made from."""

    label: str
    host: str
    show_name: str
    line: str
    """The system line that every example began with."""
    rights: RightsNote
    tuned: TunedModel
    base_id: str
    """The base's name on the hub, or in words."""
    scores: tuple[Score, ...]
    proofs: tuple[tuple[str, ...], ...]
    """Rows of the comparison with the trained model: form, tokens that agree, greatest difference."""
    version: str
    report: ReportMaterial | None = None
    """What the report is made from, to tell what was measured; `None`: only the scores above."""
    unmeasured: str = ""
    """Why nothing measured is told, in a sentence; empty: it is, or there is nothing to say of it."""


def card_from_report(material: ReportMaterial, tuned: TunedModel) -> CardMaterial | None:
    """Make the card of one rung from what the report is made from; `None`: the show states no rights."""
    if material.rights is None:
        return None
    return CardMaterial(
        label=label_imitation(material.hosts),
        host=name_hosts(material.hosts),
        show_name=material.show_name,
        line=material.system_line,
        rights=material.rights,
        tuned=tuned,
        base_id=dict(material.hub_ids).get(tuned.rung, tuned.base_model),
        scores=(),
        proofs=(),
        version=material.version,
        report=material,
    )


def render_card(material: CardMaterial) -> str:
    """Give the text of a README.md; the same material gives the same bytes."""
    return "\n".join([*_head(material), "", *_body(material)]).rstrip("\n") + "\n"


def _head(material: CardMaterial) -> list[str]:
    licence = material.rights.licence.strip().lower()
    fields: dict[str, object] = {
        "base_model": material.base_id,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": licence if licence in _LICENCES else "other",
        "tags": ["econchatr", "ai-imitation", "lora", "podcast"],
    }
    if licence not in _LICENCES:
        fields["license_name"] = material.rights.licence or "see the card"
    if material.report is not None:
        fields |= _list_languages(material.report)
        fields |= index_results(material.report, material.tuned.rung, name=material.label)
    return ["---", *(f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in fields.items()), "---"]


def _body(material: CardMaterial) -> list[str]:
    tuned, say = material.tuned, escape_markdown
    rights = material.rights
    return [
        f"# {say(material.label)}",
        "",
        f"This model answers in the manner of {say(material.host)}, host of {say(material.show_name)}. It is not "
        f"{say(material.host)}, it does not know what {say(material.host)} thinks, and it makes up people, dates and "
        "facts. Whoever shows its words to others has to show this label with them.",
        "",
        "## How it was made",
        "",
        f"- Base: {say(material.base_id)}; the weights trained on: {say(tuned.weights)}.",
        f"- Trained by EconChatR {say(material.version)}: LoRA, {tuned.n_trained_tokens:,} tokens in {tuned.n_steps:,} "
        f"steps, the adapter of step {tuned.best_step:,} kept, on replies of the host only.",
        f"- Voice: {say(rights.voice)}. Ground: {say(rights.ground)}. Licence of the text: "
        f"{say(rights.licence or 'not stated')}.",
        f"- Hashes: base weights `{tuned.base_sha256[:16]}`, selection `{tuned.selection_sha256[:16]}`, adapter "
        f"`{tuned.adapter_sha256[:16]}`.",
        "",
        "## How to ask it",
        "",
        "Every example began with this system message. The chat template that comes with the merged forms puts it "
        "there where a conversation has none:",
        "",
        f"> {say(material.line)}",
        "",
        "Special tokens written inside a message are read as such by most programs; EconChatR breaks them up.",
        "",
        *_USES,
        *(["## Measured", "", say(material.unmeasured), ""] if material.unmeasured else []),
        *([] if material.report is None else tell_measured(material.report, tuned.rung)),
        *_tables(material),
    ]


_USES = (
    "## What it is for, and what not",
    "",
    "For studying style, for trying out how well a small model takes on a manner, and for fun among people who know "
    "what it is. Not for speaking in the imitated person's name, for endorsements, for medical, legal or financial "
    "advice, for news, or for anything that somebody could take for a statement of that person.",
    "",
    "It repeats what stood in its training text, and it makes up what did not. Whoever wants an episode or a voice "
    "taken out asks the one who published the model; every training pair is traced to its episode, so it can be done.",
    "",
)


def _list_languages(report: ReportMaterial) -> dict[str, object]:
    codes = sorted({episode.language for episode in report.episodes if episode.language})
    return {"language": codes} if codes else {}


def _tables(material: CardMaterial) -> list[str]:
    lines: list[str] = []
    if material.proofs:
        table = Table("proof", "The export against the trained model", _proof_columns(), material.proofs)
        lines += ["## The export", "", write_table(table), ""]
    if material.scores:
        lines += ["## Measured on held-out episodes", "", write_table(_score_table(material.scores))]
    return lines


def _proof_columns() -> tuple[Column, ...]:
    return name_columns("Form", "#Greedy tokens that agree", "#Greatest difference, nats")


def _score_table(scores: Sequence[Score]) -> Table:
    rows = tuple(
        (
            score.measure,
            score.variant,
            score.subject,
            "unscored" if score.value is None else f"{score.value:.3f}",
            "" if score.low is None or score.high is None else f"{score.low:.3f} to {score.high:.3f}",
            str(score.n),
            score.unit,
        )
        for score in scores
    )
    columns = name_columns("Measure", "Model", "On", "#Value", "95% interval", "#n", "Unit")
    return Table("scores", "Every score of this rung", columns, rows)


_RESULTS = (
    (VOICE, "tuned", None),
    (HOST_SHARE, CHANGE, None),
    (TRUE_REPLY, "tuned", None),
    (COPIED, "tuned", None),
    (MADE_UP, "tuned", CLOSED_QUESTIONS),
    (CONFABULATION, "tuned", CLOSED_QUESTIONS),
    (COVERAGE, "tuned", CLOSED_QUESTIONS),
)


def index_results(report: ReportMaterial, rung: str, *, name: str) -> dict[str, object]:
    """Give the head's `model-index`: the headline measures that have a value and may be believed; empty: none has."""
    scores, metrics = refuse_infinite(report.scores), list[dict[str, object]]()
    for measure, variant, subject in _RESULTS:
        score = find_score(scores, measure, rung=rung, variant=variant, subject=subject)
        is_closed = measure == VOICE and tell_why_closed(find_gates(report.gates, rung=rung, variant=variant))
        if score is not None and score.value is not None and not is_closed:
            metrics.append({"type": measure.replace(" ", "-"), "name": measure, "value": round(score.value, 4)})
    if not metrics:
        return {}
    result = {
        "task": {"type": "text-generation"},
        "dataset": {"type": "podcast-transcripts", "name": f"{report.show_name}, held-out episodes and exam"},
        "metrics": metrics,
    }
    return {"model-index": [{"name": name, "results": [result]}]}


def tell_measured(report: ReportMaterial, rung: str) -> list[str]:
    """Tell what a rung was made of, what it cost, and how near it comes, as lines of Markdown."""
    report = report.model_copy(update={"scores": refuse_infinite(report.scores)})
    return [write_section(_tell_data(report, rung)), "", write_section(_tell_verdict(report, rung)), ""]


def _tell_data(report: ReportMaterial, rung: str) -> Section:
    facts = [fact for choice in tell_choices(report) if choice.rung == rung for fact in choice.facts]
    cost = (told for told in lay_out_ladder(report).told if told.startswith(f"{rung}: "))
    told = (
        *(f"{name}: {text}" for name, text in facts),
        *cost,
        *(f"{name}: {value}" for name, value in report.settings),
    )
    tables = tabulate_corpus(report.corpus), tabulate_splits(report)
    return Section("data", "What it was trained on", keep(*tables, Items(told), _tabulate_held_out(report)))


def _tabulate_held_out(report: ReportMaterial) -> Table | None:
    """The episodes no training saw, with the hashes of their files."""
    splits = {pair.slug: pair.split for pair in report.pairs if pair.split != "train"}
    rows = tuple(
        (episode.title, format_date(episode.published), splits[episode.slug], episode.sha256[:16])
        for episode in report.episodes
        if episode.slug in splits
    )
    if not rows:
        return None
    columns = name_columns("episode", "date", "held out for", "SHA-256 of the file begins")
    return Table("held-out", "Episodes no model was trained on", columns, rows)


def _tell_verdict(report: ReportMaterial, rung: str) -> Section:
    return Section(
        "verdict", "How near it comes, what it copies, what it makes up", tuple(_list_measured(report, rung))
    )


def _list_measured(report: ReportMaterial, rung: str) -> Iterator[Block]:
    for verdict in give_verdicts(report):
        if verdict.rung == rung:
            yield Statement(verdict.sentence)
            yield Facts(tuple((point.title, point.text) for point in verdict.points))
    rungs = list_rungs(report.scores)
    if rung not in rungs:
        yield say_absent("Nothing has been measured yet.")
    else:
        yield tabulate_rows(report)[rungs.index(rung)]
        yield Facts(tuple((one.title, one.sentence) for one in explain_measures(report)))
