"""Render the report as Markdown: the same parts and figures as the page, tables in place of drawings.

Every text is escaped line by line, so that a transcript or an answer can neither mark up nor link anything.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from econchatr.report.blocks import Cell, Figure, Link, Table
from econchatr.report.material import ReportMaterial
from econchatr.report.outline import outline_page
from econchatr.report.plaintext import escape_markdown, quote_markdown


def render_markdown(material: ReportMaterial) -> str:
    """Give the text of `report.md`; the same material gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("econchatr.report", "templates"),
        # Not HTML: `finalize` escapes for Markdown instead, and each value passes through it.
        autoescape=False,
        finalize=_escape_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = _quote
    environment.filters["tabled"] = write_table
    text = environment.get_template("report.md.j2").render(page=outline_page(material), material=material)
    return text.rstrip("\n") + "\n"


def write_table(table: Table) -> Markup:
    """Give a table with its caption above and its note below, as Markdown."""
    lines = [f"**{escape_markdown(table.caption)}**", ""]
    lines.append(_write_row(tuple(column.title for column in table.columns)))
    lines.append("|" + "|".join(" ---: " if column.is_number else " --- " for column in table.columns) + "|")
    lines += [_write_row(row) for row in table.rows]
    if table.note:
        lines += ["", escape_markdown(table.note)]
    return Markup("\n".join(lines))


def _write_row(cells: tuple[Cell, ...]) -> str:
    return "| " + " | ".join(_write_cell(cell) for cell in cells) + " |"


def _write_cell(cell: Cell) -> str:
    if isinstance(cell, Figure):
        return escape_markdown(f"{cell.value} ({cell.context})" if cell.context else cell.value)
    if isinstance(cell, Link) and not cell.href.startswith("#"):
        return f"{escape_markdown(cell.text)} ({escape_markdown(cell.href)})"
    return escape_markdown(cell.text if isinstance(cell, Link) else cell)


def _quote(text: str) -> Markup:
    return Markup(quote_markdown(text))


def _escape_value(value: object) -> object:
    return value if isinstance(value, Markup) else escape_markdown(str(value))
