from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from econchatr.records import Pair, Score
from econchatr.records.measures import Measure
from econchatr.score import likelihood
from econchatr.score.likelihood import ChoiceLikelihood, choose_reply, draw_choices, score_choices
from econchatr.score.speech import split_words
from econchatr.score.statistics import share_interval
from tests.helpers.make_records import make_pair


def make_held_out(n_episodes: int, n_each: int, *, n_words: int = 20) -> list[Pair]:
    return [
        make_pair(episode, pair_id=f"episode-{episode}#{turn}", reply=f"e{episode} t{turn} " + "word " * (n_words - 2))
        for episode in range(n_episodes)
        for turn in range(n_each)
    ]


def score_of(*likelihoods: ChoiceLikelihood) -> Score:
    return score_choices({"base": likelihoods, "tuned": likelihoods}, rung="r")[1]


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(likelihood).failed == 0


def test_the_others_are_as_long_and_from_other_episodes_and_never_the_true_reply() -> None:
    pairs = make_held_out(6, 10) + make_held_out(6, 10, n_words=40)
    pairs = [pair.model_copy(update={"pair_id": f"{pair.slug}#{n}"}) for n, pair in enumerate(pairs)]
    drawn = draw_choices(pairs)
    assert len(drawn) == len(pairs)
    for choice in drawn:
        n_words = len(split_words(choice.pair.reply))
        assert len({other.pair_id for other in choice.others}) == 19
        for other in choice.others:
            assert other.slug != choice.pair.slug
            assert abs(len(split_words(other.reply)) - n_words) <= 0.2 * n_words


def test_pairs_without_nineteen_others_are_left_out() -> None:
    short = [*make_held_out(4, 8), make_pair(9, reply="one reply of quite another length " * 9)]
    assert len(draw_choices(short)) == len(short) - 1
    assert draw_choices(make_held_out(1, 50)) == ()


def test_a_sample_is_the_beginning_of_the_whole_draw() -> None:
    pairs = make_held_out(6, 10)
    assert draw_choices(pairs, n=7) == draw_choices(pairs)[:7]
    assert draw_choices(pairs, seed=1) != draw_choices(pairs)


def test_a_reply_that_is_likely_anyway_does_not_win_by_that() -> None:
    """The second is likelier after the cue, but it was before; the first gains more."""
    assert choose_reply(ChoiceLikelihood("e", (-30, -5), (-40, -6))) == 1
    assert choose_reply(ChoiceLikelihood("e", (-40, -5), (-40, -6))) == 0


def test_of_equal_gains_each_gets_its_part() -> None:
    assert choose_reply(ChoiceLikelihood("e", (-1,) * 20, (-1,) * 20)) == pytest.approx(1 / 20)


def test_the_score_and_its_interval_are_over_episodes() -> None:
    right, wrong = ((-1.0, -9.0), (-9.0, -9.0)), ((-9.0, -1.0), (-9.0, -9.0))
    score = score_of(*[ChoiceLikelihood(f"e{n % 4}", *(right if n % 3 else wrong)) for n in range(24)])
    by_hand = share_interval([4, 4, 4, 4], [6, 6, 6, 6], list("abcd"))
    assert (score.value, score.low, score.high) == pytest.approx(by_hand, abs=1e-6)
    assert score.n == 24


def test_a_model_that_knows_nothing_is_right_one_time_in_twenty_and_the_interval_says_so() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(40):
        rows = rng.normal(-50, 9, (150, 2, 20)).tolist()
        found.append(score_of(*[ChoiceLikelihood(f"e{n % 15}", tuple(a), tuple(b)) for n, (a, b) in enumerate(rows)]))
    assert sum(score.value or 0 for score in found) / 40 == pytest.approx(0.05, abs=0.01)
    assert sum((score.low or 0) <= 0.05 <= (score.high or 0) for score in found) / 40 >= 0.9


def test_a_choice_without_a_finite_likelihood_is_no_wrong_answer() -> None:
    good = ChoiceLikelihood("a", (-1.0, -2.0), (-2.0, -2.0))
    for bad in (math.nan, -math.inf):
        broken = ChoiceLikelihood("b", (bad, -2.0), (-2.0, -2.0))
        assert (score_of(good, broken).value, score_of(good, broken).n) == (1.0, 1)
        assert score_of(broken).value is None
        assert "finite" in score_of(broken).reason


def test_the_tuned_model_is_compared_with_its_base_choice_by_choice() -> None:
    """The base finds one of two in each episode, the tuned model both: a half more, in every episode alike."""
    right, wrong = ((-1.0, -9.0), (-9.0, -9.0)), ((-9.0, -1.0), (-9.0, -9.0))
    base = [ChoiceLikelihood(f"e{n // 2}", *(right if n % 2 else wrong)) for n in range(8)]
    tuned = [ChoiceLikelihood(f"e{n // 2}", *right) for n in range(8)]
    more = score_choices({"base": base, "tuned": tuned}, rung="r", measure=Measure.TRUE_ANSWER)[2]
    assert (more.variant, more.measure) == ("tuned minus base", "true answer among twenty")
    assert (more.value, more.low, more.high) == pytest.approx((0.5, 0.5, 0.5))


def test_nothing_to_choose_from_is_unscored() -> None:
    score = score_of()
    assert (score.value, score.n) == (None, 0)
    assert score.reason
