from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.errors import BudgetError, InputError
from econchatr.money.budget import (
    Budget,
    Share,
    Sharing,
    Want,
    check_enough_examples,
    limit_tokens,
    price_training,
    share_budget,
    token_budget,
    training_budget,
    want_share,
)
from econchatr.money.prices import find_price, training_usd_per_mtok
from tests.helpers.make_records import make_selection
from tests.unit.money.test_billing import row
from tests.unit.money.test_quote import CHOSEN, FULL, hosted, quoted


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


# --- one rung's budget ------------------------------------------------------------------------------------------------


def test_what_a_rung_wants_is_what_it_is_quoted_at_worst() -> None:
    wanted = want_share(hosted(row(**FULL)))
    assert wanted.fixed_usd == Decimal("2.44")
    assert wanted.fixed_usd + wanted.usd_per_token * CHOSEN.n_tokens == quoted(row(**FULL)).worst_usd


def test_what_validation_costs_counts_towards_the_minimum() -> None:
    assert want_share(hosted(row(**FULL, minimum="$25 per job"))).minimum_usd == 23


def test_what_is_left_of_a_share_is_for_training() -> None:
    """$12.44 less $2.44 beside training: $10 at $10 per million tokens and 4 epochs buy 250,000 tokens."""
    budget = training_budget(hosted(row(**FULL)), Share("r", Decimal("12.44"), 0, 500_000, is_fixed=False))
    assert budget == Budget(4, "$12.44, of it $2.44 at most beside training", 250_000, Decimal(10))


def test_a_share_that_goes_to_the_exam_leaves_nothing_to_train_with() -> None:
    with pytest.raises(BudgetError, match=r"its \$2.44 all go to the exam, validation and storage \(\$2.44\)"):
        training_budget(hosted(row(**FULL)), Share("r", Decimal("2.44"), 0, 500_000, is_fixed=False))


def test_free_training_is_limited_by_nothing() -> None:
    price = row(**(FULL | {"training": "free"}))
    budget = training_budget(hosted(price), Share("r", Decimal("2.44"), 0, 500_000, is_fixed=False))
    assert budget.limit_tokens == 500_000


def test_a_budget_in_tokens_is_of_all_epochs_and_never_above_the_pool() -> None:
    assert token_budget(60, n_epochs=2, n_pool_tokens=46, words="60 tokens") == Budget(2, "60 tokens", 30)
    assert token_budget(600, n_epochs=2, n_pool_tokens=46, words="600 tokens").limit_tokens == 46


def test_fewer_examples_than_the_service_takes_are_refused() -> None:
    check_enough_examples(row(min_examples=2, provider="Own"), make_selection(pair_ids=("e#0", "e#1")))
    with pytest.raises(BudgetError, match="buys 1 examples; Own takes no fewer than 2"):
        check_enough_examples(row(min_examples=2, provider="Own"), make_selection(pair_ids=("e#0",)))


@pytest.mark.parametrize(
    ("model", "limit"), [("ada", 4_818_101), ("babbage", 4_166_666), ("curie", 833_333), ("davinci", 83_333)]
)
def test_ten_dollars_of_2023_buy_the_tokens_they_bought(model: str, limit: int) -> None:
    price = find_price(f"gpt3-2023/{model}")
    assert price.n_epochs == 4
    got = limit_tokens(
        n_pool_tokens=4_818_101, n_epochs=4, budget_usd=Decimal(10), usd_per_mtok=training_usd_per_mtok(price)
    )
    assert got == limit


def test_the_price_of_training_is_exact_decimal() -> None:
    """83,333 tokens x 4 epochs x $30 per million = $9.99996."""
    assert price_training(n_tokens=83_333, n_epochs=4, usd_per_mtok=Decimal(30)) == Decimal("10.0000")
    assert price_training(n_tokens=1_000_000, n_epochs=1, usd_per_mtok=Decimal("0.44")) == Decimal("0.4400")


@pytest.mark.parametrize("budget", [Decimal(0), Decimal(-1), Decimal("0.00000001")])
def test_a_budget_that_buys_nothing_is_refused(budget: Decimal) -> None:
    with pytest.raises(BudgetError):
        limit_tokens(n_pool_tokens=10, n_epochs=4, budget_usd=budget, usd_per_mtok=Decimal(30))
