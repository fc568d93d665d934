"""Does an answer make sense? How surprised the untrained model is by it, after its question.

Words in any order, or words that follow each other only three at a time, surprise a language model far more than
anything that people say. The host's held-out replies set the range. It has one side that counts: a model's own text,
drawn with care, surprises less than speech does.

Source: shared reference `answers.md`, 6; our own figures: docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from econchatr.records import Score
from econchatr.records.measures import ANSWERS, Measure
from econchatr.score.gates import Ruling
from econchatr.score.speech import Said, split_words, spread_evenly
from econchatr.score.statistics import Interval, make_score

MAX_TOKENS: Final = 160
"""Of each answer, from its beginning."""
_MAX_ANSWERS: Final = 60
"""Of a row, evenly over all of them: the median of more would hardly differ."""
_MIN_WORDS: Final = 12
"""A shorter reply surprises by being short."""
_MIN_REPLIES: Final = 12
_N_DRAWS: Final = 2000
_TOO_SMOOTH: Final = 0.05
_TOO_SURPRISING: Final = 0.975
"""Quantiles of the host's medians."""


class Surprise(NamedTuple):
    """How surprising one reply is."""

    group: str
    """The question's id, or the episode's slug."""
    bits_per_byte: float


class Sense(NamedTuple):
    """How surprising a row's replies are, or why that is not known."""

    bits: Interval | None
    """The median bits per byte, with its interval over questions or episodes."""
    replies: tuple[Surprise, ...] = ()
    reason: str = ""


def pick_measurable(said: Sequence[Said], *, n: int = _MAX_ANSWERS) -> list[Said]:
    """Pick the replies that are long enough: at most `n`, and never more than 60, evenly over all of them."""
    return spread_evenly([one for one in said if len(split_words(one.text)) >= _MIN_WORDS], n=min(n, _MAX_ANSWERS))


def summarise_sense(replies: Sequence[Surprise]) -> Sense:
    """Take the median of what was measured; its interval is the bootstrap's, since a median has no slope."""
    known = tuple(one for one in replies if np.isfinite(one.bits_per_byte))
    if len(known) < _MIN_REPLIES:
        reason = f"{len(known)} replies of {_MIN_WORDS} words or more; {_MIN_REPLIES} are needed"
        return Sense(None, known, reason)
    value = float(np.median([one.bits_per_byte for one in known]))
    if len({one.group for one in known}) < 2:
        return Sense(Interval(value), known)
    low, high = np.quantile(_draw_medians(known, len(known)), [0.025, 0.975]).tolist()
    return Sense(Interval(value, low, high), known)


def judge_sense(row: Sense, host: Sense, *, model: str) -> Ruling:
    """The median answer surprises the untrained model no more than as many replies of the host would.

    Args:
        row: Of the answers.
        host: Of the host's held-out replies, under the same model.
        model: Its name.
    """
    n = len(row.replies)
    if row.bits is None or host.bits is None:
        reason = row.reason or f"nothing of the held-out host to compare with ({host.reason})"
        return Ruling("sense", "unscored", None, None, n, f"Not checked: {reason}.")
    value, low = row.bits.value, row.bits.value if row.bits.low is None else row.bits.low
    smooth, limit = np.quantile(_draw_medians(host.replies, n), [_TOO_SMOOTH, _TOO_SURPRISING]).tolist()
    told = f"{model} needs {value:.2f} bits per byte for the median answer and {host.bits.value:.2f} for the host's "
    told += f"replies; {limit:.2f} is the limit for {n} of them"
    if value <= limit:
        told += "; smoother than anybody talks" if value < smooth else ""
        return Ruling("sense", "passes", value, limit, n, f"{told}.")
    if low <= limit:
        told += "; it is past the limit by less than its interval, so more answers must decide"
        return Ruling("sense", "in doubt", value, limit, n, f"{told}.")
    return Ruling("sense", "fails", value, limit, n, f"{told}.")


def judge_under_all(row: Mapping[str, Sense], host: Mapping[str, Sense]) -> Ruling:
    """Judge by every model that was measured with, by its name, and give the worst ruling."""
    worse = ("fails", "in doubt", "unscored", "passes")
    rulings = [judge_sense(row[model], host[model], model=model) for model in row]
    return min(rulings, key=lambda ruling: worse.index(ruling.outcome))


def score_sense(sense: Sense, *, rung: str, variant: str) -> Score:
    """Put the median down as a score."""
    score = partial(make_score, Measure.ANSWER_SURPRISE, rung=rung, variant=variant, subject=ANSWERS)
    return score(sense.bits, n=len(sense.replies), reason=sense.reason)


def _draw_medians(replies: Sequence[Surprise], n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The medians of `n` replies drawn from groups drawn with replacement."""
    groups = dict[str, list[float]]()
    for one in replies:
        groups.setdefault(one.group, []).append(one.bits_per_byte)
    rng, lists = np.random.default_rng(0), [np.array(values) for values in groups.values()]
    medians = np.empty(_N_DRAWS)
    for draw in range(_N_DRAWS):
        pool = np.concatenate([lists[place] for place in rng.integers(0, len(lists), len(lists))])
        medians[draw] = np.median(pool[rng.integers(0, len(pool), n)])
    return medians
