from __future__ import annotations

from econchatr.records import Overlap
from econchatr.select.overlap import measure_overlaps

POOL = ["so we went on"] * 97 + ["build a prairie", "a prairie grows", "nobody knows the fence"]
EXAM = ["Why is it hard to build a prairie?", "What does Hal Host say of the fence, and why?", "on what, so?"]


def measure(places: list[int], **more: object) -> Overlap:
    return measure_overlaps(EXAM, POOL, {"small": places}, names=["Hal Host"], **more)[0]  # type: ignore[arg-type]


def test_a_choice_without_the_exams_words_does_not_lean_towards_it() -> None:
    overlap = measure([0, 1, 2])
    assert (overlap.share, overlap.words) == (0.0, ())
    assert overlap.pool_share == 0.03


def test_a_choice_of_the_exams_words_shows_which_and_how_much() -> None:
    overlap = measure([0, 97, 98])
    assert overlap.words == ("build", "prairie")
    assert overlap.share == 2 / 3


def test_short_words_common_words_and_names_are_no_subjects() -> None:
    """Left are: does, hard, build, prairie, what, fence."""
    assert measure([0]).n_exam_words == 6


def test_subjects_the_strategy_looks_for_are_named_where_the_exam_asks_for_them() -> None:
    overlap = measure([0], subjects=("prairie", "macroeconomist", "fence+say"))
    assert overlap.subjects == ("prairie", "fence+say")


def test_the_overlap_is_told_with_its_words() -> None:
    told = measure([0, 97, 98], subjects=("prairie",)).tell(n_words=1)
    assert told == (
        "66.7% of its replies hold a subject word of the exam, of all replies 3.0%; "
        "it has 2 of the exam's 6: build ...; the strategy looks for prairie"
    )


def test_no_choice_and_no_pool_are_measured_as_nothing() -> None:
    assert measure([]).share == 0.0
    (empty,) = measure_overlaps(EXAM, [], {"small": []})
    assert (empty.share, empty.pool_share, empty.words) == (0.0, 0.0, ())
