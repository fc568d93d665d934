"""Look at a show's transcripts: a page about all of them, and an explanation of how one file is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from econchatr import __version__
from econchatr.config import CONFIG_NAME
from econchatr.errors import SourceError
from econchatr.fetch.folder import MAX_FILE_BYTES
from econchatr.parse import Cast, Explanation, SpeakerTable, explain_file
from econchatr.pipeline.parse import gather_parsed, note_rights
from econchatr.pipeline.show import Show, open_show
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.records import SourceFile, Turn
from econchatr.report.material import ReportMaterial
from econchatr.report.pages import render_corpus
from econchatr.tables import hash_bytes, read_manifest, read_table, write_bytes

_PAGE_NAME: Final = "corpus.html"
_MAX_EXCERPTS: Final = 100
"""Of each kind of flag, on the page. The longest stretches of twelve kinds make 2.4 MB, each episode adds 0.4 KB."""


def write_corpus_page(show: Show, narrator: Narrator) -> Path:
    """Write a page about the transcripts into the report's folder, from a finished `parse`; gives its path.

    Raises:
        ShowFolderError: A table is missing or broken, or the folder cannot be written.
    """
    with narrated(narrator, f"report/{_PAGE_NAME}", "asked for") as counts:
        path, manifest = show.folder("report") / _PAGE_NAME, read_manifest(show.folder("parse"))
        episodes = tuple(show.episodes())
        material = ReportMaterial(
            show_name=show.config.show.name,
            hosts=(show.voice.host,),
            rights=note_rights(show),
            episodes=episodes,
            failures=tuple(show.failures("parse")),
            parsed=gather_parsed(show, n_excerpts=_MAX_EXCERPTS),
            version=__version__,
            made_on=manifest.finished_at.date() if manifest else None,
        )
        page = render_corpus(material).encode()
        write_bytes(path, page)
        counts |= {"episodes": len(episodes), "bytes": len(page)}
    return path


def explain_transcript(root: Path, path: Path) -> Explanation:
    """Explain how one file is read, with the speakers of the show in `root` if there is one.

    Raises:
        SourceError: The file cannot be read, is a folder, pipe or device, or is too large to be a transcript.
        TranscriptError: It is not text.
        InputError: show.toml is wrong.
        ShowFolderError: The show's tables are broken.
    """
    show = open_show(root) if (root / CONFIG_NAME).is_file() else None
    table = SpeakerTable(show.config.show.hosts, show.config.show.aliases) if show else SpeakerTable(hosts=())
    try:
        if path.exists() and not path.is_file():
            raise SourceError(f"{path} is no file.", hint="Name one transcript.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SourceError(
                f"{path} has {path.stat().st_size:,} bytes; a transcript has at most {MAX_FILE_BYTES:,}.",
                hint="Split it into one file per episode.",
            )
        data = path.read_bytes()
    except OSError as exc:
        raise SourceError(f"cannot read {path}: {exc.strerror}.", hint="Name a file that is there.") from exc
    explanation = explain_file(data, location=path.name, show=replace(table, cast=_find_cast(root, data)))
    return explanation.take_flags(_read_turns(show, explanation)) if show else explanation


def _find_cast(root: Path, data: bytes) -> Cast:
    """The people the feed names, if the file was fetched from one."""
    table = root / "fetch" / "files.parquet"
    files = read_table(table, SourceFile) if table.is_file() else []
    named = next((file for file in files if file.sha256 == hash_bytes(data)), None)
    return Cast(named.title, named.hosts, named.guests) if named else Cast()


def _read_turns(show: Show, explanation: Explanation) -> list[Turn]:
    """The turns of the same file in the show's table, with the flags of the whole show; none if it is not there."""
    if explanation.parsed is None or not show.is_done("parse"):
        return []
    sha256 = explanation.parsed.episode.sha256
    slugs = [one.slug for one in show.episodes() if one.sha256 == sha256]
    return [turn for turn in show.turns() if turn.slug in slugs[:1]] if slugs else []
