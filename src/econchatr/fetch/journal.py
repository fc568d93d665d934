"""What was asked for and what came, one line each, so that a stopped fetch goes on where it was.

A line is written after the bytes it speaks of are safe, so a kill at any moment costs at most the page in flight. Times
stand here and nowhere else: the tables must not change when nothing has. This module asks nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from econchatr.errors import ShowFolderError
from econchatr.fetch.feed import FeedItem
from econchatr.fetch.folder import is_kept
from econchatr.records import Record
from econchatr.tables import disk_errors, hash_settings


class Visit(Record):
    """One line of the journal."""

    kind: Literal["feed", "page", "same", "refresh", "end", "wait"]
    """`same`: a page was asked for again and has not changed. `refresh`: from here on, everything is asked for again.
    `end` closes a round: everything the feed named then was asked for. `wait`: a host asked to be left alone."""
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
        self.is_refreshing = False
        """Whether the round that runs asks for everything again."""
        self.n_rounds = 0
        self.n_new = 0
        """Pages that came in the round that runs, or in the last one when none does. So too the three below."""
        self.n_changed = 0
        """Pages that were there and came with other bytes."""
        self.n_same = 0
        """Pages that were asked for again and had not changed."""
        self.kept: dict[str, Visit] = {}
        """Pages that were asked for again in vain, with the fault: what was there stays."""
        self._checked: dict[str, Visit] = {}
        self._n_good_bytes = self._read()
        self._forget_lost(lambda sha256: (self.raw / sha256).is_file())
        # What could not be reached when the process ended may be reached now.
        faults = (*self.pages.values(), *self.kept.values())
        self.tried -= {visit.address for visit in faults if visit.fault == "unreachable"}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever asked for."""
        return self._n_good_bytes == 0

    def has(self, address: str) -> bool:
        """Whether the page at this address is there."""
        return address in self.pages and bool(self.pages[address].sha256)

    def conditions(self, address: str) -> dict[str, str]:
        """What to ask with, so that a page that is there and has not changed is not sent again."""
        visits = [self._checked[address]] if address in self._checked else []
        visits += [self.pages[address]] if self.has(address) else []
        names = {"etag": "etag", "last_modified": "last-modified"}
        return {key: next((one.header(name) for one in visits if one.header(name)), "") for key, name in names.items()}

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

    def forget_changed(self) -> int:
        """Forget every page, and the feed, whose kept bytes no longer have their hash; gives their number.

        They count as never asked for. Every kept byte is read for it.
        """
        return self._forget_lost(lambda sha256: is_kept(self.raw, sha256))

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

    def _forget_lost(self, is_there: Callable[[str], bool]) -> int:
        """Forget the visits whose bytes are not there; gives their number."""
        lost = [one.address for one in self.pages.values() if one.sha256 and not is_there(one.sha256)]
        for address in lost:
            del self.pages[address]
        self.tried -= set(lost)
        has_lost_feed = self.feed is not None and not is_there(self.feed.sha256)
        if has_lost_feed:
            self.feed = None
        if lost or self.feed is None:
            self.is_finished = False
        return len(lost) + has_lost_feed

    def _note(self, visit: Visit) -> None:
        if visit.kind == "wait":
            # Nothing was asked for by it: a round that is closed stays so.
            if visit.until is not None:
                self.waits[visit.host] = visit.until
            return
        if visit.kind == "end":
            self.is_finished, self.is_refreshing, self.tried = True, False, set()
            self.n_rounds += 1
            return
        if self.is_finished:
            self.is_finished = False
            self.n_new, self.n_changed, self.n_same, self.kept = 0, 0, 0, {}
        if visit.kind == "refresh":
            self.is_refreshing, self.tried = True, set()
        elif visit.kind == "feed":
            self.feed = visit
        else:
            self._note_page(visit)

    def _note_page(self, visit: Visit) -> None:
        before = self.pages[visit.address].sha256 if self.has(visit.address) else ""
        self.tried.add(visit.address)
        self.kept.pop(visit.address, None)
        if visit.kind == "same":
            self.n_same += 1
            self._checked[visit.address] = visit
        elif visit.sha256:
            self.n_new += not before
            self.n_changed += before not in ("", visit.sha256)
            self.pages[visit.address] = visit
            self._checked.pop(visit.address, None)
        elif before:
            self.kept[visit.address] = visit
        else:
            self.pages[visit.address] = visit
