"""What the text measures read: replies, each with what it replies to and what it belongs with.

A model's answer to a question and the host's real reply to a cue take the same form here, so that both are measured by
the very same code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from econchatr.records import Answer, Pair, Question

_T = TypeVar("_T")
_TYPOGRAPHY: Final = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": " - ", "—": " - ", "…": "..."})
"""The shape of quotation marks and dashes is the transcriber's, or the model's, and nobody's voice."""

_WORD: Final = r"[^\W_]+(?:['\-][^\W_]+)*"
_WORDS: Final = re.compile(_WORD)
_TOKENS: Final = re.compile(rf"{_WORD}|[^\w\s]|_")


class Said(NamedTuple):
    """One reply to one prompt: a model's answer, or what host or guest really said."""

    prompt: str
    """The question, or the cue."""
    text: str
    group: str
    """What it is resampled with: the question's id, or the episode's slug. Replies of one group resemble each other."""
    sample: int = 0
    """Which of a model's answers to this question."""


def read_answers(answers: Iterable[Answer], questions: Iterable[Question], *, variant: str) -> list[Said]:
    """Get the answers of one variant, without those that failed or have no word: a failure is never speech."""
    prompts = {question.question_id: question.text for question in questions}
    return [
        Said(prompts[answer.question_id], answer.reply.text, answer.question_id, answer.sample)
        for answer in answers
        if answer.variant == variant
        and answer.question_id in prompts
        and answer.reply is not None
        and _WORDS.search(answer.reply.text)
    ]


def read_pairs(pairs: Iterable[Pair]) -> list[Said]:
    """Get the replies of pairs, in order, each with its cue and its episode."""
    return [Said(pair.cue, pair.reply, pair.slug) for pair in pairs]


def spread_evenly(ones: Sequence[_T], *, n: int) -> list[_T]:
    """Get at most `n` of them, evenly over all, in order."""
    return list(ones) if len(ones) <= n else [ones[place * len(ones) // n] for place in range(n)]


def _normalise(text: str) -> str:
    """Get the text in small letters, with plain quotation marks, dashes and single spaces."""
    return " ".join(text.translate(_TYPOGRAPHY).replace("--", " - ").casefold().split())


def split_words(text: str) -> list[str]:
    """Get the words, in small letters; a hyphen or apostrophe inside a word belongs to it.

    >>> split_words("It was--well, 1,000 ‘old’ hens, weren’t they?")
    ['it', 'was', 'well', '1', '000', 'old', 'hens', "weren't", 'they']
    """
    return _WORDS.findall(_normalise(text))


def split_tokens(text: str) -> list[str]:
    """Get the words and punctuation marks, in small letters.

    >>> split_tokens("Well, who counted?")
    ['well', ',', 'who', 'counted', '?']
    """
    return _TOKENS.findall(_normalise(text))


def mask_words(text: str, kept: frozenset[str]) -> str:
    """Get the text with every word but the kept ones replaced by `*`, so that its subject is gone.

    Source: shared reference `evaluation.md`, 2.3 and 9.2, H1; the idea is POSNoise's (arXiv 2005.06605).

    >>> mask_words("The kettle of the Dunnes, you know?", frozenset({"the", "of", "you", "know"}))
    'the * of the *, you know?'
    """
    # An asterisk of the text itself (Markdown's bold) would look like a masked word.
    return _WORDS.sub(lambda word: word[0] if word[0] in kept else "*", _normalise(text).replace("*", ""))
