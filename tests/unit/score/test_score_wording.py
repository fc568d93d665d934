from __future__ import annotations

import random
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.config import load_questions
from econchatr.records import Answer, Mark, Question
from econchatr.score.grading.marking import MarkingGuide, mark_answers
from econchatr.score.speech import split_words
from econchatr.score.wording import score_wording, share_of_wording, split_spread, text_distance
from tests.helpers.make_records import make_answer

DEMO = Path(str(resources.files("econchatr.demo").joinpath("questions.toml")))
ECONTALK = Path(str(resources.files("econchatr.presets").joinpath("econtalk.questions.toml")))


def square(one: float, two: float) -> float:
    return (one - two) ** 2


def share(questions: list[list[list[float]]]) -> float:
    found = share_of_wording([split_spread(question, square) for question in questions], n_resamples=100)
    assert not isinstance(found, str)
    return found.value


def answers_in_wordings(texts: dict[tuple[str, int, int], str]) -> list[Answer]:
    return [
        make_answer(text, question_id=question_id, sample=sample).model_copy(update={"wording": wording})
        for (question_id, wording, sample), text in texts.items()
    ]


@given(st.lists(st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=1, max_size=5), min_size=2, max_size=6))
def test_sums_of_squares_from_distances_are_those_from_means(groups: list[list[float]]) -> None:
    spread = split_spread(groups, square)
    everything = [value for group in groups for value in group]
    mean = sum(everything) / len(everything)
    means = [sum(group) / len(group) for group in groups]
    within = sum((value - m) ** 2 for group, m in zip(groups, means, strict=True) for value in group)
    between = sum(len(group) * (m - mean) ** 2 for group, m in zip(groups, means, strict=True))
    assert spread.within == pytest.approx(within, abs=1e-6)
    assert spread.between == pytest.approx(between, abs=1e-6)


def test_the_share_agrees_with_the_f_of_another_library() -> None:
    """With m samples each, share = (F - 1) / (F - 1 + m)."""
    from scipy.stats import f_oneway

    rng = random.Random(3)
    groups = [[rng.gauss(rng.gauss(0, 1), 1) for _ in range(3)] for _ in range(10)]
    f = float(f_oneway(*groups).statistic)
    assert share([groups]) == pytest.approx(max(0.0, (f - 1) / (f - 1 + 3)), abs=1e-6)


def test_the_published_example_of_intraclass_correlation_is_met() -> None:
    """Shrout and Fleiss 1979, table 2: six targets, four judges, ICC(1,1) = .17."""
    targets = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert share([[[float(value) for value in target] for target in targets]]) == pytest.approx(0.17, abs=0.005)


def test_wordings_that_change_everything_have_all_of_the_spread_and_idle_ones_none() -> None:
    assert share([[[0, 0], [1, 1], [2, 2]], [[5, 5], [7, 7]]]) == pytest.approx(1)
    assert share([[[0, 1], [1, 0], [0, 1]], [[3, 4], [4, 3]]]) == 0


def test_a_known_share_is_found_again() -> None:
    """Twelve questions, ten wordings, two samples, half of the spread from the wording."""
    rng = random.Random(0)
    questions = []
    for _ in range(12):
        level = rng.gauss(0, 5)
        questions.append(
            [[level + effect + rng.gauss(0, 1) for _ in range(2)] for effect in (rng.gauss(0, 1) for _ in range(10))]
        )
    assert share(questions) == pytest.approx(0.5, abs=0.1)


def test_one_sample_per_wording_is_unscored_with_the_cure() -> None:
    found = share_of_wording([split_spread([[1.0], [2.0]], square)], n_resamples=100)
    assert "one sample per wording" in str(found)


def test_the_same_answers_everywhere_are_unscored() -> None:
    answers = answers_in_wordings({("q1", wording, sample): "Hm." for wording in (0, 1) for sample in (0, 1)})
    (found,) = score_wording(answers, [], rung="small")
    assert (found.value, found.reason) == (None, "every answer to a question is the same")


def test_words_and_marks_are_scored_apart() -> None:
    """The wording decides what is said; the mark is chance."""
    texts = {(f"q{n}", wording, sample): f"word{wording} word{wording}" for n in range(3) for wording in range(3)
             for sample in range(2)}  # fmt: skip
    answers = answers_in_wordings(texts)
    marks = [
        Mark(question_id=answer.question_id, rung="small", variant="tuned", sample=answer.sample,
             wording=answer.wording, grade="exact" if answer.sample else "wrong")
        for answer in answers
    ]  # fmt: skip
    words, graded = score_wording(answers, marks, rung="small")
    assert (words.subject, words.value, words.n) == ("answers, words said", 1.0, 18)
    assert (graded.subject, graded.value) == ("answers, marks", 0.0)


def test_failures_are_in_no_spread() -> None:
    texts = {("q1", wording, sample): f"word{wording}" for wording in range(3) for sample in range(2)}
    failed = make_answer(None).model_copy(update={"wording": 1})
    (score,) = score_wording([*answers_in_wordings(texts), failed], [], rung="small")
    assert (score.value, score.n) == (1.0, 6)


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_distance_of_texts_is_even_handed_and_bounded(one: str, two: str) -> None:
    first, second = Counter(split_words(one)), Counter(split_words(two))
    assert text_distance(first, second) == pytest.approx(text_distance(second, first))
    assert -1e-9 <= text_distance(first, second) <= 2
    assert text_distance(first, first) == pytest.approx(0, abs=1e-9)


# --- the paraphrases that ship ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [DEMO, ECONTALK], ids=["demo", "econtalk"])
def test_every_shipped_question_has_ten_paraphrases_that_give_nothing_away(path: Path) -> None:
    for question in load_questions(path):
        assert len(question.paraphrases) == 10
        if question.kind != "belief" and question.expected and question.question_id != "q08-orchard":
            given = [make_answer(text, question_id=question.question_id) for text in question.paraphrases]
            marks = mark_answers(given, [question], MarkingGuide((), passed_over=()))
            assert all(mark.grade != "exact" for mark in marks)


def test_a_paraphrase_that_repeats_another_is_refused() -> None:
    with pytest.raises(ValueError, match="must differ"):
        Question(question_id="q", kind="idea", text="Why?", paraphrases=("why? ",))
