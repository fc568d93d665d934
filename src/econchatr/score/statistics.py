"""Intervals: bootstrap over episodes.

This module does not know what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Interval(NamedTuple):
    """A value with its 95% interval; the ends are `None` where one episode, or none, cannot give an interval."""

    value: float
    low: float | None
    high: float | None


def bootstrap_ratio(
    tops: Sequence[float], bottoms: Sequence[float], groups: Sequence[str], *, n_resamples: int, seed: int = 0
) -> Interval:
    """sum(tops) / sum(bottoms), with the percentile interval over resampled groups (whole episodes).

    Replies of one episode resemble each other, so episodes are resampled, never single replies.

    Source: shared reference `evaluation.md`, section 3, "Statistics".
    """
    import numpy as np

    names = sorted(set(groups))
    top, bottom = np.zeros(len(names)), np.zeros(len(names))
    place = {name: i for i, name in enumerate(names)}
    for t, b, group in zip(tops, bottoms, groups, strict=True):
        top[place[group]] += t
        bottom[place[group]] += b
    value = float(top.sum() / bottom.sum())
    if len(names) < 2:
        return Interval(value, None, None)
    draws = np.random.default_rng(seed).integers(0, len(names), size=(n_resamples, len(names)))
    ratios = top[draws].sum(axis=1) / bottom[draws].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(value, float(low), float(high))
