"""A measured value, or the reason why there is none -> a `Score`. This module measures nothing."""

from __future__ import annotations

from econchatr.records import Score
from econchatr.score.statistics import Interval


def make_score(
    measure: str,
    value: Interval | None,
    *,
    rung: str,
    variant: str,
    subject: str,
    n: int,
    unit: str,
    reason: str = "",
) -> Score:
    """Put a value down with its interval; or, where there is none, the reason."""
    known = {"value": value.value, "low": value.low, "high": value.high} if value else {"value": None}
    return Score(
        measure=measure,
        rung=rung,
        variant=variant,
        subject=subject,
        n=n,
        unit=unit,
        reason="" if value else reason,
        **known,
    )
