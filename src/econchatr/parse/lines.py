"""Text files line by line, and which words before a colon are a speaker's label."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from econchatr.errors import TranscriptError
from econchatr.parse.labels import is_named
from econchatr.parse.people import SpeakerTable, fold_label, is_anonymous, is_pseudo, tidy_label

INVISIBLE: Final = "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]{0,8}"
"""Marks of direction and of no width, which editors leave at line starts."""

MAX_SPEAKERS: Final = 5_000
"""Different labels in one file."""
_MAX_LABEL_CHARS: Final = 60
_MAX_LABEL_WORDS: Final = 6
_MAX_SINGLE_WORDS: Final = 4
_MAX_SMALL_WORDS: Final = 3
_MAX_TOLD: Final = 5
_ASIDE: Final = re.compile(r"\([^()]{0,60}\)|\[[^\[\]]{0,60}\]")
_NICKNAME: Final = re.compile(r"[\"“”][^\"“”]{1,40}[\"“”]")
_BESIDE: Final = re.compile(r"\s+[-–—|/@]\s.*|\s*#\d{1,3}\s*$")
_BRACKETS: Final = re.compile(r"[\[\]\"“”|]")
_INNER: Final = re.compile(r"(?<=[.?!…])[ \t]{1,3}([^\W_][^:\n<>{}?!]{1,59}?):(?=\s)")
_WORD: Final = re.compile(r"[^\W_][\w.'’\-&/()]*,?")
COLON: Final = rf"(?:[ \t]?:{INVISIBLE}(?=\s|$)|[ \t]?：|:(?=[^\W\d_]))"
"""What ends a label: a colon and a space or the line's end, a full-width colon, or a colon right before a letter."""
_FOOTER: Final = re.compile(
    r"(?:this |the )?(?:editable )?transcript(?:ion)? (?:was (?:computer|automatically|auto)|ended after)\b.{0,200}"
    r"|transcribed (?:by|with) .{0,80}|(?:[^\W_][\w ]{0,30}:[ \t]*)?https?://\S+",
    re.IGNORECASE,
)
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
    "he", "she", "they", "it", "because", "important", "notes", "key", "takeaway", "takeaways", "bonus",
    "attendees", "participants", "agenda", "action", "resources", "references", "mentioned",
    "for", "if", "when", "why", "what", "how", "who", "where", "yes", "no",
})
# fmt: on


def iterate_lines(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Get each line with its place in the file, without the white space at its end."""
    offset = start
    for line in text[start:].splitlines(keepends=True):
        yield offset, line.rstrip()
        offset += len(line)


def is_footer(line: str) -> bool:
    """Say whether a line is a transcriber's note, or an address alone, and nobody's speech."""
    return _FOOTER.fullmatch(line.strip()) is not None


def _is_word(word: str) -> bool:
    """Say whether a word may stand in a name; vowel signs (Hindi, Tamil, Thai) count as letters."""
    return _WORD.fullmatch(word if word.isascii() else _drop_signs(word)) is not None


def _drop_signs(word: str) -> str:
    return "".join(sign for sign in word if unicodedata.category(sign)[0] != "M")


def is_name(label: str) -> bool:
    """Say whether words before a colon are shaped like a name: few, and not written small."""
    name = tidy_label(label)
    words = name.split()
    if not words or len(name) > _MAX_LABEL_CHARS or len(words) > _MAX_LABEL_WORDS:
        return False
    if is_anonymous(name):
        return True
    if not any(map(str.isalpha, name)) or words[0].lower().strip(",.") in _NO_NAMES:
        return False
    return all(
        _is_word(word) and (not word[0].islower() or (place > 0 and _may_be_small(word)))
        for place, word in enumerate(words)
    )


def _may_be_small(word: str) -> bool:
    """Say whether a word may stand inside a name although it begins small: `van`, `deBoer`."""
    return word in _PARTICLES or any(map(str.isupper, word))


class Labels(NamedTuple):
    """The labels of one file."""

    sure: frozenset[str]
    """Folded; each is a speaker's."""
    doubtful: tuple[str, ...] = ()
    """In the file's spelling: words that stand like a label, and are not taken for one."""


def check_speakers(labels: Iterable[str]) -> None:
    """Refuse what names more speakers than any talk has: a table, a log, or a file made to be slow.

    Raises:
        TranscriptError: It does.
    """
    n_labels = len(set(labels))
    if n_labels > MAX_SPEAKERS:
        raise TranscriptError(
            f"it names {n_labels:,} speakers, and a transcript has at most {MAX_SPEAKERS:,}",
            hint="Is it a table or a log? Take it out of the show's folder.",
        )


def choose_labels(found: Iterable[str], show: SpeakerTable, *, are_anchored: bool = False) -> Labels:
    """Get the labels of one file out of all words that stand before a colon where a label may stand.

    A label that `show.toml` or the feed knows is always one. If other words stand there as often as names, nothing else
    is. A word on its own counts from the second time on, two to four capitalised words at once, words written small
    from the third time on. `are_anchored`: a time stamp stands beside each, so once is enough for a name.

    Source: the rule of counting the others is podcast-clj's.
    """
    found_list = list(found)
    check_speakers(found_list)
    counts = Counter(map(fold_label, found_list))
    spellings = {fold_label(label): label for label in found_list}
    known = {label for label in counts if is_named(spellings[label], show) or show.knows(spellings[label])}
    names = {label for label in counts if is_name(_bare_label(spellings[label]))}
    small = {label for label in counts.keys() - names if _is_small_name(spellings[label])}
    often = {label for label in small if counts[label] >= (2 if are_anchored else 3)}
    sure = known | often | {label for label in names if are_anchored or _is_sure(spellings[label], counts[label])}
    n_names = sum(counts[label] for label in names | often | known)
    # Quotations and brackets never counted as others: only what is shaped like running speech does.
    n_others = counts.total() - n_names - sum(n for label, n in counts.items() if _BRACKETS.search(spellings[label]))
    if n_others >= n_names and not are_anchored:
        sure = known
    unsure = (names | small) - sure
    doubtful = [label for label in spellings if label in unsure]
    return Labels(frozenset(sure), tuple(tidy_label(spellings[label]) for label in doubtful))


def _bare_label(label: str) -> str:
    """Get a label without what stands beside a name: pronouns, a firm, a nickname, a place, a number.

    >>> _bare_label("Carol Bloom (she/her)"), _bare_label("Bob Guest - Acme"), _bare_label('Dwayne "The Rock" Johnson')
    ('Carol Bloom', 'Bob Guest', 'Dwayne Johnson')
    """
    name = _NICKNAME.sub(" ", _ASIDE.sub(" ", tidy_label(label)))
    return " ".join(_BESIDE.sub("", name).replace(" & ", " and ").replace(" + ", " and ").split())


def split_labelled(line: str, labels: Labels, start: int = 0) -> Iterator[tuple[int, int]]:
    """Get the stretches of a line; a new one begins where a sure label of two words stands behind a sentence."""
    begin = start
    for inner in _INNER.finditer(line, start):
        if fold_label(inner[1]) in labels.sure and " " in inner[1]:
            yield begin, inner.start(1)
            begin = inner.start(1)
    yield begin, len(line)


def tell_doubtful(labels: Labels) -> str:
    """Get what is doubtful about the labels of a file, and what to do; empty: nothing."""
    if not labels.doubtful:
        return ""
    some = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels.doubtful[:_MAX_TOLD])
    more = f" and {len(labels.doubtful) - _MAX_TOLD} more" if len(labels.doubtful) > _MAX_TOLD else ""
    return (
        f"{some}{more} may be labels: what follows them was left with whoever spoke before. If they are speakers, name "
        "them under [show.aliases]"
    )


def _is_small_name(label: str) -> bool:
    """Say whether a few words could be a name that is written small: `danah boyd`, `van Gogh`, `deadmau5`."""
    words = _bare_label(label).split()
    return (
        0 < len(words) <= _MAX_SMALL_WORDS
        and words[0].lower().strip(",.") not in _NO_NAMES
        and any(word[0].islower() for word in words)
        and all(_is_word(word) for word in words)
        and not any(word.isdigit() for word in words)
    )


def _is_sure(label: str, n_times: int) -> bool:
    name = _bare_label(label)
    return is_pseudo(name) or n_times >= 2 or 2 <= len(name.split()) <= _MAX_SINGLE_WORDS


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


class TurnWords(NamedTuple):
    """What was said in one turn, cut into sentences once for all who look at them."""

    text: str
    spans: list[tuple[int, int]]
    """Where each sentence or line begins and ends."""
    words: list[list[str]]
    """Of each of them."""

    @property
    def all_words(self) -> list[str]:
        """The words of all of it."""
        return [word for words in self.words for word in words]


def read_said(text: str) -> TurnWords:
    """Get a turn's sentences and their words."""
    spans = list(split_sentences(text))
    return TurnWords(text, spans, [list_words(text[start:end]) for start, end in spans])


def list_words(text: str) -> list[str]:
    """Get the words in small letters, without punctuation."""
    return _WORDS.findall(text.lower().replace("’", "'"))
