from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.errors import BudgetError, InputError
from econchatr.money.sharing import Sharing, Want, share_budget


def want(rung: str, n_pool: int, usd_per_token: str, fixed: str = "0", **more: object) -> Want:
    return Want(rung, n_pool, Decimal(usd_per_token), Decimal(fixed), **more)  # type: ignore[arg-type]


def shares_of(sharing: Sharing) -> dict[str, float]:
    return {share.rung: share.n_tokens / share.n_pool_tokens for share in sharing.shares}


def test_two_equal_rungs_get_half_each() -> None:
    sharing = share_budget([want("a", 1000, "0.01"), want("b", 1000, "0.01")], Decimal(10))
    assert [share.usd for share in sharing.shares] == [Decimal("5.00")] * 2
    assert sharing.unused_usd == 0


def test_a_dear_rung_gets_more_money_for_the_same_share() -> None:
    """$40 over rungs at $1 and $3 per 1,000 tokens: a quarter and three quarters of the money, the same share."""
    sharing = share_budget([want("cheap", 20_000, "0.001"), want("dear", 20_000, "0.003")], Decimal(40))
    assert [share.usd for share in sharing.shares] == [Decimal("10.00"), Decimal("30.00")]
    assert shares_of(sharing) == {"cheap": 0.5, "dear": 0.5}


def test_fixed_costs_come_first() -> None:
    sharing = share_budget([want("a", 100, "0.01", "1"), want("b", 100, "0.01", "0")], Decimal(2))
    assert [share.usd for share in sharing.shares] == [Decimal("1.50"), Decimal("0.50")]


def test_money_for_which_nobody_has_use_stays_and_is_explained() -> None:
    sharing = share_budget([want("a", 100, "0.01"), want("b", 100, "0.01")], Decimal(40))
    assert [share.usd for share in sharing.shares] == [Decimal("1.00")] * 2
    assert sharing.unused_usd == 38
    assert "stay unused: every rung has all that it may have" in sharing.why[-1]


def test_the_odd_cent_goes_to_the_first_of_equals() -> None:
    sharing = share_budget([want("a", 100, "0.01"), want("b", 100, "0.01")], Decimal("1.01"))
    assert [share.usd for share in sharing.shares] == [Decimal("0.51"), Decimal("0.50")]


def test_what_the_user_fixed_is_kept_and_the_rest_is_shared() -> None:
    wants = [want("a", 1000, "0.01", max_usd=Decimal(6)), want("b", 1000, "0.01"), want("c", 1000, "0.01")]
    assert [share.usd for share in share_budget(wants, Decimal(10)).shares] == [Decimal(6), Decimal(2), Decimal(2)]


def test_a_fixed_rung_leaves_to_the_others_what_it_has_no_use_for() -> None:
    wants = [want("a", 100, "0.01", max_usd=Decimal(6)), want("b", 1000, "0.01")]
    assert [share.usd for share in share_budget(wants, Decimal(10)).shares] == [Decimal(1), Decimal(9)]


def test_a_minimum_charge_is_paid_by_the_smallest_job() -> None:
    """$5 minimum over 100 tokens at a cent each: five dollars buy all of them."""
    sharing = share_budget([want("a", 100, "0.01", minimum_usd=Decimal(5))], Decimal(10))
    assert sharing.shares[0][1:3] == (Decimal(5), 100)
    with pytest.raises(BudgetError, match=r"\$5.00 are gone before the first token"):
        share_budget([want("a", 100, "0.01", minimum_usd=Decimal(5))], Decimal(4))


def test_a_rung_without_any_budget_is_refused() -> None:
    with pytest.raises(InputError, match="'a' has no budget"):
        share_budget([want("a", 10, "0.1")], None)


@pytest.mark.parametrize(
    ("wants", "budget", "match"),
    [
        ([want("a", 10, "0.1", "3"), want("b", 10, "0.1", "3")], Decimal(5), "too small for a, b: .6.00 are gone"),
        ([want("a", 10, "0.1", "3", max_usd=Decimal(2))], None, "max_usd is .2, but .3.00 go"),
        ([want("a", 100, "0.1", max_usd=Decimal(9))], Decimal(5), "too small"),
    ],
)
def test_a_budget_that_cannot_be_shared_says_why(wants: list[Want], budget: Decimal | None, match: str) -> None:
    with pytest.raises(BudgetError, match=match):
        share_budget(wants, budget)


WANTS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 60), st.integers(0, 25), st.integers(0, 30)), min_size=1, max_size=3
)


def build(rows: list[tuple[int, int, int, int]]) -> list[Want]:
    """Pool, tenths of a cent per token, tenths of a cent fixed, tenths of a cent at least."""
    return [
        Want(f"r{n}", pool, Decimal(price) / 1000, Decimal(fixed) / 1000, Decimal(least) / 1000)
        for n, (pool, price, fixed, least) in enumerate(rows)
    ]


def smallest_share(rows: list[tuple[int, int, int, int]], cents: tuple[int, ...]) -> float:
    """Of a given sharing, worked out in tenths of a cent and without the code under test; below 0: not payable."""
    shares = []
    for (pool, price, fixed, least), money in zip(rows, cents, strict=True):
        left = 10 * money - fixed
        if left < least:
            return -1.0
        shares.append(1.0 if not price else min(pool, left // price) / pool)
    return min(shares)


@settings(max_examples=300, deadline=None)
@given(rows=WANTS, n_cents=st.integers(0, 24))
def test_no_other_sharing_in_cents_has_a_larger_smallest_share(
    rows: list[tuple[int, int, int, int]], n_cents: int
) -> None:
    every = [cents for cents in product(range(n_cents + 1), repeat=len(rows)) if sum(cents) <= n_cents]
    best = max(smallest_share(rows, cents) for cents in every)
    try:
        sharing = share_budget(build(rows), Decimal(n_cents) / 100)
    except BudgetError:
        assert best < 0
        return
    got = tuple(int(share.usd * 100) for share in sharing.shares)
    assert smallest_share(rows, got) == best
    assert sum(got) + int(sharing.unused_usd * 100) == n_cents  # type: ignore[operator]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 10**7), st.integers(1, 10**5), st.integers(0, 2000)), min_size=1, max_size=6
    ),
    budget=st.integers(1, 100_000),
)
def test_a_sharing_never_exceeds_its_budget_and_buys_what_it_says(
    rows: list[tuple[int, int, int]], budget: int
) -> None:
    wants = [
        Want(f"r{n}", pool, Decimal(price) / 10**9, Decimal(fixed) / 1000)
        for n, (pool, price, fixed) in enumerate(rows)
    ]
    try:
        sharing = share_budget(wants, Decimal(budget) / 100)
    except BudgetError:
        return
    assert sum(share.usd for share in sharing.shares) <= Decimal(budget) / 100
    for one, share in zip(wants, sharing.shares, strict=True):
        assert one.fixed_usd + one.usd_per_token * share.n_tokens <= share.usd
