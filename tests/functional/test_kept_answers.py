"""Answers that a training server keeps when a request has `store`: OpenAI's client, a server in its own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from tests.helpers.training_server_process import BASE, CALLERS, KEYS, ServerProcess, run_server, write_server

ASKED = [{"role": "user", "content": "Is it rust?"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServerProcess]:
    quotas = "[quotas]\nmax_answers = 3\n"
    folder = write_server(tmp_path_factory.mktemp("kept") / "server", cache, CALLERS + quotas)
    with run_server(folder, KEYS) as running:
        yield running


@pytest.fixture
def alice(server: ServerProcess) -> Iterator[openai.OpenAI]:
    """Alice, who has kept nothing."""
    client = server.client(KEYS["ALICE_KEY"])
    yield client
    for kept in list(client.chat.completions.list()):
        client.chat.completions.delete(kept.id)


def ask(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(model=BASE, messages=ASKED, max_tokens=4, **more)  # type: ignore[call-overload]


def test_an_answer_is_read_again_as_it_was_given(alice: openai.OpenAI) -> None:
    said = ask(alice, store=True, metadata={"k": "v"}, n=2, logprobs=True)
    kept = alice.chat.completions.retrieve(said.id)
    assert kept.to_dict() == {**said.to_dict(), "metadata": {"k": "v"}}
    (message,) = alice.chat.completions.messages.list(said.id)
    assert (message.role, message.content) == ("user", "Is it rust?")


def test_a_streamed_answer_is_kept_whole(alice: openai.OpenAI) -> None:
    pieces = list(ask(alice, store=True, stream=True, temperature=0))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    kept = alice.chat.completions.retrieve(pieces[0].id)
    assert (kept.choices[0].message.content, kept.choices[0].finish_reason) == (text, "length")
    assert kept.usage is not None
    assert kept.usage.completion_tokens == 4


@pytest.mark.parametrize("more", [{}, {"store": False}, {"store": None, "metadata": {"k": "v"}}])
def test_without_store_nothing_is_kept(alice: openai.OpenAI, more: Any) -> None:
    said = ask(alice, **more)
    assert list(alice.chat.completions.list()) == []
    with pytest.raises(openai.NotFoundError, match="No such stored answer"):
        alice.chat.completions.retrieve(said.id)


def test_answers_are_found_changed_and_deleted(alice: openai.OpenAI) -> None:
    first, second = (ask(alice, store=True, metadata={"n": n}).id for n in "12")
    assert [kept.id for kept in alice.chat.completions.list(metadata={"n": "2"})] == [second]
    assert alice.chat.completions.update(first, metadata={"n": "2"}).metadata == {"n": "2"}  # type: ignore[attr-defined]
    assert [kept.id for kept in alice.chat.completions.list(metadata={"n": "2"}, limit=1)] == [first, second]
    assert alice.chat.completions.delete(first).deleted
    with pytest.raises(openai.NotFoundError):
        alice.chat.completions.messages.list(first)


def test_answers_are_each_callers_own(alice: openai.OpenAI, server: ServerProcess) -> None:
    kept, bob = ask(alice, store=True).id, server.client(KEYS["BOB_KEY"]).chat.completions
    assert list(bob.list()) == []
    for call in (bob.retrieve, bob.delete, bob.messages.list, lambda name: bob.update(name, metadata=None)):
        with pytest.raises(openai.NotFoundError, match="No such stored answer"):
            call(kept)
    assert alice.chat.completions.retrieve(kept).id == kept


@pytest.mark.parametrize("is_streamed", [False, True])
def test_beyond_the_quota_a_request_to_keep_is_refused_and_others_are_not(
    alice: openai.OpenAI, is_streamed: bool
) -> None:
    for _ in range(3):
        ask(alice, store=True)
    with pytest.raises(openai.RateLimitError, match=r"3 answers .* are the most") as caught:
        ask(alice, store=True, stream=is_streamed)
    assert caught.value.code == "insufficient_quota"
    assert ask(alice).choices


@pytest.mark.parametrize("metadata", [{"k": 1}, {"": "v"}, {str(n): "" for n in range(17)}, {"k": "x" * 513}, "k"])
def test_metadata_of_another_shape_is_refused(alice: openai.OpenAI, metadata: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="metadata"):
        ask(alice, store=True, metadata=metadata)
