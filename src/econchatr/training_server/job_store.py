"""Where a training server keeps its files, uploads, jobs and events: one SQLite file, and the files' bytes beside it.

A row is a record as JSON under an id that this server drew; no name of a caller's ever becomes a path. Every change is
one transaction, so a kill at any moment leaves a job in one state or the next.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from pydantic import TypeAdapter

from econchatr.records import Record
from econchatr.tables import disk_errors
from econchatr.training_server.job_schema import (
    CheckpointMetrics,
    EventObject,
    Hyperparameters,
    JobFault,
    JobState,
)
from econchatr.training_server.server_database import ServerDatabase

STORE_NAME = "jobs.sqlite"
_EVENT = TypeAdapter(EventObject)


class Thing(Record):
    """What all rows share."""

    kind: ClassVar[str]
    prefix: ClassVar[str]

    id: str
    owner: str
    created_at: int

    @property
    def row_state(self) -> str:
        """What rows of a kind are searched by, beside their owner."""
        return ""


class StoredFile(Thing):
    """A file; its bytes lie under `files/` by its id."""

    kind = "file"
    prefix = "file-"

    n_bytes: int
    filename: str
    purpose: str
    expires_at: int | None = None

    @property
    def row_state(self) -> str:
        """Whether its time ends."""
        return "expiring" if self.expires_at else ""


class StoredUpload(Thing):
    """A file that comes in parts."""

    kind = "upload"
    prefix = "upload_"

    n_bytes: int
    """As announced."""
    filename: str
    purpose: str
    expires_at: int
    """Of the upload."""
    file_seconds: int | None = None
    """How long the file is to stay; `None`: until it is deleted."""
    state: Literal["pending", "completed", "cancelled", "expired"] = "pending"
    file_id: str | None = None

    @property
    def row_state(self) -> str:
        """Its state."""
        return self.state


class StoredPart(Thing):
    """A part of such a file; its bytes lie under `files/` too."""

    kind = "part"
    prefix = "part_"

    upload_id: str
    n_bytes: int

    @property
    def row_state(self) -> str:
        """The upload it belongs to."""
        return self.upload_id


class KeptCheckpoint(Record):
    """The step whose adapter a job kept."""

    id: str
    created_at: int
    metrics: CheckpointMetrics


class StoredJob(Thing):
    """A job, with all that decides its adapter."""

    kind = "job"
    prefix = "ftjob-"

    model: str
    """As the caller calls the base."""
    base: str
    """The base behind that name when the job was made."""
    training_file: str
    validation_file: str | None
    hyperparameters: Hyperparameters
    beta: float | None = None
    """Of the method `dpo`; `None`: the method is `supervised`."""
    start_base_sha256: str = ""
    """Of the base of the tuned model that a training on preferences begins with; empty: it begins with the base."""
    seed: int
    suffix: str | None
    metadata: dict[str, str] | None
    integrations: list[dict[str, Any]] | None
    voice: str
    """Whom the model imitates."""
    ground: str
    """On what ground."""
    repeat_key: str = ""
    """The caller's `Idempotency-Key`: an order sent twice is one job."""
    state: JobState = "validating_files"
    started_at: int | None = None
    finished_at: int | None = None
    estimated_finish: int | None = None
    trained_tokens: int | None = None
    n_failures: int = 0
    """How often its process ended without a word."""
    fault: JobFault | None = None
    tuned_model: str | None = None
    result_files: tuple[str, ...] = ()
    checkpoint: KeptCheckpoint | None = None
    adapter_sha256: str = ""
    base_sha256: str = ""
    weights: str = ""
    """Which weights the base has, in words."""

    @property
    def row_state(self) -> str:
        """Its state."""
        return self.state


class StoredPermission(Thing):
    """Another caller may ask the model of a job; the owner is the job's."""

    kind = "permission"
    prefix = "cp_"

    job_id: str
    project_id: str
    """The other caller's name."""

    @property
    def row_state(self) -> str:
        """Who may ask."""
        return self.project_id


T = TypeVar("T", bound=Thing)


class PageAsk(NamedTuple):
    """Which rows of a list are wanted."""

    after: str | None = None
    """The id of the last row that was seen."""
    limit: int = 20
    is_oldest_first: bool = False


class JobStore:
    """One server's store; threads may share it."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self.folder, self._now = folder, now
        with disk_errors(folder):
            (folder / "files").mkdir(parents=True, exist_ok=True)
            (folder / "jobs").mkdir(exist_ok=True)
        self.database = ServerDatabase(folder / STORE_NAME)
        self.hold = self.database.hold

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def now(self) -> int:
        """Seconds since 1970."""
        return int(self._now())

    def place(self, thing_id: str) -> Path:
        """Where the bytes of a stored file or part lie."""
        return self.folder / "files" / thing_id

    def job_folder(self, job_id: str) -> Path:
        """Where a job's files, its training's state and its adapter lie."""
        return self.folder / "jobs" / job_id

    # --- rows

    def draw_id(self, kind: type[Thing]) -> str:
        """A new id."""
        return kind.prefix + secrets.token_hex(12)

    def add(self, thing: T) -> T:
        """Keep a new row, or another in the place of one with its id."""
        with self.database.change() as line:
            row = (thing.id, thing.kind, thing.owner, thing.row_state, thing.model_dump_json())
            line.execute("INSERT OR REPLACE INTO things (id, kind, owner, state, body) VALUES (?, ?, ?, ?, ?)", row)
        return thing

    def find(self, kind: type[T], thing_id: str) -> T | None:
        """The row of that id, whosever it is."""
        rows = self.database.read("SELECT body FROM things WHERE id = ? AND kind = ?", (thing_id, kind.kind))
        return kind.model_validate_json(rows[0][0]) if rows else None

    def change(self, kind: type[T], thing_id: str, change: Callable[[T], T | None]) -> T | None:
        """Put another row in the place of one; gives the new one.

        Args:
            change: Gives `None` to leave the row as it is. What it raises leaves it too.
        """
        with self.database.change() as line:
            old = self.find(kind, thing_id)
            new = change(old) if old else None
            if new is not None:
                line.execute(
                    "UPDATE things SET state = ?, body = ? WHERE id = ?",
                    (new.row_state, new.model_dump_json(), thing_id),
                )
        return new

    def remove(self, thing: Thing) -> None:
        """Forget a row, and the bytes it stands for."""
        with self.database.change() as line:
            line.execute("DELETE FROM things WHERE id = ?", (thing.id,))
        if isinstance(thing, StoredFile | StoredPart):
            with disk_errors(self.place(thing.id)):
                self.place(thing.id).unlink(missing_ok=True)

    def list_states(self, kind: type[T], states: Sequence[str]) -> list[T]:
        """Every row in one of these states, the oldest first."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT body FROM things WHERE kind = ? AND state IN ({marks}) ORDER BY n"
        rows = self.database.read(query, (kind.kind, *states))
        return [kind.model_validate_json(body) for (body,) in rows]

    def list_owned(self, kind: type[T], owner: str) -> Iterator[T]:
        """A caller's rows, the newest first."""
        ask = PageAsk(limit=500)
        while rows := self.read_page(kind, owner, ask):
            yield from rows
            ask = ask._replace(after=rows[-1].id)

    def read_page(self, kind: type[T], owner: str, ask: PageAsk) -> list[T]:
        """Some of a caller's rows, in order; none after a row that is not there."""
        found = self._read("things", "kind = ? AND owner = ?", (kind.kind, owner), "id = ?", ask)
        return [kind.model_validate_json(body) for body in found]

    def _read(self, table: str, which: str, values: tuple[str, ...], last: str, ask: PageAsk) -> list[str]:
        """The bodies of some rows. The first four arguments are this module's own, never a caller's words."""
        sign, order = (">", "ASC") if ask.is_oldest_first else ("<", "DESC")
        bound = f"AND n {sign} (SELECT n FROM {table} WHERE {which} AND {last})" if ask.after is not None else ""
        seen = (*values, ask.after) if ask.after is not None else ()
        query = f"SELECT body FROM {table} WHERE {which} {bound} ORDER BY n {order} LIMIT ?"
        return [body for (body,) in self.database.read(query, (*values, *seen, ask.limit))]

    # --- events

    def tell(
        self, job_id: str, message: str, *, mark: str = "", level: Literal["info", "warn", "error"] = "info",
        data: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Add an event to a job.

        Args:
            mark: An event with the mark of one that is there is not added again; empty: the event has none.
            data: Figures; the event is then one of the type `metrics`.
        """
        event = EventObject(
            id=f"ftevent-{secrets.token_hex(12)}", created_at=self.now(), level=level, message=message,
            type="metrics" if data else "message", data=data,
        )  # fmt: skip
        with self.database.change() as line:
            row = (job_id, mark or event.id, event.model_dump_json())
            line.execute("INSERT OR IGNORE INTO events (job_id, mark, body) VALUES (?, ?, ?)", row)

    def read_events(self, job_id: str, ask: PageAsk) -> list[EventObject]:
        """Some of a job's events, in order."""
        found = self._read("events", "job_id = ?", (job_id,), "json_extract(body, '$.id') = ?", ask)
        return [_EVENT.validate_python(json.loads(body)) for body in found]
