"""Presidio finds what patterns leave; speech, names and what only looks like a number stay.

These run where the extra is installed: pip install -e '.[presidio]'.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.pair import open_presidio
from tests.unit.pair.test_pair_private import LOOKS_LIKE_ONE, LOOKS_LIKE_SECRET

pytest.importorskip("presidio_analyzer", reason="the extra presidio is not installed")

Hide = Callable[[str], str]


@pytest.fixture(scope="module")
def hide() -> Hide:
    return open_presidio()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("call me on 020 7946 0958, or mobile 01632 960 961", "call me on [phone], or mobile [phone]"),
        ("social security 536-90-4399 and", "social security [id] and"),
        ("her passport number is C12345678, I think", "her passport number is [id], I think"),
        ("the account is 123456789012 at", "the account is [account] at"),
        ("pay 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 or", "pay [account] or"),
        ("pay with 4242 4242 4242 4242.", "pay with [card]."),
        ("write to ada@example.org", "write to [email]"),
    ],
)
def test_private_number_is_hidden(hide: Hide, text: str, hidden: str) -> None:
    assert hide(text) == hidden


@pytest.mark.parametrize("text", [*LOOKS_LIKE_ONE, *LOOKS_LIKE_SECRET])
def test_what_the_patterns_leave_as_speech_presidio_leaves_too(hide: Hide, text: str) -> None:
    assert hide(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "At 10:30 on 12 May 2021 we read John 3:16, and by 9/11 it was 24/7",
        "Python 3.11.4, Node 18.16.0, x86, an M1, S3, K12, PDP-11/70 and the P99",
        "with 3000-5000 people, 120000 a year, 16777216 colours, and 1969, 1984, 2008 and 2020",
        "we save 20000000 dollars and call it 100200300400",
        "from 1990 to 2000, 2014-05-31, 10/10/10, ISBN 0306406152",
        "Ada Lovelace of Oxford said to Charles Babbage in London: node.js, ASP.NET, terminal.app ...and so",
        "I called 555-0104 times, and the phone has 16777216 colours",
    ],
)
def test_speech_stays(hide: Hide, text: str) -> None:
    assert hide(text) == text


def test_nobody_is_asked_for_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert open_presidio()("call 020 7946 0958 or see https://example.org") == "call [phone] or see [link]"


PIECES = [
    "call ", "phone ", "020 7946 0958", "536-90-4399", "10:30 ", "1 ", "-", "account ", "123456789012", "C12345678",
    "passport ", "4242 4242 4242 4242", ". ", "ada@example.org", "\n",
]  # fmt: skip
MARK = re.compile(r"\[(?:account|address|card|email|id|key|link|phone)\]")


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=20))
def test_nothing_but_what_is_hidden_changes(hide: Hide, pieces: list[str]) -> None:
    text, position = "".join(pieces), 0
    for kept in MARK.split(hide(text)):
        position = text.index(kept, position) + len(kept)


def test_a_number_already_hidden_does_not_speak_for_the_next(hide: Hide) -> None:
    assert hide("555-010-4477 or 3000-5000 people") == "[phone] or 3000-5000 people"


@pytest.mark.parametrize("n_words", [250, 251, 600])
def test_a_number_far_down_a_long_turn_is_hidden_whole(hide: Hide, n_words: int) -> None:
    text = "words " * n_words + "call 020 7946 0958 " + "words " * 400
    assert hide(text) == text.replace("020 7946 0958", "[phone]")


@pytest.mark.parametrize("mark", ["1", "1 ", "1-", "555-", "a1", "(1) ", "\n1", "phone 020 7946 0958 "])
def test_hostile_text_ends(hide: Hide, mark: str) -> None:
    assert isinstance(hide(mark * 2_000), str)
