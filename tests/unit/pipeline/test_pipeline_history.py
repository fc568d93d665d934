"""The prices of 2023 are told of the show of the 2023 experiment, and of no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.pipeline.report import gather_history
from econchatr.pipeline.show import Show, open_show
from econchatr.presets import NewShow, write_show
from econchatr.report.sections.right_told import tell_reported
from tests.helpers.show_material import demo_show


def make_show(root: Path, preset: str) -> Show:
    write_show(root, NewShow(name="The Slow Answer", hosts=("Orla Quill",), folder="", ground=""), preset=preset)
    return open_show(root)


def test_the_preset_shows_what_ten_dollars_bought_in_2023(tmp_path: Path) -> None:
    history = gather_history(make_show(tmp_path, "econtalk"), demo_show().host)
    assert history is not None
    (subsets,) = history.subsets
    assert [row.model for row in subsets.rows] == [price.model for price in history.prices]
    assert [row.reported_training_usd for row in history.epochs] == ["2.41", "3.59", "17.72", "176.68"]


@pytest.mark.parametrize("changed", ['profile = "2023"', 'strategy = "subjects-2023"'])
def test_a_show_that_chooses_in_another_way_shows_no_price_of_2023(tmp_path: Path, changed: str) -> None:
    make_show(tmp_path, "econtalk")
    path = tmp_path / "show.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(changed, ""), encoding="utf-8")
    assert gather_history(open_show(tmp_path), demo_show().host) is None


def test_a_plain_show_shows_no_price_of_2023(tmp_path: Path) -> None:
    assert gather_history(make_show(tmp_path, "plain"), demo_show().host) is None


def test_the_preset_tells_what_2023_reported_of_the_twelve(tmp_path: Path) -> None:
    reported = make_show(tmp_path, "econtalk").reported()
    assert reported is not None
    assert "not measured here: 6 of 12 right before training, 9.5 of 12 after" in tell_reported(reported)


def test_another_show_reports_nothing(tmp_path: Path) -> None:
    assert make_show(tmp_path, "plain").reported() is None
