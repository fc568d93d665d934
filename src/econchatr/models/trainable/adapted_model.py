"""Any causal language model that transformers opens, with an adapter that learns.

Two ways through the model. The fast one packs examples (`packing`) and works the head out itself, at reply tokens only
and some rows at a time. The plain one asks the model for one example after another. Families differ in what they do to
their logits, and some have layers that look back in other ways than by attention. So the fast way is tried against the
plain one on two short examples when the model is opened, and is taken only where both agree.

torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from econchatr.errors import ModelError
from econchatr.models.engines.transformers_engine import without_noise
from econchatr.models.machine import choose_device, read_memory
from econchatr.models.trainable.low_rank import LowRank, find_targets, name_targets
from econchatr.models.trainable.memory_plan import TrainingPlan
from econchatr.models.trainable.packing import BY_EXAMPLE, attend_by_example, lay_out
from econchatr.models.trainable.trainable_model import AdapterShape
from econchatr.prompts import EncodedExample

_HEAD_NUMBERS = 33_000_000
"""Logits that exist at once: 128 rows of a vocabulary of 262,144."""
_MOST_APART_NATS = {torch.float32: 1e-3, torch.bfloat16: 0.1}
_MOST_APART_SHARE = {torch.float32: 0.0, torch.bfloat16: 0.05}
"""How far the two ways may differ, in nats per token on average, or as a share of all nats where that is more. Rounding
grows with the loss, and tokens drawn by lot surprise a trained model: Gemma 3 270M differs by 0.3 of 18 nats from
rounding alone, and by 2.4 where it mixes examples."""


@dataclass(frozen=True)
class _Head:
    """From a final hidden state to logits: a matrix, and what the family does to its product."""

    weight: Tensor
    bias: Tensor | None
    factor: float
    cap: float | None

    def logits(self, hidden: Tensor) -> Tensor:
        """(rows, width) -> (rows, vocabulary)."""
        logits = functional.linear(hidden, self.weight, self.bias)
        if self.factor != 1.0:
            logits = logits * self.factor
        return torch.tanh(logits / self.cap) * self.cap if self.cap else logits

    def chunks(self, n_rows: int) -> Iterator[slice]:
        """Runs of rows whose logits exist at once."""
        step = max(16, _HEAD_NUMBERS // self.weight.shape[0])
        return (slice(at, at + step) for at in range(0, n_rows, step))


def _read_head(model: Any) -> _Head:
    """The head of a model.

    Source: transformers' configurations of Gemma (`final_logit_softcapping`), Granite (`logits_scaling`) and Cohere
    (`logit_scale`).
    """
    config, linear = model.config.get_text_config(), model.get_output_embeddings()
    factor = float(getattr(config, "logit_scale", None) or 1.0) / float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return _Head(linear.weight, getattr(linear, "bias", None), factor, float(cap) if cap else None)


class AdaptedModel:
    """The model: `measure_nats` without gradients, `learn` with them. Implements `TrainableModel`."""

    def __init__(self, model: Any, *, plan: TrainingPlan, shape: AdapterShape) -> None:
        self.plan = plan
        self._model, self._decoder = model, model.get_decoder()
        self._dtype = getattr(torch, plan.dtype)
        targets = find_targets(model, self._decoder)
        generator = torch.Generator().manual_seed(shape.seed)
        scale = shape.alpha / shape.rank
        self._adapters = {
            name: LowRank(module, rank=shape.rank, scale=scale, generator=generator) for name, module in targets.items()
        }
        self.target_modules = name_targets(model, targets)
        self.refresh()
        self._head: _Head | None = None
        self._choose_way()
        if plan.is_checkpointed:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            model.train()

    @property
    def is_packed(self) -> bool:
        """Whether the fast way is taken."""
        return self._head is not None

    @property
    def n_tokens_known(self) -> int:
        """Rows of the embedding: larger token ids are no tokens of the model."""
        return int(self._model.get_input_embeddings().weight.shape[0])

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """What learns, under the names that peft saves it by: `base_model.model.` and the layer's full name."""
        named = {}
        for name, adapter in self._adapters.items():
            named[f"base_model.model.{name}.lora_A.weight"] = adapter.down
            named[f"base_model.model.{name}.lora_B.weight"] = adapter.up
        return named

    def refresh(self, *, dropout: float = 0.0, seed: int = 0) -> None:
        """See `TrainableModel.refresh`."""
        generator = torch.Generator().manual_seed(seed) if dropout else None
        for adapter in self._adapters.values():
            adapter.refresh(self._dtype, dropout=dropout, generator=generator)

    def learn(self, examples: Sequence[EncodedExample], *, weight: float) -> float:
        """See `TrainableModel.learn`."""
        with _no_room():
            if self._head is None:
                return sum(self._learn_alone(example, weight) for example in examples)
            hidden, targets, _ = self._final_states(examples)
            nats, d_hidden = _back_head(self._head, hidden.detach(), targets, weight)
            hidden.backward(d_hidden)
            return nats

    def measure_nats(self, examples: Sequence[EncodedExample]) -> list[float]:
        """See `TrainableModel.measure_nats`."""
        with torch.no_grad(), _no_room():
            return [float(part.double().sum()) for part in self._token_nats(examples)]

    def _token_nats(self, examples: Sequence[EncodedExample]) -> list[Tensor]:
        """Each example's nats, one for each token of its reply, in main memory."""
        if self._head is None:
            return [self._nats_alone(example).cpu() for example in examples]
        hidden, targets, n_rows = self._final_states(examples)
        parts = [
            functional.cross_entropy(self._head.logits(hidden[rows]).float(), targets[rows], reduction="none")
            for rows in self._head.chunks(len(targets))
        ]
        return list(torch.cat(parts).cpu().split(n_rows))

    def _final_states(self, examples: Sequence[EncodedExample]) -> tuple[Tensor, Tensor, tuple[int, ...]]:
        """The last hidden states where a reply's token is predicted, those tokens, and how many each example has."""
        device = self._model.get_input_embeddings().weight.device
        packed = lay_out(examples, device=str(device))
        states = self._decoder(
            input_ids=packed.ids,
            position_ids=packed.positions,
            attention_mask=None,
            use_cache=False,
            spans=packed.spans,
        ).last_hidden_state[0]
        hidden = states[packed.rows.to(states.device)]
        return hidden, packed.targets.to(states.device), packed.n_rows

    def _learn_alone(self, example: EncodedExample, weight: float) -> float:
        nats = self._nats_alone(example).sum()
        (nats * weight).backward()
        return float(nats.detach())

    def _nats_alone(self, example: EncodedExample) -> Tensor:
        """The plain way: the model's own logits for one example."""
        ids = torch.tensor([example.ids], device=self._model.get_input_embeddings().weight.device)
        logits = self._model(input_ids=ids, use_cache=False, logits_to_keep=example.n_reply + 1).logits
        logits = logits[0, -example.n_reply - 1 : -1].float()
        return functional.cross_entropy(logits, ids[0, example.n_prompt :].to(logits.device), reduction="none")

    def _choose_way(self) -> None:
        """Take the fast way if it gives what the plain one gives."""
        model, probes = self._model, _make_probes(self.n_tokens_known)
        before = model.config._attn_implementation
        with torch.no_grad(), _no_room():
            wanted = torch.cat([self._nats_alone(probe).cpu() for probe in probes])
            try:
                model.set_attn_implementation(BY_EXAMPLE)
                self._head = _read_head(model)
                found = torch.cat(self._token_nats(probes))
                if self._agree(found, wanted):
                    return
            except (NotImplementedError, TypeError, ValueError, KeyError, AttributeError, RuntimeError) as exc:
                if _tells_of_memory(exc):
                    raise
        self._head = None
        model.set_attn_implementation(before)

    def _agree(self, found: Tensor, wanted: Tensor) -> bool:
        most = max(_MOST_APART_NATS[self._dtype], _MOST_APART_SHARE[self._dtype] * float(wanted.mean()))
        return float((found - wanted).abs().mean()) <= most


def open_adapted_model(checkpoint: Path, *, plan: TrainingPlan, shape: AdapterShape) -> AdaptedModel:
    """Open a checkpoint folder with a new adapter on every linear layer of its language model.

    Raises:
        MissingExtraError: A package it takes is not installed.
        ModelError: The checkpoint cannot be opened, or is no causal language model.
    """
    model = _load(checkpoint, plan)
    model.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    return AdaptedModel(model.eval(), plan=plan, shape=shape)


def _load(checkpoint: Path, plan: TrainingPlan) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AttentionInterface, AutoModelForCausalLM

    AttentionInterface.register(BY_EXAMPLE, attend_by_example)
    settings: dict[str, Any] = {"dtype": getattr(torch, plan.dtype), "use_safetensors": True}
    if plan.is_split:
        settings["device_map"] = "balanced"
    elif plan.is_4bit:
        settings["device_map"] = {"": plan.device}
    if plan.is_4bit:
        settings["quantization_config"] = _four_bits(plan)
    try:
        with without_noise(), _no_room():
            model = AutoModelForCausalLM.from_pretrained(str(checkpoint), trust_remote_code=False, **settings)
            return model if "device_map" in settings else model.to(plan.device)
    except (
        OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, SafetensorError, StrictDataclassError
    ) as exc:  # fmt: skip
        line = str(exc).strip().partition("\n")[0]
        raise ModelError(
            f"{checkpoint.name}: transformers cannot open it as a causal language model ({line}).",
            hint="Take another base.",
        ) from exc


def _four_bits(plan: TrainingPlan) -> Any:
    """NF4 as in QLoRA: normal-float numbers, their scales quantized too, products in the plan's format."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, plan.dtype),
    )


def _back_head(head: _Head, hidden: Tensor, targets: Tensor, weight: float) -> tuple[float, Tensor]:
    """The summed loss in nats, and the gradient of `weight` times it for `hidden`."""
    d_hidden = torch.empty_like(hidden)
    nats = 0.0
    for rows in head.chunks(len(targets)):
        target = targets[rows, None]
        logits = head.logits(hidden[rows])
        chances = torch.softmax(logits, -1)
        nats -= float(chances.gather(1, target).float().clamp_min_(1e-30).log_().sum())
        chances[torch.arange(len(target), device=target.device), target[:, 0]] -= 1
        if head.cap:
            chances.mul_(1 - (logits / head.cap) ** 2)
        d_hidden[rows] = (chances @ head.weight) * (weight * head.factor)
    return nats, d_hidden


def _make_probes(n_tokens: int) -> list[EncodedExample]:
    """Two examples of other tokens and lengths that begin alike."""
    generator = torch.Generator().manual_seed(7)
    start, *ends = (torch.randint(0, n_tokens, (n,), generator=generator).tolist() for n in (5, 14, 23))
    return [EncodedExample((*start, *end), len(start) + len(end) // 2) for end in ends]


@contextmanager
def _no_room() -> Iterator[None]:
    """Say in one line that the memory is full."""
    try:
        yield
    except RuntimeError as exc:
        if not _tells_of_memory(exc):
            raise
        free, total = read_memory(choose_device())
        raise ModelError(
            f"memory is full: {free / 1e9:.1f} of {total / 1e9:.1f} GB are free.",
            hint="Close the programs that hold the rest, or lower max_example_tokens under [train].",
        ) from exc


def _tells_of_memory(exc: BaseException) -> bool:
    """Whether an error of torch says that a device is full; only a CUDA device has a class of its own for it."""
    words = ("out of memory", "can't allocate memory")
    return isinstance(exc, torch.OutOfMemoryError) or any(word in str(exc) for word in words)
