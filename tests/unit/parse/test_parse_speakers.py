"""Labels, hosts and aliases."""

from __future__ import annotations

import pytest

from econchatr.parse import SpeakerTable
from econchatr.parse.people import tidy_label

SHOW = SpeakerTable(hosts=("Orla Quill",), aliases={"Quill": "orla quill", "D. Finch": "Dara Finch"})


@pytest.mark.parametrize("label", ["Orla Quill", "ORLA  QUILL", "orla quill:", "Quill", "Orla Quill: Orla Quill"])
def test_host_is_known_under_every_spelling(label: str) -> None:
    assert SHOW.resolve(label) == ("Orla Quill", "host")


def test_alias_of_a_guest_stays_a_guest() -> None:
    assert SHOW.resolve("D. Finch") == ("Dara Finch", "guest")


@pytest.mark.parametrize("label", ["Audience Member", "BREAK", "Song extract", "Unknown Speaker 3"])
def test_label_that_names_no_person_is_other(label: str) -> None:
    assert SHOW.resolve(label)[1] == "other"


def test_two_ways_to_type_an_accent_are_one_name() -> None:
    assert tidy_label("So\u0308der") == "Söder"
