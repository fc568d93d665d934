"""One row of the table: everything that can be measured of some replies, beside the held-out host.

A yardstick is made once from a show's pairs; each row (a model's answers, the real host, the guests, the parrot) is
then measured by it in a second. This module does not know who spoke, nor what the report shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from econchatr.records import CopiedSpan, Gate, Pair, Score
from econchatr.records.measures import ANSWERS, Measure
from econchatr.score.gates import (
    Ruling,
    judge_copying,
    judge_length,
    judge_repetition,
    judge_topic,
)
from econchatr.score.length_and_repetition import Length, Repetition, measure_host, measure_length, measure_repetition
from econchatr.score.quoting.copying import Copying, SpeechIndex, index_speech, measure_copying
from econchatr.score.references import drop_reread
from econchatr.score.speech import Said, read_pairs, spread_pairs
from econchatr.score.statistics import Interval, make_score, sign_flip_p
from econchatr.score.topic import OnTopic, Subjects, learn_subjects, measure_topic
from econchatr.score.voice.scale import MeasuredVoice, VoiceScale, compare_voices, fit_voice, measure_voice

MAX_REPLIES = 1000
"""Held-out replies that set the limits of the gates, and training replies a side that teach rare words."""


@dataclass(frozen=True)
class Yardstick:
    """What rows are measured by: made of what host and guests really said."""

    voice: VoiceScale | str
    speech: SpeechIndex
    """Of all that the host said in training episodes."""
    subjects: Subjects
    host: tuple[Said, ...]
    """Held-out replies of the host, evenly over the test episodes."""
    host_copying: Copying
    host_length: Length
    _topics: dict[int, OnTopic] = field(default_factory=dict)
    _repetitions: dict[int, float | None] = field(default_factory=dict)

    def match_host(self, n_ways: int) -> OnTopic:
        """How often the host's replies match their cue among so many."""
        if n_ways not in self._topics:
            self._topics[n_ways] = measure_topic(self.host, self.subjects, n_ways=n_ways)
        return self._topics[n_ways]

    def repeat_host(self, n_words: int) -> float | None:
        """How much the host repeats in so many words."""
        if n_words not in self._repetitions:
            self._repetitions[n_words] = measure_host([one.text for one in self.host], n_words)
        return self._repetitions[n_words]


class Row(NamedTuple):
    """All measures of one row."""

    said: tuple[Said, ...]
    voice: MeasuredVoice
    copying: Copying
    repetition: Repetition
    topic: OnTopic
    length: Length
    rulings: tuple[Ruling, ...]


def make_yardstick(host: Sequence[Pair], guest: Sequence[Pair], *, seed: int = 0) -> Yardstick:
    """Make the yardstick of a show.

    Args:
        host: Kept pairs whose reply is the host's, of all splits.
        guest: The same with the sides exchanged: kept pairs whose reply is a guest's, to the host.
        seed: Of the windows that are drawn.
    """
    speech = index_speech([pair for pair in host if pair.split == "train"])
    fresh = drop_reread([pair for pair in host if pair.split != "train"], speech)
    test = read_pairs(spread_pairs([pair for pair in fresh if pair.split == "test"], n=MAX_REPLIES))
    training = [
        pair.reply
        for side in (host, guest)
        for pair in spread_pairs([pair for pair in side if pair.split == "train"], n=MAX_REPLIES)
    ]
    return Yardstick(
        voice=fit_voice([*speech.pairs, *fresh], guest, seed=seed),
        speech=speech,
        subjects=learn_subjects(training),
        host=tuple(test),
        host_copying=measure_copying(test, speech),
        host_length=measure_length(test),
    )


def measure_row(said: Sequence[Said], yardstick: Yardstick) -> Row:
    """Measure a row by all but likelihoods and facts; a row of nothing is unscored everywhere, with the reason."""
    copying, topic = measure_copying(said, yardstick.speech), measure_topic(said, yardstick.subjects)
    repetition, length = measure_repetition(said), measure_length(said)
    rulings = (
        judge_copying(copying, yardstick.host_copying),
        judge_repetition(repetition, yardstick.repeat_host(repetition.n_words), n=len(said)),
        judge_topic(topic, yardstick.match_host(topic.n_ways)),
        judge_length(length, yardstick.host_length),
    )
    return Row(tuple(said), measure_voice(said, yardstick.voice), copying, repetition, topic, length, rulings)


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
