"""Write a document as one HTML file that needs nothing else: no script, no network, no second file.

Every text passes `escape_html`; only drawings made by `svg` and the bundled style sheet go
in as markup.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from econchatr.display import escape_html
from econchatr.report.blocks import Block, Document, Figure, Link

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
