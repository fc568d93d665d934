"""The nearest thing the host really said to an answer, so that a reader can look beside it.

BM25 finds the replies to look into; in these, every stretch of about forty words is compared with every such stretch of
the answer: the cosine of the content words both hold, rare ones counting most, as if each held one rare word more of
its own (else one shared word would be all that a short sentence needs). Below `CLOSE` nothing is close, and nothing is
shown. The same thought in other words is not near, and a common turn of phrase about another thing may be.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from econchatr.noun_phrases import word_list
from econchatr.records import Answer, NearQuote, Pair, Question
from econchatr.score.speech import split_words
from econchatr.score.topic import Subjects

CLOSE: Final = 0.35
"""Below this likeness nothing is close. Source: docs/experiments.md, "When a real quotation is near"."""

N_CANDIDATES: Final = 30
"""Replies that BM25 puts first and that are looked into."""

STRETCH_WORDS: Final = 40
"""A stretch is whole sentences up to about so many words."""

_RARE_WORD: Final = 60.0
"""Squared weight of one word that a show hardly says. Source: docs/experiments.md, as above; 0 and 150 did worse."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+")


class NearStretch(NamedTuple):
    """The nearest stretch, and how near it is."""

    text: str
    """As it stands in the reply."""
    likeness: float
    pair: Pair


class SaidBefore:
    """Everything the host said, to be searched for what is nearest to a text."""

    def __init__(self, pairs: Sequence[Pair], subjects: Subjects) -> None:
        self._pairs, self._subjects = tuple(pairs), subjects
        self.search = WordSearch(self._telling(pair.reply) for pair in self._pairs)

    def find(self, text: str) -> NearStretch | None:
        """Find the nearest stretch of what the host said, however far it is; `None` where no content word is shared."""
        asked = sorted(set(self._telling(text)))
        if not asked:
            return None
        parts = [self._weigh(part) for part in cut_stretches(text)]
        best: NearStretch | None = None
        for place in self.search.rank(asked, n=N_CANDIDATES):
            for stretch in cut_stretches(self._pairs[place].reply):
                weights = self._weigh(stretch)
                likeness = max(compare_weights(part, weights) for part in parts)
                if likeness > (best.likeness if best else 0.0):
                    best = NearStretch(stretch, likeness, self._pairs[place])
        return best

    def _telling(self, text: str) -> list[str]:
        return [word for word in split_words(text) if word not in self._subjects.function_words]

    def _weigh(self, text: str) -> dict[str, float]:
        # In the order of the text, not of a set: sums must not differ from one process to the next.
        return {word: self._subjects.weigh(word) for word in dict.fromkeys(self._telling(text))}


def find_nearest(answers: Sequence[Answer], said: SaidBefore, *, close: float = CLOSE) -> list[NearQuote]:
    """Find what is nearest to each answer that did not fail; where nothing is close the text is empty."""
    found = []
    for answer in answers:
        if answer.reply is None:
            continue
        near = said.find(answer.reply.text)
        fields = answer.model_dump(include={"rung", "variant", "question_id", "sample"})
        fields["likeness"] = round(near.likeness, 4) if near else 0.0
        if near and near.likeness >= close:
            place = {"slug": near.pair.slug, "published": near.pair.published}
            found.append(
                NearQuote(**fields, **place, text=near.text, position=int(near.pair.pair_id.rsplit("#", 1)[1]))
            )
        else:
            found.append(NearQuote(**fields, text="", slug="", published=None, position=-1))
    return found


def find_real_words(questions: Sequence[Question], pairs: Sequence[Pair], *, n: int = 2) -> dict[str, tuple[str, ...]]:
    """Find for each question what the host really said that holds most of its words, and most of its right answer's.

    At most `n` stretches, each of another reply; by the words alone, so that the nearest may be far.

    Args:
        questions: Of the exam.
        pairs: The host's, of training episodes: held-out ones are for measuring.
        n: How many to find.
    """
    stretches = [(stretch, place) for place, pair in enumerate(pairs) for stretch in cut_stretches(pair.reply)]
    search = WordSearch(split_words(stretch) for stretch, _ in stretches)
    small, found = word_list("small"), {}
    for question in questions:
        words = split_words(f"{question.text} {2 * f'{question.told_expected} '}")
        asked = [word for word in words if word not in small]
        best = dict[int, str]()
        for place in search.rank(asked, n=10 * n) if asked else ():
            best.setdefault(stretches[place][1], stretches[place][0])
        found[question.question_id] = tuple(best.values())[:n]
    return found


def cut_stretches(text: str) -> list[str]:
    """Cut a text into stretches of whole sentences, one from each sentence on; each holds forty words or a little less.

    A single longer sentence is a stretch by itself.

    >>> cut_stretches("Well. Who counted the bees?")
    ['Well. Who counted the bees?']
    """
    ends = [*(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    starts = [0, *ends[:-1]]
    lengths = [len(split_words(text[start:end])) for start, end in zip(starts, ends, strict=True)]
    stretches = []
    for first, start in enumerate(starts):
        n_words, last = lengths[first], first
        while last + 1 < len(ends) and n_words + lengths[last + 1] <= STRETCH_WORDS:
            last += 1
            n_words += lengths[last]
        if n_words:
            stretches.append(text[start : ends[last]].strip())
        if last + 1 == len(ends):
            break
    return stretches


def compare_weights(one: dict[str, float], other: dict[str, float]) -> float:
    """Give the cosine of two sets of weighted words, each with one rare word more of its own; 0 for none in common.

    >>> compare_weights({"bees": 2.0, "counted": 6.0}, {"bees": 2.0})
    0.05
    """
    shared = sum(weight * other[word] for word, weight in one.items() if word in other)
    squares = [sum(weight * weight for weight in weights.values()) + _RARE_WORD for weights in (one, other)]
    return shared / math.sqrt(squares[0] * squares[1])


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
