"""Marks out of twelve: what an answer holds, what it says instead, and how many are right."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr import demo
from econchatr.config import load_questions
from econchatr.records import Answer, HandMark, Mark, Question, RightCount
from econchatr.score.grading import held_words
from econchatr.score.grading.held_words import grade_sense, says_opposite
from econchatr.score.grading.marking import MarkingGuide, mark_answers
from econchatr.score.grading.right_of_twelve import average_marks, count_right, worth_by_key, worth_by_rule
from econchatr.score.raters.hand import answer_key
from tests.helpers.make_records import make_answer

GUIDE = MarkingGuide((), passed_over=())
DEMO_FILE = Path(demo.__file__).with_name("questions.toml")
DEMO = {question.question_id[:3]: question for question in load_questions(DEMO_FILE)}


def mark(text: str, question: Question) -> Mark:
    (found,) = mark_answers([make_answer(text, question_id=question.question_id)], [question], GUIDE)
    return found


def test_the_examples_in_the_words_hold() -> None:
    assert doctest.testmod(held_words).failed == 0


RIGHT = {
    "q01": ["Ninety-four? Who counted?", "I'd ask who did the counting, and whom they left out."],
    "q02": ["A survey tells you who answers surveys.", "It's about who answered. Nothing else."],
    "q03": ["A pilot study is a dress rehearsal with a kind audience.", "That was the Dress Rehearsals!"],
    "q04": ["Figures don't speak.", "They don't. Somebody speaks for them.", "I never heard the figures speak."],
    "q07": ["Before you take a ladder away, ask who is up it.", "There's the ladder again."],
    "q09": ["You can plant the trees. You can't plant the years.", "It takes years."],
    "q11": ["My Uncle Perrin's ferry was on time on average.", "perrin and his FERRY, my uncle"],
}
WRONG = {
    "q01": ["That is a great figure.", "I counted the patients.", "Who knows? We counted them."],
    "q02": ["Surveys are the best thing in the world.", "I trust them."],
    "q04": ["They do.", "Yes, they do speak.", "Of course. The numbers speak to everybody."],
    "q08": ["Yes, it can work.", "They are two years old."],
    "q11": ["I don't know.", "?!"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in RIGHT.items() for text in texts])
def test_an_answer_that_holds_what_a_right_one_holds_is_worth_1(name: str, text: str) -> None:
    assert mark(text, DEMO[name]).worth == 1


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_any_other_is_worth_0(name: str, text: str) -> None:
    assert mark(text, DEMO[name]).worth == 0


@pytest.mark.parametrize(("name", "text"), [(name, WRONG[name][0]) for name in ("q01", "q02", "q04", "q08")])
def test_the_opposite_of_the_host_is_told(name: str, text: str) -> None:
    assert mark(text, DEMO[name]).says_opposite


@pytest.mark.parametrize("text", ["They do not.", "Do they? I doubt that they do?", "I don't believe they do.", ""])
def test_what_is_denied_or_asked_is_not_said(text: str) -> None:
    assert not says_opposite(text, "they do")


def test_a_negation_of_something_else_undoes_no_opposite() -> None:
    assert mark("I trust surveys, but I don't trust people.", DEMO["q02"]).says_opposite


def test_half_of_a_longer_answer_is_worth_a_half_and_words_of_the_question_are_no_part() -> None:
    wanted = "four clever keepers of bees"
    assert grade_sense("The keepers had bees.", wanted) == ("near", 0.5)
    assert grade_sense("The keepers had bees.", wanted, question="Who keeps bees? The keepers?")[0] == "wrong"
    assert grade_sense("4 clever keepers keep bees", wanted)[0] == "exact"


def test_a_bare_yes_or_no_counts_where_the_answer_begins() -> None:
    assert grade_sense("Well, no. It needs somebody.", "no")[0] == "exact"
    assert grade_sense("It does not.", "no")[0] == "exact"
    assert grade_sense("Data can speak, and there is no doubt of it.", "no")[0] == "wrong"


def test_a_question_that_says_neither_is_not_marked() -> None:
    assert (mark("Anything.", DEMO["q10"]).worth, DEMO["q10"].expected) == (None, None)
    only = Question(question_id="q1", kind="belief", text="Do they?", opposite="they do")
    assert (mark("They do.", only).worth, mark("They don't.", only).worth) == (0, None)


@given(st.text(max_size=200), st.text(max_size=40))
def test_no_text_breaks_the_marking(text: str, wanted: str) -> None:
    grade, held = grade_sense(text, wanted, question=wanted)
    assert 0 <= held <= 1
    assert (grade == "exact") <= (held == 1)
    says_opposite(text, wanted)


# --- counts -----------------------------------------------------------------------------------------------------------

QUESTIONS = [
    Question(question_id=f"q{n}", kind="belief", text=f"Why {n}?", expected="because" if n < 3 else None)
    for n in range(4)
]


def count(answers: list[Answer]) -> RightCount:
    (found,) = count_right(answers, QUESTIONS, worth_by_rule(mark_answers(answers, QUESTIONS, GUIDE)), marker="rule")
    return found


def say(n: int, *texts: str | None) -> list[Answer]:
    return [make_answer(text, question_id=f"q{n}", sample=sample) for sample, text in enumerate(texts)]


def test_the_first_try_and_the_best_of_several_are_counted() -> None:
    found = count([*say(0, "because", "no"), *say(1, "no", "because"), *say(2, "no", "no"), *say(3, "because")])
    assert (found.n_right, found.best_of_tries, found.n_marked, found.n_questions) == (1, 2, 3, 4)


def test_a_failure_is_no_try_and_one_try_has_no_best() -> None:
    found = count([*say(0, None, "because"), *say(1, None)])
    assert (found.n_right, found.n_marked, found.best_of_tries) == (1, 1, None)


def test_marks_of_several_people_are_averaged_and_nothing_marked_is_no_score() -> None:
    answers = say(0, "because") + say(1, "no")
    keys = [answer_key("Why 0?", "because"), answer_key("Why 1?", "no")]
    marks = [HandMark(key=keys[0], scorer=who, value=value) for who, value in (("a", 1), ("b", 0.5))]
    (found,) = count_right(answers, QUESTIONS, worth_by_key(answers, QUESTIONS, average_marks(marks)), marker="people")
    assert (found.n_right, found.n_marked) == (0.75, 1)
    (none,) = count_right(answers, QUESTIONS, {}, marker="people")
    assert (none.n_right, none.reason) == (None, "not marked yet")
