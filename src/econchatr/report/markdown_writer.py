"""Write a document as Markdown: the same blocks as the page, tables in place of drawings, nothing folded away.

Every text is escaped line by line, so that a transcript or an answer can neither mark up nor link anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from econchatr.display import escape_markdown, quote_markdown
from econchatr.report.page_blocks import (
    AnswerColumn,
    Block,
    Box,
    Cell,
    Chart,
    Commands,
    Document,
    Facts,
    FailedAnswer,
    Figure,
    Folded,
    Items,
    KeyFigures,
    Link,
    ModelAnswer,
    More,
    Paragraph,
    Part,
    Passage,
    QuestionCard,
    RealQuote,
    Section,
    Spoken,
    Statement,
    Table,
)


def write_markdown(document: Document) -> str:
    """Give the text of `report.md`; the same document gives the same bytes."""
    subtitle = document.subtitle[:1].lower() + document.subtitle[1:]
    label = escape_markdown(document.label)
    parts = [
        f"# {escape_markdown(document.title)}",
        f"**{label}**",
        escape_markdown(f"{document.kicker}: {subtitle}"),
        *(write_section(section) for section in document.sections),
        f"{label}.",
    ]
    return "\n\n".join(parts) + "\n"


def write_section(section: Section) -> str:
    """Give a section with its heading, which is of the second level."""
    return "\n\n".join([f"## {escape_markdown(section.title)}", *_write_each(section.blocks, 3)])


def write_table(table: Table) -> str:
    """Give a table with its caption above and its note below."""
    lines = [f"**{escape_markdown(table.caption)}**", ""]
    lines.append(_write_row(tuple(column.title for column in table.columns)))
    lines.append("|" + "|".join(" ---: " if column.is_number else " --- " for column in table.columns) + "|")
    lines += [_write_row(row) for row in table.rows]
    if table.note:
        lines += ["", escape_markdown(table.note)]
    return "\n".join(lines)


def _write_row(cells: tuple[Cell, ...]) -> str:
    return "| " + " | ".join(_write_cell(cell) for cell in cells) + " |"


def _write_cell(cell: Cell) -> str:
    if isinstance(cell, Figure):
        return escape_markdown(f"{cell.value} ({cell.context})" if cell.context else cell.value)
    if isinstance(cell, Link) and not cell.href.startswith("#"):
        return f"{escape_markdown(cell.text)} ({escape_markdown(cell.href)})"
    return escape_markdown(cell.text if isinstance(cell, Link) else cell)


# --- one function for each kind of block ------------------------------------------------------------------------------


def _write_each(blocks: Sequence[Block], level: int) -> list[str]:
    return [text for block in blocks if (text := write_block(block, level))]


def _join(blocks: Sequence[Block], level: int) -> str:
    return "\n\n".join(_write_each(blocks, level))


@singledispatch
def write_block(block: object, level: int) -> str:
    """Give a block; `level` is that of the headings in it."""
    raise TypeError(f"Markdown has no form for a block of kind {type(block).__name__}.")


@write_block.register
def _(block: Paragraph, level: int) -> str:
    return escape_markdown(block.text)


@write_block.register
def _(block: Statement, level: int) -> str:
    return f"**{escape_markdown(block.text)}**"


@write_block.register
def _(block: Items, level: int) -> str:
    return "\n".join(f"- {escape_markdown(one)}" for one in block.items)


@write_block.register
def _(block: Facts, level: int) -> str:
    return "\n".join(f"- {escape_markdown(name)}: {escape_markdown(text)}" for name, text in block.entries)


@write_block.register
def _(block: KeyFigures, level: int) -> str:
    told = (f"{one.title}: {one.value}{f' ({one.context})' if one.context else ''}" for one in block.figures)
    return "\n".join(f"- {escape_markdown(one)}" for one in told)


@write_block.register
def _(block: Commands, level: int) -> str:
    return "\n".join(f"- {escape_markdown(line)}" for line in block.lines)


@write_block.register
def _(block: Table, level: int) -> str:
    return write_table(block)


@write_block.register
def _(block: Chart, level: int) -> str:
    return write_table(block.table) + (f"\n\n{escape_markdown(block.note)}" if block.note else "")


@write_block.register
def _(block: Passage, level: int) -> str:
    source = block.source if isinstance(block.source, str) else _write_cell(block.source)
    speaker = f"{block.speaker[0]} ({block.speaker[1]})" if block.speaker else ""
    place = ", ".join(part for part in (speaker, source, block.facts) if part)
    told = f"{block.remark}; {place}" if block.remark else place
    parts = [
        _write_spoken(block.previous),
        quote_markdown("".join(stretch.text for stretch in block.stretches)),
        _write_spoken(block.following),
        escape_markdown(f"{told}. Why: {block.why}" if block.why else told),
    ]
    return "\n\n".join(part for part in parts if part)


def _write_spoken(spoken: Spoken | None) -> str:
    return escape_markdown(f"{spoken.speaker}: {spoken.text}") if spoken else ""


@write_block.register
def _(block: ModelAnswer, level: int) -> str:
    parts = [quote_markdown("".join(stretch.text for stretch in block.stretches))]
    parts += [escape_markdown(told) for told in (block.mark, block.copied) if told]
    return "\n\n".join([*parts, f"*{escape_markdown(block.label)}*, {escape_markdown(block.facts)}"])


@write_block.register
def _(block: FailedAnswer, level: int) -> str:
    return f"**No answer.** Error: {escape_markdown(block.failure)}\n\n{escape_markdown(block.facts)}"


@write_block.register
def _(block: RealQuote, level: int) -> str:
    if block.quote:
        return escape_markdown(f"Nearest thing {block.host} really said: {block.quote} ({block.source})")
    return escape_markdown(f"Nothing close to it among what {block.host} really said ({block.source}).")


@write_block.register
def _(block: Part, level: int) -> str:
    return f"{_head(block.title, level)}\n\n{_join(block.blocks, level + 1)}"


@write_block.register
def _(block: Box, level: int) -> str:
    return _join(block.blocks, level)


@write_block.register
def _(block: Folded, level: int) -> str:
    # A table has its own caption.
    is_table = len(block.blocks) == 1 and isinstance(block.blocks[0], Table)
    inside = _join(block.blocks, level)
    return inside if is_table else f"{escape_markdown(block.summary)}:\n\n{inside}"


@write_block.register
def _(block: More, level: int) -> str:
    return _join(block.blocks, level)


@write_block.register
def _(block: AnswerColumn, level: int) -> str:
    return f"{_head(block.title, level)}\n\n{_join(block.blocks, level + 1)}"


@write_block.register
def _(block: QuestionCard, level: int) -> str:
    expected = f" A right answer holds: {escape_markdown(block.expected)}" if block.expected else ""
    head = f"{'#' * level} {block.number}. {escape_markdown(block.text)}"
    return f"{head}\n\nKind: {escape_markdown(block.kind)}.{expected}\n\n{_join(block.blocks, level + 1)}"


def _head(title: str, level: int) -> str:
    return f"{'#' * level} {escape_markdown(title)}"
