from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.noun_phrases import find_noun_phrases, word_list


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("The quick fix in Linux is a lie.", ["quick fix", "Linux", "lie"]),
        ("The point he's making is that the team works hard on machine learning.", ["team", "machine learning"]),
        ("I think that fear of failure keeps people from starting things.", ["fear of failure"]),
        ("You can't build trust by building features.", ["trust", "features"]),
        ("They have emotional resilience and good habits.", ["emotional resilience", "good habits"]),
        ("I'd never tell anybody that the harbour bridge swung.", ["harbour bridge"]),
        ("It's kind of a weird idea, you know, that data can speak for itself.", ["weird idea", "data"]),
    ],
)
def test_phrases_are_whole_and_hold_no_verb(text: str, phrases: list[str]) -> None:
    assert find_noun_phrases(text) == phrases


@pytest.mark.parametrize("text", ["", "That makes sense to me.", "So, yeah, you know?", "We went and they came."])
def test_what_names_nothing_gives_no_phrase(text: str) -> None:
    assert find_noun_phrases(text) == []


@given(st.text(max_size=200))
def test_any_text_gives_phrases_of_at_most_four_words_that_stand_in_it(text: str) -> None:
    folded = " ".join(text.lower().replace("’", "'").split())
    for phrase in find_noun_phrases(text):
        assert len(phrase.split()) <= 4
        assert all(word in folded for word in phrase.lower().split())


def test_a_phrase_never_begins_or_ends_with_a_pronoun() -> None:
    phrases = find_noun_phrases("He's the one who told them what your friends and my neighbours said about us.")
    assert phrases == ["friends", "neighbours"]
    assert not word_list("subjects") & {word for phrase in phrases for word in phrase.split()}


def test_a_word_said_thousands_of_times_is_read_to_its_end() -> None:
    assert find_noun_phrases("Well, let me see, " + "go " * 5000 + "to the river.") == ["river"]
