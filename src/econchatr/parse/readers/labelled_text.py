"""Readers for plain text with labels: `NAME: text`, Otter's `Name  0:49`, and `Name (00:00:36)` lines."""

from __future__ import annotations

import re
from typing import Final

from econchatr.parse.draft import STAMP, Account, Draft, Reader, TurnWriter, read_seconds
from econchatr.parse.lines import (
    COLON,
    INVISIBLE,
    Labels,
    choose_labels,
    is_footer,
    iterate_lines,
    split_labelled,
    tell_doubtful,
)
from econchatr.parse.people import SpeakerTable, fold_label, tidy_label
from econchatr.records import EpisodeKind

_MAX_SCORED_CHARS: Final = 50_000
_NOBODY: Final = SpeakerTable(hosts=())
_TURN: Final = re.compile(
    rf"{INVISIBLE}[ \t]{{0,8}}(?:[-–—•>][ \t]{{0,2}}|\d{{1,4}}(?:[.)][ \t]{{1,4}}|[ \t]{{2,4}}))?"
    rf"(?:[(\[]?({STAMP})[)\]]?[ \t]{{0,4}}(?:[-–—][ \t]{{0,4}})?)?"
    rf"(?:\[([^\[\]:\n]{{1,60}})\]|([^\W_][^:：\t\n<>{{}}?!]{{0,59}}?))"
    rf"[ \t]{{0,4}}(?:[(\[]({STAMP})[)\]])?(?:{COLON}(?:[ \t]{{0,4}}[(\[]({STAMP})[)\]])?|\t(?=\S))"
)
_STAMP_LINE: Final = re.compile(rf"[ \t]{{0,8}}[(\[]?({STAMP})[)\]]?[ \t]{{0,8}}$")


def _score_plain(text: str) -> float:
    """Get how surely the text is plain labelled speech: by the share of its lines that begin with one of its labels."""
    lines = [line for _, line in iterate_lines(text[:_MAX_SCORED_CHARS]) if line.strip()]
    found = [name for line in lines if (name := _read_name(line))]
    labels = choose_labels(found, _NOBODY)
    n_labels = sum(1 for name in found if fold_label(name) in labels.sure)
    return 0.1 + 0.6 * min(1.0, 3 * n_labels / len(lines)) if n_labels >= 2 else 0.0


def _read_plain(text: str, show: SpeakerTable) -> Draft:
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
        if turn and fold_label(name) in labels.sure:
            begin, clock = turn.end(), turn[1] or turn[4] or turn[5]
            account.place(offset, offset + begin)
            writer.open(name, start_seconds=read_seconds(clock) if clock else seconds)
        elif is_footer(line):
            account.mark(offset, offset + len(line))
            continue
        if writer.label is not None:
            account.place(offset + begin, offset + len(line))
            _say(line[begin:], labels, writer, seconds)
        seconds = None if writer.label is not None and line.strip() else seconds
    writer.close()
    return Draft("verbatim", tuple(writer.turns), account, label_doubt=tell_doubtful(labels))


PLAIN: Final = Reader("plain", _score_plain, _read_plain)


def _say(text: str, labels: Labels, writer: TurnWriter, seconds: int | None) -> None:
    """Let who speaks say a text, and whoever's label stands inside it the rest."""
    for number, (begin, end) in enumerate(split_labelled(text, labels)):
        name, _, said = text[begin:end].partition(":") if number else ("", "", text[begin:end])
        if name:
            writer.open(tidy_label(name))
        writer.say(said.strip(), start_seconds=seconds)


def _read_name(line: str) -> str | None:
    turn = _TURN.match(line)
    return (turn[2] or turn[3]) if turn else None


_OTTER_HEADER: Final = re.compile(
    rf"{INVISIBLE}(?:([^\W_][^:\t\n<>{{}}?!]{{0,59}}?)(?: {{2,8}}| ?\t ?))?"
    r"((?:\d{1,2}:)?\d{1,2}:\d{2})$"
)
_OTTER_FOOTER: Final = re.compile(r"Transcribed by https?://otter\.ai/?$", re.IGNORECASE)


def _score_otter(text: str) -> float:
    """Get how surely the text is Otter's: by lines that are a name, two spaces and a time, or by its footer."""
    lines = [line for _, line in iterate_lines(text[:_MAX_SCORED_CHARS]) if line.strip()]
    headers = [header for line in lines if (header := _OTTER_HEADER.match(line))]
    if not headers:
        return 0.0
    has_footer = any(_OTTER_FOOTER.match(line.strip()) for line in text[-400:].splitlines())
    n_headers = len(headers) if has_footer else sum(1 for header in headers if header[1])
    return 0.4 + 0.5 * min(1.0, 3 * n_headers / len(lines)) if n_headers else 0.0


def _read_otter(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the headers; without names, the file is unlabelled."""
    account, writer = Account(text), TurnWriter()
    lines = list(iterate_lines(text))
    headers = [header for _, line in lines if (header := _OTTER_HEADER.match(line))]
    labels = choose_labels((header[1] for header in headers if header[1]), show, are_anchored=True)
    for offset, line in lines:
        header = _OTTER_HEADER.match(line)
        if header and (not header[1] or fold_label(header[1]) in labels.sure):
            account.place(offset, offset + len(line))
            name = tidy_label(header[1] or "")
            # Without a name it is a new time, not a new speaker.
            if name or writer.label is None:
                writer.open(name, start_seconds=read_seconds(header[2]))
        elif _OTTER_FOOTER.match(line.strip()):
            account.mark(offset, offset + len(line))
        elif writer.label is not None:
            account.place(offset, offset + len(line))
            _say(line, labels, writer, None)
    writer.close()
    kind: EpisodeKind = "verbatim" if labels.sure else "unlabelled"
    return Draft(kind, tuple(writer.turns), account, label_doubt=tell_doubtful(labels))


OTTER: Final = Reader("otter", _score_otter, _read_otter)


_STAMPED_HEADER: Final = re.compile(
    rf"{INVISIBLE}[ \t]{{0,8}}([^\W_][^:\t\n<>{{}}?!]{{0,59}}?)?[ \t]{{0,4}}"
    rf"[(\[]({STAMP})[)\]][ \t]?(?::(?=\s|$)|$)"
)
_GLUED: Final = re.compile(r"[ \t]{0,8}((?:\d{1,2}:)?\d{1,3}:\d{2})(?=[A-Z][a-z'’]|I\b)")


def _score_stamped(text: str) -> float:
    """Get how surely the text is in timed blocks: by the share of its lines that are a name with a time."""
    lines = [line for _, line in iterate_lines(text[:_MAX_SCORED_CHARS]) if line.strip()]
    named = [match for line in lines if (match := _STAMPED_HEADER.match(line)) and match[1]]
    labels = choose_labels((match[1] for match in named), _NOBODY, are_anchored=True)
    n_named = sum(1 for match in named if fold_label(match[1]) in labels.sure)
    return 0.4 + 0.5 * min(1.0, 4 * n_named / len(lines)) if n_named else 0.0


def _read_stamped(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the timed headers; what stands before the first one stays unplaced."""
    account, writer = Account(text), TurnWriter()
    lines = list(iterate_lines(text))
    headers = [header for _, line in lines if (header := _STAMPED_HEADER.match(line))]
    labels = choose_labels((header[1] for header in headers if header[1]), show, are_anchored=True)
    for offset, line in lines:
        header = _STAMPED_HEADER.match(line)
        start, seconds = 0, None
        if header and (not header[1] or fold_label(header[1]) in labels.sure):
            start, seconds = header.end(), read_seconds(header[2])
            if header[1]:
                writer.open(tidy_label(header[1]), start_seconds=seconds)
        elif glued := _GLUED.match(line):
            start, seconds = glued.end(), read_seconds(glued[1])
        elif is_footer(line):
            account.mark(offset, offset + len(line))
            continue
        if writer.label is None:
            continue
        account.place(offset, offset + len(line))
        _say(line[start:], labels, writer, seconds)
    writer.close()
    return Draft("verbatim", tuple(writer.turns), account, label_doubt=tell_doubtful(labels))


STAMPED: Final = Reader("stamped", _score_stamped, _read_stamped)


def _read_prose(text: str, _show: SpeakerTable) -> Draft:
    """Get a text without labels, one paragraph after another, as nobody's speech."""
    account, writer = Account(text), TurnWriter(label="")
    for offset, line in iterate_lines(text):
        if is_footer(line) or line.lstrip().startswith("#"):
            account.mark(offset, offset + len(line))
            continue
        account.place(offset, offset + len(line))
        stamp = _STAMP_BEFORE.match(line)
        writer.say(line[stamp.end() if stamp else 0 :].strip())
    writer.close()
    return Draft("unlabelled", tuple(writer.turns), account)


_STAMP_BEFORE: Final = re.compile(rf"[ \t]*[(\[]?({STAMP})[)\]]?(?=\s|$)")
PROSE: Final = Reader("prose", lambda _: 0.0, _read_prose)
"""For shows in which the host alone speaks; no text is taken for this by itself."""
