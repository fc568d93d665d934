"""The replies that no model has seen: the host's, and the guests' in the same episodes.

This module measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from econchatr.config import Rung
from econchatr.pair import PROFILES, pair_episode
from econchatr.pipeline.forms import example_form
from econchatr.pipeline.prepare import PAIR_TOKENIZER
from econchatr.pipeline.show import Show
from econchatr.records import Episode, Example, Pair, Turn
from econchatr.select.examples import build_example
from econchatr.tables import read_table
from econchatr.tokens import open_tokenizer

SIDES = ("host", "guest")
_ROLE_OF_OTHER_SIDE = {"host": "guest", "guest": "host", "other": "other"}


def held_out_examples(show: Show, rung: Rung, *, max_replies: int) -> dict[str, list[Example]]:
    """Per side, at most so many replies of the test episodes, evenly spread, as the rung's model sees them."""
    form = example_form(show, rung)
    return {
        side: [build_example(pair, form) for pair in _thin(held_out_pairs(show, side), max_replies)] for side in SIDES
    }


def held_out_pairs(show: Show, side: str) -> list[Pair]:
    """Held-out pairs whose reply is the host's; or, the other way round, what guests replied to the host."""
    pairs = read_table(show.folder("pair") / "pairs.parquet", Pair)
    if side == "host":
        return [pair for pair in pairs if pair.is_kept and pair.split == "test"]
    slugs = {pair.slug for pair in pairs if pair.split == "test"}
    parsed = show.folder("parse")
    episodes = [episode for episode in read_table(parsed / "episodes.parquet", Episode) if episode.slug in slugs]
    turns = [turn for turn in read_table(parsed / "turns.parquet", Turn) if turn.slug in slugs]
    swapped = [turn.model_copy(update={"role": _ROLE_OF_OTHER_SIDE[turn.role]}) for turn in turns]
    profile, count = PROFILES[show.config.pair.profile], open_tokenizer(PAIR_TOKENIZER, cache=show.cache).count_each
    found = [
        pair
        for episode in sorted(episodes, key=lambda episode: episode.rank)
        for pair in pair_episode(
            episode, [turn for turn in swapped if turn.slug == episode.slug], split="test", profile=profile,
            count_tokens=count, persona=None,
        )
    ]  # fmt: skip
    return [pair for pair in found if pair.is_kept]


def _thin(rows: Sequence[Pair], n: int) -> list[Pair]:
    """At most `n` of the rows, evenly spread over their order."""
    return list(rows) if len(rows) <= n else [rows[i * len(rows) // n] for i in range(n)]
