"""Share one budget over several rungs so that the smallest share of the corpus among them is as large as possible.

Money is shared in whole cents and tokens are whole; within that, the result is exact. A rung is a fixed cost plus a
cost per token.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from econchatr.errors import BudgetError, InputError

_CENT = Fraction(1, 100)
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


def share_budget(wants: Sequence[Want], budget_usd: Decimal | None) -> Sharing:
    """Give each rung its part of the budget, in the order of the ladder.

    A rung whose `max_usd` the user fixed gets it, or less where less buys everything; the others share what is left.

    Raises:
        BudgetError: The budget does not pay for what the rungs cost before the first token.
        InputError: A rung has no budget at all.
    """
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
    cents = {**fixed, **shared}
    shares = tuple(
        Share(
            want.rung,
            Decimal(cents[want.rung]) / 100,
            _bought(want, cents[want.rung]),
            want.n_pool_tokens,
            want.max_usd is not None,
        )
        for want in wants
    )
    unused = None if left is None else Decimal(left - sum(shared.values())) / 100
    return Sharing(shares, unused, tuple(_explain(shares, unused)))


def _share_cents(wants: Sequence[Want], n_cents: int) -> dict[str, int]:
    """Whole cents per rung such that the smallest share bought is as large as it can be.

    Halving finds a level that every rung can reach and that leaves little; what is left then buys the next token of
    whoever has the smallest share, as long as it can. As no rung ever holds more than the best level asks of it before
    every rung has reached that level, the smallest share comes out as large as any sharing could make it.
    """
    low, high = Fraction(0), Fraction(1)
    if _total(wants, high) <= n_cents:
        low = high
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _total(wants, middle) <= n_cents else (low, middle)
    cents = {want.rung: _need(want, _tokens_at(want, low)) for want in wants}
    poor = list(wants)
    while poor:
        poorest = min(poor, key=lambda want: _share_bought(want, cents[want.rung]))
        more = _cents_to_next_token(poorest, cents[poorest.rung])
        if more is None or more > n_cents - sum(cents.values()):
            poor.remove(poorest)
        else:
            cents[poorest.rung] += more
    return cents


def _share_bought(want: Want, cents: int) -> Fraction:
    return Fraction(_bought(want, cents), want.n_pool_tokens) if want.n_pool_tokens else Fraction(1)


def _cents_to_next_token(want: Want, cents: int) -> int | None:
    """What one more token takes; `None` when the rung has the whole corpus."""
    n_tokens = _bought(want, cents)
    return None if n_tokens >= want.n_pool_tokens else _need(want, n_tokens + 1) - cents


def _total(wants: Sequence[Want], level: Fraction) -> int:
    return sum(_need(want, _tokens_at(want, level)) for want in wants)


def _tokens_at(want: Want, level: Fraction) -> int:
    return -(-level.numerator * want.n_pool_tokens // level.denominator)


def _need(want: Want, n_tokens: int) -> int:
    """Cents that so many tokens take, everything included."""
    training = max(Fraction(want.usd_per_token) * n_tokens, Fraction(want.minimum_usd))
    exact = (Fraction(want.fixed_usd) + training) / _CENT
    return -(-exact.numerator // exact.denominator)


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
