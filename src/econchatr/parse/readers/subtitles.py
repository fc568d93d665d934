"""Readers for subtitles (WebVTT, SRT, SBV, ASS, TTML): cues, and the voices in them.

Voices are told by voice tags, labels and dashes at line starts. Rolling captions are read once. Every piece of a cue
remembers its place in the file.
"""

from __future__ import annotations

import html
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from econchatr.parse.draft import Account, Draft, Reader, TurnWriter
from econchatr.parse.lines import (
    COLON,
    INVISIBLE,
    Labels,
    choose_labels,
    is_name,
    iterate_lines,
    split_labelled,
    tell_doubtful,
)
from econchatr.parse.people import SpeakerTable, fold_label, tidy_label
from econchatr.parse.readers.html_text import stream_html
from econchatr.records import EpisodeKind

_TIMING: Final = re.compile(
    r"[ \t]{0,8}(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,]\d{1,7}[ \t]{0,8}(?:-->|,)[ \t]{0,8}"
    r"(?:\d{1,3}:)?\d{1,2}:\d{1,2}[.,]\d{1,7}"
)
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>\n]{0,300}>|</?>|<(?:\d{1,3}:)?\d{1,2}:\d{2}\.\d{1,3}>")
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]{0,100})?[ \t]+([^<>]{1,200})>", re.IGNORECASE)
_INLINE_TIME: Final = re.compile(r"<(?:\d{1,3}:)?\d{1,2}:\d{2}\.\d{1,3}>")
_LABEL: Final = re.compile(
    rf"{INVISIBLE}[ \t]{{0,4}}(?:[-–—][ \t]{{0,2}}|(?:>>|&gt;&gt;)[ \t]{{0,2}})?"
    r"(?:\[([^\[\]:\n]{1,60})\]|([^\W_][^:：\n<>{}?!]{0,59}?))(?:</[a-zA-Z]{1,12}>)?"
    rf"(?:{COLON}|[ \t]?:(?=<))"
)
_OPENING_TAGS: Final = re.compile(r"(?:[ \t]{0,4}<(?![vV][ .\t>])[a-zA-Z][^<>\n]{0,300}>){1,4}")
_CHANGE: Final = re.compile(rf"{INVISIBLE}[ \t]{{0,4}}(?:>>|&gt;&gt;)[ \t]{{0,2}}")
_DASH: Final = re.compile(rf"{INVISIBLE}[ \t]{{0,4}}[-–—](?![-–—])[ \t]{{0,2}}(?=[^\s\d])")
_COMMENT: Final = re.compile(r"(?:NOTE|STYLE|REGION)(?=\s|$)")
_ENTITY: Final = re.compile(r"&(?:amp|lt|gt|nbsp|lrm|rlm|quot|apos|#\d{1,6});")
_BROKEN_TIMING: Final = re.compile(r"[ \t]{0,8}\d{1,3}:[\d:.,]{0,12}[ \t]{0,8}(?:-{1,2}>?.{0,200})?")
_SENTENCE_END: Final = re.compile(r"[.?!…][\"'”’)\]]{0,3}[ \t]*+(?:</[^<>\n]{1,40}>){0,8}+[ \t]*+$", re.MULTILINE)
_MAX_CUES_A_SENTENCE: Final = 20
_MAX_END_CHARS: Final = 2000
# A caption rolls through two lines; a line is kept on the screen for at most so many cues.
_MAX_ROLLED_LINES: Final = 4
_MAX_SCORED_CHARS: Final = 20_000
_MAX_LABEL_CHARS: Final = 128


@dataclass(frozen=True)
class Cue:
    """What one cue shows: its lines with their places in the file."""

    seconds: int
    lines: tuple[tuple[int, str], ...]


@dataclass
class _Voices:
    """What is known of a file's voices while its cues are read in order."""

    account: Account
    labels: Labels
    """What else stands before a colon is speech."""
    writer: TurnWriter = field(default_factory=lambda: TurnWriter(joins=" "))
    is_named: bool = False


def _count_timings(text: str) -> int:
    """Get how many cue timing lines the beginning of the text has."""
    return sum(1 for line in text[:_MAX_SCORED_CHARS].splitlines() if _TIMING.match(line))


def _read_cues(text: str, account: Account, start: int = 0) -> Iterator[Cue]:
    """Get the cues in order; timing lines are claimed as placed, numbers and comment blocks as markup.

    A cue ends at an empty line, or, without one, at the next timing line. `start` is behind the file's header.
    """
    lines, seconds, is_comment, was_blank = list[tuple[int, str]](), -1, False, True
    for offset, line in iterate_lines(text, start):
        timing = _TIMING.match(line)
        if timing:
            if seconds >= 0:
                yield Cue(seconds, tuple(_drop_number(lines, account)))
            else:
                _mark(lines, account)
            account.place(offset, offset + len(line))
            hours, minutes, rest = (int(part or 0) for part in timing.groups())
            lines, seconds, is_comment = [], 3600 * hours + 60 * minutes + rest, False
        elif not line.strip():
            if seconds >= 0 and lines:
                yield Cue(seconds, tuple(lines))
                lines, seconds = [], -1
        elif was_blank and _COMMENT.match(line):
            is_comment = True
            account.mark(offset, offset + len(line))
        elif is_comment and seconds < 0:
            account.mark(offset, offset + len(line))
        else:
            lines.append((offset, line))
        if not line.strip():
            is_comment, was_blank = False, True
            # A number or a name before a timing line is the cue's; anything longer between cues stays unplaced.
            lines = lines if seconds >= 0 else []
        else:
            was_blank = False
    if seconds >= 0 and lines:
        yield Cue(seconds, tuple(lines))


def _read_voices(text: str, show: SpeakerTable, *, start: int = 0) -> Draft:
    """Get the turns of a subtitle file, whoever the speaker is named by: voice tags, labels, dashes, or nothing."""
    account = Account(text)
    account.mark(0, start)
    cues = list(_read_cues(text, account, start))
    if _is_rolling(cues):
        cues = _unroll(cues, account)
    names = _find_name_lines(cues, show)
    found = (_read_label(line) for cue in cues for _, line in cue.lines)
    labels = choose_labels((label for label in found if label), show)
    voices = _Voices(account, labels)
    voices.writer.label = ""
    for cue in cues:
        if names and len(cue.lines) > 1 and fold_label(cue.lines[0][1]) in names:
            (offset, line), *rest = cue.lines
            account.place(offset, offset + len(line))
            _open(tidy_label(line), cue, voices)
            cue = Cue(cue.seconds, tuple(rest))
        dashes = sum(1 for _, line in cue.lines if _DASH.match(line)) >= 2
        for offset, line in cue.lines:
            for begin, end in split_labelled(line, labels):
                _read_line(offset + begin, line[begin:end], cue, voices, are_dashes=dashes)
    voices.writer.close()
    turns = tuple(voices.writer.turns)
    kind: EpisodeKind = "verbatim" if voices.is_named else "unlabelled"
    return Draft(kind, turns, account, doubt=_tell_cut(text), label_doubt=tell_doubtful(labels))


def _find_name_lines(cues: Sequence[Cue], show: SpeakerTable) -> frozenset[str]:
    """Get the names that stand alone in the first lines of cues, as in Microsoft Teams; none where few have one."""
    firsts = [cue.lines[0][1].strip() for cue in cues if len(cue.lines) > 1]
    named = [line for line in firsts if is_name(line) and line[-1] not in ".,?!…-"]
    counts = Counter(map(fold_label, named))
    names = {name for name, n in counts.items() if n >= 2 or show.knows(name)}
    n_named = sum(counts[name] for name in names)
    return frozenset(counts) if n_named >= 2 and 2 * n_named >= len(cues) else frozenset()


def _tell_cut(text: str) -> str:
    """Get how a subtitle file shows that it was cut off; empty if it does not.

    A file that ends in the middle of a sentence is suspected only where its cues have stops, and where the last line
    has no end: a whole file has one, or a last sentence.
    """
    lines = text[-_MAX_END_CHARS:].rstrip().splitlines()
    last, before = (lines or [""])[-1], lines[-2] if len(lines) > 1 else ""
    if _BROKEN_TIMING.fullmatch(last) and (_TIMING.match(last) or not _TIMING.match(before)):
        return "it ends with the times of a cue that says nothing"
    if last.strip().isdigit() and not before.strip():
        return "it ends with the number of a cue that is not there"
    if last.rfind("<") > last.rfind(">"):
        return "it ends inside a tag"
    spoken = _SENTENCE_END.findall(text)
    is_open = bool(last) and not _SENTENCE_END.search(last) and text[-1:] not in ("\n", "\r")
    if is_open and len(spoken) * _MAX_CUES_A_SENTENCE >= text.count("-->") and last[-1] not in ")]*♪":
        return "it ends in the middle of a sentence"
    return ""


def _mark(lines: list[tuple[int, str]], account: Account) -> None:
    for offset, line in lines:
        account.mark(offset, offset + len(line))


def _drop_number(lines: list[tuple[int, str]], account: Account) -> list[tuple[int, str]]:
    """Leave out the number of the next cue, where no empty line parts them."""
    if lines and lines[-1][1].strip().isdigit():
        _mark(lines[-1:], account)
        return lines[:-1]
    return lines


def _is_rolling(cues: list[Cue]) -> bool:
    n_timed = sum(1 for cue in cues if any(_INLINE_TIME.search(line) for _, line in cue.lines))
    return n_timed >= 2 and 4 * n_timed >= len(cues)


def _unroll(cues: list[Cue], account: Account) -> list[Cue]:
    """Get rolling captions once: a line that only stays on the screen is claimed as markup.

    New words carry their times; a line without any (one word, a sound note) is new if it was not just shown.

    Source: YouTube's automatic captions, as yt-dlp saves them.
    """
    shown, kept = deque[str](maxlen=_MAX_ROLLED_LINES), list[Cue]()
    for cue in cues:
        lines = list[tuple[int, str]]()
        for offset, line in cue.lines:
            words = _TAG.sub("", line).strip()
            if words and (_INLINE_TIME.search(line) or words not in shown):
                lines.append((offset, line))
                shown.append(words)
            else:
                account.mark(offset, offset + len(line))
        kept.append(Cue(cue.seconds, tuple(lines)))
    return kept


def _match_label(line: str) -> re.Match[str] | None:
    """A label at the beginning of a line, behind the tags of a colour or of italics."""
    tags = _OPENING_TAGS.match(line)
    return _LABEL.match(line, tags.end() if tags else 0)


def _read_label(line: str) -> str | None:
    match = _match_label(line)
    return (match[1] or match[2]) if match else None


def _read_line(offset: int, line: str, cue: Cue, voices: _Voices, *, are_dashes: bool) -> None:
    label = _match_label(line)
    name = tidy_label(label[1] or label[2]) if label else ""
    change = _CHANGE.match(line) or (_DASH.match(line) if are_dashes else None)
    begin, position, words = 0, 0, list[str]()
    if label and fold_label(name) in voices.labels.sure:
        voices.account.mark(offset, offset + label.start())
        begin, position = label.start(), label.end()
        _open(name, cue, voices)
    elif change:
        position = change.end()
        _open("", cue, voices)
    voices.account.place(offset + begin, offset + position)
    for tag in _TAG.finditer(line, position):
        words.append(_take(offset, line, position, tag.start(), voices))
        position = tag.end()
        voice = _VOICE.fullmatch(tag[0])
        if voice is None:
            voices.account.mark(offset + tag.start(), offset + tag.end())
            continue
        voices.account.place(offset + tag.start(), offset + tag.end())
        # Before the next voice: one cue may hold two.
        voices.writer.say(_join(words), start_seconds=cue.seconds)
        words = []
        name = tidy_label(_decode(voice[1]))
        _open(name, cue, voices)
        # Some exports write the name once more behind its tag.
        if line[position : position + len(name) + 1].casefold() == f"{name}:".casefold():
            voices.account.place(offset + position, offset + position + len(name) + 1)
            position += len(name) + 1
    words.append(_take(offset, line, position, len(line), voices))
    voices.writer.say(_join(words), start_seconds=cue.seconds)


def _open(name: str, cue: Cue, voices: _Voices) -> None:
    if not name or name != voices.writer.label:
        voices.writer.open(name, start_seconds=cue.seconds)
    voices.is_named = voices.is_named or bool(name)


def _take(offset: int, line: str, start: int, end: int, voices: _Voices) -> str:
    voices.account.place(offset + start, offset + max(start, end))
    return _decode(line[start:end])


def _join(words: list[str]) -> str:
    return " ".join("".join(words).split())


def _decode(text: str) -> str:
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


_WEBVTT_HEADER: Final = re.compile(
    r"\s{0,20}WEBVTT(?=\s|$)[^\n]{0,500}(?:\n(?![ \t\r]*\n)(?![^\n]{0,60}-->)[^\n]{0,500}){0,50}"
)


def _score_webvtt(text: str) -> float:
    """Get how surely the text is WebVTT: it must say so in its first line."""
    return 1.0 if _WEBVTT_HEADER.match(text) else 0.0


def _read_webvtt(text: str, show: SpeakerTable) -> Draft:
    """Get the turns by voice tags; a cue without one goes on with the voice before it.

    Source: https://www.w3.org/TR/webvtt1/ (voice spans, comment blocks, times without hours).
    """
    header = _WEBVTT_HEADER.match(text)
    return _read_voices(text, show, start=header.end() if header else 0)


WEBVTT: Final = Reader("webvtt", _score_webvtt, _read_webvtt)


def _score_srt(text: str) -> float:
    """Get how surely the text is SRT: by timing lines, without the word WEBVTT before them."""
    n_timings = _count_timings(text)
    return 0.95 if n_timings >= 2 else 0.8 * n_timings


def _read_srt(text: str, show: SpeakerTable) -> Draft:
    """Get the turns by labels at line starts; a name stands only where the speaker changes."""
    return _read_voices(text, show)


SRT: Final = Reader("srt", _score_srt, _read_srt)


_ASS_LINE: Final = re.compile(r"Dialogue:[ \t]*([^\n]{0,4000})")
_ASS_TAGS: Final = re.compile(r"\{[^{}\n]{0,300}\}|\\[Nnh]")
_ASS_FIELDS: Final[tuple[str, ...]] = (
    "layer",
    "start",
    "end",
    "style",
    "name",
    "marginl",
    "marginr",
    "marginv",
    "effect",
    "text",
)


def _score_ass(text: str) -> float:
    """Get how surely the text is SubStation Alpha: by its `Dialogue:` lines with their commas."""
    n_lines = sum(line.startswith("Dialogue:") and line.count(",") >= 9 for line in text.splitlines()[:2_000])
    return 0.97 if n_lines >= 2 else 0.6 * n_lines


def _read_ass(text: str, show: SpeakerTable) -> Draft:
    """Get the turns of the dialogue lines; who speaks stands in the name field, or as a label in the text.

    Source: the format line of http://www.tcax.org/docs/ass-specs.htm.
    """
    account, fields = Account(text), _ASS_FIELDS
    cues = list[tuple[str, Cue]]()
    for offset, line in iterate_lines(text):
        if line.lower().startswith("format:") and "text" in line.lower():
            fields = tuple(name.strip().lower() for name in line.partition(":")[2].split(","))
        said = _ASS_LINE.match(line)
        if said is None or "text" not in fields:
            account.mark(offset, offset + len(line))
            continue
        values = said[1].split(",", len(fields) - 1)
        row = dict(zip(fields, values, strict=False))
        begin = offset + len(line) - len(row.get("text", ""))
        account.mark(offset, begin)
        words = _ASS_TAGS.sub(lambda tag: " " * len(tag[0]), row.get("text", ""))
        cue = Cue(_read_clock(row.get("start", "")), ((begin, words),))
        cues.append((row.get("name") or row.get("actor") or "", cue))
    return _read_named_cues(text, cues, account, show)


ASS: Final = Reader("ass", _score_ass, _read_ass)

_TT: Final = re.compile(
    r"\s{0,200}(?:<\?xml[^>]{0,200}>\s{0,80}|<!--.{0,500}?-->\s{0,80}){0,4}<(?:\w{1,20}:)?tt\b", re.DOTALL
)
_TT_AGENT: Final = re.compile(
    r"<(?:\w{1,20}:)?agent\b[^>]{0,300}?xml:id=[\"']([^\"']{1,80})[\"'][^>]{0,300}>(.{0,600}?)</(?:\w{1,20}:)?agent>",
    re.DOTALL,
)
_ATTRIBUTES: Final = re.compile(r"(?:\w{1,20}:)?(begin|agent)\s{0,4}=\s{0,4}[\"']([^\"']{0,80})[\"']")
_ANY_TAG: Final = re.compile(r"<[^<>]{0,300}>")


def _score_ttml(text: str) -> float:
    """Get how surely the text is TTML: its outermost element must be `tt`."""
    return 0.98 if _TT.match(text) else 0.0


def _read_ttml(text: str, show: SpeakerTable) -> Draft:
    """Get the turns of the paragraphs; who speaks stands as an agent, or as a label in the text.

    Source: https://www.w3.org/TR/ttml2/ (ttm:agent, ttm:name, begin).
    """
    account = Account(text)
    agents = {found[1]: " ".join(_ANY_TAG.sub(" ", found[2]).split()) for found in _TT_AGENT.finditer(text)}
    cues, name, seconds, is_open, reached = list[tuple[str, Cue]](), "", 0, False, 0
    for piece in stream_html(text):
        tag = piece.name.rpartition(":")[2]
        if piece.kind == "words" and is_open:
            account.mark(reached, piece.start)
            cues.append((name, Cue(seconds, ((piece.start, " ".join(piece.raw.splitlines())),))))
            reached = piece.end
        elif tag == "p":
            told = {found[1]: found[2] for found in _ATTRIBUTES.finditer(piece.raw)}
            is_open = piece.kind == "open"
            name, seconds = agents.get(told.get("agent", ""), told.get("agent", "")), _read_clock(told.get("begin", ""))
    account.mark(reached, len(text))
    return _read_named_cues(text, cues, account, show)


TTML: Final = Reader("ttml", _score_ttml, _read_ttml)


def _read_clock(stamp: str) -> int:
    """Get the seconds of `0:00:01.20`, `00:00:01:12` (frames) or `12.5s`."""
    parts = stamp.strip().rstrip("s").split(":")[:3]
    try:
        return int(sum(float(part) * 60**power for power, part in enumerate(reversed(parts))))
    except (ValueError, OverflowError):
        return 0


def _read_named_cues(text: str, cues: Sequence[tuple[str, Cue]], account: Account, show: SpeakerTable) -> Draft:
    """Get the turns of cues that may name who speaks beside them."""
    found = (_read_label(line) for _, cue in cues for _, line in cue.lines)
    voices = _Voices(account, choose_labels((label for label in found if label), show))
    voices.writer.label = ""
    for name, cue in cues:
        if name.strip():
            _open(tidy_label(_decode(name[:_MAX_LABEL_CHARS])), cue, voices)
        for offset, line in cue.lines:
            _read_line(offset, line, cue, voices, are_dashes=False)
    voices.writer.close()
    kind: EpisodeKind = "verbatim" if voices.is_named else "unlabelled"
    return Draft(kind, tuple(voices.writer.turns), account, label_doubt=tell_doubtful(voices.labels))
