"""The pages: the report in HTML and Markdown, the page to look at the transcripts, and the sheets people fill in."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from econchatr.display import escape_html, label_imitation, name_hosts
from econchatr.records import HandSheet, Question
from econchatr.report.formats import format_date
from econchatr.report.markdown_writer import write_markdown
from econchatr.report.material import ReportMaterial, label_transcripts
from econchatr.report.page_blocks import Block, Document, Figure, Link, Section
from econchatr.report.sections.answered import answers_section
from econchatr.report.sections.chosen import chosen_section
from econchatr.report.sections.cost import cost_section
from econchatr.report.sections.first_screen import first_screen
from econchatr.report.sections.left_out import left_out_section
from econchatr.report.sections.made_of import made_of_section
from econchatr.report.sections.measured import measures_section
from econchatr.report.sections.preferences_told import preferences_section
from econchatr.report.sections.repeat import repeat_section
from econchatr.report.sections.replies import replies_section
from econchatr.report.sections.training import training_section
from econchatr.report.sections.transcripts import transcript_sections
from econchatr.report.sections.verdict import verdict_section

_SECTIONS: tuple[Callable[[ReportMaterial], Section | None], ...] = (
    first_screen,
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
    """Give the whole report; the same material gives the same bytes. Written as UTF-8, it opens from disk."""
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
    material = material.refuse_infinite()
    made_on, host = _tell_date(material), name_hosts(material.hosts)
    return Document(
        title=material.show_name,
        label=label_imitation(material.hosts),
        kicker=f"An EconChatR report{f', made {made_on}' if made_on else ''}",
        subtitle=f"What a language model learned of {host}’s way of answering, and what it did not.",
        version=material.version,
        made_on=made_on,
        sections=tuple(
            made if make is first_screen else replace(made, is_folded=True)
            for make in _SECTIONS
            if (made := make(material)) is not None
        ),
    )


def _tell_date(material: ReportMaterial) -> str:
    return "" if material.made_on is None else format_date(material.made_on)


# --- the pages people fill in -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownCue:
    """One cue with its replies, without which of them is real."""

    key: str
    cue: str
    replies: tuple[str, ...]
    seal: str = ""
    """Which of them is real, from `seal_place`, so that the page can tell afterwards; empty: the page never can."""


def render_hand_sheet(
    sheet: HandSheet, questions: Sequence[Question], *, form: str, show: str, hosts: Sequence[str]
) -> str:
    """Give the page on which a person marks answers; the same sheet gives the same bytes.

    The page is not told which model gave an answer.

    Args:
        form: What the saved file calls itself.
    """
    cards = []
    for question in questions:
        shown = [one for one in enumerate(sheet.answers, start=1) if one[1].question_id == question.question_id]
        if shown:
            cards.append((question, shown))
    return _write_sheet(
        "hand.html.j2",
        title=f"Mark the answers: {show}",
        label=f"Every answer here: {label_imitation(hosts)}",
        sheet=sheet,
        cards=cards,
        form=form,
        show=show,
        host=name_hosts(hosts),
    )


def render_blind_sheet(
    cues: Sequence[ShownCue],
    *,
    form: str,
    sha256: str,
    seed: int,
    show: str,
    hosts: Sequence[str],
    send_to: str = "",
    post_to: str = "",
) -> str:
    """Give the page on which a person picks the real reply; the same cues give the same bytes.

    The label speaks of the page as a whole: said of a single reply, the label would give the answer away.

    Args:
        cues: With seals, a page for the web is made, which tells at the end how many were found.
        form: What the saved file calls itself.
        sha256: Of the sheet, so that the saved file can be matched with it.
        seed: Of the order in which the replies stand.
        send_to: Where saved files go; empty: to whoever gave the page.
        post_to: Where on its own server the page sends the guesses; empty: it sends nothing, and saves a file.
    """
    is_game = any(cue.seal for cue in cues)
    return _write_sheet(
        "blind.html.j2",
        title=f"Which one is real? {show}",
        label=f"Four of every five replies here: {label_imitation(hosts)}",
        cues=cues,
        form=form,
        sha256=sha256,
        seed=seed,
        show=show,
        host=name_hosts(hosts),
        is_game=is_game,
        post_to=post_to,
        send_to=f"to {send_to}" if send_to else "to whoever showed you this page" if is_game else "back",
    )


@dataclass(frozen=True, slots=True)
class AnswerCard:
    """One answer as the marking page shows it, without whose it is."""

    key: str
    question: str
    expected: str
    """What a right answer holds, for people; empty: the question does not say."""
    real: tuple[str, ...]
    """What the host really said that is nearest to question and right answer."""
    text: str


@dataclass(frozen=True, slots=True)
class MarkingDeck:
    """The answers to mark, in the order of marking."""

    show: str
    host: str
    cards: tuple[AnswerCard, ...]
    n_first: int
    """So many of them are the first answers, by which the count goes; the rest makes the best of several tries."""

    @property
    def minutes(self) -> float:
        """How long the first answers take somebody who reads silently all that is shown without a further key.

        Source: 238 words a minute, the mean of 190 studies of silent reading in English (Brysbaert 2019, Journal of
        Memory and Language 109, 104047). One second a mark for the key.
        """
        first = self.cards[: self.n_first]
        asked = {f"{card.question} {card.expected}" for card in first}
        n_words = sum(len(text.split()) for text in asked) + sum(_count_shown(card.text) for card in first)
        return n_words / _WORDS_PER_MINUTE + len(first) / 60


_WORDS_PER_MINUTE: Final = 238
_BEGINNING_WORDS: Final = 40
"""Of an answer that is shown before a further key: an untuned model goes on for two hundred, and a host for fifty."""
_SLACK_WORDS: Final = 15
"""An answer that is longer by no more than this is shown whole."""


def _count_shown(text: str) -> int:
    n_words = len(text.split())
    return _BEGINNING_WORDS if n_words > _BEGINNING_WORDS + _SLACK_WORDS else n_words


def render_marking_page(deck: MarkingDeck, *, name: str) -> str:
    """Give the page that `econchatr mark` serves: it asks its own server for the answers, and sends each mark there.

    Args:
        deck: What is to be marked.
        name: Of the person who marks; empty: the page asks.
    """
    return _write_sheet(
        "mark.html.j2",
        "mark.js",
        title=f"Mark the answers: {deck.show}",
        label=f"Every answer here: {label_imitation((deck.host,))}",
        show=deck.show,
        host=deck.host,
        n_first=deck.n_first,
        n_all=len(deck.cards),
        minutes=max(1, round(deck.minutes)),
        beginning=_BEGINNING_WORDS,
        slack=_SLACK_WORDS,
        name=name,
    )


def _write_sheet(template: str, script_name: str = "sheet.js", **parts: object) -> str:
    """Fill in a sheet's template.

    A sheet opens from disk and asks nobody for anything: its content security policy lets only the bundled style sheet
    and script run, by their hashes, and forbids every request; the marking page and a served blind page may ask their
    own server. No text from outside is in the script.
    """
    style, script = _read("report.css") + _read("sheet.css"), _read(script_name)
    hashes = {"style_hash": _hash(style), "script_hash": _hash(script)}
    page = _environment().get_template(template).render(style=Markup(style), script=Markup(script), **hashes, **parts)
    return page + "\n"


# --- from blocks to HTML ----------------------------------------------------------------------------------------------

_TEMPLATES = "templates"
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def write_html(document: Document) -> str:
    """Give the page; the same document gives the same bytes. Written as UTF-8, it opens from disk."""
    # The style sheet is ours, and holds no text from outside.
    page = _environment().get_template("page.html.j2").render(page=document, style=Markup(_read("report.css")))
    return page + "\n"


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
    environment.tests["link"] = lambda value: isinstance(value, Link)
    environment.tests["figure"] = lambda value: isinstance(value, Figure)
    environment.globals["block"] = _write_block
    return environment


def _escape_value(value: object) -> object:
    return escape_html(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _write_block(block: Block, level: int) -> Markup:
    """Give a block by the macro named as its class; `level` is that of the headings in it."""
    macros = _environment().get_template("blocks.html.j2").module
    # QuestionCard -> question_card
    macro = getattr(macros, _CAPITAL.sub("_", type(block).__name__).lower())
    # A macro gives markup, not text, since the environment escapes; anything else would be escaped here.
    return Markup.escape(macro(block, level))


def _read(name: str) -> str:
    return files("econchatr.report").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names what may run."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
