"""The settings of a training, and what comes of it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from econchatr.records import Record

_READING_SHARE: Final = 0.1
"""Of the time that learning takes."""
_READING_COST: Final = 0.5
"""Of a token that is read, beside one that is learned: the base learns nothing, so that a step has a forward pass and
one backward product for each of its products."""
_MIN_DEV_TOKENS: Final = 1_000


class LoraRecipe(Record):
    """How an adapter is trained.

    Source: the learning rate from a small sweep on a real show, `docs/experiments.md`; rank and targets after "LoRA
    Without Regret" (all linear layers); the rest are usual values, not swept.
    """

    rank: int = Field(default=16, ge=1, le=512)
    alpha: int = Field(default=32, ge=1)
    """The adapter's product is scaled by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of input features that the adapters do not see during one step."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    """The highest; it falls to zero in a straight line after the warm-up."""
    warmup_share: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    max_gradient_norm: float = Field(default=1.0, gt=0)
    batch_examples: int = Field(default=8, ge=1)
    n_epochs: int = Field(default=2, ge=1)
    seed: int = 0
    eval_every_share: float = Field(default=0.5, gt=0, le=1)
    """Development loss is read each time this share of an epoch has passed, before the first step and after the
    last."""

    def count_dev_tokens(self, n_tokens: int) -> int:
        """How many tokens the development loss is read on, so that all readings cost about a tenth of the training.

        Args:
            n_tokens: Of the training examples.
        """
        n_readings = 1 + math.ceil(self.n_epochs / self.eval_every_share)
        share = _READING_SHARE * self.n_epochs / (_READING_COST * n_readings)
        return max(_MIN_DEV_TOKENS, round(n_tokens * share))


def write_peft_config(recipe: LoraRecipe, *, base: str, target_modules: list[str] | str) -> str:
    """The text of the adapter_config.json that peft needs to load an adapter.

    Args:
        base: The base's name, which no folder of this machine stands in.
        target_modules: The layers with an adapter, as peft names them.
    """
    content = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "target_modules": target_modules,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "use_rslora": False,
    }
    return json.dumps(content, indent=2) + "\n"


@dataclass(frozen=True)
class TrainProgress:
    """Where a training stands."""

    step: int
    n_steps: int
    n_seen_tokens: int
    n_all_tokens: int
    """Tokens of all epochs."""
    train_loss: float | None
    """Mean loss per learned token of the last step, in nats."""
    dev_loss: float | None
    """The last reading, in nats per learned token."""


@dataclass(frozen=True)
class LossPoint:
    """One reading of the learning curve; the fields are those of `records.CurvePoint` but for the rung."""

    step: int
    n_seen_tokens: int
    train_loss: float | None
    """Mean loss per learned token since the reading before; `None` before the first step."""
    dev_loss: float | None
    """`None` where there are no development examples."""
    is_best: bool


@dataclass(frozen=True)
class TrainOutcome:
    """A finished training."""

    adapter_folder: Path
    """peft's `adapter_model.safetensors` and `adapter_config.json`, of the step with the lowest development loss."""
    curve: tuple[LossPoint, ...]
    n_steps: int
    best_step: int
    """The step the adapter is of; steps count from 1."""
    n_trained_tokens: int
    """All tokens of all epochs, prompts included."""
    dtype: str
    """Number format of the products; adapters and optimizer are always float32."""
