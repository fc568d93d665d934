"""What a turn does is told from its own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.speech_acts import Act, asks_back, gives_the_word_back, read_act, read_sentences

CASES = [
    ("How did you come to write this book?", Act.ASKS),
    ("Tell me about the ferry that never sailed.", Act.ASKS),
    ("Okay, so walk us through the first winter on the island.", Act.ASKS),
    ("Most bridges fail slowly, and nobody looks at them until they do. That is what I have learned.", Act.STATES),
    ("I think the older bridges were built to be mended by two people. Why did we give that up?", Act.BOTH),
    ("Why did we give that up? I think it was a matter of wages and of very little else in those years.", Act.BOTH),
    ("Let's move on to the second part of the story.", Act.HANDS_OVER),
    ("Well, my guest today is a maker of clocks from the north.", Act.HANDS_OVER),
    ("Thank you so much for being here with us.", Act.THANKS),
    ("So what you're saying is that the keeper decides and the town pays for all of it.", Act.SUMMARISES),
    ("Yeah. Right, exactly.", Act.NODS),
    ("", Act.NODS),
    ("You pay the keeper first and the painter after him, right?", Act.STATES),
    ("More than anything else, and I have said so for years, people want the bridge to open on time.", Act.STATES),
]


@pytest.mark.parametrize(("text", "act"), CASES)
def test_a_turn_does_what_its_words_do(text: str, act: Act) -> None:
    assert read_act(text).act == act


def test_a_turn_that_does_both_says_where_it_turns() -> None:
    text = "I think the older bridges were built to be mended by two people. Why did we give that up?"
    turning = read_act(text)
    assert turning.turns_at is not None
    assert text[turning.turns_at :] == "Why did we give that up?"


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    sentences = read_sentences("Dr. Renn came in at 5 p.m. and left. He was tired, e.g. of rust.")
    assert len(sentences) == 2


@pytest.mark.parametrize("text", ["Is it so?", 'He said: "Is it so?"', "Is it so?*", "真的吗？"])
def test_quotes_and_marks_after_a_question_do_not_hide_it(text: str) -> None:
    assert asks_back(text)


def test_an_answer_with_a_tag_does_not_ask_back_and_one_that_ends_in_a_question_does() -> None:
    assert not asks_back("You pay the keeper first and the painter after him, right?")
    assert asks_back("You pay the keeper first. And what do you do then?")
    assert not asks_back("Why do we do that? Because the painter costs twice as much as the keeper does.")


def test_thanks_and_hand_overs_give_the_word_back() -> None:
    assert gives_the_word_back("Thank you for coming on.")
    assert gives_the_word_back("Okay. Let's talk about the second bridge.")
    assert not gives_the_word_back("The second bridge was the better one, because two people could mend it.")


@given(st.text(max_size=300))
def test_any_text_is_read_and_its_sentences_lie_in_order_inside_it(text: str) -> None:
    read_act(text)
    sentences = read_sentences(text)
    places = [place for one in sentences for place in (one.start, one.end)]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)
