"""How likely a model finds given replies, in nats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from econchatr.errors import MissingExtraError
from econchatr.models.engines.transformers_engine import load_model, switch_adapter
from econchatr.prompts import EncodedExample

if TYPE_CHECKING:
    from econchatr.models.llama.packed import PackedLlama

_OnProgress: TypeAlias = Callable[[int, int], None]

_MAX_PACK_TOKENS = 1024
"""Tokens of one forward pass: enough for full speed, few enough to stay in the cache. Source: docs/experiments.md."""


@runtime_checkable
class ReplyMeter(Protocol):
    """A model that stays open, to be measured on one lot of replies after another."""

    def measure(
        self, examples: Sequence[EncodedExample], *, tuned: bool, on_progress: _OnProgress | None = None
    ) -> list[float]:
        """Give each example's summed negative log-likelihood of its reply tokens, in nats, in the order given.

        Args:
            tuned: Whether the adapter takes part; the model must then have been opened with one.
            on_progress: Called with the examples done and the examples in all.
        """


def open_meter(checkpoint: Path, *, adapter: Path | None, n_positions: int) -> ReplyMeter:
    """Open a base, and the adapter on it where one is given; both are one model in memory.

    Products run in bfloat16 where the machine multiplies in it natively; logits and their softmax in float32.

    Args:
        checkpoint: A checkpoint folder.
        adapter: A peft adapter folder.
        n_positions: Tokens of the longest example to come.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The checkpoint or the adapter cannot be read.
    """
    try:
        from econchatr.models.llama import checkpoint as folders
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"measuring replies needs {exc.name}.", extra="local") from exc
    if not folders.is_packable(checkpoint):
        model = load_model(checkpoint, adapter=adapter)
        return _TransformersMeter(model, has_adapter=adapter is not None)
    return _PackedMeter(open_packed(checkpoint, adapter=adapter, n_positions=n_positions))


def open_packed(checkpoint: Path, *, adapter: Path | None, n_positions: int) -> PackedLlama:
    """Open a plain Llama's checkpoint folder, and the adapter on it where one is given, on this machine's device.

    Raises:
        ModelError: The checkpoint or the adapter cannot be read.
    """
    from econchatr.models import machine
    from econchatr.models.llama import checkpoint as folders

    device = machine.choose_device()
    adapters, scale = folders.read_adapters(adapter, device=device) if adapter else (None, 1.0)
    dtype = machine.choose_dtype(device)
    return folders.open_packed_llama(
        checkpoint, adapters=adapters, scale=scale, dtype=dtype, device=device, n_positions=n_positions
    )


def reply_nats(
    examples: Sequence[EncodedExample],
    *,
    checkpoint: Path,
    adapter: Path | None,
    on_progress: _OnProgress | None = None,
) -> list[float]:
    """Give what `ReplyMeter.measure` gives, of a model that is opened for it and closed again.

    Args:
        checkpoint: A checkpoint folder.
        adapter: A peft adapter folder; `None` measures the base.
        on_progress: Called with the examples done and the examples in all.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The checkpoint or the adapter cannot be read.
    """
    if not examples:
        return []
    meter = open_meter(checkpoint, adapter=adapter, n_positions=max(len(example.ids) for example in examples))
    return meter.measure(examples, tuned=adapter is not None, on_progress=on_progress)


class _PackedMeter:
    """The way of plain Llama-type models."""

    def __init__(self, model: PackedLlama) -> None:
        self._model = model

    def measure(
        self, examples: Sequence[EncodedExample], *, tuned: bool, on_progress: _OnProgress | None = None
    ) -> list[float]:
        return measure_packed(self._model, examples, tuned=tuned, on_progress=on_progress)


def measure_packed(
    model: PackedLlama, examples: Sequence[EncodedExample], *, tuned: bool, on_progress: _OnProgress | None = None
) -> list[float]:
    """Give what `ReplyMeter.measure` gives, of an open model."""
    model.use_adapters(tuned)
    # Neighbours of like length keep the passes alike; the order given is restored below.
    order = sorted(range(len(examples)), key=lambda n: len(examples[n].ids))
    nats = [0.0] * len(examples)
    n_done = 0
    for pack in _pack_by_prompt([examples[n] for n in order]):
        for n, value in zip(order[n_done:], model.measure_nats(pack), strict=False):
            nats[n] = value
        n_done += len(pack)
        if on_progress:
            on_progress(n_done, len(examples))
    return nats


def _pack_by_prompt(examples: Sequence[EncodedExample]) -> Iterator[Sequence[EncodedExample]]:
    """Cut the examples into runs of one forward pass; the prompt a run begins with is computed and counted once."""
    start, n_tokens = 0, 0
    for at, example in enumerate(examples):
        first = examples[start]
        is_same = at > start and example.ids[: example.n_prompt] == first.ids[: first.n_prompt]
        n_own = example.n_reply if is_same else len(example.ids)
        if n_tokens and n_tokens + n_own > _MAX_PACK_TOKENS:
            yield examples[start:at]
            start, n_tokens, n_own = at, 0, len(example.ids)
        n_tokens += n_own
    if examples[start:]:
        yield examples[start:]


class _TransformersMeter:
    """The way of every other model."""

    def __init__(self, model: Any, *, has_adapter: bool) -> None:
        self._model, self._has_adapter = model, has_adapter

    def measure(
        self, examples: Sequence[EncodedExample], *, tuned: bool, on_progress: _OnProgress | None = None
    ) -> list[float]:
        import torch

        nats: list[float] = []
        with switch_adapter(self._model, is_on=tuned, has_adapter=self._has_adapter), torch.no_grad():
            for example in examples:
                ids = torch.tensor([example.ids], device=self._model.device)
                logits = self._model(input_ids=ids, logits_to_keep=example.n_reply + 1, use_cache=False).logits[0, :-1]
                loss = torch.nn.functional.cross_entropy(logits.float(), ids[0, example.n_prompt :], reduction="none")
                nats.append(float(loss.double().sum()))
                if on_progress:
                    on_progress(len(nats), len(examples))
        return nats
