from __future__ import annotations

import time

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.fetch.address_guard import GuardedTransport, UnsafeAddressError, check_address, is_public
from tests.helpers.stand_in_site import open_site


@pytest.mark.parametrize(
    "address",
    [
        "https://www.example.org/a-page/",
        "http://example.org:80/",
        "https://example.org:443/x?y=1",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
    ],
)
def test_open_addresses_may_be_asked(address: str) -> None:
    assert check_address(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "javascript:alert(1)",
        "/just/a/path",
        "https://",
        "http://127.0.0.1/",
        "http://127.1.2.3/",
        "http://0177.0.0.1/",
        "http://[bad",
        "http://exa%mple.org/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[::127.0.0.1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://0.0.0.0/",
        "http://10.0.0.7/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://ada:secret@example.org/",
        "http://ada@example.org/",
        "http://example.org:22/",
        "http://example.org:99999/",
        "http://example.org/\r\nX-Injected: 1",
        "http://example.org/a b",
        "http://example.org/\x00",
        "http://example.org/" + "a" * 2000,
    ],
)
def test_addresses_no_feed_may_point_to_are_refused_with_a_reason(address: str) -> None:
    assert check_address(address)


def test_a_host_the_user_names_may_be_private_and_have_any_port() -> None:
    assert check_address("http://127.0.0.1:8000/", allow_hosts=["127.0.0.1"]) == ""
    assert check_address("http://Intranet.:8000/", allow_hosts=["intranet"]) == ""
    assert check_address("http://127.0.0.2:8000/", allow_hosts=["127.0.0.1"])
    assert check_address("file://127.0.0.1/etc/passwd", allow_hosts=["127.0.0.1"])


@given(st.ip_addresses(v=4))
def test_an_inward_address_is_inward_in_every_notation(ip: object) -> None:
    if not is_public(str(ip)):
        assert not is_public(f"::ffff:{ip}")


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    for address in (text, "http://" + text, "http://example.org/" + text):
        assert isinstance(check_address(address), str)


def ask(address: str, **options: object) -> httpx2.Response:
    transport = GuardedTransport(clock=time.monotonic, page_seconds=5, **options)  # type: ignore[arg-type]
    with transport, httpx2.Client(transport=transport, trust_env=False) as client:
        return client.get(address)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
def test_odd_spellings_of_loopback_are_seen_through_when_connecting(host: str) -> None:
    with pytest.raises(UnsafeAddressError, match=r"127\.0\.0\.1|::1"):
        ask(f"http://{host}/")


def test_a_name_that_resolves_inward_is_refused_even_with_a_public_address_beside() -> None:
    with pytest.raises(UnsafeAddressError, match=r"rebind\.example leads to 10\.0\.0\.1"):
        ask("http://rebind.example/", resolve=lambda host, port: ["93.184.216.34", "10.0.0.1"])


def test_the_checked_number_is_what_is_connected_to() -> None:
    with open_site() as site:
        site.pages["/a"] = b"a"
        address = f"http://pages.example:{site.port}/a"
        answer = ask(address, resolve=lambda host, port: ["127.0.0.1"], allow_hosts=["pages.example"])
    assert answer.content == b"a"
    assert site.log[0].headers["host"] == f"pages.example:{site.port}"


def test_a_name_is_resolved_once_and_what_it_says_later_does_not_count() -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    # conftest forbids anything but loopback, so a connection to the checked number fails: it is not asked twice.
    with pytest.raises(httpx2.NetworkError):
        ask("http://rebind.example/", resolve=lambda host, port: next(answers))
    assert next(answers) == ["127.0.0.1"]
