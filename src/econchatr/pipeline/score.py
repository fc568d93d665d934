"""The stage `score`: every measure of one rung's models, beside the rows that keep the measures honest."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from econchatr.pair import drop_duplicates
from econchatr.parse.people import find_ad_voices, is_anonymous, is_pseudo
from econchatr.pipeline.ask import MODELS, make_show_probes
from econchatr.pipeline.likelihoods import HeldOut, Likelihoods, MeasuredReply, contexts_input, measure_likelihoods
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Made, Narrator, Stage
from econchatr.prompts import FORM_VERSION
from econchatr.records import (
    Answer,
    CopiedSpan,
    Episode,
    Gate,
    HeldOutReply,
    Mark,
    NearQuote,
    Pair,
    Question,
    Record,
    Score,
    Turn,
    Variant,
)
from econchatr.records.measures import ANSWERS, CLOSED_QUESTIONS, GUEST_REPLIES, HOST_REPLIES, PARROT, name_difference
from econchatr.score.exam.closed_questions import judge_answers, score_facts
from econchatr.score.exam.marking import AiredEpisode, MarkingGuide, mark_answers, score_exam
from econchatr.score.exam.names import make_name_book
from econchatr.score.length_and_repetition import score_lengths
from econchatr.score.likelihood import score_choices, score_host_share, score_likelihood
from econchatr.score.quoting.nearest import SaidBefore, find_nearest
from econchatr.score.references import Parrot, parrot_questions, take_reference
from econchatr.score.rows import (
    Row,
    Yardstick,
    compare_rows,
    list_gates,
    list_scores,
    list_spans,
    make_yardstick,
    measure_row,
)
from econchatr.score.speech import Said, read_answers
from econchatr.score.wording import score_wording

_SUBJECTS: Final = {"host": HOST_REPLIES, "guest": GUEST_REPLIES}
VARIANTS: Final[tuple[Variant, ...]] = ("base", "persona", "retrieval", "tuned", "grounded")
COMPARED: Final[tuple[tuple[Variant, Variant], ...]] = (
    ("base", "tuned"),
    ("persona", "tuned"),
    ("retrieval", "tuned"),
    ("retrieval", "grounded"),
)
"""Which two rows are compared, where both were asked: what is nearer to the host than what."""


def _score(rung: Rung, narrator: Narrator) -> Made:
    show, answers, paraphrased = rung.show, rung.answers(), rung.answers("paraphrased")
    questions, turns = show.questions(), show.turns()
    measured = measure_likelihoods(rung, held_out(show), narrator)
    pairs = kept_pairs(show)
    marks = mark_answers([*answers, *paraphrased], questions, _marking_guide(show, turns))
    yardstick = make_yardstick(pairs["host"], pairs["guest"])
    before = SaidBefore(pairs["host"], yardstick.subjects)
    parrot = Parrot(pairs["host"], before.search)
    rows = measure_rows(answers, questions, pairs, yardstick, parrot, n_samples=show.config.ask.samples)
    scores = [
        *_score_likelihoods(rung, measured),
        *score_lengths(answers, _held_out_texts(pairs["host"]), rung=rung.name),
        *_score_facts(rung, turns),
        *score_exam(marks, questions, rung=rung.name),
    ]
    if show.config.ask.paraphrases:
        n_resamples = show.config.score.n_resamples
        scores += score_wording([*answers, *paraphrased], marks, rung=rung.name, n_resamples=n_resamples)
    scores += _score_rows(rows, yardstick, rung)
    nearest = find_nearest(answers, before)
    tables: dict[str, Sequence[Record]] = {
        "scores": scores,
        "marks": marks,
        "gates": _list_gates(rows, rung),
        "spans": _list_spans(rows, rung),
        "nearest": nearest,
        "replies": _list_replies(measured.replies, rung),
    }
    counts = {"scores": len(scores), "unscored": sum(score.value is None for score in scores)}
    counts |= {f"{side} replies": sum(row.side == side for row in measured.replies) for side in pairs}
    return Made(tables, counts=counts | {"near quotes": sum(bool(near.text) for near in nearest)})


def held_out(show: Show) -> HeldOut:
    """Per side, the kept pairs of the test episodes: what the host replied, and what guests replied to the host."""
    return {"host": show.pairs(split="test", kept=True), "guest": show.guest_pairs(split="test", kept=True)}


def kept_pairs(show: Show) -> HeldOut:
    """Per side, the kept pairs of every split."""
    guest = drop_duplicates(show.guest_pairs())
    return {"host": show.pairs(kept=True), "guest": [pair for pair in guest if pair.is_kept]}


def _marking_guide(show: Show, turns: Sequence[Turn]) -> MarkingGuide:
    """What the exam's answers are checked against."""
    hosts = show.config.show.hosts
    aired = list_aired(show.episodes(), turns, hosts)
    return MarkingGuide(aired, passed_over=(*hosts, show.voice.host, show.voice.show))


def _held_out_texts(host: Sequence[Pair]) -> list[str]:
    return [pair.reply for pair in host if pair.split == "test"]


def _inputs(rung: Rung) -> dict[str, str]:
    show = rung.show
    stages = {"pairs": show.made("pair"), "transcripts": show.made("parse")}
    # What is expected of an answer may change without any answer changing.
    stages["questions"] = show.questions_sha256()
    stages |= {"tuned model": rung.made("train"), "answers": rung.made("ask")}
    # What Presidio hides in the guests' replies alone changes no pair of the host.
    guests = {"guests' pairs": show.made("pair", "guests")} if show.config.pair.private == "presidio" else {}
    return stages | guests | contexts_input(rung)


SCORE = Stage[Rung](
    "score",
    version=4,
    settings={
        "score": lambda rung: rung.show.config.score.model_dump(exclude={"judge"}),
        "form": lambda rung: FORM_VERSION,
    },
    inputs=_inputs,
    reads=("parse", "pair", "pair/guests", "train", "ask", "questions.toml"),
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


# --- what a model finds likely ----------------------------------------------------------------------------------------


def _score_likelihoods(rung: Rung, measured: Likelihoods) -> list[Score]:
    n_resamples = rung.show.config.score.n_resamples
    sides = {side: [row.likelihood() for row in measured.replies if row.side == side] for side in _SUBJECTS}
    scores: list[Score] = []
    for side, rows in sides.items():
        scores += score_likelihood(rows, rung=rung.name, subject=_SUBJECTS[side], n_resamples=n_resamples)
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
    for side in _SUBJECTS:
        said[side] = take_reference(pairs[side], yardstick.speech)
    said[PARROT] = parrot_questions(parrot, questions, n_samples=n_samples)
    return {variant: measure_row(ones, yardstick) for variant, ones in said.items()}


def _score_rows(rows: Mapping[str, Row], yardstick: Yardstick, rung: Rung) -> list[Score]:
    scores = [
        score
        for variant, row in rows.items()
        for score in list_scores(row, yardstick, rung=rung.name, variant=variant, subject=ANSWERS)
    ]
    for before, after in COMPARED:
        if before in rows and after in rows:
            name = name_difference(after, before)
            scores += compare_rows(rows[before], rows[after], yardstick, rung=rung.name, variant=name)
    return scores


def _list_gates(rows: Mapping[str, Row], rung: Rung) -> list[Gate]:
    return [gate for variant, row in rows.items() for gate in list_gates(row, rung=rung.name, variant=variant)]


def _list_spans(rows: Mapping[str, Row], rung: Rung) -> list[CopiedSpan]:
    return [span for variant, row in rows.items() for span in list_spans(row, rung=rung.name, variant=variant)]


def _list_variants(answers: Sequence[Answer]) -> list[Variant]:
    asked = {answer.variant for answer in answers}
    return [variant for variant in VARIANTS if variant in asked]


# --- what is made up --------------------------------------------------------------------------------------------------


def _score_facts(rung: Rung, turns: Sequence[Turn]) -> list[Score]:
    show, answers, probes = rung.show, rung.answers("probes"), rung.probes()
    book, reasons = make_name_book(turns), make_show_probes(show).reasons
    if not show.config.ask.max_probes:
        reasons = {CLOSED_QUESTIONS: "none was asked: max_probes is 0 under [ask]"}
    return [
        score
        for model in MODELS
        for score in score_facts(
            judge_answers(answers, probes, book, variant=model), rung=rung.name, variant=model, reasons=reasons
        )
    ]


# --- who was a guest --------------------------------------------------------------------------------------------------

_MIN_GUEST_TURNS = 3
"""Who says less often something is a caller or a voice played in, not a guest."""


def list_aired(episodes: Sequence[Episode], turns: Sequence[Turn], hosts: Sequence[str]) -> list[AiredEpisode]:
    """Every episode with its year and its named guests, in the show's order; `year` is `None` where it is undated."""
    counts = defaultdict[str, Counter[str]](Counter)
    for turn in turns:
        if turn.role == "guest" and turn.speaker and not (is_anonymous(turn.speaker) or is_pseudo(turn.speaker)):
            counts[turn.slug][turn.speaker] += 1
    readers = find_ad_voices(turns, hosts=hosts)
    return [
        AiredEpisode(
            title=episode.title,
            year=episode.published.year if episode.published else None,
            guests=tuple(
                name for name, n in counts[episode.slug].items() if n >= _MIN_GUEST_TURNS and name not in readers
            ),
        )
        for episode in episodes
    ]
