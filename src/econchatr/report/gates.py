"""Say whether a Voice may be believed, and why not: what each gate found of each row.

Reads gates as they were ruled; rules nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from econchatr.records import Gate
from econchatr.report.blocks import Table, name_columns
from econchatr.report.formats import MISSING, format_count, format_share, format_value
from econchatr.report.material import ReportMaterial
from econchatr.report.scorebook import REFERENCES, ROW_NAMES, VARIANT_ORDER

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
