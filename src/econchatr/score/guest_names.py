"""Which guests an answer names: the ones asked for, others of the show, and people who never were a guest.

Known guests are found by their names. Everybody else is found by form alone: two to five capitalised words in a row,
without those that make a place, a prize, a firm or a book. So this module does not know who is a person; it may take
a ship for one, and it misses a stranger of whom only one name is given. The lists it gives are there to be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from difflib import SequenceMatcher
from functools import cached_property
from typing import Final, NamedTuple

from econchatr.score.word_lists import word_list

_SPELLING: Final = 0.88
"""Likeness of two names from which on they are one name, misspelt: `Nasim Taleb` for `Nassim Taleb`."""

_TOKEN: Final = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*\.?|[,;:!?()\[\]\"“”\n/&*•—–]|\d+")


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

    @cached_property
    def _surnames(self) -> dict[str, str]:
        """Last name -> guest, where only one guest has it."""
        counts = Counter(words[-1] for words in self._by_words)
        return {
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
            if any(_holds(other, words) for other in quiet):
                continue
            guest = self._recognise(words)
            if guest is not None:
                (right if guest in asked_for else misplaced)[guest] = None
            elif _looks_like_a_person(words):
                invented[" ".join(words)] = None
        return NamedGuests(tuple(right), tuple(misplaced), tuple(invented))

    def _recognise(self, words: Sequence[str]) -> str | None:
        """The guest a name means: the same, the same but for middle names or a slip of spelling, a surname alone."""
        folded = _fold(" ".join(words))
        if not folded:
            return None
        if folded in self._by_words:
            return self._by_words[folded]
        if len(folded) == 1:
            return self._surnames.get(folded[0])
        ends = (folded[0], folded[-1])
        for known, name in self._by_words.items():
            if (known[0], known[-1]) == ends:
                return name
            if known[-1][0] == folded[-1][0] and len(known) == len(folded):
                alike = SequenceMatcher(None, " ".join(known), " ".join(folded), autojunk=False).ratio()
                if alike >= _SPELLING:
                    return name
        return None


def _list_names(text: str) -> list[list[str]]:
    """Every run of capitalised words, without titles before it and small words that only begin a sentence."""
    runs: list[list[str]] = [[]]
    for token in _TOKEN.findall(text):
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
    full = [word for word in words if len(word) > 1]
    return (
        2 <= len(words) <= 5
        and bool(full)
        and not any(word.casefold() in word_list("no_person") or (len(word) > 3 and word.isupper()) for word in words)
    )


def _holds(outer: Sequence[str], words: Sequence[str]) -> bool:
    inner = _fold(" ".join(words))
    return bool(inner) and any(tuple(outer[i : i + len(inner)]) == inner for i in range(len(outer)))


def _fold(name: str) -> tuple[str, ...]:
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return tuple(re.sub(r"[^\w\s]", "", plain.casefold()).split())
