"""The strategies by name, and the one call that chooses pairs with them.

To add a strategy, write its function here and give it a line in `STRATEGIES`. No other module lists the names. A
strategy that only puts the pairs in an order is one function and `partial(_take_in_order, function)`. Any other
strategy is a `_Solver`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from econchatr.errors import BudgetError, InputError
from econchatr.records import Pair, Reason
from econchatr.select.coverage import cover_pairs, rank_turn
from econchatr.select.features import Sides
from econchatr.select.knapsack import Knapsack, Solution, Subset, find_smallest_holder


class StrategySettings(NamedTuple):
    """A strategy's name, and what `[select]` sets for it."""

    name: str
    seed: int = 0
    subjects: tuple[str, ...] = ()
    answers: float = 0.0
    """What share of the money goes to answer pairs, 0 to 1."""
    acts: tuple[Sides, ...] = ()
    """What the host's words are compared with; empty: the pool's own replies and cues."""


_Solver = Callable[[Sequence[Pair], Sequence[Knapsack], Sequence[int], StrategySettings], Solution]
"""From pairs in a fixed order, knapsacks (the smallest first) and the positions of the pinned pairs, which come first.
The subset of a smaller knapsack must be contained in that of a larger one."""

_Order = Callable[[Sequence[Pair], StrategySettings], list[Pair]]
"""Puts every pair in its place; depends on ids, texts and settings only, never on the order of the input."""


class Strategy(NamedTuple):
    """How pairs are chosen."""

    solve: _Solver
    needs_subjects: bool = False
    """Whether the show must list `subjects`."""
    needs_whole_pool: bool = False
    """Whether a budget that does not buy every pair is refused."""


def _order_by_chance(pairs: Sequence[Pair], settings: StrategySettings) -> list[Pair]:
    return shuffle_pairs(pairs, settings.seed)


def _order_newest_first(pairs: Sequence[Pair], settings: StrategySettings) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (-pair.rank, -pair.first_turn, pair.pair_id))


def _order_by_subjects(pairs: Sequence[Pair], settings: StrategySettings) -> list[Pair]:
    """Round-robin over the subjects, shortest pair first; then the rest by chance.

    Source: shared reference `original.md`, step 8.
    """
    by_length = sorted(pairs, key=lambda pair: (pair.n_cue_tokens + pair.n_reply_tokens, pair.pair_id))
    queues = [[pair for pair in by_length if matches_subject(pair.reply, subject)] for subject in settings.subjects]
    taken: dict[str, Pair] = {}
    places = [0] * len(queues)
    while any(place < len(queue) for place, queue in zip(places, queues, strict=True)):
        for i, queue in enumerate(queues):
            while places[i] < len(queue) and queue[places[i]].pair_id in taken:
                places[i] += 1
            if places[i] < len(queue):
                taken[queue[places[i]].pair_id] = queue[places[i]]
    return [*taken.values(), *(pair for pair in shuffle_pairs(pairs, settings.seed) if pair.pair_id not in taken)]


def _cover(
    pairs: Sequence[Pair], knapsacks: Sequence[Knapsack], pins: Sequence[int], settings: StrategySettings
) -> Solution:
    return cover_pairs(pairs, knapsacks, pins, answers=settings.answers, acts=settings.acts)


def _take_in_order(
    order_pairs: _Order,
    pairs: Sequence[Pair],
    knapsacks: Sequence[Knapsack],
    pins: Sequence[int],
    settings: StrategySettings,
) -> Solution:
    """Put the pairs in an order, of which each knapsack takes the beginning that fits."""
    place_of = {pair.pair_id: place for place, pair in enumerate(pairs)}
    turns = [place_of[pair.pair_id] for pair in order_pairs(pairs, settings)]
    order = list(dict.fromkeys([*pins, *_interleave(turns, pairs, knapsacks[-1], settings.answers)]))
    # Stops at the first that does not fit, and never skips it: skipping would break the nesting of rungs.
    ends = [int(np.searchsorted(np.cumsum(one.costs[order]), one.limit, side="right")) for one in knapsacks]
    reasons = {}
    for position, place in enumerate(order):
        holder = find_smallest_holder(position, knapsacks, ends)
        why = "pinned" if position < len(pins) else f"its turn by the strategy {settings.name}"
        reasons[place] = Reason(
            pair_id=pairs[place].pair_id,
            rung=holder.name if holder else "",
            position=position if holder else None,
            reason=why if holder else f"the budget was spent before its turn by the strategy {settings.name}",
            cost=int((holder or knapsacks[-1]).costs[place]),
        )
    return Solution(
        tuple(Subset(tuple(order[:end])) for end in ends), tuple(reasons[place] for place in range(len(pairs)))
    )


def _interleave(places: Sequence[int], pairs: Sequence[Pair], knapsack: Knapsack, share: float) -> list[int]:
    """The same places, answer pairs and others in turn, so that any beginning spends its share on answer pairs."""
    kinds = {is_answer: [one for one in places if pairs[one].is_answer == is_answer] for is_answer in (False, True)}
    queues = {kind: iter(members) for kind, members in kinds.items() if members}
    wanted, spent, order = {False: 1 - share, True: share}, {False: 0.0, True: 0.0}, list[int]()
    while queues:
        kind = min(queues, key=lambda kind: (rank_turn(spent[kind], wanted[kind]), kind))
        if (place := next(queues[kind], None)) is None:
            del queues[kind]
            continue
        spent[kind] += int(knapsack.costs[place])
        order.append(place)
    return order


STRATEGIES: Final[Mapping[str, Strategy]] = {
    "coverage": Strategy(_cover),
    "random": Strategy(partial(_take_in_order, _order_by_chance)),
    "subjects-2023": Strategy(partial(_take_in_order, _order_by_subjects), needs_subjects=True),
    "recent": Strategy(partial(_take_in_order, _order_newest_first)),
    "all": Strategy(partial(_take_in_order, _order_by_chance), needs_whole_pool=True),
}

_REMOVED: Final = ("coverage-plain", "coverage-cues", "longest")


def find_strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        InputError: No such strategy, or one that earlier versions had.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    if name in _REMOVED:
        raise InputError(
            f"strategy {name!r} was removed.",
            hint='Use "coverage", the default, in its place; the next run then selects and trains again.',
        )
    raise InputError(f"no strategy {name!r}.", hint=f"Use one of {', '.join(STRATEGIES)}.")


def choose_subsets(
    pool: Sequence[Pair], knapsacks: Sequence[Knapsack], settings: StrategySettings, *, pinned: Sequence[str] = ()
) -> Solution:
    """Choose pairs for every knapsack; the order of the pool does not matter.

    Args:
        pool: At least one pair.
        knapsacks: Each with a cost for every pair of the pool.
        pinned: Ids of pairs in the pool that every knapsack must hold.

    Raises:
        BudgetError: The pinned pairs alone cost more than a knapsack's limit.
        InputError: No such strategy, or one without the subjects that it needs.
    """
    strategy = find_strategy(settings.name)
    if strategy.needs_subjects and not settings.subjects:
        raise InputError(f"strategy {settings.name!r} has no subjects.", hint="List them as `subjects` under [select].")
    by_id = sorted(range(len(pool)), key=lambda place: pool[place].pair_id)
    pairs = [pool[place] for place in by_id]
    sorted_costs = [knapsack._replace(costs=knapsack.costs[by_id]) for knapsack in knapsacks]
    pins = _place_pins(pairs, pinned, sorted_costs)
    # By how much of the pool they could hold: that ranks knapsacks whatever their units.
    shares = [Fraction(knapsack.limit, max(1, int(knapsack.costs.sum()))) for knapsack in knapsacks]
    ranks = sorted(range(len(knapsacks)), key=lambda place: shares[place])
    solution = strategy.solve(pairs, [sorted_costs[place] for place in ranks], pins, settings)
    subsets = dict(zip(ranks, solution.subsets, strict=True))
    reasons = dict(zip(by_id, solution.reasons, strict=True))
    in_order = [subsets[rank] for rank in range(len(knapsacks))]
    return Solution(
        tuple(subset._replace(places=tuple(by_id[place] for place in subset.places)) for subset in in_order),
        tuple(reasons[place] for place in range(len(pool))),
    )


def _place_pins(pairs: Sequence[Pair], pinned: Sequence[str], knapsacks: Sequence[Knapsack]) -> list[int]:
    places = {pair.pair_id: place for place, pair in enumerate(pairs)}
    pins = [places[pair_id] for pair_id in dict.fromkeys(pinned)]
    for knapsack in knapsacks:
        if (cost := int(knapsack.costs[pins].sum())) > knapsack.limit:
            raise BudgetError(
                f"{knapsack.name}: the {len(pins)} pinned pairs alone cost {cost:,}; the budget holds "
                f"{knapsack.limit:,}.",
                hint="Take some out of `pin` in choices.toml, or raise the budget of that rung.",
            )
    return pins


def shuffle_pairs(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """The pairs in an order of chance that depends on their ids and the seed alone."""
    # A hash per pair, not a shuffle of positions: a new episode leaves the order of the others as it was.
    return sorted(pairs, key=lambda pair: (hashlib.sha256(f"{seed}:{pair.pair_id}".encode()).digest(), pair.pair_id))


def matches_subject(text: str, subject: str) -> bool:
    """Whether a text holds a subject's words, in any case; `a+b` wants both."""
    folded = text.casefold()
    return all(word.strip().casefold() in folded for word in subject.split("+"))
