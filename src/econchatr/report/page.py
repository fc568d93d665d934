"""Render a page as one HTML file that needs nothing else: no script, no network, no second file.

Every text passes `escape_html`; only drawings made by `svg` and the bundled style sheet go
in as markup.
"""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from econchatr.display import escape_html
from econchatr.report.blocks import Figure, Link
from econchatr.report.material import ReportMaterial
from econchatr.report.outline import CorpusOutline, Outline, outline_corpus, outline_page

_TEMPLATES = "templates"


def render_html(material: ReportMaterial) -> str:
    """Give the whole report; the same material gives the same bytes.

    Written to a file as UTF-8, it opens from disk.
    """
    return _render("report.html.j2", outline_page(material), material)


def render_corpus(material: ReportMaterial) -> str:
    """Give the page to look at the transcripts, from what `parse` made; nothing else in the material is read.

    The same material gives the same bytes.
    """
    return _render("corpus.html.j2", outline_corpus(material), material)


def _render(template: str, page: Outline | CorpusOutline, material: ReportMaterial) -> str:
    environment = Environment(
        loader=PackageLoader("econchatr.report", _TEMPLATES),
        autoescape=True,
        finalize=_disarm_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = _is_link
    environment.tests["figure"] = _is_figure
    style = files("econchatr.report").joinpath(_TEMPLATES, "report.css").read_text(encoding="utf-8")
    # The style sheet is ours, and holds no text from outside.
    text = environment.get_template(template).render(page=page, material=material, style=Markup(style))
    return text + "\n"


def _disarm_value(value: object) -> object:
    return escape_html(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _is_figure(value: object) -> bool:
    return isinstance(value, Figure)


def _is_link(value: object) -> bool:
    return isinstance(value, Link)
