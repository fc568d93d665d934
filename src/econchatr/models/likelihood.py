"""How likely a model finds given replies, in nats.

Knows no show and no score: what the numbers say about a host is `score`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from econchatr.errors import MissingExtraError
from econchatr.models.examples import EncodedExample

__all__ = ["EncodedExample", "reply_nats"]

_MAX_PACK_TOKENS = 1024
"""Tokens of one forward pass: enough for full speed, few enough to stay in the cache. Source: docs/experiments.md."""


def reply_nats(
    examples: Sequence[EncodedExample],
    *,
    checkpoint: Path,
    adapter: Path | None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Give each example's summed negative log-likelihood of its reply tokens, in nats, in the order given.

    Products run in bfloat16 where the machine multiplies in it natively; logits and their softmax in float32.

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
    try:
        from econchatr.models.llama_checkpoint import is_packable
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"measuring replies needs {exc.name}.", extra="local") from exc
    # Neighbours of like length keep the passes alike; the order given is restored below.
    order = sorted(range(len(examples)), key=lambda n: len(examples[n].ids))
    ordered = [examples[n] for n in order]
    measure = _measure_packed if is_packable(checkpoint) else _measure_with_transformers
    nats = [0.0] * len(examples)
    for n, value in zip(order, measure(ordered, checkpoint, adapter, on_progress), strict=True):
        nats[n] = value
    return nats


def _measure_packed(
    examples: Sequence[EncodedExample],
    checkpoint: Path,
    adapter: Path | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[float]:
    from econchatr.models.llama_checkpoint import choose_device, choose_dtype, open_packed_llama, read_adapters
    from econchatr.models.packed_llama import pack_examples

    device = choose_device()
    adapters, scale = read_adapters(adapter, device=device) if adapter else (None, 1.0)
    model = open_packed_llama(
        checkpoint,
        adapters=adapters,
        scale=scale,
        dtype=choose_dtype(device),
        device=device,
        n_positions=max(len(example.ids) for example in examples),
    )
    nats: list[float] = []
    for pack in pack_examples(examples, max_tokens=_MAX_PACK_TOKENS):
        nats += model.measure_nats(pack)
        if on_progress:
            on_progress(len(nats), len(examples))
    return nats


def _measure_with_transformers(
    examples: Sequence[EncodedExample],
    checkpoint: Path,
    adapter: Path | None,
    on_progress: Callable[[int, int], None] | None,
) -> list[float]:
    import torch

    from econchatr.models.transformers_model import load_model

    model = load_model(checkpoint, adapter=adapter)
    nats: list[float] = []
    for example in examples:
        ids = torch.tensor([example.ids], device=model.device)
        with torch.no_grad():
            logits = model(input_ids=ids, logits_to_keep=example.n_reply + 1, use_cache=False).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits.float(), ids[0, example.n_prompt :], reduction="none")
        nats.append(float(loss.double().sum()))
        if on_progress:
            on_progress(len(nats), len(examples))
    return nats
