from __future__ import annotations

import doctest
from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from econchatr.score import speech, statistics
from econchatr.score.statistics import (
    exact_share,
    find_t,
    jackknife_interval,
    jackknife_ratio,
    share_interval,
    sign_flip_p,
)


def covers(interval: statistics.Interval, truth: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("module", [speech, statistics])
def test_the_examples_in_the_docstrings_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("n_groups", [12, 30])
@pytest.mark.parametrize("alike", [0.0, 0.5])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_the_interval_of_a_share_covers_the_truth_about_as_often_as_it_says(
    share: float, alike: float, n_groups: int
) -> None:
    """Four answers to each question, alike within a question or not. The bootstrap covers 0.35 to 0.95 of these."""
    rng, hits = np.random.default_rng(0), 0
    groups = [str(group) for group in range(n_groups)]
    for _ in range(300):
        chances = rng.beta(share / alike, (1 - share) / alike, n_groups) if alike else np.full(n_groups, share)
        right = rng.binomial(4, chances)
        hits += covers(share_interval(right.tolist(), [4] * n_groups, groups), share)
    assert hits / 300 >= 0.92


def test_the_interval_of_a_jackknife_covers_the_truth_about_as_often_as_it_says() -> None:
    """A curved measure (the log of a mean) of ten groups, where normal theory would be too narrow."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        x = rng.gamma(2, 1, 10)
        left_out = [float(np.log(np.delete(x, place).mean())) for place in range(10)]
        hits += covers(jackknife_interval(float(np.log(x.mean())), [left_out]), float(np.log(2)))
    assert 0.90 <= hits / 400 <= 0.99


def test_the_jackknife_of_a_mean_is_the_t_interval() -> None:
    x = [1.0, 2.0, 4.0, 8.0, 9.0]
    left_out = [(sum(x) - one) / 4 for one in x]
    ours = jackknife_interval(sum(x) / 5, [left_out])
    theirs = stats.t.interval(0.95, 4, loc=np.mean(x), scale=stats.sem(x))
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-6)


def test_the_jackknife_of_a_ratio_leaves_out_whole_groups() -> None:
    ours = jackknife_ratio([1, 2, 3, 6], [1, 1, 2, 3], ["a", "a", "b", "c"])
    assert ours == jackknife_interval(12 / 7, [[9 / 5, 9 / 5, 6 / 4]])


def test_the_share_of_independent_cases_gets_wilsons_interval_with_student_t() -> None:
    """Written out for 3 of 12, once each: variance p(1-p)/11, so 11 cases' worth."""
    p, n, t = 0.25, 11, 2.200985
    middle = (p + t * t / (2 * n)) / (1 + t * t / n)
    half = t * sqrt(p * (1 - p) / n + t * t / (4 * n * n)) / (1 + t * t / n)
    ours = share_interval([1] * 3 + [0] * 9, [1] * 12, [str(i) for i in range(12)])
    assert ours == pytest.approx((p, middle - half, middle + half), abs=1e-6)


def test_one_group_gives_no_interval() -> None:
    assert share_interval([1], [2], ["a"]) == (0.5, None, None)
    assert jackknife_interval(0.5, [[0.5]]) == (0.5, None, None)
    assert jackknife_interval(0.5, []) == (0.5, None, None)
    assert jackknife_ratio([1], [2], ["a"]) == (0.5, None, None)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12))
def test_a_share_lies_inside_its_interval_and_the_interval_inside_0_and_1(hits: list[int]) -> None:
    value, low, high = share_interval(hits, [3] * len(hits), [str(place) for place in range(len(hits))])
    assert low is not None
    assert high is not None
    assert 0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1


def test_groups_are_known_by_name_not_by_order() -> None:
    apart = share_interval([1, 0, 0, 1], [1, 1, 1, 1], ["a", "b", "b", "a"])
    together = share_interval([2, 0], [2, 2], ["a", "b"])
    assert apart == pytest.approx(together)


def test_signs_are_flipped_in_every_way() -> None:
    """Twelve differences of one sign: 2 of 4,096 patterns are as extreme."""
    assert sign_flip_p([0.1 * n for n in range(1, 13)]) == pytest.approx(2 / 4096)
    assert sign_flip_p([]) is None
    assert sign_flip_p([0.0, 0.0]) == 1.0


def test_the_sign_flip_test_agrees_with_a_count_by_hand() -> None:
    values = [0.3, -0.1, 0.4, 0.2, 0.2, -0.7, 0.5]
    sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in product((1, -1), repeat=7)]
    by_hand = sum(one >= abs(sum(values)) - 1e-12 for one in sums) / len(sums)
    assert sign_flip_p(values) == pytest.approx(by_hand, abs=1e-6)


def test_many_questions_are_flipped_by_draw() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.25, 1, 60)
    theirs = stats.wilcoxon(values).pvalue  # another test of the same thing: near, not the same
    ours = sign_flip_p(values.tolist())
    assert ours is not None
    assert ours == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert ours == pytest.approx(theirs, abs=0.1)


@given(st.floats(1, 5000), st.sampled_from([0.9, 0.975, 0.995]))
def test_students_t_is_scipys(freedom: float, share: float) -> None:
    assert find_t(freedom, share) == pytest.approx(special.stdtrit(freedom, share), rel=1e-9)


@given(st.integers(1, 100_000), st.floats(0, 1))
def test_the_ends_of_an_exact_share_are_scipys(n: int, share: float) -> None:
    hits = share * n
    _, low, high = exact_share(hits, n)
    assert low == pytest.approx(special.betaincinv(hits, n - hits + 1, 0.025) if hits else 0, abs=1e-9)
    assert high == pytest.approx(special.betaincinv(hits + 1, n - hits, 0.975) if hits < n else 1, abs=1e-9)
