"""Budgets: one budget shared over several rungs, what is left of a share for training, and how many tokens that buys.

Sharing makes the smallest share of the corpus among the rungs as large as possible. Money is shared in whole cents and
tokens are whole; within that, the result is exact. A rung is a fixed cost plus a cost per token.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from econchatr.errors import BudgetError, InputError
from econchatr.money.billing import apply_minimum, floor_money
from econchatr.money.prices import training_usd_per_mtok
from econchatr.money.quote import HostedRung, lines_beside_training
from econchatr.records import PriceRow, Selection

_CENT = Fraction(1, 100)
_MTOK = Decimal(1_000_000)
_N_HALVINGS = 64


class Want(NamedTuple):
    """What one rung would cost."""

    rung: str
    n_pool_tokens: int
    """Billed tokens of one epoch over the whole corpus."""
    usd_per_token: Decimal
    """Of one token in one epoch: all epochs together."""
    fixed_usd: Decimal
    """Whatever does not depend on how much is trained on: exam, validation, storage."""
    minimum_usd: Decimal = Decimal(0)
    """What training costs at least."""
    max_usd: Decimal | None = None
    """As the user fixed it; `None`: the rung takes part in the sharing."""


class Share(NamedTuple):
    """What one rung may cost, and how much of the corpus that buys."""

    rung: str
    usd: Decimal
    """In whole cents."""
    n_tokens: int
    """Of one epoch."""
    n_pool_tokens: int
    is_fixed: bool


class Sharing(NamedTuple):
    """A budget, shared."""

    shares: tuple[Share, ...]
    unused_usd: Decimal | None
    """`None`: there is no budget for all rungs together."""
    why: tuple[str, ...]
    """How it came about, in sentences."""


def want_share(hosted: HostedRung) -> Want:
    """The rung as a budget is shared over it: what it costs anyhow, at worst, and what a token costs.

    Raises:
        InputError: The price of training is not known.
    """
    worst = {line.what: line.worst_usd or Decimal(0) for line in lines_beside_training(hosted)}
    least = apply_minimum(hosted.row, Decimal(0)) * (1 + hosted.margin)
    return Want(
        rung=hosted.name,
        n_pool_tokens=hosted.n_pool_tokens,
        usd_per_token=_worst_usd_per_mtok(hosted) * hosted.n_epochs / _MTOK,
        fixed_usd=sum(worst.values(), Decimal(0)),
        minimum_usd=max(least - worst.get("validation", Decimal(0)), Decimal(0)),
        max_usd=hosted.max_usd,
    )


def _worst_usd_per_mtok(hosted: HostedRung) -> Decimal:
    return training_usd_per_mtok(hosted.row) * (1 + hosted.margin)


def share_budget(wants: Sequence[Want], budget_usd: Decimal | None) -> Sharing:
    """Give each rung its part of the budget, in the order of the ladder.

    A rung whose `max_usd` the user fixed gets it, or less where less buys everything; the others share what is left.

    Raises:
        BudgetError: The budget does not pay for what the rungs cost before the first token.
        InputError: A rung has no budget at all.
    """
    if not wants:
        return Sharing((), budget_usd, ())
    fixed = {
        want.rung: min(_cents(want.max_usd), _need(want, want.n_pool_tokens))
        for want in wants
        if want.max_usd is not None
    }
    free = [want for want in wants if want.max_usd is None]
    if free and budget_usd is None:
        raise InputError(
            f"rung {free[0].rung!r} has no budget.", hint="Give it max_usd, or the show budget_usd, in show.toml."
        )
    left = None if budget_usd is None else _cents(budget_usd) - sum(fixed.values())
    _check_enough(wants, free, fixed, left, budget_usd)
    shared = _share_cents(free, left or 0)
    cents = [(want, (fixed | shared)[want.rung]) for want in wants]
    shares = tuple(
        Share(want.rung, Decimal(n) / 100, _bought(want, n), want.n_pool_tokens, want.rung in fixed)
        for want, n in cents
    )
    unused = None if left is None else Decimal(left - sum(shared.values())) / 100
    return Sharing(shares, unused, tuple(_explain(shares, unused)))


def _share_cents(wants: Sequence[Want], n_cents: int) -> dict[str, int]:
    """Whole cents per rung such that the smallest share bought is as large as it can be.

    Halving finds a level that every rung can reach and that leaves little; what is left then buys the next token of
    whoever has the smallest share, as long as it can. As no rung ever holds more than the best level asks of it before
    every rung has reached that level, the smallest share comes out as large as any sharing could make it.
    """

    def needs(level: Fraction) -> dict[str, int]:
        return {want.rung: _need(want, ceil(level * want.n_pool_tokens)) for want in wants}

    low, high = Fraction(0), Fraction(1)
    if sum(needs(high).values()) <= n_cents:
        low = high
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(needs(middle).values()) <= n_cents else (low, middle)
    cents, poor = needs(low), list(wants)
    while poor:
        poorest = min(poor, key=lambda want: Fraction(_bought(want, cents[want.rung]), want.n_pool_tokens or 1))
        n_tokens = _bought(poorest, cents[poorest.rung])
        more = _need(poorest, n_tokens + 1) - cents[poorest.rung]
        if n_tokens >= poorest.n_pool_tokens or more > n_cents - sum(cents.values()):
            poor.remove(poorest)
        else:
            cents[poorest.rung] += more
    return cents


def _need(want: Want, n_tokens: int) -> int:
    """Cents that so many tokens take, everything included."""
    training = max(Fraction(want.usd_per_token) * n_tokens, Fraction(want.minimum_usd))
    return ceil((Fraction(want.fixed_usd) + training) / _CENT)


def _bought(want: Want, cents: int) -> int:
    """Tokens that so many cents pay for."""
    left = cents * _CENT - Fraction(want.fixed_usd)
    if left < Fraction(want.minimum_usd) or left < 0:
        return 0
    if not want.usd_per_token:
        return want.n_pool_tokens
    return min(want.n_pool_tokens, left // Fraction(want.usd_per_token))


def _cents(usd: Decimal) -> int:
    return Fraction(usd) // _CENT


def _check_enough(
    wants: Sequence[Want], free: Sequence[Want], fixed: dict[str, int], left: int | None, budget_usd: Decimal | None
) -> None:
    for want in wants:
        if want.max_usd is not None and fixed[want.rung] < _need(want, 0):
            raise BudgetError(
                f"rung {want.rung!r}: max_usd is ${want.max_usd}, but ${Decimal(_need(want, 0)) / 100:.2f} go to "
                "the exam, validation, storage and minimum charges before the first token.",
                hint="Raise its max_usd in show.toml, or ask fewer samples under [ask].",
            )
    if left is None:
        return
    least = sum(_need(want, 0) for want in free)
    if left < least or left < 0:
        names = ", ".join(want.rung for want in wants)
        raise BudgetError(
            f"a budget of ${budget_usd} is too small for {names}: ${Decimal(sum(fixed.values()) + least) / 100:.2f} "
            "are gone before the first token (fixed rungs, exam, validation, storage, minimum charges).",
            hint="Raise budget_usd in show.toml, take a rung off the ladder, or ask fewer samples under [ask].",
        )


def _explain(shares: Sequence[Share], unused: Decimal | None) -> list[str]:
    free = [share for share in shares if not share.is_fixed]
    poor = [share for share in free if share.n_tokens < share.n_pool_tokens]
    why = [f"{share.rung}: ${share.usd:.2f}, within the max_usd of show.toml." for share in shares if share.is_fixed]
    if len(free) > 1 and poor:
        smallest = min(Fraction(share.n_tokens, share.n_pool_tokens) for share in poor)
        why.append(
            f"{', '.join(share.rung for share in free)} share the rest so that the smallest share of the corpus is as "
            f"large as it can be, {float(smallest):.1%}. Of equal shares the first on the ladder gets the odd cent."
        )
    if unused:
        reason = "they buy no further token" if poor else "every rung has all that it may have"
        why.append(f"${unused:.2f} stay unused: {reason}.")
    return why


# --- one rung's budget ------------------------------------------------------------------------------------------------


class Budget(NamedTuple):
    """What one rung may use."""

    n_epochs: int
    words: str
    """As the user gave it: `$10.00`, `100,000 tokens`, `everything`."""
    limit_tokens: int
    """Billed tokens of one epoch, at most all those of the pool."""
    usd_per_mtok: Decimal | None = None
    """`None`: the rung is trained at home."""


def token_budget(n_tokens: int, *, n_epochs: int, n_pool_tokens: int, words: str) -> Budget:
    """A budget of so many tokens in all epochs together."""
    return Budget(n_epochs, words, min(n_pool_tokens, n_tokens // n_epochs))


def training_budget(hosted: HostedRung, share: Share) -> Budget:
    """What is left of a rung's share for training.

    Raises:
        BudgetError: Nothing.
    """
    beside = want_share(hosted).fixed_usd
    left, usd_per_mtok = floor_money(share.usd - beside, hosted.row.rounding_usd), training_usd_per_mtok(hosted.row)
    if left <= 0 < usd_per_mtok:
        raise BudgetError(
            f"rung {hosted.name!r}: its ${share.usd:.2f} all go to the exam, validation and storage (${beside:.2f}).",
            hint="Raise budget_usd, or the rung's max_usd, in show.toml.",
        )
    words = f"${share.usd:.2f}" + (f", of it ${beside:.2f} at most beside training" if beside else "")
    n_tokens = limit_tokens(
        n_pool_tokens=hosted.n_pool_tokens,
        n_epochs=hosted.n_epochs,
        budget_usd=max(left, Decimal("0.01")),  # a free training is limited by nothing; one cent says so
        usd_per_mtok=_worst_usd_per_mtok(hosted),
    )
    return Budget(hosted.n_epochs, words, n_tokens, usd_per_mtok)


def check_enough_examples(row: PriceRow, selection: Selection) -> None:
    """Refuse a selection that the provider would not take.

    Raises:
        BudgetError: It has fewer examples than the service's minimum.
    """
    if len(selection.pair_ids) < row.min_examples:
        raise BudgetError(
            f"rung {selection.rung!r}: {selection.budget} buys {len(selection.pair_ids)} examples; "
            f"{row.provider} takes no fewer than {row.min_examples}.",
            hint="Raise budget_usd, or the rung's max_usd, in show.toml.",
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
