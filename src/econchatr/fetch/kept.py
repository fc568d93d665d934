"""The bytes of fetched files, each kept under the sha256 of its content and checked against that hash when read."""

from __future__ import annotations

from pathlib import Path

from econchatr.errors import ShowFolderError
from econchatr.tables import hash_bytes, hash_file


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
