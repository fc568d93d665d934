"""Read a prices.toml into price rows. An error names the file, line, row, key and what to write instead.

A price is written with its unit: `"$0.44 per 1M tokens"`, `"$4.05 per hour"`, `"free"`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from econchatr.errors import InputError
from econchatr.records import Price, PriceRow, PriceUnit

PRICE_UNITS: dict[str, tuple[PriceUnit, ...]] = {
    **dict.fromkeys(("training", "validation", "input", "cached", "output", "base_input", "base_output"), ("token",)),
    "endpoint": ("hour", "minute", "second"),
    "storage": ("GB-month",),
    "minimum": ("job",),
}
"""Which units each price of a row may have; the first is what its refusals propose."""

_SHORT = {"use": ("input", "output"), "base_use": ("base_input", "base_output")}
"""One price for what goes in and what comes out, as GPT-3 had it."""

_EXAMPLES = {"token": "$0.44 per 1M tokens", "hour": "$4.05 per hour", "GB-month": "$0.10 per GB-month"}
_EXAMPLES["job"] = "$5 per job"

_PRICE = re.compile(
    r"(?P<before>[^\d.]*)(?P<amount>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)\s*"
    r"(?P<after>(?!per\b)[^\s\d/]+)?\s*(?:(?:per\b|/)\s*(?P<unit>.+))?"
)
_DOLLARS = ("", "$", "us$", "usd", "us dollars", "us dollar", "dollars", "dollar")
_UNIT = re.compile(r"(?P<count>\d[\d,]*)?\s*(?:(?P<scale>thousand|million|k|m)\s+)?(?P<noun>[a-z][a-z -]*?)s?")
_SCALES = {"": 1, "k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}
_NOUNS: dict[str, PriceUnit] = {
    "token": "token",
    "tok": "token",
    "hour": "hour",
    "h": "hour",
    "gpu-hour": "hour",
    "gpu hour": "hour",
    "minute": "minute",
    "second": "second",
    "gb-month": "GB-month",
    "gb month": "GB-month",
    "job": "job",
}
_MONTH = re.compile(r"\d{4}-\d{2}")
_DATES = ("read_on", "jobs_until", "shutdown_on")


class PriceDraft(NamedTuple):
    """The keys of one row as a file gives them, and where it stands."""

    name: str
    """`profile/model`."""
    values: dict[str, Any]
    place: str
    """File, line and row, as refusals begin."""


def read_price_file(path: Path) -> list[PriceDraft]:
    """The rows of one file, each price understood; not yet known to be whole, for a row may complete another's.

    Raises:
        InputError: The file is not TOML, or a row of it says something that cannot be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}.", hint="It must be a UTF-8 text file.") from exc
    return parse_prices(text, file=str(path))


def parse_prices(text: str, *, file: str) -> list[PriceDraft]:
    """The rows of a price table's text.

    Raises:
        InputError: It is not TOML, or a row of it says something that cannot be.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(f"{file} is not TOML: {exc}.", hint="Mend that line.") from exc
    rows = tables.pop("price", [])
    if tables or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        odd = next(iter(tables), "price")
        raise InputError(f"{file}: {odd!r} is no [[price]] table.", hint="Begin each row with a line [[price]].")
    drafts = [_draft(row, number, text, file) for number, row in enumerate(rows, start=1)]
    for draft in drafts:
        if sum(other.name == draft.name for other in drafts) > 1:
            raise InputError(f"{draft.place}: stands twice.", hint="Keep one row per profile and model.")
    return drafts


def complete_row(draft: PriceDraft, *, file: str) -> PriceRow:
    """The row as a record.

    Args:
        file: The user's file it stands in; empty: shipped.

    Raises:
        InputError: A key is missing, unknown, or has a value that cannot be.
    """
    try:
        return PriceRow.model_validate({**draft.values, "file": file})
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise InputError(f"{draft.place}: {key!r} is missing.", hint=_MISSING.get(key, f"Add {key!r}.")) from exc
        raise InputError(
            f"{draft.place}, {key}: {first['msg']} (found {first['input']!r}).", hint=f"Change {key!r} in that row."
        ) from exc


_MISSING = {
    "read_on": "Say on which day the prices were read: read_on = 2026-11-21.",
    "source": 'Say where the prices were read: source = "https://...".',
}


def parse_price(text: str, units: tuple[PriceUnit, ...]) -> Price:
    """A price from its words.

    Raises:
        ValueError: It is no price in dollars with one of these units; the message says which part is wrong.
    """
    if text.strip().casefold() == "free":
        return Price(usd=Decimal(0), unit=units[0])
    found = _PRICE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no price")
    before, after = found["before"].strip().casefold(), (found["after"] or "").casefold()
    if before.startswith(("-", "\N{MINUS SIGN}")) or before.endswith(("-", "\N{MINUS SIGN}")):
        raise ValueError(f"{text!r} is negative")
    if before not in _DOLLARS or after not in _DOLLARS:
        raise ValueError(f"{text!r} is not in US dollars")
    if not found["unit"]:
        raise ValueError(f"{text!r} has no unit")
    n_units, unit = _parse_unit(found["unit"])
    if unit not in units:
        raise ValueError(f"{text!r} is not a price per {' or '.join(units)}")
    return Price(usd=Decimal(found["amount"].replace(",", "")), n_units=n_units, unit=unit)


def parse_usd(text: str) -> Decimal:
    """An amount of money from its words: `40`, `$40`, `40.50 USD`.

    Raises:
        ValueError: It is no positive amount of US dollars; the message says why.
    """
    found = _PRICE.fullmatch(text.strip())
    if found is None or found["unit"]:
        raise ValueError(f"{text!r} is no amount of money")
    before, after = found["before"].strip().casefold(), (found["after"] or "").casefold()
    if before.startswith(("-", "\N{MINUS SIGN}")) or before.endswith(("-", "\N{MINUS SIGN}")):
        raise ValueError(f"{text!r} is negative")
    if before not in _DOLLARS or after not in _DOLLARS:
        raise ValueError(f"{text!r} is not in US dollars")
    amount = Decimal(found["amount"].replace(",", ""))
    if not amount:
        raise ValueError(f"{text!r} is nothing")
    return amount


def _parse_unit(text: str) -> tuple[int, PriceUnit | None]:
    words = text.casefold().replace("mtok", " m tok").replace("ktok", " k tok").strip()
    found = _UNIT.fullmatch(words)
    count = int((found["count"] or "1").replace(",", "")) if found else 0
    if found is None or not count:
        return 1, None
    return count * _SCALES[found["scale"] or ""], _NOUNS.get(found["noun"].strip())


def _draft(row: dict[str, Any], number: int, text: str, file: str) -> PriceDraft:
    name = f"{row.get('profile', '?')}/{row.get('model', '?')}"
    place = f"{file}, line {_find_line(text, number)} (row {number}, {name})"
    for key in ("profile", "model"):
        if not isinstance(row.get(key), str) or not row[key].strip() or "/" in row[key]:
            raise InputError(
                f"{place}: {key!r} is missing or no plain name.", hint=f'Add {key} = "...", without a "/".'
            )
    values: dict[str, Any] = {}
    for key, value in row.items():
        at = f"{file}, line {_find_line(text, number, key)} (row {number}, {name}), {key}"
        for target in _SHORT.get(key, (key,)):
            values[target] = _read_value(target, value, at)
    return PriceDraft(name, values, place)


def _read_value(key: str, value: Any, at: str) -> Any:
    if key in PRICE_UNITS:
        return _read_price(key, value, at)
    if key == "currency":
        raise InputError(f"{at}: prices are in US dollars.", hint="Convert them, and leave `currency` out.")
    if key not in PriceRow.model_fields or key == "file":
        close = difflib.get_close_matches(key, [*PriceRow.model_fields, *_SHORT], n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}?" if close else f"Prices are: {', '.join([*PRICE_UNITS, *_SHORT])}."
        raise InputError(f"{at}: unknown key.", hint=hint)
    # A month without a day, where the source says no more; its first day, so that no row looks fresher than it is.
    is_month = key in _DATES and isinstance(value, str) and _MONTH.fullmatch(value)
    return f"{value}-01" if is_month else value


def _read_price(key: str, value: Any, at: str) -> Price:
    units = PRICE_UNITS[key]
    try:
        # A bare number is a price whose unit was left out.
        return parse_price(value if isinstance(value, str) else str(value), units)
    except ValueError as exc:
        raise InputError(f"{at}: {exc}.", hint=f'Write it like {key} = "{_EXAMPLES[units[0]]}".') from exc


def _find_line(text: str, number: int, key: str = "") -> int:
    """The line of the row's header, or of a key in it."""
    seen = header = 0
    for line_number, line in enumerate(text.splitlines(), start=1):
        if re.match(r"\s*\[\[\s*price\s*\]\]", line):
            seen, header = seen + 1, line_number if seen + 1 == number else header
        elif seen == number and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return line_number
    return header
