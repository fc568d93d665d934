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
from econchatr.records.measures import CLOSED_QUESTIONS, HOST_LESS_GUEST, TUNED_MINUS_BASE, Measure
from econchatr.report.formats import format_date
from econchatr.report.markdown_writer import write_section, write_table
from econchatr.report.material import ReportMaterial, RightsNote
from econchatr.report.page_blocks import (
    Block,
    Facts,
    Items,
    Section,
    Statement,
    Table,
    keep,
    name_columns,
    say_absent,
    tabulate,
)
from econchatr.report.score_table import explain_columns, tabulate_rows, tell_why_closed
from econchatr.report.sections.chosen import tell_choice
from econchatr.report.sections.cost import tell_costs
from econchatr.report.sections.made_of import tabulate_corpus, tabulate_splits
from econchatr.report.sections.right_told import tell_right
from econchatr.report.sections.verdict import give_verdicts

_LICENCES = (
    "apache-2.0", "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0", "cc-by-sa-4.0", "cc0-1.0", "gemma", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3",
    "mit", "openrail",
)  # fmt: skip
"""Identifiers of the hub that a base's licence may name; any other is `other`, by its makers' name.

Source: the model hub's documentation, "Licenses"."""


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
    version: str
    scores: tuple[Score, ...] = ()
    proofs: tuple[tuple[str, ...], ...] = ()
    """Rows of the comparison with the trained model: form, tokens that agree, mean and greatest difference."""
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
        version=material.version,
        report=material,
    )


def render_card(material: CardMaterial) -> str:
    """Give the text of a README.md; the same material gives the same bytes."""
    return "\n".join([*_head(material), "", *_body(material)]).rstrip("\n") + "\n"


def _head(material: CardMaterial) -> list[str]:
    licence, report = material.tuned.licence.strip().lower(), material.report
    fields: dict[str, object] = {
        "base_model": material.base_id,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": licence if licence in _LICENCES else "other",
        "tags": ["econchatr", "ai-imitation", "lora", "podcast"],
    }
    if licence not in _LICENCES:
        fields["license_name"] = material.tuned.licence or "not told by the base"
    if report is not None:
        if codes := sorted({episode.language for episode in report.episodes if episode.language}):
            fields["language"] = codes
        fields |= _index_results(report, material.tuned.rung, name=material.label)
    return ["---", *(f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in fields.items()), "---"]


def _body(material: CardMaterial) -> list[str]:
    tuned, say = material.tuned, escape_markdown
    rights = material.rights
    pinned = f" at commit {say(tuned.base_commit)}" if tuned.base_commit else ""
    return [
        f"# {say(material.label)}",
        "",
        f"This model answers in the manner of {say(material.host)}, host of {say(material.show_name)}. It is not "
        f"{say(material.host)}, it does not know what {say(material.host)} thinks, and it makes up people, dates and "
        "facts. Whoever shows its words to others has to show this label with them.",
        "",
        "## How it was made",
        "",
        f"- Base: {say(material.base_id)}{pinned}; the weights trained on: {say(tuned.weights)}. Licence of the base: "
        f"{say(tuned.tell_licence())}.",
        f"- Trained by EconChatR {say(material.version)}: LoRA, {tuned.n_trained_tokens:,} tokens in {tuned.n_steps:,} "
        f"steps, the adapter of step {tuned.best_step:,} kept, on replies of the host only.",
        f"- Voice: {say(rights.voice)}. Ground: {say(rights.ground)}. Licence of the text trained on: "
        f"{say(rights.licence or 'not stated')}. The weights stand under the base's licence, and may be used only as "
        "both allow.",
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
        *(["An answer ends with a line break: give `\\n` as the stop.", ""] if tuned.ends_with_line else []),
        "Special tokens written inside a message are read as such by most programs; EconChatR breaks them up.",
        "",
        *_USES,
        *(["## Measured", "", say(material.unmeasured), ""] if material.unmeasured else []),
        *([] if material.report is None else _tell_measured(material.report, tuned.rung)),
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


def _tables(material: CardMaterial) -> list[str]:
    lines: list[str] = []
    if material.proofs:
        columns = name_columns("Form", "#Greedy tokens that agree", "#Mean difference, nats", "#Greatest")
        table = Table("proof", "The export against the trained model", columns, material.proofs)
        lines += ["## The export", "", write_table(table), "", *_ELSEWHERE]
    if material.scores:
        lines += ["## Measured on held-out episodes", "", write_table(_tabulate_scores(material.scores))]
    return lines


_ELSEWHERE = (
    "- vLLM: `vllm serve BASE --enable-lora --lora-modules NAME=adapter`, or `vllm serve checkpoint`.",
    "- Ollama: `ollama create NAME -f Modelfile` in the folder `ollama`.",
    "- LM Studio: `lms import FILE.gguf`; the system message comes with the chat template.",
    "",
)
"""How other programs load it."""


def _tabulate_scores(scores: Sequence[Score]) -> Table:
    return tabulate(
        "scores",
        "Every score of this rung",
        scores,
        {
            "Measure": lambda score: score.measure,
            "Model": lambda score: score.variant,
            "On": lambda score: score.subject,
            "#Value": lambda score: "unscored" if score.value is None else f"{score.value:.3f}",
            "95% interval": lambda score: (
                "" if score.low is None or score.high is None else f"{score.low:.3f} to {score.high:.3f}"
            ),
            "#n": lambda score: str(score.n),
            "Unit": lambda score: score.unit,
        },
    )


# --- what was measured ------------------------------------------------------------------------------------------------

_RESULTS = (
    (Measure.VOICE, "tuned", None),
    (Measure.HOST_BITS_SAVED, TUNED_MINUS_BASE, HOST_LESS_GUEST),
    (Measure.TRUE_REPLY, "tuned", None),
    (Measure.TRUE_ANSWER, "tuned", None),
    (Measure.COPIED_WORDS, "tuned", None),
    (Measure.MADE_UP, "tuned", CLOSED_QUESTIONS),
    (Measure.CONFABULATION, "tuned", CLOSED_QUESTIONS),
    (Measure.COVERAGE, "tuned", CLOSED_QUESTIONS),
)
"""The headline measures: measure, row, subject."""


def _index_results(report: ReportMaterial, rung: str, *, name: str) -> dict[str, object]:
    """Give the head's `model-index`: the headline measures that have a value and may be believed; empty: none has."""
    report, metrics = report.refuse_infinite(), list[dict[str, object]]()
    for measure, variant, subject in _RESULTS:
        score = report.find_score(measure, rung, variant, subject)
        is_closed = measure is Measure.VOICE and tell_why_closed(report.find_gates(rung, variant))
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


def _tell_measured(report: ReportMaterial, rung: str) -> list[str]:
    """Tell what a rung was made of, what it cost, and how near it comes, as lines of Markdown."""
    report = report.refuse_infinite()
    title = "How near it comes, what it copies, what it makes up"
    verdict = Section("verdict", title, tuple(_list_measured(report, rung)))
    return [write_section(_tell_data(report, rung)), "", write_section(verdict), ""]


def _tell_data(report: ReportMaterial, rung: str) -> Section:
    choices = (tell_choice(report, chosen) for chosen in report.selections if chosen.rung == rung)
    told = (
        *(f"{name}: {text}" for facts in choices for name, text in facts),
        *(cost for cost in tell_costs(report) if cost.startswith(f"{rung}: ")),
        *(f"{name}: {value}" for name, value in report.settings),
    )
    tables = tabulate_corpus(report.corpus), tabulate_splits(report)
    return Section("data", "What it was trained on", keep(*tables, Items(told), _tabulate_held_out(report)))


def _tabulate_held_out(report: ReportMaterial) -> Table | None:
    """The episodes no training saw, with the hashes of their files."""
    splits = {pair.slug: pair.split for pair in report.pairs if pair.split != "train"}
    held_out = [episode for episode in report.episodes if episode.slug in splits]
    if not held_out:
        return None
    return tabulate(
        "held-out",
        "Episodes no model was trained on",
        held_out,
        {
            "episode": lambda episode: episode.title,
            "date": lambda episode: format_date(episode.published),
            "held out for": lambda episode: splits[episode.slug],
            "SHA-256 of the file begins": lambda episode: episode.sha256[:16],
        },
    )


def _list_measured(report: ReportMaterial, rung: str) -> Iterator[Block]:
    if counts := report.find_right_counts(rung):
        yield Items(tuple(tell_right(counts)))
    for verdict in give_verdicts(report):
        if verdict.rung == rung:
            yield Statement(verdict.sentence)
            yield Facts(verdict.points)
    rungs = report.scored_rungs
    if rung not in rungs:
        yield say_absent("Nothing has been measured yet.")
    else:
        yield tabulate_rows(report)[rungs.index(rung)]
        yield explain_columns(report)
