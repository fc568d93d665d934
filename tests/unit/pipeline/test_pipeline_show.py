"""Opening a show: the strategy that show.toml names is checked before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.errors import InputError
from econchatr.pipeline.show import open_show
from econchatr.select.strategies import STRATEGIES


def write_config(folder: Path, strategy: str) -> Path:
    text = f'[show]\nname = "A"\nhosts = ["Hal Host"]\n[select]\nstrategy = "{strategy}"\n'
    (folder / "show.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_show_may_name_every_strategy_there_is(tmp_path: Path, name: str) -> None:
    assert open_show(write_config(tmp_path, name), cache=tmp_path).config.select.strategy == name


def test_a_strategy_that_does_not_exist_is_refused_with_its_line_and_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"show\.toml, line 5: select\.strategy: no strategy 'coverge'\.") as caught:
        open_show(write_config(tmp_path, "coverge"))
    assert caught.value.hint == f"Use one of {', '.join(STRATEGIES)}."


@pytest.mark.parametrize("name", ["coverage-plain", "coverage-cues", "longest"])
def test_a_show_of_an_earlier_version_is_told_what_replaces_its_strategy(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"line 5: select.strategy: strategy '{name}' was removed") as caught:
        open_show(write_config(tmp_path, name))
    assert 'Use "coverage"' in caught.value.hint
