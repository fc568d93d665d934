"""The stage `parse`: files -> episodes and turns, with what could not be read or placed told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from econchatr.config import CONFIG_NAME
from econchatr.errors import InputError, ShowFolderError, SourceError, TranscriptError
from econchatr.fetch.feed import FeedItem, TitleIndex, is_feed, read_feed
from econchatr.fetch.folder import read_kept
from econchatr.kept import EpisodeStore
from econchatr.pair import CUT_KINDS, WEIGHED_KINDS, hide_private
from econchatr.parse import (
    NOBODY_NAMED,
    Language,
    SharedLabel,
    SpeakerTable,
    account_flags,
    choose_language,
    explain_foreign,
    is_unnamed,
    list_unnamed,
    open_text,
    rank_episodes,
    read_stem,
    tell_shared,
)
from econchatr.pipeline.fetch import keep_transcripts
from econchatr.pipeline.show import Show
from econchatr.pipeline.stage import Made, Narrator, Stage, tell_failure, tell_failures
from econchatr.pipeline.transcript_reader import Transcript, TranscriptReader, join_turns
from econchatr.records import Episode, Failure, SourceFile, Turn
from econchatr.report.counts import (
    MOST_OPENING_CHARS,
    Effect,
    LostLine,
    SetAside,
    UnnamedSpeaker,
    count_flags,
    count_speakers,
    find_lines,
    keep_start,
)
from econchatr.report.material import ParsedMaterial, RightsNote

if TYPE_CHECKING:
    import polars as pl

_MAX_VOICES_TOLD: Final = 10
_LINES_PER_EXCERPT = 4
_LINES_PER_EPISODE = 10
_EFFECTS: dict[str, Effect] = {**dict.fromkeys(WEIGHED_KINDS, "weighed"), **dict.fromkeys(CUT_KINDS, "cut")}


_VERSION: Final = 7


@dataclass
class _Heard:
    """What the files of a show hold, before it is known who is who."""

    episodes: list[Episode] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
    """Of these episodes."""
    failures: list[Failure] = field(default_factory=list)

    def set_aside(self, foreign: Mapping[str, Failure]) -> None:
        """Take out the episodes of these slugs."""
        self.failures += foreign.values()
        self.episodes = [episode for episode in self.episodes if episode.slug not in foreign]
        self.transcripts = [one for one in self.transcripts if one.episode.slug not in foreign]

    @property
    def shared(self) -> list[SharedLabel]:
        """Labels that may be two people."""
        return [label for one in self.transcripts for label in one.shared]


def _parse(show: Show, narrator: Narrator) -> Made:
    table = SpeakerTable(show.config.show.hosts, show.config.show.aliases, show.config.show.solo)
    store = EpisodeStore(show.folder("parse") / "kept", _VERSION, table.hosts, table.aliases, table.is_solo)
    heard = _read_files(show, TranscriptReader(store, show.folder("fetch") / "raw", table), narrator)
    _check_read(show, heard)
    shared = heard.shared
    turns = join_turns(heard.transcripts, table, {(one.slug, one.label) for one in shared})
    _check_heard(show, heard.episodes, turns)
    flagged = _list_turns(turns, turns["flags"].list.len() > 0)
    said = {slug: list(group) for slug, group in groupby(flagged, key=lambda turn: turn.slug)}
    ranked = rank_episodes([account_flags(episode, said.get(episode.slug, ())) for episode in heard.episodes])
    counts = {
        "episodes": len(ranked),
        "quarantined": len(heard.failures),
        "turns": turns.height,
        "words": sum(episode.n_words for episode in ranked),
        "unplaced_chars": sum(episode.n_unplaced_chars for episode in ranked),
        "flagged_chars": sum(episode.n_flagged_chars for episode in ranked),
        "flagged_turns": len(flagged),
        "unnamed_voices": _tell_doubts(ranked, turns, heard, narrator),
        "shared_labels": len(shared),
    }
    store.sweep()
    return Made({"episodes": ranked, "turns": turns, "failures": heard.failures}, counts=counts)


def _list_turns(turns: pl.DataFrame, which: pl.Series) -> list[Turn]:
    return [Turn.model_validate(row) for row in turns.filter(which).to_dicts()]


def _read_files(show: Show, reader: TranscriptReader, narrator: Narrator) -> _Heard:
    raw, taken = show.folder("fetch") / "raw", set[str]()
    heard, languages = _Heard(failures=show.failures("fetch")), dict[str, Language]()
    files = show.files()
    if show.feed is None:
        keep_transcripts(show, files, narrator)
    feeds = _read_saved_feeds(raw, files, narrator)
    files = [file for file in files if file.location not in feeds.locations]
    reader.read_missing(files, lambda n_done, n_all: narrator.progress(n_done, n_all, "files"))
    for file in files:
        read = reader.read(file, taken=taken)
        if isinstance(read, Failure):
            heard.failures.append(read)
        else:
            taken.add(read.episode.slug)
            heard.episodes.append(_complete(read.episode, feeds.complete(file, read.episode)))
            heard.transcripts.append(read)
            languages[read.episode.slug] = read.language
    heard.set_aside(_find_foreign(show, heard.episodes, languages))
    return heard


@dataclass(frozen=True)
class _SavedFeeds:
    """Feeds that lie among the transcripts of a folder: they tell titles and dates, and are no episodes."""

    locations: frozenset[str]
    index: TitleIndex

    def complete(self, file: SourceFile, episode: Episode) -> SourceFile:
        """Add the date of the item with the episode's title, where nothing else tells one."""
        item = None if episode.published or file.published else self.index.find(episode.title, read_stem(file.location))
        return file if item is None else file.model_copy(update={"published": item.published, "title": item.title})


def _read_saved_feeds(raw: Path, files: Sequence[SourceFile], narrator: Narrator) -> _SavedFeeds:
    items, locations = list[FeedItem](), set[str]()
    for file in files:
        if not file.location.lower().endswith((".xml", ".rss")):
            continue
        data = read_kept(raw, file.sha256, location=file.location)
        if not is_feed(data):
            continue
        try:
            items += read_feed(data, location=file.location).items
        except SourceError as exc:
            narrator.note(f"{exc.message} {exc.hint}")
        locations.add(file.location)
    if items:
        narrator.note(f"{', '.join(sorted(locations))}: {len(items):,} items of a feed, which date episodes by title")
    return _SavedFeeds(frozenset(locations), TitleIndex(items))


def tell_order(ranked: Sequence[Episode]) -> str:
    """How episodes without a date are ordered, and so which are held out as the newest; empty: all have a date."""
    undated = [episode for episode in ranked if episode.published is None]
    if not undated:
        return ""
    some = (
        "no episode has a date"
        if len(undated) == len(ranked)
        else f"{len(undated):,} of {len(ranked):,} episodes have no date"
    )
    return (
        f"{some}: the order is that of the numbers in their files' names, from {ranked[0].location} to "
        f"{ranked[-1].location}, and the last are held out as the newest. To give dates, begin file names with "
        "YYYY-MM-DD, write `date:` at the head of each file, or save the show's feed beside them as feed.xml"
    )


def _tell_doubts(ranked: Sequence[Episode], turns: pl.DataFrame, heard: _Heard, narrator: Narrator) -> int:
    """Tell what a person should look at; gives the number of voices that nobody named."""
    tell_failures([one for one in heard.failures if one.stage == "parse"], narrator)
    for episode in ranked:
        if episode.doubt:
            narrator.note(f"doubtful {episode.location}: {episode.doubt}")
    for line in (tell_order(ranked), *tell_shared(heard.shared)):
        if line:
            narrator.note(line)
    told = {one.alias for one in heard.shared}
    labels = [label for label in turns["speaker"].unique() if is_unnamed(label)]
    voices = list_unnamed(_list_turns(turns, turns["speaker"].is_in(labels)))
    unnamed = [voice for voice in voices if voice.alias not in told]
    for voice in unnamed[:_MAX_VOICES_TOLD]:
        narrator.note(f'nobody named "{voice.alias}" ({voice.n_turns} turns): name it under [show.aliases]')
    return len(unnamed)


def _fail(location: str, message: str, hint: str) -> Failure:
    return Failure(stage="parse", item=location, error="TranscriptError", message=message, hint=hint)


def _find_foreign(show: Show, episodes: Sequence[Episode], languages: Mapping[str, Language]) -> dict[str, Failure]:
    """Slug -> why an episode is not in the show's language, which show.toml names, or most of its episodes tell."""
    named = show.config.show.language
    expected = "" if named == "any" else named or choose_language(languages.values())
    hint = f'Take it out, or set language = "any" under [show] in {CONFIG_NAME} if it belongs to the show.'
    reasons = ((episode, explain_foreign(languages[episode.slug], expected)) for episode in episodes)
    return {episode.slug: _fail(episode.location, reason, hint) for episode, reason in reasons if reason}


def _complete(episode: Episode, file: SourceFile) -> Episode:
    """Add what only the feed knows: the title as the show writes it, and a date where the page has none."""
    known: dict[str, object] = {"title": file.title or episode.title}
    if episode.published is None and file.published is not None:
        known |= {"published": file.published, "precision": "day"}
    return episode.model_copy(update=known)


def _check_read(show: Show, heard: _Heard) -> None:
    if not heard.episodes and not heard.failures:
        raise TranscriptError(
            f"there is no transcript in {show.source}, only a feed.", hint="Put the transcripts beside the feed."
        )
    if not heard.episodes:
        raise TranscriptError(
            f"none of the {len(heard.failures)} files from {show.source} can be used; "
            f"{tell_failure(heard.failures[0].model_copy(update={'hint': ''}))}",
            hint=heard.failures[0].hint or "See docs/readers.md for the shapes that are read.",
        )


def _check_heard(show: Show, episodes: Sequence[Episode], turns: pl.DataFrame) -> None:
    if (turns["role"] == "host").any():
        return
    speakers = Counter[str](turns["speaker"])
    if not any(speakers):
        raise InputError(
            f"none of the {len(episodes)} transcripts in {show.source} names a speaker.", hint=NOBODY_NAMED
        )
    found = ", ".join(f"{name!r} ({n} turns)" for name, n in speakers.most_common(5)) or "nobody"
    raise InputError(
        f"{show.root / CONFIG_NAME}: no turn of {' or '.join(map(repr, show.config.show.hosts))} "
        f"in {len(episodes)} episodes; heard most: {found}.",
        hint="Set `hosts` under [show] to the host's name as the transcripts write it, or add an alias.",
    )


PARSE = Stage[Show](
    "parse",
    version=_VERSION,
    settings={"hosts": "show.hosts", "aliases": "show.aliases", "solo": "show.solo", "language": "show.language"},
    inputs=lambda show: {"fetch": show.made("fetch")},
    reads=("fetch",),
    writes={"episodes": Episode, "turns": Turn, "failures": Failure},
    do=_parse,
)


# --- what was parsed, condensed to look at ----------------------------------------------------------------------------


def note_rights(show: Show) -> RightsNote | None:
    """The `[rights]` table as it is printed; `None`: the show has none."""
    rights = show.config.rights
    return RightsNote(voice=rights.voice, ground=rights.ground, licence=rights.licence) if rights else None


def gather_parsed(show: Show, *, n_excerpts: int) -> ParsedMaterial:
    """Who speaks, what was flagged, and some of what was flagged, set aside or lost, without private data.

    Args:
        n_excerpts: Of each kind of flag, of the quarantined files, and four times as many of the unplaced lines.
    """
    turns, episodes = show.turns(), show.episodes()
    unnamed = list_unnamed(turns)
    return ParsedMaterial(
        speakers=count_speakers(turns, unnamed={voice.label for voice in unnamed}),
        unnamed=tuple(
            UnnamedSpeaker(
                alias=voice.alias, n_turns=voice.n_turns, n_words=voice.n_words, sample=hide_private(voice.sample)
            )
            for voice in unnamed
        ),
        flagged=count_flags(
            turns,
            ranks={episode.slug: episode.rank for episode in episodes},
            effects=_EFFECTS,
            n_excerpts=n_excerpts,
            hide=hide_private,
        ),
        lost_lines=tuple(_find_lost(show, episodes, _LINES_PER_EXCERPT * n_excerpts)),
        set_aside=tuple(_open_failures(show, show.failures("parse"), n_excerpts)),
    )


def _find_lost(show: Show, episodes: Sequence[Episode], n_lines: int) -> Iterator[LostLine]:
    """Look at most so many unplaced lines up in their files, the first ones of each episode."""
    for episode in episodes:
        n = min(n_lines, len(episode.unplaced), _LINES_PER_EPISODE)
        if n:
            text = _open_raw(show, episode.sha256, episode.location)
            yield from find_lines(episode.slug, episode.unplaced, text, n=n, hide=hide_private)
        n_lines -= n


def _open_failures(show: Show, failures: Sequence[Failure], n: int) -> Iterator[SetAside]:
    """Look at how so many quarantined files begin; of what was not had nothing is kept."""
    if not failures:
        return
    files = {file.location: file for file in show.files()}
    for failure in failures:
        if n and failure.stage == "parse" and failure.item in files:
            n -= 1
            text = _open_raw(show, files[failure.item].sha256, failure.item)
            yield SetAside(failure=failure, opening=hide_private(keep_start(text.strip(), MOST_OPENING_CHARS)))


def _open_raw(show: Show, sha256: str, location: str) -> str:
    """The text of a file as received, or its bytes where it is no text; empty where the kept copy is gone or wrong."""
    try:
        data = read_kept(show.folder("fetch") / "raw", sha256, location=location)
    except ShowFolderError:
        return ""
    try:
        return open_text(data, location=location)
    except TranscriptError:
        return data[:MOST_OPENING_CHARS].decode("utf-8", errors="backslashreplace")
