"""The replies that no model has seen: the host's, and the guests' in the same episodes.

This module measures nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from econchatr.config import Rung
from econchatr.pair import PROFILES, drop_duplicates, pair_episode
from econchatr.pipeline.forms import example_form
from econchatr.pipeline.prepare import PAIR_TOKENIZER
from econchatr.pipeline.show import Show
from econchatr.records import Episode, Example, Pair, Split, Turn
from econchatr.select.examples import build_example
from econchatr.tables import read_table
from econchatr.tokens import open_tokenizer

SIDES = ("host", "guest")
_ROLE_OF_OTHER_SIDE = {"host": "guest", "guest": "host", "other": "other"}


def held_out_examples(show: Show, rung: Rung, *, max_replies: int) -> dict[str, list[Example]]:
    """Per side, at most so many replies of the test episodes, evenly spread, as the rung's model sees them."""
    form = example_form(show, rung)
    return {
        side: [build_example(pair, form) for pair in thin_pairs(held_out_pairs(show, side), max_replies)]
        for side in SIDES
    }


def held_out_pairs(show: Show, side: str) -> list[Pair]:
    """Held-out pairs whose reply is the host's; or, the other way round, what guests replied to the host."""
    pairs = read_table(show.folder("pair") / "pairs.parquet", Pair)
    if side == "host":
        return [pair for pair in pairs if pair.is_kept and pair.split == "test"]
    return [pair for pair in _exchange_sides(show, {pair.slug: pair.split for pair in pairs if pair.split == "test"})
            if pair.is_kept]  # fmt: skip


def kept_pairs(show: Show) -> dict[str, list[Pair]]:
    """Per side, the kept pairs of every split: whose reply is the host's, and whose reply is a guest's, to the host."""
    pairs = read_table(show.folder("pair") / "pairs.parquet", Pair)
    guest = drop_duplicates(_exchange_sides(show, {pair.slug: pair.split for pair in pairs}))
    return {
        side: [pair for pair in side_pairs if pair.is_kept] for side, side_pairs in (("host", pairs), ("guest", guest))
    }


def thin_pairs(rows: Sequence[Pair], n: int) -> list[Pair]:
    """At most `n` of the rows, evenly spread over their order."""
    return list(rows) if len(rows) <= n else [rows[i * len(rows) // n] for i in range(n)]


def _exchange_sides(show: Show, splits: Mapping[str, Split]) -> list[Pair]:
    """Pair these episodes with host and guests exchanged, by the show's own profile."""
    parsed = show.folder("parse")
    episodes = [episode for episode in read_table(parsed / "episodes.parquet", Episode) if episode.slug in splits]
    turns = defaultdict[str, list[Turn]](list)
    for turn in read_table(parsed / "turns.parquet", Turn):
        if turn.slug in splits:
            turns[turn.slug].append(turn.model_copy(update={"role": _ROLE_OF_OTHER_SIDE[turn.role]}))
    profile, count = PROFILES[show.config.pair.profile], open_tokenizer(PAIR_TOKENIZER, cache=show.cache).count_each
    return [
        pair
        for episode in sorted(episodes, key=lambda episode: episode.rank)
        for pair in pair_episode(
            episode, turns[episode.slug], split=splits[episode.slug], profile=profile, count_tokens=count, persona=None
        )
    ]
