"""Labels of one file, by the feed, the title and the file; a label that fits two people is told, not guessed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.parse import Cast, SharedLabel, SpeakerTable, parse_file, tell_shared
from econchatr.parse.labels import list_guests, name_people, unify_names
from tests.helpers.read_text import SHOW, read, said

TALK = "**Orla Quill:** Who?\n\n**Guest:** Me.\n"
NAMES = ["Dara Finch", "Dara B. Finch", "Dara C. Finch", "Dr. Dara Finch, PhD", "Corin Vale", "Corin Marsh", "Finch",
         "Corin", "Orla Quill", "Orla M. Quill", "Guest", "Host", "Cher", "Speaker 1", "Audience", ""]  # fmt: skip


def cast(*guests: str, hosts: tuple[str, ...] = (), title: str = "", show: SpeakerTable = SHOW) -> SpeakerTable:
    return replace(show, cast=Cast(title, hosts, guests))


def name(label: str, show: SpeakerTable, *others: str) -> str:
    """Who speaks under a label, `?` where it is left as it stands because two fit."""
    naming = name_people([label, *others], list_guests((), show), show)
    return "?" if label in naming.shared else naming.people[label][0]


# --- Guest ------------------------------------------------------------------------------------------------------------


def test_guest_is_the_one_the_feed_names() -> None:
    assert said(read(TALK, show=cast("Dara Finch"))) == [
        ("Orla Quill", "Who?"), ("Dara Finch", "Me.")]  # fmt: skip


def test_guest_is_the_one_the_files_own_title_names() -> None:
    text = "---\ntitle: Dara Finch on Wells\n---\n**Orla Quill:** Who?\n\n**Guest:** Me.\n"
    assert [turn.speaker for turn in read(text).turns] == ["Orla Quill", "Dara Finch"]


def test_guest_is_the_one_the_feeds_title_names_where_the_file_has_none() -> None:
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Orla Quill>Who?\n\n00:02.000 --> 00:03.000\n<v Guest>Me.\n"
    assert said(read(vtt, show=cast(title="Dara Finch on Wells")))[1] == ("Dara Finch", "Me.")


def test_words_of_a_title_that_are_no_name_name_nobody() -> None:
    show = cast(title="Why we sleep on the floor")
    assert said(read(TALK, show=show))[1] == ("Guest", "Me.")


@pytest.mark.parametrize(
    ("guests", "told", "found"),
    [
        (("Dara Finch",), (), ("Dara Finch",)),
        ((), ("Dara Finch",), ("Dara Finch",)),
        (("Dara B. Finch",), ("Dara Finch",), ("Dara B. Finch",)),
        (("Dara Finch",), ("Finch",), ("Dara Finch",)),
        (("Dara Finch",), ("Reflections",), ("Dara Finch",)),
        (("Dara Finch",), ("Dara Finch", "Corin Vale"), ("Dara Finch", "Corin Vale")),
        (("Orla Quill", "Dara Finch"), (), ("Dara Finch",)),
        (("Orla M. Quill", "Dara Finch"), ("Orla Quill",), ("Dara Finch",)),
        (("Dara B. Finch", "Dara C. Finch"), (), ("Dara B. Finch", "Dara C. Finch")),
    ],
)
def test_guests_of_feed_and_title_are_each_one_person(
    guests: tuple[str, ...], told: tuple[str, ...], found: tuple[str, ...]
) -> None:
    assert list_guests(told, cast(*guests)) == found


def test_guest_is_nobody_in_particular_where_two_are_named() -> None:
    parsed = read(TALK, show=cast("Dara Finch", "Corin Vale"))
    assert parsed.turns[1].speaker == "Guest"
    assert parsed.shared == (SharedLabel("talk", "Guest", ("Dara Finch", "Corin Vale")),)


def test_an_alias_says_who_guest_is_whatever_the_feed_names() -> None:
    show = replace(SHOW, aliases={"talk/Guest": "Corin Vale"})
    parsed = read(TALK, show=cast("Dara Finch", "Corin Vale", show=show))
    assert (parsed.turns[1].speaker, parsed.shared) == ("Corin Vale", ())


# --- Host -------------------------------------------------------------------------------------------------------------


def test_host_is_the_only_host() -> None:
    assert name_people(["Host"], (), SHOW).people["Host"] == ("Orla Quill", "host")
    assert name_people(["Host"], (), SpeakerTable(hosts=("A B", "C D"))).people["Host"] == ("Host", "guest")


@pytest.mark.parametrize(
    ("hosts", "found"),
    [
        (("Corin Vale",), "Corin Vale"),
        (("Corin M. Vale",), "Corin Vale"),
        (("Orla Quill", "Corin Vale"), "?"),
        (("Dara Finch",), "?"),
        ((), "?"),
    ],
)
def test_host_is_the_one_the_feed_names_for_the_episode(hosts: tuple[str, ...], found: str) -> None:
    show = SpeakerTable(hosts=("Orla Quill", "Corin Vale"))
    assert name("Host", cast(hosts=hosts, show=show)) == found


def test_a_host_of_the_feed_is_none_of_the_show() -> None:
    naming = name_people(["Dara"], (), cast(hosts=("Dara Finch",)))
    assert naming.people["Dara"] == ("Dara Finch", "guest")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["Quill", "Orla", "Ms. Quill", "QUILL"])
def test_one_word_means_the_host_who_has_it(label: str) -> None:
    assert name_people([label, "Dara Finch"], (), SHOW).people[label] == ("Orla Quill", "host")


@pytest.mark.parametrize("label", ["Dara", "Finch", "Dr. Finch", "FINCH", "Dara Finch", "DARA FINCH", "Dara B Finch"])
def test_a_shorter_or_longer_name_is_the_person_the_feed_names(label: str) -> None:
    assert name(label, cast("Dara B. Finch, PhD", "Corin Vale")) == "Dara B. Finch, PhD"


@pytest.mark.parametrize(
    ("label", "guests", "others"),
    [
        ("Corin", ("Corin Vale", "Corin Marsh"), ()),
        ("Corin", ("Corin Vale",), ("Corin Marsh",)),
        ("Corin", (), ("Corin Vale", "Corin Marsh")),
        ("Orla", (), ("Orla Vane",)),
        ("Orla", ("Orla Vane",), ()),
        ("Dara Finch", ("Dara B. Finch", "Dara C. Finch"), ()),
    ],
)
def test_a_name_that_fits_two_people_is_left_as_it_stands(
    label: str, guests: tuple[str, ...], others: tuple[str, ...]
) -> None:
    assert name(label, cast(*guests), *others) == "?"


def test_an_initial_tells_two_people_apart() -> None:
    show = cast("Dara B. Finch", "Dara C. Finch")
    assert name("Dara C Finch", show) == "Dara C. Finch"


def test_another_spelling_in_the_file_is_no_second_person() -> None:
    assert name("Finch", cast("Dara B. Finch"), "Dara Finch", "DARA FINCH") == "Dara B. Finch"


@given(st.lists(st.sampled_from(NAMES), max_size=6), st.lists(st.sampled_from(NAMES), max_size=4), st.data())
def test_every_label_is_one_person_of_the_episode_or_stands_for_itself(
    labels: list[str], guests: list[str], data: st.DataObject
) -> None:
    show = cast(*guests, hosts=tuple(data.draw(st.lists(st.sampled_from(NAMES), max_size=2))))
    naming = name_people(labels, list_guests((), show), show)
    people = {*labels, *guests, *show.cast.hosts, *show.hosts}
    assert {speaker for speaker, _ in naming.people.values()} <= people
    assert all(len(names) > 1 and set(names) <= people for names in naming.shared.values())
    assert all(naming.people[label] == show.resolve(label) for label in naming.shared)


@given(st.permutations(NAMES))
def test_who_is_one_person_does_not_depend_on_the_order(names: list[str]) -> None:
    assert len(unify_names(names)) == len(unify_names(NAMES))


# --- readers ----------------------------------------------------------------------------------------------------------


def test_a_page_knows_the_inline_labels_of_the_people_the_feed_names() -> None:
    page = "<div class='audio-highlight'><p>Quill: Who dug it? Finch: We did. Dara: Twice.</p></div>"
    assert said(read(page, show=cast("Dara Finch, PhD"))) == [
        ("Orla Quill", "Who dug it?"), ("Dara Finch, PhD", "We did.\nTwice.")]  # fmt: skip


def test_a_label_seen_once_is_a_label_if_the_feed_names_the_person() -> None:
    text = "Orla Quill: Who dug it?\nDara: We did.\nOrla Quill: So.\n"
    assert said(read(text, show=cast("Dara Finch")))[1] == ("Dara Finch", "We did.")
    assert len(read(text).turns) == 1


def test_a_bare_name_in_markdown_is_a_label_if_the_feed_names_the_person() -> None:
    text = "**Orla Quill:** Who dug it?\n\nDara: We did.\n"
    assert said(read(text, show=cast("Dara Finch")))[1] == ("Dara Finch", "We did.")


# --- what is told -----------------------------------------------------------------------------------------------------


def test_a_shared_label_is_told_with_file_people_and_cure() -> None:
    (line,) = tell_shared([SharedLabel("on-wells", "Guest", ("Dara Finch", "Corin Vale"))])
    assert line.startswith('in "on-wells" "Guest" may be Dara Finch or Corin Vale')
    assert '"on-wells/Guest" = "NAME" to aliases under [show]' in line


def test_one_label_of_many_episodes_is_told_once_with_one_key_for_all() -> None:
    hosts = ("Orla Quill", "Corin Vale")
    (line,) = tell_shared([SharedLabel(slug, "Host", hosts) for slug in ("a", "b", "c")])
    assert '"a" and 2 more episodes' in line
    assert '"Host" = "NAME"' in line


def test_a_file_of_two_guests_under_one_label_is_read_all_the_same() -> None:
    show = cast("Dara Finch", "Corin Vale")
    parsed = parse_file(b"**Orla Quill:** Who?\n\n**Guest:** Me.\n", location="a.md", show=show)
    assert [(turn.speaker, turn.role) for turn in parsed.turns] == [("Orla Quill", "host"), ("Guest", "guest")]
