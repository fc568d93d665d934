"""The shapes in which transcripts are commonly saved: each is read, and no word goes to a wrong speaker."""

from __future__ import annotations

from datetime import date

import pytest

from econchatr.errors import TranscriptError
from tests.helpers.common_shapes import EVERY, HEAD, TALK, TOML_HEAD, write_turns
from tests.helpers.read_text import read, said


@pytest.mark.parametrize("name", EVERY)
def test_every_common_shape_is_read_with_each_word_at_its_speaker(name: str) -> None:
    turns = [
        (speaker.title(), words.replace(" ?", "?").replace(" .", ".")) for speaker, words in said(read(EVERY[name]))
    ]
    assert turns == list(TALK)


def test_there_are_more_than_sixty() -> None:
    assert len(EVERY) > 60


@pytest.mark.parametrize("head", [HEAD, TOML_HEAD, "Title: On Wells\nDate: May 1, 2024\nGuest: Dara Finch\n\n"])
@pytest.mark.parametrize(
    "form",
    ["{name}: {words}", "[{clock}] {name}: {words}", "**{name}** ({clock}): {words}", "{name} ({clock}):\n{words}"],
)
def test_a_head_gives_title_date_and_guest_before_any_format(head: str, form: str) -> None:
    parsed = read(head + write_turns(form))
    assert (parsed.episode.title, parsed.episode.published) == ("On Wells", date(2024, 5, 1))
    assert {turn.speaker for turn in parsed.turns} == {"Orla Quill", "Dara Finch"}
    assert parsed.episode.n_unplaced_chars == 0


def test_guest_in_the_head_is_whom_the_label_guest_means() -> None:
    parsed = read(HEAD + "Orla Quill: Who dug it?\nGuest: My aunt.\nOrla Quill: When?\nGuest: In May.\n")
    assert said(parsed)[1] == ("Dara Finch", "My aunt.")


def test_date_that_cannot_be_known_is_told() -> None:
    parsed = read("---\ntitle: Wells\ndate: 3/4/2024\n---\n" + write_turns("{name}: {words}"))
    assert parsed.episode.published is None
    assert "its date '3/4/2024' is in no form that is read" in parsed.episode.doubt


def test_head_that_is_no_yaml_is_read_as_far_as_it_goes() -> None:
    head = "---\ntitle: Rust: the book\nguests:\n  - name: Ada Moss\n  - Dara Finch\ndate: [\n---\n"
    assert read(head + write_turns("{name}: {words}")).episode.title == "Rust: the book"


def test_transcript_that_names_nobody_is_refused_with_the_three_ways_on() -> None:
    with pytest.raises(TranscriptError, match="names no speaker") as caught:
        read("So who dug the well. My aunt did. And who paid for it. Nobody ever did. That was all.\n" * 3)
    assert all(way in caught.value.hint for way in ("whisperx", "Name: text", "solo = true"))
