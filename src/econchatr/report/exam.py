"""Lay the answers out beside each other, question by question, and keep failures apart from speech.

Reads questions, answers and their marks; judges no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from econchatr.records import Answer, Mark, Question, Score, Variant
from econchatr.report.formats import count_noun, format_count, format_decimal, format_share
from econchatr.report.material import ReportMaterial, name_hosts
from econchatr.report.nearest import Findings, Near, Piece, gather_findings, split_copied
from econchatr.report.scorebook import (
    BLIND_PICKS,
    HAND_MARK,
    HELD_OUT_CUES,
    ROW_NAMES,
    SCORER_AGREEMENT,
    VARIANT_ORDER,
    find_score,
    list_rungs,
)

COLUMNS: tuple[tuple[Variant, str], ...] = (
    ("tuned", "Tuned model"),
    ("base", "Base model"),
    ("persona", "Base model with a persona prompt"),
)
_WITH_EXCERPTS: tuple[tuple[Variant, str], ...] = (
    ("grounded", "Tuned model with real excerpts"),
    ("retrieval", "Base model with real excerpts"),
)
"""Folded away, so that each question has three answers to read; not mentioned where they were not asked."""

_CHANCE = 0.2
"""Of picking the real one of five by guessing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer as it is shown: speech, or a failure, never both."""

    speech: tuple[Piece, ...] | None
    """In the pieces that are the model's own words and the host's; `None`: it failed."""
    failure: str | None
    facts: str
    """Sample number, seed and size, in words."""
    mark: str = ""
    """How it was marked, in words; empty where no rule marks it."""
    near: Near | None = None
    """`None`: nobody looked."""
    copied: str = ""
    """What it copies, in words; empty: no run of eight words."""

    @property
    def text(self) -> str:
        """The answer in one piece."""
        return "".join(piece.text for piece in self.speech or ())


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """All samples of one model form to one question."""

    variant: Variant
    title: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One rung's three columns, and those that had real turns of the host put before the question."""

    rung: str
    columns: tuple[AnswerColumn, ...]
    with_excerpts: tuple[AnswerColumn, ...] = ()

    @property
    def all_columns(self) -> tuple[AnswerColumn, ...]:
        """Every column, the three first."""
        return (*self.columns, *self.with_excerpts)


@dataclass(frozen=True, slots=True)
class Card:
    """One question with everything that was answered to it."""

    question: Question
    number: int
    n_questions: int
    rows: tuple[AnswerRow, ...]


def lay_out_answers(material: ReportMaterial) -> tuple[Card, ...]:
    """Make one card per question, in the exam's order, samples in the order of their numbers."""
    rungs = tuple(dict.fromkeys(answer.rung for answer in material.answers))
    asked = {answer.variant for answer in material.answers}
    findings = gather_findings(material)
    by_place: dict[tuple[str, str, str], list[Answer]] = {}
    for answer in material.answers:
        by_place.setdefault((answer.question_id, answer.rung, answer.variant), []).append(answer)
    marks = {_place(mark): mark for mark in material.marks if mark.wording == 0}

    def lay_out(question: Question, rung: str, forms: Sequence[tuple[Variant, str]]) -> tuple[AnswerColumn, ...]:
        columns = []
        for variant, title in forms:
            found = sorted(by_place.get((question.question_id, rung, variant), []), key=lambda a: (a.sample, a.seed))
            samples = tuple(
                _show_sample(answer, findings, number=place, mark=_tell_mark(marks.get(_place(answer)), question))
                for place, answer in enumerate(found, start=1)
            )
            columns.append(AnswerColumn(variant, title, samples))
        return tuple(columns)

    excerpts = [form for form in _WITH_EXCERPTS if form[0] in asked]
    return tuple(
        Card(
            question,
            number,
            len(material.questions),
            tuple(
                AnswerRow(rung, lay_out(question, rung, COLUMNS), lay_out(question, rung, excerpts)) for rung in rungs
            ),
        )
        for number, question in enumerate(material.questions, start=1)
    )


def tell_people(material: ReportMaterial) -> tuple[str, ...]:
    """Say what people made of the answers: hand marks, how far scorers agree, and the blind test; empty: nobody did."""
    rungs = list_rungs(material.scores)
    return (
        *(told for rung in rungs if (told := _tell_marks_by_hand(material, rung))),
        *(told for rung in rungs if (told := _tell_blind_picks(material, rung))),
    )


def _tell_marks_by_hand(material: ReportMaterial, rung: str) -> str:
    found = [
        (ROW_NAMES[variant], score)
        for variant in VARIANT_ORDER
        if (score := find_score(material.scores, HAND_MARK, rung=rung, variant=variant)) and score.value is not None
    ]
    if not found:
        return ""
    told = "; ".join(f"{title} {_tell_share(score)}, n = {score.n}" for title, score in found)
    agreement = find_score(material.scores, SCORER_AGREEMENT, rung="", variant="all")
    if agreement is None or agreement.value is None:
        trust = f"How far scorers agree is not known: {agreement.reason if agreement else 'it was not scored'}."
    else:
        alpha = format_decimal(agreement.value, 2)
        trust = f"Scorers agree with alpha = {alpha} (1 is full agreement, 0 is chance; n = {agreement.n})."
    return f"Marked by people who were not told whose answer it was (0, a half or 1), {rung}: {told}. {trust}"


def _tell_blind_picks(material: ReportMaterial, rung: str) -> str:
    score = find_score(material.scores, BLIND_PICKS, rung=rung, variant="tuned", subject=HELD_OUT_CUES)
    if score is None or score.value is None:
        return ""
    if score.low is not None and score.low > _CHANCE:
        verdict = "so they can tell"
    elif score.high is not None and score.high < _CHANCE:
        verdict = "so they take the model for the host"
    else:
        verdict = "so it is not shown that they can tell"
    return (
        f"Blind test, {rung}: of five replies to a cue no model had seen, people picked {name_hosts(material.hosts)}'s "
        f"own {_tell_share(score)} of the time, n = {score.n} cues; a guess is right {format_share(_CHANCE)} of the "
        f"time, {verdict}."
    )


def _tell_share(score: Score) -> str:
    span = (
        "" if score.low is None or score.high is None else f" ({format_share(score.low)} to {format_share(score.high)})"
    )
    return f"{format_share(score.value)}{span}"


def note_gaps(material: ReportMaterial) -> tuple[str, ...]:
    """Say how many answers failed, and how many belong to no question of this exam."""
    notes = []
    n_failed = sum(answer.reply is None or answer.error is not None for answer in material.answers)
    if n_failed:
        total = count_noun(len(material.answers), "answer")
        notes.append(f"{format_count(n_failed)} of {total} failed; each is shown as an error where it belongs.")
    known = {question.question_id for question in material.questions}
    n_strays = sum(answer.question_id not in known for answer in material.answers)
    if n_strays:
        notes.append(f"{count_noun(n_strays, 'answer')} to questions that are no longer asked: not shown.")
    return tuple(notes)


def _place(row: Answer | Mark) -> tuple[str, str, str, int]:
    return row.question_id, row.rung, row.variant, row.sample


def _tell_mark(mark: Mark | None, question: Question) -> str:
    """Say what the question's own rule made of an answer."""
    if mark is None or question.kind not in ("quotation", "fact"):
        return ""
    if mark.grade == "unmarked":
        return f"Not marked: {mark.reason}."
    if mark.n_true is None:
        likeness = format_share(mark.likeness)
        wrong = f"Not the expected words ({likeness} alike)."
        near = f"Nearly the expected words ({likeness} alike)."
        return {"exact": "The expected words, word for word.", "near": near}.get(mark.grade, wrong)
    parts = [
        f"{title}: {', '.join(names)}"
        for title, names in (
            ("right", mark.named), ("guests, but not those asked for", mark.misplaced), ("never a guest", mark.invented)
        )
        if names
    ]  # fmt: skip
    asked_for = f"{count_noun(mark.n_true, 'guest')} asked for"
    return f"Names given: {'; '.join(parts)} ({asked_for})." if parts else f"Names nobody ({asked_for})."


def _show_sample(answer: Answer, findings: Findings, *, number: int, mark: str) -> Sample:
    where = f"sample {number} \N{MIDDLE DOT} seed {answer.seed}"
    if answer.error is not None or answer.reply is None:
        return Sample(None, answer.error or "no reply and no reason were recorded", where)
    tokens = count_noun(answer.reply.n_reply_tokens, "token")
    cut = ", cut off at the limit" if answer.reply.stop == "length" else ""
    facts = f"{where} \N{MIDDLE DOT} {tokens}{cut}"
    if not answer.reply.text.strip():
        return Sample(None, "the model returned no words", facts)
    place = answer.rung, answer.variant, answer.question_id, answer.sample
    speech = split_copied(answer.reply.text.strip(), findings.spans.get(place))
    return Sample(speech, None, facts, mark, near=findings.near.get(place), copied=findings.tell_copied(place))
