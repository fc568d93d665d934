"""Whole shows as records, made by the real readers: the bundled show, and two real ones where they are at hand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest

from econchatr.pair import PROFILES, assign_splits, drop_duplicates, pair_episode
from econchatr.parse import SpeakerTable, flag_turns, parse_file, rank_episodes, unify_speakers
from econchatr.records import Episode, Pair, Turn

CORPORA = Path(os.environ.get("ECONCHATR_CORPORA", Path(__file__).parents[3] / "shared/data/changelog"))
"""Two shows of Changelog Media, a folder each, beside the working copy. Where they are not, their tests are skipped."""

NEWEST = "newest 60 of podcast"
"""The numbered episodes of the Changelog that came last, as a show of one host."""
HOSTS = {"founderstalk": ("Adam Stacoviak",), "podcast": ("Adam Stacoviak", "Jerod Santo"), NEWEST: ("Jerod Santo",)}
_OTHER_SIDE = {"host": "guest", "guest": "host", "other": "other"}


class ShowMaterial(NamedTuple):
    episodes: list[Episode]
    turns: list[Turn]
    host: list[Pair]
    """Kept pairs whose reply is the host's."""
    guest: list[Pair]
    """Kept pairs whose reply is a guest's, to the host."""

    def take(self, side: str, split: str) -> list[Pair]:
        return [pair for pair in (self.host if side == "host" else self.guest) if pair.split == split]


@cache
def demo_show() -> ShowMaterial:
    folder = resources.files("econchatr.demo").joinpath("episodes")
    files = ((file.name, file.read_bytes()) for file in sorted(folder.iterdir(), key=lambda file: file.name))
    return read_show(files, hosts=("Hester Pellow",), dev_share=0.1, test_share=0.15)


@cache
def real_show(name: str) -> ShowMaterial:
    folder = CORPORA / ("podcast" if name == NEWEST else name)
    if not folder.is_dir():
        pytest.skip(f"{name} is not beside the working copy")
    paths = sorted(folder.iterdir())
    if name == NEWEST:
        numbered = [path for path in paths if path.stem.rsplit("-", 1)[-1].isdigit()]
        paths = sorted(numbered, key=lambda path: int(path.stem.rsplit("-", 1)[-1]))[-60:]
    files = ((file.name, file.read_bytes()) for file in paths)
    return read_show(files, hosts=HOSTS[name], dev_share=0.1, test_share=0.2)


def read_show(
    files: Iterable[tuple[str, bytes]], *, hosts: tuple[str, ...], dev_share: float, test_share: float
) -> ShowMaterial:
    table = SpeakerTable(hosts=hosts, aliases={})
    parsed = [parse_file(data, location=name, show=table) for name, data in files if name.endswith(".md")]
    turns = flag_turns(unify_speakers([turn for one in parsed for turn in one.turns], table), hosts=hosts)
    episodes = rank_episodes([one.episode for one in parsed])
    splits = assign_splits(episodes, dev_share=dev_share, test_share=test_share)
    by_episode: dict[str, list[Turn]] = {episode.slug: [] for episode in episodes}
    for turn in turns:
        by_episode[turn.slug].append(turn)
    sides = {"host": by_episode, "guest": {slug: _swap(ones) for slug, ones in by_episode.items()}}
    pairs = {
        side: drop_duplicates(
            [
                pair
                for episode in sorted(episodes, key=lambda episode: episode.rank)
                for pair in pair_episode(
                    episode,
                    ones[episode.slug],
                    split=splits[episode.slug],
                    profile=PROFILES["default"],
                    count_tokens=lambda texts: [len(text) // 4 for text in texts],
                )
            ]
        )
        for side, ones in sides.items()
    }
    kept = {side: [pair for pair in ones if pair.is_kept] for side, ones in pairs.items()}
    return ShowMaterial(episodes, turns, kept["host"], kept["guest"])


def _swap(turns: list[Turn]) -> list[Turn]:
    return [turn.model_copy(update={"role": _OTHER_SIDE[turn.role]}) for turn in turns]
