"""Billing rules: what a training job, a validation, an endpoint, storage or use costs, in exact decimals.

Amounts stay exact until a charge is complete. Then `round_charge` rounds the charge up, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from econchatr.records import Example, PriceRow

HOURS_PER_MONTH = 730
"""A twelfth of 8,760 hours."""

_DAYS_PER_MONTH = 30
"""Storage is billed by the gigabyte and month; a part of a month as so many thirtieths."""

_STEP_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_CENT = Decimal("0.01")


class TokenUsage(NamedTuple):
    """What was sent to a model and what came back, in tokens."""

    n_input_tokens: int
    """All prompt tokens, cached ones among them."""
    n_output_tokens: int
    n_cached_tokens: int = 0


def round_charge(usd: Decimal, step: Decimal = _CENT) -> Decimal:
    """A charge as it will be asked for: rounded up to the provider's step, a cent where none is known."""
    return _to_step(usd, step, ROUND_CEILING)


def floor_money(usd: Decimal, step: Decimal = _CENT) -> Decimal:
    """The most of an amount that can be spent: rounded down to the provider's step."""
    return _to_step(usd, step, ROUND_FLOOR)


def bill_examples(row: PriceRow, examples: Sequence[Example]) -> list[Example]:
    """The examples with the tokens that each is billed for: as many as the longest has, where the provider pads."""
    if row.padding == "none":
        return list(examples)
    longest = max((example.n_billed_tokens for example in examples), default=0)
    return [example.model_copy(update={"n_billed_tokens": longest}) for example in examples]


def bill_training(row: PriceRow, *, n_tokens: int, n_epochs: int) -> Decimal | None:
    """Training on `n_tokens` (one epoch, as billed) `n_epochs` times; `None`: the price is not known."""
    return None if row.training is None else row.training.usd_per_unit * n_tokens * n_epochs


def bill_validation(row: PriceRow, *, n_tokens: int, n_epochs: int) -> Decimal | None:
    """Evaluating a validation file of `n_tokens`, so often an epoch as the row says; `None`: not known."""
    if row.validation is None:
        return None
    return row.validation.usd_per_unit * n_tokens * n_epochs * row.evaluations_per_epoch


def apply_minimum(row: PriceRow, usd: Decimal) -> Decimal:
    """What a training job of this cost is charged: never less than the provider's minimum."""
    return usd if row.minimum is None else max(usd, row.minimum.usd)


def bill_usage(row: PriceRow, usage: TokenUsage, *, is_tuned: bool) -> Decimal | None:
    """Asking the tuned model, or its base; `None`: not billed by the token, or the price is not known.

    Cached tokens cost the price of input where the row has none for them. What the row does not say of the base, in or
    out, is billed as of the tuned model.
    """
    if not usage.n_input_tokens and not usage.n_output_tokens:
        return Decimal(0)
    price_in, price_out, price_cached = row.input, row.output, row.cached or row.input
    if not is_tuned:
        price_in, price_out = row.base_input or price_in, row.base_output or price_out
        price_cached = row.base_input or price_cached
    if price_in is None or price_out is None or price_cached is None:
        return None
    n_cached = min(usage.n_cached_tokens, usage.n_input_tokens)
    return (
        price_in.usd_per_unit * (usage.n_input_tokens - n_cached)
        + price_cached.usd_per_unit * n_cached
        + price_out.usd_per_unit * usage.n_output_tokens
    )


def bill_dearest_usage(row: PriceRow, usage: TokenUsage, *, is_tuned: bool) -> Decimal | None:
    """The same at worst: whether the service calls none of the prompts cached or all of them, whichever costs more."""
    sides = (usage._replace(n_cached_tokens=n_cached) for n_cached in (0, usage.n_input_tokens))
    bills = [bill_usage(row, side, is_tuned=is_tuned) for side in sides]
    return None if bills[0] is None or bills[1] is None else max(bills[0], bills[1])


def bill_endpoint(row: PriceRow, *, seconds: int) -> Decimal | None:
    """An endpoint that stood so long, used or not, in whole steps of time; `None`: not billed so, or not known."""
    if row.endpoint is None:
        return None
    step = _STEP_SECONDS[row.endpoint_step]
    n_steps = -(-seconds // step)
    # Multiplied before it is divided: a third of a cent must not be rounded sixty times.
    return row.endpoint.usd * n_steps * step / (row.endpoint.n_units * _STEP_SECONDS[row.endpoint.unit])


def bill_storage(row: PriceRow, *, gigabytes: Decimal, days: int = _DAYS_PER_MONTH) -> Decimal | None:
    """Keeping a tuned model; `None`: not known."""
    return None if row.storage is None else row.storage.usd_per_unit * gigabytes * days / _DAYS_PER_MONTH


def bill_local(*, hours: Decimal, watts: Decimal | None, usd_per_kwh: Decimal | None, rent: Decimal | None) -> Decimal:
    """A rung trained at home: the rent of the machine and its electricity, each where it is given.

    Args:
        rent: Dollars per hour.
    """
    power = watts * hours / 1000 * usd_per_kwh if watts is not None and usd_per_kwh is not None else Decimal(0)
    return power + (rent or Decimal(0)) * hours


def _to_step(usd: Decimal, step: Decimal, rounding: str) -> Decimal:
    exact = (usd / step).to_integral_value(rounding) * step
    # Two places at least, and more only where they are used: an amount reads as money.
    tidy = exact.normalize()
    return tidy if int(tidy.as_tuple().exponent) < -2 else exact.quantize(_CENT)
