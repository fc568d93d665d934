"""Reader for `Name (00:00:36):` lines with the text under them or behind them, as Rev and its kin export.

A header without a name goes on with the same speaker at a new time. Real files break this shape in many small ways
(minutes only, a colon missing, a time glued to a word, spaces at the end); each is read, not lost.
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
_HEADER: Final = re.compile(
    rf"{INVISIBLE}[ \t]{{0,8}}([^\W_][^:\t\n<>()\[\]{{}}\"“”?!|]{{0,59}}?)?[ \t]{{0,4}}"
    rf"[(\[]({STAMP})[)\]][ \t]?(?::(?=\s|$)|$)"
)
_GLUED: Final = re.compile(r"[ \t]{0,8}((?:\d{1,2}:)?\d{1,3}:\d{2})(?=[A-Z][a-z'’]|I\b)")
_FRONT: Final = re.compile(r"---[ \t]*\r?\n.{0,20000}?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)


def score_stamped(text: str) -> float:
    """Get how surely the text is in timed blocks: by the share of its lines that are a name with a time."""
    lines = [line for _, line in iterate_lines(text[:_MAX_SCORED_CHARS]) if line.strip()]
    named = [match for line in lines if (match := _HEADER.match(line)) and match[1]]
    labels = choose_labels((match[1] for match in named), _NOBODY, are_anchored=True)
    n_named = sum(1 for match in named if fold_label(match[1]) in labels)
    return 0.4 + 0.5 * min(1.0, 4 * n_named / len(lines)) if n_named else 0.0


def read_stamped(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the timed headers; what stands before the first one stays unplaced."""
    account, writer = Account(text), TurnWriter()
    front = _FRONT.match(text)
    begin = front.end() if front else 0
    account.mark(0, begin)
    lines = list(iterate_lines(text, begin))
    headers = [header for _, line in lines if (header := _HEADER.match(line))]
    labels = choose_labels((header[1] for header in headers if header[1]), show, are_anchored=True)
    for offset, line in lines:
        header = _HEADER.match(line)
        start, seconds = 0, None
        if header and (not header[1] or fold_label(header[1]) in labels):
            start, seconds = header.end(), read_seconds(header[2])
            if header[1]:
                writer.open(tidy_label(header[1]), start_seconds=seconds)
        elif glued := _GLUED.match(line):
            start, seconds = glued.end(), read_seconds(glued[1])
        if writer.label is None:
            continue
        account.place(offset, offset + len(line))
        writer.say(line[start:].strip(), start_seconds=seconds)
    writer.close()
    return Draft("verbatim", tuple(writer.turns), account)


STAMPED: Final = Reader("stamped", score_stamped, read_stamped)
