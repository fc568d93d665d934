"""Intervals of counted shares: so many of so many.

This module does not know what is counted.
"""

from __future__ import annotations

from econchatr.score.statistics import Interval


def exact_share(hits: float, n: int, *, confidence: float = 0.95) -> Interval:
    """`hits` of `n` as a share, with the interval of Clopper and Pearson.

    It covers the truth at least as often as it says, at any `n`: with twelve answers the usual normal interval is too
    narrow. A count that is not whole (an average over several people) is taken as it is.

    Args:
        n: At least 1.

    Source: Clopper and Pearson 1934, Biometrika 26, 404-413; why no normal interval: shared reference
    `evaluation.md`, section 3, "Statistics".
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if hits <= 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits >= n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return Interval(hits / n, low, high)
