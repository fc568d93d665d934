"""The user's pins and bans: which pairs are always taken, and which never are."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from econchatr.errors import InputError
from econchatr.records import Pair, Reason


def check_pins(pin: Sequence[str], ban: Sequence[str], pairs: Sequence[Pair], *, place: str) -> None:
    """Refuse ids that no pair has, and pins of pairs that may not be trained on.

    Args:
        place: The file that names them, as refusals begin.

    Raises:
        InputError: With the id that was probably meant.
    """
    by_id = {pair.pair_id: pair for pair in pairs}
    for pair_id in (*pin, *ban):
        if pair_id not in by_id:
            near = find_nearest_id(pair_id, list(by_id))
            raise InputError(f"{place}: no pair {pair_id!r}.", hint=f"Did you mean {near!r}?" if near else "")
    for pair_id in pin:
        pair = by_id[pair_id]
        if not pair.is_kept:
            raise InputError(f"{place}: {pair_id!r} was dropped: {pair.reason}.", hint="Take it out of `pin`.")
        if pair.split != "train":
            raise InputError(
                f"{place}: {pair_id!r} is held out ({pair.split}): a model that learns it cannot be measured on it.",
                hint="Take it out of `pin`.",
            )


def find_nearest_id(pair_id: str, ids: Sequence[str]) -> str:
    """The id most like one that does not exist: of the likest episode, the nearest turn; empty: none is like it."""
    slug, _, turn = pair_id.rpartition("#")
    slugs = dict.fromkeys(one.rpartition("#")[0] for one in ids)
    likest = difflib.get_close_matches(slug or pair_id, slugs, n=1, cutoff=0.4)
    if not likest:
        return ""
    turns = [one for one in ids if one.rpartition("#")[0] == likest[0]]
    wanted, is_answer = _read_turn(turn), "/" in turn
    return min(
        turns, key=lambda one: (abs(_read_turn(one.rpartition("#")[2]) - wanted), ("/" in one) != is_answer, one)
    )


def _read_turn(text: str) -> int:
    """The turn's position in what stands behind the `#` of an id; 0 where there is none."""
    number = text.partition("/")[0]
    return int(number) if number.isdecimal() else 0


def list_pool(pairs: Sequence[Pair], ban: Collection[str]) -> list[Pair]:
    """The pairs that may be taken: kept, of a training episode, not banned."""
    banned = set(ban)
    return [pair for pair in pairs if pair.is_kept and pair.split == "train" and pair.pair_id not in banned]


def explain_bans(pairs: Sequence[Pair], ban: Collection[str]) -> list[Reason]:
    """Why the banned pairs of training episodes are not taken."""
    banned = set(ban)
    return [
        Reason(pair_id=pair.pair_id, rung="", position=None, reason="banned", cost=None)
        for pair in pairs
        if pair.pair_id in banned and pair.is_kept and pair.split == "train"
    ]
