"""Measures that read the answers' text: length against the host's, repetition, the expected words.

This module does not know how the answers were made, and never scores one that failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from econchatr.records import Answer, Question, Score
from econchatr.score.speech import split_words

_HOST = "host replies (test)"


def repetition(texts: Sequence[str]) -> float | None:
    """rep-4: the share of 4-word sequences that occurred before, over all texts; `None` with no such sequence.

    Source: shared reference `evaluation.md`, section 2.3.
    """
    seen: set[tuple[str, ...]] = set()
    n = 0
    for text in texts:
        words = split_words(text)
        grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
        n += len(grams)
        seen.update(grams)
    return 1 - len(seen) / n if n else None


def score_answers(
    answers: Sequence[Answer], questions: Sequence[Question], host_replies: Sequence[str], *, rung: str
) -> list[Score]:
    """Length, repetition and expected words of each variant's answers, beside the held-out host's own figures."""
    host_length = median(len(split_words(text)) for text in host_replies) if host_replies else None
    scores = _score_host(host_replies, host_length, rung=rung)
    for variant in sorted({answer.variant for answer in answers}):
        texts = {
            (answer.question_id, answer.sample): answer.reply.text
            for answer in answers
            if answer.variant == variant and answer.reply is not None
        }
        scores += _score_variant(texts, host_length, host_replies, rung=rung, variant=variant)
        scores.append(_score_expected(texts, questions, rung=rung, variant=variant))
    return scores


def _score_host(host_replies: Sequence[str], host_length: float | None, *, rung: str) -> list[Score]:
    make = partial(_make_score, rung=rung, variant="host", subject=_HOST, n=len(host_replies))
    return [make("median reply words", host_length, unit="words", reason="no held-out replies")]


def _score_variant(
    texts: Mapping[tuple[str, int], str],
    host_length: float | None,
    host_replies: Sequence[str],
    *,
    rung: str,
    variant: str,
) -> list[Score]:
    reason = "no held-out replies" if texts else "no answers"
    length = median(len(split_words(text)) for text in texts.values()) if texts else None
    ratio = length / host_length if length is not None and host_length else None
    own = _match_words(host_replies, sum(len(split_words(text)) for text in texts.values()))
    make = partial(_make_score, rung=rung, variant=variant, subject="answers", n=len(texts))
    return [
        make("median reply words", length, unit="words", reason=reason),
        make("reply length ratio", ratio, unit="ratio", reason=reason),
        make("repetition", repetition(list(texts.values())), unit="share", reason="answers under 4 words"),
        _make_score(
            f"repetition of the host at the length of {variant}",
            repetition(own),
            rung=rung,
            variant="host",
            subject=_HOST,
            n=len(own),
            unit="share",
            reason=reason,
        ),
    ]


def _make_score(
    measure: str, value: float | None, *, rung: str, variant: str, subject: str, n: int, unit: str, reason: str
) -> Score:
    return Score(
        measure=measure,
        rung=rung,
        variant=variant,
        subject=subject,
        value=value,
        n=n,
        unit=unit,
        reason=reason if value is None else "",
    )


def _match_words(host_replies: Sequence[str], n_words: int) -> list[str]:
    """As many of the host's replies as hold `n_words` words: repetition grows with length, so lengths must match."""
    taken, total = [], 0
    for text in host_replies:
        if total >= n_words:
            break
        taken.append(text)
        total += len(split_words(text))
    return taken


def _score_expected(
    texts: Mapping[tuple[str, int], str], questions: Sequence[Question], *, rung: str, variant: str
) -> Score:
    """In what share of answers the expected words stand, word for word, over the questions that expect some."""
    expected = {
        question.question_id: " ".join(split_words(question.expected)) for question in questions if question.expected
    }
    hits = [
        f" {expected[question_id]} " in f" {' '.join(split_words(text))} "
        for (question_id, _), text in texts.items()
        if question_id in expected
    ]
    return Score(
        measure="expected words found",
        rung=rung,
        variant=variant,
        subject="answers",
        value=sum(hits) / len(hits) if hits else None,
        n=len(hits),
        unit="share",
        reason="" if hits else "no answered question has expected words",
    )
