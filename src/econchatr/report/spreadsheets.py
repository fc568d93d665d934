"""Write the answers, the scores and the gates as CSV, for whoever wants to count again.

A cell that a spreadsheet program would take for a formula is written as text, so that no answer and no transcript can
compute, call or send anything from there; numbers of ours stay numbers. Nothing is measured here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from econchatr.display import disarm, label_imitation
from econchatr.records import Answer, Mark
from econchatr.report.material import ReportMaterial
from econchatr.report.nearest_quotes import Place, gather_findings
from econchatr.report.scorebook import refuse_infinite

CsvCell = str | int | float | None

_FORMULA_SIGNS = (
    "=+-@|%\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""Source: OWASP, "CSV Injection"; `|` and `%` begin a call in old programs."""

_ANSWER_COLUMNS = (
    "label",
    "rung",
    "variant",
    "question_id",
    "kind",
    "question",
    "expected",
    "wording",
    "sample",
    "seed",
    "answer",
    "error",
    "stop",
    "n_reply_tokens",
    "grade",
    "likeness_to_expected",
    "n_copied_words",
    "copied_words",
    "copied_from",
    "nearest_quote",
    "nearest_likeness",
    "nearest_episode",
    "nearest_date",
    "model_sha256",
)
_SCORE_COLUMNS = ("rung", "variant", "measure", "subject", "value", "low", "high", "n", "unit", "reason")
_GATE_COLUMNS = ("rung", "variant", "gate", "outcome", "value", "limit", "n", "reason")


def write_answers(material: ReportMaterial) -> str:
    """Give every answer with its mark, its copied words and its nearest real quote, one a row."""
    return _write(_ANSWER_COLUMNS, _list_answers(material))


def write_scores(material: ReportMaterial) -> str:
    """Give every score, with its interval and n, or its reason, one a row."""
    rows = (tuple(getattr(score, column) for column in _SCORE_COLUMNS) for score in refuse_infinite(material.scores))
    return _write(_SCORE_COLUMNS, rows)


def write_gates(material: ReportMaterial) -> str:
    """Give every gate, one a row."""
    return _write(_GATE_COLUMNS, (tuple(getattr(gate, column) for column in _GATE_COLUMNS) for gate in material.gates))


def make_safe(text: str) -> str:
    """Give the text as a spreadsheet program shows it: as text, whatever it begins with.

    >>> make_safe("=1+1"), make_safe(" @SUM(A1)"), make_safe("Well, no.")
    ("'=1+1", "' @SUM(A1)", 'Well, no.')
    """
    shown = disarm(text)
    is_formula = text[:1] in _FORMULA_SIGNS or shown.lstrip()[:1] in _FORMULA_SIGNS if text else False
    return f"'{shown}" if is_formula else shown


def _write(columns: Sequence[str], rows: Iterator[tuple[CsvCell, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else make_safe(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def _list_answers(material: ReportMaterial) -> Iterator[tuple[CsvCell, ...]]:
    label = label_imitation(material.hosts)
    questions = {question.question_id: question for question in material.questions}
    probes = {probe.probe_id: probe for probe in material.probes}
    marks = {(_place(mark), mark.wording): mark for mark in material.marks}
    spans = gather_findings(material).spans
    nearest = {(row.rung, row.variant, row.question_id, row.sample): row for row in material.nearest}
    for answer in (*material.answers, *material.more_answers):
        question, reply, place = questions.get(answer.question_id), answer.reply, _place(answer)
        probe = probes.get(answer.question_id)
        mark = marks.get((place, answer.wording))
        # What was found belongs to answers to the question's own words.
        span, near = (spans.get(place), nearest.get(place)) if not answer.wording else (None, None)
        yield (
            label,
            answer.rung,
            answer.variant,
            answer.question_id,
            question.kind if question else probe.kind if probe else None,
            _word(question.text, question.paraphrases, answer.wording) if question else probe.text if probe else None,
            question.expected if question else "; ".join(probe.right) if probe else None,
            answer.wording,
            answer.sample,
            answer.seed,
            reply.text if reply else None,
            answer.error,
            reply.stop if reply else None,
            reply.n_reply_tokens if reply else None,
            mark.grade if mark else None,
            mark.likeness if mark else None,
            span.n_words if span else None,
            span.text if span else None,
            span.slug if span else None,
            near.text if near else None,
            near.likeness if near else None,
            near.slug if near else None,
            near.published.isoformat() if near and near.published else None,
            answer.model_sha256,
        )


def _place(row: Answer | Mark) -> Place:
    return row.rung, row.variant, row.question_id, row.sample


def _word(text: str, paraphrases: Sequence[str], wording: int) -> str | None:
    """The question as it was put; `None` for a paraphrase that is no longer asked."""
    if not wording:
        return text
    return paraphrases[wording - 1] if wording <= len(paraphrases) else None
