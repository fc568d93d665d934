"""What people ranked, or called right or wrong: written into the database of the show's ledger, and read again.

Nothing is changed or deleted there. Whoever judges the same answers to the same question again has changed their mind:
the later judgement is read. This module does not know who asks people, nor what is trained on it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from econchatr.errors import ShowFolderError
from econchatr.money.ledger import LEDGER_NAME
from econchatr.pipeline.show import Show
from econchatr.records import JudgedSample, Ranking, Verdict
from econchatr.tables import hash_settings

_BUSY_SECONDS = 30.0
_TABLES = ("rankings", "verdicts")
_COLUMNS = "judgement_id, judged_at, scorer, question, samples_sha256, body"

J = TypeVar("J", Ranking, Verdict)


def save_ranking(show: Show, ranking: Ranking) -> bool:
    """Write down in which order a person likes the answers; false: it stood there already.

    Raises:
        ShowFolderError: The database cannot be written.
    """
    return _save(show, "rankings", ranking, ranking.samples)


def save_verdict(show: Show, verdict: Verdict) -> bool:
    """Write down what a person says of one answer; false: it stood there already.

    Raises:
        ShowFolderError: The database cannot be written.
    """
    return _save(show, "verdicts", verdict, (verdict.sample,))


def read_rankings(show: Show) -> list[Ranking]:
    """Every ranking, oldest first; of one person's rankings of the same answers, the last.

    Raises:
        ShowFolderError: The database cannot be read, or was written by another version.
    """
    return _read(show, "rankings", Ranking)


def read_verdicts(show: Show) -> list[Verdict]:
    """Every verdict, oldest first; of one person's verdicts on the same answer, the last.

    Raises:
        ShowFolderError: The database cannot be read, or was written by another version.
    """
    return _read(show, "verdicts", Verdict)


def _save(show: Show, table: str, judged: Ranking | Verdict, samples: Sequence[JudgedSample]) -> bool:
    body = judged.model_dump_json()
    of_samples = hash_settings(sorted(sample.text_sha256 for sample in samples))
    row = (hash_settings(body), judged.judged_at.isoformat(), judged.scorer, judged.question, of_samples, body)
    with _open(show.root / LEDGER_NAME) as database:
        database.execute("BEGIN IMMEDIATE")
        for name in _TABLES:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {name} (judgement_id TEXT PRIMARY KEY NOT NULL, judged_at TEXT NOT NULL,"
                " scorer TEXT NOT NULL, question TEXT NOT NULL, samples_sha256 TEXT NOT NULL, body TEXT NOT NULL)"
            )
        done = database.execute(f"INSERT OR IGNORE INTO {table} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row)
        database.execute("COMMIT")
    return done.rowcount == 1


def _read(show: Show, table: str, kind: type[J]) -> list[J]:
    path = show.root / LEDGER_NAME
    if not path.is_file():
        return []
    with _open(path) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchall():
            return []
        rows = database.execute(f"SELECT scorer, question, samples_sha256, body FROM {table} ORDER BY rowid").fetchall()
    latest: dict[tuple[str, str, str], str] = {}
    for *key, body in rows:
        latest.pop((key[0], key[1], key[2]), None)
        latest[key[0], key[1], key[2]] = body
    try:
        return [kind.model_validate_json(body) for body in latest.values()]
    except ValidationError as exc:
        raise ShowFolderError(
            f"{path}: a row of {table} is of another version's shape: {str(exc).splitlines()[0]}.",
            hint="Update econchatr.",
        ) from exc


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            yield database
    except sqlite3.Error as exc:
        raise ShowFolderError(
            f"the rankings in {path} cannot be used: {exc}.",
            hint="It also says what was paid: do not delete it. Free some space, or put back a copy that is whole.",
        ) from exc
