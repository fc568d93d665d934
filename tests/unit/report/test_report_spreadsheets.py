"""The tables to count again: complete, and harmless in a spreadsheet program."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import Question
from econchatr.report.spreadsheets import make_safe, write_answers, write_gates, write_scores
from tests.helpers.report_material import HOST
from tests.helpers.report_proof_material import make_proved_material, score


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_answer_is_a_row_with_its_label() -> None:
    material = make_proved_material()
    rows = read(write_answers(material))
    assert len(rows) == len(material.answers) + len(material.more_answers)
    assert {row["label"] for row in rows} == {f"AI imitation of {HOST}, not {HOST}"}


def test_failed_answer_has_an_error_and_no_words() -> None:
    row = next(row for row in read(write_answers(make_proved_material())) if row["error"])
    assert row["answer"] == ""
    assert "120 seconds" in row["error"]


def test_answer_stands_with_its_mark_its_copy_and_its_nearest_quote() -> None:
    rows = read(write_answers(make_proved_material()))
    assert any(row["longest_copied_run_words"] == "8" and row["copied_from"].startswith("2021-02-11") for row in rows)
    assert any(row["nearest_date"] == "2021-02-11" and row["nearest_likeness"] == "0.61" for row in rows)
    assert any(row["grade"] == "wrong" and row["question_id"] == "bees" for row in rows)


def test_paraphrase_is_told_as_it_was_put_and_takes_nothing_from_the_questions_own_answer() -> None:
    material = make_proved_material()
    question = Question(question_id="surveys", kind="belief", text="Surveys?", paraphrases=("Of surveys?",))
    worded = material.answers[0].model_copy(update={"wording": 1})
    row = read(write_answers(material.model_copy(update={"questions": (question,), "more_answers": (worded,)})))[-1]
    assert (row["question"], row["nearest_quote"]) == ("Of surveys?", "")


def test_unscored_is_empty_and_has_its_reason() -> None:
    row = next(row for row in read(write_scores(make_proved_material())) if row["reason"] == "no name was given")
    assert (row["value"], row["measure"]) == ("", "made-up rate")


def test_negative_number_stays_a_number() -> None:
    material = make_proved_material().model_copy(update={"scores": (score("m", "tuned", -0.25),)})
    assert read(write_scores(material))[0]["value"] == "-0.25"


def test_every_gate_is_a_row() -> None:
    material = make_proved_material()
    assert len(read(write_gates(material))) == len(material.gates)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "|calc"])
def test_formula_is_text(text: str) -> None:
    assert make_safe(text).startswith("'")


@given(st.text(max_size=40))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert not make_safe(text).lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_formula_in_an_answer_and_in_a_question_is_text() -> None:
    material = make_proved_material()
    evil = Question(question_id="surveys", kind="belief", text="=cmd|' /C calc'!A0")
    rows = read(write_answers(material.model_copy(update={"questions": (evil,)})))
    assert any(row["answer"] == "'=HYPERLINK(1)" for row in rows)
    assert any(row["question"].startswith("'=cmd") for row in rows)
