"""What host and guests sound like, by two scorers that know no subject; learned from training episodes.

One scorer compares the frequencies of the commonest words and punctuation marks (cosine delta), the other sequences of
four characters after every rarer word was masked. Both give the likeness to the host less the likeness to the guests:
likeness to the host alone tells far less. This module sets no scale; `voice` does.

Source: shared reference `evaluation.md`, 2.3 and 9.2, H1. Cosine delta: Evert et al. 2017 (10.1093/llc/fqx023).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from econchatr.score.speech import mask_words, split_tokens

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

N_COMMON: Final = 150
N_KEPT: Final = 300
N_GRAMS: Final = 3000
_WORD_WINDOWS: Final = (1000, 150)
_GRAM_WINDOWS: Final = (500, 200)
"""Words of a window, and windows a side, that each scorer learns from."""


class Bags(NamedTuple):
    """Replies as counts: a window is a sum of them."""

    common: sparse.csr_matrix
    """(reply, common word or mark)"""
    n_tokens: Counts
    grams: sparse.csr_matrix
    """(reply, four characters of the masked text)"""
    n_words: Counts


@dataclass(frozen=True)
class Profiles:
    """Host and guests as two directions for each scorer."""

    common: Any
    kept: frozenset[str]
    """The words that are not masked."""
    grams: Any
    mean: Floats
    spread: Floats
    """Of each common word's frequency, over the training windows of both sides."""
    words: tuple[Floats, Floats]
    """Host and guests by common words, z-scored."""
    idf: Floats
    characters: tuple[Floats, Floats]

    def count(self, texts: Sequence[str]) -> Bags:
        """Turn replies into counts."""
        tokens = [split_tokens(text) for text in texts]
        return Bags(
            self.common.transform(tokens),
            np.array([len(one) for one in tokens], dtype=np.int64),
            self.grams.transform([mask_words(text, self.kept) for text in texts]),
            np.array([_count_words(one) for one in tokens], dtype=np.int64),
        )

    def place(self, bags: Bags, windows: sparse.csr_matrix) -> Floats:
        """Place each window by both scorers: positive is towards the host. Shape (window, 2)."""
        z = (_frequencies(bags, windows) - self.mean) / self.spread
        weights = (windows @ bags.grams).toarray() * self.idf
        return np.column_stack([_lean(z, *self.words), _lean(weights, *self.characters)])


def learn_profiles(host: Sequence[str], guest: Sequence[str], *, seed: int = 0) -> Profiles:
    """Learn what the host and the guests sound like from replies in training episodes."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    texts = [*host, *guest]
    tokens = [split_tokens(text) for text in texts]
    common = CountVectorizer(analyzer=list, max_features=N_COMMON).fit(tokens)
    kept = CountVectorizer(analyzer=_only_words, max_features=N_KEPT).fit(tokens)
    kept_words = frozenset(kept.get_feature_names_out().tolist())
    masked = [mask_words(text, kept_words) for text in texts]
    grams = CountVectorizer(analyzer=_split_grams, max_features=N_GRAMS)
    counts = Bags(
        common.transform(tokens),
        np.array([len(one) for one in tokens], dtype=np.int64),
        grams.fit_transform(masked),
        np.array([_count_words(one) for one in tokens], dtype=np.int64),
    )
    frequencies = _frequencies(counts, _draw_sides(counts, len(host), *_WORD_WINDOWS, seed=seed))
    mean, spread = frequencies.mean(axis=0), frequencies.std(axis=0)
    spread[spread == 0] = np.inf  # a word as common in every window tells nothing
    gram_counts = _draw_sides(counts, len(host), *_GRAM_WINDOWS, seed=seed + 1) @ counts.grams
    tfidf = TfidfTransformer().fit(gram_counts)
    return Profiles(
        common, kept_words, grams, mean, spread, _halves((frequencies - mean) / spread),
        tfidf.idf_, _halves(tfidf.transform(gram_counts).toarray()),
    )  # fmt: skip


def _split_grams(text: str) -> list[str]:
    return [text[place : place + 4] for place in range(len(text) - 3)]


def _only_words(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if token[0].isalnum()]


def _count_words(tokens: Sequence[str]) -> int:
    return sum(token[0].isalnum() for token in tokens)


def _draw_sides(counts: Bags, n_host: int, size: int, n_windows: int, *, seed: int) -> sparse.csr_matrix:
    """Draw as many windows of the host's replies as of the guests', the host's first."""
    host = draw_windows(counts.n_words[:n_host], size=size, n_windows=n_windows, seed=seed)
    guest = draw_windows(counts.n_words[n_host:], size=size, n_windows=n_windows, seed=seed)
    return sparse.block_diag([host, guest], format="csr")


def _frequencies(bags: Bags, windows: sparse.csr_matrix) -> Floats:
    frequencies: Floats = (windows @ bags.common).toarray() / np.maximum(windows @ bags.n_tokens, 1)[:, None]
    return frequencies


def _halves(rows: Floats) -> tuple[Floats, Floats]:
    half = len(rows) // 2
    return rows[:half].mean(axis=0), rows[half:].mean(axis=0)


def _lean(rows: Floats, host: Floats, guest: Floats) -> Floats:
    """Cosine with the host less cosine with the guests."""
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    lean: Floats = rows @ (host / np.linalg.norm(host) - guest / np.linalg.norm(guest))
    return lean


MAX_GROUPS: Final = 20
"""Episodes beyond this many are left out several at a time: more would cost time and change the interval little."""


def fold_groups(names: Iterable[str]) -> dict[str, int]:
    """Number the groups 0, 1, ... in order of name; more than 20 of them share numbers, in turn."""
    return {name: place % MAX_GROUPS for place, name in enumerate(sorted(set(names)))}


def draw_windows(n_words: NDArray[np.int64], *, size: int, n_windows: int, seed: int) -> sparse.csr_matrix:
    """Draw windows of `size` words: a matrix (window, reply) with 1 where the reply is in the window.

    Within a window no reply comes twice. A pool of fewer words gives windows that hold all of it.
    """
    rng = np.random.default_rng(seed)
    picks = [_fill(rng.permutation(len(n_words)), n_words, size) for _ in range(n_windows)]
    return _to_matrix(picks, len(n_words))


def draw_left_out(
    n_words: NDArray[np.int64], groups: NDArray[np.int64], *, n_groups: int, size: int, n_windows: int, seed: int
) -> list[sparse.csr_matrix]:
    """Draw windows of the whole pool, and then of the pool without each of the groups 0 to `n_groups` - 1.

    A window without its group is the same window, filled up with what came next: so what leaving a group out changes is
    not hidden behind the chance of another draw.
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(n_words)) for _ in range(n_windows)]
    matrices = [_to_matrix([_fill(order, n_words, size) for order in orders], len(n_words))]
    for group in range(n_groups):
        without = [_fill(order[groups[order] != group], n_words, size) for order in orders]
        matrices.append(_to_matrix(without, len(n_words)))
    return matrices


def _fill(order: NDArray[np.int64], n_words: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Take replies in this order until `size` words are reached."""
    reached = np.cumsum(n_words[order])
    return order[: int(np.searchsorted(reached, size)) + 1]


def _to_matrix(picks: Sequence[NDArray[np.int64]], n_replies: int) -> sparse.csr_matrix:
    rows = np.repeat(np.arange(len(picks)), [len(pick) for pick in picks])
    columns = np.concatenate(picks)
    return sparse.csr_matrix((np.ones(len(columns)), (rows, columns)), shape=(len(picks), n_replies))
