"""Episodes as EconTalk's site shows them, and what was said in each: the truth that a page's turns are held to.

The markup varies as the documented pages do. The words are those of real transcripts where these lie beside the
project, put into other mouths and other order when the tests run; else they are made up.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from econchatr.records import DatePrecision, Episode, EpisodeKind, Turn
from tests.helpers.real_transcripts import list_changelog

SENTENCES: Final = (
    "well the tide turns and nobody counts it twice so we ask again what a ferry costs when fog comes down over both "
    "banks of that slow brown river where my uncle kept bees and sold maps to people who were never lost"
)
RECORDED: Final[tuple[tuple[str, date | None, DatePrecision], ...]] = (
    ("December 20th, 2022", date(2022, 12, 20), "day"),
    ("Dec. 20, 2022", date(2022, 12, 20), "day"),
    ("September 5, 2023", date(2023, 9, 5), "day"),
    ("January 11, 2012", date(2012, 1, 11), "day"),
    ("August 2013", date(2013, 8, 1), "month"),
    ("Summer 2021", date(2021, 7, 1), "season"),
    ("June 21st century, 2019", date(2019, 6, 21), "day"),
    ("March 1 3, 2014", date(2014, 3, 13), "day"),
    ("Sept. 5, 2023", date(2023, 9, 5), "day"),
    ("March 31 st, 2015", date(2015, 3, 31), "day"),
    ("March 3rd and 4th, 2015", date(2015, 3, 3), "day"),
    ("January 3, 2015, postscript recorded March 9, 2015", date(2015, 1, 3), "day"),
    ("20 December 2022", date(2022, 12, 20), "day"),
    ("", None, "none"),
)
"""How recording dates are typed on the pages, what each means, and how exactly."""

HOST: Final = "Russ Roberts"
NOBODY_NAMED: Final = "Guest"
"""The guest of an episode whose title names nobody."""

_LABELLED_FROM: Final = date(2012, 1, 23)
_ELEMENTS_FROM: Final = date(2016, 8, 29)
_BOLD: Final = re.compile(r"^[ \t>#-]*\d?\*{2,3}[^*\n]+?(?::[ \t]*\*\*|\*\*[ \t]?:)", re.MULTILINE)
_PARAGRAPHS_A_ROW: Final = 12
_PARAGRAPHS_MADE_UP: Final = 2 * _PARAGRAPHS_A_ROW + 1
"""More than one row: notes are told from speech by how few words stand between the times of two rows."""
_NOTES_WORDS: Final = 3000
_WORDS_PER_MINUTE: Final = 160
_SITE_WORDS: Final = "Explore audio transcript, further reading that will help you delve deeper."


class Aired(NamedTuple):
    """One episode as it was put on the site."""

    kind: EpisodeKind
    said: tuple[tuple[str, str], ...]
    """Speaker and text, turn by turn, no speaker twice in a row; nobody's where the page has no labels."""
    published: date | None
    precision: DatePrecision
    page: bytes


class _Style(NamedTuple):
    """How one page is marked up."""

    bold: str
    head: str
    box: str
    table: tuple[str, str]
    is_colon_inside: bool
    has_paragraphs: bool
    random: Random


def air_episode(title: str, published: date, random: Random, *, is_real_size: bool) -> Aired:
    """Put words into the mouths of the host and the guests of a title, on a page of its time."""
    paragraphs = _take_paragraphs(random) if is_real_size else [_make_up(random) for _ in range(_PARAGRAPHS_MADE_UP)]
    recorded, day, precision = random.choice(RECORDED)
    style = _choose_style(random)
    intro = "Intro. " * random.randrange(2) + (f"[Recording date: {recorded}.] " if recorded else "")
    if published < _LABELLED_FROM:
        kind: EpisodeKind = random.choice(("notes", "unlabelled")) if is_real_size else "notes"
        said = [("", text) for text in (_shorten(paragraphs) if kind == "notes" else paragraphs)]
        cells = _fill_rows([_dress(text, style) for _, text in said], " ")
    else:
        is_inline = published < _ELEMENTS_FROM
        # In running text, speech ends with a stop, or with the dash that marks where it broke off.
        paragraphs = [_break_off(text) for text in paragraphs] if is_inline else paragraphs
        kind, said = "verbatim", _cast(paragraphs, _name_guests(title), random)
        cells = _write_inline(said, style) if is_inline else _write_elements(said, style)
    n_words = sum(len(text.split()) for _, text in said)
    n_minutes = 60 if kind == "notes" else n_words / _WORDS_PER_MINUTE
    page = _write_page(title, [intro + cells[0], *cells[1:]], style, n_minutes=n_minutes)
    return Aired(kind, _join(said), day, precision, page.encode())


def tell_difference(aired: Aired, episode: Episode, turns: Iterable[Turn]) -> str:
    """Tell in which turn what was parsed differs from what was said; empty if every turn and the date are there."""
    found = [(turn.speaker, _squash(turn.text)) for turn in turns]
    said = [(speaker, _squash(text)) for speaker, text in aired.said]
    if aired.kind != "verbatim":
        found, said = ([("", "".join(text for _, text in one))] for one in (found, said))
    if (episode.kind, episode.published, episode.precision) != (aired.kind, aired.published, aired.precision):
        return f"{episode.kind} of {episode.published} ({episode.precision}), not {aired.kind} of {aired.published}"
    if episode.n_unplaced_chars:
        return f"unplaced: {episode.unplaced}"
    different = (n for n, (one, other) in enumerate(zip(found, said, strict=False)) if one != other)
    place = next(different, min(len(found), len(said)))
    return "" if found == said else f"{len(found)} turns, not {len(said)}; first in turn {place}"


def write_bare_page(title: str) -> bytes:
    """Write a page of the site that has no transcript."""
    head = f"<head><title>{html.escape(title)}</title></head>"
    return f"<!DOCTYPE html><html>{head}<body><p>Extra.</p></body></html>".encode()


def _squash(text: str) -> str:
    return "".join(text.split())


# --- words ------------------------------------------------------------------------------------------------------------


def _make_up(random: Random) -> str:
    return " ".join(random.choices(SENTENCES.split(), k=random.randint(20, 60))) + "."


def _take_paragraphs(random: Random) -> list[str]:
    files = list_changelog()
    if not files:
        return [_make_up(random) for _ in range(200)]
    paragraphs = list(_read_paragraphs(random.choice(files)))
    random.shuffle(paragraphs)
    return paragraphs


@lru_cache(maxsize=64)
def _read_paragraphs(path: Path) -> tuple[str, ...]:
    """Get a transcript's paragraphs without labels, marks and escapes; those that are only a note are left out."""
    lines = _BOLD.sub("", path.read_text(encoding="utf-8")).splitlines()
    lines = [line for line in lines if not re.match(r"[*\s]*Break:", line)]
    plain = (" ".join(re.sub(r"[*\\]|^[ \t>#-]+", "", line).split()) for line in lines)
    return tuple(line for line in plain if re.search(r"\w", re.sub(r"\[[^\[\]]*\]", "", line)))


def _break_off(text: str) -> str:
    return text if text[-1] in '.?!"”)]…' else f"{text}--"


def _shorten(paragraphs: list[str]) -> list[str]:
    """Keep as few words as notes have. A show's single paragraph may be as long as a whole transcript."""
    n_words, kept = 0, list[str]()
    for text in paragraphs:
        if n_words < _NOTES_WORDS:
            kept.append(" ".join(text.split()[: _NOTES_WORDS - n_words]))
            n_words += len(kept[-1].split())
    return kept


def _name_guests(title: str) -> list[str]:
    """Name the guests as the page's labels do; where the title names none, nobody can."""
    before = title.partition(" on ")[0] if " on " in title else ""
    names = re.split(r",? and |, |&", re.sub(r"[()]", " ", before.rpartition(": ")[2]))
    return [" ".join(name.split()) for name in names if name.strip() and HOST not in name] or [NOBODY_NAMED]


def _cast(paragraphs: list[str], guests: list[str], random: Random) -> list[tuple[str, str]]:
    """Give the paragraphs to the host and the guests in turn, one to three each."""
    said, speaker = list[tuple[str, str]](), HOST
    waiting = list(reversed(paragraphs))
    while waiting:
        said += [(speaker, waiting.pop()) for _ in range(min(len(waiting), random.choice((1, 1, 2, 3))))]
        speaker = HOST if speaker != HOST else random.choice(guests)
    return said


def _join(said: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    turns = list[tuple[str, str]]()
    for speaker, text in said:
        if turns and turns[-1][0] == speaker:
            turns[-1] = (speaker, f"{turns[-1][1]} {text}")
        else:
            turns.append((speaker, text))
    return tuple(turns)


# --- markup -----------------------------------------------------------------------------------------------------------


def _choose_style(random: Random) -> _Style:
    return _Style(
        bold=random.choice(("b", "strong", "span class='who'", "em")),
        head=random.choice(("th", "td")),
        box=random.choice(('div class="audio-highlight"', "div class='wrap audio-highlight'", 'div id="unique"')),
        table=random.choice((("<table><tbody>", "</tbody></table>"), ('<table border="1" width="100%">', "</table>"))),
        is_colon_inside=random.random() < 0.8,
        has_paragraphs=random.random() < 0.7,
        random=random,
    )


def _dress(text: str, style: _Style) -> str:
    """Escape a paragraph, and put a link or emphasis on a word of some."""
    words = [html.escape(word, quote=style.random.random() < 0.5) for word in text.split()]
    if style.random.random() < 0.2:
        place = style.random.randrange(len(words))
        tag = style.random.choice(("i", "em", "a href='/x'"))
        words[place] = f"<{tag}>{words[place]}</{tag.split()[0]}>"
    return " ".join(words)


def _write_elements(said: list[tuple[str, str]], style: _Style) -> list[str]:
    """Labels in elements of their own, repeated where a row begins."""
    pieces, before = list[str](), ""
    for n, (speaker, text) in enumerate(said):
        is_named = speaker != before or n % _PARAGRAPHS_A_ROW == 0
        pieces.append((_write_label(speaker, style) if is_named else "") + _dress(text, style))
        before = speaker
    if style.has_paragraphs:
        return _fill_rows([f"<p>{piece}</p>" for piece in pieces], "")
    return _fill_rows(pieces, style.random.choice(("<br>", "<br /><br />")))


def _write_label(speaker: str, style: _Style) -> str:
    name, closing = html.escape(speaker), style.bold.split()[0]
    if style.is_colon_inside:
        return f"<{style.bold}>{name}:</{closing}> "
    return f"<{style.bold}>{name}</{closing}>: "


def _write_inline(said: list[tuple[str, str]], style: _Style) -> list[str]:
    """Labels in running text: short ones, but for episodes with several guests; repeated where a row begins."""
    guests = {speaker for speaker, _ in said} - {HOST}
    pieces, before = list[str](), ""
    for n, (speaker, text) in enumerate(said):
        label = style.random.choice(("Russ", "Russ", "Roberts", HOST)) if speaker == HOST else speaker
        label = "Guest" if speaker in guests and len(guests) == 1 else label
        is_named = speaker != before or n % _PARAGRAPHS_A_ROW == 0
        pieces.append((f"{html.escape(label)}: " if is_named else "") + _dress(text, style))
        before = speaker
    return _fill_rows(pieces, " ")


def _fill_rows(pieces: list[str], between: str) -> list[str]:
    return [
        between.join(pieces[first : first + _PARAGRAPHS_A_ROW]) for first in range(0, len(pieces), _PARAGRAPHS_A_ROW)
    ]


def _write_page(title: str, cells: list[str], style: _Style, *, n_minutes: float) -> str:
    stamps = [0.6, *(0.6 + n_minutes * n / len(cells) for n in range(1, len(cells)))]
    rows = "".join(
        f"<tr><td>{_write_stamp(minutes)}</td><td>{cell}</td></tr>" for minutes, cell in zip(stamps, cells, strict=True)
    )
    heads = f"<tr><{style.head}>Time</{style.head}><{style.head}>Podcast Episode Highlights</{style.head}></tr>"
    begin, end = style.table
    return (
        f"<!DOCTYPE html><html><head><title>{html.escape(title)} - Econlib</title></head><body>"
        f"<p>{_make_up(style.random)}</p><p>{_SITE_WORDS}</p><h3>AUDIO TRANSCRIPT</h3>"
        f"<{style.box}><a>Hide Highlights</a>{begin}{heads}{rows}{end}</div>"
        f"<h3>READER COMMENTS</h3><p>A Reader<br>May 1 2030 at 12:40pm<br><b>{HOST}:</b> {_make_up(style.random)}</p>"
        "</body></html>"
    )


def _write_stamp(minutes: float) -> str:
    seconds = int(minutes * 60)
    hours, rest = divmod(seconds, 3600)
    return f"({hours}:{rest // 60:02}:{rest % 60:02})" if hours else f"{seconds // 60}:{seconds % 60:02}"
