"""What a page is built from: tables and charts, already worded, so that HTML and Markdown show the same figures.

Knows nothing of records and nothing of markup but that a chart is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


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
    """A drawing with its title, its description in words, and the table it was drawn from."""

    key: str
    title: str
    svg: Markup
    table: Table
    legend: tuple[LegendEntry, ...] = ()
    note: str = ""


def name_columns(*titles: str) -> tuple[Column, ...]:
    """Make columns from their titles; a `#` before a title marks a column of numbers."""
    return tuple(Column(title.removeprefix("#"), title.startswith("#")) for title in titles)
