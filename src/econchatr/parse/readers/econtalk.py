"""Reader for saved EconTalk episode pages of every year, 2006 to now.

It finds the transcript's box, its rows and their times, and who speaks by labels in elements of their own or inline in
running text. It does not rely on which tags carry them. Years without labels come out as `notes` or `unlabelled`.

Source: two page templates (Movable Type, WordPress) and four text eras, as public scrapers of EconTalk describe them.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import Final

from econchatr.errors import TranscriptError
from econchatr.parse.dates import read_date
from econchatr.parse.draft import STAMP, Account, Draft, Reader, TurnWriter, read_seconds
from econchatr.parse.labels import fits_name
from econchatr.parse.lines import is_name
from econchatr.parse.people import BREAKS, GROUPS, SpeakerTable, bare_name, fold_label, tidy_label
from econchatr.parse.readers.html_text import Block, Page, read_page
from econchatr.records import EpisodeKind

_FURNITURE: Final = frozenset(
    {
        "time",
        "podcast episode highlights",
        "time podcast episode highlights",
        "hide highlights",
        "show highlights",
        "audio transcript",
    }
)
_STAMP: Final = re.compile(rf"\s*\(?({STAMP})\)?\s*")
_GLUED_STAMP: Final = re.compile(rf"\s*\(?({STAMP})\)?(?=\s*[A-Z\[])(?!\s*[AP]\.?M\b)")
_INTRO: Final = re.compile(r"\s*(?:Intro\.)?\s*(?:\[\s*Record(?:ing|ed)(?: date| on)?:?\s*([^\]]{0,200})\]\.?)?\s*")
_DATE_NOTE: Final = re.compile(r"\[\s*Record(?:ing|ed) (?:date|on)\b:?\s*([^\]]{0,200})\]", re.IGNORECASE)
_WHOLE_NOTE: Final = re.compile(r"\s*\[[^\[\]]*\]\s*")
_ELEMENT_LABEL: Final = re.compile(r"[^\W\d_][\w.,'’()&\- ]{0,60}")
_MAX_LABEL_WORDS: Final = 7
_MIN_LABELS: Final = 3
# Speech before an inline label has ended: with a stop, a closing quote or bracket, or broken off with a dash.
_OPENS_SPEECH: Final = re.compile(r"\s*[\"'“‘\[(]*[A-Z0-9]")
_ENDS_SPEECH: Final = frozenset(".?!…\"'”’)]-–—:;")
_INTERVIEW: Final = re.compile(r"\b(?:conversation|interview|talk) with ([^:;?!]{3,80})$", re.IGNORECASE)
_SITE: Final = re.compile(
    r"\s*[-|–—:]\s*(?:EconTalk|Econlib|Library of Economics and Liberty)\b.*$|^EconTalk\s*[:|–-]\s*"
)
# Notes tell an hour in 2,100 to 4,700 words; speech takes 8,000 to 11,000.
_MAX_NOTES_WORDS_PER_MINUTE: Final = 100


@dataclass
class _Reading:
    """What is known while the blocks are read in order."""

    account: Account
    names: tuple[str, ...]
    """Every label that may stand in this episode."""
    persons: dict[str, str]
    """Label -> who it means, so that two labels of one person are known as such."""
    labels: re.Pattern[str]
    are_inline: bool
    writer: TurnWriter = field(default_factory=TurnWriter)
    row_seconds: int | None = None
    n_rows: int = 0
    date_text: str = ""


_BOX_ID: Final = re.compile(r"\bid\s{0,8}=\s{0,8}[\"']?unique\b", re.IGNORECASE)


def _score_econtalk(text: str) -> float:
    """Get how surely the text is an EconTalk page: 1 with a transcript's box, a little for any other web page."""
    if "<" not in text:
        return 0.0
    has_box = "audio-highlight" in text or "Podcast Episode Highlights" in text or _BOX_ID.search(text) is not None
    if has_box and "</" in text:
        return 1.0
    head = text[:5000].lower()
    return 0.1 if any(mark in head for mark in ("<!doctype html", "<html", "<head", "<body", "<div")) else 0.0


def _read_econtalk(text: str, show: SpeakerTable) -> Draft:
    """Get the turns of the transcript's box; everything around it counts as markup.

    Raises:
        TranscriptError: the page has no box.
    """
    account = Account(text)
    page = read_page(text, account)
    if not page.blocks:
        raise TranscriptError(
            "the web page has no transcript box (div.audio-highlight, #unique, or Podcast Episode Highlights)",
            hint="Save the whole page of the episode, or leave it out: not every page has a transcript.",
        )
    title = _read_title(page)
    guests = read_guests(title, show)
    names = _list_names((*guests, *show.hosts, *show.cast.guests, *show.cast.hosts), show)
    labels = _compile_labels(names)
    elements = [[one for one in _read_element_label(block, ()) if _is_voice(one[0])] for block in page.blocks]
    inline = [_find_inline(block.text, labels) for block in page.blocks]
    n_elements, n_inline = sum(map(len, elements)), sum(map(len, inline))
    # A label of its own is found inline too, so a page is inline only if most are not; one stray `<b>Note:</b>` in a
    # page of inline labels must not cost them all.
    persons = _list_persons(names, (*show.labels, *guests, *show.cast.guests, *show.cast.hosts), guests, show)
    reading = _Reading(account, names, persons, labels, are_inline=n_inline > 2 * n_elements)
    is_labelled = _is_labelled(page, [bool(one) for one in map(operator.add, elements, inline)], n_elements + n_inline)
    if not is_labelled:
        reading.writer.label = ""
    for block in page.blocks:
        _read_block(block, reading)
    reading.writer.close()
    kind: EpisodeKind = "verbatim" if is_labelled else _tell_kind(reading)
    published, precision = read_date(reading.date_text)
    turns = tuple(reading.writer.turns)
    doubt = "" if page.is_whole else "the page ends inside the transcript, as if it was cut off"
    return Draft(kind, turns, account, title, published, precision, guests, doubt)


ECONTALK: Final = Reader("econtalk", _score_econtalk, _read_econtalk)


def read_guests(title: str, show: SpeakerTable) -> tuple[str, ...]:
    """Get the guests a title names (`Ada Example and Ben Sample on Tides`); hosts, and words written small, are not."""
    interview = _INTERVIEW.search(title)
    before, on, _ = title.partition(" on ")
    if not on and interview:
        before = interview[1]
    elif not on:
        return ()
    before = before.rpartition(": ")[2].replace("(", ", ").replace(")", " ")
    parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|^and\s+", before)
    names = [tidy_label(part.removeprefix("and ")) for part in parts]
    return tuple(name for name in names if len(name.split()) <= 5 and is_name(name) and show.resolve(name)[1] != "host")


def _read_title(page: Page) -> str:
    candidates = [_SITE.sub("", " ".join(title.split())).strip() for title in page.titles]
    candidates = [title for title in candidates if title and fold_label(title) not in ("econtalk", "econlib")]
    return max(candidates, key=lambda title: " on " in title, default="")


def _list_names(people: tuple[str, ...], show: SpeakerTable) -> tuple[str, ...]:
    bare = [name for name in map(bare_name, people) if name]
    names = dict.fromkeys((*show.labels, "Guest", *people, *bare))
    for name in bare:
        words = name.split()
        names |= dict.fromkeys(word for word in (words[0], words[-1]) if len(word) > 1)
    names |= dict.fromkeys(group.capitalize() for group in GROUPS)
    names |= dict.fromkeys(group.title() for group in GROUPS)
    return tuple(names)


def _list_persons(
    names: tuple[str, ...], people: tuple[str, ...], guests: tuple[str, ...], show: SpeakerTable
) -> dict[str, str]:
    persons = dict[str, str]()
    for name in names:
        fitting = {show.resolve(one)[0] for one in people if fits_name(name, one)}
        persons[name] = fitting.pop() if len(fitting) == 1 else show.resolve(name)[0]
    return persons | ({"Guest": guests[0]} if len(guests) == 1 else {})


def _is_voice(name: str) -> bool:
    return fold_label(name) not in BREAKS


def _is_labelled(page: Page, has_label: list[bool], n_labels: int) -> bool:
    """Say whether the page names its speakers; a stray `Note:` or two far down a page of running text do not."""
    n_before = sum(len(block.text) for block in page.blocks[: has_label.index(True)]) if n_labels else 0
    is_early = 2 * n_before < sum(len(block.text) for block in page.blocks)
    return n_labels >= _MIN_LABELS or (n_labels > 0 and is_early)


def _compile_labels(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    # The end of `Spider-Man:` is nobody's label; a dash after which nothing was said may stand right before one.
    return re.compile(r"(?<!\w)(?<!\w[-'’/])(" + "|".join(map(re.escape, longest_first)) + r")\s?:(?=\s|$)")


def _find_inline(text: str, labels: re.Pattern[str]) -> list[re.Match[str]]:
    return [match for match in labels.finditer(text) if _follows_speech(text, match)]


def _follows_speech(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 8) : match.start()].rstrip()
    return not before or before[-1] in _ENDS_SPEECH


def _find_turns(text: str, reading: _Reading) -> list[re.Match[str]]:
    """Get the labels of running text that begin turns.

    Where speech broke off without a sign, the label after it counts unless it is the speaker's own or the next one's:
    `Russ: So it was the Guest: No. Russ: I see.`, but `Guest: I said to Russ: leave it. Russ: Did you?`
    """
    every = list(reading.labels.finditer(text))
    people = [reading.persons.get(match[1], match[1]) for match in every]
    found, before = list[re.Match[str]](), ""
    for match, person, after in zip(every, people, (*people, "")[1:], strict=True):
        is_other = person not in (before, after)
        is_whole = match[1] == "Guest" or " " in match[1]
        opens = (after != "" or is_whole) and _OPENS_SPEECH.match(text, match.end()) is not None
        if _follows_speech(text, match) or (before and is_other and (before == after or opens)):
            found.append(match)
            before = person
    return found


def _read_element_label(block: Block, known: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Get the labels that stand in elements of their own: at the block's start, and known ones further on."""
    labels = list[tuple[str, int, int]]()
    n_before = 0
    for run, following in zip(block.runs, (*block.runs[1:], None), strict=True):
        text = run.text.strip()
        at_start = n_before == 0
        n_before += len(text) if _STAMP.fullmatch(text) is None else 0
        if not run.is_own or not text:
            continue
        end = run.at + len(run.text)
        if not text.endswith(":"):
            if following is None or not following.text.lstrip().startswith(":"):
                continue
            end = following.at + following.text.index(":") + 1
        name = tidy_label(text)
        if _is_label(name) and (at_start or any(fits_name(name, one) for one in known)):
            labels.append((name, run.at, end))
    return labels


def _is_label(name: str) -> bool:
    is_shaped = _ELEMENT_LABEL.fullmatch(name) is not None and not name[0].islower()
    return is_shaped and len(name.split()) <= _MAX_LABEL_WORDS


def _read_block(block: Block, reading: _Reading) -> None:
    text, account, writer = block.text, reading.account, reading.writer
    if " ".join(text.split()).casefold() in _FURNITURE:
        block.mark(0, len(text), account)
        return
    begin = _read_row_start(block, reading)
    begin = _read_intro(block, begin, reading)
    noted = _DATE_NOTE.search(text)
    if noted and not reading.date_text:
        reading.date_text = noted[1]
    if begin >= len(text) or _WHOLE_NOTE.fullmatch(text, begin):
        return
    for name, start, end in _list_labels(block, begin, reading):
        _say(block, begin, start, reading)
        block.place(start, end, account)
        writer.open(name, start_seconds=reading.row_seconds)
        begin = end
    _say(block, begin, len(text), reading)
    if writer.label == "":
        writer.close()


def _read_row_start(block: Block, reading: _Reading) -> int:
    """Read the row's time, alone in its cell or glued to the words; a time never runs backwards."""
    stamp = _STAMP.fullmatch(block.text) or _GLUED_STAMP.match(block.text)
    if stamp is None:
        return 0
    seconds = read_seconds(stamp[1])
    if stamp.end() < len(block.text) and seconds < (reading.row_seconds or 0):
        return 0
    reading.row_seconds, reading.n_rows = seconds, reading.n_rows + 1
    block.place(0, stamp.end(), reading.account)
    return stamp.end()


def _read_intro(block: Block, begin: int, reading: _Reading) -> int:
    intro = _INTRO.match(block.text, begin)
    if intro is None or not intro[0].strip():
        return begin
    reading.date_text = reading.date_text or intro[1] or ""
    block.place(begin, intro.end(), reading.account)
    return intro.end()


def _list_labels(block: Block, begin: int, reading: _Reading) -> list[tuple[str, int, int]]:
    if reading.writer.label == "":
        return []
    found = [] if reading.are_inline else _read_element_label(block, reading.names)
    if not found:
        inline = _find_turns(block.text, reading)
        if not reading.are_inline:
            # In pages with labels of their own, a name and a colon inside a paragraph is speech.
            inline = [one for one in inline if not block.text[begin : one.start()].strip()]
        found = [(one[1], one.start(), one.end()) for one in inline]
    return [label for label in found if label[1] >= begin]


def _say(block: Block, start: int, end: int, reading: _Reading) -> None:
    if reading.writer.label is None or start >= end:
        return
    block.place(start, end, reading.account)
    text = " ".join(block.text[start:end].split())
    reading.writer.say(text, start_seconds=reading.row_seconds)


def _tell_kind(reading: _Reading) -> EpisodeKind:
    """Tell notes from speech without labels: notes come in timed rows, and too few words for the time."""
    n_words = sum(len(turn.text.split()) for turn in reading.writer.turns)
    minutes = (reading.row_seconds or 0) / 60
    is_thin = reading.n_rows >= 2 and n_words < _MAX_NOTES_WORDS_PER_MINUTE * minutes
    return "notes" if is_thin else "unlabelled"
