"""BM25 over lists of words, by bm25s.

This module does not know what is searched for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class WordSearch:
    """Some texts as lists of words, to be asked which of them holds most of other words."""

    def __init__(self, texts: Iterable[Iterable[str]]) -> None:
        import bm25s

        # It sets its own logger to DEBUG when it is imported.
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        vocabulary: dict[str, int] = {}
        # Numbers, for six million words as strings would take half a gigabyte.
        numbered = [[vocabulary.setdefault(word, len(vocabulary)) for word in words] for words in texts]
        self._n_texts = len(numbered)
        self._bm25: Any = bm25s.BM25() if vocabulary else None
        if self._bm25 is not None:
            self._bm25.index((numbered, vocabulary), show_progress=False)

    def rank(self, words: Sequence[str], *, n: int) -> list[int]:
        """Give the places of the `n` texts that fit best, the best first; of equals, the one that came first."""
        if self._bm25 is None or not words:
            return list(range(min(n, self._n_texts)))
        scores: NDArray[np.float32] = self._bm25.get_scores(list(words))
        return [int(place) for place in np.argsort(-scores, kind="stable")[:n]]
