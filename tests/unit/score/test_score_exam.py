from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import Answer, Mark, Question, Score
from econchatr.score.grading.marking import (
    NEAR,
    AiredEpisode,
    MarkingGuide,
    find_guests,
    grade_words,
    mark_answers,
    score_exam,
)
from econchatr.score.statistics import exact_share
from tests.helpers.make_records import make_answer

LOVELY = "but to be lovely"
EPISODES = (
    AiredEpisode("Ada Quill on sparrows", 2014, ("Ada Quill",)),
    AiredEpisode("Bruno van Dam and Ines Møller on bells", 2014, ("Bruno van Dam", "Ines Møller")),
    AiredEpisode("Otto K. Brandt on prairies", 2015, ("Otto K. Brandt",)),
    AiredEpisode("Undated talk", None, ("Cleo Marsh",)),
)
GUIDE = MarkingGuide(EPISODES, passed_over=("Hal Host", "The Show"))


def ask_guests(guests_of: str) -> Question:
    text = f"Who are some guests of The Show from the year {guests_of}?"
    return Question(question_id="q1", kind="fact", text=text, guests_of=guests_of)


def ask_quotation(expected: str | None = LOVELY) -> Question:
    return Question(
        question_id="q1", kind="quotation", text='Finish: "Man desires not only to be loved', expected=expected
    )


def mark(text: str, question: Question) -> Mark:
    (found,) = mark_answers([make_answer(text)], [question], GUIDE)
    return found


def find(scores: list[Score], measure: str, variant: str = "tuned") -> Score:
    (score,) = [score for score in scores if (score.measure, score.variant) == (measure, variant)]
    return score


# --- quotations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("... but to be lovely.", "exact"),
        ("Smith wrote: BUT, to be “lovely”!", "exact"),
        ("And also to be lovely.", "near"),
        ("To be lovely", "near"),
        ("But to be rich.", "wrong"),
        ("But to be loved more, or to be left alone.", "wrong"),
        ("Lovely weather, but to my mind it will not be.", "wrong"),
        ("Man desires many things.", "wrong"),
        ("?!", "wrong"),
    ],
)
def test_a_quotation_is_exact_near_or_wrong(text: str, grade: str) -> None:
    assert mark(text, ask_quotation()).grade == grade


def test_likeness_by_hand() -> None:
    """Small words weigh a quarter: of 0.25 + 0.25 + 0.25 + 1, `but` alone is missing."""
    assert grade_words("and so to be lovely", LOVELY) == ("near", pytest.approx(1 - 0.25 / 1.75))


def test_another_form_of_a_word_costs_a_quarter_of_it() -> None:
    assert grade_words("we measure light", "we measured light") == ("near", pytest.approx(1 - 0.25 / 2.25))


@given(st.text(max_size=60), st.text(max_size=60), st.text(min_size=1, max_size=30))
def test_words_that_stand_in_a_text_are_exact_and_likeness_stays_between_0_and_1(a: str, b: str, wanted: str) -> None:
    grade, likeness = grade_words(f"{a} . {wanted} . {b}", wanted)
    assert grade in ("exact", "unmarked")
    grade, likeness = grade_words(a, wanted)
    assert 0 <= likeness <= 1
    assert grade != "near" or likeness >= NEAR


def test_a_quotation_without_expected_words_stays_unmarked_with_the_reason() -> None:
    found = mark("Anything.", ask_quotation(None))
    assert (found.grade, found.likeness) == ("unmarked", None)
    assert "neither what a right answer holds" in found.reason


# --- guests -----------------------------------------------------------------------------------------------------------


def test_guests_of_a_year_come_from_its_episodes() -> None:
    assert find_guests("2014", EPISODES) == {"Ada Quill", "Bruno van Dam", "Ines Møller"}
    assert find_guests("all", EPISODES) >= {"Otto K. Brandt", "Cleo Marsh"}
    assert find_guests("ON  Prairies", EPISODES) == {"Otto K. Brandt"}
    assert find_guests("1999", EPISODES) == frozenset()


def test_an_answer_is_told_apart_into_right_misplaced_and_invented_names() -> None:
    text = "Well, Hal Host here. We had Dr. Ada Quill, Otto Brandt, and Zelda Fitz-Gerald of New York University."
    found = mark(text, ask_guests("2014"))
    assert found.named == ("Ada Quill",)
    assert found.misplaced == ("Otto K. Brandt",)
    assert found.invented == ("Zelda Fitz-Gerald",)
    assert (found.grade, found.n_true) == ("near", 3)


@pytest.mark.parametrize(
    "text",
    [
        "I had Ada Quill on the show.",
        "That was Quill, I think.",
        "1. Ada Quill\n2. Ada Quill",
        "Ada Quill's episode was a joy.",
        "It was Ada Quil.",
        "ADA QUILL",
    ],
)
def test_a_guest_is_known_by_surname_by_a_slip_and_by_possessive(text: str) -> None:
    assert mark(text, ask_guests("2014")).named == ("Ada Quill",)


@pytest.mark.parametrize(
    "text",
    [
        "We talked about the Nobel Prize and the Federal Reserve in New York.",
        "Some of the guests were economists. I cannot name them.",
        "The Show had many guests in The Year 2014.",
        "Who knows? Not I. Maybe Monday.",
    ],
)
def test_places_prizes_and_sentence_openings_are_no_names(text: str) -> None:
    found = mark(text, ask_guests("2014"))
    assert (found.named, found.misplaced, found.invented, found.grade) == ((), (), (), "wrong")


def test_names_beside_each_other_are_told_apart() -> None:
    found = mark("Lena Orlov, Piet Haas and J. R. Crane. Tom Abel & Sue Finn", ask_guests("2014"))
    assert found.invented == ("Lena Orlov", "Piet Haas", "J R Crane", "Tom Abel", "Sue Finn")


def test_a_year_without_episodes_leaves_the_answer_unmarked() -> None:
    found = mark("Ada Quill", ask_guests("1999"))
    assert found.grade == "unmarked"
    assert "1999" in found.reason


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading_of_names(text: str) -> None:
    if text.strip():
        found = mark(text, ask_guests("2014"))
        assert set(found.named) <= {"Ada Quill", "Bruno van Dam", "Ines Møller"}


# --- scores -----------------------------------------------------------------------------------------------------------


def score(texts: list[str | None], question: Question) -> list[Score]:
    answers = [make_answer(text, sample=sample) for sample, text in enumerate(texts)]
    return score_exam(mark_answers(answers, [question], GUIDE), [question], rung="small")


def test_shares_of_exact_and_near_leave_failures_out() -> None:
    scores = score(["but to be lovely", "also to be lovely", "no", None], ask_quotation())
    assert (find(scores, "quotation exact").value, find(scores, "quotation exact").n) == (pytest.approx(1 / 3), 3)
    assert find(scores, "quotation exact or near").value == pytest.approx(2 / 3)


def test_precision_and_recall_of_guests_by_hand() -> None:
    """One answer names 1 right of 2; one names 2 right of 2; one names nobody. Three guests were asked for."""
    scores = score(["Ada Quill and Tom Abel.", "Ada Quill, Ines Møller", "I forget."], ask_guests("2014"))
    assert find(scores, "guests named, right").value == pytest.approx((1 / 2 + 1) / 2)
    assert find(scores, "guests named, right").n == 2
    assert find(scores, "guests named, invented").value == pytest.approx(1 / 4)
    assert find(scores, "guests recalled").value == pytest.approx((1 / 3 + 2 / 3 + 0) / 3)


def test_who_names_nobody_has_no_precision() -> None:
    found = find(score(["I forget."], ask_guests("2014")), "guests named, right")
    assert (found.value, found.reason) == (None, "no answer names anybody")


def test_what_has_no_right_words_is_unscored_with_that_reason() -> None:
    question = Question(question_id="q1", kind="idea", text="Why?")
    (found,) = score(["Because."], question)
    assert (found.measure, found.value, found.n) == ("exam: idea", None, 0)
    assert "neither what a right answer holds" in found.reason


def test_answers_to_paraphrases_are_marked_but_not_scored_with_the_exam() -> None:
    answers: list[Answer] = [make_answer("but to be lovely"), make_answer("no").model_copy(update={"wording": 1})]
    marks = mark_answers(answers, [ask_quotation()], GUIDE)
    assert len(marks) == 2
    assert find(score_exam(marks, [ask_quotation()], rung="small"), "quotation exact").n == 1


# --- intervals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (1, 2), (7, 20), (12, 12), (3, 300)])
def test_the_exact_interval_agrees_with_scipy(hits: int, n: int) -> None:
    from scipy.stats import binomtest

    theirs = binomtest(hits, n).proportion_ci(method="exact")
    assert exact_share(hits, n) == pytest.approx((hits / n, theirs.low, theirs.high), abs=1e-9)


@given(st.integers(1, 40), st.floats(0, 1, allow_subnormal=False))
def test_the_exact_interval_holds_its_value(n: int, share: float) -> None:
    value, low, high = exact_share(share * n, n)
    assert low is not None
    assert high is not None
    assert 0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1
