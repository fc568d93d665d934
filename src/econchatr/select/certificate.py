"""A lower bound on how close a cover is to the best possible one (an approximation certificate).

Two upper bounds on what any replies within the same knapsack can be worth are computed, and the lower one counts. Both
hold for any choice of replies. Let S be the replies taken, and T any replies that fit into the knapsack.

1. T adds to S at most the sum of what each of its replies would add alone: f(T) <= f(S) + the best such sum that fits.
2. f is concave in each feature's count, so it lies below its tangents at S: f(T) <= f(S) + v(T) - v(S), where v(reply)
   sums the slopes of the reply's features. Here T may leave out replies of S, so this bound is mostly the tighter one.

The best sum that fits is a 0/1 knapsack problem, bounded by its Lagrangian relaxation: for any price L per unit of
cost, the sum of v(T) is at most L x limit + the sum over all replies of max(0, v - L x cost). The bound is exact in
whole numbers for whatever L is tried.

Source: 1 from the shared reference `evaluation.md`, 5.2; 2 is the duality gap of Frank and Wolfe (1956) for the concave
relaxation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from econchatr.select.features import Features, Integers
from econchatr.select.greedy import Coverage
from econchatr.select.knapsack import Knapsack

_TANGENTS: Final = (0, 1, 2, 4)
"""Between the slope after a count and the one before it, in quarters: each is a tangent."""


def certify(features: Features, replies: Sequence[int], knapsack: Knapsack) -> float | None:
    """At least this share of the best possible f within the knapsack is reached; `None`: there is nothing to cover.

    Args:
        replies: What was taken; it must fit into the knapsack.

    Returns:
        Rounded down to a ten-thousandth.
    """
    coverage = Coverage(features, replies)
    most = _bound_best(coverage, replies, knapsack)
    return coverage.value * 10_000 // most / 10_000 if most else None


def _bound_best(coverage: Coverage, replies: Sequence[int], knapsack: Knapsack) -> int:
    """No replies within the knapsack are worth more than this."""
    features, taken = coverage.features, np.asarray(replies, np.int64)
    gains = features.sum_rows(coverage.worth)
    gains[taken] = 0
    bounds = [bound_knapsack(gains, knapsack)]
    after, before = coverage.marginals[coverage.counts], coverage.marginals[np.maximum(coverage.counts - 1, 0)]
    for quarters in _TANGENTS:
        slopes = features.weights * (after + (before - after) * quarters // 4)
        values = features.sum_rows(slopes)
        bounds.append(bound_knapsack(values, knapsack) - int(values[taken].sum()))
    return coverage.value + max(0, min(bounds))


def bound_knapsack(values: Integers, knapsack: Knapsack) -> int:
    """No replies within the knapsack have a higher sum of values than this."""
    best_first = np.argsort(-(values / knapsack.costs), kind="stable")
    place = int(np.searchsorted(np.cumsum(knapsack.costs[best_first]), knapsack.limit, side="right"))
    if place == len(values):
        return int(values.sum())
    first_out = best_first[place]
    price = int(values[first_out]) // int(knapsack.costs[first_out])
    # Python's own whole numbers where 64 bits might not do: a price per unit times a very unequal cost.
    is_small = price * int(knapsack.costs.max()) < 1 << 62
    costs = knapsack.costs if is_small else knapsack.costs.astype(object)
    return price * knapsack.limit + int(np.maximum(values - price * costs, 0).sum())
