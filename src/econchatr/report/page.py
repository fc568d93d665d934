"""Render the report as one HTML file that needs nothing else: no script, no network, no second file.

Every text passes `disarm` and the template's own escaping; only drawings made by `svg` and the bundled style sheet go
in as markup.
"""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from econchatr.report.blocks import Link
from econchatr.report.material import ReportMaterial
from econchatr.report.outline import outline_page
from econchatr.report.plaintext import disarm

_TEMPLATES = "templates"


def render_html(material: ReportMaterial) -> str:
    """Give the whole page; the same material gives the same bytes.

    Written to a file as UTF-8, it opens from disk.
    """
    environment = Environment(
        loader=PackageLoader("econchatr.report", _TEMPLATES),
        autoescape=True,
        finalize=_disarm_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = _is_link
    style = files("econchatr.report").joinpath(_TEMPLATES, "report.css").read_text(encoding="utf-8")
    # The style sheet is ours, and holds no text from outside.
    page = environment.get_template("report.html.j2").render(
        page=outline_page(material), material=material, style=Markup(style)
    )
    return page + "\n"


def _disarm_value(value: object) -> object:
    return disarm(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _is_link(value: object) -> bool:
    return isinstance(value, Link)
