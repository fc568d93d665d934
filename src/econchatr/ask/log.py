"""Every generation, one line each, with model hash, seed and time; and, by key, what need not be asked again.

Lines are flushed to disk one by one. A line cut off by a kill is not whole JSON: it is passed over, and asked again.

This module does not know what a question is; a row is whatever the caller wants kept, with a `reply`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from econchatr.records import Reply
from econchatr.tables import append_line, read_lines


class GenerationLog:
    """The log of one folder; threads may share it."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._known: dict[str, Reply] = {}
        self._lock = Lock()
        for line in read_lines(path):
            try:
                row = json.loads(line)
                self._known[row["key"]] = Reply.model_validate(row["reply"])
            except (ValueError, KeyError, TypeError):
                continue

    def find(self, key: str) -> Reply | None:
        """The reply given before to the very same request; `None` if there is none, or it failed."""
        return self._known.get(key)

    def add(self, key: str, row: Mapping[str, object]) -> None:
        """Keep one generation; a failed one (`reply` is `None`) is logged but not found again.

        Raises:
            ShowFolderError: The disk is full.
        """
        line = {"key": key, "at": self._now().isoformat(timespec="seconds"), **row}
        with self._lock:
            append_line(self._path, json.dumps(line, ensure_ascii=False).encode())
