"""The two pages: the report in HTML and Markdown, and the page to look at the transcripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from econchatr.display import escape_html, label_imitation, name_hosts
from econchatr.report.formats import format_date
from econchatr.report.markdown_writer import write_markdown
from econchatr.report.material import ReportMaterial, label_transcripts
from econchatr.report.page_blocks import Block, Document, Figure, Link, Section
from econchatr.report.scorebook import refuse_infinite
from econchatr.report.sections.answered import answers_section
from econchatr.report.sections.chosen import chosen_section
from econchatr.report.sections.cost import cost_section
from econchatr.report.sections.left_out import left_out_section
from econchatr.report.sections.made_of import made_of_section
from econchatr.report.sections.measured import measures_section
from econchatr.report.sections.preference_round import preferences_section
from econchatr.report.sections.repeat import repeat_section
from econchatr.report.sections.replies import replies_section
from econchatr.report.sections.training import training_section
from econchatr.report.sections.transcripts import transcript_sections
from econchatr.report.sections.verdict import verdict_section

_SECTIONS: tuple[Callable[[ReportMaterial], Section | None], ...] = (
    verdict_section,
    cost_section,
    measures_section,
    answers_section,
    replies_section,
    made_of_section,
    chosen_section,
    training_section,
    preferences_section,
    left_out_section,
    repeat_section,
)
"""The report's sections, in their order."""


def render_html(material: ReportMaterial) -> str:
    """Give the whole report; the same material gives the same bytes.

    Written to a file as UTF-8, it opens from disk.
    """
    return write_html(lay_out_report(material))


def render_markdown(material: ReportMaterial) -> str:
    """Give the text of `report.md`; the same material gives the same bytes."""
    return write_markdown(lay_out_report(material))


def render_corpus(material: ReportMaterial) -> str:
    """Give the page to look at the transcripts, from what `parse` made; nothing else in the material is read.

    The same material gives the same bytes.
    """
    made_on = _tell_date(material)
    page = Document(
        title=material.show_name,
        label=label_transcripts(material.hosts),
        kicker=f"What EconChatR read{f' on {made_on}' if made_on else ''}",
        subtitle="What the transcripts hold, and what in them is doubtful, set aside or lost.",
        version=material.version,
        made_on=made_on,
        sections=transcript_sections(material),
    )
    return write_html(page)


def lay_out_report(material: ReportMaterial) -> Document:
    """Give every section of the report, worded and drawn."""
    material = material.model_copy(update={"scores": refuse_infinite(material.scores)})
    made_on, host = _tell_date(material), name_hosts(material.hosts)
    return Document(
        title=material.show_name,
        label=label_imitation(material.hosts),
        kicker=f"An EconChatR report{f', made {made_on}' if made_on else ''}",
        subtitle=f"What a language model learned of {host}’s way of answering, and what it did not.",
        version=material.version,
        made_on=made_on,
        sections=tuple(made for make in _SECTIONS if (made := make(material)) is not None),
    )


def _tell_date(material: ReportMaterial) -> str:
    return "" if material.made_on is None else format_date(material.made_on)


_TEMPLATES = "templates"
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def write_html(document: Document) -> str:
    """Give the page; the same document gives the same bytes.

    Written to a file as UTF-8, it opens from disk.
    """
    style = files("econchatr.report").joinpath(_TEMPLATES, "report.css").read_text(encoding="utf-8")
    # The style sheet is ours, and holds no text from outside.
    return _environment().get_template("page.html.j2").render(page=document, style=Markup(style)) + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("econchatr.report", _TEMPLATES),
        autoescape=True,
        finalize=_escape_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = _is_link
    environment.tests["figure"] = _is_figure
    environment.globals["block"] = _write_block
    return environment


def _write_block(block: Block, level: int) -> Markup:
    """Give a block by the macro named as its class; `level` is that of the headings in it."""
    macros = _environment().get_template("blocks.html.j2").module
    written = getattr(macros, _name_macro(type(block)))(block, level)
    # A macro gives markup, not text, since the environment escapes; anything else would be escaped here.
    return Markup.escape(written)


def _name_macro(kind: type) -> str:
    """Give the name of the macro that writes a kind of block.

    >>> _name_macro(Figure), _name_macro(type("QuestionCard", (), {}))
    ('figure', 'question_card')
    """
    return _CAPITAL.sub("_", kind.__name__).lower()


def _escape_value(value: object) -> object:
    return escape_html(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _is_figure(value: object) -> bool:
    return isinstance(value, Figure)


def _is_link(value: object) -> bool:
    return isinstance(value, Link)
