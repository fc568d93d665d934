"""Bytes -> text, or a plain refusal."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from econchatr.errors import TranscriptError

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""A four-hour transcript is under half a megabyte; eight bound the memory that a hostile file can take."""

MAX_JSON_BYTES: Final = 24 * 1024 * 1024
"""A recogniser's JSON gives every word its times and a line of its own: about 5 megabytes an hour."""

_MAX_CONTROL_SHARE: Final = 0.001
_FEW_CONTROLS: Final = 8
_MAX_LOOKED_BYTES: Final = 20_000
_MIN_ZEROS: Final = 0.6
_MAX_ZEROS: Final = 0.05
_KANA: Final = re.compile("[\u3041-\u30ff]")
_HIGH_WORD: Final = re.compile(rb"(?<![A-Za-z])[\xa8\xb8\xc0-\xff]{3,}(?![A-Za-z])")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")


def decode_text(data: bytes, *, location: str) -> str:
    """Get the file's text: UTF-8, UTF-16 or UTF-32, with or without a mark; else an older encoding.

    Older ones are Shift JIS where kana come out, Windows-1251 where whole words are Cyrillic, and Windows-1252.

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
    for encoding in _list_encodings(data):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            if encoding == "utf-8-sig" and (repaired := _repair_utf8(data)) is not None:
                return repaired
    return None


def _list_encodings(data: bytes) -> Iterator[str]:
    """Get what the bytes may be written in, the likeliest first; the next is guessed only where those before fail."""
    if wide := _tell_wide(data):
        yield wide
        return
    yield "utf-8-sig"
    yield _tell_older(data)
    yield "cp1252"  # the last, because it accepts nearly anything


def _tell_wide(data: bytes) -> str:
    """Get which encoding with two or four bytes a letter it is, by its mark or by where its zeros are; empty: none."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = data[:_MAX_LOOKED_BYTES]
    zeros = [start[place::4].count(0) * 4 / max(1, len(start)) for place in range(4)]
    for encoding, places in (
        ("utf-32-le", (1, 2, 3)),
        ("utf-32-be", (0, 1, 2)),
        ("utf-16-le", (1, 3)),
        ("utf-16-be", (0, 2)),
    ):
        others = [zeros[place] for place in range(4) if place not in places]
        if min(zeros[place] for place in places) > _MIN_ZEROS and max(others) < _MAX_ZEROS:
            return encoding
    return ""


def _tell_older(data: bytes) -> str:
    """Get the encoding of a text from before Unicode, by what its letters would be."""
    start = data[:_MAX_LOOKED_BYTES]
    japanese = start[: len(start) - 1].decode("shift_jis", errors="ignore")
    n_high = len(start) - len(start.decode("ascii", errors="ignore"))
    if 3 * len(_KANA.findall(japanese)) > n_high > 0:
        return "shift_jis"
    # Cyrillic words have high bytes only; in a Western word they stand between plain letters.
    words = _HIGH_WORD.findall(start)
    n_whole = sum(len(word) for word in words)
    return "cp1251" if n_high and 3 * n_whole > 2 * n_high else "cp1252"


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
