from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.errors import BudgetError, InputError
from econchatr.records import Pair
from econchatr.select.coverage import band_lengths
from econchatr.select.knapsack import Knapsack, Solution
from econchatr.select.strategies import (
    STRATEGIES,
    StrategySettings,
    choose_subsets,
    find_strategy,
    matches_subject,
    shuffle_pairs,
)
from tests.helpers.make_records import make_pair

WORDS = ("so", "we", "can", "all", "agree", "about", "that", "fence", "and", "this", "prairie", "data", "do", "not")
NAMES = tuple(STRATEGIES)
SUBJECTS = ("fence", "prairie+data")


def make_pool(n: int, seed: int = 0) -> list[Pair]:
    rng = random.Random(seed)
    return [
        make_pair(
            number,
            cue=" ".join(rng.choices(WORDS, k=rng.randint(5, 30))),
            reply=" ".join(rng.choices(WORDS, k=rng.randint(1, 20))),
        )
        for number in range(n)
    ]


def price(pool: list[Pair], *, rate: int = 1, template: int = 3) -> np.ndarray:
    return np.array([rate * pair.n_cue_tokens + pair.n_reply_tokens + template for pair in pool])


def choose(pool: list[Pair], limits: list[int], name: str = "coverage", **more: object) -> Solution:
    knapsacks = [Knapsack(price(pool, template=3 + n), limit, f"rung-{n}") for n, limit in enumerate(limits)]
    return choose_subsets(pool, knapsacks, StrategySettings(name, subjects=SUBJECTS), **more)  # type: ignore[arg-type]


def ids(pool: list[Pair], solution: Solution, place: int = 0) -> list[str]:
    return [pool[one].pair_id for one in solution.subsets[place].places]


def order_of(pool: list[Pair], name: str, *, seed: int = 0, subjects: tuple[str, ...] = ()) -> list[Pair]:
    """Every pair, in the order in which the strategy takes them where everything fits."""
    everything = Knapsack(np.ones(len(pool), np.int64), len(pool))
    (subset,) = choose_subsets(pool, [everything], StrategySettings(name, seed, subjects)).subsets
    return [pool[place] for place in subset.places]


@settings(deadline=None, max_examples=60)
@given(st.permutations(range(30)), st.sampled_from(NAMES), st.integers(60, 400))
def test_the_order_of_the_pool_changes_nothing(order: list[int], name: str, limit: int) -> None:
    pool = make_pool(30)
    mixed = [pool[place] for place in order]
    solution, other = choose(pool, [limit, 90], name), choose(mixed, [limit, 90], name)
    assert [ids(pool, solution, n) for n in (0, 1)] == [ids(mixed, other, n) for n in (0, 1)]
    assert sorted(row.pair_id for row in solution.reasons) == sorted(row.pair_id for row in other.reasons)
    assert set(solution.reasons) == set(other.reasons)


CHOOSE = """
import json
from tests.unit.select.test_select_strategies import NAMES, choose, ids, make_pool
pool = make_pool(200)
chosen = {name: [ids(pool, choose(pool, [900, 300], name), n) for n in (0, 1)] for name in NAMES}
print(json.dumps([chosen, [row.model_dump() for row in choose(pool, [900, 300]).reasons]]))
"""


def test_the_choice_is_the_same_in_another_process_whatever_its_hashes() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", CHOOSE],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1]
    pool = make_pool(200)
    assert json.loads(said[0])[0]["coverage"][0] == ids(pool, choose(pool, [900, 300]))


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(NAMES), st.lists(st.integers(1, 900), min_size=1, max_size=4), st.integers(0, 3), st.integers(1, 40)
)
def test_budgets_are_kept_and_choices_nested(name: str, limits: list[int], seed: int, n: int) -> None:
    pool = make_pool(n, seed)
    solution = choose(pool, limits, name)
    for place, limit in enumerate(limits):
        assert sum(price(pool, template=3 + place)[list(solution.subsets[place].places)]) <= limit
    by_size = sorted((subset.places for subset in solution.subsets), key=len)
    assert all(large[: len(small)] == small for small, large in pairwise(by_size))


def test_strata_keep_the_mix_of_lengths() -> None:
    """Without them the longest replies would be taken: they cover most for their cost."""
    pool = make_pool(600)
    chosen = choose(pool, [2000]).subsets[0].places
    lengths = np.array([pair.n_reply_tokens for pair in pool])
    assert abs(lengths[list(chosen)].mean() - lengths.mean()) < 1.5


def test_bands_hold_about_as_many_each_and_are_named_by_their_lengths() -> None:
    bands, names = band_lengths(np.array([5, 6, 7, 8, 9, 10, 11, 12, 13, 40]), 5, "replies of {} words")
    assert bands.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert names[0] == "replies of 5 to 6 words"
    assert names[-1] == "replies of 13 to 40 words"


def test_equal_lengths_are_one_band() -> None:
    bands, names = band_lengths(np.full(9, 7), 5, "replies of {} words")
    assert (set(bands.tolist()), names) == ({0}, ["replies of 7 words"])


@pytest.mark.parametrize("name", NAMES)
def test_pinned_pairs_are_taken_first_by_every_strategy(name: str) -> None:
    pool = make_pool(30)
    solution = choose(pool, [200], name, pinned=("episode-7#1", "episode-3#1"))
    assert ids(pool, solution)[:2] == ["episode-7#1", "episode-3#1"]
    assert solution.reasons[7].reason == "pinned"


def test_pinned_pairs_that_cost_more_than_a_budget_are_refused() -> None:
    with pytest.raises(BudgetError, match=r"rung-1: the 2 pinned pairs alone cost \d+; the budget holds 9\."):
        choose(make_pool(30), [900, 9], pinned=("episode-7#1", "episode-3#1"))


def test_each_pair_says_why_it_was_taken_or_left() -> None:
    pool = [
        make_pair(1, reply="so we agree"),
        make_pair(2, reply="so we agree"),
        make_pair(3, reply="so we agree about the fence"),
        make_pair(4, reply="about the fence"),
    ]
    costs = np.array([4, 4, 9, 99])
    solution = choose_subsets(pool, [Knapsack(costs, 13, "small")], StrategySettings("coverage"))
    first, second, third, fourth = solution.reasons
    assert (first.rung, first.position, first.reason) == ("small", 0, "adds most for its cost")
    assert first.firsts == ("agree", "so", "we", "so we", "we agree")
    assert first.stratum == "replies of 3 words"
    assert (third.rung, third.position, third.stratum) == ("small", 1, "replies of 6 words")
    assert (second.rung, second.position) == ("", None)
    assert second.reason.startswith("adds less for its cost than the last one taken")
    assert fourth.cost == 99


def test_what_guests_say_as_often_is_no_reason_to_take_a_pair() -> None:
    pool = [make_pair(n, cue="so we agree", reply="so we agree") for n in range(4)]
    pool += [make_pair(n, cue="that", reply="hold the kettle") for n in range(4, 8)]
    solution = choose_subsets(pool, [Knapsack(np.full(8, 5), 5, "small")], StrategySettings("coverage"))
    assert solution.subsets[0].places == (4,)
    assert "kettle" in solution.reasons[4].firsts
    assert not solution.reasons[0].firsts


def test_a_pair_that_would_have_paid_but_cost_too_much_says_so() -> None:
    pool = [make_pair(n, reply="so we agree") for n in range(3)]
    solution = choose_subsets(pool, [Knapsack(np.array([9, 9, 3]), 8, "small")], StrategySettings("coverage"))
    assert [row.rung for row in solution.reasons] == ["", "", "small"]
    dear = choose_subsets(pool, [Knapsack(np.array([9, 9, 9]), 8, "small")], StrategySettings("coverage"))
    assert dear.reasons[0].reason == "did not fit into what was left"


def test_a_pair_names_the_smallest_budget_that_has_it() -> None:
    pool = make_pool(30)
    solution = choose(pool, [400, 90, 10_000])
    assert {row.rung for row in solution.reasons} == {"rung-0", "rung-1", "rung-2"}
    small = set(solution.subsets[1].places)
    assert small == {place for place, row in enumerate(solution.reasons) if row.rung == "rung-1"}
    assert {row.reason for row in solution.reasons if row.rung == "rung-2"} == {"everything fits"}


def test_figures_say_how_good_the_cover_is() -> None:
    subset = choose(make_pool(200), [700]).subsets[0]
    assert subset.certificate is not None
    assert subset.random_share is not None
    assert 0.5 < subset.certificate < 1
    assert 0.5 < subset.random_share < 1
    assert choose(make_pool(20), [10_000]).subsets[0].certificate == 1.0


def test_random_takes_the_same_pairs_in_another_order_with_another_seed() -> None:
    pairs = [make_pair(n) for n in range(20)]
    one, two = (order_of(pairs, "random", seed=seed) for seed in (0, 1))
    assert one != two
    assert sorted(pair.pair_id for pair in one) == sorted(pair.pair_id for pair in two)


def test_a_new_pair_leaves_the_random_order_of_the_others_as_it_was() -> None:
    pairs = [make_pair(n) for n in range(20)]
    assert [pair for pair in shuffle_pairs(pairs, 3) if pair != pairs[7]] == shuffle_pairs(pairs[:7] + pairs[8:], 3)


def test_subjects_are_taken_in_turn_shortest_first_then_the_rest() -> None:
    replies = ["a prairie grows", "a prairie", "the fence stands", "nothing else", "the fence and a prairie"]
    pairs = [make_pair(n, reply=reply) for n, reply in enumerate(replies)]
    ordered = order_of(pairs, "subjects-2023", subjects=("prairie", "fence"))
    assert [pair.reply for pair in ordered] == [
        "a prairie", "the fence stands", "a prairie grows", "the fence and a prairie", "nothing else",
    ]  # fmt: skip


def test_a_subject_with_a_plus_wants_both_words() -> None:
    assert matches_subject("Data do not SPEAK.", "speak+data")
    assert not matches_subject("Nobody speaks.", "speak+data")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a prairie", "a fence", "other"]), min_size=1, max_size=12), st.integers(0, 5))
def test_subject_order_keeps_every_pair_once(replies: list[str], seed: int) -> None:
    pairs = [make_pair(n, reply=reply) for n, reply in enumerate(replies)]
    ordered = order_of(pairs, "subjects-2023", seed=seed, subjects=("prairie", "fence"))
    assert sorted(ordered, key=lambda pair: pair.rank) == pairs


def test_recent_takes_the_newest_episode_first_and_its_end_before_its_beginning() -> None:
    pairs = [make_pair(1), make_pair(2, pair_id="a", first_turn=0), make_pair(2, pair_id="b", first_turn=4)]
    assert [pair.pair_id for pair in order_of(pairs, "recent")] == ["b", "a", "episode-1#1"]


def test_an_unknown_strategy_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="no strategy 'coverge'") as caught:
        choose_subsets(make_pool(3), [], StrategySettings("coverge"))
    assert all(name in caught.value.hint for name in STRATEGIES)


@pytest.mark.parametrize("name", ["coverage-plain", "coverage-cues", "longest"])
def test_a_strategy_of_earlier_versions_is_refused_with_what_replaces_it(name: str) -> None:
    with pytest.raises(InputError, match=f"strategy '{name}' was removed") as caught:
        find_strategy(name)
    assert 'Use "coverage"' in caught.value.hint


def test_subjects_2023_without_subjects_is_refused() -> None:
    with pytest.raises(InputError, match="no subjects"):
        order_of(make_pool(3), "subjects-2023")
