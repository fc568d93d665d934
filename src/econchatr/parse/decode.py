"""Bytes -> text, or a plain refusal."""

from __future__ import annotations

import codecs
import re
from typing import Final

from econchatr.errors import TranscriptError

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""A four-hour transcript is under half a megabyte; eight bound the memory that a hostile file can take."""

MAX_JSON_BYTES: Final = 24 * 1024 * 1024
"""A recogniser's JSON gives every word its times and a line of its own: about 5 megabytes an hour."""

_MAX_CONTROL_SHARE: Final = 0.001
_FEW_CONTROLS: Final = 8
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")


def decode_text(data: bytes, *, location: str) -> str:
    """Get the file's text: UTF-8 (with or without a mark), UTF-16 with a mark, else Windows-1252 if it looks like text.

    Raises:
        TranscriptError: the file is empty, too large, or not text.
    """
    if not data.strip():
        raise TranscriptError(f"{location} is empty", hint="Fetch the file again, or remove it from the source folder.")
    max_bytes = MAX_JSON_BYTES if data[:64].lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:1] in (b"{", b"[") else MAX_FILE_BYTES
    if len(data) > max_bytes:
        raise TranscriptError(
            f"{location} has {len(data):,} bytes; a transcript may have {max_bytes:,}",
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
            if encoding == "utf-8-sig" and (repaired := _repair_utf8(data)) is not None:
                return repaired
    return None


def _repair_utf8(data: bytes) -> str | None:
    """Get UTF-8 with a few broken characters (a cut-off file, a bad byte), each shown as U+FFFD; `None` if it is none.

    In another encoding nearly every byte beyond ASCII breaks; one bad byte must not garble all the good ones.
    """
    text = data.decode("utf-8-sig", errors="replace")
    n_broken = text.count("\ufffd")
    n_good = len(text) - len(text.encode("ascii", "ignore")) - n_broken
    return text if n_good > n_broken else None


def _looks_like_text(text: str) -> bool:
    n_controls = len(text) - len(drop_controls(text))
    if n_controls > max(_FEW_CONTROLS, len(text) * _MAX_CONTROL_SHARE):
        return False
    # Digits count: a subtitle file of short words is mostly times.
    return sum(map(str.isalnum, text[:20_000])) >= 0.3 * len("".join(text[:20_000].split()))
