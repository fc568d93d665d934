"""Write the answers, the scores and the gates as CSV, for whoever wants to count again.

A cell that a spreadsheet program would take for a formula is written as text, so that no answer and no transcript can
compute, call or send anything from there; numbers of ours stay numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from econchatr.display import disarm, label_imitation
from econchatr.records import Answer, CopiedSpan, Mark, NearQuote, Probe, Question
from econchatr.report.material import ReportMaterial
from econchatr.report.sections.answered import index_quotes, name_answer

CsvCell = str | int | float | None

_FORMULA_SIGNS = (
    "=+-@|%\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""Source: OWASP, "CSV Injection"; `|` and `%` begin a call in old programs."""

_SCORE_COLUMNS = ("rung", "variant", "measure", "subject", "value", "low", "high", "n", "unit", "reason")
_GATE_COLUMNS = ("rung", "variant", "gate", "outcome", "value", "limit", "n", "reason")


def write_answers(material: ReportMaterial) -> str:
    """Give every answer with its mark, its copied words and its nearest real quote, one a row."""
    rows = ([show(row) for show in _ANSWER_COLUMNS.values()] for row in _list_answers(material))
    label = label_imitation(material.hosts)
    return _write(("label", *_ANSWER_COLUMNS), ([label, *row] for row in rows))


def write_scores(material: ReportMaterial) -> str:
    """Give every score, with its interval and n, or its reason, one a row."""
    scores = material.refuse_infinite().scores
    return _write(_SCORE_COLUMNS, ([getattr(score, column) for column in _SCORE_COLUMNS] for score in scores))


def write_gates(material: ReportMaterial) -> str:
    """Give every gate, one a row."""
    return _write(_GATE_COLUMNS, ([getattr(gate, column) for column in _GATE_COLUMNS] for gate in material.gates))


def make_safe(text: str) -> str:
    """Give the text as a spreadsheet program shows it: as text, whatever it begins with.

    >>> make_safe("=1+1"), make_safe(" @SUM(A1)"), make_safe("Well, no.")
    ("'=1+1", "' @SUM(A1)", 'Well, no.')
    """
    shown = disarm(text)
    is_formula = text[:1] in _FORMULA_SIGNS or shown.lstrip()[:1] in _FORMULA_SIGNS if text else False
    return f"'{shown}" if is_formula else shown


def _write(columns: Sequence[str], rows: Iterable[Sequence[CsvCell]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else make_safe(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


class _AnswerRow(NamedTuple):
    """An answer with what it was asked and what was found of it."""

    answer: Answer
    question: Question | None
    """`None`: a closed question, or one that is no longer asked."""
    probe: Probe | None
    mark: Mark | None
    span: CopiedSpan | None
    near: NearQuote | None

    @property
    def asked(self) -> str | None:
        """The question as it was put; `None`: it is no longer asked."""
        if self.question is None:
            return self.probe.text if self.probe else None
        wordings = (self.question.text, *self.question.paraphrases)
        return wordings[self.answer.wording] if self.answer.wording < len(wordings) else None

    @property
    def expected(self) -> str | None:
        if self.question is None:
            return "; ".join(self.probe.right) if self.probe else None
        return self.question.expected


def _list_answers(material: ReportMaterial) -> Iterator[_AnswerRow]:
    questions = {question.question_id: question for question in material.questions}
    probes = {probe.probe_id: probe for probe in material.probes}
    marks = {(name_answer(mark), mark.wording): mark for mark in material.marks}
    spans, nearest = index_quotes(material).spans, {name_answer(row): row for row in material.nearest}
    for answer in (*material.answers, *material.more_answers):
        key = name_answer(answer)
        # What was found belongs to answers to the question's own words.
        span, near = (spans.get(key), nearest.get(key)) if not answer.wording else (None, None)
        question, probe = questions.get(answer.question_id), probes.get(answer.question_id)
        yield _AnswerRow(answer, question, probe, marks.get((key, answer.wording)), span, near)


_ANSWER_COLUMNS: dict[str, Callable[[_AnswerRow], CsvCell]] = {
    "rung": lambda row: row.answer.rung,
    "variant": lambda row: row.answer.variant,
    "question_id": lambda row: row.answer.question_id,
    "kind": lambda row: row.question.kind if row.question else row.probe.kind if row.probe else None,
    "question": lambda row: row.asked,
    "expected": lambda row: row.expected,
    "wording": lambda row: row.answer.wording,
    "sample": lambda row: row.answer.sample,
    "seed": lambda row: row.answer.seed,
    "answer": lambda row: row.answer.reply.text if row.answer.reply else None,
    "error": lambda row: row.answer.error,
    "stop": lambda row: row.answer.reply.stop if row.answer.reply else None,
    "n_reply_tokens": lambda row: row.answer.reply.n_reply_tokens if row.answer.reply else None,
    "grade": lambda row: row.mark.grade if row.mark else None,
    "likeness_to_expected": lambda row: row.mark.likeness if row.mark else None,
    "longest_copied_run_words": lambda row: row.span.n_words if row.span else None,
    "copied_words": lambda row: row.span.text if row.span else None,
    "copied_from": lambda row: row.span.slug if row.span else None,
    "nearest_quote": lambda row: row.near.text if row.near else None,
    "nearest_likeness": lambda row: row.near.likeness if row.near else None,
    "nearest_episode": lambda row: row.near.slug if row.near else None,
    "nearest_date": lambda row: row.near.published.isoformat() if row.near and row.near.published else None,
    "model_sha256": lambda row: row.answer.model_sha256,
}
