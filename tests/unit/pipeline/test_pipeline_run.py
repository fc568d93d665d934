"""The table of the stages: in order, told in the documentation, and true."""

from __future__ import annotations

import runpy
from pathlib import Path

from econchatr.pipeline import STAGES
from econchatr.pipeline.show_folder import STAGE_NAMES

ROOT = Path(__file__).parents[3]


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    """`python scripts/make_stage_table.py` writes it."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_stage_table.py"))
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert script["replace_table"](page) == page


def test_the_stages_stand_in_their_order() -> None:
    assert tuple(dict.fromkeys(stage.name for stage in STAGES)) == STAGE_NAMES


def test_a_stage_reads_only_stages_that_come_before_it() -> None:
    keys = [stage.key for stage in STAGES]
    for place, stage in enumerate(STAGES):
        assert not {read for read in stage.reads if read in keys} & set(keys[place:])
