"""Divide a show's time into quarters, or into years where there would be too many quarters.

Knows dates only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

_UNDATED = "undated"
_MOST_QUARTERS = 20
_MOST_YEAR_LABELS = 7


def list_periods(days: Sequence[date]) -> list[str]:
    """Give every quarter between the first and the last date, or every year when there are too many quarters."""
    first, last = min(days), max(days)
    years = range(first.year, last.year + 1)
    quarters = [
        f"{year} Q{quarter}"
        for year in years
        for quarter in range(1, 5)
        if (first.year, _quarter(first.month)) <= (year, quarter) <= (last.year, _quarter(last.month))
    ]
    return quarters if len(quarters) <= _MOST_QUARTERS else [str(year) for year in years]


def name_period(day: date | None, periods: Sequence[str]) -> str:
    """Give the period of `list_periods` that a day falls in."""
    if day is None:
        return _UNDATED
    return f"{day.year} Q{_quarter(day.month)}" if " Q" in periods[0] else str(day.year)


def label_period(period: str, periods: Sequence[str]) -> str:
    """Give the year where it begins and under the first column, if there is room for it; else nothing."""
    year, _, quarter = period.partition(" ")
    if quarter:
        begins = quarter == "Q1" or (period == periods[0] and quarter != "Q4")
    else:
        begins = len(periods) <= _MOST_YEAR_LABELS or year.endswith(("0", "5"))
    return year if begins else ""


def _quarter(month: int) -> int:
    return (month + 2) // 3
