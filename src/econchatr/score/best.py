"""Choosing the best of many: keep the answer the product's own measures like, and say what that gains over one draw.

Two kinds of luck must not be counted as gain. An answer that is compared with draws it was chosen from is compared with
itself: so the one draw stands apart from those that are chosen from, and each draw takes that part in turn. And an
answer chosen by a measure looks good to that measure also by its errors: so what chooses and what is measured by are
two instruments made of different data (two halves of the training episodes, say), which change places. What is left is
the gain on a draw, and by a measure, that had no part in the choice.

This module does not know what a voice is: liking and worth come in as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from econchatr.records import Score
from econchatr.score.statistics import Interval

MIN_QUESTIONS: Final = 3
"""Fewer give no interval worth the name."""


class Drawn(Protocol):
    """One answer: what it answers, what it says, which question it belongs to, which sample it is."""

    @property
    def prompt(self) -> str:
        """The question, as it was put."""

    @property
    def text(self) -> str:
        """The answer."""

    @property
    def group(self) -> str:
        """The question's id."""

    @property
    def sample(self) -> int:
        """Which of the answers to this question."""


D = TypeVar("D", bound=Drawn)


@dataclass(frozen=True)
class Fold(Generic[D]):
    """Two instruments that share no data: one to choose by, one to measure what the choice was worth."""

    like: Callable[[D], float | None]
    """How much one answer is liked; more is better, `None`: it cannot be said."""
    worth: Callable[[Sequence[D]], float | None]
    """What a row of answers, one to each question, is worth together; more is better, `None`: it cannot be said."""


def choose_best(
    draws: Sequence[D],
    like: Callable[[D], float | None],
    *,
    gates: Sequence[Callable[[D], bool]] = (),
) -> D:
    """The draw liked best among those that pass every gate (on the question, not copied); of equals the first drawn.

    Where no draw passes, or none can be judged, the first is taken: choosing must never cost an answer.

    Args:
        draws: At least one, in the order in which they were drawn.
    """
    passed = [draw for draw in draws if all(gate(draw) for gate in gates)]
    judged = [(value, draw) for draw in passed if (value := like(draw)) is not None]
    return max(judged, key=lambda pair: pair[0])[1] if judged else draws[0]


def gain_of_choosing(
    draws: Sequence[D],
    folds: Sequence[Fold[D]],
    *,
    gates: Sequence[Callable[[D], bool]] = (),
) -> tuple[Interval, int, int] | str:
    """What the best of n is worth more than one draw, n, and the number of questions; or why that is not known.

    Of m draws per question each is the one draw in turn, against the best of the n = m - 1 others. The gain is averaged
    over turns and folds; its interval is Student's, from leaving out each question in turn.

    Source: jackknife: Efron and Stein 1981, Annals of Statistics 9, 586-596.
    """
    rows: dict[str, dict[int, D]] = {}
    for draw in draws:
        rows.setdefault(draw.group, {})[draw.sample] = draw
    samples = sorted(set[int]().union(*rows.values()))
    whole = {group: row for group, row in rows.items() if len(row) == len(samples)}
    if len(samples) < 3:
        return "three draws per question are needed: one to compare with, two to choose from"
    if len(whole) < MIN_QUESTIONS:
        return f"{len(whole)} questions with {len(samples)} answers each; {MIN_QUESTIONS} are needed"
    turns = [
        {
            group: (choose_best([row[other] for other in samples if other != one], fold.like, gates=gates), row[one])
            for group, row in whole.items()
        }
        for fold in folds
        for one in samples
    ]
    worths = [fold.worth for fold in folds for _ in samples]
    value = _mean_gain(turns, worths, without="")
    left_out = [_mean_gain(turns, worths, without=group) for group in whole]
    if value is None or any(gain is None for gain in left_out):
        return "the answers cannot be measured"
    return _jackknife(value, [gain for gain in left_out if gain is not None]), len(samples) - 1, len(whole)


def score_choosing(
    draws: Sequence[D],
    folds: Sequence[Fold[D]],
    *,
    gates: Sequence[Callable[[D], bool]] = (),
    measure: str,
    unit: str,
    rung: str,
    variant: str,
    reason: str = "",
) -> Score:
    """The gain as a score: `gain of the best of 3, voice`; unscored with its reason where it is not known.

    Args:
        measure: What `worth` measures, in a word or two.
        reason: Why it cannot be known, where that was found out before.
    """
    found = reason or gain_of_choosing(draws, folds, gates=gates)
    if isinstance(found, str):
        return Score(
            measure=f"gain of the best of many, {measure}", rung=rung, variant=variant, subject="answers", value=None,
            n=0, unit=unit, reason=found,
        )  # fmt: skip
    (value, low, high), n_draws, n_questions = found
    return Score(
        measure=f"gain of the best of {n_draws}, {measure}", rung=rung, variant=variant, subject="answers", value=value,
        low=low, high=high, n=n_questions, unit=unit,
    )  # fmt: skip


def _mean_gain(
    turns: Sequence[dict[str, tuple[D, D]]],
    worths: Sequence[Callable[[Sequence[D]], float | None]],
    *,
    without: str,
) -> float | None:
    """The gain averaged over turns, without one question; `None` where a row cannot be measured."""
    gains = []
    for turn, worth in zip(turns, worths, strict=True):
        kept = [pair for group, pair in turn.items() if group != without]
        chosen, single = worth([pair[0] for pair in kept]), worth([pair[1] for pair in kept])
        if chosen is None or single is None:
            return None
        gains.append(chosen - single)
    return sum(gains) / len(gains)


def _jackknife(value: float, left_out: Sequence[float]) -> Interval:
    from scipy.special import stdtrit

    n = len(left_out)
    mean = sum(left_out) / n
    error = float(((n - 1) / n * sum((one - mean) ** 2 for one in left_out)) ** 0.5)
    reach = float(stdtrit(n - 1, 0.975)) * error
    return Interval(value, value - reach, value + reach)
