"""One row of the table: everything that can be measured of some replies, beside the held-out host.

A yardstick is made once from a show's pairs; each row (a model's answers, the real host, the guests, the parrot) is
then measured by it in a second. This module does not know who spoke, nor what the report shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from econchatr.records import Pair
from econchatr.score.copying import Copying, SpeechIndex, index_speech, measure_copying
from econchatr.score.gates import (
    Ruling,
    judge_copying,
    judge_length,
    judge_repetition,
    judge_topic,
)
from econchatr.score.length import Length, measure_length
from econchatr.score.references import drop_reread
from econchatr.score.repetition import Repetition, measure_host, measure_repetition
from econchatr.score.speech import Said, read_pairs, spread_pairs
from econchatr.score.topic import OnTopic, Subjects, learn_subjects, measure_topic
from econchatr.score.voice import MeasuredVoice, VoiceScale, fit_voice, measure_voice

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
