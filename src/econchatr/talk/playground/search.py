"""Search the real turns by their words, with BM25.

It knows no synonyms: a turn that shares no word with what is looked for is not found.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from econchatr.records import Turn
from econchatr.score.speech import split_words

MAX_WORDS = 64
"""Of what is looked for; the rest is passed over."""
_TELLING_SHARE = 0.1
"""A word that stands in more of the turns tells nothing of any."""


class TurnSearch:
    """Turns by their words."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        import bm25s

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets its own logger to tell everything
        words = [split_words(turn.text) for turn in turns]
        # A turn without a word cannot be found, and an index of nothing cannot be built.
        self._turns = [turn for turn, said in zip(turns, words, strict=True) if said]
        self._is_host = np.array([turn.role == "host" for turn in self._turns], dtype=np.bool_)
        self._n_turns_with = Counter(word for said in words for word in set(said))
        self._bm25: Any = bm25s.BM25()
        if self._turns:
            self._bm25.index([said for said in words if said], show_progress=False)

    def find(self, text: str, *, only_host: bool, n: int) -> list[Turn]:
        """At most `n` turns that share a word with the text, the most alike first."""
        asked = [word for word in dict.fromkeys(split_words(text)) if word in self._n_turns_with][:MAX_WORDS]
        if not asked:
            return []
        likeness = self._bm25.get_scores(asked)
        if only_host:
            likeness = np.where(self._is_host, likeness, 0.0)
        order = np.argsort(-likeness, kind="stable")[:n]
        return [self._turns[place] for place in order.tolist() if likeness[place] > 0]

    def list_telling(self, text: str) -> list[str]:
        """The words of what is looked for that few turns hold; all that any turn holds, where there is none such."""
        known = [word for word in dict.fromkeys(split_words(text)) if word in self._n_turns_with]
        most = _TELLING_SHARE * len(self._turns)
        return [word for word in known if self._n_turns_with[word] <= most] or known
