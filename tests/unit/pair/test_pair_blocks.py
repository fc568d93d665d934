"""Turns to pairs: who answers whom, what is passed over, and why a pair is dropped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.pair import PROFILES, PairProfile, drop_duplicates, pair_episode
from econchatr.records import EpisodeKind, Pair, Role, Split, Turn
from tests.helpers.make_records import make_episode

ALL = PairProfile(name="all", max_pair_tokens=10**9)


def make_turns(*said: tuple[str, Role, str]) -> list[Turn]:
    return [
        Turn(slug="tides", position=position, speaker=speaker, role=role, text=text)
        for position, (speaker, role, text) in enumerate(said)
    ]


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def pair(
    *said: tuple[str, Role, str],
    profile: PairProfile = ALL,
    persona: str | None = None,
    split: Split = "train",
    kind: EpisodeKind = "verbatim",
    slug: str = "tides",
) -> list[Pair]:
    return pair_episode(
        make_episode(slug=slug, kind=kind),
        make_turns(*said),
        split=split,
        profile=profile,
        count_tokens=count_words,
        persona=persona,
    )


def speak(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(one.cue, one.reply) for one in pairs]


def test_cue_is_what_was_said_right_before_the_host() -> None:
    pairs = pair(
        ("Dara", "guest", "One."), ("Orla", "host", "Two."), ("Dara", "guest", "Three."), ("Orla", "host", "4.")
    )
    assert speak(pairs) == [("One.", "Two."), ("Three.", "4.")]
    assert [one.pair_id for one in pairs] == ["tides#1", "tides#3"]


def test_fault_of_2023_first_turn_by_the_guest_gets_no_invented_host() -> None:
    assert speak(pair(("Dara", "guest", "One."), ("Orla", "host", "Two."))) == [("One.", "Two.")]


def test_host_who_opens_makes_no_pair_of_it() -> None:
    pairs = pair(("Orla", "host", "Welcome."), ("Dara", "guest", "One."), ("Orla", "host", "Two."))
    assert speak(pairs) == [("One.", "Two.")]


def test_several_guests_in_a_row_are_one_cue_of_the_last_speaker() -> None:
    (one,) = pair(("Dara", "guest", "One."), ("Corin", "guest", "Two."), ("Orla", "host", "Three."))
    assert (one.cue, one.cue_speaker, one.first_turn, one.last_turn) == ("One. Two.", "Corin", 0, 2)


def test_all_hosts_reply_unless_a_persona_is_named() -> None:
    said: tuple[tuple[str, Role, str], ...] = (
        ("Dara", "guest", "One."),
        ("Orla", "host", "Two."),
        ("Finn", "host", "Three."),
    )
    assert speak(pair(*said)) == [("One.", "Two. Three.")]
    assert speak(pair(*said, persona="Finn")) == [("One. Two.", "Three.")]


def test_turn_without_a_word_is_passed_over() -> None:
    (one,) = pair(
        ("Dara", "guest", "One."), ("Orla", "host", "\\[laughs\\]"), ("Dara", "guest", "Two."), ("Orla", "host", "3.")
    )
    assert (one.cue, one.reply, one.first_turn) == ("One. Two.", "3.", 0)


@pytest.mark.parametrize("kind", ["notes", "unlabelled"])
def test_text_that_is_no_speech_makes_no_pairs(kind: EpisodeKind) -> None:
    assert pair(("Dara", "guest", "One."), ("Orla", "host", "Two."), kind=kind) == []


def test_cue_of_a_crowd_alone_is_dropped_and_says_so() -> None:
    (one,) = pair(("Audience", "other", "Why is it so?"), ("Orla", "host", "It is not."))
    assert one.reason == "cue is spoken by Audience, not by a guest"


def test_private_data_is_hidden_in_both_parts() -> None:
    (one,) = pair(("Dara", "guest", "I am at dara@example.org."), ("Orla", "host", "See example.org/tides."))
    assert (one.cue, one.reply) == ("I am at [email].", "See [link].")


@pytest.mark.parametrize(
    ("n_cue", "n_reply", "profile", "reason"),
    [
        (61, 21, "2023", ""),
        (61, 20, "2023", "reply has 20 tokens, 2023 keeps more than 20"),
        (60, 21, "2023", "cue has 60 tokens, 2023 keeps more than 60"),
        (1000, 1000, "2023", ""),
        (1000, 1001, "2023", "pair has 2001 tokens, 2023 keeps at most 2000"),
        (5, 5, "default", ""),
        (5, 4, "default", "reply has 4 words, default keeps 5 or more"),
        (4, 5, "default", "cue has 4 words, default keeps 5 or more"),
        (1000, 1001, "default", "pair has 2001 tokens, default keeps at most 2000"),
    ],
)
def test_profile_keeps_or_says_why_not(n_cue: int, n_reply: int, profile: str, reason: str) -> None:
    (one,) = pair(("Dara", "guest", "w " * n_cue), ("Orla", "host", "w " * n_reply), profile=PROFILES[profile])
    assert (one.reason, one.is_kept) == (reason, not reason)


def test_repeat_in_another_episode_is_dropped_and_names_the_first() -> None:
    first = pair(("Dara", "guest", "Who was it?"), ("Orla", "host", "The ferry, again."), slug="a")
    second = pair(("Corin", "guest", "who was  it"), ("Orla", "host", "The ferry again!"), slug="b")
    kept, dropped = drop_duplicates([*first, *second])
    assert (kept.is_kept, dropped.is_kept, dropped.reason) == (True, False, "duplicate of a#1")


def test_of_a_held_out_pair_the_training_copies_are_dropped() -> None:
    said: tuple[tuple[str, Role, str], ...] = (("Dara", "guest", "Who was it?"), ("Orla", "host", "The ferry."))
    train, test = pair(*said, slug="a"), pair(*said, slug="b", split="test")
    assert [one.reason for one in drop_duplicates([*train, *test])] == ["duplicate of b#1", ""]


def test_dropped_pair_does_not_drop_its_like() -> None:
    said: tuple[tuple[str, Role, str], ...] = (("Dara", "guest", "Yes."), ("Orla", "host", "No."))
    pairs = drop_duplicates([*pair(*said, slug="a", profile=PROFILES["default"]), *pair(*said, slug="b")])
    assert [one.reason for one in pairs] == ["reply has 1 words, default keeps 5 or more", ""]


SPEAKERS: list[tuple[str, Role]] = [
    ("Orla", "host"),
    ("Finn", "host"),
    ("Dara", "guest"),
    ("Corin", "guest"),
    ("Crowd", "other"),
]
HEARD = {
    "Well, no.": "Well, no.",
    "\\[laughs\\]": "",
    "*Who* counted?": "Who counted?",
    "At 10:30 [? sharp].": "At 10:30 sharp.",
    "x@example.org": "[email]",
    "...": "",
}
"""What a transcript writes -> what was said."""


def make_talk(talk: list[tuple[tuple[str, Role], str]]) -> list[Turn]:
    return make_turns(*((name, role, text) for (name, role), text in talk))


TALK = st.lists(st.tuples(st.sampled_from(SPEAKERS), st.sampled_from(sorted(HEARD))), max_size=20).map(make_talk)


def pair_turns(turns: list[Turn], persona: str | None = None) -> list[Pair]:
    return pair_episode(
        make_episode(slug="tides"), turns, split="train", profile=ALL, count_tokens=count_words, persona=persona
    )


def join_heard(turns: Sequence[Turn]) -> str:
    return " ".join(filter(None, (HEARD[turn.text] for turn in turns)))


@given(TALK)
def test_pairs_quote_their_transcript(turns: list[Turn]) -> None:
    for one in pair_turns(turns):
        reply_from = int(one.pair_id.partition("#")[2])
        said = turns[one.first_turn : one.last_turn + 1]
        assert one.cue == join_heard([turn for turn in said if turn.role != "host"])
        assert one.reply == join_heard(turns[reply_from : one.last_turn + 1])


@given(TALK, st.sampled_from([None, "Orla"]))
def test_pairs_are_in_order_and_never_share_a_turn(turns: list[Turn], persona: str | None) -> None:
    position = -1
    for one in pair_turns(turns, persona):
        reply_from = int(one.pair_id.partition("#")[2])
        assert position < one.first_turn < reply_from <= one.last_turn
        position = one.last_turn


@given(TALK)
def test_no_part_is_empty_and_only_hosts_reply(turns: list[Turn]) -> None:
    for one in pair_turns(turns):
        assert one.cue
        assert one.reply
        assert one.reply_speaker in ("Orla", "Finn")
        assert one.cue_speaker not in ("Orla", "Finn")


@given(TALK)
def test_dropping_repeats_twice_is_dropping_once(turns: list[Turn]) -> None:
    pairs = drop_duplicates(pair_turns(turns))
    assert drop_duplicates(pairs) == pairs


def flag_last(text: str, *flags: str, cue: str = "Who dug it, and when was it?") -> Pair:
    said = make_turns(("Dara", "guest", cue), ("Orla", "host", text))
    turns = [said[0], said[1].model_copy(update={"flags": flags})]
    (one,) = pair_episode(make_episode(slug="tides"), turns, split="train", profile=ALL, count_tokens=count_words)
    return one


def test_flagged_sentence_is_cut_out_of_the_reply() -> None:
    one = flag_last("My aunt did, in one summer. Buy rope!", "advertisement@28-37: makes an offer")
    assert (one.reply, one.is_kept) == ("My aunt did, in one summer.", True)


def test_reply_that_is_half_flagged_is_dropped_whole_with_the_reason() -> None:
    one = flag_last("Yes. Buy rope from us now!", "advertisement@5-26: makes an offer")
    assert (one.reply, one.reason) == (
        "Yes. Buy rope from us now!",
        "reply is flagged: advertisement, makes an offer",
    )


@pytest.mark.parametrize("kind", ["phrase", "stock-question", "unclear", "crosstalk"])
def test_style_and_small_doubts_stay(kind: str) -> None:
    assert flag_last("And how deep is it?", f"{kind}: word for word in 9 episodes").is_kept


def test_quotation_inside_an_answer_stays_and_one_that_is_the_answer_does_not() -> None:
    assert flag_last("He wrote well, and I agree.", "quotation@3-8: 1 words").reply == "He wrote well, and I agree."
    assert "quotation" in flag_last("He wrote well, and I agree.", "quotation@3-27: 5 words").reason


def test_flag_on_a_whole_turn_leaves_nothing_of_it() -> None:
    assert flag_last("Tell us.", "cold-open: 90% comes again").reason.startswith("reply is flagged: cold-open, 90%")
