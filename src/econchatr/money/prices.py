"""The price table: the shipped rows, the user's own rows over them, and warnings about old or closing services.

Also converts dollars to tokens. All amounts are `Decimal`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from econchatr.errors import BudgetError, InputError
from econchatr.money.price_file import PRICE_UNITS, PriceDraft, complete_row, parse_prices, read_price_file
from econchatr.records import PriceRow

PRICES_NAME = "prices.toml"

_STALE_DAYS = 90
"""A row read longer ago is warned of."""

REPORTED_2023 = {
    "ada": ("2.41", "9.48"),
    "babbage": ("3.59", "14.19"),
    "curie": ("17.72", "70.71"),
    "davinci": ("176.68", "706.55"),
}
"""Dollars of one epoch of training, and of running the same tokens through the tuned model, as the drafts of 2023 print
them. They imply 5.89 to 6.03 M tokens, not one count, so they are shown as reported and computed with nowhere.
Source: shared reference `original.md`, "Figures reported"."""

_MTOK = Decimal(1_000_000)


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
        for draft in read_price_file(path) if path.is_file() else ():
            known = rows.get(draft.name)
            _check_provenance(draft)
            values = {**(known[0].values if known else {}), **draft.values}
            rows[draft.name] = (draft._replace(values=values), str(path))
    return tuple(complete_row(draft, file=file) for draft, file in rows.values())


@lru_cache(maxsize=1)
def _shipped() -> dict[str, PriceDraft]:
    text = resources.files("econchatr.money").joinpath(PRICES_NAME).read_text(encoding="utf-8")
    return {draft.name: draft for draft in parse_prices(text, file=f"the shipped {PRICES_NAME}")}


def _check_provenance(draft: PriceDraft) -> None:
    priced = [key for key in draft.values if key in PRICE_UNITS]
    for key in ("read_on", "source"):
        if priced and key not in draft.values:
            raise InputError(
                f"{draft.place}: gives {priced[0]!r}, but not {key!r}.",
                hint='Say where and when you read it: read_on = 2026-11-21, source = "https://..." or "our contract".',
            )


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


def limit_tokens(*, n_pool_tokens: int, n_epochs: int, budget_usd: Decimal, usd_per_mtok: Decimal) -> int:
    """How many tokens one epoch may have within a budget: the whole pool, or as many as the money buys, rounded down.

    Raises:
        BudgetError: The budget or the price is not positive, or the money buys no token.

    Source: the arithmetic of the 2023 experiment, `share = min(1, budget / (tokens x epochs x price))`.
    """
    if budget_usd <= 0 or usd_per_mtok < 0 or n_epochs <= 0:
        raise BudgetError(
            f"cannot fit ${budget_usd} at ${usd_per_mtok} per million tokens and {n_epochs} epochs.",
            hint="Budget and epochs must be positive, and no price negative.",
        )
    if not usd_per_mtok:
        return n_pool_tokens
    bought = (budget_usd * _MTOK / (usd_per_mtok * n_epochs)).to_integral_value(ROUND_FLOOR)
    if bought < 1:
        raise BudgetError(f"${budget_usd} buys not one token at ${usd_per_mtok} per million.", hint="Raise the budget.")
    return min(n_pool_tokens, int(bought))


def price_training(*, n_tokens: int, n_epochs: int, usd_per_mtok: Decimal) -> Decimal:
    """Dollars for training on `n_tokens` (one epoch, prompts included) `n_epochs` times, to a hundredth of a cent."""
    exact = Decimal(n_tokens) * n_epochs * usd_per_mtok / _MTOK
    return exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)
