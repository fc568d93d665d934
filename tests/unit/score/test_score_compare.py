"""Strategies compared: the value by hand, the intervals paired by episode, and what money they are worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import EpisodeSaving, Trial
from econchatr.score.strategy_trials import compare_strategies, random_multiplier


def make_trial(strategy: str, host_bits: list[float], *, share: float = 0.1, seed: int = 0) -> Trial:
    return Trial(
        key=f"{strategy}/{share}/{seed}",
        strategy=strategy,
        share=share,
        selection_seed=seed,
        train_seed=seed,
        n_pairs=10,
        n_tokens=100,
        n_steps=2,
        seconds=1.0,
        savings=tuple(
            EpisodeSaving(slug=f"e{n}", host_bits=bits, host_bytes=100, guest_bits=5.0, guest_bytes=50)
            for n, bits in enumerate(host_bits)
        ),
    )


def test_host_bits_saved_is_what_training_saves_beyond_the_guests() -> None:
    (row,) = compare_strategies([make_trial("longest", [30.0, 50.0])])
    assert row.value == pytest.approx(80 / 200 - 10 / 100, abs=1e-12)
    assert (row.over_random, row.n_trials) == (None, 1)


def test_a_strategy_that_saves_the_same_more_in_every_episode_differs_surely() -> None:
    """Episodes differ much, strategies by the same bit everywhere: only the pairing shows it."""
    bits = [5.0, 90.0, 20.0, 70.0, 40.0]
    rows = compare_strategies([make_trial("random", bits), make_trial("coverage", [one + 10 for one in bits])])
    best = next(row for row in rows if row.strategy == "coverage")
    assert best.over_random == pytest.approx(0.1)
    assert (best.over_random_low, best.over_random_high) == pytest.approx((0.1, 0.1))
    assert best.low is not None
    assert best.high is not None
    assert best.high - best.low > 0.3


def test_one_episode_gives_no_interval() -> None:
    (row,) = compare_strategies([make_trial("random", [30.0])])
    assert (row.low, row.high) == (None, None)


def test_trials_that_disagree_widen_the_interval() -> None:
    same = compare_strategies([make_trial("random", [20.0, 20.0], seed=n) for n in range(3)])[0]
    apart = compare_strategies([make_trial("random", [20.0 + 9 * n] * 2, seed=n) for n in range(3)])[0]
    assert same.low == same.high
    assert apart.low is not None
    assert apart.low < apart.value


@given(st.permutations([make_trial(name, [10.0 + n, 30.0], seed=n) for n, name in enumerate("abcab")]))
def test_the_order_of_the_trials_does_not_matter(trials: list[Trial]) -> None:
    rows = compare_strategies(trials)
    assert [(row.strategy, row.n_trials) for row in rows] == [("b", 2), ("c", 1), ("a", 2)]
    assert rows == compare_strategies(sorted(trials, key=lambda trial: trial.key))


def test_the_multiplier_is_read_off_the_curve_of_random_choice() -> None:
    trials = [make_trial("random", [20.0 * n] * 2, share=0.01 * 10**n) for n in range(3)]
    rows = compare_strategies([*trials, make_trial("coverage", [30.0] * 2, share=0.1)])
    assert random_multiplier(rows, "coverage", 0.1) == pytest.approx(10**0.5)
    assert random_multiplier(rows, "coverage", 0.5) is None
