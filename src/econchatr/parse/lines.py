"""Text files line by line, and which words before a colon are a speaker's label.

It knows what a name looks like and how often labels must stand; it does not know any format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from econchatr.parse.labels import is_named
from econchatr.parse.people import SpeakerTable, fold_label, is_anonymous, is_pseudo, tidy_label

INVISIBLE: Final = "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]{0,8}"
"""Marks of direction and of no width, which editors leave at line starts."""

MAX_LABEL_CHARS: Final = 60
_MAX_LABEL_WORDS: Final = 6
_MAX_SINGLE_WORDS: Final = 4
_WORD: Final = re.compile(r"[^\W_][\w.'’\-&/()]*,?")
# Words inside a name that are written small.
_PARTICLES: Final = frozenset(
    {
        "de",
        "del",
        "della",
        "da",
        "di",
        "du",
        "der",
        "den",
        "van",
        "von",
        "bin",
        "ibn",
        "la",
        "le",
        "of",
        "and",
        "the",
        "y",
    }
)
# fmt: off
_NO_NAMES: Final = frozenset({
    "a", "an", "the", "this", "that", "these", "my", "your", "our", "his", "her", "its", "their", "one", "two",
    "three", "first", "second", "third", "question", "questions", "answer", "update", "example", "step", "point",
    "part", "rule", "option", "number", "quote", "so", "and", "but", "or", "then", "now", "here", "there", "date",
    "title", "duration", "length", "http", "https", "transcript", "summary", "keywords", "speakers", "episode",
    "chapter", "chapters", "topics", "links", "links:", "warning", "tip", "ps", "p.s", "re", "subject", "from", "to",
    "time", "source", "published", "recorded", "recording", "language", "url", "guests", "hosts", "i", "we", "you",
    "he", "she", "they", "it", "because", "for", "if", "when", "why", "what", "how", "who", "where", "yes", "no",
})
# fmt: on


def iterate_lines(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Get each line with its place in the file, without the white space at its end."""
    offset = start
    for line in text[start:].splitlines(keepends=True):
        yield offset, line.rstrip()
        offset += len(line)


def is_name(label: str) -> bool:
    """Say whether words before a colon are shaped like a name: few, and not written small."""
    name = tidy_label(label)
    words = name.split()
    if not words or len(name) > MAX_LABEL_CHARS or len(words) > _MAX_LABEL_WORDS:
        return False
    if is_anonymous(name):
        return True
    if not any(map(str.isalpha, name)) or words[0].lower().strip(",.") in _NO_NAMES:
        return False
    return all(
        _WORD.fullmatch(word) is not None and (not word[0].islower() or (place > 0 and _may_be_small(word)))
        for place, word in enumerate(words)
    )


def _may_be_small(word: str) -> bool:
    """Say whether a word may stand inside a name although it begins small: `van`, `deBoer`."""
    return word in _PARTICLES or any(map(str.isupper, word))


def choose_labels(found: Iterable[str], show: SpeakerTable, *, are_anchored: bool = False) -> frozenset[str]:
    """Get the labels of one file (folded) out of all words that stand before a colon where a label may stand.

    If other words stand there as often as names, none is a label, but those of hosts and of whom the feed names. A word
    on its own counts from the second time on, two to four capitalised words at once. `are_anchored`: a time stamp
    stands beside each, so once is enough.

    Source: the rule of counting the others is podcast-clj's.
    """
    counts = Counter(map(fold_label, found_list := list(found)))
    spellings = {fold_label(label): label for label in found_list}
    names = {label for label in counts if is_name(spellings[label])}
    n_others = sum(n for label, n in counts.items() if label not in names)
    if n_others >= sum(counts[label] for label in names) and not are_anchored:
        return frozenset(label for label in names if is_named(spellings[label], show))
    return frozenset(label for label in names if are_anchored or _is_sure(spellings[label], counts[label], show))


def _is_sure(label: str, n_times: int, show: SpeakerTable) -> bool:
    name = tidy_label(label)
    if is_pseudo(name) or is_named(name, show):
        return True
    return n_times >= 2 or 2 <= len(name.split()) <= _MAX_SINGLE_WORDS


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
