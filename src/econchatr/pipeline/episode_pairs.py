"""The pairs of each episode made once, and found again until its turns or a setting change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
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
        self._show, self._persona, self._of_guests = show, persona, of_guests
        self._profile = PROFILES[config.profile]
        self._count = open_tokenizer(self._profile.tokenizer).count_each
        self._hide = open_presidio() if config.private == "presidio" else hide_private
        private = name_presidio() if config.private == "presidio" else []
        folder = show.folder("pair", "kept") / ("guests" if of_guests else "host")
        self._store = EpisodeStore(folder, stage, self._profile.model_dump(), config.private, private, persona)

    def pair(self, splits: Mapping[str, Split], narrator: Narrator) -> pl.DataFrame:
        """The pairs of all episodes that have a split, in the show's order.

        In the columns of their table, and what pairs share that say the same in `twin`; empty for those not kept.
        """
        import polars as pl

        episodes = self._show.episodes()
        spoken = _Spoken(read_frame(self._show.folder("parse") / "turns.parquet", Turn))
        rows, reasons, filled = [self._frame([])], list[str](), list[tuple[date | None, int, Split]]()
        for n_done, episode in enumerate(episodes, start=1):
            if episode.slug in splits:
                own = self._pair_one(episode, spoken)
                reasons += _tell_reasons(own["reason"], spoken.list_reasons(episode.slug))
                filled += [(episode.published, episode.rank, splits[episode.slug])] * own.height
                rows.append(own)
            narrator.progress(n_done, len(episodes), "episodes")
        self._store.sweep()
        schema = {"published": pl.Date, "rank": pl.Int64, "split": pl.String}
        columns = pl.DataFrame(filled, schema=schema, orient="row")
        return pl.concat(rows).with_columns(*columns, pl.Series("reason", reasons, dtype=pl.String))

    def _pair_one(self, episode: Episode, spoken: _Spoken) -> pl.DataFrame:
        key = self._store.key(episode.slug, episode.kind, spoken.hash(episode.slug))
        kept = self._store.read(key)
        if kept is None:
            kept = Kept({}, self._pair_anew(episode, spoken.list_turns(episode.slug)))
            self._store.write(key, kept)
        return kept.rows

    def _pair_anew(self, episode: Episode, turns: Sequence[Turn]) -> pl.DataFrame:
        if self._of_guests:
            turns = [turn.model_copy(update={"role": _ROLE_OF_OTHER_SIDE[turn.role]}) for turn in turns]
        return self._frame(
            pair_episode(
                episode,
                turns,
                split="train",
                profile=self._profile,
                count_tokens=self._count,
                persona=self._persona,
                hide=self._hide,
            )
        )

    def _frame(self, pairs: Sequence[Pair]) -> pl.DataFrame:
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
        for _, group in groupby(pairs, key=lambda pair: pair.slug):
            own = list(group)
            kept = self._find_in(own)
            for place, number, text, asked, parts in kept.head["passages"]:
                found.passages.append(Stating(own[place], number, text, asked))
                found.parts.append(PassageParts(*parts))
            said.append(kept.numbers["said"])
        self._store.sweep()
        return found._replace(said=np.concatenate(said))

    def _find_in(self, pairs: Sequence[Pair]) -> Kept:
        key = self._store.key([(pair.pair_id, pair.cue, pair.reply) for pair in pairs])
        kept = self._store.read(key)
        if kept is None:
            found = [
                (place, one.number, one.text, one.asked, take_apart(one.text))
                for place, pair in enumerate(pairs)
                for one in find_passages([pair])
            ]
            said = hash_neighbours(text for pair in pairs for text in (pair.cue, pair.reply))
            kept = Kept({"passages": found}, make_frame([], Pair), {"said": said})
            self._store.write(key, kept)
        return kept


class _Spoken:
    """The turns of a show, episode by episode, in which each flag has a number for its reason.

    One more episode changes in how many a greeting stands, and so the reason, but nothing else of the pairs.
    """

    def __init__(self, turns: pl.DataFrame) -> None:
        starts = turns["slug"].rle_id().arg_unique().to_list() if turns.height else []
        ends = [*starts[1:], turns.height]
        self._places = {turns["slug"][start]: slice(start, end) for start, end in zip(starts, ends, strict=True)}
        self._columns = [(name, turns[name].to_list()) for name in turns.columns]

    def _take(self, slug: str) -> dict[str, list[Any]]:
        columns = {name: values[self._places[slug]] for name, values in self._columns}
        numbers = count()
        columns["flags"] = [
            [str(read_flag(flag)._replace(reason=f"\0{next(numbers)}\0")) for flag in flags]
            for flags in columns["flags"]
        ]
        return columns

    def hash(self, slug: str) -> str:
        """A hash over everything that was said in an episode, and by whom."""
        return hash_settings(self._take(slug))

    def list_turns(self, slug: str) -> list[Turn]:
        """The turns of an episode."""
        columns = self._take(slug)
        return [Turn(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]

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
