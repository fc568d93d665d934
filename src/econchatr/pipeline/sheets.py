"""A table for a terminal: headings, rows, notes; all of it text.

This module does not know what stands in it, nor whether anybody looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Sheet(NamedTuple):
    """A captioned table; a `#` before a heading marks a column of numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def lay_out_lines(sheet: Sheet) -> Iterator[str]:
    """The table as plain lines, for pipes and files: columns as wide as their widest cell."""
    yield sheet.title
    table = [tuple(column.removeprefix("#") for column in sheet.columns), *sheet.rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(sheet.columns))]
    for row in table:
        cells = (
            cell.rjust(width) if column.startswith("#") else cell.ljust(width)
            for cell, width, column in zip(row, widths, sheet.columns, strict=True)
        )
        yield "  ".join(cells).rstrip()
    yield from sheet.notes
