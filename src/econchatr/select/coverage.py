"""The strategy `coverage`: the pairs that together cover most of what sets the host apart, for their cost.

Features of the replies are weighed by how far they are the host's own (`features`), replies are sorted into strata by
length, and greedy maximum coverage takes the pairs. The result has a certificate and a comparison with random choices
of the same cost.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from econchatr.records import Pair, Reason
from econchatr.select.features import Features, Integers, Sides, SparseRows, compare_acts, find_features
from econchatr.select.knapsack import Knapsack, Solution, Subset, find_smallest_holder

_N_STRATA: Final = 5
_N_RANDOM: Final = 5


class Mix(NamedTuple):
    """What share of the money goes to answer pairs."""

    is_answer: npt.NDArray[np.bool_]
    """Of each pair of the pool."""
    share: float
    """0 to 1."""


def cover_pairs(
    pairs: Sequence[Pair],
    knapsacks: Sequence[Knapsack],
    pins: Sequence[int],
    *,
    answers: float = 0.0,
    acts: Sequence[Sides] = (),
) -> Solution:
    """The pairs that cover most for their cost, with the pool's mix of reply lengths.

    Args:
        pairs: In a fixed order; of equal ones the first is taken.
        knapsacks: The smallest first.
        pins: Positions of the pairs that are taken first. They must fit into every knapsack.
        answers: What share of the money goes to answer pairs, as far as there are any.
        acts: What the host is compared with; none: the pairs' own replies and cues, as `compare_acts` sorts them.
    """
    replies = [pair.reply for pair in pairs]
    features = find_features(replies, acts=acts or compare_acts(pairs))
    mix = Mix(np.array([pair.is_answer for pair in pairs], bool), answers)
    strata, names = _stratify(features.n_words, mix)
    cover = maximize_coverage(features, strata, knapsacks, pinned=pins, mix=mix)
    taken = [step.reply for step in cover.steps]
    subsets = [_weigh_subset(features, taken[:end], one) for one, end in zip(knapsacks, cover.ends, strict=True)]
    reasons = _explain_taken(pairs, features, knapsacks, cover, n_pins=len(pins))
    reasons |= _explain_left(pairs, features, knapsacks[-1], cover, strata)
    in_order = [
        reasons[place].model_copy(update={"stratum": names[stratum]}) for place, stratum in enumerate(strata.tolist())
    ]
    return Solution(tuple(subsets), tuple(in_order))


def _stratify(n_words: Integers, mix: Mix) -> tuple[Integers, list[str]]:
    """The stratum of each pair, by its kind and its length, and the strata in words."""
    strata, names = np.zeros(len(n_words), np.int64), list[str]()
    for is_kind, wording in ((~mix.is_answer, "replies of {} words"), (mix.is_answer, "answers of {} words")):
        if is_kind.any():
            bands, told = band_lengths(n_words[is_kind], _N_STRATA, wording)
            strata[is_kind] = bands + len(names)
            names += told
    return strata, names


def band_lengths(lengths: Integers, n: int, wording: str) -> tuple[Integers, list[str]]:
    """The band of each reply by its length, of `n` bands with about as many replies each; and the bands in words."""
    by_length = np.sort(lengths)
    cuts = np.unique(by_length[[(len(by_length) * k - 1) // n for k in range(1, n)]])
    cuts = cuts[cuts < by_length[-1]]
    starts = by_length[np.searchsorted(by_length, cuts, side="right")]
    lows, highs = [int(by_length[0]), *starts.tolist()], [*cuts.tolist(), int(by_length[-1])]
    names = [wording.format(f"{low} to {high}" if low < high else low) for low, high in zip(lows, highs, strict=True)]
    return np.searchsorted(cuts, lengths), names


def _weigh_subset(features: Features, places: Sequence[int], knapsack: Knapsack) -> Subset:
    """The subset with its two figures; both are `None` where nothing is covered."""
    value = Coverage(features, places).value
    if not value:
        return Subset(tuple(places))
    reached = 0
    for seed in range(_N_RANDOM):
        rng = random.Random(seed)
        order = np.argsort([rng.random() for _ in range(len(knapsack.costs))], kind="stable")
        end = int(np.searchsorted(np.cumsum(knapsack.costs[order]), knapsack.limit, side="right"))
        reached += Coverage(features, order[:end].tolist()).value
    return Subset(tuple(places), certify(features, places, knapsack), round(reached / _N_RANDOM / value, 4))


def _explain_taken(
    pairs: Sequence[Pair], features: Features, knapsacks: Sequence[Knapsack], cover: Cover, *, n_pins: int
) -> dict[int, Reason]:
    """Why each pair was taken, by its position in the pool."""
    reasons = {}
    for position, step in enumerate(cover.steps):
        holder = find_smallest_holder(position, knapsacks, cover.ends) or knapsacks[-1]
        why = "everything fits" if step.gain is None else "adds most for its cost"
        reasons[step.reply] = Reason(
            pair_id=pairs[step.reply].pair_id,
            rung=holder.name,
            position=position,
            reason="pinned" if position < n_pins else why,
            cost=int(holder.costs[step.reply]),
            gain=None if step.gain is None else round(step.gain / SCALE, 3),
            firsts=tuple(features.name(number) for number in step.new_features),
        )
    return reasons


def _explain_left(
    pairs: Sequence[Pair], features: Features, knapsack: Knapsack, cover: Cover, strata: Integers
) -> dict[int, Reason]:
    """Why each pair was left that is in no knapsack: others add more for their cost, or it did not fit."""
    taken = [step.reply for step in cover.steps]
    left = np.setdiff1d(np.arange(len(pairs)), taken)
    gains = features.sum_rows(Coverage(features, taken).worth, left)
    last = {
        int(strata[step.reply]): step.gain / int(knapsack.costs[step.reply])
        for step in cover.steps
        if step.gain is not None
    }
    reasons = {}
    for place, gain in zip(left.tolist(), gains.tolist(), strict=True):
        cost, bar = int(knapsack.costs[place]), last.get(int(strata[place]), 0.0)
        why = f"adds less for its cost than the last one taken, {bar / SCALE:.3f}"
        reasons[place] = Reason(
            pair_id=pairs[place].pair_id,
            rung="",
            position=None,
            reason="did not fit into what was left" if gain / cost > bar else why,
            cost=cost,
            gain=round(gain / SCALE, 3),
        )
    return reasons


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
    features: Features,
    strata: Integers,
    knapsacks: Sequence[Knapsack],
    *,
    pinned: Sequence[int] = (),
    mix: Mix | None = None,
) -> Cover:
    """The replies for each knapsack; each knapsack holds those of the one before it, and more.

    Filling a knapsack goes on where the one before it stopped, and no reply is taken that does not fit into every later
    knapsack too. So one choice contains the other, whatever their costs.

    Args:
        strata: The stratum of each reply. A stratum gets the share of the money that it has of all costs.
        knapsacks: The smallest first.
        pinned: Taken first, whatever they add. They must fit into every knapsack.
        mix: What share of the money the strata of answer pairs have together; `None`: that of their costs.
    """
    state = _State(features, knapsacks, mix=mix)
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

    def __init__(
        self,
        features: Features,
        knapsacks: Sequence[Knapsack],
        steps: Sequence[GreedyStep] = (),
        *,
        mix: Mix | None = None,
    ) -> None:
        self.features, self.knapsacks, self.steps, self.mix = features, knapsacks, list(steps), mix
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
    alone = _State(state.features, state.knapsacks, before, mix=state.mix)
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
    wanted = _weigh(costs, state.mix)
    totals = {stratum: float(wanted[strata == stratum].sum()) for stratum in queues}
    spent = {stratum: int(costs[state.is_taken & (strata == stratum)].sum()) for stratum in queues}
    while queues:
        stratum = min(queues, key=lambda stratum: (rank_turn(spent[stratum], totals[stratum]), stratum))
        best = queues[stratum].find_best()
        if best is None:
            del queues[stratum]
            continue
        spent[stratum] += int(costs[best])
        state.take(best)


def _weigh(costs: Integers, mix: Mix | None) -> npt.NDArray[np.float64]:
    """Of each pair, its part of the money: its cost, scaled so that answer pairs have their share together."""
    if mix is None or not 0 < (n_answers := int(costs[mix.is_answer].sum())) < (n_all := int(costs.sum())):
        return np.array(costs, np.float64)
    scale = np.where(mix.is_answer, mix.share / n_answers, (1 - mix.share) / (n_all - n_answers))
    return np.array(costs * scale * n_all, np.float64)


def rank_turn(spent: float, wanted: float) -> float:
    """How far a stratum is from its share of the money: the lowest is next. One without a share comes last of all."""
    return spent / wanted if wanted > 0 else math.inf


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
                gains = self._near_rows.pick(first).sum(self._state.coverage.worth)
                self._near_bounds[first] = gains / self._costs[self._members[self._near[first]]]
                is_fresh[first] = True
                n_looks *= 2

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


_TANGENTS: Final = (0, 1, 2, 4)
"""Between the slope after a count and the one before it, in quarters: each is a tangent."""


def certify(features: Features, replies: Sequence[int], knapsack: Knapsack) -> float | None:
    """At least this share of the best possible f within the knapsack is reached; `None`: there is nothing to cover.

    Args:
        replies: What was taken; it must fit into the knapsack.

    Returns:
        Rounded down to a ten-thousandth.
    """
    coverage, taken = Coverage(features, replies), np.asarray(replies, np.int64)
    gains = features.sum_rows(coverage.worth)
    gains[taken] = 0
    bounds = [bound_knapsack(gains, knapsack)]
    after, before = coverage.marginals[coverage.counts], coverage.marginals[np.maximum(coverage.counts - 1, 0)]
    for quarters in _TANGENTS:
        slopes = features.weights * (after + (before - after) * quarters // 4)
        values = features.sum_rows(slopes)
        bounds.append(bound_knapsack(values, knapsack) - int(values[taken].sum()))
    most = coverage.value + max(0, min(bounds))  # no replies within the knapsack are worth more
    return coverage.value * 10_000 // most / 10_000 if most else None


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
