"""A local folder of transcripts -> its files, with their hashes, kept as received.

This module does not know what is inside the files, nor which of them are transcripts: `parse` decides that by content.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from econchatr.errors import SourceError
from econchatr.records import Failure, SourceFile
from econchatr.tables import hash_bytes, hash_file, write_bytes

TRANSCRIPT_SUFFIXES = frozenset({".md", ".markdown", ".html", ".htm", ".txt", ".vtt", ".srt", ".json", ".docx", ".xml"})
"""Names that may hold a transcript; what they hold is decided by reading them."""

MAX_FILE_BYTES = 64_000_000
"""A transcript of a ten-hour talk is under 1 MB; anything this large is something else."""


def list_files(folder: Path) -> tuple[list[SourceFile], list[Failure]]:
    """Every file below a folder that may be a transcript, sorted by path; and those too large to be one.

    Hidden files and links that lead out of the folder are left out.

    Raises:
        SourceError: The folder is missing or holds no such file.
    """
    if not folder.is_dir():
        raise SourceError(f"no folder {folder}.", hint="Set `folder` under [fetch] in show.toml to your transcripts.")
    paths = sorted(_walk(folder))
    too_large = [path for path in paths if path.stat().st_size > MAX_FILE_BYTES]
    files = [_describe(folder, path) for path in paths if path not in too_large]
    if not files and too_large:
        refused = _refuse(folder, too_large[0])
        raise SourceError(f"{too_large[0]} has {refused.message}", hint=refused.hint)
    if not files:
        kinds = ", ".join(sorted(TRANSCRIPT_SUFFIXES))
        hint = f"Put files there ({kinds})."
        if any(path.is_symlink() for path in folder.rglob("*")):
            hint = f"Links that lead out of the folder are not followed. {hint}"
        raise SourceError(f"{folder} holds no transcript.", hint=hint)
    return files, [_refuse(folder, path) for path in too_large]


def keep_files(files: list[SourceFile], *, folder: Path, raw: Path) -> None:
    """Copy each file to `raw/<sha256>` as it is; what is there already is not copied again.

    Raises:
        SourceError: A file changed or vanished while it was read.
        ShowFolderError: The disk is full.
    """
    for file in files:
        target = raw / file.sha256
        if target.is_file() and target.stat().st_size == file.n_bytes:
            continue
        data = _read(folder / file.location)
        if hash_bytes(data) != file.sha256:
            raise SourceError(f"{folder / file.location} changed while it was read.", hint="Run again.")
        write_bytes(target, data)


def _walk(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(place) / name
            if name.startswith(".") or path.suffix.lower() not in TRANSCRIPT_SUFFIXES:
                continue
            if path.is_file() and path.resolve().is_relative_to(root):
                yield path


def _refuse(folder: Path, path: Path) -> Failure:
    n_bytes = path.stat().st_size
    item = path.relative_to(folder).as_posix()
    message = f"{n_bytes:,} bytes; a transcript has at most {MAX_FILE_BYTES:,}."
    hint = "Split it into one file per episode, or take it out of the folder."
    return Failure(stage="fetch", item=item, error="SourceError", message=message, hint=hint)


def _describe(folder: Path, path: Path) -> SourceFile:
    try:
        return SourceFile(
            location=path.relative_to(folder).as_posix(), sha256=hash_file(path), n_bytes=path.stat().st_size
        )
    except OSError as exc:
        raise SourceError(f"cannot read {path}: {exc.strerror}.", hint="Check who may read it.") from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SourceError(f"cannot read {path}: {exc.strerror}.", hint="Check who may read it.") from exc
