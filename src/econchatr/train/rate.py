"""How many tokens a second this machine trains on, measured on a few real steps.

This module does not know budgets; whoever asks keeps the figure.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from econchatr.models.examples import EncodedExample
from econchatr.models.weights import BaseWeights
from econchatr.train.local import train_lora
from econchatr.train.recipe import LoraRecipe, TrainProgress

_N_STEPS = 4
"""The first step warms caches up and is not counted; three more are steady within a few per cent."""


def measure_rate(examples: Sequence[EncodedExample], *, base: BaseWeights, folder: Path, recipe: LoraRecipe) -> float:
    """Tokens per second of training with this recipe, prompts included.

    Args:
        folder: An empty folder for the state; its contents are worthless afterwards.

    Raises:
        InputError: There are no examples.
        MissingExtraError: torch is not installed.
        ModelError: The base cannot be trained on.
    """
    marks: list[tuple[float, int]] = []

    def mark(progress: TrainProgress) -> None:
        marks.append((time.monotonic(), progress.n_seen_tokens))

    few = list(examples[: _N_STEPS * recipe.batch_examples])
    train_lora(few, [], base=base, folder=folder, recipe=recipe.model_copy(update={"n_epochs": 1}), on_progress=mark)
    (start, first), (end, last) = marks[0], marks[-1]
    return (last - first) / (end - start) if len(marks) > 1 else last / max(end - start, 1e-3)
