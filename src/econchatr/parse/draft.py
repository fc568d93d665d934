"""What a reader hands on: raw turns as the file labels them, and the account of its characters.

It stands between the formats and the records; it knows neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from econchatr.parse.account import Account
from econchatr.parse.speakers import SpeakerTable
from econchatr.records import DatePrecision, EpisodeKind

STAMP: Final = r"(?:\d{1,2}:)?\d{1,3}:\d{2}(?:[.:]\d{1,3})?"
"""`m:ss`, `h:mm:ss`, and either with frames after a point: `01:07:39.08`."""

_CLOCK: Final = re.compile(r"\d+")


@dataclass(frozen=True)
class RawTurn:
    """A stretch of speech under one label, as the file has it; an empty label means the file names nobody."""

    label: str
    text: str
    start_seconds: int | None


@dataclass(frozen=True)
class Draft:
    """One file as its reader understood it."""

    kind: EpisodeKind
    turns: tuple[RawTurn, ...]
    account: Account
    title: str = ""
    published: date | None = None
    precision: DatePrecision = "none"
    guests: tuple[str, ...] = ()
    """Names of the guests where the file gives them; the label `Guest` is read as the only one."""
    doubt: str = ""
    """What is doubtful about the whole file; empty: nothing."""


@dataclass(frozen=True)
class Reader:
    """One format: how surely a text is in it (0 to 1), and how to read it."""

    name: str
    score: Callable[[str], float]
    read: Callable[[str, SpeakerTable], Draft]


@dataclass
class TurnWriter:
    """Collects turns in the order of the file; speech without a label goes to whoever spoke last."""

    turns: list[RawTurn] = field(default_factory=list)
    label: str | None = None
    """Who is speaking; `None` before the first label."""
    joins: str = "\n"
    """What stands between two paragraphs of a turn; a space where a file's pieces are no paragraphs (cues, words)."""
    _parts: list[str] = field(default_factory=list)
    _start: int | None = None

    def open(self, label: str, *, start_seconds: int | None = None) -> None:
        """Let a speaker begin."""
        self.close()
        self.label, self._start = label, start_seconds

    def say(self, text: str, *, start_seconds: int | None = None) -> None:
        """Add a paragraph to the open turn."""
        if not text:
            return
        if not self._parts and self._start is None:
            self._start = start_seconds
        self._parts.append(text)

    def close(self) -> None:
        """End the open turn; a label under which nothing was said leaves none. The speaker stays the same."""
        if self._parts and self.label is not None:
            self.turns.append(RawTurn(self.label, self.joins.join(self._parts), self._start))
        self._parts, self._start = [], None


def read_seconds(stamp: str) -> int:
    """Get the seconds of a time stamp: `m:ss`, `h:mm:ss`, `h:mm:ss.ff` (frames are dropped)."""
    numbers = [int(number) for number in _CLOCK.findall(stamp.partition(".")[0])][:3]
    return sum(number * 60**power for power, number in enumerate(reversed(numbers)))
