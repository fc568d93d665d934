"""Windows: random replies of one pool, drawn until a number of words is reached.

A short reply says little about a voice; a window of them says much, and two pools are fairly compared only in windows
of the same number of words. This module does not know what is measured in a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

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
