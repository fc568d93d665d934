"""A turn's text -> its sentences with their places, and words in the form in which they are compared.

It knows no language beyond full stops; it is fast rather than clever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_BOUNDARY: Final = re.compile(r"(?<=[.!?…])[\"”’')\]]{0,4}\s+|\n+")
_WORDS: Final = re.compile(r"\w+(?:['’]\w+)?")


def split_sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Get where each sentence or line begins and ends, white space aside."""
    begin, end = start, len(text) if end is None else end
    for boundary in _BOUNDARY.finditer(text, start, end):
        if boundary.start() > begin:
            yield begin, boundary.start() + len(boundary[0].rstrip())
        begin = boundary.end()
    if begin < end:
        yield begin, end


def list_words(text: str) -> list[str]:
    """Get the words in small letters, without punctuation."""
    return _WORDS.findall(text.lower().replace("’", "'"))
