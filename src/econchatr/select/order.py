"""The strategies that put all pairs in one order, before any budget is known.

A budget takes a beginning of the order, so a smaller budget's choice is contained in a larger one's whatever the
tokenizer. The order depends on the pairs' ids and texts and on the seed alone, never on the machine.

`longest` and `recent` (newest episode first) are there to compare with; `all` is for budgets that buy everything.

This module does not know tokens' prices or the rungs, nor the strategies that weigh a pair against others (`baskets`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from econchatr.errors import InputError
from econchatr.records import Pair

ORDERS = ("random", "subjects-2023", "longest", "recent", "all")


def order_pairs(pairs: Sequence[Pair], *, strategy: str, seed: int, subjects: Sequence[str] = ()) -> list[Pair]:
    """Every pair once, in the order in which the strategy takes them.

    Raises:
        InputError: No such strategy, or `subjects-2023` without subjects.
    """
    if strategy in ("random", "all"):
        return _shuffle(pairs, seed)
    if strategy == "subjects-2023":
        if not subjects:
            raise InputError(
                "strategy 'subjects-2023' has no subjects.", hint="List them as `subjects` under [select]."
            )
        return _order_by_subjects(pairs, subjects, seed)
    if strategy == "longest":
        return sorted(pairs, key=lambda pair: (-pair.n_reply_tokens, pair.pair_id))
    if strategy == "recent":
        return sorted(pairs, key=lambda pair: (-pair.rank, -pair.first_turn, pair.pair_id))
    raise InputError(f"no order {strategy!r}.", hint=f"Use one of {', '.join(ORDERS)}.")


def matches_subject(text: str, subject: str) -> bool:
    """Whether a text holds a subject's words, in any case; `a+b` wants both."""
    folded = text.casefold()
    return all(word.strip().casefold() in folded for word in subject.split("+"))


def _shuffle(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    # A hash per pair, not a shuffle of positions: a new episode leaves the others' order as it was.
    return sorted(pairs, key=lambda pair: (hashlib.sha256(f"{seed}:{pair.pair_id}".encode()).digest(), pair.pair_id))


def _order_by_subjects(pairs: Sequence[Pair], subjects: Sequence[str], seed: int) -> list[Pair]:
    """Round-robin over the subjects, shortest first; then the rest at random.

    Source: shared reference `original.md`, step 8.
    """
    by_length = sorted(pairs, key=lambda pair: (pair.n_cue_tokens + pair.n_reply_tokens, pair.pair_id))
    queues = [[pair for pair in by_length if matches_subject(pair.reply, subject)] for subject in subjects]
    taken: dict[str, Pair] = {}
    places = [0] * len(queues)
    while any(place < len(queue) for place, queue in zip(places, queues, strict=True)):
        for i, queue in enumerate(queues):
            while places[i] < len(queue) and queue[places[i]].pair_id in taken:
                places[i] += 1
            if places[i] < len(queue):
                taken[queue[places[i]].pair_id] = queue[places[i]]
    return [*taken.values(), *(pair for pair in _shuffle(pairs, seed) if pair.pair_id not in taken)]
