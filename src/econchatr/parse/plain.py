"""Reader for plain text with `NAME: text`, also with a time before or behind the name, or a tab for the colon.

The loosest of all shapes: it reads only what the file's own labels, counted first, leave no doubt about. It comes last,
behind every format that says more clearly what it is.
"""

from __future__ import annotations

import re
from typing import Final

from econchatr.parse.account import Account
from econchatr.parse.draft import STAMP, Draft, Reader, TurnWriter, read_seconds
from econchatr.parse.lines import INVISIBLE, choose_labels, iterate_lines
from econchatr.parse.speakers import SpeakerTable, fold_label, tidy_label

_MAX_SCORED_CHARS: Final = 50_000
_NOBODY: Final = SpeakerTable(hosts=())
_TURN: Final = re.compile(
    rf"{INVISIBLE}[ \t]{{0,8}}(?:[-–—•>][ \t]{{0,2}})?(?:[(\[]?({STAMP})[)\]]?[ \t]{{0,4}}(?:[-–—][ \t]{{0,4}})?)?"
    rf"(?:\[([^\[\]:\n]{{1,60}})\]|([^\W_][^:\t\n<>\[\]{{}}\"“”?!|]{{0,59}}?))"
    rf"[ \t]{{0,4}}(?:[(\[]({STAMP})[)\]])?(?:[ \t]?:(?=\s|$)|\t(?=\S))"
)
_STAMP_LINE: Final = re.compile(rf"[ \t]{{0,8}}[(\[]?({STAMP})[)\]]?[ \t]{{0,8}}$")


def score_plain(text: str) -> float:
    """Get how surely the text is plain labelled speech: by the share of its lines that begin with one of its labels."""
    lines = [line for _, line in iterate_lines(text[:_MAX_SCORED_CHARS]) if line.strip()]
    found = [name for line in lines if (name := _read_name(line))]
    labels = choose_labels(found, _NOBODY)
    n_labels = sum(1 for name in found if fold_label(name) in labels)
    return 0.1 + 0.6 * min(1.0, 3 * n_labels / len(lines)) if n_labels >= 2 else 0.0


def read_plain(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the labels at line starts; what stands before the first one stays unplaced."""
    account, writer = Account(text), TurnWriter()
    lines = list(iterate_lines(text))
    labels = choose_labels((name for _, line in lines if (name := _read_name(line))), show)
    seconds: int | None = None
    for offset, line in lines:
        turn, stamp = _TURN.match(line), _STAMP_LINE.match(line)
        name = tidy_label(turn[2] or turn[3]) if turn else ""
        begin = 0
        if stamp:
            seconds = read_seconds(stamp[1])
            account.place(offset, offset + len(line))
            continue
        if turn and fold_label(name) in labels:
            begin, clock = turn.end(), turn[1] or turn[4]
            account.place(offset, offset + begin)
            writer.open(name, start_seconds=read_seconds(clock) if clock else seconds)
        if writer.label is not None:
            account.place(offset + begin, offset + len(line))
            writer.say(line[begin:].strip(), start_seconds=seconds)
        seconds = None if writer.label is not None and line.strip() else seconds
    writer.close()
    return Draft("verbatim", tuple(writer.turns), account)


PLAIN: Final = Reader("plain", score_plain, read_plain)


def _read_name(line: str) -> str | None:
    turn = _TURN.match(line)
    return (turn[2] or turn[3]) if turn else None
