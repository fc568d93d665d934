"""Keep a training's state on disk, so that it goes on after being killed at any moment.

One file holds the adapters, the optimizer, the step and the curve; it takes the place of the one before in a single
move, so there is never half a state. The best adapters so far lie in a file of their own, written before the state that
names it. The order of examples and the dropout masks follow from seed and step alone, so no random state is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from econchatr.models.trainable.memory_plan import TrainingPlan
from econchatr.tables import disk_errors, replace_file, write_bytes
from econchatr.train.recipe import LossPoint

if TYPE_CHECKING:
    from torch import Tensor

_STATE = "state.safetensors"
_PLAN = "plan.json"


@dataclass
class Standing:
    """What a training knows besides its numbers."""

    fingerprint: str
    """Hash of everything that decides the result; a state of another training is not taken up."""
    step: int = 0
    n_seen_tokens: int = 0
    nats: float = 0.0
    """Training loss summed since the last reading."""
    n_learned: int = 0
    """Learned tokens since the last reading."""
    curve: list[LossPoint] = field(default_factory=list)

    @property
    def best(self) -> LossPoint | None:
        """The reading whose adapters are kept; `None` before the first."""
        return next((point for point in reversed(self.curve) if point.is_best), None)


def write_state(folder: Path, standing: Standing, tensors: Mapping[str, Tensor]) -> None:
    """Keep the standing and its tensors in place of the ones before.

    Raises:
        ShowFolderError: The folder cannot be written.
    """
    _write(folder / _STATE, tensors, {"standing": json.dumps(asdict(standing))})
    kept = _best_path(folder, standing.best.step).name if standing.best else ""
    for old in folder.glob("best-*.safetensors"):
        if old.name != kept:
            old.unlink(missing_ok=True)


def read_state(folder: Path, fingerprint: str) -> tuple[Standing, dict[str, Tensor]] | None:
    """Give the standing kept last and its tensors; `None` where there is none of this training."""
    from safetensors import SafetensorError, safe_open

    path = folder / _STATE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {})["standing"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    content["curve"] = [LossPoint(**point) for point in content["curve"]]
    standing = Standing(**content)
    is_whole = standing.best is None or _best_path(folder, standing.best.step).is_file()
    return (standing, tensors) if standing.fingerprint == fingerprint and is_whole else None


def write_plan(folder: Path, plan: TrainingPlan, of: str) -> None:
    """Keep how a training is done, so that it goes on in the same way when other memory is free.

    Args:
        of: Hash of what the plan was made for.

    Raises:
        ShowFolderError: The folder cannot be written.
    """
    write_bytes(folder / _PLAN, json.dumps({"of": of, "plan": asdict(plan)}).encode())


def read_plan(folder: Path, of: str) -> TrainingPlan | None:
    """Give the plan kept last; `None` where there is none, or one made for something else."""
    try:
        content = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
        return TrainingPlan(**content["plan"]) if content["of"] == of else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_best(folder: Path, step: int, adapters: Mapping[str, Tensor]) -> None:
    """Keep the adapters of a step; the next `write_state` drops those of the steps before.

    Raises:
        ShowFolderError: The folder cannot be written.
    """
    _write(_best_path(folder, step), adapters, {"format": "pt"})


def read_best(folder: Path, step: int) -> dict[str, Tensor]:
    """Give the adapters that `write_best` kept."""
    from safetensors.torch import load_file

    return dict(load_file(_best_path(folder, step)))


def _best_path(folder: Path, step: int) -> Path:
    return folder / f"best-{step:06d}.safetensors"


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors.torch import save

    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
    with disk_errors(path), replace_file(path) as file:
        file.write(content)
