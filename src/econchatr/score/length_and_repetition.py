"""How long a row's replies are, and how much of them repeats: the median words, and rep-4."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median_low
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.records import Answer, Score
from econchatr.records.measures import ANSWERS, HOST, HOST_REPLIES, Measure
from econchatr.score.sparse_matrix import SparseMatrix
from econchatr.score.speech import Said, split_words
from econchatr.score.statistics import (
    Interval,
    draw_left_out,
    draw_windows,
    fold_groups,
    jackknife_interval,
    make_score,
)

_N_RESAMPLES: Final = 1000

_SEQUENCE_WORDS: Final = 4
MAX_WORDS: Final = 1200
"""Twelve answers of a hundred words, at which the host's own repetition was measured: docs/experiments.md."""
_N_WINDOWS: Final = 8
_N_HOST_WINDOWS: Final = 200

_Sequences = NDArray[np.uint64]


class Length(NamedTuple):
    """The median words of a row's replies, or why there are none."""

    words: Interval | None
    by_reply: tuple[int, ...] = ()
    reason: str = ""


def measure_length(said: Sequence[Said]) -> Length:
    """Measure the median words of a reply; the interval is the bootstrap's over groups, since a median has no slope."""
    if not said:
        return Length(None, reason="no answers")
    by_reply = tuple(len(split_words(one.text)) for one in said)
    value = float(np.median(by_reply))
    groups: dict[str, list[int]] = {}
    for one, n_words in zip(said, by_reply, strict=True):
        groups.setdefault(one.group, []).append(n_words)
    if len(groups) < 2:
        return Length(Interval(value), by_reply)
    lengths = list(groups.values())
    draws = np.random.default_rng(0).integers(0, len(lengths), size=(_N_RESAMPLES, len(lengths)))
    medians = [float(np.median(np.concatenate([lengths[place] for place in draw]))) for draw in draws]
    low, high = np.quantile(medians, [0.025, 0.975])
    return Length(Interval(value, float(low), float(high)), by_reply)


def score_lengths(answers: Sequence[Answer], host_replies: Sequence[str], *, rung: str) -> list[Score]:
    """Give the median words of a reply: of the held-out host, then of each variant, without interval.

    Answers that failed count for nothing.
    """
    score = partial(make_score, Measure.MEDIAN_WORDS, rung=rung)
    own = _find_median(host_replies)
    scores = [score(own, variant=HOST, subject=HOST_REPLIES, n=len(host_replies), reason="no held-out replies")]
    for variant in sorted({answer.variant for answer in answers}):
        texts = [answer.reply.text for answer in answers if answer.variant == variant and answer.reply is not None]
        median = _find_median(texts)
        scores.append(score(median, variant=variant, subject=ANSWERS, n=len(texts), reason="no answers"))
    return scores


def _find_median(texts: Sequence[str]) -> Interval | None:
    return Interval(float(np.median([len(split_words(text)) for text in texts]))) if texts else None


class Repetition(NamedTuple):
    """A row's rep-4, or why there is none."""

    share: Interval | None
    n_words: int = 0
    """At which it was measured."""
    reason: str = ""


def measure_repetition(said: Sequence[Said], *, max_words: int = MAX_WORDS) -> Repetition:
    """Measure rep-4 of each pass at the same number of words, and take the mean; its interval is over questions.

    The number of words is that of the middle pass, at most `max_words`: of a longer one windows are drawn, a shorter
    one is taken whole.
    """
    passes = [[one for one in said if one.sample == sample] for sample in sorted({one.sample for one in said})]
    words = [np.array([len(split_words(one.text)) for one in ones], dtype=np.int64) for ones in passes]
    size = min(median_low(int(counts.sum()) for counts in words) if words else 0, max_words)
    numbers = fold_groups(one.group for one in said)
    n_groups = len(set(numbers.values()))
    if size < _SEQUENCE_WORDS:
        return Repetition(None, size, "no answers" if not said else f"{size} words in a pass of answers")
    found = []
    for ones, counts in zip(passes, words, strict=True):
        groups = np.array([numbers[one.group] for one in ones], dtype=np.int64)
        sequences = [_hash_sequences(one.text) for one in ones]
        n_windows = 1 if counts.sum() <= size else _N_WINDOWS
        drawn = draw_left_out(counts, groups, n_groups=n_groups, size=size, n_windows=n_windows, seed=0)
        found.append([_mean_repetition(windows, sequences) for windows in drawn])
    whole, *left_out = np.mean(found, axis=0).tolist()
    value, low, high = jackknife_interval(whole, [left_out])
    # A share: the jackknife's interval is symmetric, and may reach past the ends.
    return Repetition(Interval(value, None if low is None else max(0.0, low), high and min(1.0, high)), size)


def measure_host(replies: Sequence[str], n_words: int) -> float | None:
    """The host's own rep-4 at this number of words; `None` where the host said less, or under four words are asked."""
    counts = np.array([len(split_words(reply)) for reply in replies], dtype=np.int64)
    if counts.sum() < n_words or n_words < _SEQUENCE_WORDS:
        return None
    windows = draw_windows(counts, size=n_words, n_windows=_N_HOST_WINDOWS, seed=0)
    return _mean_repetition(windows, [_hash_sequences(reply) for reply in replies])


def _hash_sequences(text: str) -> _Sequences:
    """Every four-word sequence of a text, as a number each."""
    words = split_words(text)
    found = (hash(tuple(words[i : i + _SEQUENCE_WORDS])) for i in range(len(words) - _SEQUENCE_WORDS + 1))
    return np.fromiter(found, dtype=np.int64).view(np.uint64)


def _mean_repetition(windows: SparseMatrix, sequences: Sequence[_Sequences]) -> float:
    """The mean rep-4 of the windows; 0 for one in which no reply has four words."""
    shares = []
    for row in range(len(windows)):
        picked = [sequences[place] for place in windows.row(row)]
        joined = np.concatenate(picked) if picked else np.zeros(0, dtype=np.uint64)
        shares.append(1 - len(np.unique(joined)) / len(joined) if len(joined) else 0.0)
    return float(np.mean(shares))
