"""The pairs of each episode made once, and found again until its turns or a setting change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import count, groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.kept import EpisodeStore, Kept
from econchatr.pair import (
    PROFILES,
    PassageParts,
    Stating,
    find_passages,
    hash_neighbours,
    hide_private,
    make_twin_key,
    name_presidio,
    open_presidio,
    pair_episode,
    take_apart,
)
from econchatr.pipeline.show import Show
from econchatr.pipeline.stage import Narrator
from econchatr.records import Episode, Pair, Split, Turn, read_flag
from econchatr.tables import hash_settings, make_frame, read_frame
from econchatr.tokens import open_tokenizer

if TYPE_CHECKING:
    import polars as pl

_ROLE_OF_OTHER_SIDE: Final = {"host": "guest", "guest": "host", "other": "other"}
_FLAGGED: Final = re.compile("(?:reply|cue) is flagged: ")
_NUMBER: Final = re.compile(r"\0(\d+)\0")
_OF_THE_SHOW: Final = ("published", "rank", "split")
"""What another episode may change in a pair; it is filled in each time."""


class EpisodePairs:
    """The pairs of a show's episodes: the host's replies, or the guests'."""

    def __init__(self, show: Show, stage: int, *, persona: str | None = None, of_guests: bool = False) -> None:
        """Pair by the show's settings.

        Args:
            show: Whose episodes; it is parsed.
            stage: Its version.
            persona: The one host who is learned; `None`: all hosts.
            of_guests: Pair what the guests replied to the host.
        """
        config = show.config.pair
        self._show, self._rules = show, _Rules(config.profile, config.private, persona, of_guests)
        if config.private == "presidio":
            open_presidio()  # what it needs is missing here, not in a process of many
        private = name_presidio() if config.private == "presidio" else []
        profile = PROFILES[config.profile].model_dump()
        folder = show.folder("pair", "kept") / ("guests" if of_guests else "host")
        self._store = EpisodeStore(folder, stage, profile, config.private, private, persona)

    def pair(self, splits: Mapping[str, Split], narrator: Narrator) -> pl.DataFrame:
        """The pairs of all episodes that have a split, in the show's order.

        In the columns of their table, and what pairs share that say the same in `twin`; empty for those not kept.
        """
        import polars as pl

        episodes = [episode for episode in self._show.episodes() if episode.slug in splits]
        spoken = _Spoken(read_frame(self._show.folder("parse") / "turns.parquet", Turn))
        said = [(episode, spoken.take(episode.slug)) for episode in episodes]
        wanted = {self._store.key(one.slug, one.kind, hash_settings(columns)): (one, columns) for one, columns in said}
        make = partial(_pair_one, self._rules)
        self._store.fill(make, wanted, lambda n_done, n_all: narrator.progress(n_done, n_all, "episodes"))
        rows, reasons, filled = [_frame([])], list[str](), list[tuple[date | None, int, Split]]()
        for key, (episode, columns) in wanted.items():
            own = self._store.find(key, make, (episode, columns)).rows
            reasons += _tell_reasons(own["reason"], spoken.list_reasons(episode.slug))
            filled += [(episode.published, episode.rank, splits[episode.slug])] * own.height
            rows.append(own)
        self._store.sweep()
        schema = {"published": pl.Date, "rank": pl.Int64, "split": pl.String}
        of_show = pl.DataFrame(filled, schema=schema, orient="row")
        return pl.concat(rows).with_columns(*of_show, pl.Series("reason", reasons, dtype=pl.String))


class _Rules(NamedTuple):
    """By which pairs are made."""

    profile: str
    private: str
    persona: str | None
    of_guests: bool


def _pair_one(rules: _Rules, of: tuple[Episode, Mapping[str, Sequence[Any]]]) -> Kept:
    """An episode's pairs, made of its turns in columns."""
    episode, columns = of
    turns = [Turn(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    if rules.of_guests:
        turns = [turn.model_copy(update={"role": _ROLE_OF_OTHER_SIDE[turn.role]}) for turn in turns]
    profile = PROFILES[rules.profile]
    pairs = pair_episode(
        episode,
        turns,
        split="train",
        profile=profile,
        count_tokens=open_tokenizer(profile.tokenizer).count_each,
        persona=rules.persona,
        hide=open_presidio() if rules.private == "presidio" else hide_private,
    )
    return Kept({}, _frame(pairs))


def _frame(pairs: Sequence[Pair]) -> pl.DataFrame:
    import polars as pl

    twins = [make_twin_key(pair) if pair.is_kept else "" for pair in pairs]
    return make_frame(pairs, Pair).drop(_OF_THE_SHOW).with_columns(pl.Series("twin", twins, dtype=pl.String))


class FoundPassages(NamedTuple):
    """What the host states in a show."""

    passages: list[Stating]
    parts: list[PassageParts]
    """Of each of them."""
    said: NDArray[np.uint64]
    """The neighbouring words of all pairs, as `hash_neighbours` gives them."""


class EpisodePassages:
    """What a host states in each episode, taken apart."""

    def __init__(self, show: Show, stage: int) -> None:
        """Find it in a show's pairs, by this version of the stage."""
        self._store = EpisodeStore(show.folder("pair", "kept") / "answers", stage)

    def find(self, pairs: Sequence[Pair]) -> FoundPassages:
        """The stating passages of kept pairs, in their order."""
        found = FoundPassages([], [], np.zeros(0, np.uint64))
        said = [found.said]
        episodes = [list(group) for _, group in groupby(pairs, key=lambda pair: pair.slug)]
        wanted = {self._store.key([(one.pair_id, one.cue, one.reply) for one in own]): own for own in episodes}
        self._store.fill(_find_in, wanted, lambda n_done, n_all: None)
        for key, own in wanted.items():
            kept = self._store.find(key, _find_in, own)
            for place, number, text, asked, parts in kept.head["passages"]:
                found.passages.append(Stating(own[place], number, text, asked))
                found.parts.append(PassageParts(*parts))
            said.append(kept.numbers["said"])
        self._store.sweep()
        return found._replace(said=np.concatenate(said))


def _find_in(pairs: Sequence[Pair]) -> Kept:
    found = [
        (place, one.number, one.text, one.asked, take_apart(one.text))
        for place, pair in enumerate(pairs)
        for one in find_passages([pair])
    ]
    said = hash_neighbours(text for pair in pairs for text in (pair.cue, pair.reply))
    return Kept({"passages": found}, make_frame([], Pair), {"said": said})


class _Spoken:
    """The turns of a show, episode by episode, in which each flag has a number for its reason.

    One more episode changes in how many a greeting stands, and so the reason, but nothing else of the pairs.
    """

    def __init__(self, turns: pl.DataFrame) -> None:
        starts = turns["slug"].rle_id().arg_unique().to_list() if turns.height else []
        ends = [*starts[1:], turns.height]
        self._places = {turns["slug"][start]: slice(start, end) for start, end in zip(starts, ends, strict=True)}
        self._columns = [(name, turns[name].to_list()) for name in turns.columns]

    def take(self, slug: str) -> dict[str, list[Any]]:
        """Everything that was said in an episode, and by whom: its turns in columns."""
        columns = {name: values[self._places[slug]] for name, values in self._columns}
        numbers = count()
        columns["flags"] = [
            [str(read_flag(flag)._replace(reason=f"\0{next(numbers)}\0")) for flag in flags]
            for flags in columns["flags"]
        ]
        return columns

    def list_reasons(self, slug: str) -> list[str]:
        """The reasons in the order of their numbers."""
        flags = dict(self._columns)["flags"][self._places[slug]]
        return [read_flag(flag).reason for of_turn in flags for flag in of_turn]


def _tell_reasons(pairs: Iterable[str], reasons: Sequence[str]) -> list[str]:
    """Why pairs of an episode are dropped, with the reasons of its flags again, each told once."""

    def tell(reason: str) -> str:
        flagged = _FLAGGED.match(reason)
        if flagged is None:
            return reason
        parts = reason[flagged.end() :].split("; ")
        told = (_NUMBER.sub(lambda found: reasons[int(found[1])], part) for part in parts)
        return flagged[0] + "; ".join(dict.fromkeys(told))

    return [tell(reason) for reason in pairs]
