"""A served model, against a real server that answers well, badly, slowly or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from econchatr.errors import InputError, ModelError
from econchatr.models.engines.openai_client import RemoteModel, ServedAddress
from econchatr.records import Message, Reply
from tests.helpers.stand_in_judge import Raw, StandInJudge, serve

KEY = "sk-very-secret-0123456789"
MESSAGES = (Message(role="user", content="Who counted?"),)

Speak = Callable[[dict[str, Any], int], object]


def ask(server: StandInJudge, *, pauses: list[float] | None = None, **more: Any) -> Reply:
    fields: dict[str, Any] = {"base_url": server.base_url, "model": "judge-1", "key": KEY, "timeout_seconds": 60.0}
    address = ServedAddress(**(fields | more))
    with RemoteModel(address, sleep=[].append if pauses is None else pauses.append) as model:
        return model.reply(MESSAGES, temperature=0, max_tokens=8, seed=3)


def test_it_asks_as_the_api_wants_and_gives_the_reply() -> None:
    with serve(lambda body, n: "A") as server:
        assert ask(server) == Reply(text="A", stop="end", n_prompt_tokens=7, n_reply_tokens=1)
        ((body, headers),) = server.requests
    assert body == {
        "model": "judge-1", "messages": [{"role": "user", "content": "Who counted?"}], "temperature": 0,
        "max_tokens": 8, "seed": 3,
    }  # fmt: skip
    assert headers["authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent() -> None:
    with serve(lambda body, n: "A") as server:
        ask(server, key="")
        assert "authorization" not in server.requests[0][1]


def test_a_passing_failure_is_tried_again() -> None:
    pauses: list[float] = []
    with serve(lambda body, n: 500 if n < 3 else "B") as server:
        assert ask(server, pauses=pauses).text == "B"
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("speak", "message", "n_asked"),
    [
        (lambda body, n: 500, "status 500", 3),
        (lambda body, n: 401, "status 401", 1),
        (lambda body, n: 404, "status 404", 1),
        (lambda body, n: Raw(b"<html>hello</html>"), "something else than a chat completion", 1),
        (lambda body, n: Raw(b"{}"), "something else", 1),
        (lambda body, n: Raw(b'{"choices": []}'), "something else", 1),
        (lambda body, n: Raw(b'{"choices": [7]}'), "something else", 1),
        (lambda body, n: Raw(b"[" * 100_000), "something else", 1),
        (
            lambda body, n: Raw(b'{"choices": [{"message": {"content": null, "refusal": "I will not"}}]}'),
            "I will not",
            1,
        ),
        (lambda body, n: Raw(b" " * 2_000_001), "more than 2,000,000 bytes", 1),
        (lambda body, n: None, "gives no text", 1),
        (lambda body, n: Raw(f"{'<p>' * 36} no {KEY}".encode()), "something else", 1),
    ],
)
def test_what_is_no_reply_is_an_error_that_never_tells_the_key(speak: Speak, message: str, n_asked: int) -> None:
    with serve(speak) as server:
        with pytest.raises(ModelError) as caught:
            ask(server)
        assert len(server.requests) == n_asked
    assert message in caught.value.message
    assert KEY[:8] not in caught.value.message
    assert caught.value.hint


def test_a_server_that_drips_is_left_in_time() -> None:
    with serve(lambda body, n: 3.0) as server, pytest.raises(ModelError, match=r"no whole answer within 0\.2 seconds"):
        ask(server, timeout_seconds=0.2, n_tries=1)


def test_nobody_there_is_an_error() -> None:
    with serve(lambda body, n: "A") as server:
        gone = server
    with pytest.raises(ModelError, match="cannot be reached"):
        ask(gone)


def test_a_redirect_is_not_followed_so_the_key_stays() -> None:
    with serve(lambda body, n: "A") as other, serve(lambda body, n: 307) as server:
        with pytest.raises(ModelError, match="status 307"):
            ask(server)
        assert other.requests == []


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ("ftp://host/v1", "is no address"),
        ("host/v1", "is no address"),
        ("http://[::1/v1", "is no address"),
        ("https://user:word@host/v1", "is no address"),
        ("http://somewhere.example/v1", "unencrypted"),
    ],
)
def test_an_address_that_is_none_or_gives_the_key_away_is_refused(base_url: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RemoteModel(ServedAddress(base_url, "m", KEY))


def test_a_key_with_a_line_break_is_refused_and_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        RemoteModel(ServedAddress("https://host/v1", "m", "secret\nX-Evil: 1"))
    assert "secret" not in caught.value.message
