"""A share of every budget goes to answer pairs, and the host's questions are not the host's best-paid trait."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import Pair
from econchatr.select.features import compare_acts, find_features
from econchatr.select.knapsack import Knapsack, Solution
from econchatr.select.strategies import StrategySettings, choose_subsets
from tests.unit.select.test_select_strategies import make_pool

STRATEGIES = ("coverage", "random", "recent")


def mixed_pool(n_said: int, n_answers: int) -> list[Pair]:
    made = {"origin": "made", "made_by": "rule 1"}
    answers = [pair.model_copy(update={"pair_id": f"{pair.pair_id}/answer", **made}) for pair in make_pool(n_answers)]
    return [*make_pool(n_said), *answers]


def choose(pool: list[Pair], limits: tuple[int, ...], strategy: str, answers: float) -> tuple[Solution, list[Knapsack]]:
    costs = np.array([20 + (7 * place) % 13 for place in range(len(pool))])
    knapsacks = [Knapsack(costs, limit, str(limit)) for limit in limits]
    return choose_subsets(pool, knapsacks, StrategySettings(strategy, answers=answers)), knapsacks


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("wanted", [0.0, 0.3, 0.6, 1.0])
def test_each_rung_spends_its_share_on_answer_pairs_while_there_are_any(strategy: str, wanted: float) -> None:
    pool = mixed_pool(60, 60)
    solution, knapsacks = choose(pool, (300, 900), strategy, wanted)
    for subset, knapsack in zip(solution.subsets, knapsacks, strict=True):
        spent = sum(int(knapsack.costs[place]) for place in subset.places if pool[place].is_answer)
        assert abs(spent - wanted * knapsack.limit) <= 2 * knapsack.costs.max()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_answer_pairs_cannot_use_goes_to_the_others(strategy: str) -> None:
    pool = mixed_pool(60, 3)
    solution, knapsacks = choose(pool, (900,), strategy, 0.6)
    assert sum(pool[place].is_answer for place in solution.subsets[0].places) == 3
    assert sum(int(knapsacks[0].costs[place]) for place in solution.subsets[0].places) > 800


@given(st.integers(1, 30), st.integers(0, 30), st.sampled_from(STRATEGIES), st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_a_smaller_rung_is_always_inside_a_larger_one(
    n_said: int, n_answers: int, strategy: str, wanted: float
) -> None:
    solution, _ = choose(mixed_pool(n_said, n_answers), (90, 250, 700), strategy, wanted)
    places = [set(subset.places) for subset in solution.subsets]
    assert places[0] <= places[1] <= places[2]


def test_a_question_word_of_the_host_weighs_nothing_where_guests_ask_with_it_too() -> None:
    def said(place: int, cue: str, reply: str, cue_act: str, reply_act: str) -> Pair:
        acts = {"cue": cue, "reply": reply, "cue_act": cue_act, "reply_act": reply_act}
        return make_pool(place + 1)[place].model_copy(update=acts)

    pairs = [
        *(said(place, "the bridge opens", "why does the bridge open", "states", "asks") for place in range(4)),
        *(said(place, "why does it open", "kettles open slowly", "asks", "states") for place in range(4)),
    ]
    replies = [pair.reply for pair in pairs]
    apart, together = find_features(replies, acts=compare_acts(pairs)), find_features(replies)
    assert {"why", "kettles"} <= set(together.words)
    assert "kettles" in apart.words
    assert "why" not in apart.words
