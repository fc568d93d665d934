"""Keep what people say on the playground: rankings, verdicts and guesses, in one SQLite file beside the ledger.

A row is added and never changed. This module does not know what is made of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from econchatr.errors import ShowFolderError
from econchatr.talk.playground.material import Pick, Ranked

_BUSY_SECONDS = 30.0
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS rankings (
      made_at TEXT NOT NULL, who TEXT NOT NULL, rung TEXT NOT NULL, variant TEXT NOT NULL, model_sha256 TEXT NOT NULL,
      question TEXT NOT NULL, prompt TEXT NOT NULL, seeds TEXT NOT NULL, texts TEXT NOT NULL,
      places TEXT NOT NULL, is_right TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS picks (
      made_at TEXT NOT NULL, who TEXT NOT NULL, rung TEXT NOT NULL, pair_id TEXT NOT NULL, seed INTEGER NOT NULL,
      replies TEXT NOT NULL, real INTEGER NOT NULL, picked INTEGER NOT NULL
    )""",
)


class SqliteKeeper:
    """Rankings and guesses of one show."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._now = path, now

    def save_ranking(self, ranked: Ranked) -> None:
        """Keep one ranking, or some verdicts.

        Raises:
            ShowFolderError: The file cannot be written.
        """
        self._add("rankings", ranked._asdict())

    def save_pick(self, pick: Pick) -> None:
        """Keep one guess.

        Raises:
            ShowFolderError: The file cannot be written.
        """
        self._add("picks", pick._asdict())

    def _add(self, table: str, row: dict[str, object]) -> None:
        values = {"made_at": self._now().isoformat(timespec="seconds")} | {
            name: json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else value
            for name, value in row.items()
        }
        marks = ", ".join(f":{name}" for name in values)
        with self._open() as database:
            database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", values)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as database, database:
                for statement in _SCHEMA:
                    database.execute(statement)
                yield database
        except (sqlite3.Error, OSError) as exc:
            raise ShowFolderError(
                f"cannot keep it in {self._path}: {exc}.", hint="Is the disk full, or the file damaged?"
            ) from exc
