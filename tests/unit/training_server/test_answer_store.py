"""Kept answers: each caller's own, up to a number, a size and an age."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from econchatr.errors import ShowFolderError
from econchatr.talk.server.openai_schema import ChatChoice, ChatCompletion, ChatMessage, ChatReply, TextPart, Usage
from econchatr.training_server.answer_store import AnswerStore
from econchatr.training_server.job_schema import CallError, StoringChatRequest
from econchatr.training_server.job_store import JobStore, PageAsk, StoredFile
from econchatr.training_server.server_settings import QuotaTable

DAY = 86_400
ALL = PageAsk(limit=100, is_oldest_first=True)
ASKED = [ChatMessage(role="user", content="Is it rust?")]


class Clock:
    """A day after the other, as a test wants them."""

    seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    with JobStore(tmp_path / "server", now=clock) as opened:
        yield opened


@pytest.fixture
def answers(store: JobStore) -> AnswerStore:
    return AnswerStore(store, QuotaTable(max_answers=5, max_answers_mb=40, answer_days=3))


def keep(
    answers: AnswerStore, name: str, *, owner: str = "alice", said: str = "Rust sleeps.", model: str = "tiny",
    messages: list[ChatMessage] = ASKED, metadata: dict[str, str] | None = None,
) -> None:  # fmt: skip
    """Keep an answer under a name."""
    choice = ChatChoice(index=0, message=ChatReply(content=said), finish_reason="stop")
    usage = Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    answer = ChatCompletion(id=name, created=1, model=model, system_fingerprint="", choices=[choice], usage=usage)
    answers.keep(answer, StoringChatRequest(model=model, messages=messages, metadata=metadata), owner)


def list_ids(answers: AnswerStore, ask: PageAsk = ALL, **which: Any) -> list[str]:
    return [row.id for row in answers.read_page("alice", ask, **which)[0]]


def test_an_answer_is_its_owners_alone(answers: AnswerStore) -> None:
    keep(answers, "a")
    assert answers.find("a", "alice").choices[0].message.content == "Rust sleeps."
    for ask in (answers.find, answers.list_messages, answers.remove):
        with pytest.raises(CallError, match=r"No such stored answer\.") as caught:
            ask("a", "bob")
        assert caught.value.status == 404
    assert answers.read_page("bob", ALL) == ([], False)


def test_messages_come_back_with_their_pieces_and_without_half_characters(answers: AnswerStore) -> None:
    pieces = [TextPart(type="text", text="Is it"), TextPart(type="text", text="wind\x00?")]
    keep(
        answers,
        "a",
        messages=[ChatMessage(role="system", content="Be \ud800"), ChatMessage(role="user", content=pieces)],
    )
    first, second = answers.list_messages("a", "alice")
    assert (first.id, first.role, first.content, first.content_parts) == ("a-0", "system", "Be ?", None)
    assert (second.id, second.content, second.content_parts) == ("a-1", "Is it\nwind\x00?", pieces)


def test_answers_are_listed_in_either_order_page_by_page(answers: AnswerStore) -> None:
    for name in "abc":
        keep(answers, name)
    assert list_ids(answers) == ["a", "b", "c"]
    assert list_ids(answers, PageAsk("c", 1)) == ["b"]
    assert answers.read_page("alice", PageAsk(None, 2, True))[1]
    assert not answers.read_page("alice", PageAsk("a", 2, True))[1]
    assert list_ids(answers, PageAsk("unknown", 2)) == []


def test_answers_are_found_by_model_and_metadata(answers: AnswerStore) -> None:
    keep(answers, "a", metadata={"k": "v", "n": "1"})
    keep(answers, "b", metadata={"k": "v\x00"})
    keep(answers, "c", model="other")
    assert list_ids(answers, metadata={"k": "v"}) == ["a"]
    assert list_ids(answers, metadata={"k": "v\x00"}) == ["b"]
    assert list_ids(answers, metadata={"k": "v", "n": "2"}) == []
    assert list_ids(answers, model="other") == ["c"]


def test_a_page_of_long_answers_is_shorter_than_was_asked_for(answers: AnswerStore) -> None:
    for name in "abc":
        keep(answers, name, said="x" * 9_000_000)
    rows, has_more = answers.read_page("alice", ALL)
    assert ([row.id for row in rows], has_more) == (["a"], True)


def test_more_answers_than_the_quota_are_refused(answers: AnswerStore) -> None:
    for n in range(5):
        keep(answers, str(n))
    with pytest.raises(CallError, match=r"5 answers .* 5 answers and 40 MB are the most") as caught:
        keep(answers, "more")
    assert (caught.value.status, caught.value.code) == (429, "insufficient_quota")
    keep(answers, "x", owner="bob")
    answers.remove("0", "alice")
    keep(answers, "more")


def test_answers_and_their_metadata_count_by_their_bytes(store: JobStore) -> None:
    answers = AnswerStore(store, QuotaTable(max_answers_mb=1))
    keep(answers, "a", said="x" * 998_000)
    with pytest.raises(CallError, match="1 MB"):
        answers.change_metadata("a", "alice", {str(n): "x" * 512 for n in range(16)})
    with pytest.raises(CallError, match="1 MB"):
        keep(answers, "b", said="x" * 2_000)


def test_metadata_is_changed_and_taken_away(answers: AnswerStore) -> None:
    keep(answers, "a", metadata={"k": "v"})
    assert answers.change_metadata("a", "alice", {"n": "1"}).metadata == {"n": "1"}
    assert answers.find("a", "alice").metadata == {"n": "1"}
    assert answers.change_metadata("a", "alice", None).metadata is None
    assert list_ids(answers, metadata={"n": "1"}) == []


def test_what_is_deleted_and_what_is_old_stands_nowhere_in_the_table(
    store: JobStore, answers: AnswerStore, clock: Clock
) -> None:
    keep(answers, "old")
    clock.seconds += 2 * DAY
    keep(answers, "new")
    keep(answers, "gone")
    answers.remove("gone", "alice")
    clock.seconds += DAY
    answers.sweep()
    assert store.database.read("SELECT id FROM answers") == [("new",)]


def test_a_file_of_an_older_program_is_brought_up_to_date(tmp_path: Path) -> None:
    with JobStore(tmp_path) as store:
        file = StoredFile(id="file-1", owner="alice", created_at=1, n_bytes=1, filename="a", purpose="fine-tune")
        store.add(file)
    with sqlite3.connect(tmp_path / "jobs.sqlite") as line:
        line.execute("DROP TABLE answers")
        line.execute("PRAGMA user_version = 1")
    line.close()
    with JobStore(tmp_path) as store:
        keep(AnswerStore(store, QuotaTable()), "a")
        assert store.find(StoredFile, "file-1") == file


def test_a_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    with JobStore(tmp_path) as store, store.database.change() as line:
        line.execute("PRAGMA user_version = 99")
    with pytest.raises(ShowFolderError, match="a newer program made it"):
        JobStore(tmp_path)
