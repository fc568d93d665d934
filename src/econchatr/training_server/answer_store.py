"""The answers that callers asked to keep (`store`): each caller's own, up to a number, a size and an age."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any, Final

from pydantic import TypeAdapter

from econchatr.talk.server.openai_schema import ChatCompletion, ChatMessage
from econchatr.training_server.job_schema import CallError, StoredCompletion, StoredMessage, StoringChatRequest
from econchatr.training_server.job_store import JobStore, PageAsk
from econchatr.training_server.server_settings import QuotaTable

_MB: Final = 1_000_000
_DAY_SECONDS: Final = 86_400
_MAX_PAGE_BYTES: Final = 16_000_000
"""An answer with the likelihoods of all its tokens has megabytes: a page of them is shorter than was asked for."""
_MESSAGES: Final = TypeAdapter(list[ChatMessage])


class AnswerStore:
    """The kept answers of one store."""

    def __init__(self, store: JobStore, quotas: QuotaTable) -> None:
        self._store, self._database, self._quotas = store, store.database, quotas
        with self._database.change() as line:
            line.create_function("holds", 2, _holds, deterministic=True)

    def check_room(self, owner: str, n_bytes: int = 0, *, n_more: int = 1) -> None:
        """Refuse what would go beyond the caller's quotas.

        Args:
            n_bytes: Of what is to come.
            n_more: Answers to come; 0: one that is there grows.

        Raises:
            CallError: There is no room.
        """
        query = "SELECT count(*), coalesce(sum(n_bytes), 0) FROM answers WHERE owner = ?"
        ((n_answers, n_stored),) = self._database.read(query, (owner,))
        quotas = self._quotas
        if n_answers + n_more > quotas.max_answers or n_stored + n_bytes > quotas.max_answers_mb * _MB:
            raise CallError(
                f"{n_answers:,} answers with {n_stored:,} bytes are stored; {quotas.max_answers:,} answers and "
                f"{quotas.max_answers_mb} MB are the most.", hint="Delete some first, or ask without `store`.",
                status=429, code="insufficient_quota", param="store",
            )  # fmt: skip

    def keep(self, answer: ChatCompletion, asked: StoringChatRequest, owner: str) -> None:
        """Keep an answer with what was asked.

        Raises:
            CallError: There is no room.
        """
        told = _MESSAGES.dump_python(asked.messages)
        # JSON can hold half a character, and no file can.
        texts = [
            text.encode(errors="replace").decode()
            for text in (json.dumps(asked.metadata), answer.model_dump_json(), json.dumps(told, ensure_ascii=False))
        ]
        n_bytes = sum(len(text.encode()) for text in texts)
        row = (answer.id, owner, self._store.now(), answer.model, n_bytes, *texts)
        with self._database.change() as line:
            self.check_room(owner, n_bytes)
            line.execute(
                "INSERT OR REPLACE INTO answers (id, owner, created_at, model, n_bytes, metadata, answer, messages)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row,
            )  # fmt: skip

    def find(self, answer_id: str, owner: str) -> StoredCompletion:
        """A caller's kept answer.

        Raises:
            CallError: There is none of that id, or it is somebody else's, which nobody is told.
        """
        return _restore(*self._read(answer_id, owner, "answer, metadata"))

    def list_messages(self, answer_id: str, owner: str) -> list[StoredMessage]:
        """What was asked for an answer, in order.

        Raises:
            CallError: There is no such answer.
        """
        (text,) = self._read(answer_id, owner, "messages")
        return [
            StoredMessage(
                id=f"{answer_id}-{n}", role=asked.role, content=asked.text,
                content_parts=asked.content if isinstance(asked.content, list) else None,
            )
            for n, asked in enumerate(_MESSAGES.validate_json(text))
        ]  # fmt: skip

    def _read(self, answer_id: str, owner: str, columns: str) -> tuple[Any, ...]:
        rows = self._database.read(f"SELECT {columns} FROM answers WHERE id = ? AND owner = ?", (answer_id, owner))
        if not rows:
            raise CallError("No such stored answer.", status=404, code="not_found", param="id")
        return rows[0]

    def read_page(
        self, owner: str, ask: PageAsk, *, model: str | None = None, metadata: dict[str, str] | None = None
    ) -> tuple[list[StoredCompletion], bool]:
        """Some of a caller's answers, and whether more follow.

        Args:
            model: Only this model's; `None`: all.
            metadata: Only those with these values.
        """
        sign, order = (">", "ASC") if ask.is_oldest_first else ("<", "DESC")
        query, values = "owner = ?", [owner]
        if model is not None:
            query, values = f"{query} AND model = ?", [*values, model]
        if metadata:
            query, values = f"{query} AND holds(metadata, ?)", [*values, json.dumps(metadata)]
        if ask.after is not None:
            query = f"{query} AND n {sign} (SELECT n FROM answers WHERE id = ? AND owner = ?)"
            values += [ask.after, owner]
        with self._store.hold():
            found = self._database.read(
                f"SELECT n, n_bytes FROM answers WHERE {query} ORDER BY n {order} LIMIT ?", (*values, ask.limit + 1)
            )
            weights = list(accumulate(n_bytes for _, n_bytes in found))
            numbers = [n for (n, _), weight in zip(found, weights, strict=True) if weight <= _MAX_PAGE_BYTES]
            numbers = (numbers or [n for n, _ in found[:1]])[: ask.limit]
            marks = ", ".join("?" * len(numbers))
            rows = self._database.read(
                f"SELECT answer, metadata FROM answers WHERE n IN ({marks}) ORDER BY n {order}", numbers
            )
        return [_restore(*row) for row in rows], len(found) > len(rows)

    def change_metadata(self, answer_id: str, owner: str, metadata: dict[str, str] | None) -> StoredCompletion:
        """Give an answer other metadata.

        Raises:
            CallError: There is no such answer, or no room.
        """
        new = json.dumps(metadata)
        with self._database.change() as line:
            answer = self.find(answer_id, owner)
            n_more = len(new) - len(json.dumps(answer.metadata))
            self.check_room(owner, n_more, n_more=0)
            line.execute(
                "UPDATE answers SET metadata = ?, n_bytes = n_bytes + ? WHERE id = ?", (new, n_more, answer_id)
            )
        return answer.model_copy(update={"metadata": metadata})

    def remove(self, answer_id: str, owner: str) -> None:
        """Forget an answer and what was asked.

        Raises:
            CallError: There is no such answer.
        """
        with self._database.change() as line:
            self._read(answer_id, owner, "id")
            line.execute("DELETE FROM answers WHERE id = ?", (answer_id,))

    def sweep(self) -> None:
        """Forget what is too old."""
        last = self._store.now() - self._quotas.answer_days * _DAY_SECONDS
        if self._database.read("SELECT 1 FROM answers WHERE created_at <= ? LIMIT 1", (last,)):
            with self._database.change() as line:
                line.execute("DELETE FROM answers WHERE created_at <= ?", (last,))


def _restore(answer: str, metadata: str) -> StoredCompletion:
    return StoredCompletion.model_validate({**json.loads(answer), "metadata": json.loads(metadata)})


def _holds(metadata: str, wanted: str) -> bool:
    """Whether metadata has all of these values; asked by SQLite for each row."""
    return bool(json.loads(wanted).items() <= (json.loads(metadata) or {}).items())
