"""How long a row's replies are: the median number of words, with its interval over questions or episodes.

This module does not know what a fitting length is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from econchatr.score.speech import Said, split_words
from econchatr.score.statistics import Interval

_N_RESAMPLES = 1000


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
