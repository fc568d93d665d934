"""The section on the scores: the table of rows, two charts, and one table that leaves no score out."""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.display import name_hosts
from econchatr.records import Score
from econchatr.records.measures import MARKS_GIVEN, WORDS_SAID, Measure
from econchatr.report.blocks import (
    Block,
    Box,
    Chart,
    Facts,
    Folded,
    Items,
    LegendEntry,
    Part,
    Section,
    Table,
    keep,
    name_columns,
    say_absent,
)
from econchatr.report.closed_answers import tabulate_closed_answers
from econchatr.report.formats import (
    MISSING,
    format_count,
    format_decimal,
    format_interval,
    format_share,
    format_value,
)
from econchatr.report.gates import tabulate_gates
from econchatr.report.material import ReportMaterial
from econchatr.report.nearness import chart_voices
from econchatr.report.rows import explain_measures, tabulate_rows
from econchatr.report.scorebook import (
    GUEST_REPLIES,
    HOST_REPLIES,
    MEDIAN_WORDS,
    Fall,
    compute_fall,
    find_score,
    list_rungs,
)
from econchatr.report.svg import Group, Mark, draw_bars, draw_intervals

WORDING = Measure.WORDING_SHARE
_WORDING_SUBJECTS = {WORDS_SAID: "words said", MARKS_GIVEN: "marks"}
_VARIANT_WORDS = {"base": "base model", "persona": "base model with a persona prompt", "tuned": "tuned model"}


def measures_section(material: ReportMaterial) -> Section:
    """Give the section: the table of rows, then everything that was scored, was not, and was ruled by a gate."""
    bits = chart_bits(material) if chart_voices(material) else None
    wording, unscored = tell_wording(material), _list_unscored(material)
    gates, scores = tabulate_gates(material), _tabulate_scores(material)
    blocks = keep(
        *_list_rows(material),
        Items(wording, "plain further") if wording else None,
        _fold_answers(tabulate_closed_answers(material)),
        Folded("Every gate, and why a Voice is greyed out", (gates,)) if gates else None,
        Box("pair even", keep(bits, _chart_lengths(material))),
        Folded("Not scored, and why", (Items(unscored, "unscored"),)) if unscored else None,
        Folded("Every score, with interval and n", (scores,)) if scores else say_absent("Nothing has been scored."),
    )
    return Section("measures", "Measured, beside the real host", blocks, menu="Measures")


def _list_rows(material: ReportMaterial) -> Iterator[Block]:
    tables = tabulate_rows(material)
    yield from tables
    if tables:
        told = tuple((one.title, one.sentence) for one in explain_measures(material))
        yield Part("What each column tells", (Facts(told, "explained"),))


def _fold_answers(table: Table | None) -> Block | None:
    return Folded(table.caption, (table,)) if table else None


def tell_wording(material: ReportMaterial) -> tuple[str, ...]:
    """Say how much the wording of a question matters, a sentence per rung; empty: nobody measured it."""
    rungs = list_rungs(material.scores)
    return tuple(
        f"{f'{score.rung}: ' if len(rungs) > 1 else ''}{_tell_wording(score)}"
        for score in material.scores
        if score.measure == WORDING and score.variant == "tuned" and score.value is not None
    )


def _tell_wording(score: Score) -> str:
    subject = _WORDING_SUBJECTS.get(score.subject, score.subject)
    low, high = format_share(score.low), format_share(score.high)
    span = "" if score.low is None else f" (95% interval {low} to {high})"
    return (
        f"Of all that makes answers to one question differ ({subject}), {format_share(score.value)}{span} comes from "
        "how the question is worded, the rest from the draw."
    )


def chart_bits(material: ReportMaterial) -> Chart | None:
    """Draw bits per byte before and after training, host and guests, with intervals; `None` when none is scored."""
    rungs = list_rungs(material.scores)
    groups, rows, told = [], [], []
    for rung in rungs:
        for subject, who in ((HOST_REPLIES, name_hosts(material.hosts)), (GUEST_REPLIES, "The guests")):
            fall = compute_fall(material.scores, rung=rung, subject=subject)
            title = who if len(rungs) == 1 else f"{who}, {rung}"
            if isinstance(fall, str):
                rows.append((title, "not scored", "not scored", fall, MISSING))
                continue
            # A falling measure is shown with the sign of its change, as the axis runs.
            change = f"{format_decimal(-fall.percent, 1)}%"
            groups.append(Group(title, change, (_mark_bits(fall, is_after=False), _mark_bits(fall, is_after=True))))
            before, after = _tell_bits(fall, is_after=False), _tell_bits(fall, is_after=True)
            span = MISSING if fall.low is None or fall.high is None else format_interval(-fall.high, -fall.low, 1) + "%"
            rows.append((title, before, after, change, span))
            told.append(f"{title}: {before} before, {after} after, {change}.")
    if not groups:
        return None
    title = "How surprised the model is by replies it never saw"
    return Chart(
        "fig-bits",
        title,
        draw_intervals("fig-bits", title, " ".join(told), groups),
        Table(
            "fig-bits-table",
            "Bits per byte of held-out replies, with 95% intervals",
            name_columns("who speaks", "#before", "#after", "#change", "#95% interval of the change"),
            tuple(rows),
        ),
        legend=(LegendEntry("dot k-base", "before"), LegendEntry("dot k-tuned", "after training")),
        note="Bits per byte: lower is less surprised. Lines are 95% intervals; the axis does not begin at zero.",
    )


def _mark_bits(fall: Fall, *, is_after: bool) -> Mark:
    score = fall.after if is_after else fall.before
    value = score.value if score.value is not None else 0.0
    return Mark("k-tuned" if is_after else "k-base", format_decimal(value, 3), value, score.low, score.high)


def _tell_bits(fall: Fall, *, is_after: bool) -> str:
    score = fall.after if is_after else fall.before
    span = "" if score.low is None else f" ({format_interval(score.low, score.high, 3)})"
    return f"{format_decimal(score.value, 3)}{span}"


def _chart_lengths(material: ReportMaterial) -> Chart | None:
    """Draw the median words of a reply, host and models; `None` when no length is scored."""
    rungs = list_rungs(material.scores)
    marks, rows = [], []
    for index, rung in enumerate(rungs):
        for variant in ("host", "base", "persona", "tuned"):
            score = find_score(material.scores, MEDIAN_WORDS, rung=rung, variant=variant)
            if score is None or (variant == "host" and index):
                continue
            label = _VARIANT_WORDS.get(variant, name_hosts(material.hosts))
            label = label if len(rungs) == 1 or variant == "host" else f"{label}, {rung}"
            shown = format_decimal(score.value, 0) if score.value is not None else f"not scored: {score.reason}"
            rows.append((label, shown, format_interval(score.low, score.high, 0), format_count(score.n)))
            if score.value is not None:
                marks.append(Mark(f"k-{variant}", label, score.value, score.low, score.high))
    if not marks:
        return None
    title = "Words in a typical reply"
    told = ", ".join(f"{mark.label} {format_decimal(mark.value, 0)}" for mark in marks)
    return Chart(
        "fig-lengths",
        title,
        draw_bars("fig-lengths", title, f"Median words: {told}.", marks),
        Table(
            "fig-lengths-table",
            "Median words of a reply",
            name_columns("who", "#words", "#95% interval", "#n"),
            tuple(rows),
        ),
        note="Median words: of the host, replies in held-out episodes; of the models, answers to the questions above.",
    )


def _list_unscored(material: ReportMaterial) -> tuple[str, ...]:
    """Name what could not be measured, reason by reason."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for score in material.scores:
        if score.value is None:
            named = f"{score.measure} ({score.subject})"
            rows = by_reason.setdefault(score.reason or "no reason was given", {}).setdefault(named, [])
            row = score.variant if score.rung == "" else f"{score.rung} {score.variant}"
            rows += [row] if row not in rows else []
    return tuple(
        f"{reason}: " + "; ".join(f"{measure}: {', '.join(rows)}" for measure, rows in measures.items())
        for reason, measures in by_reason.items()
    )


def _tabulate_scores(material: ReportMaterial) -> Table | None:
    """List every score as it was measured, with its interval and n; `None`: there is none.

    What is not scored has its reason in `_list_unscored`, and a row of its own in `scores.csv`.
    """
    scored = [score for score in material.scores if score.value is not None]
    if not scored:
        return None
    rows = tuple(
        (
            score.measure,
            score.rung or MISSING,
            score.variant,
            score.subject,
            format_value(score.value),
            f"{format_value(score.low)} to {format_value(score.high)}" if score.low is not None else MISSING,
            format_count(score.n),
            score.unit,
        )
        for score in scored
    )
    return Table(
        "scores",
        "Every score",
        name_columns("measure", "rung", "variant", "measured on", "#value", "#95% interval", "#n", "unit"),
        rows,
    )
