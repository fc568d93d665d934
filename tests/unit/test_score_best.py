"""The best of many: what is chosen, and a gain that luck has no part in."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from econchatr.score.best import Fold, choose_best, gain_of_choosing, score_choosing


class Draw(NamedTuple):
    prompt: str
    text: str
    group: str
    sample: int


class Seen(NamedTuple):
    """A draw with what it is really worth, and what two instruments see of that."""

    prompt: str
    text: str
    group: str
    sample: int
    truth: float
    first: float
    second: float


def draw(text: str, group: str = "q1", sample: int = 0) -> Draw:
    return Draw("Why?", text, group, sample)


def length(one: Draw) -> float | None:
    return float(len(one.text)) if one.text else None


def mean(value: Callable[[Seen], float]) -> Callable[[Sequence[Seen]], float | None]:
    return lambda row: sum(value(one) for one in row) / len(row) if row else None


def make_seen(rng: random.Random, *, n_questions: int, m: int, noise: float, spread: float = 1.0) -> list[Seen]:
    draws = []
    for question in range(n_questions):
        for sample in range(m):
            truth = rng.gauss(0, spread)
            draws.append(
                Seen("", "", f"q{question}", sample, truth, truth + rng.gauss(0, noise), truth + rng.gauss(0, noise))
            )
    return draws


CROSSED = (
    Fold[Seen](like=lambda one: one.first, worth=mean(lambda one: one.second)),
    Fold[Seen](like=lambda one: one.second, worth=mean(lambda one: one.first)),
)
SAME = (Fold[Seen](like=lambda one: one.first, worth=mean(lambda one: one.first)),)


def gain(draws: list[Seen], folds: Sequence[Fold[Seen]]) -> tuple[float, float, float]:
    found = gain_of_choosing(draws, folds)
    assert not isinstance(found, str)
    (value, low, high), _, _ = found
    assert low is not None
    assert high is not None
    return value, low, high


def test_the_best_that_passes_every_gate_is_chosen() -> None:
    draws = [draw("ab"), draw("abcdef"), draw("abcd"), draw("")]
    assert choose_best(draws, length).text == "abcdef"
    assert choose_best(draws, length, gates=[lambda one: "e" not in one.text]).text == "abcd"


def test_of_equals_the_first_and_without_judgement_the_first() -> None:
    draws = [draw("ab"), draw("cd")]
    assert choose_best(draws, length) is draws[0]
    assert choose_best(draws, lambda one: None) is draws[0]
    assert choose_best(draws, length, gates=[lambda one: False]) is draws[0]


def test_the_gain_of_a_perfect_choice_is_that_of_a_maximum() -> None:
    """The best of three from a normal distribution is worth 0.846 standard deviations more than one."""
    value, low, high = gain(make_seen(random.Random(1), n_questions=400, m=4, noise=0), CROSSED)
    assert value == pytest.approx(0.846, abs=0.08)
    assert low < 0.846 < high


def test_luck_of_the_instrument_is_no_gain() -> None:
    """Nothing to gain: the instrument that chose sees one all the same, the crossed ones do not."""
    draws = make_seen(random.Random(2), n_questions=300, m=4, noise=1, spread=0)
    value, low, high = gain(draws, CROSSED)
    assert low < 0 < high
    assert value == pytest.approx(0, abs=0.12)
    assert gain(draws, SAME)[0] == pytest.approx(0.846, abs=0.12)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Twelve questions, four draws, an instrument as noisy as the thing: the gain is 0.846 / sqrt(2)."""
    rng, hits, truth = random.Random(3), 0, 0.8463 / 2**0.5
    for _ in range(300):
        _, low, high = gain(make_seen(rng, n_questions=12, m=4, noise=1), CROSSED)
        hits += low <= truth <= high
    assert 0.91 <= hits / 300 <= 0.99


def test_by_hand() -> None:
    """Draws of 1, 4 and 7 letters: beside 1 the longest of the others is 7, beside 4 it is 7, beside 7 it is 4."""
    draws = [draw("a" * (1 + 3 * sample), f"q{n}", sample) for n in range(4) for sample in range(3)]
    fold = Fold[Draw](like=length, worth=lambda row: sum(len(one.text) for one in row) / len(row))
    score = score_choosing(draws, [fold], measure="length", unit="letters", rung="small", variant="tuned")
    assert (score.measure, score.value, score.n) == ("gain of the best of 2, length", 2.0, 4)


@pytest.mark.parametrize(
    ("draws", "reason"),
    [
        ([], "three draws per question are needed"),
        ([draw("a", f"q{n}", sample) for n in range(9) for sample in range(2)], "three draws per question are needed"),
        ([draw("a", "q1", sample) for sample in range(4)], "1 questions with 4 answers"),
        ([draw("", f"q{n}", sample) for n in range(5) for sample in range(3)], "cannot be measured"),
    ],
)
def test_where_it_cannot_be_known_the_reason_is_told(draws: list[Draw], reason: str) -> None:
    fold = Fold[Draw](like=length, worth=lambda row: None)
    score = score_choosing(draws, [fold], measure="voice", unit="", rung="small", variant="tuned")
    assert score.value is None
    assert reason in score.reason


def test_questions_with_a_failed_answer_are_left_out() -> None:
    draws = [draw("a" * (n + sample + 1), f"q{n}", sample) for n in range(5) for sample in range(3)]
    fold = Fold[Draw](like=length, worth=lambda row: float(sum(len(one.text) for one in row)))
    found = gain_of_choosing(draws[:-1], [fold])
    assert not isinstance(found, str)
    assert found[1:] == (2, 4)
