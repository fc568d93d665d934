"""One row of the table of scores: everything that can be measured of some replies, beside the held-out host.

A yardstick is made once from a show's pairs; each row (a model's answers, the real host, the guests, the parrot) is
then measured by it in a second. The last three keep a model's scores honest.

Source: shared reference `evaluation.md`, 9.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from typing import Final, NamedTuple, get_args

from econchatr.records import Answer, CopiedSpan, Gate, Pair, Question, Score, Variant
from econchatr.records.measures import ANSWERS, GUEST, HOST, PARROT, Measure, name_difference
from econchatr.score.dodging import (
    Dodging,
    HostAsked,
    cut_to_statement,
    keep_statements,
    measure_asked,
    measure_dodging,
)
from econchatr.score.gates import (
    MAX_RUN_WORDS,
    Ruling,
    apply_void,
    judge_answers,
    judge_copying,
    judge_length,
    judge_repetition,
    judge_topic,
    list_void,
)
from econchatr.score.length_and_repetition import Length, Repetition, measure_host, measure_length, measure_repetition
from econchatr.score.quoting.copying import Copying, SpeechIndex, find_copied, index_speech, measure_copying
from econchatr.score.quoting.nearest import WordSearch
from econchatr.score.speech import Said, read_answers, read_pairs, split_words, spread_evenly
from econchatr.score.statistics import Interval, average_groups, make_score, sign_flip_p
from econchatr.score.topic import OnTopic, Subjects, learn_subjects, measure_topic
from econchatr.score.voice import MAX_REPLIES, MeasuredVoice, VoiceScale, compare_voices, fit_voice, measure_voice
from econchatr.speech_acts import asks_back

_MAX_REPLIES: Final = 1000
"""Of one side and split, evenly over the episodes: more would cost time and change nothing."""

_COMPARED: Final[tuple[tuple[Variant, Variant], ...]] = (
    ("base", "tuned"),
    ("persona", "tuned"),
    ("retrieval", "tuned"),
    ("retrieval", "grounded"),
)
"""Which two rows are compared, where both were asked: by how much the second is nearer to the host than the first."""


@dataclass(frozen=True)
class Yardstick:
    """What rows are measured by: made of what host and guests really said."""

    voice: VoiceScale | str
    """Made of what both sides state: a host asks for a living, and who is asked should not sound like it."""
    voice_all: VoiceScale | str
    """Made of all that both sides say, questions included."""
    asked: HostAsked
    speech: SpeechIndex
    """Of all that the host said in training episodes."""
    subjects: Subjects
    host: tuple[Said, ...]
    """Held-out replies of the host, evenly over development and test episodes: the gates' limits are made of them."""
    host_copying: Copying
    host_length: Length
    reference: tuple[Said, ...]
    """The real host's row: what was really said in development episodes."""
    _topics: dict[int, OnTopic] = field(default_factory=dict)
    _repetitions: dict[int, float | None] = field(default_factory=dict)

    def match_host(self, n_ways: int) -> OnTopic:
        """How often the host's replies match their cue among so many."""
        if n_ways not in self._topics:
            self._topics[n_ways] = measure_topic(self.host, self.subjects, n_ways=n_ways)
        return self._topics[n_ways]

    def repeat_host(self, n_words: int) -> float | None:
        """How much the host repeats in so many words; `None` where the host said fewer."""
        if n_words not in self._repetitions:
            self._repetitions[n_words] = measure_host([one.text for one in self.host], n_words)
        return self._repetitions[n_words]

    @cached_property
    def void(self) -> dict[str, Ruling]:
        """The gates that the real host's own row does not pass: none of them says anything on this show."""
        return list_void(_measure_row(self.reference, self, HOST).rulings)


class Row(NamedTuple):
    """All measures of one row."""

    said: tuple[Said, ...]
    dodging: Dodging
    copying: Copying
    repetition: Repetition
    topic: OnTopic
    length: Length
    rulings: tuple[Ruling, ...]
    voice: MeasuredVoice = MeasuredVoice(None)
    voice_all: MeasuredVoice = MeasuredVoice(None)


def make_yardstick(host: Sequence[Pair], guest: Sequence[Pair], *, seed: int = 0) -> Yardstick:
    """Make the yardstick of a show.

    Args:
        host: Kept pairs whose reply is the host's, of all splits.
        guest: The same with the sides exchanged: kept pairs whose reply is a guest's, to the host.
        seed: Of the windows that are drawn.
    """
    speech = index_speech([pair for pair in host if pair.split == "train"])
    fresh = _drop_reread([pair for pair in host if pair.split != "train"], speech)
    held_out, sides = read_pairs(spread_evenly(fresh, n=_MAX_REPLIES)), ([*speech.pairs, *fresh], guest)
    return Yardstick(
        voice=fit_voice(*(_list_statements(side) for side in sides), seed=seed),
        voice_all=fit_voice(*sides, seed=seed),
        asked=measure_asked(host),
        speech=speech,
        subjects=learn_subjects([pair.reply for side in (host, guest) for pair in _take(side, "train")]),
        host=tuple(held_out),
        host_copying=measure_copying(held_out, speech),
        host_length=measure_length(held_out),
        reference=tuple(take_reference(host, speech)),
    )


def _list_statements(pairs: Sequence[Pair]) -> list[Pair]:
    """What one side states, of as many replies of each split as a scale is made of."""
    splits = {pair.split: None for pair in pairs}
    of_split = ([pair for pair in pairs if pair.split == split] for split in splits)
    return [pair for ones in of_split for pair in keep_statements(spread_evenly(ones, n=MAX_REPLIES))]


def _take(pairs: Sequence[Pair], split: str) -> list[Pair]:
    return spread_evenly([pair for pair in pairs if pair.split == split], n=_MAX_REPLIES)


def _drop_reread(pairs: Sequence[Pair], index: SpeechIndex) -> list[Pair]:
    """Leave out pairs whose reply holds fifty words on end that the index holds too.

    What the host reads out again in a training episode (an advertisement, a repeated episode) was not held out.
    """
    return [
        pair
        for pair in pairs
        if (longest := find_copied(pair.reply, index).longest) is None or longest.n_words < MAX_RUN_WORDS
    ]


# --- rows -------------------------------------------------------------------------------------------------------------


def measure_rows(
    answers: Sequence[Answer],
    questions: Sequence[Question],
    pairs: Mapping[str, Sequence[Pair]],
    yardstick: Yardstick,
    parrot: Parrot,
    *,
    n_samples: int,
) -> dict[str, Row]:
    """Measure every row: each variant that was asked, then the real host, the guests and the parrot.

    Args:
        pairs: Per side (`host`, `guest`), the kept pairs of all splits.
        n_samples: Answers to each question that the parrot gives.
    """
    asked = {answer.variant for answer in answers}
    variants = [variant for variant in get_args(Variant) if variant in asked]
    said = {variant: read_answers(answers, questions, variant=variant) for variant in variants}
    said |= {side: take_reference(of_side, yardstick.speech) for side, of_side in pairs.items()}
    said[PARROT] = parrot_questions(parrot, questions, n_samples=n_samples)
    return {name: measure_row(ones, yardstick, name) for name, ones in said.items()}


def measure_row(said: Sequence[Said], yardstick: Yardstick, name: str = "") -> Row:
    """Measure a row by all but likelihoods and facts; a row of nothing is unscored everywhere, with the reason.

    Args:
        said: The replies.
        yardstick: Of the show.
        name: Of the row. What host and guest really said is no answer: their Voice is that of what they state, and who
            answers is looked at where they were really asked.
    """
    row = _measure_row(said, yardstick, name)
    is_real = name in (HOST, GUEST)
    stated = [one._replace(text=text) for one in said if (text := cut_to_statement(one.text))] if is_real else said
    return row._replace(
        voice=measure_voice(stated, yardstick.voice),
        voice_all=measure_voice(said, yardstick.voice_all),
        rulings=apply_void(row.rulings, yardstick.void),
    )


def _measure_row(said: Sequence[Said], yardstick: Yardstick, name: str) -> Row:
    """Measure all but the Voice, and rule by every gate as if none were void."""
    copying, topic = measure_copying(said, yardstick.speech), measure_topic(said, yardstick.subjects)
    repetition, length = measure_repetition(said), measure_length(said)
    rulings = (
        judge_copying(copying, yardstick.host_copying),
        judge_repetition(repetition, yardstick.repeat_host(repetition.n_words), n=len(said)),
        judge_topic(topic, yardstick.match_host(topic.n_ways)),
        judge_length(length, yardstick.host_length),
        judge_answers(dodging := _measure_dodging(said, yardstick, name), yardstick.asked),
    )
    return Row(tuple(said), dodging, copying, repetition, topic, length, rulings)


def _measure_dodging(said: Sequence[Said], yardstick: Yardstick, name: str) -> Dodging:
    if name == HOST:
        return yardstick.asked.dodging
    asked = [one for one in said if asks_back(one.prompt)] if name == GUEST else said
    return measure_dodging(asked)


def take_reference(pairs: Sequence[Pair], index: SpeechIndex) -> list[Said]:
    """Take the reference row of one side: what was really said in development episodes, or else in test episodes.

    The Voice's marks come from the test episodes, so a row of the others shows what an honest row scores. `index`
    holds the host's training speech: what is read out again from there is left out.
    """
    return read_pairs(_drop_reread(_take(pairs, "dev"), index) or _drop_reread(_take(pairs, "test"), index))


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


# --- rows as records --------------------------------------------------------------------------------------------------


def list_gates(rows: Mapping[str, Row], *, rung: str) -> list[Gate]:
    """Put the gates of all rows down as records."""
    return [
        Gate(rung=rung, variant=variant, **ruling._asdict()) for variant, row in rows.items() for ruling in row.rulings
    ]


def list_spans(rows: Mapping[str, Row], *, rung: str) -> list[CopiedSpan]:
    """Put down the longest copied run of each reply that has one: row by row, the longest first."""
    spans = list[CopiedSpan]()
    for variant, row in rows.items():
        own = [
            CopiedSpan(
                rung=rung,
                variant=variant,
                group=one.group,
                sample=one.sample,
                n_words=run.n_words,
                text=run.text,
                slug=run.source.slug,
                published=run.source.published,
                position=int(run.source.pair_id.rsplit("#", 1)[1]),
            )
            for one, copied in zip(row.said, row.copying.replies, strict=True)
            if (run := copied.longest) is not None
        ]
        spans += sorted(own, key=lambda span: -span.n_words)
    return spans


def score_rows(rows: Mapping[str, Row], yardstick: Yardstick, *, rung: str) -> list[Score]:
    """Give the scores of every row, then those of each two rows of `_COMPARED` that were both asked."""
    scores = [
        score for variant, row in rows.items() for score in list_scores(row, yardstick, rung=rung, variant=variant)
    ]
    for before, after in _COMPARED:
        if before in rows and after in rows:
            name = name_difference(after, before)
            scores += compare_rows(rows[before], rows[after], yardstick, rung=rung, variant=name)
    return scores


def list_scores(row: Row, yardstick: Yardstick, *, rung: str, variant: str) -> list[Score]:
    """Put the measures down as scores, each with its interval and n, or with the reason why there is none."""
    voice, copying, own, n = row.voice, row.copying, yardstick.host_copying.share, len(row.said)
    known, all_speech = (_as_interval(one) for one in (voice, row.voice_all))
    distance = Interval(voice.distance) if voice.distance is not None else None
    words, characters = (Interval(value) for value in voice.by_scorer) if known else (None, None)
    share, run = copying.share, copying.longest
    beyond = Interval(*(None if end is None else end - own.value for end in share)) if share and own else None  # type: ignore[arg-type]
    longest = Interval(float(run.n_words) if run else 0.0) if share else None
    score = partial(make_score, rung=rung, variant=variant, subject=ANSWERS)
    return [
        score(Measure.VOICE, known, n=n, reason=voice.reason),
        score(Measure.VOICE_DISTANCE, distance, n=n, reason=voice.reason),
        score(Measure.VOICE_WORDS, words, n=n, reason=voice.reason),
        score(Measure.VOICE_CHARACTERS, characters, n=n, reason=voice.reason),
        score(Measure.VOICE_ALL_SPEECH, all_speech, n=n, reason=row.voice_all.reason),
        score(Measure.ASKS_BACK, row.dodging.asking, n=row.dodging.n, reason=row.dodging.reason),
        score(Measure.HANDS_OVER, row.dodging.handing, n=row.dodging.n, reason=row.dodging.reason),
        score(Measure.COPIED_WORDS, share, n=n, reason=copying.reason),
        score(Measure.COPIED_BEYOND_HOST, beyond, n=n, reason=copying.reason or "no held-out host"),
        score(Measure.LONGEST_RUN, longest, n=n, reason=copying.reason),
        score(Measure.REPETITION, row.repetition.share, n=n, reason=row.repetition.reason),
        score(Measure.ON_QUESTION, row.topic.share, n=row.topic.n, reason=row.topic.reason),
    ]


def _as_interval(voice: MeasuredVoice) -> Interval | None:
    return None if voice.value is None else Interval(voice.value, voice.low, voice.high)


def compare_rows(before: Row, after: Row, yardstick: Yardstick, *, rung: str, variant: str) -> list[Score]:
    """How much closer to the host the second row is, and how surely the two differ in length, copying and topic.

    The differences are of questions that both rows answered.
    """
    score = partial(make_score, rung=rung, variant=variant, subject=ANSWERS)
    shared = {one.group for one in before.said} & {one.group for one in after.said}
    first_said, second_said = ([one for one in row.said if one.group in shared] for row in (before, after))
    closer = compare_voices(first_said, second_said, yardstick.voice)
    scores = [score(Measure.VOICE_CLOSER, closer, n=len(second_said))]
    firsts, seconds = _average_questions(before), _average_questions(after)
    for measure, first in firsts.items():
        second = seconds[measure]
        differences = [second[group] - first[group] for group in sorted(first.keys() & second.keys())]
        p = sign_flip_p(differences)
        found = "no question was measured in both" if p is None else Interval(p)
        scores.append(score(measure, found, n=len(differences)))
    return scores


def _average_questions(row: Row) -> dict[Measure, dict[str, float]]:
    """By measure of a difference and by question, the mean over the question's replies."""
    columns: dict[Measure, Sequence[float | None]] = {
        Measure.LENGTH_CHANCE: row.length.by_reply,
        Measure.COPIED_CHANCE: [one.n_copied / one.n_words if one.n_words else None for one in row.copying.replies],
        Measure.ON_QUESTION_CHANCE: row.topic.credits or [None] * len(row.said),
    }
    groups = [one.group for one in row.said]
    return {
        measure: average_groups((group, x) for group, x in zip(groups, values, strict=True) if x is not None)
        for measure, values in columns.items()
    }
