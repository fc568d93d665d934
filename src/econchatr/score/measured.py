"""A measured value, or the reason why there is none -> a `Score`. Every `Score` of the program is made here."""

from __future__ import annotations

from econchatr.records import Score
from econchatr.records.measures import Measure
from econchatr.score.statistics import Interval


def make_score(
    measure: Measure,
    value: Interval | None,
    *,
    rung: str,
    variant: str,
    subject: str,
    n: int,
    reason: str = "",
) -> Score:
    """Put a value down with its interval and the measure's unit.

    Args:
        measure: What was measured.
        value: `None`: it could not be measured, see `reason`.
        rung: As in `Score`.
        variant: As in `Score`.
        subject: As in `Score`.
        n: As in `Score`.
        reason: Why there is no value; left out where there is one.
    """
    known = {"value": value.value, "low": value.low, "high": value.high} if value else {"value": None}
    return Score(
        measure=measure.value,
        rung=rung,
        variant=variant,
        subject=subject,
        n=n,
        unit=measure.unit,
        reason="" if value else reason,
        **known,
    )
