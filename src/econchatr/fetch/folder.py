"""A local folder of transcripts -> its files, with their hashes, kept as received.

Only the ending of a name is looked at here. Whether a file holds a transcript is decided by `parse`, by content.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from econchatr.errors import ShowFolderError, SourceError
from econchatr.records import Failure, SourceFile
from econchatr.tables import hash_bytes, hash_file, write_bytes

# fmt: off
_TRANSCRIPT_SUFFIXES = frozenset(
    {
        ".md", ".markdown", ".html", ".htm", ".xhtml", ".txt", ".text", ".vtt", ".srt", ".sbv", ".ass", ".ssa", ".ttml",
        ".dfxp", ".itt", ".json", ".jsonl", ".docx", ".xml", ".rss",
    }
)
# fmt: on
"""Names that may hold a transcript; what they hold is decided by reading them."""

# fmt: off
_AUDIO_SUFFIXES = frozenset({
    ".mp3", ".m4a", ".wav", ".flac", ".ogg", ".opus", ".aac", ".aif", ".aiff", ".wma", ".mp4", ".mov", ".mkv", ".webm",
})
# fmt: on
_OTHER_TEXTS = frozenset({".pdf", ".doc", ".rtf", ".odt", ".pages"})

MAX_FILE_BYTES = 64_000_000
"""A transcript of a ten-hour talk is under 1 MB; anything this large is something else."""

_MAX_KINDS_TOLD = 8
_MAX_SUFFIX_CHARS = 20

_LINKS_OUT = "links that lead out of the folder"
_LINKED_FOLDERS = "links to folders"
_NOT_PLAIN = "pipes, sockets or devices"
_NO_SUFFIX = "without an ending"


class Listing(NamedTuple):
    """What a folder of transcripts holds."""

    files: list[SourceFile]
    """Sorted by path."""
    failures: list[Failure]
    """Files and folders that should be read and cannot be, sorted by path."""
    n_left: dict[str, int]
    """Why files were left aside (an ending such as `.pdf`, or in words) -> how many. Hidden files are not counted."""


@dataclass
class _Found:
    paths: list[Path] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    n_left: dict[str, int] = field(default_factory=dict)

    def leave(self, kind: str) -> None:
        self.n_left[kind] = self.n_left.get(kind, 0) + 1


def list_files(folder: Path, *, apart: Sequence[Path] = ()) -> Listing:
    """Every file below a folder that may be a transcript; those that cannot be used; and how many were left aside.

    Links that lead out of the folder are not followed, nor are links to folders.

    Args:
        folder: Where the transcripts are.
        apart: Folders that are not looked into, though they lie below `folder`.

    Raises:
        SourceError: The folder is missing or holds no file that can be used.
    """
    if not folder.is_dir():
        hint = "Put your files into that folder, or set `folder` under [fetch] in show.toml to where they are."
        raise SourceError(f"no folder {folder}.", hint=hint)
    found = _Found()
    _walk(folder, found, apart={path.resolve() for path in apart})
    files: list[SourceFile] = []
    for path in sorted(found.paths):
        described = _describe(folder, path)
        if isinstance(described, SourceFile):
            files.append(described)
        else:
            found.failures.append(described)
    failures = sorted(found.failures, key=lambda failure: failure.item)
    if not files:
        _refuse_empty(folder, failures, found.n_left)
    return Listing(files, failures, dict(sorted(found.n_left.items())))


def may_hold_transcripts(folder: Path) -> bool:
    """Whether a file in the folder itself has a name as transcripts have."""
    try:
        return any(path.suffix.lower() in _TRANSCRIPT_SUFFIXES for path in folder.iterdir())
    except OSError:
        return False


def tell_left(n_left: dict[str, int]) -> str:
    """What was left aside, in one line; empty when nothing was.

    >>> tell_left({".pdf": 2, "links to folders": 1})
    'left aside, not read: 2 .pdf, 1 links to folders'
    """
    most = sorted(n_left.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{n:,} {kind}" for kind, n in most[:_MAX_KINDS_TOLD]]
    if n_others := sum(n for _, n in most[_MAX_KINDS_TOLD:]):
        told.append(f"{n_others:,} others")
    return f"left aside, not read: {', '.join(told)}" if told else ""


def keep_files(files: Sequence[SourceFile], *, folder: Path, raw: Path) -> list[SourceFile]:
    """Copy each file to `raw/<sha256>` as it is, unless it is kept there already, whole and unchanged.

    Returns:
        The files whose kept copy was there with other bytes, and was replaced.

    Raises:
        SourceError: A file changed or vanished while it was read.
        ShowFolderError: The disk is full.
    """
    replaced = []
    for file in files:
        if is_kept(raw, file.sha256):
            continue
        data = _read(folder / file.location)
        if hash_bytes(data) != file.sha256:
            raise SourceError(f"{folder / file.location} changed while it was read.", hint="Run again.")
        if (raw / file.sha256).exists():
            replaced.append(file)
        write_bytes(raw / file.sha256, data)
    return replaced


def _walk(folder: Path, found: _Found, *, apart: set[Path]) -> None:
    """Sort everything below a folder into files to read, failures, and what is left aside."""
    root = folder.resolve()

    def fail(exc: OSError) -> None:
        found.failures.append(_refuse(folder, Path(exc.filename), f"the folder cannot be read: {exc.strerror}."))

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(_choose_folders(folder, Path(place), folders, found, apart=apart))
        for name in names:
            if not name.startswith("."):
                _sort_file(folder, Path(place) / name, found, root=root)


def _choose_folders(
    folder: Path, place: Path, names: Sequence[str], found: _Found, *, apart: set[Path]
) -> Iterator[str]:
    for name in names:
        path = place / name
        if name.startswith(".") or path.resolve() in apart:
            continue
        if path.is_symlink():
            found.leave(_LINKED_FOLDERS)
        elif not _is_utf8(name):
            found.failures.append(_refuse(folder, path, "the folder's name is not UTF-8.", hint=_RENAME))
        else:
            yield name


def _sort_file(folder: Path, path: Path, found: _Found, *, root: Path) -> None:
    suffix = path.suffix.lower()
    if suffix not in _TRANSCRIPT_SUFFIXES:
        return found.leave(_show_name(suffix)[:_MAX_SUFFIX_CHARS] or _NO_SUFFIX)
    try:
        if not path.resolve().is_relative_to(root):
            return found.leave(_LINKS_OUT)
        if not _is_utf8(path.name):
            return found.failures.append(_refuse(folder, path, "the file's name is not UTF-8.", hint=_RENAME))
        if not path.exists():
            return found.failures.append(_refuse(folder, path, "a link to a file that is not there."))
        if not path.is_file():
            return found.leave(_NOT_PLAIN)
    except (OSError, RuntimeError) as exc:  # RuntimeError: links in a circle, before Python 3.13
        reason = exc.strerror if isinstance(exc, OSError) else "a link that leads in a circle"
        return found.failures.append(_refuse(folder, path, f"cannot be read: {reason}."))
    found.paths.append(path)


_RENAME = "Rename it."


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _show_name(name: str) -> str:
    """A name of any bytes as text; bytes that are not UTF-8 are written in hex."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def _refuse(folder: Path, path: Path, message: str, *, hint: str = "Check who may read it, or take it out.") -> Failure:
    item = _show_name(path.relative_to(folder).as_posix())
    return Failure(stage="fetch", item=item, error="SourceError", message=message, hint=hint)


def _refuse_empty(folder: Path, failures: Sequence[Failure], n_left: dict[str, int]) -> None:
    if failures:
        first = failures[0]
        raise SourceError(f"{folder / first.item}: {first.message}", hint=first.hint)
    audio = next((kind for kind in n_left if kind in _AUDIO_SUFFIXES), "")
    if audio:
        raise SourceError(
            f"{folder} holds audio and no transcript ({tell_left(n_left)}).",
            hint="Transcribe it first with a tool that tells speakers apart, such as WhisperX: "
            f"`whisperx {folder.name}/*{audio} --diarize --output_format json --output_dir transcripts`.",
        )
    hint = f"Put files there ({', '.join(sorted(_TRANSCRIPT_SUFFIXES))})."
    if n_left.keys() & _OTHER_TEXTS:
        hint = f"Save .pdf, .doc and .rtf files as .docx or .txt. {hint}"
    if n_left.keys() & {_LINKS_OUT, _LINKED_FOLDERS}:
        hint = f"Links that lead out of the folder are not followed. {hint}"
    left = tell_left(n_left)
    raise SourceError(f"{folder} holds no transcript" + (f" ({left})." if left else "."), hint=hint)


def _describe(folder: Path, path: Path) -> SourceFile | Failure:
    try:
        n_bytes = path.stat().st_size
        if n_bytes > MAX_FILE_BYTES:
            message = f"{n_bytes:,} bytes; a transcript has at most {MAX_FILE_BYTES:,}."
            hint = "Split it into one file per episode, or take it out of the folder."
            return _refuse(folder, path, message, hint=hint)
        return SourceFile(location=path.relative_to(folder).as_posix(), sha256=hash_file(path), n_bytes=n_bytes)
    except OSError as exc:
        return _refuse(folder, path, f"the file cannot be read: {exc.strerror}.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SourceError(f"cannot read {path}: {exc.strerror}.", hint="Check who may read it.") from exc


def is_kept(raw: Path, sha256: str) -> bool:
    """Whether the folder `raw` holds the bytes with this hash, whole and unchanged."""
    try:
        return hash_file(raw / sha256) == sha256
    except OSError:
        return False


def read_kept(raw: Path, sha256: str, *, location: str) -> bytes:
    """The bytes with this hash; `location` says in an error message which file or page they are.

    Raises:
        ShowFolderError: The kept file is gone, cannot be read, or was changed.
    """
    path = raw / sha256
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise ShowFolderError(f"{path} is gone; it held {location}.", hint=_FETCH_AGAIN) from exc
    except OSError as exc:
        message = f"cannot read {path}, which holds {location}: {exc.strerror}."
        raise ShowFolderError(message, hint="Check who may read it.") from exc
    if hash_bytes(data) != sha256:
        raise ShowFolderError(f"{path} was changed; it no longer holds {location} as fetched.", hint=_FETCH_AGAIN)
    return data


_FETCH_AGAIN = "Run `econchatr fetch`: what is gone or changed is fetched again."
