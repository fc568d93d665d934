"""The table of rows beside the real host, and whether a Voice may be believed: what each gate found of each row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from econchatr.display import name_hosts
from econchatr.records import Gate, Score
from econchatr.records.measures import (
    CLOSED_QUESTIONS,
    HOST,
    HOST_LESS_GUEST,
    PREFERRED,
    ROW_NAMES,
    TUNED_MINUS_BASE,
    Measure,
)
from econchatr.report.formats import MISSING, format_cases, format_count, format_decimal, format_share, format_value
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Cell, Facts, Figure, Table, name_columns, tabulate

# --- gates ------------------------------------------------------------------------------------------------------------


class _GateWords(NamedTuple):
    """How a sentence speaks of a gate."""

    fault: str
    """What a row does that fails the gate."""
    subject: str
    """What is in doubt."""
    guards_against: str


_GATE_WORDS = {
    "copying": _GateWords("it copies", "copying", "copying"),
    "repetition": _GateWords("it repeats itself", "repetition", "repetition"),
    "on the question": _GateWords("it misses the question", "keeping to the question", "answers beside the question"),
    "length": _GateWords("its answers are not of the host’s length", "length", "answers of another length"),
    "answers": _GateWords("it asks back instead of answering", "asking back", "answers that answer nothing"),
    "sense": _GateWords("its answers make no sense", "sense", "nonsense"),
}


def tell_why_closed(gates: Sequence[Gate]) -> str:
    """Say in a few words why a Voice with these gates is greyed out; empty: it is not."""
    if not gates:
        return "nobody checked whether a trick produced it"
    failed = [_GATE_WORDS[gate.gate].fault for gate in gates if gate.outcome == "fails"]
    unknown = [
        _GATE_WORDS[gate.gate].guards_against
        for gate in gates
        if gate.outcome == "unscored" and not (gate.is_void or gate.variant == HOST)  # the host is what is held against
    ]
    told = (" and ".join(failed), f"not checked for {' and '.join(unknown)}" if unknown else "")
    return "; ".join(filter(None, told))


def list_doubts(gates: Sequence[Gate]) -> tuple[str, ...]:
    """Name what is past its limit by less than its interval, as a sentence names it."""
    return tuple(_GATE_WORDS[gate.gate].subject for gate in gates if gate.outcome == "in doubt")


def tabulate_gates(material: ReportMaterial) -> Table | None:
    """List every gate with its value, its limit and its reason; `None` when none was checked."""
    if not material.gates:
        return None
    order = {variant: place for place, variant in enumerate(ROW_NAMES)}
    return tabulate(
        "gates",
        "Every gate",
        sorted(material.gates, key=lambda gate: order.get(gate.variant, len(order))),
        {
            "row": lambda gate: ROW_NAMES.get(gate.variant, gate.variant),
            "rung": lambda gate: gate.rung or MISSING,
            "gate": lambda gate: gate.gate,
            "outcome": lambda gate: "not scored there" if gate.outcome == "unscored" else gate.outcome,
            "#value": lambda gate: show_gate_value(gate, gate.value),
            "#limit": lambda gate: show_gate_value(gate, gate.limit),
            "#n": lambda gate: format_count(gate.n),
            "why": lambda gate: gate.reason,
        },
        note="A Voice whose row fails a gate, or could not be checked, is greyed out: babble, copying and one "
        "catchphrase said again and again all score a high Voice. In doubt is past the limit, but by less than its "
        "interval.",
    )


def show_gate_value(gate: Gate, value: float | None) -> str:
    """Put a gate's value or limit down in its own unit; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{format_value(value)} times" if gate.gate == "length" else format_share(value, 1)


# --- rows -------------------------------------------------------------------------------------------------------------


class ScoredRow(NamedTuple):
    """A row of the table: the real host, the guests, or one form of a rung's model."""

    material: ReportMaterial
    rung: str
    variant: str

    def find(self, measure: Measure, subject: str | None = None) -> Score | None:
        """Give the row's score by a measure; `None`: nobody took it."""
        return self.material.find_score(measure, self.rung, self.variant, subject)

    def of(self, variant: str) -> ScoredRow:
        """Give another row of the same rung."""
        return self._replace(variant=variant)

    @property
    def gates(self) -> tuple[Gate, ...]:
        """What was checked of the row before its Voice is believed."""
        return self.material.find_gates(self.rung, self.variant)

    @property
    def host(self) -> str:
        """Who is imitated."""
        return name_hosts(self.material.hosts)


def tabulate_rows(material: ReportMaterial) -> tuple[Table, ...]:
    """Give one table per scored rung, each with every row that was measured; empty when nothing was."""
    rungs = material.scored_rungs
    tables = []
    for index, rung in enumerate(rungs, start=1):
        rows = (ScoredRow(material, rung, variant) for variant in ROW_NAMES)
        shown: list[tuple[Cell, ...]] = [(_name_row(row), *(column.show(row) for column in _COLUMNS)) for row in rows]
        table = Table(
            f"rows-{index}",
            f"Beside the real host and what needs no training{f', {rung}' if len(rungs) > 1 else ''}",
            name_columns("row", *(column.title for column in _COLUMNS)),
            tuple(cells for cells in shown if any(cell != _NONE for cell in cells[1:])),
            note=f"{_rank(material, rung)}Small figures are 95% intervals and n. A dash: the measure does not apply to "
            "the row, or nobody took it.",
            is_stacked=True,
        )
        tables.append(table)
    return tuple(tables)


def explain_columns(material: ReportMaterial, style: str = "facts-list") -> Facts:
    """Say what each column of `tabulate_rows` tells, in the words of `Measure.sentence`."""
    host = name_hosts(material.hosts)
    told = (" ".join(measure.sentence for measure in column.measures) for column in _COLUMNS)
    told = (text.replace("the host", host).replace("'", "’") for text in told)
    return Facts(tuple(zip((column.title for column in _COLUMNS), told, strict=True)), style)


def _rank(material: ReportMaterial, rung: str) -> str:
    """Name the models by how far their Voice is from the host's, the nearest first; those greyed out are left out."""
    found = []
    for variant in ROW_NAMES:
        score = material.find_score(Measure.VOICE, rung, variant)
        is_refused = variant == PREFERRED and not material.is_round_kept(rung)
        if variant not in ("host", "guest") and not is_refused and score is not None and score.value is not None:
            gates = material.find_gates(rung, variant)
            found += [] if tell_why_closed(gates) else [(abs(1 - score.value), ROW_NAMES[variant])]
    told = ", then ".join(f"{name} ({format_decimal(distance, 2)} away)" for distance, name in sorted(found))
    return f"Nearest to the host, greyed-out rows left out: {told}. " if told else ""


def _name_row(row: ScoredRow) -> str:
    if row.variant == "host":
        return f"{row.host}, really"
    is_refused = row.variant == PREFERRED and not row.material.is_round_kept(row.rung)
    return ROW_NAMES[row.variant] + (", not kept" if is_refused else "")


# --- cells ------------------------------------------------------------------------------------------------------------

_NONE: Cell = Figure(MISSING)


def show_score(score: Score | None, form: Callable[[float], str]) -> Figure:
    """Put a score down with its interval and n, or why there is none."""
    if score is None:
        return Figure(MISSING)
    if score.value is None:
        return Figure("not scored", score.reason or "no reason was given")
    n = f"n {format_count(score.n)}"
    told = format_cases(score.value, score.n) if form is format_share else form(score.value)
    if score.low is None or score.high is None:
        return Figure(told, n)
    return Figure(told, f"{form(score.low)} to {form(score.high)}, {n}")


def show_voice(row: ScoredRow) -> Figure:
    """Put a row's Voice down, greyed out where a gate is closed."""
    score = row.find(Measure.VOICE)
    cell = show_score(score, partial(format_decimal, places=2))
    if score is None or score.value is None:
        return cell
    closed, doubts = tell_why_closed(row.gates), list_doubts(row.gates)
    if closed:
        return Figure(cell.value, f"greyed out: {closed}; {cell.context}", is_greyed=True)
    return Figure(cell.value, cell.context + (f"; in doubt: {' and '.join(doubts)}" if doubts else ""))


def _show_bits(row: ScoredRow) -> Figure:
    # The difference is of the two models; it stands in the row of the one it speaks for.
    saved = row.of(TUNED_MINUS_BASE).find(Measure.HOST_BITS_SAVED, HOST_LESS_GUEST)
    score = saved if row.variant == "tuned" else None
    return show_score(score, partial(format_decimal, places=3))


def _show_copied(row: ScoredRow) -> Figure:
    cell = show_score(row.find(Measure.COPIED_WORDS), partial(format_share, places=1))
    run = row.find(Measure.LONGEST_RUN)
    if run is None or run.value is None:
        return cell
    longest = f"longest run {format_count(round(run.value))} words" if run.value else "no run of eight"
    return Figure(cell.value, f"{cell.context}; {longest}")


def _show_made_up(row: ScoredRow) -> Figure:
    made_up = row.find(Measure.MADE_UP, CLOSED_QUESTIONS)
    cell = show_score(made_up, format_share)
    if made_up is None:
        return cell
    parts = [cell.context]
    for measure, told in (
        (Measure.CONFABULATION, "names somebody it cannot know"),
        (Measure.COVERAGE, "right where it could be"),
    ):
        score = row.find(measure, CLOSED_QUESTIONS)
        if score is not None and score.value is not None:
            cases = format_cases(score.value, score.n)
            parts.append(f"{told} {cases}" + (f", n {format_count(score.n)}" if "%" in cases else ""))
    return Figure(cell.value, "; ".join(parts))


class _Column(NamedTuple):
    title: str
    measures: tuple[Measure, ...]
    """What the column shows; their sentences explain the column."""
    show: Callable[[ScoredRow], Figure]


_COLUMNS = (
    _Column("Voice", (Measure.VOICE,), show_voice),
    _Column("Host bits saved", (Measure.HOST_BITS_SAVED,), _show_bits),
    _Column(
        "True reply of twenty",
        (Measure.TRUE_REPLY,),
        lambda row: show_score(row.find(Measure.TRUE_REPLY), format_share),
    ),
    _Column("Copied words", (Measure.COPIED_WORDS, Measure.LONGEST_RUN), _show_copied),
    _Column("Made up", (Measure.MADE_UP, Measure.CONFABULATION, Measure.COVERAGE), _show_made_up),
    _Column("Blind pick", (Measure.BLIND_PICKS,), lambda row: show_score(row.find(Measure.BLIND_PICKS), format_share)),
)
