"""What a page is built from: sections of blocks, already worded, so that HTML and Markdown show the same.

A new kind of block needs three things: its class here, its macro in `templates/blocks.html.j2`, and its case in
`markdown_writer.py`. A new part of the report needs none of them: the module of its section makes it of these blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from markupsafe import Markup

from econchatr.report.counts import Neighbour
from econchatr.report.svg import Drawing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column:
    """One column's heading, and whether its cells are numbers (set right, with even digits)."""

    title: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads out of the page, or to a place on it (`#...`), when clicked, and loads nothing."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A cell that shows one measured value, and below it, smaller, what it must be read with."""

    value: str
    context: str = ""
    is_greyed: bool = False
    """Not to be believed; the context says why."""


Cell = str | Link | Figure


@dataclass(frozen=True, slots=True)
class Table:
    """A captioned table; the first cell of each row is the row's heading."""

    key: str
    """Unique on the page: element ids are made from it."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    anchors: tuple[str, ...] = ()
    """Per row, the id that a link leads to; empty: no row has one."""
    is_stacked: bool = False
    """On a telephone each row is a list of its cells, with the columns' titles."""


# --- figures ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure of a first screen: what it is, what it came to, and what to hold it against."""

    title: str
    value: str
    context: str


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """What one mark of a chart stands for."""

    mark: str
    """The style class of the mark, see `report.css`."""
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its title, and the table it was drawn from."""

    key: str
    """Unique on the page: element ids are made from it."""
    title: str
    description: str
    """What the drawing shows, in words, for those who do not see it."""
    drawing: Drawing
    table: Table
    legend: tuple[LegendEntry, ...] = ()
    note: str = ""


def name_columns(*titles: str) -> tuple[Column, ...]:
    """Make columns from their titles; a `#` before a title marks a column of numbers."""
    return tuple(Column(title.removeprefix("#"), title.startswith("#")) for title in titles)


def tabulate(
    key: str,
    caption: str,
    rows: Iterable[T],
    columns: Mapping[str, Callable[[T], Cell]],
    *,
    note: str = "",
    anchors: tuple[str, ...] = (),
) -> Table:
    """Make a table with one row for each of `rows`.

    Args:
        columns: A column's title, as `name_columns` takes it -> what the column shows of a row.
        note: Stands below the table.
        anchors: As in `Table`.
    """
    cells = tuple(tuple(show(row) for show in columns.values()) for row in rows)
    return Table(key, caption, name_columns(*columns), cells, note, anchors)


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing without figures: on the page itself, for Markdown in a file beside it."""

    name: str
    """Of the file."""
    description: str
    drawing: Markup
    """A whole `<svg>`."""


# --- words ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; its style is a class of `report.css`: lede, note, absent, warning ..."""

    text: str
    style: str = ""
    of_page: str = ""
    """What more is said on the page, of how things look there; Markdown leaves it out."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of the verdict, in large letters."""

    text: str
    is_greyed: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    items: tuple[str, ...]
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """A list of names, each with what is said of it."""

    entries: tuple[tuple[str, str], ...]
    style: str = "facts-list"


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The figures of a first screen."""

    figures: tuple[KeyFigure, ...]


@dataclass(frozen=True, slots=True)
class Commands:
    """What to type, one command a line."""

    lines: tuple[str, ...]


_SHOWN_WORDS = 60
_FEW_WORDS = 15
"""So many words of a long answer are seen at once; a rest of fewer is not folded away."""

# --- what was said ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of somebody's words, marked (copied or flagged) or not."""

    text: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """Words of the transcripts or of a file, which no model made."""

    stretches: tuple[Stretch, ...]
    source: Cell
    """Where they stand: a title, with a link where the page lists it."""
    facts: str = ""
    """More about the place: date, time."""
    key: str = ""
    """The id that links lead to; empty: none leads here."""
    is_file: bool = False
    """As it stands in a file, not as somebody said it."""
    speaker: tuple[str, str] | None = None
    """Name and role; `None`: not told."""
    previous: Neighbour | None = None
    following: Neighbour | None = None
    why: str = ""
    """The reason for which it is shown."""
    remark: str = ""
    """What is said of it before its source."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """An answer that a model made; it never goes without its label."""

    stretches: tuple[Stretch, ...]
    label: str
    facts: str
    """Sample number, seed and size."""
    mark: str = ""
    """How it was marked; empty: no rule marks it."""
    copied: str = ""
    """What it copies; empty: no run of eight words."""
    worth: float | None = None
    """1, a half or 0, by its question's own rule; `None`: unmarked."""

    @property
    def verdict(self) -> tuple[str, str]:
        """The sign and the words for its worth; empty: unmarked."""
        known = {1.0: ("\N{CHECK MARK}", "Right by rule."), 0.0: ("\N{BALLOT X}", "Wrong by rule.")}
        half = ("\N{VULGAR FRACTION ONE HALF}", "Half right by rule.")
        return ("", "") if self.worth is None else known.get(self.worth, half)

    def split_long(self) -> tuple[tuple[Stretch, ...], tuple[Stretch, ...]]:
        """Give the first sentences, sixty words at most, and the rest; a rest of a few words stays with them."""
        said = "".join(one.text for one in self.stretches).split()
        if len(said) <= _SHOWN_WORDS + _FEW_WORDS:
            return self.stretches, ()
        ends = [
            place for place, word in enumerate(said[:_SHOWN_WORDS], 1) if word.rstrip("\"'”’)")[-1:] in (".", "!", "?")
        ]
        left = ends[-1] if ends and ends[-1] > _SHOWN_WORDS / 2 else _SHOWN_WORDS
        shown, rest = list[Stretch](), list[Stretch]()
        for one in self.stretches:
            words = list(re.finditer(r"\S+", one.text))
            cut = words[left - 1].end() if left and len(words) > left else len(one.text) if left else 0
            shown += [replace(one, text=one.text[:cut])] if cut else []
            rest += [replace(one, text=one.text[cut:])] if cut < len(one.text) else []
            left = max(0, left - len(words))
        return tuple(shown), tuple(rest)


@dataclass(frozen=True, slots=True)
class FailedAnswer:
    """An answer that was not given: never shown as speech."""

    failure: str
    facts: str


@dataclass(frozen=True, slots=True)
class RealQuote:
    """The nearest thing that the host really said to an answer."""

    host: str
    quote: str
    """Empty: nothing is close."""
    source: str
    """Episode, date and likeness."""


# --- what holds other blocks ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks under a heading of their own."""

    title: str
    blocks: tuple[Block, ...]
    key: str = ""
    """The id of the heading; with one, the part is a region of its own for a screen reader."""
    style: str = "after"


@dataclass(frozen=True, slots=True)
class Box:
    """Blocks that are laid out together: side by side, in columns, apart from the others."""

    style: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks that a click unfolds. Markdown shows them unfolded."""

    summary: str
    blocks: tuple[Block, ...]
    is_printed: bool = False
    """Unfolded on paper too."""


@dataclass(frozen=True, slots=True)
class More:
    """The rest of a list whose beginning stands before it; Markdown goes on without a word."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """The answers of one form of the model to one question."""

    variant: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class QuestionCard:
    """A question of the exam, with what was answered to it."""

    key: str
    number: int
    n_questions: int
    kind: str
    text: str
    expected: str
    """The right answer; empty: there is none."""
    blocks: tuple[Block, ...]


Block = (
    Paragraph
    | Statement
    | Items
    | Facts
    | KeyFigures
    | Table
    | Chart
    | Picture
    | Commands
    | Passage
    | ModelAnswer
    | FailedAnswer
    | RealQuote
    | Part
    | Box
    | Folded
    | More
    | AnswerColumn
    | QuestionCard
)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page."""

    key: str
    """The id that the menu leads to, and a style class."""
    title: str
    blocks: tuple[Block, ...]
    menu: str = ""
    """What the menu calls it; empty: the menu leaves it out, and its title is read aloud but not seen."""
    is_folded: bool = False
    """A click or a link to it unfolds it; on paper and in Markdown it is unfolded."""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole page: what stands above its sections and below them, and the sections."""

    title: str
    label: str
    """Whose imitation it is; in sight all the time."""
    kicker: str
    subtitle: str
    version: str
    """Of EconChatR."""
    made_on: str
    """A date in words; empty: not told."""
    sections: tuple[Section, ...]
    description: str = ""
    """For search engines and those who link to it; empty: it is not for them, and they are told so."""
    published: str = ""
    """The same date as `made_on`, as a machine reads it."""


def keep(*blocks: Block | None) -> tuple[Block, ...]:
    """Give the blocks that are there, without a `None` and without a box that is empty."""
    return tuple(block for block in blocks if block is not None and not (isinstance(block, Box) and not block.blocks))


def say_absent(text: str) -> Paragraph:
    """Say in place of a block that there is nothing to show."""
    return Paragraph(text, "absent")


def fold_table(table: Table | None) -> Folded | None:
    """Fold a table away under its own caption; `None`: there is none."""
    return Folded(table.caption, (table,), is_printed=True) if table else None
