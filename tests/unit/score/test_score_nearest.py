"""The nearest real quotation: found with its source, measured, or said to be far."""

from __future__ import annotations

import doctest
import math
from datetime import date
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import NearQuote
from econchatr.score.quoting import nearest
from econchatr.score.quoting.nearest import (
    CLOSE,
    STRETCH_WORDS,
    SaidBefore,
    compare_weights,
    cut_stretches,
    find_nearest,
)
from econchatr.score.speech import split_words
from econchatr.score.topic import Subjects, learn_subjects
from tests.helpers.make_records import make_answer, make_pair
from tests.helpers.show_material import demo_show

BEES = "Who counted the bees in the orchard that winter, and what did they skip when the snow came over the wall?"


@cache
def demo_subjects() -> Subjects:
    return learn_subjects(
        [pair.reply for pair in (*demo_show().take("host", "train"), *demo_show().take("guest", "train"))]
    )


@cache
def demo_said() -> SaidBefore:
    return SaidBefore(demo_show().host, demo_subjects())


def find_one(text: str, said: SaidBefore | None = None) -> NearQuote:
    (found,) = find_nearest([make_answer(text)], said or demo_said())
    return found


def test_a_quotation_with_words_left_out_is_found_in_its_episode() -> None:
    pair = next(pair for pair in demo_show().host if 30 <= len(pair.reply.split()) <= 40)
    found = find_one(" ".join(word for place, word in enumerate(pair.reply.split()) if place % 4))
    assert (found.slug, found.published, found.position) == (
        pair.slug, pair.published, int(pair.pair_id.rsplit("#", 1)[1]),
    )  # fmt: skip
    assert found.text in pair.reply
    assert found.likeness > 0.6


@pytest.mark.parametrize(
    "text",
    [
        "Quantum chromodynamics describes gluons; baryons are confined by asymptotic freedom.",
        "これは別の言語の答えです。",
        "Das Wetter bleibt am Wochenende wechselhaft, mit einzelnen Schauern.",
        "Yes.",
    ],
)
def test_where_nothing_is_close_that_is_said(text: str) -> None:
    found = find_one(text)
    assert (found.text, found.slug, found.published, found.position) == ("", "", None, -1)
    assert 0 <= found.likeness < CLOSE


def test_one_shared_word_is_not_close() -> None:
    said = SaidBefore([make_pair(reply="Marmalade museums closed.")], demo_subjects())
    assert find_one("Spread the marmalade thickly.", said).text == ""
    assert find_one("Marmalade museums closed early.", said).text == "Marmalade museums closed."


def test_a_failed_answer_has_no_quotation() -> None:
    assert find_nearest([make_answer(None)], demo_said()) == []


def test_a_host_who_said_nothing_is_near_to_nothing() -> None:
    for pairs in ([], [make_pair(reply="And so?")]):
        assert find_one(BEES, SaidBefore(pairs, demo_subjects())).text == ""


def test_of_a_long_reply_only_the_stretch_is_shown() -> None:
    filler = "Nobody had asked the harbour master about the ferry timetable before. " * 12
    pair = make_pair(reply=f"{filler}{BEES} {filler}", published=date(2020, 2, 3))
    found = find_one(BEES, SaidBefore([pair], demo_subjects()))
    assert BEES in found.text
    assert len(split_words(found.text)) <= STRETCH_WORDS
    assert found.published == date(2020, 2, 3)


def test_the_likeness_agrees_with_a_recomputation_by_hand() -> None:
    subjects = demo_subjects()
    answer, reply = "They counted bees, bees and marmalade.", "The bees skip the marmalade and the orchard."
    found = SaidBefore([make_pair(reply=reply)], subjects).find(answer)
    weights = {
        word: math.log((1 + subjects.n_texts) / (1 + subjects.n_texts_with[word])) + 1
        for word in ("counted", "bees", "marmalade", "skip", "orchard")
        if word not in subjects.function_words
    }
    one, other = (
        {word: weight for word, weight in weights.items() if word in split_words(text)} for text in (answer, reply)
    )
    top = sum(one[word] * other[word] for word in one.keys() & other.keys())
    sides = [math.sqrt(60 + sum(weight**2 for weight in side.values())) for side in (one, other)]
    assert found is not None
    assert found.likeness == pytest.approx(top / (sides[0] * sides[1]), abs=1e-6)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 9)),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 9)),
)
def test_likeness_is_even_handed_and_between_0_and_1(one: dict[str, float], other: dict[str, float]) -> None:
    assert 0 <= compare_weights(one, other) <= 1
    assert compare_weights(one, other) == pytest.approx(compare_weights(other, one))


@given(st.text(alphabet="ab .!?\n"))
def test_stretches_stand_in_the_text_and_hold_all_its_words(text: str) -> None:
    stretches = cut_stretches(text)
    assert all(stretch in text for stretch in stretches)
    assert set(split_words(" ".join(stretches))) == set(split_words(text))


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(nearest).failed == 0
