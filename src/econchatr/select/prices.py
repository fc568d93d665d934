"""The price table, and the arithmetic from dollars to tokens.

Money is `Decimal` throughout. This module does not know which pairs a budget buys, nor whether a service still sells.
"""

from __future__ import annotations

import tomllib
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from importlib import resources

from econchatr.errors import BudgetError, InputError
from econchatr.records import PriceRow

_MTOK = Decimal(1_000_000)


def load_prices() -> tuple[PriceRow, ...]:
    """Every row of the price table that ships with the program."""
    text = resources.files("econchatr.select").joinpath("prices.toml").read_text(encoding="utf-8")
    return tuple(PriceRow.model_validate(row) for row in tomllib.loads(text)["price"])


def find_price(name: str) -> PriceRow:
    """The row called `profile/model`.

    Raises:
        InputError: No such row.
    """
    rows = {f"{row.profile}/{row.model}": row for row in load_prices()}
    if name not in rows:
        raise InputError(f"no price {name!r}.", hint=f"Known prices: {', '.join(rows)}.")
    return rows[name]


def limit_tokens(*, n_pool_tokens: int, n_epochs: int, budget_usd: Decimal, usd_per_mtok: Decimal) -> int:
    """How many tokens one epoch may have within a budget: the whole pool, or as many as the money buys, rounded down.

    Raises:
        BudgetError: The budget or the price is not positive, or the money buys no token.

    Source: the arithmetic of the 2023 experiment, `share = min(1, budget / (tokens x epochs x price))`.
    """
    if budget_usd <= 0 or usd_per_mtok <= 0 or n_epochs <= 0:
        raise BudgetError(
            f"cannot fit ${budget_usd} at ${usd_per_mtok} per million tokens and {n_epochs} epochs.",
            hint="Budget, price and epochs must be positive.",
        )
    bought = (budget_usd * _MTOK / (usd_per_mtok * n_epochs)).to_integral_value(ROUND_FLOOR)
    if bought < 1:
        raise BudgetError(f"${budget_usd} buys not one token at ${usd_per_mtok} per million.", hint="Raise the budget.")
    return min(n_pool_tokens, int(bought))


def price_training(*, n_tokens: int, n_epochs: int, usd_per_mtok: Decimal) -> Decimal:
    """Dollars for training on `n_tokens` (one epoch, prompts included) `n_epochs` times, to a hundredth of a cent."""
    exact = Decimal(n_tokens) * n_epochs * usd_per_mtok / _MTOK
    return exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)
