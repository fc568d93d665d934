"""Stretches of speech that come again, in other episodes or later in the same file."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from econchatr.parse.lines import list_words, split_sentences
from econchatr.records import Turn

_MIN_SENTENCE_WORDS: Final = 8
_MIN_EPISODES: Final = 3
"""Source: on an interview show, exact sentences of eight words in three episodes found 10.6% of the host's words, the
outro of nearly every episode among them; fewer words or episodes find manners of speaking."""

EDGE_TURNS: Final = 4
"""So many turns at either end of an episode may be its greeting and its farewell."""

_MIN_PARAGRAPH_WORDS: Final = 20
_JACCARD: Final = 0.7
_N_PERMUTATIONS: Final = 64
_BAND: Final = 8
_SHINGLE_WORDS: Final = 3
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 divided by the golden ratio: spreads numbers over all bits. Source: Knuth, TAOCP 6.4, multiplicative hashing."""
_MAX_PARAGRAPH_WORDS: Final = 2000
_MAX_PARTNERS: Final = 50
_GRAM_WORDS: Final = 5
_MAX_OPENING_TURNS: Final = 12
_MAX_OPENING_SHARE: Final = 0.15
_MIN_OPENING_WORDS: Final = 12
_MIN_RECURRING: Final = 0.5

Shingles: TypeAlias = NDArray[np.uint32]
"""The distinct runs of three words of a paragraph, as numbers, sorted."""


@dataclass(frozen=True)
class Repeat:
    """A stretch of a turn's text that stands in several episodes."""

    start: int
    end: int
    n_episodes: int
    edge: Literal["start", "end", ""] = ""
    """The end of an episode where more than half of its copies stand."""


def find_repeats(turns: Sequence[Turn]) -> dict[int, list[Repeat]]:
    """Get place in `turns` -> its sentences that stand word for word in three or more episodes.

    The turns of an episode must stand together.
    """
    seen, rows = dict[int, _Copies](), tuple(array("q") for _ in range(4))
    lengths, first, slug = Counter(turn.slug for turn in turns), 0, ""
    for place, turn in enumerate(turns):
        first, slug = (first, slug) if turn.slug == slug else (place, turn.slug)
        is_start, is_end = place - first < EDGE_TURNS, place - first >= lengths[slug] - EDGE_TURNS
        for start, end in split_sentences(turn.text):
            words = list_words(turn.text[start:end]) if end - start >= 3 * _MIN_SENTENCE_WORDS else []
            if len(words) < _MIN_SENTENCE_WORDS:
                continue
            key = hash(" ".join(words))
            seen.setdefault(key, _Copies()).count(slug, is_start=is_start, is_end=is_end)
            for row, value in zip(rows, (place, start, end, key), strict=True):
                row.append(value)
    found = defaultdict[int, list[Repeat]](list)
    for place, start, end, key in zip(*rows, strict=True):
        copies = seen[key]
        if copies.n_episodes >= _MIN_EPISODES:
            found[place].append(Repeat(start, end, copies.n_episodes, copies.edge))
    return found


@dataclass(slots=True)
class _Copies:
    """How often one sentence was met, and where."""

    slug: str = ""
    n_episodes: int = 0
    n_all: int = 0
    n_start: int = 0
    n_end: int = 0

    def count(self, slug: str, *, is_start: bool, is_end: bool) -> None:
        self.n_episodes += slug != self.slug
        self.slug = slug
        self.n_all += 1
        self.n_start += is_start
        self.n_end += is_end

    @property
    def edge(self) -> Literal["start", "end", ""]:
        return "start" if 2 * self.n_start > self.n_all else "end" if 2 * self.n_end > self.n_all else ""


def find_near_repeats(turns: Sequence[Turn]) -> dict[int, list[Repeat]]:
    """Get place in `turns` -> its paragraphs of 20 words or more that stand reworded in three or more episodes.

    Two paragraphs are alike where their runs of three words have an estimated Jaccard similarity of 0.7 or more.
    """
    spans, shingles, alike = list[tuple[int, int, int]](), dict[int, Shingles](), _Groups()
    exact, words = dict[int, int](), _WordNumbers()
    for place, turn in enumerate(turns):
        for start, end, said in _list_paragraphs(turn.text):
            number = len(spans)
            spans.append((place, start, end))
            alike.add(number)
            # A copy needs no shingles of its own.
            twin = exact.setdefault(hash(" ".join(said)), number)
            if twin == number:
                shingles[number] = words.shingle(said)
            else:
                alike.join(twin, number)
    _join_similar(_list_candidates(shingles), alike)
    found = defaultdict[int, list[Repeat]](list)
    for group in alike.list_groups():
        n_episodes = len({turns[spans[number][0]].slug for number in group})
        for place, start, end in (spans[number] for number in group if n_episodes >= _MIN_EPISODES):
            found[place].append(Repeat(start, end, n_episodes))
    return found


def _list_candidates(shingles: dict[int, Shingles]) -> dict[int, Shingles]:
    """Get those that may be alike to another: nearly all of speech is not, and needs no sketch.

    Two sets of Jaccard similarity t share at least one of the rarest floor((1 - t) n) + 1 of the n members of each;
    where none of those stands anywhere else, nothing is alike.

    Source: prefix filtering, Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins" (2006).
    """
    if not shingles:
        return {}
    values, counts = np.unique(np.concatenate(list(shingles.values())), return_counts=True)
    found = {}
    for number, own in shingles.items():
        n_prefix = int((1 - _JACCARD) * len(own) + 1e-9) + 1
        frequencies = counts[np.searchsorted(values, own)]
        if n_prefix >= len(own) or np.partition(frequencies, n_prefix - 1)[n_prefix - 1] > 1:
            found[number] = own
    return found


def _join_similar(shingles: dict[int, Shingles], alike: _Groups) -> None:
    """Join those whose sketches agree in 0.7 of their places, among those that agree in a whole band of places.

    Source: MinHash and its bands, Broder, "On the resemblance and containment of documents" (1997). The sketches are
    those of datasketch 2 (scheme affine32, seed 1), and so is the width of a band, which errs least at 0.7.
    """
    bands = defaultdict[tuple[int, bytes], list[int]](list)
    sketches, draw = dict[int, Shingles](), np.random.RandomState(1).randint
    factors = draw(0, 1 << 31, _N_PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    shifts = draw(0, 1 << 32, _N_PERMUTATIONS, dtype=np.uint32)
    for number, own in shingles.items():
        sketch = sketches[number] = (_mix(own)[:, None] * factors + shifts).min(axis=0)
        places = [(start, sketch[start : start + _BAND].tobytes()) for start in range(0, _N_PERMUTATIONS, _BAND)]
        for other in sorted({other for place in places for other in bands[place]})[:_MAX_PARTNERS]:
            if np.count_nonzero(sketch == sketches[other]) >= _JACCARD * _N_PERMUTATIONS:
                alike.join(other, number)
        for place in places:
            bands[place].append(number)


def _mix(numbers: Shingles) -> Shingles:
    """Spread numbers over all bits, each to a number of its own. Source: MurmurHash3's finalizer."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        numbers = (numbers ^ (numbers >> np.uint32(shift))) * np.uint32(factor)
    return numbers ^ (numbers >> np.uint32(16))


class _WordNumbers:
    """Words as numbers, each looked up once; the same word has the same number in every run."""

    def __init__(self) -> None:
        # Not Python's own hash: it differs from run to run, and so would the sketches.
        self._numbers = _Crc32()

    def shingle(self, words: list[str]) -> Shingles:
        """Get the distinct runs of three words as 32-bit numbers, sorted."""
        numbers = np.fromiter(map(self._numbers.__getitem__, words), np.uint64, len(words))
        n_runs = max(1, len(words) - _SHINGLE_WORDS + 1)
        mixed = np.zeros(n_runs, np.uint64)
        for shift in range(min(_SHINGLE_WORDS, len(words))):
            mixed = (mixed ^ numbers[shift : shift + n_runs]) * _ODD
        return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


class _Crc32(dict[str, int]):
    def __missing__(self, word: str) -> int:
        self[word] = crc32(word.encode())
        return self[word]


def find_cold_open(turns: Sequence[Turn]) -> dict[int, float]:
    """Get place in one episode's turns -> the share of its runs of five words that come again later in the file.

    Only the beginning is looked at (12 turns, 15% of the words), and only turns of 12 words or more of which more than
    half comes again.

    Source: in 257 of 266 cold opens of an interview show, more than half of the runs of five words recurred.
    """
    words = [list_words(turn.text) for turn in turns]
    n_all, n_before, n_opening = sum(map(len, words)), 0, 0
    while n_opening < min(_MAX_OPENING_TURNS, len(turns) - 1) and n_before <= _MAX_OPENING_SHARE * n_all:
        n_before += len(words[n_opening])
        n_opening += 1
    grams = {place: _make_grams(words[place]) for place in range(n_opening) if len(words[place]) >= _MIN_OPENING_WORDS}
    if not grams:
        return {}
    rest = [word for said in words[n_opening:] for word in said]
    recurring = set[tuple[str, ...]]().union(*grams.values()).intersection(_make_grams(rest))
    shares = {place: len(own & recurring) / len(own) for place, own in grams.items() if own}
    return {place: share for place, share in shares.items() if share > _MIN_RECURRING}


def _make_grams(words: list[str]) -> set[tuple[str, ...]]:
    return set(zip(*(words[shift:] for shift in range(_GRAM_WORDS)), strict=False))


def _list_paragraphs(text: str) -> list[tuple[int, int, list[str]]]:
    found, start = list[tuple[int, int, list[str]]](), 0
    for line in text.split("\n"):
        words = list_words(line) if len(line) >= 3 * _MIN_PARAGRAPH_WORDS else []
        if len(words) >= _MIN_PARAGRAPH_WORDS:
            found.append((start, start + len(line), words[:_MAX_PARAGRAPH_WORDS]))
        start += len(line) + 1
    return found


class _Groups:
    """Numbers joined into groups (union-find)."""

    def __init__(self) -> None:
        self._parents = list[int]()

    def add(self, number: int) -> None:
        self._parents.append(number)

    def join(self, one: int, other: int) -> None:
        self._parents[self._find(other)] = self._find(one)

    def list_groups(self) -> list[list[int]]:
        groups = defaultdict[int, list[int]](list)
        for number in range(len(self._parents)):
            groups[self._find(number)].append(number)
        return [group for group in groups.values() if len(group) >= _MIN_EPISODES]

    def _find(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number
