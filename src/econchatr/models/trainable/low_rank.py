"""Put an adapter that learns on the linear layers of any transformers model.

Written anew instead of taken from peft, whose layers keep float32 copies of every input on a CPU. What is peft's: which
number stands where, the names, the first values, the file. `docs/decisions/0017-any-model.md` says what was measured.

torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

from econchatr.errors import ModelError

_ROUTERS = ("gate", "router", "shared_expert_gate")
"""Layers that choose between experts: an adapter on them would move whole tokens to others."""


def find_targets(model: Any, decoder: Any) -> dict[str, Any]:
    """Give every linear layer of the language model's blocks by its full name; towers for images have none of them.

    Raises:
        ModelError: There is none.
    """
    head = model.get_output_embeddings()
    inside = {id(module) for module in decoder.modules()}
    targets = {
        name: module
        for name, module in model.named_modules()
        if id(module) in inside
        and re.search(r"\.\d+\.", name)
        and module is not head
        and _is_linear(module)
        and name.rpartition(".")[2] not in _ROUTERS
    }
    if not targets:
        raise ModelError(f"{type(model).__name__}: has no linear layers for an adapter.", hint="Take another base.")
    return targets


def name_targets(model: Any, targets: dict[str, Any]) -> list[str] | str:
    """Give the targets as peft's `target_modules`: the layers' own names, or a pattern where other parts share them."""
    leaves = sorted({name.rpartition(".")[2] for name in targets})
    others = {name for name, module in model.named_modules() if _is_linear(module)} - set(targets)
    if not any(name.rpartition(".")[2] in leaves for name in others):
        return leaves
    start = re.split(r"\.\d+\.", next(iter(targets)))[0]
    return rf"{re.escape(start)}\.\d+\.(.*\.)?({'|'.join(leaves)})"


def _is_linear(module: Any) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def read_shape(module: Any) -> tuple[int, int]:
    """Give a linear layer's numbers of inputs and outputs; GPT-2's `Conv1D` holds its matrix the other way round."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    return int(module.weight.shape[0]), int(module.weight.shape[1])


class LowRank:
    """One layer's adapter: the layer's result gains `scale * up @ down @ input`."""

    def __init__(self, module: Any, *, rank: int, scale: float, generator: torch.Generator) -> None:
        """Draw the first values as peft does: `down` uniform within 1/sqrt(inputs), `up` zero.

        Source: peft, LoraLayer.reset_lora_parameters.
        """
        n_in, n_out = read_shape(module)
        device = module.weight.device
        first = (torch.rand(rank, n_in, generator=generator) * 2 - 1) * n_in**-0.5
        self.down = nn.Parameter(first.to(device))
        self.up = nn.Parameter(torch.zeros(n_out, rank, device=device))
        self._scale = scale
        self._now: tuple[Tensor, Tensor, Tensor | None] | None = None
        module.register_forward_hook(self._add)

    def refresh(self, dtype: torch.dtype, *, dropout: float, generator: torch.Generator | None) -> None:
        """Copy the matrices in the number format of the products, after a change to them.

        Args:
            dropout: Share of the input's features that the adapter does not see until the next refresh.
        """
        kept = None
        if dropout:
            drawn = torch.rand(self.down.shape[1], generator=generator).to(self.down.device)
            kept = (drawn >= dropout).float() / (1 - dropout)
        down = self.down.detach() if kept is None else self.down.detach() * kept
        self._now = down.to(dtype), (self.up.detach() * self._scale).to(dtype), kept

    def _add(self, module: Any, given: tuple[Tensor, ...], result: Tensor) -> Tensor:
        assert self._now is not None  # noqa: S101 - `refresh` comes before the first pass
        down, up, kept = self._now
        if type(module) is not nn.Linear:
            result = result.clone()  # a quantized layer may still hold its result, which is changed in place below
        return _AddProduct.apply(result, given[0], self.down, self.up, (down, up, kept, self._scale))


class _AddProduct(torch.autograd.Function):  # type: ignore[misc]
    """`result + input @ down.T @ up.T`, whose gradients for the float32 matrices are worked out by hand."""

    @staticmethod
    def forward(ctx: Any, result: Tensor, given: Tensor, down: Tensor, up: Tensor, now: Any) -> Tensor:
        down_now, up_now, kept, scale = now
        x = given.reshape(-1, given.shape[-1])
        inner = x @ down_now.t()
        ctx.save_for_backward(x, inner, down_now, up_now)
        ctx.kept, ctx.scale = kept, scale
        ctx.mark_dirty(result)
        result.view(-1, result.shape[-1]).addmm_(inner, up_now.t())
        return result

    @staticmethod
    def backward(ctx: Any, d_result: Tensor) -> tuple[Tensor | None, ...]:
        x, inner, down_now, up_now = ctx.saved_tensors
        dy = d_result.reshape(-1, d_result.shape[-1])
        d_inner = dy @ up_now
        # The thin matrix first: the other order takes three times as long on a CPU.
        d_up = (inner.t() @ dy).t().float() * ctx.scale
        d_down = (d_inner.t() @ x).float()
        if ctx.kept is not None:
            d_down = d_down * ctx.kept
        d_given = (d_inner @ down_now).view(*d_result.shape[:-1], -1) if ctx.needs_input_grad[1] else None
        return d_result, d_given, d_down, d_up, None
