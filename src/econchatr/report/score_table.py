"""Say whether a Voice may be believed, and why not: what each gate found of each row.

Reads gates as they were ruled; rules nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from econchatr.display import name_hosts
from econchatr.records import Gate, Score
from econchatr.report.formats import MISSING, format_count, format_decimal, format_share, format_value
from econchatr.report.material import ReportMaterial, is_round_kept
from econchatr.report.page_blocks import Cell, Figure, Table, name_columns
from econchatr.report.scorebook import (
    BLIND_PICKS,
    CHANGE,
    CLOSED_QUESTIONS,
    CONFABULATION,
    COPIED,
    COVERAGE,
    HOST_SHARE,
    LONGEST_RUN,
    MADE_UP,
    PREFERRED,
    REFERENCES,
    ROW_NAMES,
    TRUE_REPLY,
    VARIANT_ORDER,
    VOICE,
    find_score,
    list_rungs,
)

_NOT_CHECKED = "nobody checked whether a trick produced it"

_FAULTS = {
    "copying": "it copies",
    "repetition": "it repeats itself",
    "on the question": "it misses the question",
    "length": "its answers are not of the host’s length",
}
_SUBJECTS = {
    "copying": "copying",
    "repetition": "repetition",
    "on the question": "keeping to the question",
    "length": "length",
}
_GUARDS = {
    "copying": "copying",
    "repetition": "repetition",
    "on the question": "answers beside the question",
    "length": "answers of another length",
}


def find_gates(gates: Sequence[Gate], *, rung: str, variant: str) -> tuple[Gate, ...]:
    """Give the gates of one row; a reference's may stand under any rung."""
    fitting = [gate for gate in gates if gate.variant == variant]
    own = tuple(gate for gate in fitting if gate.rung == rung)
    if own or variant not in REFERENCES or not fitting:
        return own
    return tuple(gate for gate in fitting if gate.rung == fitting[0].rung)


def tell_why_closed(gates: Sequence[Gate]) -> str:
    """Say in a few words why a Voice with these gates is greyed out; empty: it is not."""
    if not gates:
        return _NOT_CHECKED
    failed = [_FAULTS[gate.gate] for gate in gates if gate.outcome == "fails"]
    unknown = [_GUARDS[gate.gate] for gate in gates if gate.outcome == "unscored"]
    told = [" and ".join(failed)] if failed else []
    return "; ".join([*told, *([f"not checked for {' and '.join(unknown)}"] if unknown else [])])


def list_doubts(gates: Sequence[Gate]) -> tuple[str, ...]:
    """Name what is past its limit by less than its interval, as a sentence names it."""
    return tuple(_SUBJECTS[gate.gate] for gate in gates if gate.outcome == "in doubt")


def tabulate_gates(material: ReportMaterial) -> Table | None:
    """List every gate with its value, its limit and its reason; `None` when none was checked."""
    if not material.gates:
        return None
    order = {variant: place for place, variant in enumerate(VARIANT_ORDER)}
    gates = sorted(material.gates, key=lambda gate: order.get(gate.variant, len(order)))
    rows = tuple(
        (
            ROW_NAMES.get(gate.variant, gate.variant),
            gate.rung or MISSING,
            gate.gate,
            gate.outcome,
            show_gate_value(gate, gate.value),
            show_gate_value(gate, gate.limit),
            format_count(gate.n),
            gate.reason,
        )
        for gate in gates
    )
    columns = name_columns("row", "rung", "gate", "outcome", "#value", "#limit", "#n", "why")
    return Table(
        "gates",
        "Every gate",
        columns,
        rows,
        note="A Voice whose row fails a gate, or could not be checked, is greyed out: babble, copying and one "
        "catchphrase said again and again all score a high Voice. In doubt is past the limit, but by less than its "
        "interval.",
    )


def show_gate_value(gate: Gate, value: float | None) -> str:
    """Put a gate's value or limit down in its own unit; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    if gate.gate == "length":
        return f"{format_value(value)} times"
    return format_share(value, 1)


_NOT_SCORED = "not scored"


@dataclass(frozen=True, slots=True)
class Explained:
    """One measure of the table, and what it tells a reader who has never heard of it."""

    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell's scores are looked for: one row of one rung."""

    material: ReportMaterial
    rung: str
    variant: str

    def find(self, measure: str, *, subject: str | None = None) -> Score | None:
        """Give the row's score by a measure; `None`: nobody took it."""
        return find_score(self.material.scores, measure, rung=self.rung, variant=self.variant, subject=subject)


def explain_measures(material: ReportMaterial) -> tuple[Explained, ...]:
    """Say in one sentence each what the six measures mean."""
    host = name_hosts(material.hosts)
    return (
        Explained(
            "Voice",
            f"How it talks, whatever it talks about: 0 is how the guests talk and 1 is how {host} talks, so the "
            "nearest to 1 is best, and above 1 is caricature.",
        ),
        Explained(
            "Host bits saved",
            f"How much less training left the model surprised by what {host} said in episodes it never saw, beyond "
            "what it learned of the guests in the same episodes: above 0, it learned the host and not only the show.",
        ),
        Explained(
            "True reply of twenty",
            f"Given what was said to {host}, how often the model finds {host}’s true reply among twenty that {host} "
            "gave elsewhere: a guess finds 5%.",
        ),
        Explained(
            "Copied words",
            f"How many of its words stand in runs of eight or more that {host} said in the training episodes, and "
            f"the longest such run: {host}’s own new episodes show how much is ordinary.",
        ),
        Explained(
            "Made up",
            "Of the names it gives when asked about the show, how many are wrong; how often it names somebody where "
            "it cannot know; and how often it is right where it could. A model that never names anybody makes nothing "
            "up and is never right.",
        ),
        Explained(
            "Blind pick",
            f"How often people find {host}’s own reply among five: a guess finds 20%, so the nearest to 20% is best.",
        ),
    )


def tabulate_rows(material: ReportMaterial) -> tuple[Table, ...]:
    """Give one table per scored rung, each with every row that was measured; empty when nothing was."""
    rungs = list_rungs(material.scores)
    return tuple(_tabulate(material, rung, index, len(rungs)) for index, rung in enumerate(rungs, start=1))


def _tabulate(material: ReportMaterial, rung: str, index: int, n_rungs: int) -> Table:
    titles = tuple(measure.title for measure in explain_measures(material))
    rows = tuple(_lay_out(Place(material, rung, variant)) for variant in VARIANT_ORDER)
    shown = tuple(row for row in rows if any(cell != _NONE for cell in row[1:]))
    name = f", {rung}" if n_rungs > 1 else ""
    return Table(
        f"rows-{index}",
        f"Beside the real host and what needs no training{name}",
        name_columns("row", *titles),
        shown,
        note=f"{_rank(material, rung)}Small figures are 95% intervals and n. A dash: the measure does not apply to the "
        "row, or nobody took it.",
        is_stacked=True,
    )


def _rank(material: ReportMaterial, rung: str) -> str:
    """Name the models by how far their Voice is from the host's, the nearest first; those greyed out are left out."""
    found = []
    for variant in VARIANT_ORDER:
        score = find_score(material.scores, VOICE, rung=rung, variant=variant)
        gates = find_gates(material.gates, rung=rung, variant=variant)
        is_refused = variant == PREFERRED and not is_round_kept(material, rung)
        if variant not in ("host", "guest") and not is_refused and score is not None and score.value is not None:
            found += [] if tell_why_closed(gates) else [(abs(1 - score.value), ROW_NAMES[variant])]
    told = ", then ".join(f"{name} ({format_decimal(distance, 2)} away)" for distance, name in sorted(found))
    return f"Nearest to the host, greyed-out rows left out: {told}. " if told else ""


_NONE = Figure(MISSING)


def _lay_out(place: Place) -> tuple[Cell, ...]:
    host = name_hosts(place.material.hosts)
    name = f"{host}, really" if place.variant == "host" else ROW_NAMES[place.variant]
    if place.variant == PREFERRED and not is_round_kept(place.material, place.rung):
        name += ", not kept"
    makers = (show_voice, _show_bits, _show_reply, _show_copied, _show_made_up, _show_picks)
    return (name, *(make(place) for make in makers))


def show_voice(place: Place) -> Figure:
    """Put a row's Voice down, greyed out where a gate is closed."""
    score = place.find(VOICE)
    cell = show_score(score, lambda value: format_decimal(value, 2))
    if score is None or score.value is None:
        return cell
    gates = find_gates(place.material.gates, rung=place.rung, variant=place.variant)
    closed, doubts = tell_why_closed(gates), list_doubts(gates)
    if closed:
        return Figure(cell.value, f"greyed out: {closed}; {cell.context}", is_greyed=True)
    return Figure(cell.value, cell.context + (f"; in doubt: {' and '.join(doubts)}" if doubts else ""))


def _show_bits(place: Place) -> Figure:
    # The difference is of the two models; it stands in the row of the one it speaks for.
    if place.variant != "tuned":
        return _NONE
    score = find_score(place.material.scores, HOST_SHARE, rung=place.rung, variant=CHANGE)
    return show_score(score, lambda value: f"{format_decimal(value, 3)}")


def _show_reply(place: Place) -> Figure:
    return show_score(place.find(TRUE_REPLY), format_share)


def _show_copied(place: Place) -> Figure:
    cell = show_score(place.find(COPIED), lambda value: format_share(value, 1))
    run = place.find(LONGEST_RUN)
    if run is None or run.value is None:
        return cell
    longest = f"longest run {format_count(round(run.value))} words" if run.value else "no run of eight"
    return Figure(cell.value, f"{cell.context}; {longest}")


def _show_made_up(place: Place) -> Figure:
    found = {name: place.find(name, subject=CLOSED_QUESTIONS) for name in (MADE_UP, CONFABULATION, COVERAGE)}
    cell = show_score(found[MADE_UP], format_share)
    if found[MADE_UP] is None:
        return cell
    parts = [cell.context]
    for name, told in ((CONFABULATION, "names somebody it cannot know"), (COVERAGE, "right where it could be")):
        score = found[name]
        if score is not None and score.value is not None:
            parts.append(f"{told} {format_share(score.value)}, n {format_count(score.n)}")
    return Figure(cell.value, "; ".join(parts))


def _show_picks(place: Place) -> Figure:
    return show_score(place.find(BLIND_PICKS), format_share)


def show_score(score: Score | None, form: Callable[[float], str]) -> Figure:
    """Put a score down with its interval and n, or why there is none."""
    if score is None:
        return _NONE
    if score.value is None:
        return Figure(_NOT_SCORED, score.reason or "no reason was given")
    n = f"n {format_count(score.n)}"
    if score.low is None or score.high is None:
        return Figure(form(score.value), n)
    return Figure(form(score.value), f"{form(score.low)} to {form(score.high)}, {n}")
