"""Send the learning curve to a tracker while a training runs, for those who keep one: TensorBoard, Trackio or W&B.

Nothing is sent by default. The curve that the report shows is kept by the training itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias

from econchatr.errors import MissingExtraError, ModelError
from econchatr.train.recipe import TrainProgress

TrackerName: TypeAlias = Literal["none", "tensorboard", "trackio", "wandb"]
_PROJECT = "econchatr"


def require_tracker(name: TrackerName) -> None:
    """Refuse a tracker whose package is not installed.

    Raises:
        MissingExtraError: It is not.
    """
    if name != "none" and find_spec(name) is None:
        raise MissingExtraError(f'tracker = "{name}" under [train] needs {name}.', hint=f"pip install {name}")


@contextmanager
def track(
    name: TrackerName, *, run: str, folder: Path, settings: Mapping[str, object]
) -> Iterator[Callable[[TrainProgress], None]]:
    """Give a function that sends where a training stands.

    Args:
        run: What the tracker calls this training.
        folder: For TensorBoard's files; the other two keep their own places.
        settings: Of the training, kept beside its curve.

    Raises:
        MissingExtraError: The tracker is not installed.
        ModelError: It cannot be started.
    """
    require_tracker(name)
    if name == "none":
        yield lambda progress: None
        return
    try:
        log, close = _open_folder(folder) if name == "tensorboard" else _open_service(name, run, settings)
    except Exception as exc:
        raise ModelError(f"{name} cannot be started ({exc}).", hint='Set tracker = "none" under [train].') from exc
    try:
        yield lambda progress: log(_read_values(progress), progress.step)
    finally:
        close()


def _read_values(progress: TrainProgress) -> dict[str, float]:
    """Losses in nats per learned token, and the tokens seen so far; a loss that was not measured is left out."""
    values = {"train_loss": progress.train_loss, "dev_loss": progress.dev_loss, "tokens": progress.n_seen_tokens}
    return {name: float(value) for name, value in values.items() if value is not None}


def _open_folder(folder: Path) -> tuple[Callable[[dict[str, float], int], None], Callable[[], None]]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def log(values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    return log, writer.close


def _open_service(
    name: str, run: str, settings: Mapping[str, object]
) -> tuple[Callable[[dict[str, float], int], None], Callable[[], None]]:
    """Trackio, which has W&B's interface, or W&B itself."""
    service: Any = import_module(name)
    service.init(project=_PROJECT, name=run, config=dict(settings))

    def log(values: dict[str, float], step: int) -> None:
        service.log(values, step=step)

    return log, service.finish
