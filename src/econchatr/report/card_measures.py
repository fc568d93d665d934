"""What a model card tells of a show and its measures: data, choice, cost, verdict, the table of rows.

Words and figures are the report's own; nothing is measured, and no more is claimed than there.
"""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.report.blocks import Block, Facts, Items, Section, Statement, Table, keep, name_columns, say_absent
from econchatr.report.formats import format_date
from econchatr.report.gates import find_gates, tell_why_closed
from econchatr.report.ladder import lay_out_ladder
from econchatr.report.markdown import write_section
from econchatr.report.material import ReportMaterial
from econchatr.report.rows import explain_measures, tabulate_rows
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
