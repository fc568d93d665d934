"""Write the table of the stages into docs/architecture.md, from `pipeline.run.STAGES`.

Run it after any change to a stage: `python scripts/make_stage_table.py`. A test fails until then.
"""

from __future__ import annotations

from pathlib import Path

from econchatr.pipeline import STAGES

TARGET = Path(__file__).parents[1] / "docs" / "architecture.md"
COMMAND = "python scripts/make_stage_table.py"
BEGIN, END = f"<!-- The table of the stages, made by `{COMMAND}` -->\n", "<!-- End of the table -->\n"
HEAD = "| stage | version | settings it depends on | reads | tables it writes |\n|---|---|---|---|---|\n"


def make_table() -> str:
    """The table in Markdown, one row a stage, in their order."""
    rows = []
    for stage in STAGES:
        settings = ", ".join(
            f"`{wanted if isinstance(wanted, str) else key}`" for key, wanted in stage.settings.items()
        )
        tables = ", ".join(f"`{name}`" for name in stage.writes) or "none"
        rows.append(f"| `{stage.key}` | {stage.version} | {settings} | {', '.join(stage.reads)} | {tables} |\n")
    return HEAD + "".join(rows)


def replace_table(text: str) -> str:
    """The page with today's table between its marks."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}{make_table()}{END}{after}"


if __name__ == "__main__":
    TARGET.write_text(replace_table(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
