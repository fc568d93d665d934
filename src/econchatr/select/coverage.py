"""The strategy `coverage`: the pairs that together cover most of what sets the host apart, for their cost.

Features of the replies are weighed by how far they are the host's own (`features`), replies are sorted into strata by
length, and greedy maximum coverage (`greedy`) takes the pairs. The result has a certificate and a comparison with
random choices of the same cost.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import numpy as np

from econchatr.records import Pair, Reason
from econchatr.select.certificate import certify
from econchatr.select.features import Features, Integers, find_features
from econchatr.select.greedy import SCALE, Cover, Coverage, maximize_coverage
from econchatr.select.knapsack import Knapsack, Solution, Subset, find_smallest_holder

_N_STRATA: Final = 5
_N_RANDOM: Final = 5


def cover_pairs(pairs: Sequence[Pair], knapsacks: Sequence[Knapsack], pins: Sequence[int]) -> Solution:
    """The pairs that cover most for their cost, with the pool's mix of reply lengths.

    Args:
        pairs: In a fixed order; of equal ones the first is taken.
        knapsacks: The smallest first.
        pins: Positions of the pairs that are taken first. They must fit into every knapsack.
    """
    features = find_features([pair.reply for pair in pairs], cues=[pair.cue for pair in pairs])
    strata, names = band_lengths(features.n_words, _N_STRATA, "replies of {} words")
    cover = maximize_coverage(features, strata, knapsacks, pinned=pins)
    subsets = [
        _weigh_subset(features, [step.reply for step in cover.steps[:end]], knapsack)
        for knapsack, end in zip(knapsacks, cover.ends, strict=True)
    ]
    reasons = _explain_taken(pairs, features, knapsacks, cover, n_pins=len(pins))
    reasons |= _explain_left(pairs, features, knapsacks[-1], cover, strata)
    in_order = (
        reasons[place].model_copy(update={"stratum": names[stratum]}) for place, stratum in enumerate(strata.tolist())
    )
    return Solution(tuple(subsets), tuple(in_order))


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
    reached = sum(Coverage(features, _choose_at_random(knapsack, seed)).value for seed in range(_N_RANDOM))
    return Subset(tuple(places), certify(features, places, knapsack), round(reached / _N_RANDOM / value, 4))


def _choose_at_random(knapsack: Knapsack, seed: int) -> list[int]:
    rng = random.Random(seed)
    order = np.argsort([rng.random() for _ in range(len(knapsack.costs))], kind="stable")
    end = int(np.searchsorted(np.cumsum(knapsack.costs[order]), knapsack.limit, side="right"))
    return [int(place) for place in order[:end]]


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
