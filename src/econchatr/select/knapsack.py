"""The problem that every strategy solves: choose pairs for a list of nested knapsacks, one for each rung.

A knapsack says what each pair costs and how much may be spent. A solution names a subset of the pool for each knapsack.
The subset of a smaller knapsack is contained in that of a larger one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from econchatr.records import Reason
from econchatr.select.features import Integers


class Knapsack(NamedTuple):
    """One rung's budget as numbers. The unit is whatever is billed: tokens, millionths of a dollar."""

    costs: Integers
    """Of each pair of the pool; above zero."""
    limit: int
    """What the subset may cost in all."""
    name: str = ""
    """Of the rung."""


class Subset(NamedTuple):
    """The pairs chosen for one knapsack."""

    places: tuple[int, ...]
    """Their positions in the pool, in the order in which they were taken."""
    certificate: float | None = None
    """As in `records.Selection`."""
    random_share: float | None = None
    """As in `records.Selection`."""


class Solution(NamedTuple):
    """The subset for each knapsack, in the order of the knapsacks, and the reason for each pair of the pool."""

    subsets: tuple[Subset, ...]
    reasons: tuple[Reason, ...]
    """In the order of the pool."""


def find_smallest_holder(position: int, knapsacks: Sequence[Knapsack], ends: Sequence[int]) -> Knapsack | None:
    """The knapsack with the fewest pairs that holds the pair at `position` of the common order; `None`: none does.

    Args:
        ends: Per knapsack, how many pairs of the common order it holds.
    """
    holders = [place for place, end in enumerate(ends) if position < end]
    return knapsacks[min(holders, key=lambda place: ends[place])] if holders else None
