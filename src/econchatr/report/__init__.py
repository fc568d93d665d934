"""Turn a show's records into one page: `report/index.html` and `report.md`.

Reads records, never measures, and never opens the show's folder: the pipeline gathers a `ReportMaterial` and writes
the two texts where it wants them.
"""

from econchatr.report.markdown import render_markdown
from econchatr.report.material import ReportMaterial
from econchatr.report.page import render_html

__all__ = ["ReportMaterial", "render_html", "render_markdown"]
