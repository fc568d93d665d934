"""Marks given by people: the sheet gives nothing away, the files are checked, the means are right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import InputError
from econchatr.records import Answer, HandMark, HandSheet, Score, Variant
from econchatr.records.measures import Measure
from econchatr.score.raters.filled_sheets import HAND_FORM, FilledSheet
from econchatr.score.raters.hand import answer_key, lay_out_sheet, read_marks, score_hand
from tests.helpers.make_records import make_answer, make_question

QUESTIONS = [make_question("q1", text="Why?"), make_question("q2", text="How?")]
VARIANTS: tuple[Variant, ...] = ("base", "persona", "tuned")


def make_answers(order: tuple[Variant, ...] = VARIANTS) -> list[Answer]:
    texts = dict(zip(order, ("one", "two", "three"), strict=True))
    return [
        make_answer(f"{texts[variant]} {question.question_id}", question_id=question.question_id, variant=variant)
        for question in QUESTIONS
        for variant in order
    ]


def make_sheet(seed: int = 3) -> HandSheet:
    return lay_out_sheet(make_answers(), QUESTIONS, seed=seed)


def fill(sheet: HandSheet | None = None, *, scorer: str = "Ada", value: float = 0.5, **more: object) -> dict[str, Any]:
    sheet = sheet or make_sheet()
    marks = {answer.key: value for answer in sheet.answers}
    file: dict[str, Any] = {
        "form": HAND_FORM, "show": "The Show", "sheet_sha256": sheet.sha256, "seed": sheet.seed, "scorer": scorer,
        "marks": marks, "n_answers": len(marks),
    }  # fmt: skip
    return file | more


def read(*files: dict[str, Any] | bytes) -> list[HandMark]:
    known = {answer.key for answer in make_sheet().answers}
    filled = [
        FilledSheet(f"{n}.json", file if isinstance(file, bytes) else json.dumps(file).encode())
        for n, file in enumerate(files)
    ]
    return read_marks(filled, known, show="The Show")


def find(scores: list[Score], measure: str, variant: str) -> Score:
    (score,) = [score for score in scores if (score.measure, score.variant) == (measure, variant)]
    return score


# --- the sheet --------------------------------------------------------------------------------------------------------


def test_the_sheet_does_not_depend_on_who_gave_which_answer() -> None:
    """The same texts from other models make the very same sheet: nothing on it tells them apart."""
    assert lay_out_sheet(make_answers(("tuned", "base", "persona")), QUESTIONS, seed=3) == make_sheet()


def test_the_seed_decides_the_order_and_nothing_else() -> None:
    orders = {tuple(answer.text for answer in make_sheet(seed).answers) for seed in range(20)}
    assert len(orders) > 5
    assert len({frozenset(order) for order in orders}) == 1
    assert make_sheet(7) == make_sheet(7)


def test_the_same_answer_twice_is_marked_once_and_failures_not_at_all() -> None:
    answers = [make_answer("Hm."), make_answer("Hm.", variant="base"), make_answer(None, variant="persona")]
    assert [answer.text for answer in lay_out_sheet(answers, QUESTIONS, seed=0).answers] == ["Hm."]


# --- the files --------------------------------------------------------------------------------------------------------


def test_a_filled_sheet_gives_its_marks() -> None:
    assert {(mark.scorer, mark.value) for mark in read(fill(), fill(scorer=" Bea \u200b\n Two ", value=1))} == {
        ("Ada", 0.5), ("Bea Two", 1.0),
    }  # fmt: skip


def without_one(file: dict[str, Any]) -> dict[str, Any]:
    return file | {"marks": dict(list(file["marks"].items())[1:])}


def swapped(file: dict[str, Any]) -> dict[str, Any]:
    key, *others = file["marks"]
    return file | {"marks": {"f" * 64: file["marks"][key]} | {other: file["marks"][other] for other in others}}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (without_one(fill()), "half filled: 1 of 6 are still open"),
        (without_one(fill()) | {"n_answers": 5}, "changed after it was saved"),
        (swapped(fill()), "changed after it was saved"),
        (fill(seed=4), "changed after it was saved"),
        (fill(lay_out_sheet([make_answer("Gone.")], QUESTIONS, seed=3)), "1 of 1 marked answers are not among"),
        (fill(show="Another Show"), "for the show 'Another Show'"),
        (fill(value=0.7), "Input should be 0, 0.5 or 1"),
        (fill(value=-1), "Input should be 0, 0.5 or 1"),
        (fill(scorer=" "), "the name is empty"),
        (fill(scorer="x" * 61), "at most 60"),
        (fill(form="econchatr blind picks 1"), "is for --blind"),
        (fill(variant="tuned"), "Extra inputs are not permitted"),
        (b"", "is not a sheet"),
        (b"[" * 100_000, "is not a sheet"),
        (b"\xff\xfe\x00", "is not a sheet"),
        (b'{"form": "econchatr hand marks 1"}', "Field required"),
        (b" " * 4_000_001, "4,000,001 bytes"),
    ],
)
def test_a_file_that_is_not_whole_and_ours_is_refused_with_the_reason(
    file: dict[str, Any] | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=r"0\.json") as caught:
        read(file)
    assert message in caught.value.message
    assert caught.value.hint


def test_two_files_by_one_person_are_refused() -> None:
    with pytest.raises(InputError, match="both by 'ada'"):
        read(fill(), fill(scorer="ada", value=1))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(InputError):
        read(data)


# --- the scores -------------------------------------------------------------------------------------------------------


def mark(question_id: str, variant: Variant, value: float, scorer: str = "Ada") -> HandMark:
    texts = {(answer.question_id, answer.variant): answer.reply.text for answer in make_answers() if answer.reply}
    question = {question.question_id: question.text for question in QUESTIONS}[question_id]
    return HandMark(key=answer_key(question, texts[question_id, variant]), scorer=scorer, value=value)


def test_means_are_over_answers_with_scorers_averaged_first() -> None:
    marks = [mark("q1", "tuned", 1), mark("q1", "tuned", 0.5, "Bea"), mark("q2", "tuned", 0), mark("q1", "base", 0)]
    scores = score_hand(marks, make_answers(), QUESTIONS)
    assert (find(scores, "hand mark", "tuned").value, find(scores, "hand mark", "tuned").n) == (pytest.approx(0.375), 2)
    gain = find(scores, "hand mark", "tuned minus base")
    assert (gain.value, gain.n) == (pytest.approx(0.75), 1)


def test_agreement_is_over_what_two_people_marked() -> None:
    marks = [mark(q, v, value, scorer) for scorer in ("Ada", "Bea") for q in ("q1", "q2")
             for v, value in zip(VARIANTS, (0, 0.5, 1), strict=True)]  # fmt: skip
    scores = score_hand([*marks, mark("q1", "base", 1, "Cleo")], make_answers(), QUESTIONS)
    assert find(scores, Measure.SCORER_AGREEMENT, "all").n == 6
    assert find(scores, Measure.SAME_MARK, "all").value == pytest.approx(5 / 6)


def test_one_scorer_leaves_agreement_unscored() -> None:
    scores = score_hand([mark("q1", "tuned", 1)], make_answers(), QUESTIONS)
    assert (
        find(scores, Measure.SCORER_AGREEMENT, "all").value,
        find(scores, Measure.SCORER_AGREEMENT, "all").reason,
    ) == (None, "one scorer only")


def test_marks_on_answers_that_are_gone_count_for_nothing() -> None:
    scores = score_hand([HandMark(key="0" * 64, scorer="Ada", value=1)], make_answers(), QUESTIONS)
    assert all(score.value is None for score in scores)


def test_no_marks_no_scores() -> None:
    assert score_hand([], make_answers(), QUESTIONS) == []
