"""Greedy weighted maximum coverage under a list of nested budgets.

A set of replies is worth f = sum over the features of weight x (ln(m + 1/2) - ln(1/2)), where m is the number of its
replies that hold the feature. The first reply with a turn of phrase counts most, each further one less (f is monotone
and submodular). Replies are taken one at a time: from the stratum that is furthest behind its share of the money, and
within that stratum the reply with the largest gain in f for its cost.

All sums are of whole numbers. Two replies are compared by one division each of whole numbers below 2**53, which IEEE
754 fixes to the bit. So any machine takes the same replies in the same order.

Source: shared reference `evaluation.md`, 9.3; what differs and why: `docs/decisions/0011-coverage.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from econchatr.select.features import Features, Integers, SparseRows
from econchatr.select.knapsack import Knapsack

SCALE: Final = 1 << 24
"""A logarithm of 1 in the whole numbers used here."""

_MIN_NEAR: Final = 1024
_NEAR_SHARE: Final = 50
"""One in so many of a stratum is at hand, and `_MIN_NEAR` at least; the others wait, known to be worth less for their
cost. Fewer must be drawn anew more often, more take longer to look through."""
_FIRST_LOOKS: Final = 32
_MAX_NEW_FEATURES: Final = 5


class GreedyStep(NamedTuple):
    """One reply that was taken."""

    reply: int
    gain: int | None
    """What the reply added to f, in units of 1/SCALE; `None`: not computed, because everything left fitted."""
    new_features: tuple[int, ...] = ()
    """Features that the reply was the first to hold: the five most frequent."""


class Cover(NamedTuple):
    """The replies taken, in order, and how many of them each knapsack holds."""

    steps: tuple[GreedyStep, ...]
    ends: tuple[int, ...]


def marginal_gains(n: int) -> Integers:
    """What the 1st, 2nd ... n-th reply that holds a feature adds: ln(m + 3/2) - ln(m + 1/2) for m = 0, 1, ...

    By the series 2 (x + x^3/3 + x^5/5 + ...) with x = 1 / (2m + 2), which needs no logarithm: those of the system's
    library may differ in their last bit from one machine to the next.
    """
    x = 1 / (2 * np.arange(n, dtype=np.float64) + 2)
    square, total = x * x, np.zeros(n)
    for term in range(30, -1, -1):
        total = total * square + 1 / (2 * term + 1)
    return np.rint(2 * SCALE * (x * total)).astype(np.int64)


class Coverage:
    """How often a growing set of replies holds each feature, and what one reply more would add."""

    def __init__(self, features: Features, replies: Iterable[int] = ()) -> None:
        """Begin with the given replies."""
        self.features = features
        self.marginals = marginal_gains(features.n_replies + 1)
        rows = [features.rows.row(reply) for reply in replies]
        self.counts = np.bincount(np.concatenate([np.zeros(0, np.int64), *rows]), minlength=len(features.weights))
        self.worth = features.weights * self.marginals[self.counts]
        values = np.concatenate(([0], np.cumsum(self.marginals)))
        self.value = int(np.sum(features.weights * values[self.counts]))

    def add(self, reply: int) -> tuple[int, tuple[int, ...]]:
        """Take a reply; get what it adds to f, and the commonest of the features it is the first to hold."""
        row, weights = self.features.rows.row(reply), self.features.weights
        gain, before = int(self.worth[row].sum()), self.counts[row]
        self.counts[row] = before + 1
        self.worth[row] = weights[row] * self.marginals[before + 1]
        self.value += gain
        new = row[(before == 0) & (weights[row] > 0)]
        return gain, tuple(new[np.argsort(-weights[new], kind="stable")[:_MAX_NEW_FEATURES]].tolist())


def maximize_coverage(
    features: Features, strata: Integers, knapsacks: Sequence[Knapsack], *, pinned: Sequence[int] = ()
) -> Cover:
    """The replies for each knapsack; each knapsack holds those of the one before it, and more.

    Filling a knapsack goes on where the one before it stopped, and no reply is taken that does not fit into every later
    knapsack too. So one choice contains the other, whatever their costs.

    Args:
        strata: The stratum of each reply. A stratum gets the share of the money that it has of all costs.
        knapsacks: The smallest first.
        pinned: Taken first, whatever they add. They must fit into every knapsack.
    """
    state = _State(features, knapsacks)
    for reply in pinned:
        state.take(reply)
    most = int(features.sum_rows(Coverage(features).worth).max(initial=0))
    ends = []
    for place in range(len(knapsacks)):
        state = _spend(state, strata, place, most_gain=most)
        ends.append(len(state.steps))
    return Cover(tuple(state.steps), tuple(ends))


class _State:
    """The steps so far, and how much room each knapsack has left."""

    def __init__(self, features: Features, knapsacks: Sequence[Knapsack], steps: Sequence[GreedyStep] = ()) -> None:
        self.features, self.knapsacks, self.steps = features, knapsacks, list(steps)
        replies = [step.reply for step in steps]
        self.coverage = Coverage(features, replies)
        self.is_taken = np.zeros(features.n_replies, bool)
        self.is_taken[replies] = True
        self.rooms = [knapsack.limit - int(knapsack.costs[replies].sum()) for knapsack in knapsacks]

    def take(self, reply: int) -> None:
        gain, new_features = self.coverage.add(reply)
        self.steps.append(GreedyStep(reply, gain, new_features))
        self.is_taken[reply] = True
        for place, knapsack in enumerate(self.knapsacks):
            self.rooms[place] -= int(knapsack.costs[reply])

    def fits(self, reply: int, place: int) -> bool:
        """Whether a reply fits into this knapsack and every later one."""
        return all(
            knapsack.costs[reply] <= room
            for knapsack, room in zip(self.knapsacks[place:], self.rooms[place:], strict=True)
        )

    def fit(self, replies: Integers, place: int) -> npt.NDArray[np.bool_]:
        """Which of the replies are not taken yet and fit into this knapsack and every later one."""
        fits = ~self.is_taken[replies]
        for knapsack, room in zip(self.knapsacks[place:], self.rooms[place:], strict=True):
            fits &= knapsack.costs[replies] <= room
        return fits


def _spend(state: _State, strata: Integers, place: int, *, most_gain: int) -> _State:
    """Fill the rest of a knapsack."""
    rest = np.flatnonzero(~state.is_taken)
    later = zip(state.knapsacks[place:], state.rooms[place:], strict=True)
    if all(knapsack.costs[rest].sum() <= room for knapsack, room in later):
        for knapsack_place, knapsack in enumerate(state.knapsacks):
            state.rooms[knapsack_place] -= int(knapsack.costs[rest].sum())
        state.is_taken[rest] = True
        state.steps += [GreedyStep(int(reply), None) for reply in rest]
        return state
    before, value = list(state.steps), state.coverage.value
    _spend_in_turns(state, strata, place)
    if state.coverage.value - value >= most_gain:
        return state
    # The knapsack is so small that one reply may be worth more than the several that were taken.
    alone = _State(state.features, state.knapsacks, before)
    fitting = rest[alone.fit(rest, place)]
    gains = state.features.sum_rows(alone.coverage.worth, fitting)
    if gains.max(initial=0) <= state.coverage.value - value:
        return state
    alone.take(int(fitting[gains.argmax()]))
    _spend_in_turns(alone, strata, place)
    return alone


def _spend_in_turns(state: _State, strata: Integers, place: int) -> None:
    """Take the best of the stratum that is furthest behind its share, until nothing more fits."""
    costs = state.knapsacks[place].costs
    queues = {
        stratum: _Queue(state, np.flatnonzero(strata == stratum), place) for stratum in np.unique(strata).tolist()
    }
    totals = {stratum: int(costs[strata == stratum].sum()) for stratum in queues}
    spent = {stratum: int(costs[state.is_taken & (strata == stratum)].sum()) for stratum in queues}
    while queues:
        stratum = min(queues, key=lambda stratum: (spent[stratum] / totals[stratum], stratum))
        best = queues[stratum].find_best()
        if best is None:
            del queues[stratum]
            continue
        spent[stratum] += int(costs[best])
        state.take(best)


class _Queue:
    """The replies of one stratum that are not taken, asked again and again for the best for its cost.

    A gain only ever falls as more is taken, so an old one is a bound: only the replies whose bound comes to the top are
    looked at again ("lazy greedy"), some at a time, because numpy is no slower for thirty than for one.
    """

    def __init__(self, state: _State, members: Integers, place: int) -> None:
        self._state, self._place, self._costs = state, place, state.knapsacks[place].costs
        self._members = members[state.fit(members, place)]
        gains = state.features.sum_rows(state.coverage.worth, self._members)
        self._bounds = gains / self._costs[self._members]
        """Per member, the most it can add per unit of its cost; below zero: taken, or too dear."""
        self._near = np.zeros(0, np.int64)
        """Positions of the members with the highest bounds, ascending."""
        self._near_bounds = np.zeros(0)
        self._near_rows = SparseRows(np.zeros(1, np.int64), np.zeros(0, np.int32))
        self._floor = 0.0
        """The highest bound of the others."""

    def find_best(self) -> int | None:
        """The member that adds most for its cost, the first of equals; `None`: no member fits."""
        is_fresh, n_looks = np.zeros(len(self._near), bool), _FIRST_LOOKS
        while True:
            best = int(self._near_bounds.argmax()) if len(self._near) else -1
            if best < 0 or self._near_bounds[best] <= self._floor:
                if not self._draw_near():
                    return None
                is_fresh = np.zeros(len(self._near), bool)
                continue
            reply = int(self._members[self._near[best]])
            if not self._state.fits(reply, self._place):
                self._near_bounds[best] = -1
            elif is_fresh[best] or self._near_bounds[best] == 0:
                self._near_bounds[best] = -1
                return reply
            else:
                first = np.argpartition(self._near_bounds, -min(n_looks, len(self._near)))[-n_looks:]
                first = first[self._near_bounds[first] >= 0]
                self._look_again(first)
                is_fresh[first] = True
                n_looks *= 2

    def _look_again(self, places: npt.NDArray[np.intp]) -> None:
        """Work out anew what some of the near ones would add."""
        gains = self._near_rows.pick(places).sum(self._state.coverage.worth)
        self._near_bounds[places] = gains / self._costs[self._members[self._near[places]]]

    def _draw_near(self) -> bool:
        """Choose anew the members with the highest bounds; false: no member fits."""
        self._bounds[self._near] = self._near_bounds
        state = self._state
        fits = state.fit(self._members, self._place) & (self._bounds >= 0)
        self._members, self._bounds = self._members[fits], self._bounds[fits]
        if not len(self._members):
            return False
        n = min(max(_MIN_NEAR, len(self._members) // _NEAR_SHARE), len(self._members))
        is_near = self._bounds >= np.partition(self._bounds, -n)[-n]
        self._near = np.flatnonzero(is_near)
        self._near_bounds = self._bounds[self._near]
        self._near_rows = state.features.rows.pick(self._members[self._near])
        self._floor = float(self._bounds[~is_near].max(initial=-1))
        return True
