"""The replies that together cover most of how a host speaks, within one purse after another.

A set of replies is worth f = sum over the features of weight x (ln(m + 1/2) - ln(1/2)), where m of its replies hold
the feature: the first reply with a turn of phrase counts most, each further one less. Replies are taken one by one,
from the stratum that is furthest behind its share of the money, and there the one that adds most to f for its cost.

Every sum here is of whole numbers and every comparison of one division of two whole numbers below 2**53, which IEEE 754
fixes to the bit: any machine takes the same replies in the same order.

Source: shared reference `evaluation.md`, 9.3; what differs and why: `docs/decisions/0011-coverage.md`.

This module does not know what the strata stand for, nor what a cost is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from econchatr.select.features import Features, Integers, Rows

SCALE: Final = 1 << 24
"""A logarithm of 1 in the whole numbers used here."""

_MIN_NEAR: Final = 1024
_NEAR_SHARE: Final = 50
"""One in so many of a stratum is at hand, and `_MIN_NEAR` at least; the others wait, known to be worth less for their
cost. Fewer must be drawn anew more often, more take longer to look through."""
_FIRST_LOOKS: Final = 32
_MAX_FIRSTS: Final = 5


class Purse(NamedTuple):
    """What each reply costs, and how much there is: tokens, millionths of a dollar, whatever is billed."""

    costs: Integers
    """Above zero."""
    limit: int
    name: str = ""
    """Whose purse it is."""


class Taken(NamedTuple):
    """One reply of a cover."""

    reply: int
    gain: int | None
    """What it added to f when it was taken, in units of 1/SCALE; `None`: nobody asked, for everything fits."""
    firsts: tuple[int, ...] = ()
    """Features it was the first to bring, the commonest of them."""


class Cover(NamedTuple):
    """The replies taken, in order, and how many of them each purse pays for."""

    taken: tuple[Taken, ...]
    ends: tuple[int, ...]


def step_values(n: int) -> Integers:
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
        self.steps = step_values(features.n_replies + 1)
        rows = [features.rows.row(reply) for reply in replies]
        self.counts = np.bincount(np.concatenate([np.zeros(0, np.int64), *rows]), minlength=len(features.weights))
        self.worth = features.weights * self.steps[self.counts]
        values = np.concatenate(([0], np.cumsum(self.steps)))
        self.value = int(np.sum(features.weights * values[self.counts]))

    def add(self, reply: int) -> tuple[int, tuple[int, ...]]:
        """Take a reply; get what it adds to f, and the commonest of the features it is the first to hold."""
        row, weights = self.features.rows.row(reply), self.features.weights
        gain, before = int(self.worth[row].sum()), self.counts[row]
        self.counts[row] = before + 1
        self.worth[row] = weights[row] * self.steps[before + 1]
        self.value += gain
        new = row[(before == 0) & (weights[row] > 0)]
        return gain, tuple(new[np.argsort(-weights[new], kind="stable")[:_MAX_FIRSTS]].tolist())


def cover_purses(features: Features, strata: Integers, purses: Sequence[Purse], *, pinned: Sequence[int] = ()) -> Cover:
    """The best replies for each purse; what a purse pays for is what the one before it pays for, and more.

    A purse after the first is spent on from where the one before it stopped, and no reply is taken that a later purse
    could not pay for too, so one choice contains the other whatever their costs.

    Args:
        strata: Per reply the stratum it belongs to. Each gets the share of the money that it has of all costs.
        purses: The smallest first.
        pinned: Taken first, whatever they add. They must fit into every purse.
    """
    state = _State(features, purses)
    for reply in pinned:
        state.take(reply)
    most = int(features.sum_rows(Coverage(features).worth).max(initial=0))
    ends = []
    for place in range(len(purses)):
        state = _spend(state, strata, place, most_gain=most)
        ends.append(len(state.taken))
    return Cover(tuple(state.taken), tuple(ends))


class _State:
    """What is taken so far, and what is left in each purse."""

    def __init__(self, features: Features, purses: Sequence[Purse], taken: Sequence[Taken] = ()) -> None:
        self.features, self.purses, self.taken = features, purses, list(taken)
        replies = [one.reply for one in taken]
        self.coverage = Coverage(features, replies)
        self.is_taken = np.zeros(features.n_replies, bool)
        self.is_taken[replies] = True
        self.rooms = [purse.limit - int(purse.costs[replies].sum()) for purse in purses]

    def take(self, reply: int) -> None:
        gain, firsts = self.coverage.add(reply)
        self.taken.append(Taken(reply, gain, firsts))
        self.is_taken[reply] = True
        for place, purse in enumerate(self.purses):
            self.rooms[place] -= int(purse.costs[reply])

    def fits(self, reply: int, place: int) -> bool:
        """Whether this purse and every later one can pay for a reply."""
        return all(
            purse.costs[reply] <= room for purse, room in zip(self.purses[place:], self.rooms[place:], strict=True)
        )

    def fit(self, replies: Integers, place: int) -> npt.NDArray[np.bool_]:
        """Which of the replies are not taken, and fit this purse and every later one."""
        fits = ~self.is_taken[replies]
        for purse, room in zip(self.purses[place:], self.rooms[place:], strict=True):
            fits &= purse.costs[replies] <= room
        return fits


def _spend(state: _State, strata: Integers, place: int, *, most_gain: int) -> _State:
    """Spend what is left in a purse."""
    rest = np.flatnonzero(~state.is_taken)
    later = zip(state.purses[place:], state.rooms[place:], strict=True)
    if all(purse.costs[rest].sum() <= room for purse, room in later):
        for purse_place, purse in enumerate(state.purses):
            state.rooms[purse_place] -= int(purse.costs[rest].sum())
        state.is_taken[rest] = True
        state.taken += [Taken(int(reply), None) for reply in rest]
        return state
    before, value = list(state.taken), state.coverage.value
    _spend_in_turns(state, strata, place)
    if state.coverage.value - value >= most_gain:
        return state
    # So small a purse that one reply may be worth more than the several that were taken.
    alone = _State(state.features, state.purses, before)
    fitting = rest[alone.fit(rest, place)]
    gains = state.features.sum_rows(alone.coverage.worth, fitting)
    if gains.max(initial=0) <= state.coverage.value - value:
        return state
    alone.take(int(fitting[gains.argmax()]))
    _spend_in_turns(alone, strata, place)
    return alone


def _spend_in_turns(state: _State, strata: Integers, place: int) -> None:
    """Take the best of the stratum that is furthest behind its share, until nothing more fits."""
    costs = state.purses[place].costs
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
        self._state, self._place, self._costs = state, place, state.purses[place].costs
        self._members = members[state.fit(members, place)]
        gains = state.features.sum_rows(state.coverage.worth, self._members)
        self._bounds = gains / self._costs[self._members]
        """Per member, the most it can add per unit of its cost; below zero: taken, or too dear."""
        self._near = np.zeros(0, np.int64)
        """Positions of the members with the highest bounds, ascending."""
        self._near_bounds = np.zeros(0)
        self._near_rows = Rows(np.zeros(1, np.int64), np.zeros(0, np.int32))
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
