from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from econchatr.score.speech import Said, read_pairs, split_words
from econchatr.score.topic import Subjects, credit_own, learn_subjects, measure_topic, weigh_texts
from tests.helpers.show_material import demo_show

QUESTIONS = [f"What of the {thing}?" for thing in ("ferry", "orchard", "ladder", "kettle")]
SUBJECTS = learn_subjects(["What of the thing?"])


def answer(*texts: str) -> list[Said]:
    return [Said(question, text, question) for question, text in zip(QUESTIONS, texts, strict=False)]


def test_answers_that_name_their_subject_are_on_it() -> None:
    said = answer("A ferry waits.", "An orchard is years.", "Ladders? The ladder.", "No idea.")
    found = measure_topic(said, SUBJECTS)
    assert found.credits == (1, 1, 1, 0.25)  # the last resembles no question: four are equally unlike
    assert found.share is not None
    assert found.share.value == pytest.approx(3.25 / 4)


def test_answers_to_each_others_questions_are_off_it() -> None:
    found = measure_topic(answer("An orchard.", "A ferry.", "A kettle.", "A ladder."), SUBJECTS)
    assert found.share is not None
    assert found.share.value == 0


def test_a_question_without_content_words_is_not_counted() -> None:
    said = [*answer("A ferry.", "An orchard."), Said("What of the?", "Well.", "empty")]
    found = measure_topic(said, SUBJECTS)
    assert (found.credits, found.n) == ((1, 1, None), 2)


@pytest.mark.parametrize("said", [[], answer("A ferry."), [Said("What?", "A ferry.", "q")] * 3])
def test_fewer_than_two_questions_are_unscored(said: list[Said]) -> None:
    found = measure_topic(said, SUBJECTS)
    assert found.share is None
    assert found.reason


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.data())
def test_the_credit_is_the_mean_over_every_draw_of_others(likeness: list[int], data: st.DataObject) -> None:
    n_ways = data.draw(st.integers(2, len(likeness)))
    own = data.draw(st.integers(0, len(likeness) - 1))
    others = [value for place, value in enumerate(likeness) if place != own]
    draws = list(combinations(others, n_ways - 1))
    by_hand = sum(max(drawn) <= likeness[own] and 1 / (1 + drawn.count(likeness[own])) for drawn in draws) / len(draws)
    assert credit_own(np.array(likeness, dtype=float), own, n_ways) == pytest.approx(by_hand, abs=1e-9)


def test_likeness_agrees_with_scikit_learn() -> None:
    """Within the words that training episodes know, TF-IDF is scikit-learn's."""
    texts = [pair.reply for pair in demo_show().take("host", "train")]
    subjects = learn_subjects(texts)
    theirs = TfidfVectorizer(analyzer=lambda text: [w for w in split_words(text) if w not in subjects.function_words])
    rows = theirs.fit_transform(texts)
    ours = weigh_texts(texts, subjects)
    assert abs(ours.times(ours.transpose()) - (rows @ rows.T).toarray()).max() < 1e-6


def test_the_host_answers_to_the_point_more_often_than_chance() -> None:
    show = demo_show()
    subjects = learn_subjects([pair.reply for side in ("host", "guest") for pair in show.take(side, "train")])
    said = read_pairs(show.take("host", "test"))
    own = measure_topic(said, subjects)
    moved = measure_topic([one._replace(text=said[i - 7].text) for i, one in enumerate(said)], subjects)
    assert own.share is not None
    assert moved.share is not None
    assert own.share.value > 0.3 > moved.share.value


def test_rare_words_tell_more_and_function_words_nothing() -> None:
    subjects = Subjects(frozenset({"the"}), 10, learn_subjects(["a b", "a"]).n_texts_with)
    assert subjects.weigh("the") == 0
    assert subjects.weigh("never-said") > subjects.weigh("b") > subjects.weigh("a") > 0
