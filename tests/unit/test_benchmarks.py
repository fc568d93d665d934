"""The benchmarks start, and what they write has its place. Nothing is timed here."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `local`")
pytest.importorskip("fastapi", reason="needs the extra `web`")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
SCRIPTS = [path for path in sorted(FOLDER.glob("*.py")) if '__name__ == "__main__"' in path.read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")  # what the scripts set must not outlive the test


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_each_script_tells_how_it_is_called(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code in (0, None)
    assert f"python benchmarks/{script.name}" in capsys.readouterr().out


def test_every_table_that_is_written_has_its_place_in_the_page() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    names = {name for script in SCRIPTS for name in re.findall(r'publish\("(\w+)"', script.read_text(encoding="utf-8"))}
    assert names
    assert [name for name in names if not re.search(f"<!-- bench: {name} -->.*<!-- end: {name} -->", page, re.S)] == []


def test_a_table_takes_the_place_of_the_one_before_and_leaves_the_rest(tmp_path: Path) -> None:
    publish = runpy.run_path(str(FOLDER / "written_tables.py"))["publish"]
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- bench: one -->\n\nold\n\n<!-- end: one -->\nAfter\n", encoding="utf-8")
    publish("one", "new", is_written=True, page=page)
    assert page.read_text(encoding="utf-8") == "Before\n<!-- bench: one -->\n\nnew\n\n<!-- end: one -->\nAfter\n"


def test_numbers_that_change_between_rounds_become_a_median_with_its_spread() -> None:
    merge = runpy.run_path(str(FOLDER / "run_all.py"))["merge"]
    assert merge(["8 steps: 1,300 tokens/s", "8 steps: 900 tokens/s", "8 steps: 1,000 tokens/s"]) == (
        "8 steps: 1,000 (900 to 1,300) tokens/s"
    )
