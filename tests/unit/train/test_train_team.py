"""Several processes that train one adapter: the steps of one; when one process ends, the other ends with an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from econchatr.train.local import train_lora
from econchatr.train.recipe import TrainOutcome
from tests.helpers import team_member
from tests.helpers.team_member import FAMILY, SIZE, list_examples
from tests.helpers.tiny_training import TINY_RECIPE, open_tiny_base


def run_team(cache: Path, folder: Path, *, fault: str = "none") -> list[int]:
    """The exit codes of a team's two processes, the lead's first. Whoever fails lives on until the other has ended."""
    folder.mkdir(exist_ok=True)
    group = folder / "group"
    group.unlink(missing_ok=True)
    words = [str(group), str(cache), str(folder), fault]
    command, pipe = [sys.executable, team_member.__file__], subprocess.PIPE
    team = [subprocess.Popen([*command, str(rank), *words], stdin=pipe) for rank in range(SIZE)]
    first, last = reversed(team) if fault == "lead" else team
    try:
        first.wait(timeout=120)
        last.communicate(timeout=120)
        return [one.returncode for one in team]
    finally:
        for one in team:
            one.kill()
            one.communicate()


def train_alone(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> TrainOutcome:
    """In float32, as the team: in bfloat16 other lots round otherwise."""
    monkeypatch.setattr("econchatr.models.machine.choose_dtype", lambda device: torch.float32)
    base = open_tiny_base(FAMILY, cache)
    examples = list_examples(base.checkpoint_path)
    return train_lora(examples, examples[:2], base=base, folder=folder, recipe=TINY_RECIPE)


def read_curve(folder: Path) -> list[dict[str, float]]:
    """The readings that the lead of a team has kept."""
    from safetensors import safe_open

    with safe_open(folder / "of-0" / "state.safetensors", framework="pt") as file:
        curve: list[dict[str, float]] = json.loads(file.metadata()["standing"])["curve"]
    return curve


@pytest.fixture(scope="module")
def whole(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training by two processes that nobody disturbed."""
    folder = tmp_path_factory.mktemp("team") / "whole"
    assert run_team(cache, folder) == [0, 0]
    return folder


def test_a_team_takes_the_steps_of_one_process_to_the_same_losses(
    cache: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, team = train_alone(cache, tmp_path / "alone", monkeypatch).curve, read_curve(whole)
    assert [point["step"] for point in team] == [point.step for point in alone]
    for name in ("train_loss", "dev_loss"):
        expected = [getattr(point, name) for point in alone if point.step]
        assert [point[name] for point in team if point["step"]] == pytest.approx(expected, abs=1e-3)


def test_gradients_and_losses_are_summed_also_where_one_process_has_none(cache: Path, tmp_path: Path) -> None:
    assert run_team(cache, tmp_path / "team", fault="sum") == [0, 0]


def test_who_helps_writes_nothing(whole: Path) -> None:
    assert sorted(path.name for path in whole.glob("of-*")) == ["of-0"]


@pytest.mark.slow
def test_a_team_that_lost_one_process_goes_on_from_its_state(cache: Path, tmp_path: Path, whole: Path) -> None:
    assert run_team(cache, tmp_path / "cut", fault="die") == [7, 9]
    assert [point["step"] for point in read_curve(tmp_path / "cut")][:2] == [0, 2]
    assert run_team(cache, tmp_path / "cut") == [0, 0]
    assert read_curve(tmp_path / "cut") == read_curve(whole)


@pytest.mark.parametrize(("fault", "codes"), [("lead", [8, 7]), ("helper", [7, 8])])
def test_nobody_waits_for_a_process_that_has_failed(cache: Path, tmp_path: Path, fault: str, codes: list[int]) -> None:
    assert run_team(cache, tmp_path / "team", fault=fault) == codes
