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


LOOKS_LIKE_ONE = [
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
]


@pytest.mark.parametrize("text", LOOKS_LIKE_ONE)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert hide_private(text) == text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("I live at 14 Copper Kettle Lane, Apt 3, and", "I live at [address], and"),
        ("come to 1208 W. Alder St., Millford, OR 97000 now", "come to [address] now"),
        ("at 300 42nd Street or P.O. Box 1187.", "at [address] or [address]."),
        ("it was 81.2.69.142 then", "it was [address] then"),
        ("on 2a00:1450:4001:81b::200e it", "on [address] it"),
        ("the card 3c:22:fb:9a:01:ef is", "the card [address] is"),
        ("pay with 4242 4242 4242 4242 or 378282246310005.", "pay with [card] or [card]."),
        ("from DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432", "from [account] and [account]"),
        ("the key sk-proj-a1B2c3D4e5F6g7H8i9J0k1L2 is", "the key [key] is"),
        ("AKIAIOSFODNN7EXAMPL2, ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5", "[key], [key]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27u", "[key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY----- so", "[key] so"),
    ],
)
def test_secret_is_hidden(text: str, hidden: str) -> None:
    assert hide_private(text) == hidden


LOOKS_LIKE_SECRET = [
    "at 10:30, 10:30:45 and 1:02:03:04, John 3:16, 2:1",
    "from 1990 to 2000, in 1984, the 2020s, 12 May 2021, 2023-01-02",
    "Wall Street, 5 Main points, 30 Days of Night, 100 Years of Solitude Road",
    "10 Downing Street and 221B Baker Street and 1600 Pennsylvania Avenue",
    "in 2008 Wall Street fell, and 12 Angry Men drove on",
    "8.8.8.8, 127.0.0.1, 10.0.0.7, 192.168.1.1, 169.254.1.1 and 999.1.1.1",
    "version 4.18.2.1, v1.2.3.4 and macOS 10.15.7",
    "std::vector, Foo::Bar::baz, C::, a::b, ab:cd:ef and ::1",
    "4242 4242 4242 4243 and 1234 5678 9012 3456",
    "a population of 1,400,000,000 and 3.14159265358979323846",
    "tracking 9400 1000 0000 0000 0000 00, ISBN 978-0-306-40615-7",
    "DE88 3704 0044 0532 0130 00 and AB12 CDEF",
    "sk-learn-compatible-estimators, xox, eyJunk, AKIA, hf_hub_download_something_really_long",
    "I turned 16 in the year 2016, and 5 Drive bays were full",
    "0000 0000 0000 0000",
]


@pytest.mark.parametrize("text", LOOKS_LIKE_SECRET)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert hide_private(text) == text


def test_spoken_form_is_not_handled() -> None:
    assert hide_private("ada at example dot org") == "ada at example dot org"


@given(st.text(alphabet="aS1.@-+/ ():D", max_size=60))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert hide_private(hide_private(text)) == hide_private(text)


MARKS = [
    *("a@", "a.", "1-", "555-", "www.", "+1 ", "http://", "a.b/", "(555) ", "4242 ", "1.1.", "a:", "12 Oak ", "DE89 "),
    *("sk-a1", "eyJ.", "ab-cd-", "1 N. ", "-----BEGIN PRIVATE KEY-----"),
]


@pytest.mark.parametrize("mark", MARKS)
def test_hostile_text_ends(mark: str) -> None:
    assert isinstance(hide_private(mark * 50_000), str)
