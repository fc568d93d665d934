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
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from econchatr.errors import EconChatRError, ModelError
from econchatr.models.base_model import Base
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import BaseWeights
from econchatr.records import Record
from econchatr.tables import disk_errors, hash_file
from econchatr.train.local import spread_examples, train_lora
from econchatr.train.preference_training import (
    EncodedPreference,
    PreferenceProgress,
    PreferenceRecipe,
    train_preferences,
    write_untrained_adapter,
)
from econchatr.train.recipe import LoraRecipe, LossPoint, TrainProgress
from econchatr.training_server.training_rows import RowEncoder, read_examples, read_preferences

ORDER_NAME = "order.json"
TRAIN_NAME, VALIDATION_NAME = "train.jsonl", "validation.jsonl"
ADAPTER_NAME = "adapter"
"""Folder of the finished adapter, in both forms."""
START_NAME = "start"
"""Folder of the adapter that a training on preferences begins with, and stays close to."""
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
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
    preferences: PreferenceRecipe | None = None
    """How to train on preferences, for the method `dpo`; `recipe` then only says what an untrained adapter is."""
    start_base_sha256: str = ""
    """Of the base that the adapter in the folder `start` was trained on; empty: there is none, begin with the base."""

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
    train = _train_supervised if order.preferences is None else _train_dpo
    trained = train(order, folder, encoder, weights, tell)
    sha256 = _keep_adapter(trained.adapter_folder, weights, weights.gguf_path, folder / ADAPTER_NAME)
    return WorkDone(
        best_step=trained.best_step, n_trained_tokens=trained.n_tokens, curve=trained.curve, adapter_sha256=sha256,
        base_sha256=weights.sha256, weights=weights.weights,
    )  # fmt: skip


class _Trained(NamedTuple):
    adapter_folder: Path
    curve: tuple[CurveRow, ...]
    best_step: int
    n_tokens: int


def _train_supervised(
    order: WorkOrder, folder: Path, encoder: RowEncoder, weights: BaseWeights, tell: Callable[[WorkNews], None]
) -> _Trained:
    examples, validation = read_examples(folder / TRAIN_NAME, encoder), folder / VALIDATION_NAME
    dev = read_examples(validation, encoder) if validation.is_file() else []
    n_most = min(order.max_dev_tokens, order.recipe.count_dev_tokens(sum(len(one.ids) for one in examples)))
    outcome = train_lora(
        examples, spread_examples(dev, max_tokens=n_most), base=weights, folder=folder / "work",
        recipe=order.recipe, on_progress=lambda progress: tell(_tell_progress(progress)),
    )  # fmt: skip
    curve = tuple(_tell_point(point) for point in outcome.curve)
    return _Trained(outcome.adapter_folder, curve, outcome.best_step, outcome.n_trained_tokens)


def _train_dpo(
    order: WorkOrder, folder: Path, encoder: RowEncoder, weights: BaseWeights, tell: Callable[[WorkNews], None]
) -> _Trained:
    """Train on preferences, from the adapter in `start` on; without one from the base on."""
    recipe, start = order.preferences or PreferenceRecipe(), folder / START_NAME
    if not order.start_base_sha256:
        write_untrained_adapter(weights, order.recipe, out=start)
    elif order.start_base_sha256 != weights.sha256:
        raise ModelError(f"{weights.name} was changed since the model was trained on it.", hint="Put it back.")
    rows = read_preferences(folder / TRAIN_NAME, encoder)
    n_tokens = recipe.n_epochs * sum(map(_count_tokens, rows))

    def report(done: PreferenceProgress) -> None:
        n_seen = n_tokens * done.step // done.n_steps
        tell(
            WorkProgress(
                step=done.step, n_steps=done.n_steps, n_seen_tokens=n_seen, n_all_tokens=n_tokens,
                train_loss=done.loss, dev_loss=None,
            )
        )  # fmt: skip

    made = train_preferences(
        rows, base=weights, adapter=start, folder=folder / "work", recipe=recipe, on_progress=report
    )
    curve = tuple(
        CurveRow(
            step=step, n_seen_tokens=n_tokens * step // made.n_steps, train_loss=loss, dev_loss=None,
            is_best=step == made.n_steps,
        )
        for step, loss in enumerate(made.losses, start=1)
    )  # fmt: skip
    return _Trained(made.adapter_folder, curve, made.n_steps, n_tokens)


def _count_tokens(row: EncodedPreference) -> int:
    """Of both replies, each behind the prompt."""
    return 2 * len(row.prompt_ids) + len(row.better_ids) + len(row.worse_ids)


def _tell_progress(progress: TrainProgress) -> WorkProgress:
    return WorkProgress(**asdict(progress))


def _tell_point(point: LossPoint) -> CurveRow:
    return CurveRow(**asdict(point))


def _keep_adapter(adapter: Path, base: BaseWeights, gguf: Path, place: Path) -> str:
    """Put the adapter into its place, in both forms; gives its hash."""
    with disk_errors(place):
        place.mkdir(exist_ok=True)
        for name in ADAPTER_FILES:
            shutil.copyfile(adapter / name, place / name)
    write_gguf_adapter(place, base_gguf=gguf, out=place / "adapter.gguf")
    return hash_file(place / ADAPTER_FILES[0])


def _end_with_server() -> None:
    """End this process at once when the server has gone, or closes the line: the kept state is whole at any moment."""
    while os.read(0, 4096):  # not through sys.stdin, whose lock a process that ends on its own would die of
        pass
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
