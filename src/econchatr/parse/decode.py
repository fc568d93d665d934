"""Bytes -> text, or a plain refusal.

It decides only whether a file is text and in which encoding; it does not know what a transcript is.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from econchatr.errors import TranscriptError

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""A four-hour transcript is under half a megabyte; eight bound the memory that a hostile file can take."""

_MAX_CONTROL_SHARE: Final = 0.001
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")


def decode_text(data: bytes, *, location: str) -> str:
    """Get the file's text: UTF-8 (with or without a mark), UTF-16 with a mark, else Windows-1252 if it looks like text.

    Raises:
        TranscriptError: the file is empty, too large, or not text.
    """
    if not data.strip():
        raise TranscriptError(f"{location} is empty", hint="Fetch the file again, or remove it from the source folder.")
    if len(data) > MAX_FILE_BYTES:
        raise TranscriptError(
            f"{location} has {len(data):,} bytes; a transcript may have {MAX_FILE_BYTES:,}",
            hint="Split the file into one file per episode.",
        )
    text = _decode(data)
    if text is None or not _looks_like_text(text):
        raise TranscriptError(
            f"{location} is not text ({len(data):,} bytes, first ones {data[:8].hex(' ')})",
            hint="Save the transcript as UTF-8 text.",
        )
    return text


def drop_controls(text: str) -> str:
    """Get the text without the control characters that no transcript means (NUL and the like)."""
    return _CONTROL.sub("", text)


def _decode(data: bytes) -> str | None:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        # Windows-1252 comes last because it accepts nearly anything.
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _looks_like_text(text: str) -> bool:
    n_controls = len(text) - len(drop_controls(text))
    if n_controls > len(text) * _MAX_CONTROL_SHARE:
        return False
    return sum(map(str.isalpha, text[:20_000])) >= 0.3 * len("".join(text[:20_000].split()))
