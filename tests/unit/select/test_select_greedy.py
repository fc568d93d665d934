"""The cover and its certificate against what they promise, by brute force where the cases are small."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.select.coverage import SCALE, Coverage, bound_knapsack, certify, marginal_gains, maximize_coverage
from econchatr.select.features import Features, find_features
from econchatr.select.knapsack import Knapsack

WORDS = ("so", "we", "can", "all", "agree", "about", "that")
REPLIES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=3, max_size=8)


@st.composite
def cases(draw: st.DrawFn, *, n_knapsacks: int = 1) -> tuple[Features, np.ndarray, list[Knapsack]]:
    """A small pool with its strata, and knapsacks whose costs differ, the smallest first."""
    replies = draw(REPLIES)
    numbers = st.lists(st.integers(1, 9), min_size=len(replies), max_size=len(replies))
    knapsacks = [Knapsack(np.array(draw(numbers)), draw(st.integers(1, 40))) for _ in range(n_knapsacks)]
    strata = np.array(draw(st.lists(st.integers(0, 2), min_size=len(replies), max_size=len(replies))))
    return find_features(replies), strata, sorted(knapsacks, key=lambda knapsack: knapsack.limit / knapsack.costs.sum())


def worth(features: Features, replies: list[int]) -> float:
    """What a choice covers, by the formula itself."""
    m = np.bincount(
        np.concatenate([np.zeros(0, int), *map(features.rows.row, replies)]), minlength=len(features.weights)
    )
    return float((features.weights * (np.log(m + 0.5) - np.log(0.5))).sum())


def best_worth(features: Features, knapsack: Knapsack) -> float:
    """The best there is, by trying every choice."""
    choices = np.arange(2**features.n_replies)[:, None] >> np.arange(features.n_replies) & 1  # (choices, replies)
    holds = np.zeros((features.n_replies, len(features.weights)), int)
    for reply in range(features.n_replies):
        holds[reply, features.rows.row(reply)] = 1
    m = choices[choices @ knapsack.costs <= knapsack.limit] @ holds
    return float((features.weights * (np.log(m + 0.5) - np.log(0.5))).sum(axis=1).max())


@settings(max_examples=200, deadline=None)
@given(cases(n_knapsacks=3))
def test_no_knapsack_is_overfull_and_each_contains_the_one_before(
    case: tuple[Features, np.ndarray, list[Knapsack]],
) -> None:
    features, strata, knapsacks = case
    cover = maximize_coverage(features, strata, knapsacks)
    order = [step.reply for step in cover.steps]
    assert len(set(order)) == len(order)
    assert sorted(cover.ends) == list(cover.ends)
    for knapsack, end in zip(knapsacks, cover.ends, strict=True):
        assert knapsack.costs[order[:end]].sum() <= knapsack.limit


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_knapsack_is_filled_until_nothing_more_fits(case: tuple[Features, np.ndarray, list[Knapsack]]) -> None:
    features, strata, (knapsack,) = case
    order = [step.reply for step in maximize_coverage(features, strata, [knapsack]).steps]
    left = np.setdiff1d(np.arange(features.n_replies), order)
    assert (knapsack.costs[left] > knapsack.limit - knapsack.costs[order].sum()).all()


@settings(max_examples=500, deadline=None)
@given(cases())
def test_the_certificate_is_never_above_the_true_share(case: tuple[Features, np.ndarray, list[Knapsack]]) -> None:
    features, strata, (knapsack,) = case
    order = [step.reply for step in maximize_coverage(features, strata, [knapsack]).steps]
    best, share = best_worth(features, knapsack), certify(features, order, knapsack)
    if not len(features.weights):
        assert share is None
    elif best:
        assert share is not None
        assert share <= worth(features, order) / best + 1e-6
        assert worth(features, order) <= best + 1e-6


@settings(max_examples=200, deadline=None)
@given(cases(), st.data())
def test_the_certificate_holds_for_any_choice_not_only_for_ours(
    case: tuple[Features, np.ndarray, list[Knapsack]], data: st.DataObject
) -> None:
    features, _, (knapsack,) = case
    order = data.draw(st.permutations(range(features.n_replies)))
    chosen = order[: int(np.searchsorted(np.cumsum(knapsack.costs[order]), knapsack.limit, side="right"))]
    share, best = certify(features, chosen, knapsack), best_worth(features, knapsack)
    assert not share or share <= worth(features, chosen) / best + 1e-6


def greedy_by_hand(features: Features, strata: np.ndarray, knapsack: Knapsack) -> list[int]:
    """The same rule, looking at every reply at every step."""
    order: list[int] = []
    left = np.ones(features.n_replies, bool)
    totals = np.bincount(strata, weights=knapsack.costs)
    while True:
        spent = np.bincount(strata[order], weights=knapsack.costs[order], minlength=len(totals))
        fits = left & (knapsack.costs <= knapsack.limit - spent.sum())
        if not fits.any():
            return order
        behind = min(set(strata[fits].tolist()), key=lambda stratum: (spent[stratum] / totals[stratum], stratum))
        rates = features.sum_rows(Coverage(features, order).worth) / knapsack.costs
        rates[~fits | (strata != behind)] = -1
        order.append(int(rates.argmax()))
        left[order[-1]] = False


@settings(max_examples=200, deadline=None)
@given(cases())
def test_looking_only_where_it_may_pay_takes_what_looking_everywhere_would(
    case: tuple[Features, np.ndarray, list[Knapsack]],
) -> None:
    features, strata, (knapsack,) = case
    expected, got = (
        greedy_by_hand(features, strata, knapsack),
        [step.reply for step in maximize_coverage(features, strata, [knapsack]).steps],
    )
    everything_fits = knapsack.costs.sum() <= knapsack.limit
    one_is_better = Coverage(features, got).value > Coverage(features, expected).value
    assert got == expected or everything_fits or one_is_better


@pytest.mark.parametrize("n_strata", [1, 3])
def test_a_large_pool_is_covered_as_looking_everywhere_would(n_strata: int) -> None:
    """Larger than what is kept at hand, so that it must be drawn anew on the way."""
    rng = np.random.default_rng(5)
    features = find_features([" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(9000)])
    knapsack, strata = Knapsack(rng.integers(3, 60, 9000), 1500), features.n_words % n_strata
    got = [step.reply for step in maximize_coverage(features, strata, [knapsack]).steps]
    assert len(got) > 100
    assert got == greedy_by_hand(features, strata, knapsack)


def test_one_reply_is_taken_where_it_is_worth_more_than_the_small_ones_that_fit() -> None:
    """The short reply is the better bargain, but it leaves no room for the long one, which covers far more."""
    long = "we can all agree about that so we can"
    features = find_features(["so", long, long, long])
    knapsack = Knapsack(np.array([1, 20, 20, 20]), 20)
    assert [step.reply for step in maximize_coverage(features, np.zeros(4, int), [knapsack]).steps] == [1]


def test_what_a_feature_adds_follows_the_logarithm_and_never_grows() -> None:
    steps = marginal_gains(5000)
    assert (np.diff(steps) <= 0).all()
    for m in (0, 1, 7, 4999):
        assert steps[m] / SCALE == pytest.approx(math.log(m + 1.5) - math.log(m + 0.5), abs=1 / SCALE)


def test_the_steps_are_these_on_every_machine() -> None:
    """ln 3, ln 5/3 and ln 7/5 in units of 2**-24: 18431655.667, 8570231.828 and 5645067.392."""
    assert marginal_gains(3).tolist() == [18431656, 8570232, 5645067]


def test_the_value_of_a_choice_is_what_its_replies_added_one_by_one() -> None:
    features = find_features(["so we can", "so we agree", "so we can agree", "about that"])
    coverage, added = Coverage(features), 0
    for reply in (2, 0, 3):
        added += coverage.add(reply)[0]
    assert added == coverage.value == Coverage(features, [0, 2, 3]).value
    assert coverage.value / SCALE == pytest.approx(worth(features, [0, 2, 3]), abs=1e-4)


def test_a_reply_names_the_commonest_features_it_brings_first() -> None:
    features = find_features(["so we", "so we", "so we agree", "so", "agree", "agree we"])
    coverage = Coverage(features, [3])
    assert [features.name(number) for number in coverage.add(2)[1]] == ["we", "agree", "so we"]


def test_pinned_replies_come_first_in_their_order() -> None:
    features = find_features(["so we", "so we", "so we agree", "so"])
    cover = maximize_coverage(features, np.zeros(4, int), [Knapsack(np.ones(4, int), 3)], pinned=[3, 1])
    assert [step.reply for step in cover.steps] == [3, 1, 0]


def test_replies_that_share_nothing_are_still_taken() -> None:
    features = find_features(["one", "two", "three", "four"])
    knapsack = Knapsack(np.ones(4, int), 2)
    cover = maximize_coverage(features, np.zeros(4, int), [knapsack])
    assert [step.reply for step in cover.steps] == [0, 1]
    assert certify(features, [0, 1], knapsack) is None


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(1, 10**9)), min_size=1, max_size=9), st.integers(1, 10**9)
)
def test_the_bound_of_a_knapsack_holds_for_very_unequal_costs(items: list[tuple[int, int]], limit: int) -> None:
    """Millionths of a dollar may be large: the product of a value and a cost must not overflow unseen."""
    values, costs = np.array([one for one, _ in items]), np.array([one for _, one in items])
    choices = (list(some) for n in range(len(items) + 1) for some in combinations(range(len(items)), n))
    best = max(sum(items[n][0] for n in some) for some in choices if sum(items[n][1] for n in some) <= limit)
    assert bound_knapsack(values, Knapsack(costs, limit)) >= best
