"""What a training needs of its model, and which of two implementations a base gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from econchatr.errors import MissingExtraError, ModelError
from econchatr.models.trainable.memory_plan import TrainingPlan
from econchatr.prompts import EncodedExample

if TYPE_CHECKING:
    from torch.nn import Parameter


@dataclass(frozen=True)
class AdapterShape:
    """What an untrained adapter is made from."""

    rank: int
    alpha: int
    """The adapter's product is scaled by alpha / rank."""
    seed: int
    """Of its first values."""


class TrainableModel(Protocol):
    """A base with an adapter that learns. Only the adapter's matrices ever change, and they are float32."""

    plan: TrainingPlan

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """What learns, under the names that peft saves it by."""

    @property
    def target_modules(self) -> list[str] | str:
        """The layers with an adapter, as peft's configuration names them."""

    @property
    def n_tokens_known(self) -> int:
        """Rows of the embedding: larger token ids are no tokens of the model."""

    def refresh(self, *, dropout: float = 0.0, seed: int = 0) -> None:
        """Take the parameters over after a change to them.

        Args:
            dropout: Share of the input's features that the adapters do not see until the next refresh.
            seed: Of the choice of these features: the same seed chooses the same.
        """

    def learn(self, examples: Sequence[EncodedExample], *, weight: float) -> float:
        """Add the gradient of `weight` times the summed reply loss; give that sum, unweighted, in nats."""

    def measure_nats(self, examples: Sequence[EncodedExample]) -> list[float]:
        """Give each example's summed negative log-likelihood of its reply, in nats, without gradients."""


def open_trainable(checkpoint: Path, *, plan: TrainingPlan, shape: AdapterShape, n_positions: int) -> TrainableModel:
    """Open a base with a new adapter: as the packed Llama where that fits base and plan, else through transformers.

    Args:
        n_positions: Tokens of the longest example to come.

    Raises:
        MissingExtraError: A package it takes is not installed.
        ModelError: The base cannot be opened.
    """
    try:
        from econchatr.models.llama.checkpoint import is_packable
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"training needs {exc.name}.", extra="local") from exc
    is_plain = plan.device != "mps" and not (plan.is_4bit or plan.is_split or plan.is_checkpointed)
    if is_plain and is_packable(checkpoint):
        return _PackedLlamaWithAdapter(checkpoint, plan=plan, shape=shape, n_positions=n_positions)
    try:
        from econchatr.models.trainable.adapted_model import open_adapted_model
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"training this base needs {exc.name}.", extra="local") from exc

    return open_adapted_model(checkpoint, plan=plan, shape=shape)


class _PackedLlamaWithAdapter:
    """The packed Llama as a training sees it: its adapters' matrices are the parameters."""

    def __init__(self, path: Path, *, plan: TrainingPlan, shape: AdapterShape, n_positions: int) -> None:
        import torch

        from econchatr.models.llama import checkpoint as folders

        self.plan = plan
        adapters = folders.new_adapters(path, rank=shape.rank, seed=shape.seed, device=plan.device)
        self._model = folders.open_packed_llama(
            path,
            adapters=adapters,
            scale=shape.alpha / shape.rank,
            dtype=getattr(torch, plan.dtype),
            device=plan.device,
            n_positions=n_positions,
        )
        self.target_modules: list[str] | str = sorted(name.rpartition(".")[2] for name in folders.PROJECTIONS)
        named = folders.peft_tensors(adapters)
        self.parameters = {name: torch.nn.Parameter(tensor.to(plan.device)) for name, tensor in named.items()}
        for name, parameter in self.parameters.items():
            # `...layers.3.mlp.up_proj.lora_A.weight` is `down` of `3.mlp.up_proj`.
            key, _, side = name.partition(".layers.")[2].removesuffix(".weight").rpartition(".")
            setattr(adapters[key], "down" if side == "lora_A" else "up", parameter)
        self._model.refresh()

    @property
    def n_tokens_known(self) -> int:
        return self._model.n_tokens_known

    def refresh(self, *, dropout: float = 0.0, seed: int = 0) -> None:
        import torch

        self._model.refresh(dropout=dropout, generator=torch.Generator().manual_seed(seed))

    def learn(self, examples: Sequence[EncodedExample], *, weight: float) -> float:
        return self._model.learn(examples, weight=weight)

    def measure_nats(self, examples: Sequence[EncodedExample]) -> list[float]:
        return self._model.measure_nats(examples)


def check_tokens(model: TrainableModel, examples: Sequence[EncodedExample], *, name: str) -> None:
    """Refuse token ids that the model has no embedding for.

    Raises:
        ModelError: There is one: the examples were made with another model's tokenizer.
    """
    highest = max(max(example.ids) for example in examples)
    if highest >= model.n_tokens_known:
        raise ModelError(
            f"{name}: token {highest:,} of the examples is not among its {model.n_tokens_known:,}.",
            hint="Its tokenizer has more tokens than the model: take the model's own tokenizer, or another base.",
        )


def cut_packs(examples: Sequence[EncodedExample], *, max_tokens: int) -> Iterator[Sequence[EncodedExample]]:
    """Cut a list of examples into runs of at most `max_tokens` tokens; a longer example runs alone."""
    start, n_tokens = 0, 0
    for at, example in enumerate(examples):
        if n_tokens and n_tokens + len(example.ids) > max_tokens:
            yield examples[start:at]
            start, n_tokens = at, 0
        n_tokens += len(example.ids)
    if examples[start:]:
        yield examples[start:]
