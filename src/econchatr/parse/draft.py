"""What a reader hands on: raw turns as the file labels them, and the account of every character."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from econchatr.parse.people import SpeakerTable
from econchatr.records import DatePrecision, Episode, EpisodeKind, Flag, Turn

Fate = Literal["placed", "markup"]

_MAX_UNPLACED_LINES: Final = 50
_MAX_LINE_CHARS: Final = 200
_PIECE_CHARS: Final = 65_536


@dataclass(frozen=True)
class Loss:
    """What became of a file's characters; the four counts add up to its length."""

    n_placed_chars: int
    n_unplaced_chars: int
    n_markup_chars: int
    n_white_chars: int
    unplaced: tuple[str, ...]
    """The unplaced lines, each cut at 200 characters, at most 50 of them."""
    n_unplaced_lines: int


@dataclass(frozen=True)
class Flagged:
    """How many characters of an episode's turns stand under a flag; white space is not counted."""

    n_chars: int
    """Under one flag or more."""
    by_kind: dict[str, int]
    """Under each kind of flag, most first; a character under two kinds counts for both."""


def count_flagged(turns: Iterable[Turn]) -> Flagged:
    """Get how much of what was said stands under flags."""
    n_chars, by_kind = 0, Counter[str]()
    for turn in turns:
        flags = turn.list_flags() if turn.flags else []
        n_chars += _count_under(turn.text, flags)
        for kind in {flag.kind for flag in flags}:
            by_kind[kind] += _count_under(turn.text, [flag for flag in flags if flag.kind == kind])
    return Flagged(n_chars, dict(by_kind.most_common()))


def account_flags(episode: Episode, turns: Iterable[Turn]) -> Episode:
    """Get the episode with the characters of its turns that stand under flags moved from placed to flagged.

    An entity or an escape counts as the one character it stands for; the rest of its spelling stays placed.
    """
    n_placed, n_flagged = episode.n_placed_chars + episode.n_flagged_chars, count_flagged(turns).n_chars
    return episode.model_copy(update={"n_placed_chars": n_placed - n_flagged, "n_flagged_chars": n_flagged})


def _count_under(text: str, flags: Sequence[Flag]) -> int:
    return sum(_count_ink(text[start:end]) for start, end in _merge_spans(text, flags))


def _merge_spans(text: str, flags: Sequence[Flag]) -> Iterator[tuple[int, int]]:
    """Get the stretches under flags, in order and without overlap; a flag without a stretch is on the whole text."""
    spans = sorted((flag.start or 0, len(text) if flag.end is None else flag.end) for flag in flags)
    position = 0
    for start, end in spans:
        if end > max(start, position):
            yield max(start, position), end
            position = end


def add_losses(one: Loss, other: Loss) -> Loss:
    """Get the account of two texts of one file together."""
    lines = (*one.unplaced, *other.unplaced)[:_MAX_UNPLACED_LINES]
    return Loss(
        n_placed_chars=one.n_placed_chars + other.n_placed_chars,
        n_unplaced_chars=one.n_unplaced_chars + other.n_unplaced_chars,
        n_markup_chars=one.n_markup_chars + other.n_markup_chars,
        n_white_chars=one.n_white_chars + other.n_white_chars,
        unplaced=lines,
        n_unplaced_lines=one.n_unplaced_lines + other.n_unplaced_lines,
    )


@dataclass
class Account:
    """Claims on the stretches of one text; a reader makes them, `settle` adds them up."""

    text: str
    claims: list[tuple[int, int, Fate]] = field(default_factory=list)

    def place(self, start: int, end: int) -> None:
        """Claim `text[start:end]` as speech, a label, or a time stamp that was understood."""
        self.claims.append((start, end, "placed"))

    def mark(self, start: int, end: int) -> None:
        """Claim `text[start:end]` as markup: it is neither speech nor lost."""
        self.claims.append((start, end, "markup"))

    def settle(self) -> Loss:
        """Add up the claims; where two overlap, the one that begins first has the characters, placed before markup."""
        counts: dict[Fate, int] = {"placed": 0, "markup": 0}
        n_unplaced, n_lines, lines, position = 0, 0, list[str](), 0
        for start, end, fate in [*sorted(self.claims, key=_order_claim), (len(self.text), len(self.text), "markup")]:
            if start > position:
                rest = self.text[position:start]
                n_unplaced += _count_ink(rest)
                for line in filter(None, map(str.strip, rest.splitlines())):
                    n_lines += 1
                    if len(lines) < _MAX_UNPLACED_LINES:
                        lines.append(line[:_MAX_LINE_CHARS])
            start = position = max(start, position)
            if end > start:
                counts[fate] += _count_ink(self.text[start:end])
                position = end
        return Loss(
            n_placed_chars=counts["placed"],
            n_unplaced_chars=n_unplaced,
            n_markup_chars=counts["markup"],
            n_white_chars=len(self.text) - _count_ink(self.text),
            unplaced=tuple(lines),
            n_unplaced_lines=n_lines,
        )


def _order_claim(claim: tuple[int, int, Fate]) -> tuple[int, int, bool]:
    return claim[0], claim[1], claim[2] == "markup"


def _count_ink(text: str) -> int:
    if len(text) <= _PIECE_CHARS:
        return len("".join(text.split()))
    # By pieces: the words of a whole file of two-letter words would take ten times its room.
    pieces = (text[start : start + _PIECE_CHARS] for start in range(0, len(text), _PIECE_CHARS))
    return sum(len("".join(piece.split())) for piece in pieces)


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
    """How the file shows that it was cut off; empty: it does not."""
    label_doubt: str = ""
    """What is doubtful about its labels, and what to do; empty: nothing."""


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
