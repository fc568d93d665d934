"""Reader for text in which a header names who speaks next: bold names, headings, tables, a name beside or above a time.

One row of `STYLES` is one way to write a header. The style that most lines are in reads the whole file.

Source: exports of Descript, Riverside, Zoom, Trint, Happy Scribe, Fireflies, and transcripts that shows put on the web.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from econchatr.parse.draft import STAMP, Account, Draft, Reader, TurnWriter, read_seconds
from econchatr.parse.lines import (
    INVISIBLE,
    Labels,
    choose_labels,
    is_footer,
    iterate_lines,
    split_labelled,
    tell_doubtful,
)
from econchatr.parse.people import SpeakerTable, fold_label, is_anonymous, tidy_label

_MAX_SCORED_CHARS: Final = 50_000
_NOBODY: Final = SpeakerTable(hosts=())

_I: Final = rf"{INVISIBLE}[ \t]{{0,8}}(?:>[ \t]?)?(?:[-+•][ \t]{{1,3}})?"
_CLOCK: Final = rf"{STAMP}(?:,\d{{1,3}})?"
_TIME: Final = rf"\\?[(\[<]?[_*]{{0,2}}({_CLOCK})(?:[ \t]?(?:-->|[-–—]|to)[ \t]?{_CLOCK})?[_*]{{0,2}}\\?[)\]>]?(?!\w)"
_RANGE: Final = rf"[(\[<]?({_CLOCK})[ \t]?(?:-->|[-–—]|to)[ \t]?{_CLOCK}[)\]>]?"
_BOXED: Final = rf"[(\[<]({_CLOCK})(?:[ \t]?(?:-->|[-–—]|to)[ \t]?{_CLOCK})?[)\]>]"
_NAME: Final = r"(?P<name>[^\W_][^:：\t\n<>{}?!*|\[\]]{0,59}?)"
_BOLD: Final = r"(?:\*\*|__)"
_SEP: Final = r"[ \t]{0,4}[-–—|,•·]?[ \t]{0,4}"
_COLON: Final = r"[ \t]?[:：]?"
_LINE_END: Final = r"[ \t]*$"


@dataclass(frozen=True)
class Style:
    """One way to write headers; `is_sure` where its marks or times make a name a label from the first time on."""

    name: str
    patterns: tuple[re.Pattern[str], ...]
    floor: float
    """Its score where a single header is found."""
    is_sure: bool = True


def _make_style(name: str, floor: float, *patterns: str, is_sure: bool = True) -> Style:
    return Style(name, tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns), floor, is_sure)


STYLES: Final = (
    _make_style(
        "bold",
        0.15,
        rf"{_I}(?:#{{1,6}}[ \t]+)?{_BOLD}(?:{_TIME}{_SEP})?{_NAME}(?:{_SEP}{_TIME})?{_SEP}{_COLON}{_BOLD}"
        rf"(?:{_SEP}{_TIME})?[ \t]?[:：—–]?",
        rf"{_I}{_TIME}{_SEP}{_BOLD}{_NAME}{_COLON}{_BOLD}{_COLON}",
        rf"{_I}{_BOLD}?\[{_BOLD}?{_NAME}{_BOLD}?\]\([^)\n]{{1,300}}\){_COLON}{_BOLD}?{_COLON}(?:{_SEP}{_TIME})?",
    ),
    _make_style("italic", 0.12, rf"{_I}(?P<mark>[*_]){_NAME}(?:[:：](?P=mark)|(?P=mark)[ \t]?[:：])"),
    _make_style(
        "table",
        0.12,
        rf"[ \t]*\|[ \t]*(?:{_TIME}[ \t]*\|[ \t]*)?{_BOLD}?{_NAME}{_COLON}{_BOLD}?[ \t]*\|(?:[ \t]*{_TIME}[ \t]*\|)?",
        is_sure=False,
    ),
    _make_style(
        "heading",
        0.1,
        rf"[ ]{{0,3}}#{{1,6}}[ \t]+{_BOLD}?(?:{_TIME}{_SEP})?{_NAME}(?:{_SEP}{_TIME})?{_COLON}{_BOLD}?[ \t]*#*$",
        is_sure=False,
    ),
    _make_style(
        "timed",
        0.3,
        rf"{_I}{_RANGE}{_SEP}{_NAME}(?:[ \t]?[:：]|{_LINE_END})",
        rf"{_I}{_NAME}[:：]?[ \t]*\n[ \t]*{_TIME}{_LINE_END}",
        rf"{_I}{_TIME}[ \t]*\n[ \t]*{_NAME}{_LINE_END}(?=\n[^\n])",
        rf"{_I}{_TIME}{_SEP}{_NAME}{_LINE_END}",
        rf"{_I}{_NAME}{_SEP}{_BOXED}[:：]?(?=[ \t]|$)",
        rf"{_I}{_NAME}[ \t]{{0,2}}[|,•·–—-]?[ \t]{{1,8}}{_TIME}[:：]?{_LINE_END}",
        rf"{_I}\[{_NAME}\](?:{_SEP}{_TIME})?{_COLON}{_LINE_END}",
    ),
    _make_style("alone", 0.04, rf"{_I}{_NAME}{_LINE_END}(?=\n[^\n])", is_sure=False),
)
"""Every style, the one with the plainest marks first."""

_HEADING: Final = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+(\S.*)")
_ROW: Final = re.compile(r"[ \t]*\|.*\|[ \t]*$|[ \t]*\|[-:| \t]+$")
_STAMP_BEFORE: Final = re.compile(rf"[ \t]*(?:{_BOXED}[ \t]?:?|{_TIME}{_LINE_END})[ \t]*")
_SENTENCE_END: Final = re.compile(r"[.?!…,;\"”]$")


@dataclass(frozen=True)
class _Header:
    name: str
    start: int
    end: int
    """Both in the file; a header may take two lines."""
    seconds: int | None


def _find_headers(text: str, style: Style) -> Iterator[_Header]:
    """Get what stands like a header of a style, in order."""
    reached = 0
    for offset, line in iterate_lines(text):
        if offset < reached or not line.strip():
            continue
        found = next((match for pattern in style.patterns if (match := pattern.match(text, offset))), None)
        if found is None:
            continue
        name, clock = tidy_label(found["name"]), _find_clock(found)
        if style.name == "alone" and _SENTENCE_END.search(name):
            continue
        reached = found.end()
        yield _Header(name, offset, found.end(), read_seconds(clock) if clock else None)


def _find_clock(found: re.Match[str]) -> str:
    clocks = (group for group in found.groups() if group and group[0].isdigit() and ":" in group)
    return next(clocks, "")


def _choose_headers(headers: Sequence[_Header], style: Style, show: SpeakerTable) -> Labels:
    """Get the labels among what stands like a header; without marks or times, a name must come again."""
    labels = choose_labels((header.name for header in headers), show, are_anchored=style.is_sure)
    timed = {fold_label(header.name) for header in headers if header.seconds is not None}
    times = Counter(fold_label(header.name) for header in headers)
    return Labels(
        frozenset(
            one
            for one in labels.sure
            if times[one] >= 2 or one in timed or show.knows(one) or is_anonymous(one) or (style.is_sure and " " in one)
        ),
        labels.doubtful if style.is_sure else (),
    )


@lru_cache(maxsize=4)
def _score_styles(text: str) -> tuple[float, Style]:
    """Get the style most headers are in, and how surely the text is in it."""
    n_lines = max(1, sum(1 for line in text.splitlines() if line.strip()))
    best = (0.0, STYLES[0])
    for style in STYLES:
        headers = list(_find_headers(text, style))
        sure = _choose_headers(headers, style, _NOBODY).sure
        n_sure = sum(fold_label(header.name) in sure for header in headers)
        if n_sure < (1 if style.is_sure else 3) or (style.name == "alone" and 5 * n_sure < n_lines):
            continue
        score = style.floor + (0.55 if style.is_sure else 0.3) * min(1.0, 3 * n_sure / n_lines)
        best = max(best, (score, style), key=lambda item: item[0])
    return best


def _score_headed(text: str) -> float:
    """Get how surely headers name who speaks: by the share of lines that are a header of one style."""
    return _score_styles(text[:_MAX_SCORED_CHARS])[0]


def _read_headed(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the headers of the style that most lines are in."""
    style = _score_styles(text[:_MAX_SCORED_CHARS])[1]
    found = list(_find_headers(text, style))
    labels = _choose_headers(found, style, show)
    headers = {header.start: header for header in found if fold_label(header.name) in labels.sure}
    account, writer, title, reached = Account(text), TurnWriter(), "", 0
    for offset, line in iterate_lines(text):
        header = headers.get(offset)
        if header:
            account.place(offset, header.end)
            writer.open(header.name, start_seconds=header.seconds)
            reached = header.end
        start = max(offset, reached)
        if start >= offset + len(line):
            continue
        heading = _HEADING.match(line)
        if (heading and not header) or (style.name != "table" and is_footer(line)):
            is_title = heading is not None and not title and writer.label is None
            title = heading[1].strip() if heading and is_title else title
            if is_title or not heading:
                account.mark(offset, offset + len(line))
        elif style.name == "table" and not header and _ROW.match(line):
            account.mark(offset, offset + len(line))
        else:
            _read_rest(text, start, offset + len(line), writer, account, labels)
    writer.close()
    return Draft("verbatim", tuple(writer.turns), account, title, label_doubt=tell_doubtful(labels))


def _read_rest(text: str, start: int, end: int, writer: TurnWriter, account: Account, labels: Labels) -> None:
    """Give a stretch to whoever speaks; before the first header it stays unplaced."""
    if writer.label is None:
        return
    account.place(start, end)
    stamp = _STAMP_BEFORE.match(text, start, end)
    clock = _find_clock(stamp) if stamp else ""
    begin = stamp.end() if stamp else start
    line = text[begin:end]
    for number, (first, last) in enumerate(split_labelled(line, labels)):
        name, _, said = line[first:last].partition(":") if number else ("", "", line[first:last])
        if name:
            writer.open(tidy_label(name))
        writer.say(said.strip().removesuffix("|").strip(), start_seconds=read_seconds(clock) if clock else None)


HEADED: Final = Reader("headed", _score_headed, _read_headed)
