"""Features of replies: their words and their pairs of neighbouring words (bigrams), as numbers.

A feature counts only if at least three replies of the pool hold it. What fewer replies share is a name, a slip or a
quotation, not a manner of speaking. Features are numbered in alphabetical order of their words, so the numbers do not
depend on threads or on the order of the replies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from econchatr.records import Pair

if TYPE_CHECKING:
    import polars as pl

Integers = npt.NDArray[np.int64]

_MIN_REPLIES: Final = 3
MAX_WEIGHT: Final = 200
"""Source of both: shared reference `evaluation.md`, 9.3; 200 was the best of five variants measured there."""

OWN_PARTS: Final = 32
"""So finely is told how far a feature is the host's own. Finer, and the sums of a million replies leave 64 bits."""

_WORD: Final = r"[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*"
_CHUNK_BITS: Final = 14
"""Texts are read in chunks of 2**14, and sorted in chunks of at most that, so that text and feature fit one 64-bit
number."""
_N_RANGES: Final = 16
_N_THREADS: Final = 2
"""Splitting, sorting and searching let other threads run. More would need more memory at once."""


class SparseRows(NamedTuple):
    """Rows of numbers, of unequal length, laid end to end."""

    starts: Integers
    """Row `i` is `numbers[starts[i]:starts[i + 1]]`; one more than there are rows."""
    numbers: npt.NDArray[np.int32]

    def row(self, place: int) -> npt.NDArray[np.int32]:
        """One row."""
        return self.numbers[self.starts[place] : self.starts[place + 1]]

    def pick(self, places: Integers) -> SparseRows:
        """Some of the rows, in the order given."""
        firsts = self.starts[places]
        ends = np.cumsum(self.starts[places + 1] - firsts)
        starts = np.concatenate(([0], ends))
        picked = np.repeat(firsts - starts[:-1], np.diff(starts)) + np.arange(starts[-1])
        return SparseRows(starts, self.numbers[picked])

    def sum(self, values: Integers) -> Integers:
        """Per row, the sum of the values that its numbers stand for, exactly."""
        # `reduceat` gives an empty row the value that follows it, so there must be one.
        sums = np.add.reduceat(np.append(values[self.numbers], 0), self.starts[:-1])
        sums[self.starts[1:] == self.starts[:-1]] = 0
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Which features each reply of a pool holds."""

    rows: SparseRows
    """A row per reply, in the order given: each feature at most once, ascending."""
    weights: Integers
    """Per feature what it is worth: how many replies hold it, at most `MAX_WEIGHT`; where there is speech of others to
    compare with, times how far it is the host's own, in parts of `OWN_PARTS`, act by act."""
    n_words: Integers
    """Per reply, rare words included."""
    words: tuple[str, ...]
    """The words among the features, which are numbered first."""
    bigrams: Integers
    """Per further feature, the places of its two words in `known`."""
    known: tuple[str, ...]

    @property
    def n_replies(self) -> int:
        """Replies of the pool."""
        return len(self.rows.starts) - 1

    def name(self, number: int) -> str:
        """A feature as people read it: `fence`, `chesterton fence`."""
        if number < len(self.words):
            return self.words[number]
        first, second = self.bigrams[number - len(self.words)]
        return f"{self.known[first]} {self.known[second]}"

    def sum_rows(self, values: Integers, replies: Integers | None = None) -> Integers:
        """Per reply (of all, or of those given), the sum of its features' values."""
        chosen = np.arange(self.n_replies) if replies is None else replies
        parts = range(0, len(chosen), 1 << _CHUNK_BITS)
        sums = [self.rows.pick(chosen[begin : begin + (1 << _CHUNK_BITS)]).sum(values) for begin in parts]
        return np.concatenate([np.zeros(0, np.int64), *sums])


class _Chunk(NamedTuple):
    """Some replies' features by code, each once per reply: codes ascending, and beside each whose it is."""

    codes: Integers
    docs: npt.NDArray[np.uint16]
    n_docs: int


_NO_CHUNK: Final = _Chunk(np.zeros(0, np.int64), np.zeros(0, np.uint16), 0)


def split_words(texts: Sequence[str]) -> pl.Series:
    """The words of each text, folded, as a column of lists: `Don’t worry!` gives `don't`, `worry`."""
    import polars as pl

    folded = pl.Series(texts, dtype=pl.String).str.to_lowercase().str.replace_all("’", "'", literal=True)
    return folded.str.extract_all(_WORD)


class Sides(NamedTuple):
    """What the host and what others said in doing the same: stating, or asking."""

    own: Sequence[str]
    others: Sequence[str]


def compare_acts(pairs: Iterable[Pair]) -> list[Sides]:
    """What host and others state, and what they ask, in pairs as they were said."""
    own: dict[bool, list[str]] = {False: [], True: []}
    others: dict[bool, list[str]] = {False: [], True: []}
    for pair in pairs:
        if not pair.is_answer:
            for asks, text in zip((False, True), pair.split_reply(), strict=True):
                own[asks] += [text] if text else []
            others[pair.cue_act == "asks"].append(pair.cue)
    return [Sides(own[asks], others[asks]) for asks in (False, True) if own[asks]]


def find_features(replies: Sequence[str], *, acts: Sequence[Sides] = ()) -> Features:
    """Number the words and pairs of neighbouring words that at least three of the replies hold.

    Args:
        acts: The host's speech beside that of others. In each act a feature weighs (h - c) / (h + c) of what it else
            would, where h and c are how often host and others hold it for each of their words; the acts add up. What is
            in no act more the host's is left out. None: every feature weighs by its frequency alone.
    """
    flat, n_words, known = _number_words(replies)
    bits = len(known).bit_length()
    with ThreadPoolExecutor(_N_THREADS) as threads:
        chunks = list(threads.map(lambda part: _code_chunk(part[0], part[1], bits), _cut(flat, n_words, bits)))
    codes, n_holding = _keep_common([chunk.codes for chunk in chunks])
    weights = np.minimum(n_holding, MAX_WEIGHT)
    if acts:
        weights = np.zeros_like(n_holding)
        for act in acts:
            is_pool = act.own is replies
            n_own, n_own_words = (
                (n_holding, int(n_words.sum())) if is_pool else _count_known(act.own, known, codes, bits)
            )
            n_others, n_other_words = _count_known(act.others, known, codes, bits)
            weights += np.minimum(n_own, MAX_WEIGHT) * _share_own(n_own * n_other_words, n_others * n_own_words)
        weights = np.minimum(weights, MAX_WEIGHT * OWN_PARTS)
        codes, weights = codes[weights > 0], weights[weights > 0]
    sizes, numbers = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for n_done, chunk in enumerate(chunks):
        size, found = _find_rows(chunk, codes)
        sizes.append(size)
        numbers.append(found)
        chunks[n_done] = _NO_CHUNK  # a million replies' codes take most of a gigabyte: let go of them one by one
    n_single = int(np.searchsorted(codes, 1 << bits))
    return Features(
        rows=SparseRows(np.concatenate(([0], np.cumsum(np.concatenate(sizes)))), np.concatenate(numbers)),
        weights=weights,
        n_words=n_words,
        words=tuple(known[code] for code in codes[:n_single]),
        bigrams=np.stack((codes[n_single:] >> bits, codes[n_single:] & ((1 << bits) - 1)), axis=1),
        known=known,
    )


def _number_words(replies: Sequence[str]) -> tuple[npt.NDArray[np.int32], Integers, tuple[str, ...]]:
    """Every word of every reply as a number, words per reply, and the numbers' words; 0 stands for all rare words."""
    flat, n_words, seen = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], dict[str, int]()
    with ThreadPoolExecutor(_N_THREADS) as threads:
        for split in threads.map(_split_some, _cut_texts(replies)):
            flat.append(split.number(lambda word: seen.setdefault(word, len(seen))))
            n_words.append(split.n_words)
    numbers = np.concatenate(flat)
    del flat
    # By the alphabet, so that a feature has the same number however the words came to be found.
    common = np.bincount(numbers, minlength=len(seen)) >= _MIN_REPLIES
    known = sorted(word for word, is_common in zip(seen, common.tolist(), strict=True) if is_common)
    renumbered = np.zeros(len(seen), np.int32)
    renumbered[[seen[word] for word in known]] = np.arange(1, len(known) + 1)
    return renumbered[numbers], np.concatenate(n_words), ("", *known)


def _count_known(texts: Sequence[str], known: Sequence[str], codes: Integers, bits: int) -> tuple[Integers, int]:
    """Per code, how many of other texts hold it; and how many words these have."""
    place_of = {word: place for place, word in enumerate(known) if word}

    def count(some: Sequence[str]) -> tuple[Integers, int]:
        split = _split_some(some)
        flat, n_holding = split.number(lambda word: place_of.get(word, 0)), np.zeros(len(codes), np.int64)
        for part in _cut(flat, split.n_words, bits):
            _, numbers = _find_rows(_code_chunk(*part, bits), codes)
            n_holding += np.bincount(numbers, minlength=len(codes))
        return n_holding, int(split.n_words.sum())

    n_holding, n_all = np.zeros(len(codes), np.int64), 0
    with ThreadPoolExecutor(_N_THREADS) as threads:
        for n_found, n_words in threads.map(count, _cut_texts(texts)):
            n_holding += n_found
            n_all += n_words
    return n_holding, n_all


def _share_own(own: Integers, others: Integers) -> Integers:
    """(own - others) / (own + others) in parts of `OWN_PARTS`, rounded down; 0 where others have as much."""
    shares: Integers = np.maximum(own - others, 0) * OWN_PARTS // np.maximum(own + others, 1)
    return shares


class _Split(NamedTuple):
    """The words of some texts: each distinct one once, and where they stand."""

    words: list[str]
    places: npt.NDArray[np.uint32]
    """In `words`, one per word of the texts, text after text."""
    n_words: Integers
    """Per text."""

    def number(self, number_of: Callable[[str], int]) -> npt.NDArray[np.int32]:
        """The texts as the numbers given to their words."""
        return np.array([number_of(word) for word in self.words], np.int32)[self.places]


def _split_some(texts: Sequence[str]) -> _Split:
    import polars as pl

    lists = split_words(texts)
    n_words = lists.list.len()
    # Twice as fast as finding the distinct words first and then each word's place among them.
    flat = lists.filter(n_words > 0).explode().cast(pl.Categorical(pl.Categories.random()))
    distinct, places = flat.unique(), flat.to_physical().to_numpy()
    words = distinct.cast(pl.String).gather(distinct.to_physical().arg_sort())
    return _Split(words.to_list(), places, n_words.to_numpy().astype(np.int64))


def _cut_texts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[begin : begin + (1 << _CHUNK_BITS)] for begin in range(0, len(texts), 1 << _CHUNK_BITS))


def _cut(flat: npt.NDArray[np.int32], n_words: Integers, bits: int) -> Iterator[tuple[npt.NDArray[np.int32], Integers]]:
    """The words of as many texts at a time as their features' codes leave bits for, and how many words each has."""
    n_texts, begin = 1 << _doc_bits(bits), 0
    for first in range(0, len(n_words), n_texts):
        sizes = n_words[first : first + n_texts]
        yield flat[begin : begin + int(sizes.sum())], sizes
        begin += int(sizes.sum())


def _doc_bits(bits: int) -> int:
    return min(_CHUNK_BITS, 63 - 2 * bits)


def _code_chunk(flat: npt.NDArray[np.int32], n_words: Integers, bits: int) -> _Chunk:
    words, doc_bits = flat.astype(np.int64), _doc_bits(bits)
    docs = np.repeat(np.arange(len(n_words)), n_words)
    is_pair = (docs[1:] == docs[:-1]) & (words[1:] > 0) & (words[:-1] > 0)
    pairs = (((words[:-1] << bits) | words[1:]) << doc_bits | docs[1:])[is_pair]
    keys = np.concatenate(((words << doc_bits | docs)[words > 0], pairs))
    keys.sort()
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return _Chunk(keys >> doc_bits, (keys & ((1 << doc_bits) - 1)).astype(np.uint16), len(n_words))


def _keep_common(chunks: Sequence[Integers]) -> tuple[Integers, Integers]:
    """The codes that stand at least three times, ascending, and how often each does."""
    # A range of codes at a time: all at once they would need their own size again to be sorted.
    longest = max(chunks, key=len, default=np.zeros(0, np.int64))
    bounds = [0, *longest[:: len(longest) // _N_RANGES + 1].tolist(), 1 << 62]

    def keep(low: int, high: int) -> tuple[Integers, Integers]:
        parts = (chunk[slice(*np.searchsorted(chunk, (low, high)))] for chunk in chunks)
        every = np.concatenate([np.zeros(0, np.int64), *parts])
        every.sort()
        # Of a run of c equal codes, c - 2 have the same code two places before: what is rarer leaves no trace.
        again = every[_MIN_REPLIES - 1 :]
        codes, n_holding = np.unique(again[again == every[: len(again)]], return_counts=True)
        return codes, n_holding + (_MIN_REPLIES - 1)

    with ThreadPoolExecutor(_N_THREADS) as threads:
        found = list(threads.map(lambda range_: keep(*range_), pairwise(bounds)))
    return np.concatenate([codes for codes, _ in found]), np.concatenate([n_holding for _, n_holding in found])


def _find_rows(chunk: _Chunk, codes: Integers) -> tuple[Integers, npt.NDArray[np.int32]]:
    """Features per reply of a chunk, and their numbers, reply by reply."""
    places = np.searchsorted(codes, chunk.codes)
    places[places == len(codes)] = 0
    is_kept = codes[places] == chunk.codes if len(codes) else np.zeros(len(places), bool)
    docs = chunk.docs[is_kept]
    numbers = places[is_kept].astype(np.int32)
    return np.bincount(docs, minlength=chunk.n_docs), numbers[np.argsort(docs, kind="stable")]
