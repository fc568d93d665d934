from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from econchatr.errors import MissingExtraError
from econchatr.train.recipe import TrainProgress
from econchatr.train.tracker import TrackerName, track

PROGRESS = [TrainProgress(n, 3, 100 * n, 300, 2.0 / n, None if n < 2 else 3.0) for n in (1, 2, 3)]


def test_nothing_is_sent_by_default(tmp_path: Path) -> None:
    with track("none", run="show/rung", folder=tmp_path / "runs", settings={}) as send:
        for progress in PROGRESS:
            send(progress)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_a_tracker_that_is_not_installed_is_told_before_the_training(name: TrackerName, tmp_path: Path) -> None:
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with (
        pytest.raises(MissingExtraError, match=f'tracker = "{name}"') as told,
        track(name, run="show/rung", folder=tmp_path, settings={}),
    ):
        pass
    assert told.value.hint == f"pip install {name}"


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_reads_the_curve(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with track("tensorboard", run="show/rung", folder=tmp_path, settings={}) as send:
        for progress in PROGRESS:
            send(progress)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("train_loss")] == [1, 2, 3]
    assert [event.step for event in events.Scalars("dev_loss")] == [2, 3]
