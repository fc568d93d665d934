"""Draw how near each row comes to the host: the one chart of the first screen.

Reads Voices and gates; a greyed-out Voice is drawn as such, never left out and never as if it counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from econchatr.display import name_hosts
from econchatr.records import Score
from econchatr.records.measures import MARKS_GIVEN, WORDS_SAID, Measure
from econchatr.report.closed_answers import tabulate_closed_answers
from econchatr.report.formats import (
    MISSING,
    count_noun,
    format_count,
    format_decimal,
    format_interval,
    format_share,
    format_value,
)
from econchatr.report.material import ReportMaterial, is_round_kept
from econchatr.report.page_blocks import (
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
from econchatr.report.score_table import (
    explain_measures,
    find_gates,
    list_doubts,
    tabulate_gates,
    tabulate_rows,
    tell_why_closed,
)
from econchatr.report.scorebook import (
    GUEST_REPLIES,
    HOST_REPLIES,
    MEDIAN_WORDS,
    PREFERRED,
    REFERENCES,
    VOICE,
    Fall,
    compute_fall,
    find_score,
    list_rungs,
)
from econchatr.report.svg import Ends, Group, Mark, draw_bars, draw_intervals, draw_rows

_ORDER = (PREFERRED, "tuned", "grounded", "retrieval", "persona", "base")
_OF_MANY = (PREFERRED, "tuned", "base")
"""Drawn of each rung where there are several; the table has them all."""
_SHORT = {
    "guest": "guests",
    "parrot": "retrieval parrot",
    PREFERRED: "preferred",
    "tuned": "tuned",
    "grounded": "tuned + excerpts",
    "retrieval": "base + excerpts",
    "persona": "base + persona",
    "base": "base",
}
"""A telephone leaves room for sixteen letters."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One row's Voice, why it is greyed out, and what is in doubt; empty: it is not, and nothing is."""

    rung: str
    variant: str
    score: Score
    closed: str
    doubts: tuple[str, ...]

    @property
    def ruling(self) -> str:
        """What the gates say of it, in words."""
        return self.closed or (f"in doubt: {' and '.join(self.doubts)}" if self.doubts else "passes")


def chart_voices(material: ReportMaterial) -> Chart | None:
    """Draw the Voice of every row of every rung, with intervals; `None` when no Voice is known."""
    rungs = list_rungs(material.scores)
    references = list(_find(material, rungs[0] if rungs else "", REFERENCES))
    models = {rung: list(_find(material, rung, _ORDER)) for rung in rungs}
    known = [one for found in models.values() for one in found if one.score.value is not None]
    if not known:
        return None
    host = name_hosts(material.hosts)
    groups = []
    for rung in rungs:
        drawn = [one for one in models[rung] if len(rungs) == 1 or one.variant in _OF_MANY]
        marks = [_mark(one) for one in drawn if one.score.value is not None]
        groups += [Group(rung if len(rungs) > 1 else "", "", tuple(marks))] if marks else []
    # The host's own row stands first, then the models, then what a guest and a parrot reach.
    ceiling = [_mark(one) for one in references if one.variant == "host" and one.score.value is not None]
    rest = [_mark(one) for one in references if one.variant != "host" and one.score.value is not None]
    groups = [
        Group("", "", tuple(ceiling)),
        *groups,
        Group("for comparison" if len(rungs) > 1 else "", "", tuple(rest)),
    ]
    found = [*references, *(one for rung in rungs for one in models[rung])]
    title = f"How near each comes to {host}"
    told = f"Voice, from 0 (the guests) to 1 ({host}). " + " ".join(_tell(one, host, len(rungs)) for one in found)
    n_greyed = sum("k-greyed" in mark.style for group in groups for mark in group.marks)
    grey = f" In brackets: {count_noun(n_greyed, 'Voice')} greyed out, see the table." if n_greyed else ""
    return Chart(
        "fig-voices",
        title,
        draw_rows("fig-voices", title, told, [group for group in groups if group.marks], _name_ends()),
        _tabulate(found, host),
        legend=_explain_marks(n_greyed),
        note=f"Voice: how it talks, whatever it says. Above 1 is caricature. Lines are 95% intervals.{grey}",
    )


def _name_ends() -> Ends:
    return Ends(0.0, 1.0, "0 guests", "1 host")


def _explain_marks(n_greyed: int) -> tuple[LegendEntry, ...]:
    legend = [LegendEntry("dot k-host", "really said"), LegendEntry("dot k-tuned", "trained")]
    legend.append(LegendEntry("dot k-base", "not trained"))
    return (*legend, *([LegendEntry("dot k-base k-greyed", "greyed out")] if n_greyed else []))


def _find(material: ReportMaterial, rung: str, variants: Sequence[str]) -> Iterator[_Found]:
    for variant in variants:
        if variant == PREFERRED and not is_round_kept(material, rung):
            continue
        score = find_score(material.scores, VOICE, rung=rung, variant=variant)
        if score is not None:
            gates = find_gates(material.gates, rung=rung, variant=variant)
            yield _Found(rung, variant, score, tell_why_closed(gates), list_doubts(gates))


def _mark(one: _Found) -> Mark:
    style = {"tuned": "k-tuned", "grounded": "k-tuned", PREFERRED: "k-tuned", "host": "k-host", "guest": "k-host"}.get(
        one.variant, "k-base"
    )
    style += " k-greyed" if one.closed else ""
    label = "the real host" if one.variant == "host" else _SHORT[one.variant]
    value = one.score.value if one.score.value is not None else 0.0
    return Mark(style, label, value, one.score.low, one.score.high)


def _name(one: _Found, host: str) -> str:
    return host if one.variant == "host" else _SHORT[one.variant]


def _tell(one: _Found, host: str, n_rungs: int) -> str:
    rung = f" {one.rung}" if n_rungs > 1 and one.variant not in REFERENCES else ""
    if one.score.value is None:
        return f"{_name(one, host)}{rung}: not scored."
    grey = ", greyed out" if one.closed else ""
    return f"{_name(one, host)}{rung}: {format_decimal(one.score.value, 2)}{grey}."


def _tabulate(found: Sequence[_Found], host: str) -> Table:
    rows = tuple(
        (
            _name(one, host),
            MISSING if one.variant in REFERENCES else one.rung,
            "not scored" if one.score.value is None else format_decimal(one.score.value, 2),
            format_interval(one.score.low, one.score.high, 2),
            format_count(one.score.n),
            (one.score.reason or "no reason was given") if one.score.value is None else one.ruling,
        )
        for one in found
    )
    columns = name_columns("row", "rung", "#Voice", "#95% interval", "#n", "gates, or why there is none")
    return Table("fig-voices-table", "Voice of every row", columns, rows)


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
