"""The price table: the shipped rows, the user's own rows over them, and warnings about old or closing services.

A price is written with its unit: `"$0.44 per 1M tokens"`, `"$4.05 per hour"`, `"free"`. An error in a prices.toml names
the file, line, row, key and what to write instead. All amounts are `Decimal`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from econchatr.errors import InputError
from econchatr.records import Price, PriceRow, PriceUnit

PRICES_NAME = "prices.toml"

_STALE_DAYS = 90
"""A row read longer ago is warned of, and counts with a margin at worst."""

STALE_MARGIN = Decimal("0.25")
"""What is added, at worst, to a price read longer ago. Source: chosen; Tinker raised its by a tenth in July 2026."""

REPORTED_2023 = {
    "ada": ("2.41", "9.48"),
    "babbage": ("3.59", "14.19"),
    "curie": ("17.72", "70.71"),
    "davinci": ("176.68", "706.55"),
}
"""Dollars of one epoch of training, and of running the same tokens through the tuned model, as the drafts of 2023 print
them. They imply 5.89 to 6.03 M tokens, not one count, so they are shown as reported and computed with nowhere.
Source: shared reference `original.md`, "Figures reported"."""


class PriceWarning(NamedTuple):
    """Something about a row that the user should know before relying on it."""

    name: str
    text: str


def load_prices(files: Sequence[Path] = ()) -> tuple[PriceRow, ...]:
    """Every row of the shipped table, with those of the user's files added or put over them, file by file.

    A user's row of a known name need give only what differs, but with a price also where and when it was read.

    Raises:
        InputError: A file is not TOML, or a row of it says something that cannot be.
    """
    rows = {name: (draft, "") for name, draft in _shipped().items()}
    for path in files:
        for draft in _read_drafts(path) if path.is_file() else ():
            known = rows[draft.name][0].values if draft.name in rows else {}
            rows[draft.name] = (draft._replace(values=known | draft.values), str(path))
    return tuple(_complete_row(draft, file=file) for draft, file in rows.values())


def find_price(name: str, rows: Sequence[PriceRow] | None = None) -> PriceRow:
    """The row called `profile/model`.

    Args:
        rows: The table to look in; `None`: the shipped one.

    Raises:
        InputError: No such row.
    """
    table = {row.name: row for row in (load_prices() if rows is None else rows)}
    if name not in table:
        close = difflib.get_close_matches(name, table, n=1)
        guess = f"Did you mean {close[0]!r}? " if close else ""
        raise InputError(
            f"no price {name!r}.",
            hint=f"{guess}Change the rung's `price`, or add a [[price]] row to {PRICES_NAME} in the show's folder. "
            f"Known prices: {', '.join(table)}.",
        )
    return table[name]


def training_usd_per_mtok(row: PriceRow) -> Decimal:
    """What a million trained tokens cost.

    Raises:
        InputError: The table does not say.
    """
    if row.training is None:
        raise InputError(
            f"{row.name} ({row.file or f'the shipped {PRICES_NAME}'}): the price of training is not known.",
            hint=f"Look it up ({row.source}) and add to {PRICES_NAME} in the show's folder a [[price]] with profile = "
            f'"{row.profile}", model = "{row.model}", training = "$... per 1M tokens", read_on and source.',
        )
    return row.training.usd_per_mtok


def warn_of_prices(rows: Iterable[PriceRow], *, today: date, until: date | None = None) -> list[PriceWarning]:
    """What the user should know of each row: read long ago, closed to new training, soon gone.

    Historical rows are passed over: nobody can buy at them.

    Args:
        until: The last day on which the model must still answer; `None`: today.
    """
    return [
        PriceWarning(row.name, text)
        for row in rows
        if not row.is_historical
        for text in _doubts(row, today=today, until=max(until or today, today))
    ]


def stale_margin(row: PriceRow, *, today: date) -> Decimal:
    """By what share the prices of a row may have risen since they were read, at worst; 0: they are fresh."""
    is_stale = not row.is_historical and (today - row.read_on).days > _STALE_DAYS
    return STALE_MARGIN if is_stale else Decimal(0)


def _doubts(row: PriceRow, *, today: date, until: date) -> Iterable[str]:
    age = (today - row.read_on).days
    if age > _STALE_DAYS:
        yield f"read {age} days ago, on {row.read_on}; look again at {row.source.split()[0].rstrip(';,')}"
    if age < 0:
        yield f"read on {row.read_on}, a day still to come"
    if row.jobs_until and row.jobs_until <= today:
        yield f"takes no new training since {row.jobs_until}"
    if row.shutdown_on and row.shutdown_on <= until:
        yield f"is shut down on {row.shutdown_on}, " + (
            "which is past" if row.shutdown_on <= today else f"within its intended life until {until}"
        )


# --- a price file -----------------------------------------------------------------------------------------------------

PRICE_UNITS: dict[str, tuple[PriceUnit, ...]] = {
    **dict.fromkeys(("training", "validation", "input", "cached", "output", "base_input", "base_output"), ("token",)),
    "endpoint": ("hour", "minute", "second"),
    "storage": ("GB-month",),
    "minimum": ("job",),
}
"""Which units each price of a row may have; the first is what error messages propose."""

_SHORT = {"use": ("input", "output"), "base_use": ("base_input", "base_output")}
"""One price for what goes in and what comes out, as GPT-3 had it."""

_EXAMPLES = {
    "token": "$0.44 per 1M tokens",
    "hour": "$4.05 per hour",
    "GB-month": "$0.10 per GB-month",
    "job": "$5 per job",
}
_MISSING = {
    "read_on": "Say on which day the prices were read: read_on = 2026-11-21.",
    "source": 'Say where the prices were read: source = "https://...".',
}
_MONTH = re.compile(r"\d{4}-\d{2}")
_DATES = ("read_on", "jobs_until", "shutdown_on")


class _Draft(NamedTuple):
    """The keys of one row as a file gives them; not yet known to be whole, for a row may complete another's."""

    name: str
    """`profile/model`."""
    values: dict[str, Any]
    place: str
    """File, line and row, with which error messages begin."""


@lru_cache(maxsize=1)
def _shipped() -> dict[str, _Draft]:
    text = resources.files("econchatr.money").joinpath(PRICES_NAME).read_text(encoding="utf-8")
    return {draft.name: draft for draft in _parse_drafts(text, file=f"the shipped {PRICES_NAME}")}


def _read_drafts(path: Path) -> list[_Draft]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read: {exc}.", hint="It must be a UTF-8 text file.") from exc
    drafts = _parse_drafts(text, file=str(path))
    for draft in drafts:
        priced = [key for key in draft.values if key in PRICE_UNITS]
        for key in ("read_on", "source"):
            if priced and key not in draft.values:
                raise InputError(
                    f"{draft.place}: gives {priced[0]!r}, but not {key!r}.",
                    hint="Say where and when you read it: "
                    'read_on = 2026-11-21, source = "https://..." or "our contract".',
                )
    return drafts


def _parse_drafts(text: str, *, file: str) -> list[_Draft]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise InputError(f"{file} is not TOML: {exc}.", hint="Mend that line.") from exc
    rows = tables.pop("price", [])
    if tables or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        odd = next(iter(tables), "price")
        raise InputError(f"{file}: {odd!r} is no [[price]] table.", hint="Begin each row with a line [[price]].")
    drafts = [_parse_row(row, number, text, file) for number, row in enumerate(rows, start=1)]
    for draft in drafts:
        if sum(other.name == draft.name for other in drafts) > 1:
            raise InputError(f"{draft.place}: stands twice.", hint="Keep one row per profile and model.")
    return drafts


def _parse_row(row: dict[str, Any], number: int, text: str, file: str) -> _Draft:
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
            values[target] = _parse_value(target, value, at)
    return _Draft(name, values, place)


def _parse_value(key: str, value: Any, at: str) -> Any:
    if units := PRICE_UNITS.get(key):
        try:
            # A bare number is a price whose unit was left out.
            return parse_price(value if isinstance(value, str) else str(value), units)
        except ValueError as exc:
            raise InputError(f"{at}: {exc}.", hint=f'Write it like {key} = "{_EXAMPLES[units[0]]}".') from exc
    if key == "currency":
        raise InputError(f"{at}: prices are in US dollars.", hint="Convert them, and leave `currency` out.")
    if key not in PriceRow.model_fields or key == "file":
        close = difflib.get_close_matches(key, [*PriceRow.model_fields, *_SHORT], n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}?" if close else f"Prices are: {', '.join([*PRICE_UNITS, *_SHORT])}."
        raise InputError(f"{at}: unknown key.", hint=hint)
    # A month without a day, where the source says no more; its first day, so that no row looks fresher than it is.
    is_month = key in _DATES and isinstance(value, str) and _MONTH.fullmatch(value)
    return f"{value}-01" if is_month else value


def _find_line(text: str, number: int, key: str = "") -> int:
    """The line of the row's header, or of a key in it."""
    seen = header = 0
    for line_number, line in enumerate(text.splitlines(), start=1):
        if re.match(r"\s*\[\[\s*price\s*\]\]", line):
            seen, header = seen + 1, line_number if seen + 1 == number else header
        elif seen == number and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return line_number
    return header


def _complete_row(draft: _Draft, *, file: str) -> PriceRow:
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


# --- a price in words -------------------------------------------------------------------------------------------------

_PRICE = re.compile(
    r"(?P<before>[^\d.]*)(?P<amount>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)\s*"
    r"(?P<after>(?!per\b)[^\s\d/]+)?\s*(?:(?:per\b|/)\s*(?P<unit>.+))?"
)
_MINUS = ("-", "\N{MINUS SIGN}")
_DOLLARS = ("", "$", "us$", "usd", "us dollars", "us dollar", "dollars", "dollar")
_UNIT = re.compile(r"(?P<count>\d[\d,]*)?\s*(?:(?P<scale>thousand|million|k|m)\s+)?(?P<noun>[a-z][a-z -]*?)s?")
_SCALES = {"": 1, "k": 1_000, "thousand": 1_000, "m": 1_000_000, "million": 1_000_000}
_NOUNS: dict[str, PriceUnit] = {
    **dict.fromkeys(("token", "tok"), "token"),
    **dict.fromkeys(("hour", "h", "gpu-hour", "gpu hour"), "hour"),
    **dict.fromkeys(("gb-month", "gb month"), "GB-month"),
    "minute": "minute",
    "second": "second",
    "job": "job",
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
    usd = _parse_dollars(text, found)
    if not found["unit"]:
        raise ValueError(f"{text!r} has no unit")
    n_units, unit = _parse_unit(found["unit"])
    if unit not in units:
        raise ValueError(f"{text!r} is not a price per {' or '.join(units)}")
    return Price(usd=usd, n_units=n_units, unit=unit)


def parse_usd(text: str) -> Decimal:
    """An amount of money from its words: `40`, `$40`, `40.50 USD`.

    Raises:
        ValueError: It is no positive amount of US dollars; the message says why.
    """
    found = _PRICE.fullmatch(text.strip())
    if found is None or found["unit"]:
        raise ValueError(f"{text!r} is no amount of money")
    amount = _parse_dollars(text, found)
    if not amount:
        raise ValueError(f"{text!r} is nothing")
    return amount


def _parse_dollars(text: str, found: re.Match[str]) -> Decimal:
    before, after = found["before"].strip().casefold(), (found["after"] or "").casefold()
    if before.startswith(_MINUS) or before.endswith(_MINUS):
        raise ValueError(f"{text!r} is negative")
    if before not in _DOLLARS or after not in _DOLLARS:
        raise ValueError(f"{text!r} is not in US dollars")
    return Decimal(found["amount"].replace(",", ""))


def _parse_unit(text: str) -> tuple[int, PriceUnit | None]:
    words = text.casefold().replace("mtok", " m tok").replace("ktok", " k tok").strip()
    found = _UNIT.fullmatch(words)
    count = int((found["count"] or "1").replace(",", "")) if found else 0
    if found is None or not count:
        return 1, None
    return count * _SCALES[found["scale"] or ""], _NOUNS.get(found["noun"].strip())
