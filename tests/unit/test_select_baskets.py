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

from econchatr.errors import BudgetError
from econchatr.records import Pair
from econchatr.select.baskets import COVERS, Filled, Strategy, band_lengths, fill_baskets
from econchatr.select.cover import Purse
from tests.unit.make_records import make_pair

WORDS = ("so", "we", "can", "all", "agree", "about", "that", "fence", "and", "this", "prairie", "data", "do", "not")
NAMES = (*COVERS, "random", "longest", "recent", "subjects-2023")


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


def choose(pool: list[Pair], limits: list[int], name: str = "coverage", **more: object) -> Filled:
    purses = [Purse(price(pool, template=3 + n), limit, f"rung-{n}") for n, limit in enumerate(limits)]
    return fill_baskets(pool, purses, Strategy(name, subjects=("fence", "prairie+data")), **more)  # type: ignore[arg-type]


def ids(pool: list[Pair], filled: Filled, place: int = 0) -> list[str]:
    return [pool[one].pair_id for one in filled.baskets[place].places]


@settings(deadline=None, max_examples=60)
@given(st.permutations(range(30)), st.sampled_from(NAMES), st.integers(60, 400))
def test_the_order_of_the_pool_changes_nothing(order: list[int], name: str, limit: int) -> None:
    pool = make_pool(30)
    mixed = [pool[place] for place in order]
    filled, other = choose(pool, [limit, 90], name), choose(mixed, [limit, 90], name)
    assert [ids(pool, filled, n) for n in (0, 1)] == [ids(mixed, other, n) for n in (0, 1)]
    assert sorted(row.pair_id for row in filled.reasons) == sorted(row.pair_id for row in other.reasons)
    assert set(filled.reasons) == set(other.reasons)


CHOOSE = """
import json
from tests.unit.test_select_baskets import NAMES, choose, ids, make_pool
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
    filled = choose(pool, limits, name)
    for place, limit in enumerate(limits):
        assert sum(price(pool, template=3 + place)[list(filled.baskets[place].places)]) <= limit
    by_size = sorted((basket.places for basket in filled.baskets), key=len)
    assert all(large[: len(small)] == small for small, large in pairwise(by_size))


def test_strata_keep_the_mix_of_lengths() -> None:
    """Without them the longest replies would be taken: they cover most for their cost."""
    pool = make_pool(600)
    chosen = choose(pool, [2000]).baskets[0].places
    lengths = np.array([pair.n_reply_tokens for pair in pool])
    assert abs(lengths[list(chosen)].mean() - lengths.mean()) < 1.5


def test_coverage_cues_keeps_the_mix_of_cue_lengths_too() -> None:
    pool = make_pool(600)
    lengths = np.array([pair.n_cue_tokens for pair in pool])
    means = {name: lengths[list(choose(pool, [2000], name).baskets[0].places)].mean() for name in COVERS}
    gaps = {name: abs(mean - lengths.mean()) for name, mean in means.items()}
    assert gaps["coverage-cues"] < gaps["coverage"] / 2


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
    filled = choose(pool, [200], name, pinned=("episode-7#1", "episode-3#1"))
    assert ids(pool, filled)[:2] == ["episode-7#1", "episode-3#1"]
    assert filled.reasons[7].reason == "pinned"


def test_pinned_pairs_that_cost_more_than_a_budget_are_refused() -> None:
    with pytest.raises(BudgetError, match=r"rung-1: the 2 pinned pairs alone cost \d+; the budget holds 9\."):
        choose(make_pool(30), [900, 9], pinned=("episode-7#1", "episode-3#1"))


def test_each_pair_says_why_it_was_taken_or_left() -> None:
    pool = [
        make_pair(1, reply="so we agree"),
        make_pair(2, reply="so we agree"),
        make_pair(3, reply="so we agree about the fence"),
        make_pair(4, reply="about the fence", cue="so " * 30),
    ]
    costs = np.array([4, 4, 9, 99])
    filled = fill_baskets(pool, [Purse(costs, 13, "small")], Strategy("coverage-plain"))
    first, second, third, fourth = filled.reasons
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
    filled = fill_baskets(pool, [Purse(np.full(8, 5), 5, "small")], Strategy("coverage"))
    assert filled.baskets[0].places == (4,)
    assert "kettle" in filled.reasons[4].firsts
    assert not filled.reasons[0].firsts


def test_a_pair_that_would_have_paid_but_cost_too_much_says_so() -> None:
    pool = [make_pair(n, reply="so we agree") for n in range(3)]
    filled = fill_baskets(pool, [Purse(np.array([9, 9, 3]), 8, "small")], Strategy("coverage"))
    assert [row.rung for row in filled.reasons] == ["", "", "small"]
    dear = fill_baskets(pool, [Purse(np.array([9, 9, 9]), 8, "small")], Strategy("coverage"))
    assert dear.reasons[0].reason == "did not fit into what was left"


def test_a_pair_names_the_smallest_budget_that_has_it() -> None:
    pool = make_pool(30)
    filled = choose(pool, [400, 90, 10_000])
    assert {row.rung for row in filled.reasons} == {"rung-0", "rung-1", "rung-2"}
    small = set(filled.baskets[1].places)
    assert small == {place for place, row in enumerate(filled.reasons) if row.rung == "rung-1"}
    assert {row.reason for row in filled.reasons if row.rung == "rung-2"} == {"everything fits"}


def test_figures_say_how_good_the_cover_is() -> None:
    basket = choose(make_pool(200), [700]).baskets[0]
    assert basket.certificate is not None
    assert basket.random_share is not None
    assert 0.5 < basket.certificate < 1
    assert 0.5 < basket.random_share < 1
    assert choose(make_pool(20), [10_000]).baskets[0].certificate == 1.0
