"""Which guests an answer names: the ones asked for, others of the show, and people who never were a guest.

Known guests are found by their names. Everybody else is found by form alone: two to five capitalised words in a row,
without those that make a place, a prize, a firm or a book. So a ship may be taken for a person, and a stranger of whom
only one name is given is missed. The lists are there to be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from econchatr.noun_phrases import word_list
from econchatr.records import Turn

_SPELLING: Final = 0.88
"""Likeness of two names from which on they are one name, misspelt: `Nasim Taleb` for `Nassim Taleb`."""

_CAPITALISED: Final = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*\.?|[,;:!?()\[\]\"“”\n/&*•—–]|\d+")


# --- the exam: guests by the lists of word_lists.toml -----------------------------------------------------------------


class NamedGuests(NamedTuple):
    """The names in one answer, each once, in the order in which they come."""

    right: tuple[str, ...]
    """Guests asked for, as the episodes spell them."""
    misplaced: tuple[str, ...]
    """Guests of the show, not asked for, as the episodes spell them."""
    invented: tuple[str, ...]
    """Never a guest, as the answer spells them."""


class GuestBook:
    """Every guest of a show, to be recognised in a text."""

    def __init__(self, guests: Iterable[str]) -> None:
        self._by_words = {_fold(name): name for name in guests if _fold(name)}
        counts = Counter(words[-1] for words in self._by_words)
        # Last name -> guest, where only one guest has it.
        self._surnames = {
            words[-1]: name for words, name in self._by_words.items() if counts[words[-1]] == 1 and len(words[-1]) > 2
        }

    def read(self, text: str, *, asked_for: Collection[str], passed_over: Collection[str] = ()) -> NamedGuests:
        """Whom the text names.

        Args:
            asked_for: The guests of a right answer, spelt as in the book.
            passed_over: Names and titles that count for nothing: the host, the show, the words of the question.
        """
        right, misplaced, invented = dict[str, None](), dict[str, None](), dict[str, None]()
        quiet = [_fold(name) for name in passed_over]
        for words in _list_names(text):
            folded = _fold(" ".join(words))
            if folded and any(_holds(other, folded) for other in quiet):
                continue
            guest = self._recognise(folded)
            if guest is not None:
                (right if guest in asked_for else misplaced)[guest] = None
            elif _looks_like_a_person(words):
                invented[" ".join(words)] = None
        return NamedGuests(tuple(right), tuple(misplaced), tuple(invented))

    def _recognise(self, folded: tuple[str, ...]) -> str | None:
        """The guest a name means: the same, the same but for middle names or a slip of spelling, a surname alone."""
        if folded in self._by_words:
            return self._by_words[folded]
        if len(folded) < 2:
            return self._surnames.get(folded[0]) if folded else None
        for known, name in self._by_words.items():
            if (known[0], known[-1]) == (folded[0], folded[-1]):
                return name
            if known[-1][0] == folded[-1][0] and len(known) == len(folded):
                alike = SequenceMatcher(None, " ".join(known), " ".join(folded), autojunk=False).ratio()
                if alike >= _SPELLING:
                    return name
        return None


def _list_names(text: str) -> list[list[str]]:
    """Every run of capitalised words, without titles before it and small words that only begin a sentence."""
    runs: list[list[str]] = [[]]
    for token in _CAPITALISED.findall(text):
        word = token.rstrip(".")
        if re.match(r"I['’]", word):
            runs.append([])
            continue
        is_initial = len(word) == 1 and word.isupper()
        if word[:1].isupper():
            runs[-1].append(word)
            # `Paul Romer. Tyler Cowen`: a full stop ends a name, unless it stands behind an initial or a title.
            if token.endswith(".") and not is_initial and word.casefold() not in word_list("titles"):
                runs.append([])
        elif word.casefold() in word_list("particles") and runs[-1]:
            runs[-1].append(word)
        else:
            runs.append([])
    return [name for run in runs if (name := _trim(run))]


def _trim(run: list[str]) -> list[str]:
    words = list(run)
    while words and words[0].casefold().split("'")[0].split("’")[0] in word_list("openers") | word_list("titles"):
        words.pop(0)
    while words and words[-1].casefold() in word_list("particles") | word_list("openers"):
        words.pop()
    if words:
        words[-1] = re.sub(r"['’]s$", "", words[-1])
    return words


def _looks_like_a_person(words: Sequence[str]) -> bool:
    return (
        2 <= len(words) <= 5
        and any(len(word) > 1 for word in words)
        and not any(word.casefold() in word_list("no_person") or (len(word) > 3 and word.isupper()) for word in words)
    )


def _fold(name: str) -> tuple[str, ...]:
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return tuple(re.sub(r"[^\w\s]", "", plain.casefold()).split())


# --- closed questions: guests by the show's own speech ----------------------------------------------------------------

_TOKEN: Final = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*\.?|\S")
_LETTERS: Final = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_TITLES: Final = frozenset({"dr", "mr", "mrs", "ms", "miss", "prof", "professor", "sir", "dame", "lord", "lady"})
_PARTICLES: Final = frozenset(
    {"al", "bin", "da", "de", "del", "den", "der", "di", "dos", "du", "el", "la", "le", "ten", "van", "von", "y"}
)
_MIN_SMALL: Final = 2
"""How often a word must be written small to be no name."""


class Named(NamedTuple):
    """One name in an answer."""

    text: str
    guests: frozenset[str]
    """The guests it may mean, by full name; empty: nobody who was ever a guest."""


@dataclass(frozen=True)
class NameBook:
    """Every guest of a show, and the words that are no names."""

    guests: dict[tuple[str, ...], frozenset[str]]
    """Full name, first name or surname, folded -> the guests it may mean."""
    small_words: frozenset[str]
    """Words that the show writes small."""

    def find(self, text: str, *, prompt: str = "", single: bool = False) -> list[Named]:
        """Find the names of an answer, in order, each once; what the prompt itself names does not count.

        Args:
            text: The answer.
            prompt: What was asked.
            single: Whether one capitalised word can be the name of a stranger (`Sarah`), or only two and more.
        """
        asked = fold_name(prompt)
        found: dict[tuple[str, ...], Named] = {}
        for words in map(self._trim, _list_runs(text)):
            folded = fold_name(" ".join(words))
            guests = self.guests.get(folded, frozenset())
            if not folded or _holds(asked, folded):
                continue
            if guests or (len(folded) >= (1 if single else 2) and self._is_name(words)):
                found.setdefault(folded, Named(" ".join(words), guests))
        return list(found.values())

    def _trim(self, run: Sequence[str]) -> list[str]:
        """Cut titles, and words in front that are only written large because a sentence begins there."""
        words = [word for word in run if word.casefold() not in _TITLES]
        while words and fold_name(" ".join(words)) not in self.guests and words[0].casefold() in self.small_words:
            words = words[1:]
        while words and words[-1].casefold() in _PARTICLES:
            words = words[:-1]
        return words

    def _is_name(self, words: Sequence[str]) -> bool:
        is_shouted = all(word.isupper() and len(word) > 1 for word in words)  # an abbreviation
        return not is_shouted and any(word.casefold() not in self.small_words for word in words if len(word) > 1)


def list_guests(turns: Iterable[Turn]) -> dict[str, tuple[str, ...]]:
    """Get slug -> the guests who speak there, by full name; a label that is no full name (`Speaker 1`) is none."""
    found: dict[str, dict[str, None]] = {}
    for turn in turns:
        if turn.role == "guest" and _is_full_name(turn.speaker):
            found.setdefault(turn.slug, {})[turn.speaker] = None
    return {slug: tuple(names) for slug, names in found.items()}


def _is_full_name(label: str) -> bool:
    """Whether a speaker's label is a first name and a surname.

    >>> [_is_full_name(label) for label in ("Ada Voss", "Speaker 1", "Guest", "Ida van Marrack", "GUEST TWO")]
    [True, False, False, True, False]
    """
    words = [word for word in label.split() if word.casefold() not in _PARTICLES]
    is_written_as_name = all(word[0].isupper() and not word.isdigit() for word in words)
    return 2 <= len(words) <= 5 and is_written_as_name and not label.isupper()


def make_name_book(turns: Sequence[Turn]) -> NameBook:
    """Make the book of a show from all its turns."""
    meanings: dict[tuple[str, ...], set[str]] = {}
    for names in list_guests(turns).values():
        for name in names:
            folded = fold_name(name)
            for form in (folded, folded[:1], folded[-1:]):
                meanings.setdefault(form, set()).add(name)
    words = (word for turn in turns for word in _LETTERS.findall(turn.text))
    small = Counter(word.casefold() for word in words if word[0].islower())
    return NameBook(
        {form: frozenset(names) for form, names in meanings.items()},
        frozenset(word for word, n in small.items() if n >= _MIN_SMALL),
    )


def fold_name(name: str) -> tuple[str, ...]:
    """Get the words of a name without accents, marks and case.

    >>> fold_name("Zoë O’Brien-Díaz")
    ('zoe', 'obriendiaz')
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return tuple(word for part in plain.casefold().split() if (word := re.sub(r"[^\w]|_", "", part)))


def _list_runs(text: str) -> list[list[str]]:
    """Every run of capitalised words in a row; small particles (`van`) may stand inside."""
    runs: list[list[str]] = [[]]
    for token in _TOKEN.findall(text):
        word = re.sub(r"['’]s$", "", token.rstrip("."))
        is_initial = len(word) == 1 and word != "I"
        if word[:1].isupper() and not re.match(r"I(['’]|$)", word):
            runs[-1].append(word)
            if (token.endswith(".") and not is_initial and word.casefold() not in _TITLES) or word != token.rstrip("."):
                runs.append([])
        elif word.casefold() in _PARTICLES and runs[-1]:
            runs[-1].append(word)
        else:
            runs.append([])
    return [run for run in runs if run]


def _holds(outer: tuple[str, ...], inner: tuple[str, ...]) -> bool:
    return any(outer[start : start + len(inner)] == inner for start in range(len(outer) - len(inner) + 1))
