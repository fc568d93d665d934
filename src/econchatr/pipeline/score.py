"""The stage `score`: every measure of one rung's models, beside the rows that keep the measures honest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from econchatr.pair import drop_duplicates
from econchatr.parse.people import find_ad_voices, is_anonymous, is_pseudo
from econchatr.pipeline.answer_likelihoods import AnswerLikelihoods, judge_rows, measure_answers, score_held_out
from econchatr.pipeline.likelihoods import (
    HeldOut,
    LikelihoodBook,
    Likelihoods,
    MeasuredChoices,
    MeasuredReply,
    contexts_input,
    measure_likelihoods,
)
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Made, Narrator, Stage
from econchatr.records import CopiedSpan, Gate, HeldOutReply, Mark, NearQuote, Record, Score
from econchatr.records.measures import CLOSED_QUESTIONS
from econchatr.score.grading.closed_questions import make_probes, score_probes
from econchatr.score.grading.marking import MarkingGuide, list_aired, mark_answers, score_exam
from econchatr.score.grading.names import list_guests, make_name_book
from econchatr.score.length_and_repetition import score_lengths
from econchatr.score.likelihood import ReplyLikelihood, score_choices, score_sides
from econchatr.score.quoting.nearest import SaidBefore, find_nearest
from econchatr.score.rows import Parrot, list_gates, list_spans, make_yardstick, measure_rows, score_rows
from econchatr.score.sense import score_sense
from econchatr.score.wording import score_wording

_SERVED: Final = "not measured: served"
_NOT_MEASURED: Final = (
    Likelihoods([], MeasuredChoices({}, _SERVED)),
    AnswerLikelihoods([], {"host": [], "guest": []}, {}, _SERVED),
)
"""Of a served rung: its address gives words, not how likely it finds other people's."""


def _score(rung: Rung, narrator: Narrator) -> Made:
    show, name, ask = rung.show, rung.name, rung.show.config.ask
    hosts, n_resamples = show.config.show.hosts, show.config.score.n_resamples
    answers, paraphrased, told = (rung.answers(table) for table in ("answers", "paraphrased", "probes"))
    questions, probes, episodes, turns = show.questions(), rung.probes(), show.episodes(), show.turns()
    pairs = kept_pairs(show)
    likely = LikelihoodBook(rung) if rung.is_local else None
    measured, answered = _NOT_MEASURED if likely is None else _measure(rung, likely, narrator)
    replies = _list_replies(measured.replies, name)

    labels = {turn.speaker for turn in turns if is_anonymous(turn.speaker) or is_pseudo(turn.speaker)}
    aired = list_aired(episodes, turns, no_guests=labels | find_ad_voices(turns, hosts=hosts).keys())
    guide = MarkingGuide(aired, passed_over=(*hosts, show.voice.host, show.voice.show))
    marks = mark_answers([*answers, *paraphrased], questions, guide)
    book = make_name_book(turns)
    reasons = make_probes(episodes, list_guests(turns), pairs["host"], book, show=show.voice.show).reasons
    if not ask.max_probes:
        reasons = {CLOSED_QUESTIONS: "none was asked: max_probes is 0 under [ask]"}

    yardstick = make_yardstick(pairs["host"], pairs["guest"])
    before = SaidBefore(pairs["host"], yardstick.subjects)
    parrot = Parrot(pairs["host"], before.search)
    rows = measure_rows(answers, questions, pairs, yardstick, parrot, n_samples=ask.samples)
    rows, senses = judge_rows(rung, rows, yardstick, likely)
    nearest = find_nearest(answers, before)

    likelihoods = {side: [row.likelihood() for row in measured.replies if row.side == side] for side in pairs}
    scores = [
        *_score_likelihoods(rung, likelihoods, measured, answered),
        *score_lengths(answers, [pair.reply for pair in pairs["host"] if pair.split == "test"], rung=name),
        *score_probes(told, probes, book, rung=name, reasons=reasons),
        *score_exam(marks, questions, rung=name),
    ]
    if ask.paraphrases:
        scores += score_wording([*answers, *paraphrased], marks, rung=name, n_resamples=n_resamples)
    scores += score_rows(rows, yardstick, rung=name)
    scores += [score_sense(sense, rung=name, variant=variant) for variant, sense in senses.items()]
    tables: dict[str, Sequence[Record]] = {
        "scores": scores,
        "marks": marks,
        "gates": list_gates(rows, rung=name),
        "spans": list_spans(rows, rung=name),
        "nearest": nearest,
        "replies": replies,
    }
    counts = {f"{side} replies": len(of_side) for side, of_side in likelihoods.items()}
    return Made(tables, counts=_count_scores(scores) | counts | {"near quotes": sum(bool(one.text) for one in nearest)})


def _measure(rung: Rung, book: LikelihoodBook, narrator: Narrator) -> tuple[Likelihoods, AnswerLikelihoods]:
    """How likely the rung's models find what host and guests really said."""
    sides, answers = held_out(rung.show), rung.show.answer_pairs(split="test", kept=True)
    return measure_likelihoods(rung, sides, book, narrator), measure_answers(rung, answers, sides, book, narrator)


def _score_likelihoods(
    rung: Rung,
    by_side: Mapping[str, Sequence[ReplyLikelihood]],
    measured: Likelihoods,
    answered: AnswerLikelihoods,
) -> list[Score]:
    scores = [
        *score_sides(by_side["host"], by_side["guest"], rung=rung.name),
        *score_choices(measured.choices.by_model, rung=rung.name, reason=measured.choices.reason),
        *score_held_out(answered, rung=rung.name),
    ]
    return [one.model_copy(update={"reason": _SERVED}) for one in scores] if not rung.is_local else scores


def _count_scores(scores: Sequence[Score]) -> dict[str, int]:
    return {"scores": len(scores), "unscored": sum(score.value is None for score in scores)}


def _list_replies(measured: Sequence[MeasuredReply], rung: str) -> list[HeldOutReply]:
    """The measured replies, as the models saw them: cut where they were too long."""
    return [
        HeldOutReply(
            rung=rung,
            side="host" if row.side == "host" else "guest",
            pair_id=row.pair.pair_id,
            cue=row.example.messages[-2].content,
            reply=row.example.messages[-1].content,
            n_bytes=row.likelihood().n_bytes,
            base_bits=row.nats[0] / math.log(2),
            tuned_bits=row.nats[1] / math.log(2),
        )
        for row in measured
    ]


def held_out(show: Show) -> HeldOut:
    """Per side, the kept pairs of the test episodes: what the host replied, and what guests replied to the host."""
    return {"host": show.pairs(split="test", kept=True), "guest": show.guest_pairs(split="test", kept=True)}


def kept_pairs(show: Show) -> HeldOut:
    """Per side, the kept pairs of every split."""
    guest = drop_duplicates(show.guest_pairs())
    return {"host": show.pairs(kept=True), "guest": [pair for pair in guest if pair.is_kept]}


def _inputs(rung: Rung) -> dict[str, str]:
    show = rung.show
    stages = {"pairs": show.made("pair"), "transcripts": show.made("parse")}
    stages |= {"answer pairs": show.made("pair", "answers")}
    # What is expected of an answer may change without any answer changing.
    stages["questions"] = show.questions_sha256()
    stages |= {"answers": rung.made("ask")} | ({"tuned model": rung.made("train")} if rung.is_local else {})
    # What Presidio hides in the guests' replies alone changes no pair of the host.
    guests = {"guests' pairs": show.made("pair", "guests")} if show.config.pair.private == "presidio" else {}
    return stages | guests | (contexts_input(rung) if rung.is_local else {})


SCORE = Stage[Rung](
    "score",
    version=8,
    settings={
        "score": lambda rung: rung.show.config.score.model_dump(exclude={"judge"}),
        "form": lambda rung: rung.form_version,
    },
    inputs=_inputs,
    reads=("parse", "pair", "pair/guests", "pair/answers", "train", "ask", "questions.toml"),
    writes={
        "scores": Score,
        "marks": Mark,
        "gates": Gate,
        "spans": CopiedSpan,
        "nearest": NearQuote,
        "replies": HeldOutReply,
    },
    do=_score,
)
