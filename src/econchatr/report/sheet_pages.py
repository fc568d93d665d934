"""The pages people fill in: answers to be marked, and replies among which one is real.

Each is one HTML file that opens from disk and asks nobody for anything: its content security policy lets only the
bundled style sheet and script run, by their hashes, and forbids every request. No text from outside is in the script.

This module knows what a person may see. Which model gave an answer, and which reply is real, it is not told.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from econchatr.display import escape_html, label_imitation, name_hosts
from econchatr.records import HandSheet, Question

_TEMPLATES = "templates"


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One answer with its number on the sheet."""

    key: str
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class HandCard:
    """One question with the answers to be marked."""

    question: Question
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True, slots=True)
class ShownCue:
    """One cue with its replies, without which of them is real."""

    key: str
    cue: str
    replies: tuple[str, ...]


def render_hand_sheet(
    sheet: HandSheet, questions: Sequence[Question], *, form: str, show: str, hosts: Sequence[str]
) -> str:
    """Give the hand-scoring page; the same sheet gives the same bytes.

    Args:
        form: What the saved file calls itself.
    """
    numbered = [ShownAnswer(answer.key, number, answer.text) for number, answer in enumerate(sheet.answers, start=1)]
    owners = {answer.key: answer.question_id for answer in sheet.answers}
    cards = []
    for question in questions:
        shown = tuple(answer for answer in numbered if owners[answer.key] == question.question_id)
        if shown:
            cards.append(HandCard(question, shown))
    name = name_hosts(hosts)
    return _render(
        "hand.html.j2",
        title=f"Mark the answers: {show}",
        label=f"Every answer here: {label_imitation(hosts)}",
        sheet=sheet,
        cards=cards,
        form=form,
        show=show,
        host=name,
    )


def render_blind_sheet(
    cues: Sequence[ShownCue], *, form: str, sha256: str, seed: int, show: str, hosts: Sequence[str]
) -> str:
    """Give the blind sheet; the same cues give the same bytes.

    The label speaks of the page as a whole: said of a single reply it would give the answer away.
    """
    name = name_hosts(hosts)
    return _render(
        "blind.html.j2",
        title=f"Which one is real? {show}",
        label=f"Four of every five replies here: {label_imitation(hosts)}",
        cues=cues,
        form=form,
        sha256=sha256,
        seed=seed,
        show=show,
        host=name,
    )


def _render(template: str, **parts: object) -> str:
    environment = Environment(
        loader=PackageLoader("econchatr.report", _TEMPLATES),
        autoescape=True,
        finalize=_escape_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _read("report.css") + _read("sheet.css"), _read("sheet.js")
    # Style and script are ours and hold no text from outside.
    page = environment.get_template(template).render(
        style=Markup(style), script=Markup(script), style_hash=_hash(style), script_hash=_hash(script), **parts
    )
    return page + "\n"


def _read(name: str) -> str:
    return files("econchatr.report").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a content security policy names what may run."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _escape_value(value: object) -> object:
    return escape_html(value) if isinstance(value, str) and not isinstance(value, Markup) else value
