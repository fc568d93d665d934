"""The page to look at a show's transcripts: who speaks, what was flagged, set aside or lost."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from econchatr import __version__
from econchatr.pipeline.parse import gather_parsed, note_rights
from econchatr.pipeline.show import Show
from econchatr.pipeline.stage import Narrator, narrated
from econchatr.report.material import ReportMaterial
from econchatr.report.pages import render_corpus
from econchatr.tables import read_manifest, write_bytes

PAGE_NAME: Final = "corpus.html"
PAGE_EXCERPTS: Final = 100
"""Of each kind of flag, on the page. The longest stretches of twelve kinds make 2.4 MB, each episode adds 0.4 KB."""


def write_corpus_page(show: Show, narrator: Narrator) -> Path:
    """Write the page into the report's folder, from a finished `parse`.

    Raises:
        ShowFolderError: A table is missing or broken, or the folder cannot be written.
    """
    with narrated(narrator, f"report/{PAGE_NAME}", "asked for") as counts:
        path, manifest = show.folder("report") / PAGE_NAME, read_manifest(show.folder("parse"))
        episodes = tuple(show.episodes())
        material = ReportMaterial(
            show_name=show.config.show.name,
            hosts=(show.voice.host,),
            rights=note_rights(show),
            episodes=episodes,
            failures=tuple(show.failures("parse")),
            parsed=gather_parsed(show, n_excerpts=PAGE_EXCERPTS),
            version=__version__,
            made_on=manifest.finished_at.date() if manifest else None,
        )
        page = render_corpus(material).encode()
        write_bytes(path, page)
        counts |= {"episodes": len(episodes), "bytes": len(page)}
    return path
