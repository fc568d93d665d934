"""Lay several examples end to end as one sequence, and attend within each of them only.

The attention is given to transformers as one of its own implementations. So every family that asks for its attention
by name packs without a mask over the whole sequence: each example is a product of its own, with a causal mask of its
own length, or with the family's sliding window. What all prompts begin with is computed once.

Shapes: T rows of the sequence, H query heads, G key heads, D head width, l rows of one example, p rows of the shared
beginning.

Source: transformers' documentation, "Attention interface": a function under a new name, and no mask function with it.

torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from econchatr.prompts import EncodedExample

BY_EXAMPLE = "econchatr_by_example"
"""The name under which transformers finds `attend_by_example`."""
Spans = tuple[tuple[int, int, int], ...]
"""Of each example: its first row, the row after its last, and the rows of the shared beginning it sees besides."""


@dataclass(frozen=True)
class PackedRows:
    """Examples end to end: the shared beginning first, then what each example has of its own."""

    ids: Tensor
    """(1, T)"""
    positions: Tensor
    """(1, T): each example counts from the beginning."""
    spans: Spans
    rows: Tensor
    """Rows that predict a token of a reply."""
    targets: Tensor
    n_rows: tuple[int, ...]
    """How many of `rows` belong to each example."""


def count_shared(examples: Sequence[EncodedExample]) -> int:
    """Give the tokens at the beginning that all prompts have in common; the last one of a prompt is never counted."""
    if len(examples) < 2:
        return 0
    limit = min(example.n_prompt for example in examples) - 1
    low, high = min(e.ids[:limit] for e in examples), max(e.ids[:limit] for e in examples)
    return next((n for n, (a, b) in enumerate(zip(low, high, strict=True)) if a != b), limit)


def lay_out(examples: Sequence[EncodedExample], *, device: str) -> PackedRows:
    """Give examples as one sequence; the last token of a prompt is never shared."""
    p = count_shared(examples)
    ids, positions = list(examples[0].ids[:p]), list(range(p))
    spans = [(0, p, 0)] if p else []
    rows: list[int] = []
    targets: list[int] = []
    for example in examples:
        first = len(ids)
        ids += example.ids[p:]
        positions += range(p, len(example.ids))
        spans.append((first, len(ids), p))
        rows += range(first + example.n_prompt - 1 - p, len(ids) - 1)
        targets += example.ids[example.n_prompt :]
    return PackedRows(
        ids=torch.tensor([ids], device=device),
        positions=torch.tensor([positions], device=device),
        spans=tuple(spans),
        rows=torch.tensor(rows, device=device),
        targets=torch.tensor(targets, device=device),
        n_rows=tuple(example.n_reply for example in examples),
    )


def attend_by_example(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **given: Any
) -> tuple[Tensor, None]:
    """Attend as transformers asks it of an implementation, each example by itself.

    Args:
        module: The layer that asks.
        query: (1, H, T, D)
        key: (1, G, T, D); so is `value`.
        attention_mask: None: `spans` says who sees whom.
        given: `spans`, and what the family's attention has: `scaling`, `sliding_window`, `softcap`.

    Raises:
        NotImplementedError: The family's attention has something else that changes its result.
    """
    has_more = given.get("s_aux") is not None or given.get("position_bias") is not None
    if has_more or not getattr(module, "is_causal", True):
        raise NotImplementedError("attention with sinks, biases or without order")
    scale = given.get("scaling") or query.shape[-1] ** -0.5
    window, cap = given.get("sliding_window"), given.get("softcap")
    parts = []
    for first, end, p in given["spans"]:
        k, v = _with_shared(key[0], first, end, p), _with_shared(value[0], first, end, p)
        parts.append(_attend_one(query[0, :, first:end] * scale, k, v, (p, window, cap)))
    return torch.cat(parts)[None], None


def _with_shared(heads: Tensor, first: int, end: int, p: int) -> Tensor:
    """(G, T, D) -> (G, p+l, D): the shared beginning, then the example's own rows."""
    own = heads[:, first:end]
    return torch.cat([heads[:, :p], own], dim=1) if p else own


def _attend_one(q: Tensor, k: Tensor, v: Tensor, rule: tuple[int, int | None, float | None]) -> Tensor:
    """(H, l, D), (G, p+l, D) -> (l, H, D). The scale is in `q`; `rule` is p, the window and the cap of the scores."""
    p, window, cap = rule
    n_heads, n_rows, width = q.shape
    group, n_keys, v_width = k.shape[0], k.shape[1], v.shape[-1]
    if q.device.type != "cpu" and cap is None:
        mask = None if not p and (window is None or n_rows <= window) else _make_mask(n_rows, n_keys, window, q)
        k, v = (part.repeat_interleave(n_heads // group, dim=0)[None] for part in (k, v))
        mixed = functional.scaled_dot_product_attention(q[None], k, v, mask, is_causal=mask is None, scale=1.0)
        return mixed[0].transpose(0, 1)
    # The query heads that share a key head stand under each other: no key is copied.
    scores = torch.bmm(q.reshape(group, -1, width), k.transpose(1, 2)).view(group, -1, n_rows, n_keys)
    if cap is not None:
        scores = torch.tanh(scores / cap) * cap
    chances = torch.softmax(scores + _make_mask(n_rows, n_keys, window, q), -1)
    mixed = torch.bmm(chances.view(group, -1, n_keys), v)
    return mixed.view(n_heads, n_rows, v_width).transpose(0, 1)


def _make_mask(n_rows: int, n_keys: int, window: int | None, like: Tensor) -> Tensor:
    """(l, p+l) to add to the scores: minus infinity on what comes later, or lies further back than the window."""
    ends = torch.arange(n_keys - n_rows, n_keys, device=like.device)[:, None]
    keys = torch.arange(n_keys, device=like.device)[None]
    hidden = keys > ends
    if window is not None:
        hidden |= keys <= ends - window
    return torch.zeros(n_rows, n_keys, dtype=like.dtype, device=like.device).masked_fill_(hidden, float("-inf"))
