"""One person under several spellings, voices nobody named, hosts to propose, voices that only read advertisements."""

from __future__ import annotations

import pytest

from econchatr.parse import SpeakerTable, find_ad_voices, list_unnamed, unify_speakers
from econchatr.parse.people import find_spellings, split_name
from econchatr.records import Role, Turn
from tests.helpers.read_text import SHOW, read


def turn(speaker: str, *, slug: str = "a", position: int = 0, role: Role = "guest", text: str = "Word.") -> Turn:
    return Turn(slug=slug, position=position, speaker=speaker, role=role, text=text)


@pytest.mark.parametrize(
    "label",
    [
        "Dara Finch",
        "DARA FINCH",
        "Dara B. Finch",
        "Dara B Finch",
        "Dr. Dara Finch",
        "Professor Dara B. Finch",
        "Dara Finch, PhD",
        "Dara Finch, Psy.D",
        "Dara B. Finch, M.D., Ph.D.",
        "Dara Finch (guest)",
        "Dára Finch",
    ],
)
def test_title_degree_initial_accent_and_capitals_do_not_make_two_people(label: str) -> None:
    assert split_name(label)[0] == "dara finch"


@pytest.mark.parametrize("label", ["Dara Finch Jr.", "Dara Fincher", "Dana Finch", "Finch Dara"])
def test_another_name_is_another_person(label: str) -> None:
    assert split_name(label)[0] != "dara finch"


def test_spelling_with_most_turns_is_everybodys() -> None:
    counts = {"Dara Finch": 9, "Dara B. Finch, PhD": 2, "DARA FINCH": 30, "Corin Vale": 1}
    assert find_spellings(counts, SHOW) == {"Dara B. Finch, PhD": "Dara Finch", "DARA FINCH": "Dara Finch"}


def test_two_different_middle_initials_are_two_people() -> None:
    assert find_spellings({"Dara B. Finch": 9, "Dara C. Finch": 2, "Dara Finch": 3}, SHOW) == {}


def test_host_with_a_title_becomes_the_host() -> None:
    turns = unify_speakers([turn("Orla Quill", role="host"), turn("Dr. Orla M. Quill")], SHOW)
    assert [(one.speaker, one.role) for one in turns] == [("Orla Quill", "host")] * 2


def test_a_host_whom_only_show_toml_gives_a_title_is_the_host() -> None:
    (found,) = unify_speakers([turn("Ada Host")], SpeakerTable(hosts=("Dr. Ada Host",)))
    assert (found.speaker, found.role) == ("Dr. Ada Host", "host")


def test_unnamed_voices_are_listed_with_the_key_that_names_them() -> None:
    voices = list_unnamed([turn("SPEAKER_00", text="Hello there."), turn("Orla Quill"), turn("A", slug="b")])
    assert [(one.alias, one.n_words) for one in voices] == [("a/SPEAKER_00", 2), ("b/A", 1)]


def test_a_part_in_the_talk_is_a_voice_without_a_name() -> None:
    turns = [turn("Guest"), turn("Guest 2", slug="b"), turn("Host", slug="b"), turn("Audience", role="other")]
    assert [one.alias for one in list_unnamed(turns)] == ["a/Guest", "b/Guest 2", "b/Host"]


def test_a_label_that_may_be_two_people_is_not_unified() -> None:
    turns = [turn("Dara Finch"), turn("Dara Finch", slug="b"), turn("Dara B. Finch, PhD", slug="c")]
    unified = unify_speakers(turns, SHOW, held={("a", "Dara Finch")})
    assert [one.speaker for one in unified] == ["Dara Finch", "Dara Finch", "Dara Finch"]
    held = unify_speakers([*turns, turn("Dara B. Finch, PhD", slug="d")], SHOW, held={("a", "Dara Finch")})
    assert [one.speaker for one in held] == ["Dara Finch", *["Dara B. Finch, PhD"] * 3]


def test_alias_of_one_episode_names_its_voice_and_no_other() -> None:
    aliases = {"talk/Speaker 1": "Orla Quill", "other/Speaker 2": "Dara Finch"}
    show = SpeakerTable(hosts=("Orla Quill",), aliases=aliases)
    turns = read("Speaker 1 (00:12):\nWells.\nSpeaker 2 (00:15):\nDeep ones.\n", show=show).turns
    assert [(one.speaker, one.role) for one in turns] == [("Orla Quill", "host"), ("Speaker 2", "guest")]


def make_show() -> list[Turn]:
    heard = [("Orla Quill", 12), ("Ad Reader", 2)]
    return [
        turn(name, slug=f"e{n}", position=n, text="word " * (40 if name != "Ad Reader" else 4))
        for n in range(6)
        for name, n_turns in [*heard, (f"Guest Number{n}", 12)]
        for _ in range(n_turns)
    ]


def test_voice_of_few_turns_in_many_episodes_reads_advertisements() -> None:
    assert list(find_ad_voices(make_show())) == ["Ad Reader"]
