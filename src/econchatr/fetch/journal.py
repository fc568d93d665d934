"""What was asked for and what came, one line each, so that a stopped fetch goes on where it was.

A line is written after the bytes it speaks of are safe, so a kill at any moment costs at most the page in flight. Times
stand here and nowhere else: the tables must not change when nothing has. This module asks nobody.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from econchatr.errors import ShowFolderError
from econchatr.fetch.feed import FeedItem
from econchatr.records import Record
from econchatr.tables import disk_errors, hash_settings


class Visit(Record):
    """One line of the journal."""

    kind: Literal["feed", "page", "end", "wait"]
    """`end` closes a round: everything the feed named then was asked for. `wait`: a host asked to be left alone."""
    at: datetime
    address: str = ""
    """As it was asked for."""
    location: str = ""
    """Where it was found, after redirects."""
    status: int = 0
    sha256: str = ""
    """Of the body; empty: none came."""
    n_bytes: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    """All of them, as received."""
    fault: str = ""
    """Kind of fault; empty: none."""
    message: str = ""
    hint: str = ""
    item: FeedItem | None = None
    """What the feed said of a page when it was asked for."""
    host: str = ""
    until: datetime | None = None
    """Of a `wait`: who is not to be asked, and until when."""

    def header(self, name: str) -> str:
        """The first header of that name; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class Journal:
    """The visits to one feed and its pages; the latest of each address counts, but a fault never hides a page.

    The bytes lie beside it, in `raw/<sha256>`; a page whose bytes were taken away counts as never asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw = path.parent / "raw"
        self.feed: Visit | None = None
        """The feed as it was last received."""
        self.pages: dict[str, Visit] = {}
        """By address asked for."""
        self.tried: set[str] = set()
        """Addresses asked for in the round that runs."""
        self.waits: dict[str, datetime] = {}
        """Host -> until when it asked to be left alone, the last time it did."""
        self.is_finished = False
        """Whether the last round was closed and nothing was asked since."""
        self.n_rounds = 0
        self.n_new = 0
        """Pages that came in the round that runs, or in the last one when none does."""
        self._n_good_bytes = self._read()
        self._forget_lost()
        # What could not be reached when the process ended may be reached now.
        self.tried -= {address for address, visit in self.pages.items() if visit.fault == "unreachable"}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever asked for."""
        return self._n_good_bytes == 0

    def has(self, address: str) -> bool:
        """Whether the page at this address is there."""
        return address in self.pages and bool(self.pages[address].sha256)

    def add(self, visit: Visit) -> None:
        """Write a line; it is on the disk when this returns.

        Raises:
            ShowFolderError: The disk is full or the folder cannot be written.
        """
        line = visit.model_dump_json(exclude_defaults=True).encode() + b"\n"
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                # Cut off what a killed process left of its last line.
                file.truncate(self._n_good_bytes)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        self._n_good_bytes += len(line)
        self._note(visit)

    def digest(self) -> str:
        """One hash over what is there and what is missing, whenever it was asked for."""
        pages = sorted((one.address, one.location, one.sha256, one.fault) for one in self.pages.values())
        return hash_settings([self.is_finished, self.feed.sha256 if self.feed else "", pages])

    def _read(self) -> int:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as exc:
            raise ShowFolderError(f"cannot read {self.path}: {exc.strerror}.", hint="Check who may read it.") from exc
        n_good = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:n_good].splitlines(), start=1):
            try:
                self._note(Visit.model_validate_json(line))
            except ValidationError as exc:
                raise ShowFolderError(
                    f"{self.path}, line {number}, is broken.", hint="Delete that line; its page is asked for again."
                ) from exc
        return n_good

    def _forget_lost(self) -> None:
        lost = [one.address for one in self.pages.values() if one.sha256 and not (self.raw / one.sha256).is_file()]
        for address in lost:
            del self.pages[address]
        self.tried -= set(lost)
        if self.feed is not None and not (self.raw / self.feed.sha256).is_file():
            self.feed = None
        if lost or self.feed is None:
            self.is_finished = False

    def _note(self, visit: Visit) -> None:
        if visit.kind == "wait":
            # Nothing was asked for by it: a round that is closed stays so.
            if visit.until is not None:
                self.waits[visit.host] = visit.until
            return
        if visit.kind == "end":
            self.is_finished, self.tried = True, set()
            self.n_rounds += 1
            return
        if self.is_finished:
            self.is_finished, self.n_new = False, 0
        if visit.kind == "feed":
            self.feed = visit
            return
        self.tried.add(visit.address)
        if visit.sha256 or not self.has(visit.address):
            self.n_new += bool(visit.sha256) and not self.has(visit.address)
            self.pages[visit.address] = visit
