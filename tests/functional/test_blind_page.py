"""`econchatr blind` as a user runs it: the page, guesses from a browser, the score, the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from econchatr.records import BlindCue
from econchatr.tables import read_table
from tests.functional.conftest import Run, edit_show
from tests.helpers.browser import CHROMIUM
from tests.unit.report.test_blind_page import open_tab, pick_all, save


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_guesses_go_from_the_page_into_score_report_and_post(
    finished_show: Path, tmp_path: Path, econchatr: Run
) -> None:
    show, out = Path(shutil.copytree(finished_show, tmp_path / "show")), tmp_path / "out"
    done = econchatr("blind", show, "--page", out, "--cues", 2, "--send-to", "ada@example.org")
    assert "AI imitation of Hester Pellow" in done.stderr
    assert [path.name for path in out.iterdir()] == ["index.html"]
    cues = read_table(show / "sheets" / "blind-tiny.parquet", BlindCue)
    with open_tab(out / "index.html") as tab:
        pick_all(tab, [cues[0].real, (cues[1].real + 1) % 5])
        name, data = save(tab)
        assert tab.inner_text("#status").endswith("Please send that file to ada@example.org.")
    (tmp_path / name).write_bytes(data)
    (score,) = json.loads(econchatr("score", show, "--blind", tmp_path / name, "--json").stdout)
    assert (score["measure"], score["value"], score["n"]) == ("blind picks of the real host", 0.5, 2)
    econchatr("report", show, "--post")
    for page in ("report.md", "post.md"):
        assert "Readers found the real one 1 of 2" in (show / "report" / page).read_text(encoding="utf-8")


def test_without_rights_nothing_is_written(tiny_show: Path, tmp_path: Path, econchatr: Run) -> None:
    edit_show(tiny_show, '[rights]\nvoice = "Hester Pellow"\nground = "made up"\n', "")
    assert "has no [rights]" in econchatr("blind", tiny_show, "--page", tmp_path / "out", check=2).stderr
    assert not (tmp_path / "out").exists()


def test_a_page_of_something_else_is_left_alone(tiny_show: Path, tmp_path: Path, econchatr: Run) -> None:
    (tmp_path / "index.html").write_text("my own site")
    done = econchatr("blind", tiny_show, "--page", tmp_path, check=2)
    assert f"{tmp_path / 'index.html'} is another page" in done.stderr
    assert "--page" in done.stderr
    assert (tmp_path / "index.html").read_text() == "my own site"


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_drawn_and_costs_no_earlier_cues(
    finished_show: Path, tmp_path: Path, econchatr: Run
) -> None:
    show, taken = Path(shutil.copytree(finished_show, tmp_path / "show")), tmp_path / "taken"
    taken.write_text("a file, and no folder")
    econchatr("score", show, "--sheet", "blind", "--cues", 1)
    before = (show / "sheets" / "blind-tiny.parquet").read_bytes()
    done = econchatr("blind", show, "--page", taken, "--cues", 2, "--seed", 7, check=3)
    assert f"cannot write {taken}" in done.stderr
    assert "held-out cues" not in done.stderr
    assert (show / "sheets" / "blind-tiny.parquet").read_bytes() == before
