"""Frozen projections with adapters that learn: their product, and its gradient worked out by hand.

Shapes: T rows, r adapter rank. torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Adapter:
    """One projection's adapter: the float32 matrices that learn. The projection gains `scale * up @ down`."""

    down: Tensor
    """(r, in), peft's `lora_A`."""
    up: Tensor
    """(out, r), peft's `lora_B`."""


class FusedLinear:
    """Projections of one input as one matrix, each with its adapter."""

    def __init__(self, weights: Sequence[Tensor], *, norm: Tensor | None, dtype: torch.dtype) -> None:
        """Join the projections.

        Args:
            weights: (out, in) each.
            norm: The weights of the norm before the projections, which are folded into the matrix; `None`: no norm.
        """
        folded = [w.float() * norm.float() if norm is not None else w for w in weights]
        self.weight = torch.cat([w.to(dtype) for w in folded])
        """(out, in) of all projections, with the norm folded in and without adapters."""
        self._norm = norm.float() if norm is not None else None
        ends = torch.tensor([w.shape[0] for w in weights]).cumsum(0).tolist()
        self._parts = [slice(end - w.shape[0], end) for end, w in zip(ends, weights, strict=True)]
        self._inner_parts: list[slice] = []
        self._adapters: list[Adapter] = []
        self._scale = 1.0
        self._in_scale: Tensor | None = None
        self._downs = self.weight[:0]
        self._ups: list[Tensor] = []

    def attach(self, adapters: Sequence[Adapter], scale: float) -> None:
        """Put one adapter on each projection."""
        self._adapters, self._scale = list(adapters), scale
        rank = adapters[0].down.shape[0]
        self._inner_parts = [slice(n * rank, (n + 1) * rank) for n in range(len(adapters))]

    def refresh(self, *, dropout: float = 0.0, generator: torch.Generator | None = None) -> None:
        """Copy the adapters in the dtype of the products, after a change to them.

        Args:
            dropout: Share of the input's features that the adapters do not see until the next refresh. One mask for a
                whole step, not one for each number as peft draws it: those masks cost a fifth of a step on a CPU.
        """
        if not self._adapters:
            return
        dtype = self.weight.dtype
        in_scale = self._norm
        if dropout:
            kept = torch.rand(self.weight.shape[1], generator=generator).to(self.weight.device) >= dropout
            in_scale = kept.float() / (1 - dropout) * (1.0 if self._norm is None else self._norm)
        self._in_scale = in_scale
        downs = torch.cat([adapter.down.detach() for adapter in self._adapters])
        self._downs = (downs if in_scale is None else downs * in_scale).to(dtype)
        self._ups = [(adapter.up.detach() * self._scale).to(dtype) for adapter in self._adapters]

    def rest(self) -> None:
        """Leave the adapters out, until the next refresh."""
        self._downs, self._ups = self.weight[:0], []

    def merge(self) -> Tensor:
        """Give `weight` with the adapters added to it, (out, in) in the dtype of the products."""
        merged = self.weight.to(torch.float32, copy=True)
        for part, adapter in zip(self._parts, self._adapters, strict=False):
            down = adapter.down if self._norm is None else adapter.down * self._norm
            merged[part].addmm_(adapter.up, down, alpha=self._scale)
        return merged.to(self.weight.dtype)

    def apply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give the projections of `x` (T, in), and the adapters' inner values (T, r * projections) for `back`."""
        y = x @ self.weight.t()
        inner = x @ self._downs.t()
        for n, up in enumerate(self._ups):
            y[:, self._parts[n]].addmm_(inner[:, self._inner_parts[n]], up.t())
        return y, inner

    def back(self, dy: Tensor, x: Tensor, inner: Tensor, *, is_input_needed: bool = True) -> Tensor | None:
        """Add the adapters' gradients, and give the input's.

        Args:
            dy: The gradient of the projections, (T, out).
            x: What `apply` was given.
            inner: What `apply` gave.
            is_input_needed: False where nothing that learns lies before.
        """
        d_inner = torch.empty_like(inner)
        for n, adapter in enumerate(self._adapters):
            part, rows = dy[:, self._parts[n]], self._inner_parts[n]
            torch.mm(part, self._ups[n], out=d_inner[:, rows])
            # The thin matrix first: the other order takes three times as long on a CPU.
            _add_gradient(adapter.up, (inner[:, rows].t() @ part).t().float() * self._scale)
        d_downs = (d_inner.t() @ x).float()
        if self._in_scale is not None:
            d_downs = d_downs * self._in_scale
        for adapter, rows in zip(self._adapters, self._inner_parts, strict=True):
            _add_gradient(adapter.down, d_downs[rows])
        if not is_input_needed:
            return None
        dx = dy @ self.weight
        return dx.addmm_(d_inner, self._downs) if self._ups else dx


def _add_gradient(parameter: Tensor, gradient: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = gradient.clone(memory_format=torch.contiguous_format)
    else:
        parameter.grad.add_(gradient)
