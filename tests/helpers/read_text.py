"""Read a made-up transcript for a test, and hold its account to the sum."""

from __future__ import annotations

import json

from econchatr.parse import ParsedFile, SpeakerTable, parse_file

SHOW = SpeakerTable(hosts=("Orla Quill",))


def read(text: str | bytes, *, show: SpeakerTable = SHOW) -> ParsedFile:
    data = text.encode() if isinstance(text, str) else text
    parsed = parse_file(data, location="talk", show=show)
    loss = parsed.loss
    total = loss.n_placed_chars + loss.n_unplaced_chars + loss.n_markup_chars + loss.n_white_chars
    if total != parsed.episode.n_chars or (isinstance(text, str) and total != len(text)):
        raise ValueError(f"the account has {total} of {parsed.episode.n_chars} characters")
    return parsed


def read_json(value: object, *, show: SpeakerTable = SHOW) -> ParsedFile:
    return read(json.dumps(value, indent=1), show=show)


def said(parsed: ParsedFile) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in parsed.turns]
