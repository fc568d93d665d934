"""The account of a file: which of its characters were placed, flagged, are markup, or could not be placed.

Whatever a reader does not claim counts as unplaced, so that nothing can be lost in silence. A flag takes nothing away:
it moves what was placed to flagged. It knows no format, and no reason for a flag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from econchatr.records import Episode, Flag, Turn

Fate = Literal["placed", "markup"]

MAX_UNPLACED_LINES: Final = 50
MAX_LINE_CHARS: Final = 200
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
    lines = (*one.unplaced, *other.unplaced)[:MAX_UNPLACED_LINES]
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
                    if len(lines) < MAX_UNPLACED_LINES:
                        lines.append(line[:MAX_LINE_CHARS])
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
