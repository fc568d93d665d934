"""The judge as a marker: it counts only where it marks real replies above shuffled ones and agrees with people."""

from __future__ import annotations

import doctest

import pytest

from econchatr.records import JudgeMark, Question
from econchatr.score.raters import judge_marks
from econchatr.score.raters.judge_marks import (
    MarkTask,
    find_doubt,
    find_quarrel,
    mark_tasks,
    plan_answers,
    plan_proof,
    read_mark,
)
from econchatr.score.raters.llm_judge import Failed
from tests.helpers.make_records import make_answer, make_pair

QUESTION = Question(question_id="q1", kind="belief", text="Why?", expected="because")
PAIRS = [make_pair(n, cue=f"{n} cue " * 8 + "?" * (n % 2), reply=f"{n} reply " * 8, split="test") for n in range(30)]


def test_the_examples_in_the_words_hold() -> None:
    assert doctest.testmod(judge_marks).failed == 0


@pytest.mark.parametrize(
    ("text", "mark"), [("1", 1), ("0.5", 0.5), ("½", 0.5), ("Mark: 0.", 0), ("<think>1</think>0", 0)]
)
def test_a_mark_is_a_number_alone(text: str, mark: float) -> None:
    assert read_mark(text) == mark


@pytest.mark.parametrize("text", ["", "10", "0.7", "2", "1 or 0", "I cannot say.", "<think>1"])
def test_anything_else_is_no_mark(text: str) -> None:
    assert isinstance(read_mark(text), Failed)


def test_the_proof_puts_each_reply_behind_its_own_cue_and_behind_another_that_asks_first() -> None:
    tasks = plan_proof(PAIRS, n=20)
    real = [task for task in tasks if task.part == "real"]
    shuffled = [task for task in tasks if task.part == "shuffled"]
    assert [task.group for task in real] == [task.group for task in shuffled]
    assert all(one.text != other.text for one, other in zip(real, shuffled, strict=True))
    assert (len(real), sum("?" in task.question.text for task in real)) == (20, 15)


def mark_proof(real: float, shuffled: float, n: int = 20) -> list[JudgeMark]:
    tasks = plan_proof(PAIRS, n=n)
    return mark_tasks(tasks, lambda task: real if task.part == "real" else shuffled)


def test_only_a_judge_that_marks_real_replies_higher_is_believed() -> None:
    assert find_doubt(mark_proof(1, 0.5)) == ""
    assert "does not surely mark real" in find_doubt(mark_proof(1, 1))
    assert "does not surely mark real" in find_doubt(mark_proof(0, 1))
    assert "10 held-out cues, 20 are needed" in find_doubt(mark_proof(1, 0, n=10))


def test_after_three_failures_in_a_row_the_rest_is_not_asked_and_nothing_is_believed() -> None:
    asked: list[str] = []

    def fail(task: MarkTask) -> Failed:
        asked.append(task.key)
        return Failed("status 500")

    marks = mark_tasks(plan_proof(PAIRS, n=20), fail)
    assert (len(marks), len(asked)) == (40, 3)
    assert "status 500" in find_doubt(marks)


def test_a_judge_must_agree_with_people_where_there_are_people() -> None:
    answers = [make_answer(f"{n}", question_id="q1" if n % 2 else "q2") for n in range(12)]
    questions = [QUESTION, Question(question_id="q2", kind="idea", text="Why so?")]
    marks = mark_tasks(plan_answers(answers, questions), lambda task: float(int(task.text) % 4 < 2))
    agreeing = {mark.key: mark.value or 0.0 for mark in marks}
    assert find_quarrel(marks, {}) == find_quarrel(marks, agreeing) == ""
    assert "beyond chance" in find_quarrel(marks, {key: 1 - value for key, value in agreeing.items()})
    assert "cannot be compared" in find_quarrel(marks[:1], agreeing)
