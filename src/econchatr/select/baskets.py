"""Which pairs each of several budgets buys, by any strategy, and why.

A strategy either puts all pairs in one order, of which a budget takes a beginning, or weighs each pair against those
already taken (`coverage`). Either way a smaller budget's choice is contained in a larger one's, and pinned pairs come
first.

This module does not know what a cost is made of, nor what a pair looks like to a model.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from econchatr.errors import BudgetError
from econchatr.records import Pair, Reason
from econchatr.select.certificate import certify
from econchatr.select.cover import SCALE, Coverage, Purse, Taken, cover_purses
from econchatr.select.features import Features, Integers, find_features
from econchatr.select.order import ORDERS, order_pairs

COVERS: Final = ("coverage", "coverage-plain", "coverage-cues")
"""`coverage` covers what sets the host apart from those who speak to the host; `coverage-plain` all that the host says;
`coverage-cues` does that too, and keeps the pool's mix of cue lengths beside that of reply lengths."""

STRATEGIES: Final = (*COVERS, *ORDERS)

_N_REPLY_STRATA: Final = 5
_N_CUE_STRATA: Final = 3
_N_RANDOM: Final = 5


class Strategy(NamedTuple):
    """How to choose."""

    name: str
    seed: int = 0
    subjects: tuple[str, ...] = ()


class Basket(NamedTuple):
    """What one purse buys."""

    places: tuple[int, ...]
    """In the pool, in the order in which they were taken."""
    certificate: float | None = None
    random_share: float | None = None


class Filled(NamedTuple):
    """What every purse buys, in the order in which the purses were given, and why."""

    baskets: tuple[Basket, ...]
    reasons: tuple[Reason, ...]
    """One for each pair of the pool, in its order."""


def fill_baskets(
    pool: Sequence[Pair], purses: Sequence[Purse], strategy: Strategy, *, pinned: Sequence[str] = ()
) -> Filled:
    """Choose for every purse; the order of the pool does not matter.

    Args:
        purses: Each with a cost for every pair of the pool.
        pinned: Ids of pairs in the pool that every purse must buy.

    Raises:
        BudgetError: The pinned pairs alone cost more than a purse holds.
        InputError: No such strategy, or one without what it needs.
    """
    by_id = sorted(range(len(pool)), key=lambda place: pool[place].pair_id)
    pairs = [pool[place] for place in by_id]
    ordered = [Purse(purse.costs[by_id], purse.limit, purse.name) for purse in purses]
    pins = _place_pins(pairs, pinned, ordered)
    ranks = sorted(range(len(purses)), key=lambda place: _share(ordered[place]))
    choose = _choose_cover if strategy.name in COVERS else _choose_beginning
    chosen = choose(pairs, [ordered[place] for place in ranks], strategy, pins)
    baskets = dict(zip(ranks, chosen.baskets, strict=True))
    reasons = dict(zip(by_id, chosen.reasons, strict=True))
    return Filled(
        tuple(
            baskets[place]._replace(places=tuple(by_id[i] for i in baskets[place].places))
            for place in range(len(purses))
        ),
        tuple(reasons[place] for place in range(len(pool))),
    )


def _share(purse: Purse) -> Fraction:
    """How much of the pool a purse could buy: of two purses the one that buys less comes first, whatever the units."""
    return Fraction(purse.limit, max(1, int(purse.costs.sum())))


def _place_pins(pairs: Sequence[Pair], pinned: Sequence[str], purses: Sequence[Purse]) -> list[int]:
    places = {pair.pair_id: place for place, pair in enumerate(pairs)}
    pins = [places[pair_id] for pair_id in dict.fromkeys(pinned)]
    for purse in purses:
        if (cost := int(purse.costs[pins].sum())) > purse.limit:
            raise BudgetError(
                f"{purse.name}: the {len(pins)} pinned pairs alone cost {cost:,}; the budget holds {purse.limit:,}.",
                hint="Take some out of `pin` in choices.toml, or raise the budget of that rung.",
            )
    return pins


# --- one order, and its beginning -------------------------------------------------------------------------------------


def _choose_beginning(
    pairs: Sequence[Pair], purses: Sequence[Purse], strategy: Strategy, pins: Sequence[int]
) -> Filled:
    place_of = {pair.pair_id: place for place, pair in enumerate(pairs)}
    ordered = order_pairs(pairs, strategy=strategy.name, seed=strategy.seed, subjects=strategy.subjects)
    order = list(dict.fromkeys([*pins, *(place_of[pair.pair_id] for pair in ordered)]))
    # Stops at the first that does not fit, and never skips it: skipping would break the nesting of rungs.
    ends = [int(np.searchsorted(np.cumsum(purse.costs[order]), purse.limit, side="right")) for purse in purses]
    reasons = {}
    for position, place in enumerate(order):
        buyer = _find_buyer(position, purses, ends)
        why = "pinned" if position < len(pins) else f"its turn by the strategy {strategy.name}"
        reasons[place] = Reason(
            pair_id=pairs[place].pair_id,
            rung=buyer.name if buyer else "",
            position=position if buyer else None,
            reason=why if buyer else f"the budget was spent before its turn by the strategy {strategy.name}",
            cost=int((buyer or purses[-1]).costs[place]),
        )
    return Filled(
        tuple(Basket(tuple(order[:end])) for end in ends), tuple(reasons[place] for place in range(len(pairs)))
    )


def _find_buyer(position: int, purses: Sequence[Purse], ends: Sequence[int]) -> Purse | None:
    """The purse with the fewest pairs that still has the one at a position."""
    having = [place for place, end in enumerate(ends) if position < end]
    return purses[min(having, key=lambda place: ends[place])] if having else None


# --- a cover ----------------------------------------------------------------------------------------------------------


def _choose_cover(pairs: Sequence[Pair], purses: Sequence[Purse], strategy: Strategy, pins: Sequence[int]) -> Filled:
    cues = [pair.cue for pair in pairs] if strategy.name == "coverage" else None
    features = find_features([pair.reply for pair in pairs], cues=cues)
    bands = [band_lengths(features.n_words, _N_REPLY_STRATA, "replies of {} words")]
    if strategy.name == "coverage-cues":
        cue_lengths = np.array([pair.n_cue_tokens for pair in pairs], np.int64)
        bands.append(band_lengths(cue_lengths, _N_CUE_STRATA, "cues of {} tokens"))
    strata, names = _cross(bands)
    cover = cover_purses(features, strata, purses, pinned=pins)
    baskets = [
        _weigh_basket(features, [one.reply for one in cover.taken[:end]], purse)
        for purse, end in zip(purses, cover.ends, strict=True)
    ]
    taken = {one.reply: _tell_taken(position, one, pairs, features, purses, cover.ends, len(pins))
             for position, one in enumerate(cover.taken)}  # fmt: skip
    left = _tell_left(pairs, features, purses[-1], cover.taken, strata)
    reasons = [(taken.get(place) or left[place]).model_copy(update={"stratum": names[stratum]})
               for place, stratum in enumerate(strata.tolist())]  # fmt: skip
    return Filled(tuple(baskets), tuple(reasons))


def band_lengths(lengths: Integers, n: int, wording: str) -> tuple[Integers, list[str]]:
    """Per reply which of `n` bands its length falls in, about as many in each; and the bands in words."""
    by_length = np.sort(lengths)
    cuts = np.unique(by_length[[(len(by_length) * k - 1) // n for k in range(1, n)]])
    cuts = cuts[cuts < by_length[-1]]
    firsts = by_length[np.searchsorted(by_length, cuts, side="right")]
    lows, highs = [int(by_length[0]), *firsts.tolist()], [*cuts.tolist(), int(by_length[-1])]
    names = [wording.format(f"{low} to {high}" if low < high else low) for low, high in zip(lows, highs, strict=True)]
    return np.searchsorted(cuts, lengths), names


def _cross(bands: Sequence[tuple[Integers, list[str]]]) -> tuple[Integers, list[str]]:
    strata, names = bands[0]
    for more, more_names in bands[1:]:
        strata = strata * len(more_names) + more
        names = [f"{name} to {more_name}" for name in names for more_name in more_names]
    return strata, names


def _weigh_basket(features: Features, places: Sequence[int], purse: Purse) -> Basket:
    """The basket with its figures; both are `None` where nothing is covered."""
    value = Coverage(features, places).value
    if not value:
        return Basket(tuple(places))
    reached = sum(Coverage(features, _choose_at_random(purse, seed)).value for seed in range(_N_RANDOM))
    return Basket(tuple(places), certify(features, places, purse), round(reached / _N_RANDOM / value, 4))


def _choose_at_random(purse: Purse, seed: int) -> list[int]:
    rng = random.Random(seed)
    order = np.argsort([rng.random() for _ in range(len(purse.costs))], kind="stable")
    end = int(np.searchsorted(np.cumsum(purse.costs[order]), purse.limit, side="right"))
    return [int(place) for place in order[:end]]


def _tell_taken(
    position: int, one: Taken, pairs: Sequence[Pair], features: Features, purses: Sequence[Purse], ends: Sequence[int],
    n_pins: int,
) -> Reason:  # fmt: skip
    buyer = _find_buyer(position, purses, ends) or purses[-1]
    why = "everything fits" if one.gain is None else "adds most for its cost"
    return Reason(
        pair_id=pairs[one.reply].pair_id,
        rung=buyer.name,
        position=position,
        reason="pinned" if position < n_pins else why,
        cost=int(buyer.costs[one.reply]),
        gain=None if one.gain is None else round(one.gain / SCALE, 3),
        firsts=tuple(features.name(number) for number in one.firsts),
    )


def _tell_left(
    pairs: Sequence[Pair], features: Features, purse: Purse, taken: Sequence[Taken], strata: Integers
) -> dict[int, Reason]:
    """Why each pair that no purse buys was left: there was better for the money, or it did not fit."""
    left = np.setdiff1d(np.arange(len(pairs)), [one.reply for one in taken])
    gains = features.sum_rows(Coverage(features, [one.reply for one in taken]).worth, left)
    last = {int(strata[one.reply]): one.gain / int(purse.costs[one.reply]) for one in taken if one.gain is not None}
    reasons = {}
    for place, gain in zip(left.tolist(), gains.tolist(), strict=True):
        cost, bar = int(purse.costs[place]), last.get(int(strata[place]), 0.0)
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
