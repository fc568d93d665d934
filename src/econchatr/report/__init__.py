"""Turn a show's records into pages: the report (`index.html`, `report.md`), and a look at the turns (`corpus.html`).

Reads records, never measures, and never opens the show's folder: the pipeline gathers a `ReportMaterial` and writes
the texts where it wants them.
"""

from econchatr.report.material import ReportMaterial
from econchatr.report.pages import render_corpus, render_html, render_markdown

__all__ = ["ReportMaterial", "render_corpus", "render_html", "render_markdown"]
