"""Reader for Otter's text export: `Name  0:49` on a line of its own, then what was said.

The name is gone where speakers are switched off, and `Unknown Speaker` where Otter could not tell; its footer
is markup.
"""

from __future__ import annotations

import re
from typing import Final

from econchatr.parse.account import Account
from econchatr.parse.draft import Draft, Reader, TurnWriter, read_seconds
from econchatr.parse.lines import INVISIBLE, choose_labels, iterate_lines
from econchatr.parse.speakers import SpeakerTable, fold_label, tidy_label

_MAX_SCORED_CHARS: Final = 50_000
_NOBODY: Final = SpeakerTable(hosts=())
_HEADER: Final = re.compile(
    rf"{INVISIBLE}(?:([^\W_][^:\t\n<>()\[\]{{}}\"“”?!|]{{0,59}}?)(?: {{2,8}}| ?\t ?))?"
    r"((?:\d{1,2}:)?\d{1,2}:\d{2})$"
)
_FOOTER: Final = re.compile(r"Transcribed by https?://otter\.ai/?$", re.IGNORECASE)


def score_otter(text: str) -> float:
    """Get how surely the text is Otter's: by lines that are a name, two spaces and a time, or by its footer."""
    lines = [line for _, line in iterate_lines(text[:_MAX_SCORED_CHARS]) if line.strip()]
    headers = [header for line in lines if (header := _HEADER.match(line))]
    if not headers:
        return 0.0
    has_footer = any(_FOOTER.match(line.strip()) for line in text[-400:].splitlines())
    n_headers = len(headers) if has_footer else sum(1 for header in headers if header[1])
    return 0.4 + 0.5 * min(1.0, 3 * n_headers / len(lines)) if n_headers else 0.0


def read_otter(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the headers; without names, the file is unlabelled."""
    account, writer = Account(text), TurnWriter()
    lines = list(iterate_lines(text))
    headers = [header for _, line in lines if (header := _HEADER.match(line))]
    labels = choose_labels((header[1] for header in headers if header[1]), show, are_anchored=True)
    for offset, line in lines:
        header = _HEADER.match(line)
        if header and (not header[1] or fold_label(header[1]) in labels):
            account.place(offset, offset + len(line))
            name = tidy_label(header[1] or "")
            # Without a name it is a new time, not a new speaker.
            if name or writer.label is None:
                writer.open(name, start_seconds=read_seconds(header[2]))
        elif _FOOTER.match(line.strip()):
            account.mark(offset, offset + len(line))
        elif writer.label is not None:
            account.place(offset, offset + len(line))
            writer.say(line.strip())
    writer.close()
    return Draft("verbatim" if labels else "unlabelled", tuple(writer.turns), account)


OTTER: Final = Reader("otter", score_otter, read_otter)
