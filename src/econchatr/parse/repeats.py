"""Turns of a whole show -> the stretches that come again: in other episodes, or later in the same file.

It finds and counts; whether a repeat is an advertisement or a manner of speaking is decided where flags are set.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal
from zlib import crc32

from econchatr.parse.sentences import list_words, split_sentences
from econchatr.records import Turn

MIN_SENTENCE_WORDS: Final = 8
MIN_EPISODES: Final = 3
"""Source: on an interview show, exact sentences of eight words in three episodes found 10.6% of the host's words, the
outro of nearly every episode among them; fewer words or episodes find manners of speaking."""

EDGE_TURNS: Final = 4
"""So many turns at either end of an episode may be its greeting and its farewell."""

_MIN_PARAGRAPH_WORDS: Final = 20
_JACCARD: Final = 0.7
_N_PERMUTATIONS: Final = 64
_SHINGLE_WORDS: Final = 3
_MAX_PARAGRAPH_WORDS: Final = 2000
_MAX_PARTNERS: Final = 50
_GRAM_WORDS: Final = 5
_MAX_OPENING_TURNS: Final = 12
_MAX_OPENING_SHARE: Final = 0.15
_MIN_OPENING_WORDS: Final = 12
_MIN_RECURRING: Final = 0.5


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
            words = list_words(turn.text[start:end]) if end - start >= 3 * MIN_SENTENCE_WORDS else []
            if len(words) < MIN_SENTENCE_WORDS:
                continue
            key = hash(" ".join(words))
            seen.setdefault(key, _Copies()).count(slug, is_start=is_start, is_end=is_end)
            for row, value in zip(rows, (place, start, end, key), strict=True):
                row.append(value)
    found = defaultdict[int, list[Repeat]](list)
    for place, start, end, key in zip(*rows, strict=True):
        copies = seen[key]
        if copies.n_episodes >= MIN_EPISODES:
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
    from datasketch import MinHashLSH

    index: Any = MinHashLSH(threshold=_JACCARD, num_perm=_N_PERMUTATIONS)
    spans, sketches, alike = list[tuple[int, int, int]](), list[Any](), _Groups()
    exact = dict[int, int]()
    for place, turn in enumerate(turns):
        for start, end, words in _list_paragraphs(turn.text):
            number = len(spans)
            spans.append((place, start, end))
            alike.add(number)
            # A copy needs no sketch of its own.
            twin = exact.setdefault(hash(" ".join(words)), number)
            sketches.append(None if twin != number else _sketch(words))
            if twin != number:
                alike.join(twin, number)
                continue
            for other in islice(index.query(sketches[number]), _MAX_PARTNERS):
                if sketches[number].jaccard(sketches[other]) >= _JACCARD:
                    alike.join(other, number)
            index.insert(number, sketches[number], check_duplication=False)
    found = defaultdict[int, list[Repeat]](list)
    for group in alike.list_groups():
        n_episodes = len({turns[spans[number][0]].slug for number in group})
        for place, start, end in (spans[number] for number in group if n_episodes >= MIN_EPISODES):
            found[place].append(Repeat(start, end, n_episodes))
    return found


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


def _sketch(words: list[str]) -> Any:
    from datasketch import MinHash

    # Not Python's own hash: it differs from run to run, and so would the estimate.
    shingles = {
        crc32(" ".join(words[place : place + _SHINGLE_WORDS]).encode())
        for place in range(max(1, len(words) - _SHINGLE_WORDS + 1))
    }
    sketch = MinHash(num_perm=_N_PERMUTATIONS, hashfunc=int)
    sketch.update_batch(list(shingles))
    return sketch


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
        return [group for group in groups.values() if len(group) >= MIN_EPISODES]

    def _find(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number
