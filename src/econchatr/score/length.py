"""How long a row's replies are: the median number of words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from econchatr.records import Answer, Score
from econchatr.records.measures import ANSWERS, HOST, HOST_REPLIES, Measure
from econchatr.score.measured import make_score
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
