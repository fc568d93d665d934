"""A picture of the playground for the post: its tabs, a question, and two answers, drawn as SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from markupsafe import Markup

from econchatr.display import escape_html, label_imitation
from econchatr.report.counts import keep_start
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Picture
from econchatr.report.sections.first_screen import choose_question

_WIDTH, _HEIGHT = 720, 330
_TABS = ("Chat", "Compare", "Blind", "Rank", "Corpus", "Report")
_PANES = (("base", "Before: base model", 24), ("tuned", "After: tuned model", 372))
_LINE_CHARS, _LINES, _PITCH = 46, 8, 18


def draw_playground(material: ReportMaterial, rung: str) -> Picture | None:
    """Draw the tab in which two answers stand beside each other; `None`: no question was asked.

    The texts are the show's own: the question of the first screen, and the first answers to it.
    """
    question = choose_question(material, rung)
    if question is None:
        return None
    said: dict[str, str] = {
        one.variant: one.reply.text
        for one in material.answers
        if (one.rung, one.question_id, one.sample) == (rung, question.question_id, 0) and one.reply and not one.error
    }
    parts = [_box(0, 0, _WIDTH, _HEIGHT), *_draw_head(material), *_draw_text(question.text, 24, 88, _LINE_CHARS * 2, 2)]
    for variant, title, x in _PANES:
        text = said.get(variant, "No answer.")
        parts += [_box(x, 120, 324, 190), _write(title, x + 12, 142, "bold")]
        parts += _draw_text(text, x + 12, 164, _LINE_CHARS, _LINES)
    told = f"The playground’s tab Compare: “{question.text}”, answered before and after training."
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label='
    drawn = Markup("").join((Markup(svg), Markup('"{}">').format(escape_html(told)), *parts, Markup("</svg>")))
    return Picture("playground.svg", told, drawn)


def _draw_head(material: ReportMaterial) -> Iterator[Markup]:
    yield Markup('<rect width="{}" height="28" fill="#1e1d1a"/>').format(_WIDTH)
    yield _write(keep_start(label_imitation(material.hosts), 90), 24, 19, "bold", "#fcfbf8")
    for place, name in enumerate(_TABS):
        is_open = name == "Compare"
        yield _write(name, 24 + 84 * place, 58, "bold" if is_open else "normal", "#0d6470" if is_open else "#65615a")
    yield Markup('<path d="M24 68H696" stroke="#dfdbd2"/><path d="M108 68h62" stroke="#0d6470" stroke-width="2"/>')


def _draw_text(text: str, x: int, y: int, n_chars: int, n_lines: int) -> Iterator[Markup]:
    lines = textwrap.wrap(" ".join(text.split()), n_chars, max_lines=n_lines, placeholder=" …")
    for place, line in enumerate(lines):
        yield _write(line, x, y + _PITCH * place)


def _write(text: str, x: int, y: int, weight: str = "normal", colour: str = "#1e1d1a") -> Markup:
    head = Markup('<text x="{}" y="{}" font-size="13" font-weight="{}" font-family="sans-serif" fill="{}">')
    return head.format(x, y, weight, colour) + escape_html(text) + Markup("</text>")


def _box(x: int, y: int, width: int, height: int) -> Markup:
    shape = '<rect x="{}" y="{}" width="{}" height="{}" rx="4" fill="#fcfbf8" stroke="#dfdbd2"/>'
    return Markup(shape).format(x, y, width, height)
