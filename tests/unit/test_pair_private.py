"""Addresses and numbers are hidden; what only looks like them is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.pair import hide_private


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("write to ada.example+x@mail.example.org.", "write to [email]."),
        ("*@example.org and x@example.co.uk, too", "[email] and [email], too"),
        ("see https://example.org/a?b=c. Then", "see [link]. Then"),
        ("see www.example.org, then", "see [link], then"),
        ("at slowanswer.org/ferry (slow.com)", "at [link] ([link])"),
        ("at ferry.io/log", "at [link]"),
        ("call (555) 010-4477 or 555-010-4477 or 555.010.4477!", "call [phone] or [phone] or [phone]!"),
        ("call +1 555 010 4477 or +44 20 7946 0958.", "call [phone] or [phone]."),
    ],
)
def test_written_form_is_hidden(text: str, hidden: str) -> None:
    assert hide_private(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "content at scale, and show at noon",
        "we met at 10:30, from 1990-2000, on 2023-01-02",
        "John 3:16, 2:1, 7-10, 24/7",
        "version 1.2.3, Python 3.11, node.js, ASP.NET, U.S.A.",
        "$1,367,440 and $100-200-3000 and 1,555,010,447 people",
        "ISBN 978-0-306-40615-7",
        "192.168.1.1",
        "Booking.com and Octo.io are firms",
        "the end.So it went e.g. here",
        "@handle said so",
        "123-45-6789",
        "555-0104",
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert hide_private(text) == text


def test_spoken_form_is_not_handled() -> None:
    assert hide_private("ada at example dot org") == "ada at example dot org"


@given(st.text(alphabet="a1.@-+/ ():", max_size=60))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert hide_private(hide_private(text)) == hide_private(text)


@pytest.mark.parametrize("mark", ["a@", "a.", "1-", "555-", "www.", "+1 ", "http://", "a.b/", "(555) "])
def test_hostile_text_ends(mark: str) -> None:
    assert isinstance(hide_private(mark * 50_000), str)
