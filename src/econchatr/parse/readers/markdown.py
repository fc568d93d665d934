"""Reader for Markdown transcripts: `**Name:** text`.

The shape is that of the Changelog's public transcripts and of the bundled show. It undoes only the labels, the time
stamps at a turn's start and the block marks; escapes and emphasis stay in the text, so that a turn quotes its file.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from econchatr.parse.draft import STAMP, Account, Draft, Reader, TurnWriter, read_seconds
from econchatr.parse.labels import NameIndex
from econchatr.parse.lines import Labels, check_speakers, is_footer, iterate_lines, split_labelled, tell_doubtful
from econchatr.parse.people import BREAKS, SpeakerTable, fold_label, is_pseudo, tidy_label

_MAX_LABEL_WORDS: Final = 7
_MAX_BREAK_CHARS: Final = 120
_MAX_SCORED_CHARS: Final = 50_000
# The digit is a typing slip before a label; `***` opens a turn that is italic as a whole.
_BOLD: Final = re.compile(
    r"[ \t]{0,8}(?:(?:[>#]|[-+*](?= ))[ \t]{0,4}){0,3}\d?(\*{2,3}|__)(?=\S)([^*_\n]{1,80})(?:\*\*|__)"
)
_COLON: Final = re.compile(r"[ \t]?[:：]")
_INNER: Final = re.compile(r"(?<=[\s.?!])\*\*([^*\n]{2,80}?)(?::\*\*|\*\*:)")
_BARE: Final = re.compile(r"[ \t]{0,8}([^\W\d_][\w.'’\-]{0,30}(?: [^\W\d_][\w.'’\-]{0,30}){0,3}):(?=\s)")
_BLOCK: Final = re.compile(r"[ \t]*(?:>[ \t]?)*(?:[-*+•](?=\s|$)[ \t]*)?")
_HEADING: Final = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+(\S.*)")
_STAMP: Final = re.compile(rf"[ \t]{{0,8}}\*{{0,2}}\\?[\[(]\\{{0,3}}({STAMP})\\{{0,3}}[\])]\*{{0,2}}")
_NOTE_REST: Final = re.compile(r"(?:\bto\b|[-–—*:\s])+")
# fmt: off
_NO_NAMES: Final = frozenset({
    "a", "an", "the", "this", "that", "these", "my", "your", "our", "his", "her", "its", "their", "one", "two",
    "three", "first", "second", "third", "question", "questions", "answer", "note", "update", "example", "step",
    "point", "part", "rule", "option", "number", "quote", "so", "and", "but", "or", "then", "now", "here", "there",
    "important", "warning", "tip", "summary", "key", "takeaway", "takeaways", "bonus", "resources", "references",
})
# fmt: on


@dataclass(frozen=True)
class _Label:
    name: str
    start: int
    end: int
    """Where the label's markup ends on its line."""
    rest: str = ""
    """Speech that stood inside the bold mark, after the colon."""


def _score_markdown(text: str) -> float:
    """Get how surely the text is a Markdown transcript: by the share of its lines that begin with a bold label."""
    # The first lines tell; the rest of a long file would cost twice.
    lines = [line for line in text[:_MAX_SCORED_CHARS].splitlines() if line.strip()]
    n_lines = len(lines)
    n_labels = sum(1 for line in lines if _read_label(line, frozenset()) is not None)
    return 0.2 + 0.8 * min(1.0, 3 * n_labels / n_lines) if n_labels else 0.0


def read_markdown(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the bold labels at line starts, continued by the paragraphs that follow them."""
    account, writer = Account(text), TurnWriter()
    lines = list(iterate_lines(text))
    labels, doubtful = _collect_labels(lines, show)
    known = NameIndex((*labels, *show.hosts, *show.cast.hosts, *show.cast.guests))
    title, previous = "", ""
    folded = Labels(frozenset(map(fold_label, labels)))
    for offset, whole in lines:
        if not whole.strip():
            continue
        (_, first), *inner = split_labelled(whole, folded)
        line = whole[:first]
        heading = _HEADING.match(line)
        label = _read_label(line, labels) or _read_bare_label(line, previous, known, show)
        if label:
            _read_turn_line(offset, line, label, labels, writer, account)
        elif heading and not title and writer.label is None:
            title = heading[1].strip()
            account.mark(offset, offset + len(line))
        elif is_footer(line):
            account.mark(offset, offset + len(line))
        elif not heading:
            _read_paragraph(offset, line, writer, account)
        for begin, end in inner:
            name = whole[begin:end].partition(":")[0]
            found = _Label(tidy_label(name), 0, len(name) + 1)
            _read_turn_line(offset + begin, whole[begin:end], found, labels, writer, account)
        previous = whole
    writer.close()
    return Draft("verbatim", tuple(writer.turns), account, title, label_doubt=tell_doubtful(doubtful))


MARKDOWN: Final = Reader("markdown", _score_markdown, read_markdown)


def _collect_labels(lines: list[tuple[int, str]], show: SpeakerTable) -> tuple[frozenset[str], Labels]:
    """Get the names of the file's bold labels; and apart, what stands like one and is written small."""
    found = Counter(label.name for _, line in lines if (label := _read_label(line, frozenset(), may_be_small=True)))
    check_speakers(found)
    small = {name: n for name, n in found.items() if not _is_name(name)}
    sure = {name for name, n in small.items() if show.knows(name) or (n >= 2 and name.split()[0] not in _NO_NAMES)}
    return frozenset(found.keys() - (small.keys() - sure)), Labels(frozenset(sure), tuple(small.keys() - sure))


def _read_label(line: str, labels: frozenset[str], *, may_be_small: bool = False) -> _Label | None:
    """Get the bold label a line begins with; without a colon it must be one of the file's own labels."""
    bold = _BOLD.match(line) if "**" in line or "__" in line else None
    if bold is None:
        return None
    inside, end = bold[2], bold.end()
    name, colon, rest = inside.partition(":")
    if not colon:
        after = _COLON.match(line, end)
        if after is None and tidy_label(name) not in labels:
            return None
        end = after.end() if after else end
    name = tidy_label(name)
    if not _is_name(name) and not (may_be_small and any(map(str.isalpha, name))) and name not in labels:
        return None
    # `**Name: Name:**` is a typing slip, `**Name: "**text` a mark set too late; other words there are emphasis.
    rest = "" if tidy_label(rest) == name else rest.strip()
    if any(map(str.isalpha, rest)) and not is_pseudo(name):
        return None
    return _Label(name, bold.start(), end, rest)


def _is_name(name: str) -> bool:
    # The first letter may be none: a stage name can begin with a sign or a digit. Half a bracket is half a time.
    is_whole = all(name.count(one) == name.count(other) for one, other in ("()", "[]"))
    is_word = name.lower() not in _NO_NAMES
    return (
        is_whole
        and is_word
        and any(map(str.isalpha, name))
        and not name[0].islower()
        and len(name.split()) <= _MAX_LABEL_WORDS
    )


def _read_bare_label(line: str, previous: str, known: NameIndex, show: SpeakerTable) -> _Label | None:
    """Get a label without bold marks: a break, a speaker of this file, or a name its paragraph before announced."""
    bare = _BARE.match(line)
    if bare is None and len(line) > _MAX_BREAK_CHARS:
        return None
    if bare is None:
        break_name = _NOTE_REST.sub(" ", _STAMP.sub(" ", line)).strip()
        is_break = break_name.isupper() and fold_label(break_name) in BREAKS
        return _Label(break_name, 0, len(line)) if is_break else None
    name = tidy_label(bare[1])
    words = name.split()
    if is_pseudo(name):
        return _Label(name, bare.start(), bare.end())
    if show.resolve(name)[1] == "host":
        return _Label(name, bare.start(), bare.end())
    if any(word[0].islower() for word in words) or words[0].lower() in _NO_NAMES:
        return None
    is_known = bool(known.fit(name))
    is_announced = re.search(rf"\b{re.escape(name)} [^\W\d_]", previous) is not None
    if is_known or len(words) in (2, 3) or is_announced:
        return _Label(name, bare.start(), bare.end())
    return None


def _read_turn_line(
    offset: int, line: str, label: _Label, labels: frozenset[str], writer: TurnWriter, account: Account
) -> None:
    account.place(offset + label.start, offset + label.end)
    if is_pseudo(label.name) and _is_note(label.rest + line[label.end :]):
        account.place(offset + label.end, offset + len(line))
        if fold_label(label.name) in BREAKS:
            writer.close()
        else:
            writer.open(label.name)
        return
    writer.open(label.name)
    writer.say(label.rest)
    position = label.end
    for inner in _INNER.finditer(line, label.end):
        if tidy_label(inner[1]) in labels:
            _read_paragraph(offset, line, writer, account, begin=position, end=inner.start())
            account.place(offset + inner.start(), offset + inner.end())
            writer.open(tidy_label(inner[1]))
            position = inner.end()
    end = len(line)
    if line.lstrip().startswith("***") and line.endswith("*") and not line.endswith("**"):
        end -= 1
        account.mark(offset + end, offset + len(line))
    _read_paragraph(offset, line, writer, account, begin=position, end=end)


def _is_note(rest: str) -> bool:
    return not _NOTE_REST.sub("", _STAMP.sub("", rest))


def _read_paragraph(
    offset: int, line: str, writer: TurnWriter, account: Account, *, begin: int = 0, end: int | None = None
) -> None:
    """Give a stretch of a line to whoever speaks; before the first label it stays unplaced."""
    end = len(line) if end is None else end
    if writer.label is None:
        return
    block = _BLOCK.match(line, begin, end) if begin == 0 else None
    start = block.end() if block else begin
    account.mark(offset + begin, offset + start)
    stamp = _STAMP.match(line, start, end)
    seconds = read_seconds(stamp[1]) if stamp else None
    text_start = stamp.end() if stamp else start
    account.place(offset + start, offset + end)
    writer.say(line[text_start:end].strip(), start_seconds=seconds)
