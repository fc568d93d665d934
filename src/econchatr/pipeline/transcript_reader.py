"""Each transcript read once: what a file holds is kept, and found again until the file or a setting changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from econchatr.errors import TranscriptError
from econchatr.fetch.folder import read_kept
from econchatr.kept import EpisodeStore, Kept
from econchatr.parse import (
    Cast,
    EpisodeMarks,
    Language,
    SharedLabel,
    SpeakerTable,
    Stretches,
    choose_ad_voices,
    find_spellings,
    join_flags,
    list_slugs,
    make_slug,
    mark_episode,
    parse_file,
)
from econchatr.records import Episode, Failure, SourceFile, Turn
from econchatr.tables import make_frame

if TYPE_CHECKING:
    import polars as pl

_ARRAYS: Final = ("sentences", "sentence_keys", "paragraphs", "paragraph_keys", "shingles")


@dataclass(frozen=True)
class Transcript:
    """What one file holds, by itself: nothing of it depends on other files."""

    episode: Episode
    turns: pl.DataFrame
    """As in the table of turns, without flags, and the words of each in `n_words`."""
    marks: EpisodeMarks
    language: Language
    shared: tuple[SharedLabel, ...]


class TranscriptReader:
    """Reads the files of a show, each unless it was read before."""

    def __init__(self, store: EpisodeStore, raw: Path, table: SpeakerTable) -> None:
        """Read by these rules.

        Args:
            store: What was read before; it depends on the version of the reader and on the table.
            raw: The kept copies of the files.
            table: Who is who in the show.
        """
        self._store, self._make = store, partial(_read_anew, raw, table)

    def read(self, file: SourceFile, *, taken: Collection[str]) -> Transcript | Failure:
        """What a file holds, or why it cannot be used.

        Args:
            file: Which one.
            taken: Slugs of other files, which this one may not have.
        """
        slug = make_slug(file.location, taken)
        return _unpack(self._store.find(self._name(file, slug), self._make, (file, slug)))

    def read_missing(self, files: Sequence[SourceFile], tell: Callable[[int, int], None]) -> None:
        """Read what was not read before, on every core, so that `read` finds it.

        Where two files would have the same slug and the first cannot be used, `read` reads the second again.

        Args:
            files: All of the show's, in order.
            tell: Called with how many files were read, and how many there are.

        Raises:
            ShowFolderError: The kept copy of a file is gone or was changed, or the disk is full.
        """
        slugs = list_slugs(file.location for file in files)
        wanted = {self._name(file, slug): (file, slug) for file, slug in zip(files, slugs, strict=True)}
        self._store.fill(self._make, wanted, tell)

    def _name(self, file: SourceFile, slug: str) -> str:
        return self._store.key(file.location, file.sha256, slug, *_cast(file))


def _read_anew(raw: Path, show: SpeakerTable, of: tuple[SourceFile, str]) -> Kept:
    import polars as pl

    file, slug = of
    data = read_kept(raw, file.sha256, location=file.location)
    try:
        parsed = parse_file(data, location=file.location, slug=slug, show=replace(show, cast=Cast(*_cast(file))))
    except TranscriptError as exc:
        failure = Failure(
            stage="parse", item=file.location, error="TranscriptError", message=exc.message, hint=exc.hint
        )
        return Kept({"failure": failure.model_dump()}, make_frame([], Turn))
    marks = mark_episode(parsed.turns)
    head = {
        "episode": parsed.episode.model_dump(mode="json"),
        "language": [parsed.language.code, dict(parsed.language.shares)],
        "shared": parsed.shared,
        "n_turns": len(parsed.turns),
        "own": [[place, *flags] for place, flags in marks.own.items()],
    }
    numbers = {name: getattr(marks.speech, name) for name in _ARRAYS}
    n_words = pl.Series("n_words", [len(turn.text.split()) for turn in parsed.turns], dtype=pl.Int64)
    return Kept(head, make_frame(parsed.turns, Turn).drop("flags").with_columns(n_words), numbers)


def _cast(file: SourceFile) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return file.title, file.hosts, file.guests


def _unpack(kept: Kept) -> Transcript | Failure:
    head = kept.head
    if "failure" in head:
        return Failure.model_validate(head["failure"])
    own = {place: (tuple(opening), tuple(text)) for place, opening, text in head["own"]}
    return Transcript(
        Episode.model_validate(head["episode"]),
        kept.rows,
        EpisodeMarks(own, Stretches(head["n_turns"], *(kept.numbers[name] for name in _ARRAYS))),
        Language(*head["language"]),
        tuple(SharedLabel(slug, label, tuple(names)) for slug, label, names in head["shared"]),
    )


def join_turns(
    transcripts: Sequence[Transcript], table: SpeakerTable, held: Collection[tuple[str, str]]
) -> pl.DataFrame:
    """The table of turns of a whole show: one spelling per person, and each turn with its flags.

    Args:
        transcripts: In the order of the turns.
        table: Who is who in the show.
        held: The (slug, speaker) of labels that may be two people; they stay as they are.
    """
    import polars as pl

    turns = _unify(pl.concat([one.turns for one in transcripts]), table, held)
    read = _find_read(turns, table.hosts)
    texts = turns["text"]
    flags = join_flags([one.marks for one in transcripts], lambda place: str(texts[place]), read)
    flagged = pl.DataFrame(
        {"place": list(flags), "flags": list(map(list, flags.values()))},
        schema={"place": pl.UInt32, "flags": pl.List(pl.String)},
    )
    joined = turns.drop("n_words").with_row_index("place").join(flagged, on="place", how="left", maintain_order="left")
    return joined.drop("place").with_columns(pl.col("flags").fill_null([]))


def _unify(turns: pl.DataFrame, table: SpeakerTable, held: Collection[tuple[str, str]]) -> pl.DataFrame:
    """The turns with one spelling per person, as `unify_speakers` gives them."""
    import polars as pl

    who = pl.concat_str(["slug", "speaker"], separator="\0")
    is_open = (pl.col("role") != "other") & ~who.is_in(["\0".join(one) for one in held])
    counts = turns.filter(is_open & (pl.col("speaker") != "")).group_by("speaker", maintain_order=True).len()
    names = find_spellings(dict(counts.iter_rows()), table)
    roles: Mapping[str, str] = {label: table.resolve(name)[1] for label, name in names.items()}
    if not names:
        return turns
    is_renamed = is_open & pl.col("speaker").is_in(list(names))
    renamed, recast = pl.col("speaker").replace(names), pl.col("speaker").replace(roles)
    return turns.with_columns(
        role=pl.when(is_renamed).then(recast).otherwise(pl.col("role")),
        speaker=pl.when(is_renamed).then(renamed).otherwise(pl.col("speaker")),
    )


def _find_read(turns: pl.DataFrame, hosts: Sequence[str]) -> dict[int, str]:
    """Place -> why the turn is by a voice that reads advertisements."""
    import polars as pl

    is_voice = pl.col("role") != "other"
    spoken = turns.filter(is_voice).group_by("speaker", "slug").agg(pl.len(), pl.sum("n_words"))
    words = turns.group_by("slug").agg(pl.sum("n_words"))
    voices = choose_ad_voices(spoken.iter_rows(), dict(words.iter_rows()), hosts=hosts)
    read = turns.with_row_index("place").filter(is_voice & pl.col("speaker").is_in(list(voices)))
    return {place: voices[speaker] for place, speaker in read.select("place", "speaker").iter_rows()}
