"""The process that trains one job, so that memory, crashes and a stop of a training never touch the server.

It reads `order.json` in the job's folder, tells where it stands as JSON lines on stdout, and ends when its stdin does:
the server holds the other end. The state of the training stays in the folder, and the next process takes it up.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from econchatr.errors import EconChatRError, ModelError
from econchatr.models.base_model import Base
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import BaseWeights
from econchatr.records import Record
from econchatr.tables import disk_errors, hash_file
from econchatr.train.local import spread_examples, train_lora
from econchatr.train.recipe import LoraRecipe, LossPoint, TrainOutcome, TrainProgress
from econchatr.training_server.training_rows import RowEncoder, read_examples

ORDER_NAME = "order.json"
TRAIN_NAME, VALIDATION_NAME = "train.jsonl", "validation.jsonl"
ADAPTER_NAME = "adapter"
"""Folder of the finished adapter, in both forms."""
_ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
_NICENESS = 5
"""Answers go before trainings."""


class WorkOrder(Record):
    """What a process needs to train a job."""

    base: str
    cache: Path
    settings: Path | None
    """Where the user's acceptance of makers' terms is kept."""
    asks_hub: bool
    recipe: LoraRecipe
    max_dev_tokens: int

    def open_base(self) -> Base:
        """The base, not opened yet."""
        return Base(self.base, self.cache, may_ask_hub=self.asks_hub, settings=self.settings)


class WorkProgress(Record):
    """Where a training stands; the fields are those of `train.recipe.TrainProgress`."""

    kind: Literal["progress"] = "progress"
    step: int
    n_steps: int
    n_seen_tokens: int
    n_all_tokens: int
    train_loss: float | None
    dev_loss: float | None


class CurveRow(Record):
    """One reading of the learning curve; the fields are those of `train.recipe.LossPoint`."""

    step: int
    n_seen_tokens: int
    train_loss: float | None
    dev_loss: float | None
    is_best: bool


class WorkDone(Record):
    """A finished training; the adapter lies in the job's folder."""

    kind: Literal["done"] = "done"
    best_step: int
    n_trained_tokens: int
    curve: tuple[CurveRow, ...]
    adapter_sha256: str
    base_sha256: str
    weights: str


class WorkFailed(Record):
    """A training that cannot be done: another try would end the same way."""

    kind: Literal["failed"] = "failed"
    message: str


WorkNews = WorkProgress | WorkDone | WorkFailed
NEWS: TypeAdapter[WorkNews] = TypeAdapter(WorkNews)


def train_job(folder: Path, tell: Callable[[WorkNews], None]) -> WorkDone:
    """Train the job of a folder, from where its last process left it.

    Raises:
        EconChatRError: It cannot be done.
    """
    order = WorkOrder.model_validate_json((folder / ORDER_NAME).read_bytes())
    base = order.open_base()
    encoder, weights = RowEncoder(base.template, base.tokenizer().encode), base.weights()
    if weights.gguf_path is None:
        raise ModelError(f"{weights.name}: llama.cpp cannot serve this base.", hint="Name another base.")
    examples, validation = read_examples(folder / TRAIN_NAME, encoder), folder / VALIDATION_NAME
    dev = read_examples(validation, encoder) if validation.is_file() else []
    outcome = train_lora(
        examples, spread_examples(dev, max_tokens=order.max_dev_tokens), base=weights, folder=folder / "work",
        recipe=order.recipe, on_progress=lambda progress: tell(_tell_progress(progress)),
    )  # fmt: skip
    sha256 = _keep_adapter(outcome, weights, weights.gguf_path, folder / ADAPTER_NAME)
    curve = tuple(_tell_point(point) for point in outcome.curve)
    return WorkDone(
        best_step=outcome.best_step, n_trained_tokens=outcome.n_trained_tokens, curve=curve, adapter_sha256=sha256,
        base_sha256=weights.sha256, weights=weights.weights,
    )  # fmt: skip


def _tell_progress(progress: TrainProgress) -> WorkProgress:
    return WorkProgress(**asdict(progress))


def _tell_point(point: LossPoint) -> CurveRow:
    return CurveRow(**asdict(point))


def _keep_adapter(outcome: TrainOutcome, base: BaseWeights, gguf: Path, place: Path) -> str:
    """Put the adapter into its place, in both forms; gives its hash."""
    with disk_errors(place):
        place.mkdir(exist_ok=True)
        for name in _ADAPTER_FILES:
            shutil.copyfile(outcome.adapter_folder / name, place / name)
    write_gguf_adapter(place, base_gguf=gguf, out=place / "adapter.gguf")
    return hash_file(place / _ADAPTER_FILES[0])


def _end_with_server() -> None:
    """End this process at once when the server has gone, or closes the line: the kept state is whole at any moment."""
    sys.stdin.buffer.read()
    os._exit(0)


def _main(folder: Path) -> None:
    from filelock import FileLock

    line: Any = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not stand among the news

    def tell(news: WorkNews) -> None:
        line.write(news.model_dump_json() + "\n")
        line.flush()

    threading.Thread(target=_end_with_server, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    # A process that an earlier server left behind ends in this moment; until then the folder is its own.
    with FileLock(folder / ".lock"):
        try:
            tell(train_job(folder, tell))
        except EconChatRError as exc:
            tell(WorkFailed(message=f"{exc.message} {exc.hint}".strip()))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
