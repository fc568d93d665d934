"""Grounding: the host's real turns that are most like a question, found by BM25 and cut to what a prompt has room for.

A turn here is a pair: what was said to the host, and what the host replied. Callers give pairs of training episodes
only, so that nothing leaks.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), as bm25s computes it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from econchatr.records import Pair
from econchatr.tokens import Tokenizer, cut_left, cut_right

INDEX_VERSION: Final = 1
"""Raised whenever the same pairs would give another index: one stored by an older version is not taken up."""

_WORDS: Final = re.compile(r"\w+")
_SENTENCE_END: Final = re.compile(r"[.!?]['\")\u2019\u201d]*(?=\s)")
_MIN_KEPT_SHARE: Final = 0.5
"""A cut reply ends with a sentence where that keeps so much of it."""


class Room(NamedTuple):
    """How much of the real turns a prompt holds."""

    n_turns: int
    """At most so many; 0: none."""
    max_cue_tokens: int = 64
    """Of each cue, its end."""
    max_reply_tokens: int = 128
    """Of each reply, its beginning."""

    @property
    def max_tokens(self) -> int:
        """Tokens of everything that is put into one prompt, but for the marks between messages."""
        return self.n_turns * (self.max_cue_tokens + self.max_reply_tokens)


class TurnIndex:
    """Pairs by the words of cue and reply together."""

    def __init__(self, pairs: Sequence[Pair], bm25: Any) -> None:
        self._pairs, self._bm25 = pairs, bm25

    @classmethod
    def build(cls, pairs: Sequence[Pair]) -> TurnIndex:
        """Index the pairs: some seconds for 15,000 of them (`docs/grounding.md`), so keep it with `save`."""
        bm25s = _import_bm25s()
        bm25 = bm25s.BM25()
        if pairs:
            texts = [f"{pair.cue}\n{pair.reply}" for pair in pairs]
            rules = {"lower": True, "token_pattern": _WORDS.pattern, "stopwords": None}
            words = bm25s.tokenize(texts, **rules, show_progress=False)
            bm25.index(words, show_progress=False)
        return cls(pairs, bm25)

    @classmethod
    def load(cls, folder: Path, pairs: Sequence[Pair]) -> TurnIndex | None:
        """The index that was saved there for these very pairs; `None` where it is missing or broken."""
        try:
            bm25 = _import_bm25s().BM25.load(folder, show_progress=False)
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None
        return cls(pairs, bm25) if bm25.scores["num_docs"] == len(pairs) else None

    def save(self, folder: Path) -> None:
        """Write the index into a folder of its own; without pairs there is nothing to write."""
        if self._pairs:
            self._bm25.save(folder, show_progress=False)

    def find(self, question: str, *, n: int) -> list[Pair]:
        """The `n` pairs most like the question, the most alike first; fewer where fewer share a word with it."""
        words = _WORDS.findall(question.lower())
        if not (words and self._pairs and n):
            return []
        likeness = self._bm25.get_scores(words)
        order = np.argsort(-likeness, kind="stable")[:n]
        return [self._pairs[place] for place in order if likeness[place] > 0]


class Grounding:
    """What is put before a question: real exchanges, the nearest last, each cut to its room."""

    def __init__(self, index: TurnIndex, tokenizer: Tokenizer, room: Room) -> None:
        self._index, self._tokenizer, self.room = index, tokenizer, room

    def find(self, question: str) -> tuple[Pair, ...]:
        """The pairs a model is given with a question, as it is given them; none where nothing is alike."""
        return tuple(self._cut(pair) for pair in reversed(self._index.find(question, n=self.room.n_turns)))

    def _cut(self, pair: Pair) -> Pair:
        cue, _ = cut_left(pair.cue, self._tokenizer, n_tokens=self.room.max_cue_tokens)
        reply, n_cut = cut_right(pair.reply, self._tokenizer, n_tokens=self.room.max_reply_tokens)
        return pair.model_copy(update={"cue": cue, "reply": _end_with_sentence(reply) if n_cut else reply})


def _import_bm25s() -> Any:
    """Import it, and keep what it does to itself: it sets its own logger to tell everything."""
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return bm25s


def _end_with_sentence(text: str) -> str:
    """A cut text without its last, broken sentence, unless that is most of it.

    >>> _end_with_sentence("We asked the people. Then we")
    'We asked the people.'
    """
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends and ends[-1] >= _MIN_KEPT_SHARE * len(text) else text
