"""Flags on what is doubtful: what gets one, with which reason, and what is the host's style."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from econchatr.parse import flag_turns
from econchatr.parse.lines import list_words, read_said, split_sentences
from econchatr.parse.repeats import _Groups, _join_similar, find_cold_open, find_near_repeats, find_repeats
from econchatr.records import Flag, Role, Turn, read_flag


def make_turns(*texts: str, slug: str = "a", speakers: tuple[str, str] = ("Orla Quill", "Dara Finch")) -> list[Turn]:
    roles: tuple[Role, Role] = ("host", "guest")
    return [
        Turn(slug=slug, position=n, speaker=speakers[n % 2], role=roles[n % 2], text=text)
        for n, text in enumerate(texts)
    ]


def make_episode(slug: str, host_line: str, *, place: int = 6) -> list[Turn]:
    """An episode of thirteen turns that shares nothing with the others but one line of the host's."""
    texts = [f"In {slug} we say number {n} our own way." for n in range(13)]
    return make_turns(*texts[:place], host_line, *texts[place + 1 :], slug=slug)


def flag(*turns: Turn) -> list[tuple[int, str, str]]:
    return [
        (turn.position, one.kind, turn.text[one.start : one.end])
        for turn in flag_turns(list(turns), hosts=("Orla Quill",))
        for one in turn.list_flags()
    ]


def flag_middle(text: str) -> list[tuple[str, str]]:
    return [(kind, said) for place, kind, said in flag(*make_episode("a", text)) if place == 6]


def flag_three(line: str, *, place: int = 6) -> set[tuple[int, str, str]]:
    return set(flag(*(turn for slug in ("a", "b", "c") for turn in make_episode(slug, line, place=place))))


def test_flag_survives_being_written() -> None:
    for one in (Flag("intro", "a: b@1-2"), Flag("quotation", "why: so", 12, 340)):
        assert read_flag(str(one)) == one


def test_advertisement_is_cut_by_the_sentence() -> None:
    text = (
        "So that was the well. This episode is brought to you by Ropeworks. They make rope. "
        "Go to ropeworks.com and use code WELL. Dara, welcome."
    )
    assert flag_middle(text) == [("advertisement", text[22:-15])]


@pytest.mark.parametrize(
    "text",
    [
        "We lost our sponsors that year, and nobody paid for the pump.",
        "You can visit example.org if you like wells as much as he does.",
        "They took twenty percent off the price, which was fair enough.",
        "I write code all day, and my code is not brought to anyone.",
    ],
)
def test_talk_about_money_is_no_advertisement(text: str) -> None:
    assert flag_middle(text) == []


PASSAGE = "The lamp is lit and the long table has been laid. Every one of us has brought a spoon of his own."


def test_passage_of_three_episodes_is_repeated() -> None:
    assert flag_three(PASSAGE) == {(6, "repeated", PASSAGE)}


def test_passage_of_two_episodes_is_not() -> None:
    assert flag(*make_episode("a", PASSAGE), *make_episode("b", PASSAGE)) == []


def test_stock_question_and_phrase_are_told_from_passages() -> None:
    question = "What are the two or three wells that you would dig again tomorrow?"
    phrase = "I always say that a well is only as good as its rope."
    assert flag_three(question) == {(6, "stock-question", question)}
    assert flag_three(phrase) == {(6, "phrase", phrase)}


@pytest.mark.parametrize(("place", "kind"), [(0, "intro"), (12, "outro")])
def test_sentence_repeated_at_an_end_is_greeting_or_farewell(place: int, kind: str) -> None:
    line = "Here we sit down by the well as we have always done."
    assert flag_three(line, place=place) == {(place, kind, line)}


def test_phrase_that_once_stands_at_an_end_is_still_a_phrase() -> None:
    line = "I always say that a well is only as good as its rope."
    turns = [turn for slug, place in (("a", 2), ("b", 6), ("c", 8)) for turn in make_episode(slug, line, place=place)]
    assert flag(*turns) == [(2, "phrase", line), (6, "phrase", line), (8, "phrase", line)]


def test_greeting_is_known_in_a_single_episode_too() -> None:
    turns = make_turns("Welcome to the well. It is deep.", *["Yes, and so on."] * 11, "Fine. Thanks for listening.")
    assert flag(*turns) == [(0, "intro", "Welcome to the well."), (12, "outro", "Thanks for listening.")]


def test_reworded_paragraph_is_nearly_the_same() -> None:
    base = (
        "when the rope is wet you pull it slowly and let the bucket turn by itself until the wheel above stops singing"
    )
    lines = [f"Listen, {base}, {word}." for word in ("friend", "neighbour", "dear")]
    turns = [turn for slug, line in zip("abc", lines, strict=True) for turn in make_episode(slug, line)]
    assert {kind for _, kind, _ in flag(*turns)} == {"repeated"}
    assert all("nearly the same in 3 episodes" in one.reason for n in (6,) for one in flag_turns(turns)[n].list_flags())


def test_cold_open_is_what_comes_again_later() -> None:
    clip = "I went down with a candle and it went out twice before I had even seen the water below me."
    turns = make_turns(
        clip, "Tell us from the start then.", *(f"Then came day {n} of digging." for n in range(30)), clip
    )
    assert list(find_cold_open([read_said(turn.text) for turn in turns])) == [0]


def test_host_who_says_it_once_has_no_cold_open() -> None:
    days = [f"Then came day {n} of digging in a field near town." for n in range(9)]
    assert find_cold_open(list(map(read_said, days))) == {}


def test_quotation_read_aloud_is_flagged_and_what_stands_between_two_is_not() -> None:
    read = "“" + "and the water rose up over the stones in the night, " * 4 + "and sank.”"
    assert flag_middle(f"He wrote {read} Then he left.") == [("quotation", read)]
    between = (
        'He said "no" ' + "and then we walked on for a long while without a word, " * 4 + 'and she said "yes" too.'
    )
    assert flag_middle(between) == []


def test_spoken_quotation_marks_count() -> None:
    words = "and the water rose up over the stones in the night, " * 4
    assert flag_middle(f"He wrote, quote, {words}end quote. I agree.")[0][0] == "quotation"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("We dug " + "and dug " * 20 + r"\[unintelligible 00:12\] there.", ["unclear"]),
        ("He [inaudible 00:00:42] there.", ["garbled"]),
        ("No, I [crosstalk 01:02] yes.", ["garbled"]),
        ("Thanks so much. " * 9, ["garbled"]),
        ("No. No. No. No. No.", []),
        ("It was [laughs] deep.", []),
    ],
)
def test_unclear_words_and_loops(text: str, kinds: list[str]) -> None:
    assert [kind for kind, _ in flag_middle(text)] == kinds


def test_flagging_twice_is_flagging_once() -> None:
    once = flag_turns([turn for slug in "abc" for turn in make_episode(slug, PASSAGE)])
    assert flag_turns(once) == once


def test_reason_counts_the_episodes() -> None:
    turns = flag_turns([turn for slug in "abcd" for turn in make_episode(slug, PASSAGE)])
    assert [one.reason for one in turns[6].list_flags()] == ["word for word in 4 episodes"]


@given(st.text(alphabet='ab .!?\n"”)', max_size=80))
def test_sentences_are_in_order_and_lose_no_word(text: str) -> None:
    spans = list(split_sentences(text))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


@pytest.mark.parametrize(
    "text",
    [
        "quote " * 100_000 + "unquote",
        '"' * 500_000,
        '"a' + "b " * 300_000,
        "[?" * 200_000,
        "word " * 300_000,
        ". " * 300_000,
        "our sponsor. " * 50_000,
        "use code " * 50_000,
        "https://" * 100_000 + "our sponsor",
    ],
)
def test_hostile_turn_ends(text: str) -> None:
    assert len(flag_turns(make_turns("x", text))) == 2


def test_what_is_alike_is_what_datasketch_finds() -> None:
    rng = random.Random(0)
    originals = [[rng.getrandbits(32) for _ in range(60)] for _ in range(20)]
    texts = [[n for n in originals[i % 20] if rng.random() < 0.5 + i / 1200] + [i] for i in range(600)]
    shingles = {number: np.unique(np.array(one, dtype=np.uint32)) for number, one in enumerate(texts)}
    ours, theirs, index = _Groups(600), _Groups(600), MinHashLSH(threshold=0.7, num_perm=64)
    sketches = {number: MinHash(num_perm=64, hashfunc=int) for number in shingles}
    for number, own in shingles.items():
        sketches[number].update_batch(own.tolist())
        for other in index.query(sketches[number]):
            if sketches[number].jaccard(sketches[other]) >= 0.7:
                theirs.join(other, number)
        index.insert(number, sketches[number])
    _join_similar(shingles, ours)
    assert set(map(frozenset, ours.list_groups())) == set(map(frozenset, theirs.list_groups())) != set()


def test_empty_show_has_no_repeats() -> None:
    assert (flag_turns([]), find_repeats([]), find_near_repeats([]), list_words("It’s 3!")) == (
        [],
        {},
        {},
        ["it's", "3"],
    )
