"""A training loop of our own, planned before its first step: which examples each step sees, and at what rate."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from econchatr.errors import InputError
from econchatr.hosted.protocol import Hyperparameters
from econchatr.prompts import EncodedExample

DEFAULTS: Final[Hyperparameters] = {
    "n_epochs": 1,
    "batch_size": 8,
    "learning_rate": 1e-4,
    "schedule": "linear",
    "lora_rank": 32,
    "train_mlp": True,
    "train_attn": True,
    "train_unembed": True,
    "beta1": 0.9,
    "beta2": 0.95,
    "eps": 1e-12,
    "weight_decay": 0.0,
    "grad_clip_norm": 1.0,
}
"""What a profile leaves out. Source: tinker 0.38.0, types/optimizer.py and lora_config.py; the first four and
`grad_clip_norm` are chosen."""
_SCHEDULES: Final = ("constant", "linear")


class LoopStep(NamedTuple):
    """One step: a batch, and the learning rate at which the weights move after it."""

    examples: tuple[EncodedExample, ...]
    learning_rate: float

    @property
    def n_tokens(self) -> int:
        """Tokens that are sent, prompts too."""
        return count_tokens(self.examples)


def count_tokens(examples: Iterable[EncodedExample]) -> int:
    """Tokens of examples, prompts too."""
    return sum(len(one.ids) for one in examples)


def complete_hyperparameters(given: Hyperparameters) -> Hyperparameters:
    """Every hyperparameter of a loop, written out.

    Raises:
        InputError: One is not known, or has a value that none can have.
    """
    whole = {**DEFAULTS, **given}
    for name, value in whole.items():
        if name not in DEFAULTS:
            raise _refuse(name, value, f"it is none of {', '.join(DEFAULTS)}")
        wanted = DEFAULTS[name]
        fits = isinstance(value, bool) is isinstance(wanted, bool) and (
            isinstance(value, int | float) if isinstance(wanted, float) else isinstance(value, type(wanted))
        )
        if not fits:
            raise _refuse(name, value, f"it must be {type(wanted).__name__}")
        if name in ("n_epochs", "batch_size", "lora_rank", "learning_rate") and not float(value) > 0:
            raise _refuse(name, value, "it must be above 0")
    if whole["schedule"] not in _SCHEDULES:
        raise _refuse("schedule", whole["schedule"], f"it is none of {', '.join(_SCHEDULES)}")
    return whole


def _refuse(name: str, value: object, why: str) -> InputError:
    return InputError(
        f"hyperparameter {name} = {value!r}: {why}. Nothing was sent.",
        hint="Change `hyperparameters` of the profile in profiles.toml.",
    )


def plan_steps(examples: Sequence[EncodedExample], hyperparameters: Hyperparameters, seed: int) -> list[LoopStep]:
    """Every step of a training, the same each time for the same examples, hyperparameters and seed.

    Each epoch sees every example once, in an order of its own; its last batch may be smaller.

    Args:
        hyperparameters: Complete, as `complete_hyperparameters` gives them.
    """
    size, batches = int(hyperparameters["batch_size"]), list[tuple[EncodedExample, ...]]()
    for epoch in range(int(hyperparameters["n_epochs"])):
        shuffled = list(examples)
        random.Random(f"{seed}-{epoch}").shuffle(shuffled)
        batches += [tuple(shuffled[start : start + size]) for start in range(0, len(shuffled), size)]
    peak, is_linear = float(hyperparameters["learning_rate"]), hyperparameters["schedule"] == "linear"
    return [
        LoopStep(batch, peak * (1 - number / len(batches)) if is_linear else peak)
        for number, batch in enumerate(batches)
    ]
