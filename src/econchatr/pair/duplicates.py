"""Pairs of a whole show -> the same pairs, with repeats marked as dropped.

Only exact repeats count, after case, spaces and punctuation are set aside; reworded ones are left to the reader's eye.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from econchatr.records import Pair

_HOLDS: Final = {"test": 0, "dev": 1, "train": 2}
_NOT_WORDS: Final = re.compile(r"[\W_]+")


def drop_duplicates(pairs: Sequence[Pair]) -> list[Pair]:
    """Get the pairs in the same order; of several kept ones that say the same, all but one are dropped.

    The one that stays is a held-out pair if there is one (test before dev), else the earliest: so the copies dropped
    are those in training, and no model is tested on a pair it has learned.
    """
    first = dict[bytes, Pair]()
    for pair in sorted(pairs, key=lambda pair: (_HOLDS[pair.split], pair.rank, pair.slug, pair.last_turn)):
        if pair.is_kept:
            first.setdefault(_make_key(pair), pair)
    return [_mark_duplicate(pair, first) for pair in pairs]


def _mark_duplicate(pair: Pair, first: dict[bytes, Pair]) -> Pair:
    if not pair.is_kept:
        return pair
    original = first[_make_key(pair)]
    if original.pair_id == pair.pair_id:
        return pair
    return pair.model_copy(update={"is_kept": False, "reason": f"duplicate of {original.pair_id}"})


def _make_key(pair: Pair) -> bytes:
    words = (_NOT_WORDS.sub(" ", text.casefold()).strip() for text in (pair.cue, pair.reply))
    return sha256("\n".join(words).encode()).digest()
