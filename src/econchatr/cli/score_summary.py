"""The scores in at most 20 lines: the most telling measures before and after training, and what the gates found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from econchatr.display import strip_controls
from econchatr.records import Gate, RightCount, Score
from econchatr.records.measures import (
    CLOSED_QUESTIONS,
    HOST,
    HOST_LESS_GUEST,
    HOST_REPLIES,
    STATEMENTS_LESS_GUEST,
    TUNED_MINUS_BASE,
    Measure,
)
from econchatr.report.sections.right_told import TO_MARK

MAX_LINES: Final = 20
_COLUMNS: Final = (24, 21, 21, 10)
"""Characters of each column; one blank between two, so that a line has 79."""
_FEWEST: Final = 3
"""Lines of a rung, below which it is better left out."""


class _Line(NamedTuple):
    """One measure of the table."""

    label: str
    """Empty: the measure's own name."""
    measure: Measure
    form: str = ".0%"
    after: str = "tuned"
    subject: str = ""
    """Where the measure was taken of several things: of which it is shown."""


_LINES: Final = (
    # The most telling first: where there is no room for all, the last are left out.
    _Line("mark given by people", Measure.HAND_MARK),
    _Line("people found the host", Measure.BLIND_PICKS),
    _Line("judge took for the host", Measure.JUDGE_PICKS, after="tuned against base"),
    _Line("voice: 1 is the host", Measure.VOICE, ".2f"),
    _Line("voice nearer by", Measure.VOICE_CLOSER, ".2f", TUNED_MINUS_BASE),
    _Line("", Measure.HOST_BITS_SAVED, ".3f", TUNED_MINUS_BASE, HOST_LESS_GUEST),
    _Line("... on statements", Measure.HOST_BITS_SAVED, ".3f", TUNED_MINUS_BASE, STATEMENTS_LESS_GUEST),
    _Line("", Measure.TRUE_REPLY),
    _Line("", Measure.TRUE_ANSWER),
    _Line("answers on the question", Measure.ON_QUESTION),
    _Line("", Measure.COPIED_WORDS, ".1%"),
    _Line("repetition", Measure.REPETITION, ".1%"),
    _Line("words of a reply, median", Measure.MEDIAN_WORDS, ".0f"),
    _Line("names made up", Measure.MADE_UP, subject=CLOSED_QUESTIONS),
    _Line("facts exact or near", Measure.FACT_NEAR),
    _Line("quotations, the same", Measure.QUOTATION_NEAR),
    _Line("bits per byte, host", Measure.BITS_PER_BYTE, ".3f", subject=HOST_REPLIES),
)


def sum_up_scores(scores: Sequence[Score], gates: Sequence[Gate], right: Sequence[RightCount] = ()) -> list[str]:
    """Sum up right answers, scores and gates in at most `MAX_LINES` lines for a terminal, rung by rung."""
    rungs = list(dict.fromkeys(score.rung for score in scores if score.rung))
    room = MAX_LINES - 1
    shown = rungs[: room // _FEWEST]
    lines = list[str]()
    for rung in shown:
        own = [score for score in scores if score.rung == rung]
        gated = [gate for gate in gates if gate.rung == rung]
        counted = [count for count in right if count.rung == rung]
        lines += _sum_up_rung(rung, own, gated, counted)[: room // len(shown)]
    n_left, n_unscored = len(rungs) - len(shown), sum(score.value is None for score in scores)
    left, why = f"{n_left} more models" * bool(n_left), f"{n_unscored} unscored with the reason" * bool(n_unscored)
    return [*lines, f"`--all` gives everything: {', '.join(filter(None, ('n', 'the other rows', left, why)))}."]


def _sum_up_rung(rung: str, scores: Sequence[Score], gates: Sequence[Gate], right: Sequence[RightCount]) -> list[str]:
    """The lines of one rung: its name over the columns, the gates, then the measures, the most telling first."""
    name = strip_controls(rung, keeps_lines=False)
    head = name if len(name) <= _COLUMNS[0] else f"{name[: _COLUMNS[0] - 1]}…"
    return [
        _lay_out(head, "before (95% interval)", "after (95% interval)", "host"),
        *_tell_right(right),
        *_tell_gates(gates),
        *_tell(scores),
    ]


def _tell_right(counts: Sequence[RightCount]) -> Iterator[str]:
    """One line a marker: how many of the questions it marked are right in the first try."""
    for marker in dict.fromkeys(count.marker for count in counts):
        own = {count.variant: count for count in counts if count.marker == marker}
        label = f"right of {next(iter(own.values())).n_questions}, by {marker}"
        marked = [count for count in own.values() if count.n_right is not None]
        if marked:
            yield _lay_out(label, *(_count(own.get(variant)) for variant in ("base", "tuned")), "")
        elif marker == "people":
            yield _lay_out(label, "not marked yet:", f"`{TO_MARK}`", "")


def _count(count: RightCount | None) -> str:
    return "" if count is None or count.n_right is None else f"{count.n_right:g} of {count.n_marked} marked"


def _tell(scores: Sequence[Score]) -> Iterator[str]:
    """One line for each measure that has a value."""
    for line in _LINES:
        own = {
            score.variant: score
            for score in scores
            if score.measure == line.measure and line.subject in ("", score.subject) and score.value is not None
        }
        before, after, host = own.get("base"), own.get(line.after), own.get(HOST)
        if before or after:
            value = "" if host is None else f"{host.value:{line.form}}"
            yield _lay_out(line.label or line.measure, _show(before, line.form), _show(after, line.form), value)


def _show(score: Score | None, form: str) -> str:
    if score is None:
        return ""
    span = "" if score.low is None or score.high is None else f" ({score.low:{form}} to {score.high:{form}})"
    return f"{score.value:{form}}{span}"


def _tell_gates(gates: Sequence[Gate]) -> Iterator[str]:
    """One line: what the gates found of the answers; none where nobody checked."""
    if gates:
        columns = ([gate for gate in gates if gate.variant == variant] for variant in ("base", "tuned", HOST))
        yield _lay_out("gates", *(_judge(own, _COLUMNS[place]) for place, own in enumerate(columns, start=1)))


def _judge(gates: Sequence[Gate], width: int) -> str:
    """Which gates fail, were not checked or are in doubt; how many where the names take more room than there is."""
    counted = [gate for gate in gates if not gate.is_void]
    for outcome, verb in (("fails", "fails"), ("unscored", "not checked:"), ("in doubt", "in doubt:")):
        if found := [gate.gate for gate in counted if gate.outcome == outcome]:
            named = f"{verb} {', '.join(found)}"
            return named if len(named) <= width else f"{len(found)} {outcome}".replace("fails", "fail")
    return "all pass" if counted else ""


def _lay_out(*cells: str) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, _COLUMNS, strict=True)).rstrip()
