"""What `parse` made, condensed to look at: for the report's section on the data, and for a page of its own.

This module measures nothing but counts, and changes nothing outside the report's folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from econchatr import __version__
from econchatr.errors import TranscriptError
from econchatr.pair import CUT_KINDS, WEIGHED_KINDS, hide_private
from econchatr.parse import list_unnamed, open_text
from econchatr.pipeline.show import Narrator, Show
from econchatr.records import Episode, Failure, SourceFile, Turn
from econchatr.report.counts import Effect, UnnamedSpeaker, count_flags, count_speakers
from econchatr.report.excerpts import MOST_OPENING_CHARS, LostLine, SetAside, find_lines, keep_start
from econchatr.report.material import ParsedMaterial, ReportMaterial, RightsNote
from econchatr.report.pages import render_corpus
from econchatr.tables import read_manifest, read_table, write_bytes

PAGE_NAME = "corpus.html"
PAGE_EXCERPTS = 100
"""Of each kind of flag, on the page. The longest stretches of twelve kinds make 2.4 MB, each episode adds 0.4 KB."""
REPORT_EXCERPTS = 3
_LINES_PER_EXCERPT = 4
_LINES_PER_EPISODE = 10
_EFFECTS: dict[str, Effect] = {**dict.fromkeys(WEIGHED_KINDS, "weighed"), **dict.fromkeys(CUT_KINDS, "cut")}


def write_corpus_page(show: Show, narrator: Narrator) -> Path:
    """Write the page to look at the transcripts into the report's folder, from a finished `parse`.

    Raises:
        ShowFolderError: A table is missing or broken, or the folder cannot be written.
    """
    name, start = f"report/{PAGE_NAME}", time.monotonic()
    narrator.begin(name, "asked for")
    path, manifest = show.folder("report") / PAGE_NAME, read_manifest(show.folder("parse"))
    episodes, failures = read_episodes(show), read_failures(show)
    material = ReportMaterial(
        show_name=show.config.show.name,
        hosts=(show.voice.host,),
        rights=note_rights(show),
        episodes=episodes,
        failures=failures,
        parsed=gather_parsed(show, episodes, failures, n_excerpts=PAGE_EXCERPTS),
        version=__version__,
        made_on=manifest.finished_at.date() if manifest else None,
    )
    page = render_corpus(material).encode()
    write_bytes(path, page)
    narrator.end(name, {"episodes": len(episodes), "bytes": len(page)}, time.monotonic() - start)
    return path


def read_episodes(show: Show) -> tuple[Episode, ...]:
    """The show's episodes, in its order."""
    episodes = read_table(show.folder("parse") / "episodes.parquet", Episode)
    return tuple(sorted(episodes, key=lambda episode: episode.rank))


def read_failures(show: Show) -> tuple[Failure, ...]:
    """Every item that was not had or not read."""
    return tuple(read_table(show.folder("parse") / "failures.parquet", Failure))


def note_rights(show: Show) -> RightsNote | None:
    """The `[rights]` table as it is printed; `None`: the show has none."""
    rights = show.config.rights
    return RightsNote(voice=rights.voice, ground=rights.ground, licence=rights.licence) if rights else None


def gather_parsed(
    show: Show, episodes: Sequence[Episode], failures: Sequence[Failure], *, n_excerpts: int
) -> ParsedMaterial:
    """Who speaks, what was flagged, and some of what was flagged, set aside or lost, without private data.

    Args:
        episodes: In the show's order.
        n_excerpts: Of each kind of flag, of the quarantined files, and four times as many of the unplaced lines.
    """
    turns = read_table(show.folder("parse") / "turns.parquet", Turn)
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
        set_aside=tuple(_open_failures(show, failures, n_excerpts)),
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
    files = {file.location: file for file in read_table(show.folder("fetch") / "files.parquet", SourceFile)}
    for failure in failures:
        if n and failure.stage == "parse" and failure.item in files:
            n -= 1
            text = _open_raw(show, files[failure.item].sha256, failure.item)
            yield SetAside(failure=failure, opening=hide_private(keep_start(text.strip(), MOST_OPENING_CHARS)))


def _open_raw(show: Show, sha256: str, location: str) -> str:
    """The text of a file as it was received; what is no text is shown by its bytes, and what is gone is empty."""
    try:
        data = (show.folder("fetch") / "raw" / sha256).read_bytes()
    except OSError:
        return ""
    try:
        return open_text(data, location=location)
    except TranscriptError:
        return data[:MOST_OPENING_CHARS].decode("utf-8", errors="backslashreplace")
