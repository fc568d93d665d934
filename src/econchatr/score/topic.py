"""Is an answer about its question? Whether it resembles its own question more than eleven others.

Likeness is the cosine of TF-IDF over content words. A retrieval parrot scores best of all, so this is a gate to pass
and never a score to raise. An answer that keeps to the point in other words than the question's counts as off it, for
the host as for a model.

Source: shared reference `evaluation.md`, 2.3, "On-topic check", and 9.2, G3.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.score.sparse_matrix import SparseMatrix
from econchatr.score.speech import Said, split_words
from econchatr.score.statistics import Interval, share_interval

_N_WAYS: Final = 12
"""An answer's own question and eleven others; all of them where there are fewer."""

_N_FUNCTION_WORDS: Final = 300
"""The commonest words say nothing of a subject: the same number that the masked scorer of Voice keeps."""


@dataclass(frozen=True)
class Subjects:
    """Which words of a show tell a subject, and how rare each is."""

    function_words: frozenset[str]
    n_texts: int
    n_texts_with: Counter[str]

    def weigh(self, word: str) -> float:
        """How much a word tells: nothing for a function word, most for one the show never says."""
        if word in self.function_words:
            return 0.0
        return math.log((1 + self.n_texts) / (1 + self.n_texts_with[word])) + 1


class OnTopic(NamedTuple):
    """How often a row's answers match their own question, or why that is not known."""

    share: Interval | None
    credits: tuple[float | None, ...] = ()
    """Of each reply: 1, 0, or a part where others match as well; `None` where the question has no content word, or the
    reply no word."""
    n_ways: int = 0
    reason: str = ""

    @property
    def n(self) -> int:
        """Replies that were measured."""
        return sum(credit is not None for credit in self.credits)


def learn_subjects(texts: Sequence[str]) -> Subjects:
    """Learn which words tell a subject, from speech of both sides in training episodes."""
    texts_words = [split_words(text) for text in texts]
    counts = Counter(word for words in texts_words for word in words)
    common = sorted(counts, key=lambda word: (-counts[word], word))[:_N_FUNCTION_WORDS]
    return Subjects(frozenset(common), len(texts), Counter(word for words in texts_words for word in set(words)))


def measure_topic(said: Sequence[Said], subjects: Subjects, *, n_ways: int = _N_WAYS) -> OnTopic:
    """Measure how often a reply is most like its own prompt among `n_ways` of the row's prompts.

    Where the row has more prompts, what is given is the share over all ways to draw the others, exactly. Replies
    equally like several prompts get their part of a hit, so chance is 1 / `n_ways`.
    """
    prompts = list(dict.fromkeys(one.prompt for one in said))
    vectors = weigh_texts([*prompts, *(one.text for one in said)], subjects)
    telling = [place for place, length in enumerate(vectors.lengths()[: len(prompts)]) if length > 0]
    if min(len(telling), n_ways) < 2:
        return OnTopic(None, reason="no answers" if not said else "fewer than two questions with content words")
    replies = vectors.take(range(len(prompts), len(vectors)))
    likeness = replies.times(vectors.take(telling).transpose()).round(9)  # (reply, telling prompt)
    columns = {prompts[place]: column for column, place in enumerate(telling)}
    ways = min(n_ways, len(telling))
    credits = tuple(
        credit_own(row, columns[one.prompt], ways) if one.prompt in columns and split_words(one.text) else None
        for one, row in zip(said, likeness, strict=True)
    )
    scored = [(credit, one.group) for credit, one in zip(credits, said, strict=True) if credit is not None]
    if not scored:
        return OnTopic(None, credits, ways, "no word in an answer to a question with content words")
    hits, groups = zip(*scored, strict=True)
    return OnTopic(share_interval(hits, [1.0] * len(hits), groups), credits, ways)


def credit_own(likeness: NDArray[np.float64], own: int, n_ways: int) -> float:
    """The chance that no prompt of `n_ways` - 1 drawn others is more like the reply, ties broken by lot.

    With b others more alike and e equally so, the own prompt comes after any number j = 0 ... e of these with the same
    chance, and wins if none of b + j is drawn: the sum of C(N - b - j, k) over j is a difference of two binomials.
    """
    n_better = int((likeness > likeness[own]).sum())
    n_equal = int((likeness == likeness[own]).sum()) - 1
    n_others, n_drawn = len(likeness) - 1, n_ways - 1
    above = math.comb(n_others - n_better + 1, n_drawn + 1) - math.comb(n_others - n_better - n_equal, n_drawn + 1)
    return above / ((n_equal + 1) * math.comb(n_others, n_drawn))


def weigh_texts(texts: Sequence[str], subjects: Subjects) -> SparseMatrix:
    """TF-IDF rows of length 1; a text without content words is all zero."""
    places: dict[str, int] = {}
    ends, columns, weights = [0], list[int](), list[float]()
    for text in texts:
        for word, n in Counter(split_words(text)).items():
            if weight := n * subjects.weigh(word):
                columns.append(places.setdefault(word, len(places)))
                weights.append(weight)
        ends.append(len(columns))
    rows = SparseMatrix(np.array(weights), np.array(columns, dtype=np.int64), np.array(ends), max(1, len(places)))
    lengths = rows.lengths()
    return rows.scale(1 / np.where(lengths > 0, lengths, 1))
