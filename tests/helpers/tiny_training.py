"""Trainings of the tiny bases: what the tests of several packages need of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from filelock import FileLock

from econchatr.models.files.weights import BaseWeights
from econchatr.tables import hash_file
from econchatr.train.local import train_lora
from econchatr.train.recipe import LoraRecipe, TrainOutcome
from tests.helpers.tiny_bases import make_tiny_examples, write_tiny_base

TINY_RECIPE = LoraRecipe(rank=4, alpha=8, n_epochs=2, batch_examples=4, learning_rate=1e-2, eval_every_share=0.5)
"""Four steps, each with a reading of the development loss."""


@cache
def open_tiny_base(family: str, cache_folder: Path) -> BaseWeights:
    """A family's tiny base, written once for the whole run."""
    folder = cache_folder / "tiny" / family
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "model.safetensors").is_file():
            write_tiny_base(family, folder)
    return BaseWeights(
        name=family,
        weights=f"{family}, random",
        gguf_path=None,
        checkpoint_path=folder,
        f16_gguf_path=None,
        sha256=hash_file(folder / "model.safetensors"),
    )


@cache
def train_tiny_base(family: str, cache_folder: Path) -> TrainOutcome:
    """An adapter of four steps on a family's tiny base, trained once for the whole run."""
    base = open_tiny_base(family, cache_folder)
    examples = make_tiny_examples(base.checkpoint_path, family)
    folder = cache_folder / "tiny-trained" / family
    folder.parent.mkdir(exist_ok=True)
    # A worker that comes second takes up the state of a training that is finished.
    with FileLock(f"{folder}.lock"):
        return train_lora(examples, examples[:2], base=base, folder=folder, recipe=TINY_RECIPE)
