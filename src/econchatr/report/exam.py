"""Lay the answers out beside each other, question by question, and keep failures apart from speech.

Reads questions, answers and their marks; judges no answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from econchatr.records import Answer, Mark, Question, Variant
from econchatr.report.formats import count_noun, format_count, format_share
from econchatr.report.material import ReportMaterial

COLUMNS: tuple[tuple[Variant, str], ...] = (
    ("base", "Base model"),
    ("persona", "Base model with a persona prompt"),
    ("tuned", "Tuned model"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer as it is shown: speech, or a failure, never both."""

    speech: str | None
    failure: str | None
    facts: str
    """Sample number, seed and size, in words."""
    mark: str = ""
    """How it was marked, in words; empty where no rule marks it."""


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """All samples of one model form to one question."""

    variant: Variant
    title: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One rung's three columns."""

    rung: str
    columns: tuple[AnswerColumn, ...]


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
    by_place: dict[tuple[str, str, str], list[Answer]] = {}
    for answer in material.answers:
        by_place.setdefault((answer.question_id, answer.rung, answer.variant), []).append(answer)
    marks = {_place(mark): mark for mark in material.marks if mark.wording == 0}
    cards = []
    for number, question in enumerate(material.questions, start=1):
        rows = []
        for rung in rungs:
            columns = []
            for variant, title in COLUMNS:
                found = sorted(
                    by_place.get((question.question_id, rung, variant), []), key=lambda a: (a.sample, a.seed)
                )
                samples = tuple(
                    _show_sample(answer, number=place, mark=_tell_mark(marks.get(_place(answer)), question))
                    for place, answer in enumerate(found, start=1)
                )
                columns.append(AnswerColumn(variant, title, samples))
            rows.append(AnswerRow(rung, tuple(columns)))
        cards.append(Card(question, number, len(material.questions), tuple(rows)))
    return tuple(cards)


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


def _show_sample(answer: Answer, *, number: int, mark: str) -> Sample:
    where = f"sample {number} \N{MIDDLE DOT} seed {answer.seed}"
    if answer.error is not None or answer.reply is None:
        return Sample(None, answer.error or "no reply and no reason were recorded", where)
    tokens = count_noun(answer.reply.n_reply_tokens, "token")
    cut = ", cut off at the limit" if answer.reply.stop == "length" else ""
    facts = f"{where} \N{MIDDLE DOT} {tokens}{cut}"
    if not answer.reply.text.strip():
        return Sample(None, "the model returned no words", facts)
    return Sample(answer.reply.text.strip(), None, facts, mark)
