"""The rows that keep a model's scores honest: the real host, the guests, and a parrot that only looks things up.

What the host reads out again (an advertisement, a repeated episode) is left out of what was "really said": a held-out
reply that stands in a training episode, fifty words on end, was not held out. This module asks no model; base, persona
and retrieval-prompted answers come from those who do.

Source: shared reference `evaluation.md`, 9.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from econchatr.records import Pair, Question
from econchatr.score.gates import MAX_RUN_WORDS
from econchatr.score.quoting.copying import SpeechIndex, find_copied
from econchatr.score.quoting.nearest import WordSearch
from econchatr.score.speech import Said, read_pairs, split_words, spread_pairs

MAX_REPLIES: Final = 1000
"""Of a reference row, evenly over the episodes: more would cost time and change nothing."""


def drop_reread(pairs: Sequence[Pair], index: SpeechIndex) -> list[Pair]:
    """Leave out pairs whose reply holds fifty words on end that the index holds too."""
    return [
        pair
        for pair in pairs
        if (longest := find_copied(pair.reply, index).longest) is None or longest.n_words < MAX_RUN_WORDS
    ]


def take_reference(pairs: Sequence[Pair], index: SpeechIndex) -> list[Said]:
    """Take the reference row of one side: what was really said in development episodes, or else in test episodes.

    The marks and limits come from the test episodes, so a row of the others shows what an honest row scores. `index`
    holds the host's training speech: what is read out again from there is left out.
    """
    by_split = {
        split: spread_pairs([pair for pair in pairs if pair.split == split], n=MAX_REPLIES) for split in ("dev", "test")
    }
    return read_pairs(drop_reread(by_split["dev"], index) or drop_reread(by_split["test"], index))


class Parrot:
    """Answers with what the host once said, word for word: the training reply most like the question."""

    def __init__(self, pairs: Sequence[Pair], search: WordSearch | None = None) -> None:
        """Take what it may repeat.

        Args:
            pairs: Of which those of training episodes are repeated.
            search: Over the replies of these pairs, in their order, where there is one already.
        """
        self._pairs = pairs
        self._search = search or WordSearch(split_words(pair.reply) for pair in pairs)

    def answer(self, question: str, *, n: int = 1) -> list[str]:
        """Give the `n` replies most like the question, the nearest first; fewer where the host said fewer."""
        ranked = (self._pairs[place] for place in self._search.rank(split_words(question), n=len(self._pairs)))
        return [pair.reply for pair in islice((pair for pair in ranked if pair.split == "train"), n)]


def parrot_questions(parrot: Parrot, questions: Sequence[Question], *, n_samples: int) -> list[Said]:
    """Put the exam to the parrot: as its samples it gives the nearest reply, the next, and so on."""
    return [
        Said(question.text, text, question.question_id, sample)
        for question in questions
        for sample, text in enumerate(parrot.answer(question.text, n=n_samples))
    ]
