from __future__ import annotations

import math
import random

import numpy as np
import pytest

from econchatr.records import Score
from econchatr.records.measures import HOST_LESS_GUEST, HOST_REPLIES, Measure
from econchatr.score.length_and_repetition import score_lengths
from econchatr.score.likelihood import ReplyLikelihood, score_host_share, score_likelihood, score_sides
from econchatr.score.speech import split_words
from econchatr.score.statistics import jackknife_ratio
from tests.helpers.make_records import make_answer


def find(scores: list[Score], measure: str, variant: str) -> Score:
    (score,) = [score for score in scores if (score.measure, score.variant) == (measure, variant)]
    return score


def row(slug: str, base: float, tuned: float, n_bytes: int = 100) -> ReplyLikelihood:
    return ReplyLikelihood(slug=slug, n_bytes=n_bytes, n_tokens=n_bytes // 4, base_nats=base, tuned_nats=tuned)


def test_bits_per_byte_by_hand() -> None:
    """100 nats over 100 bytes are 1 / ln 2 bits per byte, whatever the tokens."""
    scores = score_likelihood([row("a", 100, 80), row("b", 100, 60)], rung="s", subject="host replies (test)")
    assert find(scores, "bits per byte", "base").value == pytest.approx(1 / math.log(2))
    assert find(scores, "bits per byte", "tuned minus base").value == pytest.approx(-0.3 / math.log(2))
    assert find(scores, "nats per token", "tuned").value == pytest.approx(140 / 50)


def test_long_replies_weigh_more_than_short_ones() -> None:
    scores = score_likelihood([row("a", 300, 300, 300), row("b", 10, 10, 100)], rung="s", subject="x")
    assert find(scores, "bits per byte", "base").value == pytest.approx(310 / 400 / math.log(2))


def test_no_held_out_reply_means_unscored_with_the_reason() -> None:
    scores = score_likelihood([], rung="s", subject="x")
    assert {(score.value, score.reason) for score in scores} == {(None, "no held-out replies")}


def test_one_episode_gives_no_interval() -> None:
    assert jackknife_ratio([1.0, 2.0], [1.0, 1.0], ["a", "a"]) == (1.5, None, None)
    told = score_host_share([row("a", 100, 60), row("b", 100, 10)], [row("a", 100, 90)], rung="s")
    assert told.value == pytest.approx(0.3 / math.log(2))
    assert (told.low, told.high) == (None, None)
    assert told.reason == "no interval: one held-out episode has replies of both"


def test_an_episode_without_guests_is_no_part_of_the_difference() -> None:
    host = [row("a", 100, 60), row("b", 100, 70), row("alone", 100, 1)]
    guest = [row("a", 100, 90), row("b", 100, 95)]
    told = score_host_share(host, guest, rung="s")
    assert told == score_host_share(host[:2], guest, rung="s")
    assert told.low is not None
    assert math.isfinite(told.low)


def test_host_and_guests_who_share_no_episode_are_not_compared() -> None:
    told = score_host_share([row("a", 100, 60)], [row("b", 100, 90)], rung="s")
    assert (told.value, told.low, told.n) == (None, None, 0)
    assert "no held-out episode has replies of both" in told.reason


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_likelihood_that_is_no_number_leaves_its_model_unscored(broken: float) -> None:
    host, guest = [row("a", 100, broken), row("b", 100, 60)], [row("a", 100, 90), row("b", 100, 80)]
    scores = score_sides(host, guest, rung="s")
    values = [x for score in scores for x in (score.value, score.low, score.high) if x is not None]
    assert all(map(math.isfinite, values))
    assert {score.subject for score in scores if score.value is None and "no finite number" in score.reason} == {
        HOST_REPLIES,
        HOST_LESS_GUEST,
    }


def simulate_coverage(n_episodes: int, *, n_draws: int) -> dict[str, float]:
    """How often the intervals hold the truth: replies of many lengths, 5 to 15 a side and episode, alike within it."""
    rng, hits = np.random.default_rng(n_episodes), {"bits per byte": 0, "host bits saved": 0}
    for _ in range(n_draws):
        sides: tuple[list[ReplyLikelihood], list[ReplyLikelihood]] = ([], [])
        for episode in range(n_episodes):
            for side, gain in zip(sides, (0.25, 0.1), strict=True):
                level, own = rng.normal(1.4, 0.1), rng.normal(gain, 0.06)
                n_bytes = rng.lognormal(5, 0.8, rng.integers(5, 16)).astype(int) + 20
                base = n_bytes * rng.normal(level, 0.3, len(n_bytes))
                tuned = base - n_bytes * rng.normal(own, 0.1, len(n_bytes))
                side.extend(
                    row(str(episode), *nats)
                    for nats in zip(base.tolist(), tuned.tolist(), n_bytes.tolist(), strict=True)
                )
        bits = find(score_likelihood(sides[0], rung="s", subject="x"), "bits per byte", "base")
        for score, truth in ((bits, 1.4), (score_host_share(*sides, rung="s"), 0.15)):
            assert score.low is not None
            assert score.high is not None
            hits[score.measure] += score.low <= truth / math.log(2) <= score.high
    return {measure: hit / n_draws for measure, hit in hits.items()}


@pytest.mark.parametrize("n_episodes", [2, 4, 10])
def test_the_intervals_of_bits_cover_the_truth(n_episodes: int) -> None:
    """The bootstrap over episodes covered 50% and 79% at two and four."""
    covered = simulate_coverage(n_episodes, n_draws=100)
    assert min(covered.values()) >= 0.88, covered


@pytest.mark.slow
@pytest.mark.parametrize("n_episodes", [2, 4, 10])
def test_the_intervals_of_bits_cover_the_truth_in_two_thousand_draws(n_episodes: int) -> None:
    covered = simulate_coverage(n_episodes, n_draws=2000)
    print(n_episodes, covered)
    assert min(covered.values()) >= 0.92, covered


def test_host_bits_saved_takes_off_what_guests_gain_too() -> None:
    """Host 0.4 nats a byte better, guest 0.1: 0.3 / ln 2 bits are the host's own."""
    host, guest = [row("a", 100, 60), row("b", 100, 60)], [row("a", 100, 90), row("b", 100, 90)]
    score = score_host_share(host, guest, rung="s")
    assert score.value == pytest.approx(0.3 / math.log(2))
    assert score.low == pytest.approx(score.high)


def test_swapped_labels_give_no_host_bits() -> None:
    rows = [row(str(n), 100, 90) for n in range(6)]
    score = score_host_share(rows, rows, rung="s")
    assert score.value == pytest.approx(0)


def test_labels_at_random_give_no_host_bits() -> None:
    """Sixty replies of which the host's gain more; who said which is drawn by lot."""
    rng, found = random.Random(0), []
    rows = [row(f"e{n // 2 % 12}", 100 + rng.gauss(0, 9), 60 + 30 * (n % 2) + rng.gauss(0, 9)) for n in range(240)]
    told = score_host_share(rows[::2], rows[1::2], rung="s")
    assert told.low is not None
    assert told.low > 0, "with the true labels there is something to find"
    for _ in range(40):
        rng.shuffle(rows)
        found.append(score_host_share(rows[:120], rows[120:], rung="s"))
    assert sum(score.value or 0 for score in found) / 40 == pytest.approx(0, abs=0.02)
    assert sum((score.low or 0) <= 0 <= (score.high or 0) for score in found) / 40 >= 0.85


def test_words_keep_their_apostrophes_and_lose_their_case() -> None:
    assert split_words("Weren’t the co-op's hens--1,000 of them--'odd'?") == [
        "weren't", "the", "co-op's", "hens", "1", "000", "of", "them", "odd",
    ]  # fmt: skip


def test_a_failed_answer_is_in_no_median() -> None:
    answers = [make_answer("one two three four"), make_answer(None, sample=1)]
    score = find(score_lengths(answers, ["five words are in here"], rung="s"), Measure.MEDIAN_WORDS, "tuned")
    assert (score.value, score.n) == (4, 1)


def test_only_failed_answers_mean_unscored() -> None:
    score = find(score_lengths([make_answer(None)], ["a reply"], rung="s"), Measure.MEDIAN_WORDS, "tuned")
    assert (score.value, score.n, score.reason) == (None, 0, "no answers")


def test_the_held_out_host_has_a_median_too() -> None:
    scores = score_lengths([make_answer("one two")], ["a b c d", "a b", "a b c"], rung="s")
    assert find(scores, Measure.MEDIAN_WORDS, "host").value == 3
    none = find(score_lengths([make_answer("one two")], [], rung="s"), Measure.MEDIAN_WORDS, "host")
    assert (none.value, none.reason) == (None, "no held-out replies")
