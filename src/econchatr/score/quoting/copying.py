"""H4, the copy rate: how much of a text stands, word for word, in what the host said in training episodes.

A word is copied if it lies in a run of eight or more words that stand there too, the prompt's own words aside. Runs are
found with an index of hashed runs of eight: built once in seconds over millions of words, asked in milliseconds, and
checked against the words themselves. A sentence turned round is not found.

Source: shared reference `evaluation.md`, section 4 (BMC@k, arXiv 2603.20957) and 9.2, H4.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.records import Pair
from econchatr.score.speech import Said, split_words
from econchatr.score.statistics import Interval, share_interval

RUN_WORDS: Final = 8
"""Shorter runs are the language's, not the host's. Source: shared reference `evaluation.md`, 2.3: cov8."""

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
"""Any odd number with its bits well mixed."""


class CopiedRun(NamedTuple):
    """A run of words of a reply, and where the host said it."""

    n_words: int
    text: str
    """The words in small letters, without marks."""
    source: Pair
    """The training pair in whose reply it stands: its episode, date and place."""


class Copied(NamedTuple):
    """What one reply copies."""

    n_words: int
    n_copied: int
    """Words in runs of eight or more."""
    longest: CopiedRun | None


class Copying(NamedTuple):
    """What a row copies, or why that is not known."""

    share: Interval | None
    """Of the words."""
    replies: tuple[Copied, ...] = ()
    """In the order of the row."""
    reason: str = ""

    @property
    def longest(self) -> CopiedRun | None:
        """The longest run of all."""
        runs = [one.longest for one in self.replies if one.longest is not None]
        return max(runs, key=lambda run: run.n_words) if runs else None


@dataclass(frozen=True)
class SpeechIndex:
    """Where each run of eight words stands in some replies."""

    pairs: tuple[Pair, ...]
    vocabulary: dict[str, int]
    """Each word's number, from 1."""
    numbers: NDArray[np.int32]
    """All words in order; 0 parts the replies."""
    starts: NDArray[np.int64]
    """Where each pair's reply begins."""
    hashes: NDArray[np.uint64]
    """Of each run of eight, sorted."""
    places: NDArray[np.int32]
    """Where each of these begins."""


def index_speech(pairs: Sequence[Pair]) -> SpeechIndex:
    """Index the replies of these pairs. Memory: about 20 bytes a word."""
    vocabulary: dict[str, int] = {}
    numbers, starts = array("i"), list[int]()
    for pair in pairs:
        starts.append(len(numbers))
        numbers.extend([vocabulary.setdefault(word, len(vocabulary) + 1) for word in split_words(pair.reply)])
        numbers.append(0)
    words = np.frombuffer(numbers, dtype=np.int32) if numbers else np.zeros(0, dtype=np.int32)
    hashes, places = _hash_runs(words)
    order = np.argsort(hashes, kind="stable")
    return SpeechIndex(tuple(pairs), vocabulary, words, np.array(starts, dtype=np.int64), hashes[order], places[order])


def find_copied(text: str, index: SpeechIndex, *, prompt: str = "") -> Copied:
    """Find what a reply copies from the indexed replies; runs of eight that stand in the prompt do not count."""
    words = split_words(text)
    found = _find_runs(words, index, prompt)
    return Copied(len(words), int(_flag(words, found).sum()), _find_longest(found, words, index))


def flag_copied(text: str, index: SpeechIndex, *, prompt: str = "") -> list[bool]:
    """Tell for each word of `split_words(text)` whether it is copied, as `find_copied` counts it."""
    words = split_words(text)
    return [bool(flag) for flag in _flag(words, _find_runs(words, index, prompt))]


def _find_runs(words: Sequence[str], index: SpeechIndex, prompt: str) -> dict[int, NDArray[np.int32]]:
    """Where a run of eight begins that was said before, and every place where it was said."""
    # A word that stands nowhere gets a number that is nowhere either.
    numbers = np.array([index.vocabulary.get(word, -1) for word in words], dtype=np.int32)
    hashes, places = _hash_runs(numbers)
    low, high = (np.searchsorted(index.hashes, hashes, side=side) for side in ("left", "right"))
    asked_words = split_words(prompt)
    asked = {tuple(asked_words[at : at + RUN_WORDS]) for at in range(len(asked_words) - RUN_WORDS + 1)}
    found: dict[int, NDArray[np.int32]] = {}
    for place, first, last in zip(places.tolist(), low.tolist(), high.tolist(), strict=True):
        if first < last and tuple(words[place : place + RUN_WORDS]) not in asked:
            sources = index.places[first:last]
            there = index.numbers[sources[0] : sources[0] + RUN_WORDS]
            if (there == numbers[place : place + RUN_WORDS]).all():  # the same words, and not only the same hash
                found[place] = sources
    return found


def _flag(words: Sequence[str], found: Iterable[int]) -> NDArray[np.bool_]:
    is_copied = np.zeros(len(words), dtype=np.bool_)
    for place in found:
        is_copied[place : place + RUN_WORDS] = True
    return is_copied


def measure_copying(said: Sequence[Said], index: SpeechIndex) -> Copying:
    """Measure what share of a row's words is copied, with its interval over questions or episodes."""
    replies = tuple(find_copied(one.text, index, prompt=one.prompt) for one in said)
    n_words = [one.n_words for one in replies]
    if not sum(n_words):
        return Copying(None, replies, "no answers" if not said else "no word in the answers")
    share = share_interval([one.n_copied for one in replies], n_words, [one.group for one in said])
    return Copying(share, replies)


def _hash_runs(numbers: NDArray[np.int32]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Hash each run of eight that no boundary (0) and no unknown word (-1) breaks; with where it begins."""
    n_runs = len(numbers) - RUN_WORDS + 1
    if n_runs < 1:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int32)
    hashes = np.zeros(n_runs, dtype=np.uint64)
    for step in range(RUN_WORDS):
        hashes *= _FACTOR
        hashes += numbers[step : step + n_runs].astype(np.uint64)
    breaks = np.concatenate([[0], np.cumsum(numbers <= 0, dtype=np.int32)])
    places = np.flatnonzero(breaks[RUN_WORDS:] == breaks[:n_runs]).astype(np.int32)
    return hashes[places], places


def _find_longest(found: dict[int, NDArray[np.int32]], words: Sequence[str], index: SpeechIndex) -> CopiedRun | None:
    """Follow each source from one run of eight to the next: the longest that stands in one place."""
    best_length, best_end, best_source = 0, 0, 0
    lengths: dict[int, int] = {}
    last = -2
    for place, sources in found.items():
        before = lengths if place == last + 1 else {}
        lengths = {source: before.get(source - 1, RUN_WORDS - 1) + 1 for source in sources.tolist()}
        last = place
        source, length = max(lengths.items(), key=lambda item: item[1])
        if length > best_length:
            best_length, best_end, best_source = length, place + RUN_WORDS, source
    if not best_length:
        return None
    pair = index.pairs[int(np.searchsorted(index.starts, best_source, side="right")) - 1]
    return CopiedRun(best_length, " ".join(words[best_end - best_length : best_end]), pair)
