"""How near a cover is to the best there could be, without looking for the best.

Two bounds on what any replies of the same cost can be worth, the lower of which counts; both hold whatever was taken
and why. Let S be the replies taken, and any T cost no more than the purse.

1. T adds to S at most the sum of what each of its replies would add alone: f(T) <= f(S) + the best purse of such gains.
2. f is concave in each feature's count, so it lies below its tangents at S: f(T) <= f(S) + v(T) - v(S), where v(reply)
   sums the slopes of its features. T may give up replies of S here, which is why this bound is mostly the closer one.

The best purse is bounded in turn: for any price L per unit of cost, the sum of v(T) is at most L x limit + the sum over
all replies of max(0, v - L x cost). That is exact in whole numbers, whichever L is tried.

Source: 1 from the shared reference `evaluation.md`, 5.2; 2 is the duality gap of Frank and Wolfe (1956) for the concave
relaxation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from econchatr.select.cover import Coverage, Purse
from econchatr.select.features import Features, Integers

_TANGENTS: Final = (0, 1, 2, 4)
"""Between the slope after a count and the one before it, in quarters: each is a tangent."""


def certify(features: Features, replies: Sequence[int], purse: Purse) -> float | None:
    """At least this share of the best possible f within the purse is reached; `None`: there is nothing to cover.

    Args:
        replies: What was taken; it must fit into the purse.

    Returns:
        Rounded down to a ten-thousandth.
    """
    coverage = Coverage(features, replies)
    most = bound_best(coverage, replies, purse)
    return coverage.value * 10_000 // most / 10_000 if most else None


def bound_best(coverage: Coverage, replies: Sequence[int], purse: Purse) -> int:
    """No replies within the purse are worth more than this."""
    features, taken = coverage.features, np.asarray(replies, np.int64)
    gains = features.sum_rows(coverage.worth)
    gains[taken] = 0
    bounds = [fill_purse(gains, purse)]
    after, before = coverage.steps[coverage.counts], coverage.steps[np.maximum(coverage.counts - 1, 0)]
    for quarters in _TANGENTS:
        slopes = features.weights * (after + (before - after) * quarters // 4)
        values = features.sum_rows(slopes)
        bounds.append(fill_purse(values, purse) - int(values[taken].sum()))
    return coverage.value + max(0, min(bounds))


def fill_purse(values: Integers, purse: Purse) -> int:
    """No replies within the purse have a higher sum of values than this."""
    best_first = np.argsort(-(values / purse.costs), kind="stable")
    place = int(np.searchsorted(np.cumsum(purse.costs[best_first]), purse.limit, side="right"))
    if place == len(values):
        return int(values.sum())
    first_out = best_first[place]
    price = int(values[first_out]) // int(purse.costs[first_out])
    # Python's own whole numbers where 64 bits might not do: a price per unit times a very unequal cost.
    is_small = price * int(purse.costs.max()) < 1 << 62
    costs = purse.costs if is_small else purse.costs.astype(object)
    return price * purse.limit + int(np.maximum(values - price * costs, 0).sum())
