"""What a section holds stands in both forms of the report, HTML and Markdown, and in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, get_args

import pytest
from markupsafe import Markup

from econchatr.display import escape_markdown
from econchatr.report import ReportMaterial
from econchatr.report.markdown_writer import write_markdown, write_section
from econchatr.report.page_blocks import (
    Block,
    Box,
    Document,
    Facts,
    Items,
    KeyFigure,
    Paragraph,
    Part,
    Section,
    Statement,
    Stretch,
    Table,
    keep,
    name_columns,
)
from econchatr.report.pages import lay_out_report, write_html
from econchatr.report.svg import Drawing
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import make_proved_material
from tests.helpers.report_round_material import make_round
from tests.unit.report.test_report_page import make_bare_material

MATERIALS = {"proved": make_proved_material, "round": make_round, "bare": make_bare_material}


def list_words(block: Block) -> Iterator[str]:
    """Give the sentences, names and captions in a block and in the blocks inside it."""
    match block:
        case Paragraph(text=text) | Statement(text=text) | Table(caption=text):
            yield text
        case Items(items=items):
            yield from items
        case Facts(entries=entries):
            yield from (text for entry in entries for text in entry)
    for inner in getattr(block, "blocks", ()):
        yield from list_words(inner)


def make_document(*blocks: Block) -> Document:
    section = Section("one", "One", blocks, menu="One")
    return Document("A show", "AI imitation", "A report", "What it says.", "0", "", (section,))


@pytest.mark.parametrize("name", MATERIALS)
def test_every_sentence_of_the_page_stands_in_markdown_in_the_same_order(name: str) -> None:
    material: ReportMaterial = MATERIALS[name]()
    document = lay_out_report(material)
    page, text = PageReader(write_html(document)).text, write_markdown(document)
    at_page = at_text = 0
    for section in document.sections:
        for words in (section.title, *(one for block in section.blocks for one in list_words(block))):
            at_page, at_text = page.find(words, at_page), text.find(escape_markdown(words), at_text)
            assert at_page >= 0, words
            assert at_text >= 0, words


def make_block(kind: type[Any]) -> Block:
    """Give a block of a kind with `words` in each of its texts."""
    values = {"str": "words", "int": 1, "Cell": "words", "Drawing": Drawing(Markup("<g/>"), 10)}
    values |= {"tuple[str, ...]": ("words",), "tuple[tuple[str, str], ...]": (("words", "words"),)}
    values |= {"tuple[Block, ...]": (Paragraph("words"),), "tuple[KeyFigure, ...]": (KeyFigure("words", "1", ""),)}
    values |= {"tuple[Stretch, ...]": (Stretch("words"),), "tuple[Column, ...]": name_columns("words")}
    values |= {"tuple[tuple[Cell, ...], ...]": (("1",),), "Table": Table("k", "words", name_columns("a"), (("1",),))}
    values |= {"Markup": Markup("<svg><text>words</text></svg>")}
    needed = [field for field in fields(kind) if field.default is MISSING]
    block: Block = kind(**{field.name: values[str(field.type)] for field in needed})
    return block


@pytest.mark.parametrize("kind", get_args(Block))
def test_every_kind_of_block_has_a_form_on_the_page_and_in_markdown(kind: type[Any]) -> None:
    document = make_document(make_block(kind))
    assert PageReader(write_html(document)).text.count("words") > 0
    assert "words" in write_markdown(document)


def test_a_heading_inside_a_part_is_a_level_lower_in_both_forms() -> None:
    document = make_document(Part("Outer", (Part("Inner", (Paragraph("Words."),)),)))
    assert re.findall(r"<h(\d)[^>]*>(\w+)</h\d>", write_html(document))[1:] == [("3", "Outer"), ("4", "Inner")]
    assert "### Outer\n\n#### Inner\n\nWords." in write_markdown(document)


def test_what_is_said_of_the_look_of_the_page_is_left_out_of_markdown() -> None:
    document = make_document(Paragraph("Said.", of_page="Underlined."))
    assert "Said. Underlined." in PageReader(write_html(document)).text
    assert "Underlined" not in write_markdown(document)


def test_the_menu_leads_to_every_section_that_has_a_name_in_it() -> None:
    document = lay_out_report(make_round())
    links = [link for link in PageReader(write_html(document)).links if link.startswith("#")]
    named = [f"#{section.key}" for section in document.sections if section.menu]
    assert links[1 : len(named) + 1] == named  # the first leads past the menu
    assert len(named) == 12


def test_a_block_that_is_not_there_and_an_empty_box_leave_no_trace() -> None:
    table = Table("k", "Caption", name_columns("a"), (("1",),))
    assert keep(None, Box("pair", ()), table) == (table,)
    assert write_section(Section("one", "One", keep(None))) == "## One"
