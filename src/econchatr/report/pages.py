"""The two pages: the report in HTML and Markdown, and the page to look at the transcripts."""

from __future__ import annotations

from collections.abc import Callable

from econchatr.display import label_imitation, name_hosts
from econchatr.report.blocks import Document, Section
from econchatr.report.formats import format_date
from econchatr.report.html import write_html
from econchatr.report.markdown import write_markdown
from econchatr.report.material import ReportMaterial, label_transcripts
from econchatr.report.scorebook import refuse_infinite
from econchatr.report.sections.answers import answers_section
from econchatr.report.sections.chosen import chosen_section
from econchatr.report.sections.cost import cost_section
from econchatr.report.sections.left_out import left_out_section
from econchatr.report.sections.made_of import made_of_section
from econchatr.report.sections.measures import measures_section
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
