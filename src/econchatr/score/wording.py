"""How much the wording of a question matters: the spread between its wordings against the spread between samples.

An answer changes with the seed even when the question does not. So a question is put in several wordings, several times
each, and the spread of the answers is divided as in an analysis of variance: what the wordings add, and what chance
does anyway. It is done for what the answers say (a distance between texts) and for what they are worth (a number each).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from econchatr.records import Answer, Mark, Score
from econchatr.records.measures import MARKS_GIVEN, WORDS_SAID, Measure
from econchatr.score.speech import split_words
from econchatr.score.statistics import Interval, make_score

_T = TypeVar("_T")


class Spread(NamedTuple):
    """The sums of squares of one question's answers, between its wordings and within them."""

    between: float
    n_between: int
    """Degrees of freedom: wordings less one."""
    within: float
    n_within: int
    """Answers less wordings; 0: every wording was put once."""
    size: float
    """What `between` is divided by to be comparable: the mean samples per wording, corrected, times `n_between`."""


def split_spread(wordings: Sequence[Sequence[_T]], squared_distance: Callable[[_T, _T], float]) -> Spread:
    """Divide the spread of one question's answers; wordings nobody answered are left out.

    Source: Anderson 2001, Austral Ecology 26, 32-46 (sums of squares from distances; with the distance of two numbers
    it is the usual analysis of variance); unequal group sizes: Searle, Casella and McCulloch 1992, Variance
    Components, section 3.6.
    """
    groups = [list(group) for group in wordings if group]
    everything = [item for group in groups for item in group]
    n, k = len(everything), len(groups)
    if k < 2:
        return Spread(0.0, 0, 0.0, 0, 0.0)
    within = sum(_sum_squares(group, squared_distance) for group in groups)
    between = max(0.0, _sum_squares(everything, squared_distance) - within)
    return Spread(between, k - 1, within, n - k, n - sum(len(group) ** 2 for group in groups) / n)


def _sum_squares(items: Sequence[_T], squared_distance: Callable[[_T, _T], float]) -> float:
    pairs = (squared_distance(one, two) for place, one in enumerate(items) for two in items[place + 1 :])
    return sum(pairs) / len(items)


def share_of_wording(spreads: Sequence[Spread], *, n_resamples: int) -> Interval | str:
    """The part of an answer's spread that comes from the wording, 0 to 1, over all questions; or why there is none.

    It is the intraclass correlation of answers to one wording; below 0, which chance can make it, counts as 0. The
    interval resamples questions and needs two.

    Source: ICC(1,1) of Shrout and Fleiss 1979, Psychological Bulletin 86, 420-428.
    """
    rows = np.array([spread for spread in spreads if spread.n_between], dtype=float).reshape(-1, 5)
    if not len(rows):
        return "no question was answered in two wordings"
    if not rows[:, 3].sum():
        return "one sample per wording: chance and wording cannot be told apart ([ask] samples = 2 or more)"
    if not rows[:, 0].sum() + rows[:, 2].sum():
        return "every answer to a question is the same"
    value = float(_share(rows.sum(axis=0)))
    if len(rows) < 2:
        return Interval(value)
    draws = np.random.default_rng(0).integers(0, len(rows), size=(n_resamples, len(rows)))
    low, high = np.nanquantile(_share(np.moveaxis(rows[draws].sum(axis=1), -1, 0)), [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of summed spreads, column by column; not a number where there is no spread at all."""
    between, n_between, within, n_within, size = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = within / n_within
        wording = np.maximum(0.0, (between / n_between - noise) / (size / n_between))
        return np.asarray(wording / (wording + noise))


# --- scores -----------------------------------------------------------------------------------------------------------


def score_wording(
    answers: Sequence[Answer], marks: Sequence[Mark], *, rung: str, n_resamples: int = 2000
) -> list[Score]:
    """Per variant, the wording's share of the spread of what is said, and of the marks where answers have one."""
    worth = {
        (mark.question_id, mark.variant, mark.wording, mark.sample): mark.worth
        for mark in marks
        if mark.worth is not None
    }

    def count(answer: Answer) -> Counter[str] | None:
        return Counter(split_words(answer.reply.text)) if answer.reply is not None else None

    def weigh(answer: Answer) -> float | None:
        return worth.get((answer.question_id, answer.variant, answer.wording, answer.sample))

    scores = []
    for variant in dict.fromkeys(answer.variant for answer in answers):
        own = [answer for answer in answers if answer.variant == variant]
        score = partial(make_score, Measure.WORDING_SHARE, rung=rung, variant=variant)
        n_said = sum(answer.reply is not None for answer in own)
        words = [split_spread(rows, text_distance) for rows in _group_by_wording(own, count)]
        scores.append(score(share_of_wording(words, n_resamples=n_resamples), subject=WORDS_SAID, n=n_said))
        graded = [split_spread(rows, lambda one, two: (one - two) ** 2) for rows in _group_by_wording(own, weigh)]
        if worth:
            n = sum(weigh(answer) is not None for answer in own)
            scores.append(score(share_of_wording(graded, n_resamples=n_resamples), subject=MARKS_GIVEN, n=n))
    return scores


def _group_by_wording(answers: Sequence[Answer], value: Callable[[Answer], _T | None]) -> list[list[list[_T]]]:
    """Question by question, wording by wording, the values of its answers; what has none is left out."""
    questions: dict[Hashable, dict[int, list[_T]]] = {}
    for answer in answers:
        found = value(answer)
        if found is not None:
            questions.setdefault(answer.question_id, {}).setdefault(answer.wording, []).append(found)
    return [list(wordings.values()) for wordings in questions.values()]


def text_distance(one: Counter[str], two: Counter[str]) -> float:
    """How far apart two texts are by their words, squared: 0 for the same shares of words, 2 for no word in common.

    Source: Hellinger's distance between the two shares of words (twice its square).
    """
    if not one or not two:
        return 0.0 if one == two else 2.0
    n_one, n_two = one.total(), two.total()
    return 2 - 2 * sum(math.sqrt(n / n_one * two[word] / n_two) for word, n in one.items() if word in two)
