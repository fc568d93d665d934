"""H1, Voice: where a text stands between the guests (0) and the host (1), by how it is said and not by its subject.

Two scorers are learned from training episodes. One compares the frequencies of the commonest words and punctuation
marks (cosine delta), the other sequences of four characters after every rarer word was masked. Both give the likeness
to the host less the likeness to the guests: likeness to the host alone tells far less. Held-out episodes set 0 and 1,
in windows of as many words as the measured text is given. Above 1 is caricature: what counts is the distance from 1.
Babble of the host's words scores near 1 too, so a Voice counts only where the gates pass.

Source: shared reference `evaluation.md`, 2.3 and 9.2, H1. Cosine delta: Evert et al. 2017 (10.1093/llc/fqx023);
intervals: docs/decisions/0009-intervals.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.records import Pair
from econchatr.score.sparse_matrix import SparseMatrix, choose_terms, count_terms, stack_blocks
from econchatr.score.speech import Said, mask_words, read_pairs, split_tokens, split_words, spread_evenly
from econchatr.score.statistics import (
    Interval,
    draw_left_out,
    draw_windows,
    find_t,
    fold_groups,
    jackknife_error,
    jackknife_interval,
)

_Floats = NDArray[np.float64]
_Counts = NDArray[np.int64]

_WINDOW_WORDS: Final = (1000, 500, 250)
"""A text is measured in windows of the largest of these sizes that it fills. Source: docs/experiments.md."""
_N_WINDOWS: Final = 200
MAX_REPLIES: Final = 2000
"""Of each side and split that are read, evenly over the episodes: more would only cost time."""
_MIN_TRAINING_WORDS: Final = 2000
_MIN_EPISODES: Final = 2
_SURENESS: Final = 0.995
"""How sure it must be that the host stands apart from the guests (Student's t, one-sided): else there is no scale."""

_SCORERS: Final = ("common words", "masked characters")
_N_COMMON: Final = 150
_N_KEPT: Final = 300
_N_GRAMS: Final = 3000
_WORD_WINDOWS: Final = (1000, 150)
_GRAM_WINDOWS: Final = (500, 200)
"""Words of a window, and windows a side, that each scorer learns from."""
_LEAST: Final = 1e-12
"""Length taken for a window without any of the words."""


# --- what host and guests sound like ----------------------------------------------------------------------------------


class Bags(NamedTuple):
    """Replies as counts: a window is a sum of them."""

    common: SparseMatrix
    """(reply, common word or mark)"""
    n_tokens: _Counts
    grams: SparseMatrix
    """(reply, four characters of the masked text)"""
    n_words: _Counts


@dataclass(frozen=True)
class Profiles:
    """Host and guests as two directions for each scorer."""

    common: dict[str, int]
    """The common words and marks, and the column of each."""
    kept: frozenset[str]
    """The words that are not masked."""
    grams: dict[str, int]
    mean: _Floats
    spread: _Floats
    """Of each common word's frequency, over the training windows of both sides."""
    words: tuple[_Floats, _Floats]
    """Host and guests by common words, z-scored."""
    idf: _Floats
    characters: tuple[_Floats, _Floats]

    def count(self, texts: Sequence[str]) -> Bags:
        """Turn replies into counts."""
        tokens = [split_tokens(text) for text in texts]
        return _fill_bags(tokens, self.common, _split_masked(texts, self.kept), self.grams)

    def place(self, bags: Bags, windows: SparseMatrix) -> _Floats:
        """Place each window by both scorers: positive is towards the host. Shape (window, 2)."""
        z = (_frequencies(bags, windows) - self.mean) / self.spread
        weights = windows.times(bags.grams) * self.idf
        return np.column_stack([_lean(z, *self.words), _lean(weights, *self.characters)])


def learn_profiles(host: Sequence[str], guest: Sequence[str], *, seed: int = 0) -> Profiles:
    """Learn what the host and the guests sound like from replies in training episodes."""
    texts = [*host, *guest]
    tokens = [split_tokens(text) for text in texts]
    common = choose_terms(tokens, _N_COMMON)
    kept = frozenset(choose_terms(map(_only_words, tokens), _N_KEPT))
    masked = _split_masked(texts, kept)
    grams = choose_terms(masked, _N_GRAMS)
    counts = _fill_bags(tokens, common, masked, grams)
    frequencies = _frequencies(counts, _draw_sides(counts, len(host), *_WORD_WINDOWS, seed=seed))
    mean, spread = frequencies.mean(axis=0), frequencies.std(axis=0)
    spread[spread == 0] = np.inf  # a word as common in every window tells nothing
    gram_counts = _draw_sides(counts, len(host), *_GRAM_WINDOWS, seed=seed + 1).times(counts.grams)
    idf = np.log((1 + len(gram_counts)) / (1 + (gram_counts > 0).sum(axis=0))) + 1
    weights = gram_counts * idf
    characters = _halves(weights / np.maximum(_lengths(weights), _LEAST)[:, None])
    words = _halves((frequencies - mean) / spread)
    return Profiles(common, kept, grams, mean, spread, words, idf, characters)


def _split_masked(texts: Sequence[str], kept: frozenset[str]) -> list[list[str]]:
    return [_split_grams(mask_words(text, kept)) for text in texts]


def _split_grams(text: str) -> list[str]:
    return [text[place : place + 4] for place in range(len(text) - 3)]


def _only_words(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if token[0].isalnum()]


def _fill_bags(
    tokens: Sequence[Sequence[str]],
    common: Mapping[str, int],
    masked: Sequence[Sequence[str]],
    grams: Mapping[str, int],
) -> Bags:
    n_tokens = np.array([len(one) for one in tokens], dtype=np.int64)
    n_words = np.array([len(_only_words(one)) for one in tokens], dtype=np.int64)
    return Bags(count_terms(tokens, common), n_tokens, count_terms(masked, grams), n_words)


def _draw_sides(counts: Bags, n_host: int, size: int, n_windows: int, *, seed: int) -> SparseMatrix:
    """Draw as many windows of the host's replies as of the guests', the host's first."""
    sides = (counts.n_words[:n_host], counts.n_words[n_host:])
    drawn = [draw_windows(n_words, size=size, n_windows=n_windows, seed=seed) for n_words in sides]
    return stack_blocks(*drawn)


def _frequencies(bags: Bags, windows: SparseMatrix) -> _Floats:
    return windows.times(bags.common) / np.maximum(windows.add_up(bags.n_tokens), 1)[:, None]


def _halves(rows: _Floats) -> tuple[_Floats, _Floats]:
    half = len(rows) // 2
    return rows[:half].mean(axis=0), rows[half:].mean(axis=0)


def _lean(rows: _Floats, host: _Floats, guest: _Floats) -> _Floats:
    """Cosine with the host less cosine with the guests, of each row."""
    direction = host / np.linalg.norm(host) - guest / np.linalg.norm(guest)
    lean: _Floats = rows @ direction / np.maximum(_lengths(rows), _LEAST)
    return lean


def _lengths(rows: _Floats) -> _Floats:
    lengths: _Floats = np.sqrt((rows * rows).sum(axis=1))
    return lengths


# --- the scale --------------------------------------------------------------------------------------------------------


class _Pool(NamedTuple):
    bags: Bags
    groups: _Counts
    """Of each reply."""
    n_groups: int

    @property
    def n_words(self) -> int:
        return int(self.bags.n_words.sum())

    @property
    def n_filled(self) -> int:
        """How many words are left when the largest group is left out."""
        n_words = self.bags.n_words
        return int(n_words.sum() - np.bincount(self.groups, n_words).max() * (self.n_groups > 1))


class _Marks(NamedTuple):
    """Where guests and host stand: over everything, then without each episode. Shape of each (1 + episodes, 2)."""

    guest: _Floats
    host: _Floats


@dataclass
class VoiceScale:
    """Profiles, and the held-out speech that sets 0 and 1."""

    profiles: Profiles
    guest: _Pool
    host: _Pool
    seed: int
    marks: dict[int, _Marks] = field(default_factory=dict)
    """By the words of a window, as far as they were asked for."""

    def find_marks(self, window_words: int) -> _Marks:
        """Where guests and host stand in windows of this size."""
        if window_words not in self.marks:
            self.marks[window_words] = _Marks(
                _place_pool(self.profiles, self.guest, window_words, self.seed + 1),
                _place_pool(self.profiles, self.host, window_words, self.seed + 2),
            )
        return self.marks[window_words]


def fit_voice(host: Sequence[Pair], guest: Sequence[Pair], *, seed: int = 0) -> VoiceScale | str:
    """Make the scale of a show, or say why there is none.

    Args:
        host: Pairs whose reply is the host's, of training and test episodes.
        guest: Pairs whose reply is a guest's, of the same episodes.
        seed: Of the windows that are drawn.
    """
    replies = {
        side: [pair.reply for pair in _take(pairs, "train")] for side, pairs in (("host", host), ("guests", guest))
    }
    for side, texts in replies.items():
        n_words = sum(len(split_words(text)) for text in texts)
        if n_words < _MIN_TRAINING_WORDS:
            return f"{n_words:,} words of the {side} in training episodes; {_MIN_TRAINING_WORDS:,} are needed"
    profiles = learn_profiles(replies["host"], replies["guests"], seed=seed)
    return set_scale(profiles, read_pairs(_take(host, "test")), read_pairs(_take(guest, "test")), seed=seed)


def set_scale(profiles: Profiles, host: Sequence[Said], guest: Sequence[Said], *, seed: int = 0) -> VoiceScale | str:
    """Set 0 and 1 by what guests and host said in held-out episodes, or say why that cannot be done."""
    for side, said in (("host", host), ("guests", guest)):
        n_episodes = len({one.group for one in said})
        if n_episodes < _MIN_EPISODES:
            return f"the {side} in {n_episodes} held-out episodes; {_MIN_EPISODES} are needed"
    numbers = fold_groups(one.group for one in (*host, *guest))
    return VoiceScale(profiles, _fill_pool(profiles, guest, numbers), _fill_pool(profiles, host, numbers), seed)


def _take(pairs: Sequence[Pair], split: str) -> list[Pair]:
    return spread_evenly([pair for pair in pairs if pair.split == split], n=MAX_REPLIES)


def _fill_pool(profiles: Profiles, said: Sequence[Said], numbers: Mapping[str, int]) -> _Pool:
    groups = np.array([numbers[one.group] for one in said], dtype=np.int64)
    return _Pool(profiles.count([one.text for one in said]), groups, len(set(numbers.values())))


def _place_pool(profiles: Profiles, pool: _Pool, size: int, seed: int) -> _Floats:
    """The mean place of the pool's windows, and of the pool's without each group. Shape (1 + groups, 2)."""
    drawn = draw_left_out(
        pool.bags.n_words, pool.groups, n_groups=pool.n_groups, size=size, n_windows=_N_WINDOWS, seed=seed
    )
    return np.stack([profiles.place(pool.bags, windows).mean(axis=0) for windows in drawn])


# --- the Voice of a row -----------------------------------------------------------------------------------------------


class MeasuredVoice(NamedTuple):
    """The Voice of one row, or why there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    by_scorer: tuple[float, ...] = ()
    """Of common words, of masked characters; the value is their mean."""
    n: int = 0
    """Replies measured."""
    n_words: int = 0
    window_words: int = 0
    left_out: tuple[tuple[float, ...], ...] = ()
    """The value without each group of replies, and without each held-out episode: what the interval is made of."""
    reason: str = ""

    @property
    def distance(self) -> float | None:
        """How far from the host, on either side; the smallest wins."""
        return None if self.value is None else abs(1 - self.value)


def measure_voice(said: Sequence[Said], scale: VoiceScale | str, *, window_words: int | None = None) -> MeasuredVoice:
    """Measure where these replies stand between the guests, 0, and the host, 1.

    Args:
        said: All replies of one row, pooled; each with the question or episode it belongs to.
        scale: Of the show; or why there is none.
        window_words: Size of the windows; `None`: the largest of 1000, 500 and 250 that text and held-out speech fill.
    """
    if isinstance(scale, str):
        return MeasuredVoice(None, n=len(said), reason=scale)
    return _measure(said, scale, fold_groups(one.group for one in said), window_words)


def compare_voices(before: Sequence[Said], after: Sequence[Said], scale: VoiceScale | str) -> Interval | str:
    """Measure how much closer to the host the second row stands than the first; or say why that is not known.

    Both are measured in windows of the same size, and the interval is of the difference: questions and episodes that
    both share do not widen it.
    """
    if isinstance(scale, str):
        return scale
    numbers = fold_groups(one.group for one in (*before, *after))
    voices = [_measure(said, scale, numbers, None) for said in (before, after)]
    # A row too short for any window has none at the other's size either.
    if all(voice.value is not None for voice in voices):
        size = min(voice.window_words for voice in voices)
        voices = [_measure(said, scale, numbers, size) for said in (before, after)]
    first, second = voices
    if first.distance is None or second.distance is None:
        return first.reason or second.reason
    left_out = [
        [abs(1 - one) - abs(1 - other) for one, other in zip(ones, others, strict=True)]
        for ones, others in zip(first.left_out, second.left_out, strict=True)
    ]
    return jackknife_interval(first.distance - second.distance, left_out)


def _measure(
    said: Sequence[Said], scale: VoiceScale, numbers: Mapping[str, int], window_words: int | None
) -> MeasuredVoice:
    if not said:
        return MeasuredVoice(None, reason="no answers")
    pool = _fill_pool(scale.profiles, said, numbers)
    n_filled = min(one.n_filled for one in (pool, scale.guest, scale.host))
    size = window_words or next((size for size in _WINDOW_WORDS if size <= n_filled), None)
    known = MeasuredVoice(None, n=len(said), n_words=pool.n_words, window_words=size or 0)
    if size is None:
        return known._replace(reason=_tell_few(pool, len(said)))
    marks = scale.find_marks(size)
    if reason := _doubt_marks(marks, size):
        return known._replace(reason=reason)
    row = _place_pool(scale.profiles, pool, size, scale.seed)
    by_scorer = (row[0] - marks.guest[0]) / (marks.host[0] - marks.guest[0])
    left_out = (
        ((row[1:] - marks.guest[0]) / (marks.host[0] - marks.guest[0])).mean(axis=1),
        ((row[0] - marks.guest[1:]) / (marks.host[1:] - marks.guest[1:])).mean(axis=1),
    )
    return known._replace(
        **jackknife_interval(float(by_scorer.mean()), left_out)._asdict(),
        by_scorer=tuple(by_scorer.tolist()),
        left_out=tuple(tuple(values.tolist()) for values in left_out),
    )


def _tell_few(pool: _Pool, n_replies: int) -> str:
    """Why not even the smallest window can be filled."""
    n_words, least = pool.n_words, min(_WINDOW_WORDS)
    if n_words < least:
        return f"{n_words} words in {n_replies} replies; {least} and more are needed"
    if pool.n_filled < least:
        n_left = pool.n_filled
        return f"{n_words} words in {n_replies} replies, {n_left} without the longest; {least} and more are needed then"
    return f"fewer than {least} words of the real host or of the guests are held out, to compare with"


def _doubt_marks(marks: _Marks, window_words: int) -> str:
    """Why host and guests cannot be told apart in such windows; empty if they can."""
    for scorer, apart in enumerate((marks.host - marks.guest).T):
        if apart[0] < find_t(len(apart) - 2, _SURENESS) * jackknife_error(apart[1:].tolist()):
            return (
                f"host and guests of held-out episodes cannot be told apart surely enough by {_SCORERS[scorer]} in "
                f"{window_words} words"
            )
    return ""
