"""The one SQLite file of a training server: its tables, and how threads share it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from econchatr.errors import ShowFolderError

_BUSY_SECONDS = 30.0
_TABLES: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE things (
          n INTEGER PRIMARY KEY AUTOINCREMENT,
          id TEXT NOT NULL UNIQUE,
          kind TEXT NOT NULL,
          owner TEXT NOT NULL,
          state TEXT NOT NULL,
          body TEXT NOT NULL
        )""",
        "CREATE INDEX things_of_owner ON things (kind, owner, n)",
        "CREATE INDEX things_by_state ON things (kind, state, n)",
        """CREATE TABLE events (
          n INTEGER PRIMARY KEY AUTOINCREMENT,
          job_id TEXT NOT NULL,
          mark TEXT NOT NULL,
          body TEXT NOT NULL,
          UNIQUE (job_id, mark)
        )""",
    ),
    (
        # What is long stands last: a row that is passed over is not read to its end.
        """CREATE TABLE answers (
          n INTEGER PRIMARY KEY AUTOINCREMENT,
          id TEXT NOT NULL UNIQUE,
          owner TEXT NOT NULL,
          created_at INTEGER NOT NULL,
          model TEXT NOT NULL,
          n_bytes INTEGER NOT NULL,
          metadata TEXT NOT NULL,
          answer TEXT NOT NULL,
          messages TEXT NOT NULL
        )""",
        "CREATE INDEX answers_of_owner ON answers (owner, n)",
        "CREATE INDEX answers_by_weight ON answers (owner, n_bytes)",
        "CREATE INDEX answers_by_age ON answers (created_at)",
    ),
)
"""What each version of the file added to the one before."""


class ServerDatabase:
    """An open file."""

    def __init__(self, path: Path) -> None:
        """Open the file, and bring one of an older program up to date.

        Raises:
            ShowFolderError: It cannot be opened, or a newer program made it.
        """
        self._path, self._lock = path, RLock()
        try:
            self._line = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._line.execute("PRAGMA journal_mode = WAL")
            self._line.execute("PRAGMA synchronous = FULL")
            self._prepare()
        except sqlite3.Error as exc:
            raise ShowFolderError(f"{path}: cannot be opened ({exc}).", hint="Give another folder.") from exc

    def _prepare(self) -> None:
        with self.change() as line:
            (version,) = line.execute("PRAGMA user_version").fetchone()
            if version > len(_TABLES):
                raise ShowFolderError(f"{self._path.parent}: a newer program made it.", hint="Update EconChatR.")
            for statement in (one for added in _TABLES[version:] for one in added):
                line.execute(statement)
            line.execute(f"PRAGMA user_version = {len(_TABLES)}")

    def close(self) -> None:
        """End the use of the file."""
        with self._lock:
            self._line.close()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing."""
        with self._lock:
            try:
                self._line.execute("BEGIN IMMEDIATE")
                try:
                    yield self._line
                except BaseException:
                    self._line.execute("ROLLBACK")
                    raise
                self._line.execute("COMMIT")
            except sqlite3.Error as exc:
                raise ShowFolderError(f"{self._path}: {exc}.", hint="Look at the disk.") from exc

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let nobody else change anything until the block ends: what was counted in it still holds at its end."""
        with self._lock:
            yield

    def read(self, query: str, values: Sequence[str | int] = ()) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        with self._lock:
            return self._line.execute(query, values).fetchall()
