"""The step `score`: every measure of one rung's models, beside the rows that keep them honest.

This module computes no measure: it reads tables, hands them to `score`, and writes what comes back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from econchatr.config import QUESTIONS_NAME, Rung
from econchatr.pipeline.guests import marking_guide
from econchatr.pipeline.heldout import GUESTS_FOLDER, SIDES, read_sides
from econchatr.pipeline.likelihoods import MODELS, Likelihoods, MeasuredReply, contexts_input, measure_likelihoods
from econchatr.pipeline.probing import PROBE_QUESTIONS_NAME, PROBES_NAME, make_show_probes, read_parsed
from econchatr.pipeline.show import Narrator, Outcome, Show, Step
from econchatr.prompts import FORM_VERSION
from econchatr.records import (
    Answer,
    CopiedSpan,
    Gate,
    HeldOutReply,
    Mark,
    NearQuote,
    Pair,
    Probe,
    Question,
    Score,
    Variant,
)
from econchatr.score.choices import score_choices
from econchatr.score.exam import mark_answers, score_exam
from econchatr.score.facts import judge_answers, score_facts
from econchatr.score.likelihood import score_host_share, score_likelihood
from econchatr.score.names import NameBook, make_name_book
from econchatr.score.nearest import SaidBefore, find_nearest
from econchatr.score.picking import VoicePicker
from econchatr.score.references import PARROT, Parrot, parrot_questions, take_reference
from econchatr.score.rows import Row, Yardstick, make_yardstick, measure_row
from econchatr.score.scoresheet import compare_rows, list_gates, list_scores, list_spans
from econchatr.score.speech import Said, read_answers
from econchatr.score.text import score_answers
from econchatr.score.wording import score_wording
from econchatr.tables import hash_file, read_table, write_table

VERSION: Final = 3

VARIANTS: Final[tuple[Variant, ...]] = ("base", "persona", "retrieval", "tuned", "grounded")
COMPARED: Final[tuple[tuple[Variant, Variant], ...]] = (
    ("base", "tuned"), ("persona", "tuned"), ("retrieval", "tuned"), ("retrieval", "grounded"),
)  # fmt: skip
"""Which two rows are compared, where both were asked: what is nearer to the host than what."""

OUTPUTS: Final = (
    "scores.parquet", "marks.parquet", "gates.parquet", "spans.parquet", "nearest.parquet", "replies.parquet",
)  # fmt: skip


def score_step(show: Show, rung: Rung, *, paraphrased_name: str) -> Step:
    """The step of one rung."""

    def inputs() -> dict[str, str]:
        stages = {"pairs": show.made("pair"), "transcripts": show.made("parse")}
        # What is expected of an answer may change without any answer changing.
        stages["questions"] = hash_file(show.root / QUESTIONS_NAME)
        stages |= {"tuned model": show.made("train", rung.name), "answers": show.made("ask", rung.name)}
        # What Presidio hides in the guests' replies alone changes no pair of the host.
        guests = {"guests' pairs": show.made("pair", GUESTS_FOLDER)} if show.config.pair.private == "presidio" else {}
        return stages | guests | contexts_input(show, rung)

    settings = {"score": show.config.score.model_dump(exclude={"judge"}), "form": FORM_VERSION}
    return Step("score", rung.name, show.folder("score", rung.name), VERSION, settings, inputs,
                lambda narrator: _score(show, rung, narrator, paraphrased_name))  # fmt: skip


def _score(show: Show, rung: Rung, narrator: Narrator, paraphrased_name: str) -> Outcome:
    folder, asked = show.folder("score", rung.name), show.folder("ask", rung.name)
    answers = read_table(asked / "answers.parquet", Answer)
    paraphrased = read_table(asked / paraphrased_name, Answer)
    episodes, turns = read_parsed(show)
    sides = read_sides(show)
    pairs, book = sides.kept(), make_name_book(turns)
    measured = measure_likelihoods(show, rung, sides.held_out(), narrator)
    scores = [
        *_score_likelihoods(show, rung, measured),
        *score_answers(answers, show.questions(), _held_out(pairs["host"]), rung=rung.name),
        *_score_facts(show, rung, book, make_show_probes(show, episodes, turns, sides.host, book).reasons),
    ]
    marks = mark_answers([*answers, *paraphrased], show.questions(), marking_guide(show, episodes, turns))
    scores += score_exam(marks, show.questions(), rung=rung.name)
    if show.config.ask.paraphrases:
        n_resamples = show.config.score.n_resamples
        scores += score_wording([*answers, *paraphrased], marks, rung=rung.name, n_resamples=n_resamples)
    yardstick = make_yardstick(pairs["host"], pairs["guest"])
    before = SaidBefore(pairs["host"], yardstick.subjects)
    parrot = Parrot(pairs["host"], before.search)
    rows = measure_rows(answers, show.questions(), pairs, yardstick, parrot, n_samples=show.config.ask.samples)
    scores += _score_rows(rows, yardstick, rung)
    picker = VoicePicker(pairs["host"], pairs["guest"], yardstick.speech, yardstick.subjects)
    scores += [picker.score(rows[variant].said, rung=rung.name, variant=variant) for variant in _list_variants(answers)]
    nearest = find_nearest(answers, before)
    write_table(folder / "gates.parquet", _list_gates(rows, rung), Gate)
    write_table(folder / "spans.parquet", _list_spans(rows, rung), CopiedSpan)
    write_table(folder / "nearest.parquet", nearest, NearQuote)
    write_table(folder / "replies.parquet", _list_replies(measured.replies, rung), HeldOutReply)
    write_table(folder / "marks.parquet", marks, Mark)
    write_table(folder / "scores.parquet", scores, Score)
    counts = {"scores": len(scores), "unscored": sum(score.value is None for score in scores)}
    counts |= {f"{side} replies": sum(row.side == side for row in measured.replies) for side in SIDES}
    return Outcome(OUTPUTS, counts | {"near quotes": sum(bool(near.text) for near in nearest)})


# --- what a model finds likely ----------------------------------------------------------------------------------------


def _score_likelihoods(show: Show, rung: Rung, measured: Likelihoods) -> list[Score]:
    n_resamples = show.config.score.n_resamples
    sides = {side: [row.likelihood() for row in measured.replies if row.side == side] for side in SIDES}
    scores: list[Score] = []
    for side, rows in sides.items():
        scores += score_likelihood(rows, rung=rung.name, subject=f"{side} replies (test)", n_resamples=n_resamples)
    scores.append(score_host_share(sides["host"], sides["guest"], rung=rung.name, n_resamples=n_resamples))
    choices = measured.choices
    scores += [
        score_choices(choices.by_model[model], rung=rung.name, variant=model, reason=choices.reason) for model in MODELS
    ]
    return scores


def _list_replies(measured: Sequence[MeasuredReply], rung: Rung) -> list[HeldOutReply]:
    """The measured replies, as the models saw them: cut where they were too long."""
    return [
        HeldOutReply(
            rung=rung.name,
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


# --- what stands in the answers ---------------------------------------------------------------------------------------


def measure_rows(
    answers: Sequence[Answer],
    questions: Sequence[Question],
    pairs: Mapping[str, Sequence[Pair]],
    yardstick: Yardstick,
    parrot: Parrot,
    *,
    n_samples: int,
) -> dict[str, Row]:
    """Every row by the same measures: each variant that was asked, then the real host, the guests and the parrot."""
    said: dict[str, Sequence[Said]] = {
        variant: read_answers(answers, questions, variant=variant) for variant in _list_variants(answers)
    }
    for side in SIDES:
        said[side] = take_reference(pairs[side], yardstick.speech)
    said[PARROT] = parrot_questions(parrot, questions, n_samples=n_samples)
    return {variant: measure_row(ones, yardstick) for variant, ones in said.items()}


def _score_rows(rows: Mapping[str, Row], yardstick: Yardstick, rung: Rung) -> list[Score]:
    scores = [
        score
        for variant, row in rows.items()
        for score in list_scores(row, yardstick, rung=rung.name, variant=variant, subject="answers")
    ]
    for before, after in COMPARED:
        if before in rows and after in rows:
            name = f"{after} minus {before}"
            scores += compare_rows(rows[before], rows[after], yardstick, rung=rung.name, variant=name)
    return scores


def _list_gates(rows: Mapping[str, Row], rung: Rung) -> list[Gate]:
    return [gate for variant, row in rows.items() for gate in list_gates(row, rung=rung.name, variant=variant)]


def _list_spans(rows: Mapping[str, Row], rung: Rung) -> list[CopiedSpan]:
    return [span for variant, row in rows.items() for span in list_spans(row, rung=rung.name, variant=variant)]


def _list_variants(answers: Sequence[Answer]) -> list[Variant]:
    asked = {answer.variant for answer in answers}
    return [variant for variant in VARIANTS if variant in asked]


def _held_out(host: Sequence[Pair]) -> list[str]:
    return [pair.reply for pair in host if pair.split == "test"]


# --- what is made up --------------------------------------------------------------------------------------------------


def _score_facts(show: Show, rung: Rung, book: NameBook, reasons: Mapping[str, str]) -> list[Score]:
    folder = show.folder("ask", rung.name)
    answers, probes = read_table(folder / PROBES_NAME, Answer), read_table(folder / PROBE_QUESTIONS_NAME, Probe)
    if not show.config.ask.max_probes:
        reasons = {"closed questions": "none was asked: max_probes is 0 under [ask]"}
    return [
        score
        for model in MODELS
        for score in score_facts(
            judge_answers(answers, probes, book, variant=model), rung=rung.name, variant=model, reasons=reasons
        )
    ]
