"""Answer pairs: what the host states, behind a question that was asked, or made by rule."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.pair.answer_pairs import find_passages, index_passages, make_answer_pairs
from econchatr.pair.made_questions import PLAIN_PHRASE, RULE, TEMPLATES, PassageIndex, list_content_words
from econchatr.pair.passages import MAX_WORDS, MIN_WORDS, drop_lead, find_asked, list_passages
from econchatr.pair.written_questions import read_page, writer_page
from econchatr.records import Pair
from econchatr.speech_acts import Act, read_act

BRIDGE = (
    "The swing bridge was built for ships that never came, and every town on the water has one of those. I think the "
    "bridge taught us more by standing open than it would have by turning."
)
FERRY = (
    "A ferry timetable is a promise that the sea has not signed. My aunt kept the ferry timetable in her kitchen and "
    "crossed out the boats that had not sailed, and by spring it was mostly ink."
)
ORCHARD = (
    "An old orchard cannot be planted, only waited for. You can buy the trees and the ground, and the wall around, "
    "and you will still be short of the forty years that make the fruit worth stealing."
)


def make_pair(reply: str, cue: str = "That is how it was.", place: int = 0) -> Pair:
    return Pair(
        pair_id=f"e#{place}",
        slug="e",
        published=None,
        rank=0,
        split="train",
        cue_speaker="Guest",
        reply_speaker="Host",
        cue=cue,
        reply=reply,
        first_turn=place,
        last_turn=place,
        n_cue_tokens=5,
        n_reply_tokens=9,
        is_kept=True,
        reason="",
    )


def pair_answers(*pairs: Pair, exam: tuple[str, ...] = ()) -> list[Pair]:
    passages = find_passages(pairs)
    return make_answer_pairs(passages, _count_words, index_passages(passages, exam=exam))


def _count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


SHOW = tuple(make_pair(reply, place=place) for place, reply in enumerate((BRIDGE, FERRY, ORCHARD)))


@pytest.mark.parametrize(
    "more",
    [
        "What did the harbour master say to that?",
        "Tell me about the harbour master.",
        "Let's move on to the harbour.",
        "Thank you for coming on.",
        "So what you're saying is that the harbour was empty.",
    ],
)
def test_a_passage_is_cut_free_of_what_asks_hands_over_thanks_or_sums_up(more: str) -> None:
    assert list_passages(f"{BRIDGE} {more}") == [BRIDGE]


@pytest.mark.parametrize(
    "sentence",
    [
        "And you mentioned that when you first built the thing it was a single river.",
        "I'm just kind of curious how the making of the thing came about for them.",
        "Let's stay with the harbour for as long as the harbour lets anybody stay.",
        "I think the listeners of this show have heard a great deal of the harbour.",
    ],
)
def test_a_passage_ends_where_the_guest_is_spoken_to_or_the_conversation_is_led(sentence: str) -> None:
    assert list_passages(f"{BRIDGE} {sentence} {FERRY}") == [BRIDGE, FERRY]


def test_a_you_that_means_everybody_stays_in_a_passage() -> None:
    assert list_passages(ORCHARD) == [ORCHARD]


def test_an_answer_begins_at_the_sentence_that_names_what_is_asked() -> None:
    late = (
        "I have said so for years and nobody minds. And I shall go on. The swing bridge never swung. "
        + "It was so. " * 8
    )
    (pair,) = pair_answers(make_pair(late))
    assert "swing bridge" in pair.cue
    assert pair.reply.startswith("The swing bridge")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("But the sea has not signed.", "The sea has not signed."),
        ("And so, you know, it was mostly ink.", "It was mostly ink."),
        ("Well, I mean, boats sail.", "Boats sail."),
        ("So far nobody crossed.", "So far nobody crossed."),
        ("Well water is cold.", "Well water is cold."),
        ("So did the ferry.", "So did the ferry."),
        ("And so did the ferry.", "So did the ferry."),
        ("Or so they say.", "Or so they say."),
        ("Because of the rain, we stayed.", "Because of the rain, we stayed."),
        ("Because, you know, it rained.", "It rained."),
        ("Orchards are waited for.", "Orchards are waited for."),
    ],
)
def test_a_passage_loses_the_words_that_tie_it_to_what_was_said_before(said: str, answer: str) -> None:
    assert drop_lead(said) == answer


def test_a_made_question_stands_before_an_answer_that_does_not_begin_in_mid_turn() -> None:
    tied = make_pair(f"But {BRIDGE[:1].lower()}{BRIDGE[1:]}")
    made = pair_answers(tied, *SHOW[1:])[0]
    assert made.is_kept
    assert made.reply == BRIDGE


def test_a_phrase_at_the_end_of_a_passage_is_not_asked_about() -> None:
    (pair,) = pair_answers(
        make_pair("It was as it was and so they did what they did. " * 3 + "That was the swing bridge.")
    )
    assert (pair.is_kept, pair.reason) == (False, "what could be asked about comes at its end")


@given(
    st.lists(
        st.sampled_from([*BRIDGE.split(". "), *ORCHARD.split(". "), "Why is that?", "Yeah.", "Thank you."]), max_size=40
    )
)
def test_passages_stand_in_the_reply_in_order_and_keep_to_their_length(sentences: list[str]) -> None:
    reply = " ".join(one if one[-1] in ".?" else f"{one}." for one in sentences)
    position = 0
    for passage in list_passages(reply):
        assert (position := reply.index(passage, position)) >= 0
        assert "?" not in passage
        assert MIN_WORDS - 3 <= len(passage.split()) <= MAX_WORDS


def test_a_made_question_asks_about_a_phrase_of_its_own_passage_and_says_who_made_it() -> None:
    for pair, subject in zip(pair_answers(*SHOW), ("bridge", "ferry", "orchard"), strict=True):
        assert (pair.origin, pair.made_by, pair.is_kept) == ("made", RULE, True)
        assert subject in pair.cue
        assert pair.pair_id == f"{SHOW[pair.first_turn].pair_id}/answer"


def test_where_the_host_was_asked_the_real_question_stands_before_the_answer() -> None:
    (pair,) = pair_answers(make_pair(ORCHARD, cue="I have no garden. But would you plant an orchard at your age?"))
    assert (pair.origin, pair.made_by) == ("asked", "")
    assert pair.cue == "But would you plant an orchard at your age?"


@given(template=st.sampled_from(TEMPLATES), phrase=st.from_regex(PLAIN_PHRASE, fullmatch=True))
def test_a_template_asks_whatever_plain_phrase_stands_in_it(template: str, phrase: str) -> None:
    assert read_act(template.format(phrase)).act == Act.ASKS


def test_no_made_question_asks_what_the_exam_asks() -> None:
    bridge = pair_answers(*SHOW, exam=("What can one learn from a swing bridge?",))[0]
    assert "swing bridge" not in bridge.cue


def test_a_question_is_refused_that_repeats_its_passage_or_leads_to_another() -> None:
    index = PassageIndex([BRIDGE, FERRY, ORCHARD])
    assert "in a row" in index.find_fault("Was the swing bridge built for ships that never came?", 0)
    assert "find its passage" in index.find_fault("What do you think about the ferry timetable?", 0)
    assert index.find_fault("What do you think about the ferry timetable?", 1) == ""


def test_a_passage_without_a_phrase_is_dropped_and_says_why() -> None:
    (pair,) = pair_answers(
        make_pair("It was as it was and so they did what they did, and then we all did so too. " * 2)
    )
    assert not pair.is_kept
    assert "no noun phrase" in pair.reason


def test_a_host_who_only_asks_and_a_show_without_pairs_give_no_answer_pairs() -> None:
    assert pair_answers(make_pair("How did that come about? And what did they say?")) == []
    assert pair_answers() == []


def test_questions_of_a_model_are_held_to_the_same_checks_and_the_first_good_one_is_taken() -> None:
    passages = find_passages(SHOW)
    written = {"e#0/answer": ["Sure, here is one.", "What did the swing bridge teach you?"], "e#1/answer": []}
    bridge, ferry, orchard = make_answer_pairs(
        passages, lambda texts: [1] * len(texts), index_passages(passages), written=written, writer="a model"
    )
    assert (bridge.cue, bridge.made_by) == ("What did the swing bridge teach you?", "a model")
    assert (ferry.is_kept, ferry.reason) == (False, "the model wrote no question for it")
    assert orchard.made_by == RULE, "the model was not asked about it"


@pytest.mark.parametrize(
    ("cue", "asked"),
    [
        ("Why did you stay?", "Why did you stay?"),
        ("I left. Everybody left in the end. Why?", "Everybody left in the end. Why?"),
        ("Why did you stay? I left.", ""),
        ("You stayed, didn't you?", "You stayed, didn't you?"),
    ],
)
def test_the_question_that_a_cue_ends_in_is_found(cue: str, asked: str) -> None:
    assert find_asked(cue) == asked


def test_content_words_leave_small_words_out() -> None:
    assert list_content_words("What do you think about the swing bridge?") == ["think", "swing", "bridge"]


def test_a_small_model_goes_on_with_a_page_and_its_question_is_cut_out() -> None:
    page = writer_page(FERRY, 1)
    assert page.endswith(f"{FERRY}\nThe question was: How do")
    assert read_page(" you read a timetable? I read it at night.", 1) == "How do you read a timetable?"
    assert read_page(" you read a timetable", 1) == ""
