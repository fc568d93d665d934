"""A measured row -> the records that are stored and shown: scores, gates, copied spans, and what two rows differ in.

This module measures nothing but differences between rows, and knows no page.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from econchatr.records import CopiedSpan, Gate, Score
from econchatr.records.measures import ANSWERS, Measure
from econchatr.score.measured import make_score
from econchatr.score.rows import Row, Yardstick
from econchatr.score.statistics import Interval, sign_flip_p
from econchatr.score.voice import compare_voices


def list_gates(row: Row, *, rung: str, variant: str) -> list[Gate]:
    """Put the gates down as records."""
    return [ruling.record(rung=rung, variant=variant) for ruling in row.rulings]


def list_spans(row: Row, *, rung: str, variant: str) -> list[CopiedSpan]:
    """Put down the longest copied run of each reply that has one, the longest first."""
    spans = [
        CopiedSpan(
            rung=rung,
            variant=variant,
            group=one.group,
            sample=one.sample,
            n_words=copied.longest.n_words,
            text=copied.longest.text,
            slug=copied.longest.source.slug,
            published=copied.longest.source.published,
            position=int(copied.longest.source.pair_id.rsplit("#", 1)[1]),
        )
        for one, copied in zip(row.said, row.copying.replies, strict=True)
        if copied.longest is not None
    ]
    return sorted(spans, key=lambda span: -span.n_words)


def list_scores(row: Row, yardstick: Yardstick, *, rung: str, variant: str, subject: str) -> list[Score]:
    """Put the measures down as scores, each with its interval and n, or with the reason why there is none."""
    voice, copying, n = row.voice, row.copying, len(row.said)
    own = yardstick.host_copying.share
    known = Interval(voice.value, voice.low, voice.high) if voice.value is not None else None
    distance = Interval(voice.distance) if voice.distance is not None else None
    words, characters = (Interval(value) for value in voice.by_scorer) if known else (None, None)
    beyond = _shift(copying.share, -own.value) if copying.share and own else None
    run = Interval(float(copying.longest.n_words) if copying.longest else 0.0) if copying.share else None
    score = partial(make_score, rung=rung, variant=variant, subject=subject)
    return [
        score(Measure.VOICE, known, n=n, reason=voice.reason),
        score(Measure.VOICE_DISTANCE, distance, n=n, reason=voice.reason),
        score(Measure.VOICE_WORDS, words, n=n, reason=voice.reason),
        score(Measure.VOICE_CHARACTERS, characters, n=n, reason=voice.reason),
        score(Measure.COPIED_WORDS, copying.share, n=n, reason=copying.reason),
        score(Measure.COPIED_BEYOND_HOST, beyond, n=n, reason=copying.reason or "no held-out host"),
        score(Measure.LONGEST_RUN, run, n=n, reason=copying.reason),
        score(Measure.REPETITION, row.repetition.share, n=n, reason=row.repetition.reason),
        score(Measure.ON_QUESTION, row.topic.share, n=row.topic.n, reason=row.topic.reason),
    ]


def compare_rows(before: Row, after: Row, yardstick: Yardstick, *, rung: str, variant: str) -> list[Score]:
    """How much closer to the host the second row is, and how surely the two differ in length, copying and topic.

    The differences are of questions that both rows answered.
    """
    score = partial(make_score, rung=rung, variant=variant, subject=ANSWERS)
    closer = compare_voices(before.said, after.said, yardstick.voice)
    value, reason = (None, closer) if isinstance(closer, str) else (closer, "")
    scores = [score(Measure.VOICE_CLOSER, value, n=len(after.said), reason=reason)]
    firsts, seconds = _average_questions(before), _average_questions(after)
    for measure, first in firsts.items():
        second = seconds[measure]
        differences = [second[group] - first[group] for group in sorted(first.keys() & second.keys())]
        p = sign_flip_p(differences)
        scores.append(
            score(
                measure,
                None if p is None else Interval(p),
                n=len(differences),
                reason="no question was measured in both",
            )
        )
    return scores


def _average_questions(row: Row) -> dict[Measure, dict[str, float]]:
    """By measure of a difference and by question, the mean over the question's replies."""
    columns: dict[Measure, Sequence[float | None]] = {
        Measure.LENGTH_CHANCE: row.length.by_reply,
        Measure.COPIED_CHANCE: [one.n_copied / one.n_words if one.n_words else None for one in row.copying.replies],
        Measure.ON_QUESTION_CHANCE: row.topic.credits or [None] * len(row.said),
    }
    found: dict[Measure, dict[str, list[float]]] = {measure: {} for measure in columns}
    for measure, values in columns.items():
        for one, value in zip(row.said, values, strict=True):
            if value is not None:
                found[measure].setdefault(one.group, []).append(value)
    return {
        measure: {group: sum(values) / len(values) for group, values in groups.items()}
        for measure, groups in found.items()
    }


def _shift(interval: Interval, by: float) -> Interval:
    low, high = (None if end is None else end + by for end in (interval.low, interval.high))
    return Interval(interval.value + by, low, high)
