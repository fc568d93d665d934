"""Stretches of speech that come again, in other episodes or later in the same file."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from econchatr.parse.lines import TurnWords

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


@dataclass(frozen=True)
class Stretches:
    """What the search for repeats has to know of the turns of one episode, in flat arrays."""

    n_turns: int
    sentences: NDArray[np.int32]
    """Of each sentence of eight words or more: the turn's place in the episode, start and end in its text."""
    sentence_keys: NDArray[np.uint64]
    """The same for the same words."""
    paragraphs: NDArray[np.int32]
    """Of each paragraph of twenty words or more: place, start, end, and the number of its shingles."""
    paragraph_keys: NDArray[np.uint64]
    shingles: NDArray[np.uint32]
    """Of one paragraph after the other."""


def measure_speech(turns: Sequence[TurnWords]) -> Stretches:
    """Get what one episode adds to the search for repeats."""
    sentences, paragraphs = array("i"), array("i")
    sentence_keys, paragraph_keys, shingles = list[bytes](), list[bytes](), [np.zeros(0, np.uint32)]
    numbers = _WordNumbers()
    for place, said in enumerate(turns):
        for (start, end), words in zip(said.spans, said.words, strict=True):
            if len(words) >= _MIN_SENTENCE_WORDS and end - start >= 3 * _MIN_SENTENCE_WORDS:
                sentences.extend((place, start, end))
                sentence_keys.append(_make_key(words))
        for start, end, words in _list_paragraphs(said):
            own = numbers.shingle(words)
            paragraphs.extend((place, start, end, len(own)))
            paragraph_keys.append(_make_key(words))
            shingles.append(own)
    return Stretches(
        len(turns),
        np.array(sentences, np.int32),
        np.frombuffer(b"".join(sentence_keys), np.uint64),
        np.array(paragraphs, np.int32),
        np.frombuffer(b"".join(paragraph_keys), np.uint64),
        np.concatenate(shingles),
    )


def _make_key(words: Sequence[str]) -> bytes:
    # Not Python's own hash: it differs from run to run.
    return blake2b(" ".join(words).encode(), digest_size=8).digest()


def find_repeats(episodes: Sequence[Stretches]) -> dict[int, list[Repeat]]:
    """Get place in the show's turns -> its sentences that stand word for word in three or more episodes."""
    if not sum(len(one.sentence_keys) for one in episodes):
        return {}
    numbers = np.repeat(np.arange(len(episodes)), [len(one.sentence_keys) for one in episodes])
    rows = np.concatenate([one.sentences for one in episodes]).reshape(-1, 3).astype(np.int64)
    n_turns = np.array([one.n_turns for one in episodes])
    is_start = rows[:, 0] < EDGE_TURNS
    is_end = rows[:, 0] >= n_turns[numbers] - EDGE_TURNS
    keys = np.unique(np.concatenate([one.sentence_keys for one in episodes]), return_inverse=True)[1]
    copies = _Copies(
        _count_episodes(keys, numbers),
        np.bincount(keys),
        np.bincount(keys, weights=is_start),
        np.bincount(keys, weights=is_end),
    )
    rows[:, 0] += (np.cumsum(n_turns) - n_turns)[numbers]
    found = defaultdict[int, list[Repeat]](list)
    for row in np.flatnonzero(copies.n_episodes[keys] >= _MIN_EPISODES):
        place, start, end = rows[row].tolist()
        found[place].append(Repeat(start, end, int(copies.n_episodes[keys[row]]), copies.edge(keys[row])))
    return found


def _count_episodes(keys: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Get of each key in how many episodes it stands."""
    order = np.lexsort((numbers, keys))
    pairs = np.stack([keys[order], numbers[order]])
    is_new = np.append(True, (pairs[:, 1:] != pairs[:, :-1]).any(axis=0))
    return np.bincount(pairs[0][is_new])


class _Copies(NamedTuple):
    """How often each sentence was met, and where."""

    n_episodes: NDArray[np.int64]
    n_all: NDArray[np.int64]
    n_start: NDArray[Any]
    n_end: NDArray[Any]

    def edge(self, key: int) -> Literal["start", "end", ""]:
        n_all = self.n_all[key]
        return "start" if 2 * self.n_start[key] > n_all else "end" if 2 * self.n_end[key] > n_all else ""


def find_near_repeats(episodes: Sequence[Stretches]) -> dict[int, list[Repeat]]:
    """Get place in the show's turns -> its paragraphs of 20 words or more that stand reworded in three episodes.

    Two paragraphs are alike where their runs of three words have an estimated Jaccard similarity of 0.7 or more.
    """
    if not sum(len(one.paragraph_keys) for one in episodes):
        return {}
    numbers = np.repeat(np.arange(len(episodes)), [len(one.paragraph_keys) for one in episodes])
    rows = np.concatenate([one.paragraphs for one in episodes]).reshape(-1, 4).astype(np.int64)
    n_turns = np.array([one.n_turns for one in episodes])
    rows[:, 0] += (np.cumsum(n_turns) - n_turns)[numbers]
    alike, spans = _Groups(len(rows)), rows.tolist()
    _, first, keys = np.unique(
        np.concatenate([one.paragraph_keys for one in episodes]), return_index=True, return_inverse=True
    )
    twins = first[keys]
    for number in np.flatnonzero(twins != np.arange(len(rows))).tolist():
        alike.join(int(twins[number]), number)
    # A copy needs no shingles of its own.
    firsts = np.sort(first)
    _join_similar(_list_candidates(firsts, rows[:, 3], np.concatenate([one.shingles for one in episodes])), alike)
    found = defaultdict[int, list[Repeat]](list)
    for group in alike.list_groups():
        n_episodes = len({int(numbers[number]) for number in group})
        for place, start, end, _ in (spans[number] for number in group if n_episodes >= _MIN_EPISODES):
            found[place].append(Repeat(start, end, n_episodes))
    return found


def _list_candidates(firsts: NDArray[np.int64], lengths: NDArray[np.int64], shingles: Shingles) -> dict[int, Shingles]:
    """Get those that may be alike to another: nearly all of speech is not, and needs no sketch.

    Two sets of Jaccard similarity t share at least one of the rarest floor((1 - t) n) + 1 of the n members of each;
    where none of those stands anywhere else, nothing is alike.

    Args:
        firsts: The paragraphs that are no copy of one before.
        lengths: How many shingles each paragraph has.
        shingles: Those of one paragraph after the other.

    Source: prefix filtering, Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins" (2006).
    """
    import polars as pl

    is_first = np.zeros(len(lengths), bool)
    is_first[firsts] = True
    starts = np.cumsum(lengths) - lengths
    own = shingles[np.repeat(is_first, lengths)]
    n_own = lengths[firsts]
    is_single = pl.Series(own).is_unique().to_numpy()
    n_single = np.add.reduceat(is_single, np.cumsum(n_own) - n_own, dtype=np.int64)
    n_prefix = ((1 - _JACCARD) * n_own + 1e-9).astype(np.int64) + 1
    return {
        number: shingles[starts[number] : starts[number] + lengths[number]]
        for number in firsts[(n_prefix >= n_own) | (n_single < n_prefix)].tolist()
    }


def _join_similar(shingles: dict[int, Shingles], alike: _Groups) -> None:
    """Join those whose sketches agree in 0.7 of their places, among those that agree in a whole band of places.

    Source: MinHash and its bands, Broder, "On the resemblance and containment of documents" (1997). The sketches are
    those of datasketch 2 (scheme affine32, seed 1), and so is the width of a band, which errs least at 0.7.
    """
    if not shingles:
        return
    numbers, draw = list(shingles), np.random.RandomState(1).randint
    factors = draw(0, 1 << 31, _N_PERMUTATIONS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    shifts = draw(0, 1 << 32, _N_PERMUTATIONS, dtype=np.uint32)
    sketches = np.stack([(_mix(own)[:, None] * factors + shifts).min(axis=0) for own in shingles.values()])
    bands, earlier = _number_bands(sketches), defaultdict[int, list[int]](list)
    for row in np.flatnonzero((bands >= 0).any(axis=1)).tolist():
        own = [band for band in bands[row].tolist() if band >= 0]
        others = sorted({other for band in own for other in earlier[band]})[:_MAX_PARTNERS]
        n_same = np.count_nonzero(sketches[others] == sketches[row], axis=1) if others else np.zeros(0)
        for other in np.flatnonzero(n_same >= _JACCARD * _N_PERMUTATIONS).tolist():
            alike.join(numbers[others[other]], numbers[row])
        for band in own:
            earlier[band].append(row)


def _number_bands(sketches: Shingles) -> NDArray[np.int64]:
    """Get a number for each band of each sketch, the same for the same band; -1 where no other sketch has it."""
    bands, n_before = np.full((len(sketches), _N_PERMUTATIONS // _BAND), -1), 0
    for place in range(bands.shape[1]):
        band = np.ascontiguousarray(sketches[:, place * _BAND : (place + 1) * _BAND])
        whole = band.view(np.dtype((np.void, band.dtype.itemsize * _BAND))).ravel()
        _, same, counts = np.unique(whole, return_inverse=True, return_counts=True)
        bands[:, place] = np.where(counts[same] > 1, n_before + same, -1)
        n_before += len(counts)
    return bands


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


def find_cold_open(turns: Sequence[TurnWords]) -> dict[int, float]:
    """Get place in one episode's turns -> the share of its runs of five words that come again later in the file.

    Only the beginning is looked at (12 turns, 15% of the words), and only turns of 12 words or more of which more than
    half comes again.

    Source: in 257 of 266 cold opens of an interview show, more than half of the runs of five words recurred.
    """
    words = [said.all_words for said in turns]
    n_all, n_before, n_opening = sum(map(len, words)), 0, 0
    while n_opening < min(_MAX_OPENING_TURNS, len(turns) - 1) and n_before <= _MAX_OPENING_SHARE * n_all:
        n_before += len(words[n_opening])
        n_opening += 1
    long = [place for place in range(n_opening) if len(words[place]) >= _MIN_OPENING_WORDS]
    grams = {place: set(_list_grams(words[place])) for place in long}
    if not grams:
        return {}
    rest = [word for said in words[n_opening:] for word in said]
    recurring = set[tuple[str, ...]]().union(*grams.values()).intersection(_list_grams(rest))
    shares = {place: len(own & recurring) / len(own) for place, own in grams.items() if own}
    return {place: share for place, share in shares.items() if share > _MIN_RECURRING}


def _list_grams(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[shift:] for shift in range(_GRAM_WORDS)), strict=False)


def _list_paragraphs(said: TurnWords) -> list[tuple[int, int, list[str]]]:
    found, start, sentence = list[tuple[int, int, list[str]]](), 0, 0
    for line in said.text.split("\n"):
        end, words = start + len(line), list[str]()
        while sentence < len(said.spans) and said.spans[sentence][0] < end:
            words += said.words[sentence]
            sentence += 1
        if len(words) >= _MIN_PARAGRAPH_WORDS and len(line) >= 3 * _MIN_PARAGRAPH_WORDS:
            found.append((start, end, words[:_MAX_PARAGRAPH_WORDS]))
        start = end + 1
    return found


class _Groups:
    """Numbers joined into groups (union-find)."""

    def __init__(self, n: int) -> None:
        self._parents = list(range(n))

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
