"""Write numbers, dates and sizes as a reader of the page expects them; `None` is never shown as zero."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation

_FEW = 20
MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
# Written out, because strftime's month names change with the reader's locale.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def format_count(count: int | None) -> str:
    """Give a whole number with thousands apart: `4,818,101`; a dash for `None`."""
    return MISSING if count is None else f"{count:,}".replace("-", MINUS)


def format_decimal(value: float | None, places: int) -> str:
    """Give a number with so many places and a true minus sign; a dash for `None`."""
    if value is None:
        return MISSING
    text = f"{value:,.{places}f}"
    # What rounds to zero has no sign.
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", MINUS)


def format_share(share: float | None, places: int = 0) -> str:
    """Give a share of one as percent; a share above none but below half the last place shows as `under`."""
    if share is None:
        return MISSING
    smallest = 10.0 ** -(places + 2)
    if 0 < share < smallest / 2:
        return f"under {format_decimal(100 * smallest, places)}%"
    return f"{format_decimal(100 * share, places)}%"


def format_cases(share: float | None, n: int) -> str:
    """Give a share of `n` cases: as a count where they are fewer than twenty, else as percent.

    >>> format_cases(1.0, 1), format_cases(0.25, 40)
    ('1 of 1', '25%')
    """
    return format_share(share) if share is None or n >= _FEW else f"{share * n:.3g} of {n}"


def format_interval(low: float | None, high: float | None, places: int) -> str:
    """Give `low to high`; a dash where there is no interval."""
    if low is None or high is None:
        return MISSING
    return f"{format_decimal(low, places)} to {format_decimal(high, places)}"


def format_date(day: date | None) -> str:
    """Give `4 January 2023`; `undated` for `None`."""
    return "undated" if day is None else f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def format_source(title: str, published: date | None) -> str:
    """Give an episode's title, with its date where it has one."""
    return title if published is None else f"{title}, {format_date(published)}"


def format_clock(seconds: int | None) -> str:
    """Give `1:02:03` or `2:03`; nothing for `None`, since most transcripts do not say."""
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_usd(amount: str | Decimal | None) -> str:
    """Give decimal dollars with at least two places; a dash for `None`, the text itself if it is no number."""
    if amount is None:
        return MISSING
    try:
        value = Decimal(amount)
    except InvalidOperation:
        return str(amount)
    exponent = value.as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"${value:,.{places}f}"


def format_value(value: float | None) -> str:
    """Give a measured value with about four telling digits, whatever its size."""
    if value is None:
        return MISSING
    size = abs(value)
    if size >= 10 and value == int(value):
        return format_decimal(value, 0)
    return format_decimal(value, 3 if size < 10 else 1 if size < 1000 else 0)


def shorten_hash(sha256: str | None) -> str:
    """Give the first twelve signs of a hash; a dash for `None`."""
    return MISSING if sha256 is None else sha256[:12]


def count_noun(count: int, noun: str) -> str:
    """Give the number with its noun in the right form: `1 pair`, `2,000 pairs`."""
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"
