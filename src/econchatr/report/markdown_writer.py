"""Write a document as Markdown: the same blocks as the page, tables in place of drawings, nothing folded away.

Every text is escaped line by line, so that a transcript or an answer can neither mark up nor link anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    KeyFigure,
    KeyFigures,
    Link,
    ModelAnswer,
    More,
    Paragraph,
    Part,
    Passage,
    Picture,
    QuestionCard,
    RealQuote,
    Section,
    Statement,
    Stretch,
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
    return "\n\n".join(part for part in (_head(section.title, 2), _join(section.blocks, 3)) if part)


def write_table(table: Table) -> str:
    """Give a table with its caption above and its note below."""
    lines = [
        f"**{escape_markdown(table.caption)}**",
        "",
        _write_row(column.title for column in table.columns),
        "|" + "|".join(" ---: " if column.is_number else " --- " for column in table.columns) + "|",
        *(_write_row(row) for row in table.rows),
        *(["", escape_markdown(table.note)] if table.note else []),
    ]
    return "\n".join(lines)


def _write_row(cells: Iterable[Cell]) -> str:
    return "| " + " | ".join(_write_cell(cell) for cell in cells) + " |"


def _write_cell(cell: Cell) -> str:
    match cell:
        case Figure():
            return escape_markdown(_show_figure(cell))
        case Link():
            text = escape_markdown(cell.text)
            return text if cell.href.startswith("#") else f"{text} ({escape_markdown(cell.href)})"
    return escape_markdown(cell)


def _write_block(block: Block, level: int) -> str:  # noqa: C901 - one case for each kind of block
    """Give a block; `level` is that of the headings in it."""
    match block:
        case Paragraph():
            return escape_markdown(block.text)
        case Statement():
            return f"**{escape_markdown(block.text)}**"
        case Items():
            return _list(block.items)
        case Picture():
            return f"![{escape_markdown(block.description)}]({block.name})"
        case Commands():
            return _list(block.lines)
        case Facts():
            return "\n".join(f"- {escape_markdown(name)}: {escape_markdown(text)}" for name, text in block.entries)
        case KeyFigures():
            return _list(
                f"{one.title}: {one.value}{f' ({one.context})' if one.context else ''}" for one in block.figures
            )
        case Table():
            return write_table(block)
        case Chart():
            return write_table(block.table) + (f"\n\n{escape_markdown(block.note)}" if block.note else "")
        case Passage():
            return _write_passage(block)
        case ModelAnswer():
            mark = " ".join(text for text in (*block.verdict, block.mark) if text) if block.mark else ""
            told = [escape_markdown(text) for text in (mark, block.copied) if text]
            facts = ", ".join(filter(None, (f"*{escape_markdown(block.label)}*", escape_markdown(block.facts))))
            return "\n\n".join([_quote(block.stretches), *told, facts])
        case FailedAnswer():
            return f"**No answer.** Error: {escape_markdown(block.failure)}\n\n{escape_markdown(block.facts)}"
        case RealQuote():
            said = f"Nearest thing {block.host} really said: {block.quote} ({block.source})"
            nothing = f"Nothing close to it among what {block.host} really said ({block.source})."
            return escape_markdown(said if block.quote else nothing)
        case Part() | AnswerColumn():
            return f"{_head(block.title, level)}\n\n{_join(block.blocks, level + 1)}"
        case Box() | More():
            return _join(block.blocks, level)
        case Folded(blocks=(Table(),)):
            return _join(block.blocks, level)  # A table has its own caption.
        case Folded():
            return f"{escape_markdown(block.summary)}:\n\n{_join(block.blocks, level)}"
        case QuestionCard():
            return _write_question(block, level)


def _write_passage(block: Passage) -> str:
    source = block.source if isinstance(block.source, str) else _write_cell(block.source)
    speaker = f"{block.speaker[0]} ({block.speaker[1]})" if block.speaker else ""
    place = ", ".join(part for part in (speaker, source, block.facts) if part)
    told = f"{block.remark}; {place}" if block.remark else place
    before, after = (
        escape_markdown(f"{spoken.speaker}: {spoken.text}") if spoken else ""
        for spoken in (block.previous, block.following)
    )
    why = escape_markdown(f"{told}. Why: {block.why}" if block.why else told)
    return "\n\n".join(part for part in (before, _quote(block.stretches), after, why) if part)


def _write_question(block: QuestionCard, level: int) -> str:
    expected = f" A right answer holds: {escape_markdown(block.expected)}" if block.expected else ""
    head = f"{'#' * level} {block.number}. {escape_markdown(block.text)}"
    return f"{head}\n\nKind: {escape_markdown(block.kind)}.{expected}\n\n{_join(block.blocks, level + 1)}"


def _show_figure(figure: Figure | KeyFigure) -> str:
    return f"{figure.value} ({figure.context})" if figure.context else figure.value


def _quote(stretches: Sequence[Stretch]) -> str:
    return quote_markdown("".join(stretch.text for stretch in stretches))


def _list(texts: Iterable[str]) -> str:
    return "\n".join(f"- {escape_markdown(text)}" for text in texts)


def _join(blocks: Sequence[Block], level: int) -> str:
    return "\n\n".join(text for block in blocks if (text := _write_block(block, level)))


def _head(title: str, level: int) -> str:
    return f"{'#' * level} {escape_markdown(title)}"
