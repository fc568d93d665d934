"""The gate on sense, by hand-made figures; what texts come to is tried in test_score_answer_attacks.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from econchatr.score.sense import Surprise, judge_sense, judge_under_all, pick_measurable, summarise_sense
from econchatr.score.speech import Said


def speak(middle: float, *, n: int = 48, spread: float = 0.15, seed: int = 0) -> list[Surprise]:
    values = np.random.default_rng(seed).normal(middle, spread, n)
    return [Surprise(f"q{place % 12}", float(value)) for place, value in enumerate(values)]


HOST = summarise_sense(speak(1.24, n=60))


@pytest.mark.parametrize(("middle", "outcome"), [(1.24, "passes"), (1.0, "passes"), (0.5, "passes"), (1.75, "fails")])
def test_only_what_surprises_more_than_the_host_fails(middle: float, outcome: str) -> None:
    ruling = judge_sense(summarise_sense(speak(middle, seed=1)), HOST, model="base")
    assert ruling.outcome == outcome, ruling
    assert ("smoother than anybody talks" in ruling.reason) == (middle < 1.1)


def test_a_little_past_the_limit_is_in_doubt() -> None:
    row = summarise_sense(speak(1.33, n=12, seed=1))
    assert judge_sense(row, HOST, model="base").outcome in ("passes", "in doubt")


def test_the_real_host_stands_within_his_own_range() -> None:
    assert judge_sense(HOST, HOST, model="base").outcome == "passes"


def test_short_replies_and_likelihoods_that_are_no_number_are_left_out() -> None:
    said = [Said("Why?", "Yes.", "q1"), Said("Why?", "word " * 12, "q2")]
    assert [one.group for one in pick_measurable(said)] == ["q2"]
    sense = summarise_sense([*speak(1.2, n=20), Surprise("q", math.nan)])
    assert len(sense.replies) == 20
    few = judge_sense(summarise_sense(speak(1.2, n=3)), HOST, model="base")
    assert (few.outcome, "3 replies" in few.reason) == ("unscored", True)


def test_the_worst_of_several_models_counts() -> None:
    rows = {"small": summarise_sense(speak(1.2)), "large": summarise_sense(speak(1.9))}
    ruling = judge_under_all(rows, {"small": HOST, "large": HOST})
    assert ruling.outcome == "fails"
    assert ruling.reason.startswith("large needs")
