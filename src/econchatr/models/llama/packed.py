"""A Llama-type model whose forward and backward passes are written out for short examples on a CPU.

Several examples are laid end to end as one sequence, without padding; the beginning they share (the system line) is
computed once; attention runs per example as plain products; logits exist at reply positions only; the gradient of the
adapter matrices, the only weights that learn, is worked out by hand, so that no intermediate is kept in float32 and no
product is done for nothing. Through transformers, peft and autograd the same step takes more than twice as long
(`docs/performance.md`).

Shapes: T rows of the packed sequence, E width, H query heads, G key heads, R = H/G, D head width, r adapter rank,
l rows of one example, p rows of the shared beginning, n examples of equal length, V vocabulary.

torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from econchatr.models.llama.fused_linear import FusedLinear
from econchatr.models.llama.product import Product
from econchatr.models.trainable.packing import lay_out
from econchatr.prompts import EncodedExample

if TYPE_CHECKING:
    from torch import Tensor

_HEAD_ROWS = 128
"""Rows whose logits exist at once: 128 rows of 49,152 numbers stay near the cache."""

_MAX_ALIKE_ROWS = 4096
"""Keys of one attention product over several examples: each has a copy of the shared beginning."""


@dataclass(frozen=True)
class LlamaSizes:
    """What a Llama-type configuration says."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_width: int
    width: int
    norm_epsilon: float
    rope_theta: float


@dataclass
class Layer:
    """One transformer block's four products."""

    qkv: FusedLinear
    out: FusedLinear
    gate_up: FusedLinear
    down: FusedLinear

    def linears(self) -> tuple[FusedLinear, ...]:
        """All products of the layer, in the order of use."""
        return (self.qkv, self.out, self.gate_up, self.down)


@dataclass(frozen=True)
class _Pack:
    """Examples end to end: the shared beginning first, then what each example has of its own."""

    ids: Tensor
    """(T,)"""
    positions: Tensor
    rows: Tensor
    """Rows that predict a token of a reply."""
    targets: Tensor
    spans: tuple[tuple[int, int, int], ...]
    """First row, row after the last, and rows of the shared beginning that are seen besides."""
    n_rows: tuple[int, ...]
    """How many of `rows` belong to each example."""

    def list_alike(self) -> list[tuple[int, int, int, int]]:
        """Give runs of neighbours that are equally long: first row, examples, rows of each, rows seen besides."""
        runs: list[tuple[int, int, int, int]] = []
        for first, end, p in self.spans:
            begin, n, n_rows, seen = runs[-1] if runs else (0, 0, 0, 0)
            if n and (end - first, p) == (n_rows, seen) and (n + 1) * (p + n_rows) <= _MAX_ALIKE_ROWS:
                runs[-1] = (begin, n + 1, n_rows, p)
            else:
                runs.append((first, 1, end - first, p))
        return runs


@dataclass
class _Kept:
    """What one layer's forward pass leaves for its backward pass."""

    normed_1: Tensor
    rate_1: Tensor
    inner_qkv: Tensor
    attention: list[tuple[Tensor, Tensor, Tensor, Tensor]]
    mixed: Tensor
    inner_out: Tensor
    normed_2: Tensor
    rate_2: Tensor
    gate_up: Tensor
    inner_gate_up: Tensor
    gated: Tensor
    active: Tensor
    inner_down: Tensor


class PackedLlama:
    """The model: `measure_nats` without gradients, `learn` with them."""

    def __init__(
        self,
        sizes: LlamaSizes,
        *,
        embedding: Tensor,
        layers: Sequence[Layer],
        head: Tensor,
        n_positions: int,
        dtype: torch.dtype,
    ) -> None:
        """Join the parts.

        Args:
            embedding: (V, E).
            head: (V, E), the last norm's weights folded in.
            n_positions: The longest example that can be measured.
        """
        self.sizes, self.layers, self._embedding, self.head, self.dtype = sizes, layers, embedding, head, dtype
        self._exact_head: Product | None = None
        device = embedding.device
        half = torch.arange(0, sizes.head_width, 2, device=device).float() / sizes.head_width
        angles = torch.arange(n_positions, device=device).float()[:, None] / sizes.rope_theta**half
        self.cos, self.sin = angles.cos().to(dtype), angles.sin().to(dtype)  # (n_positions, D/2)
        self._mask = torch.full((n_positions, n_positions), float("-inf"), device=device, dtype=dtype).triu_(1)

    @property
    def n_tokens_known(self) -> int:
        """Rows of the embedding: larger token ids are no tokens of the model."""
        return len(self._embedding)

    def refresh(self, *, dropout: float = 0.0, generator: torch.Generator | None = None) -> None:
        """Take over a change of the adapters; see `FusedLinear.refresh`."""
        for layer in self.layers:
            for linear in layer.linears():
                linear.refresh(dropout=dropout, generator=generator)

    def use_adapters(self, is_on: bool) -> None:
        """Let the adapters take part, or not: with none of them the model is its base."""
        for layer in self.layers:
            for linear in layer.linears():
                linear.refresh() if is_on else linear.rest()

    def measure_nats(self, examples: Sequence[EncodedExample]) -> list[float]:
        """Give each example's summed negative log-likelihood of its reply, in nats."""
        pack = self._pack(examples)
        with torch.no_grad():
            x = self.embed(pack.ids)
            for layer in self.layers:
                x = self._apply_layer(layer, x, pack, is_kept=False)[0]
            normed, _ = self._norm(x[pack.rows], torch.float32)
            if self._exact_head is None:
                self._exact_head = Product(self.head.float(), n_rows=_HEAD_ROWS)
            head = self._exact_head
            nats = [
                functional.cross_entropy(
                    head.apply(normed[at : at + _HEAD_ROWS]), pack.targets[at : at + _HEAD_ROWS], reduction="none"
                )
                for at in range(0, len(pack.rows), _HEAD_ROWS)
            ]
            return [float(part.double().sum()) for part in torch.cat(nats).split(pack.n_rows)]

    def read(self, examples: Sequence[EncodedExample]) -> tuple[Tensor, list[list[tuple[Tensor, Tensor]]]]:
        """Read whole examples, to go on from them: give what the last layer makes of each one's last token, (n, E).

        And for each layer, each example's keys and values, (G, l, D).
        """
        pack, n = self._pack(examples), len(examples)
        kept = []
        with torch.no_grad():
            x = self.embed(pack.ids)
            for layer in self.layers:
                x, left = self._apply_layer(layer, x, pack)
                kept.append([(keys, values) for _, keys, values, _ in left.attention[-n:]])
        return x[[end - 1 for _, end, _ in pack.spans[-n:]]], kept

    def learn(self, examples: Sequence[EncodedExample], *, weight: float) -> float:
        """Add the gradient of `weight` times the summed reply loss; give that sum, unweighted, in nats."""
        self._exact_head = None  # 0.1 GB or more that a training can use
        pack = self._pack(examples)
        kept: list[_Kept] = []
        with torch.no_grad():
            x = self.embed(pack.ids)
            for layer in self.layers:
                x, left = self._apply_layer(layer, x, pack)
                kept.append(left)
            dx, nats = self._back_head(x, pack, weight)
            for n in range(len(self.layers) - 1, -1, -1):
                self._back_layer(self.layers[n], dx, kept.pop(), pack, is_first=n == 0)
        return nats

    def _pack(self, examples: Sequence[EncodedExample]) -> _Pack:
        laid = lay_out(examples, device=str(self._embedding.device))
        return _Pack(laid.ids[0], laid.positions[0], laid.rows, laid.targets, laid.spans, laid.n_rows)

    def embed(self, ids: Tensor) -> Tensor:
        """Give the first layer's input, (T, E), of token ids, (T,)."""
        return self._embedding[ids].float()  # the residual stream stays in float32

    def _norm(self, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        mean_square = torch.linalg.vector_norm(x, dim=1, keepdim=True).square_().div_(self.sizes.width)
        rate = mean_square.add_(self.sizes.norm_epsilon).rsqrt_()  # (T, 1)
        return torch.mul(x, rate, out=torch.empty(x.shape, dtype=dtype, device=x.device)), rate

    def _back_norm(self, d_normed: Tensor, normed: Tensor, rate: Tensor) -> Tensor:
        shared = (d_normed * normed).sum(-1, keepdim=True, dtype=torch.float32).div_(self.sizes.width)
        return d_normed.float().addcmul_(normed, shared, value=-1).mul_(rate)

    def _apply_layer(self, layer: Layer, x: Tensor, pack: _Pack, *, is_kept: bool = True) -> tuple[Tensor, _Kept]:
        """Give the layer's result, and what its backward pass needs; of the attention only if `is_kept`."""
        normed_1, rate_1 = self._norm(x, self.dtype)
        qkv, inner_qkv = layer.qkv.apply(normed_1)
        mixed, attention = self._attend(qkv, pack) if is_kept else (self._attend_alike(qkv, pack), [])
        y, inner_out = layer.out.apply(mixed)
        first = (normed_1, rate_1, inner_qkv, attention, mixed, inner_out)
        x = x.add_(y)
        normed_2, rate_2 = self._norm(x, self.dtype)
        gate_up, inner_gate_up = layer.gate_up.apply(normed_2)
        gate, up = gate_up.chunk(2, dim=1)
        gated = functional.silu(gate)
        active = gated * up
        y, inner_down = layer.down.apply(active)
        return x.add_(y), _Kept(*first, normed_2, rate_2, gate_up, inner_gate_up, gated, active, inner_down)

    def _back_layer(self, layer: Layer, dx: Tensor, kept: _Kept, pack: _Pack, *, is_first: bool) -> None:
        """Turn `dx` in place from the gradient of the layer's result into that of its input."""
        d_active = layer.down.back(dx.to(self.dtype), kept.active, kept.inner_down)
        assert d_active is not None  # noqa: S101 - `back` gives one unless told not to
        gate, up = kept.gate_up.chunk(2, dim=1)
        d_gate_up = torch.empty_like(kept.gate_up)
        d_gate, d_up = d_gate_up.chunk(2, dim=1)
        torch.mul(d_active, kept.gated, out=d_up)
        torch.ops.aten.silu_backward.grad_input(d_active.mul_(up), gate, grad_input=d_gate)
        d_normed = layer.gate_up.back(d_gate_up, kept.normed_2, kept.inner_gate_up)
        assert d_normed is not None  # noqa: S101
        dx.add_(self._back_norm(d_normed, kept.normed_2, kept.rate_2))
        d_mixed = layer.out.back(dx.to(self.dtype), kept.mixed, kept.inner_out)
        assert d_mixed is not None  # noqa: S101
        d_qkv = self._back_attend(d_mixed, kept.attention, pack)
        d_normed = layer.qkv.back(d_qkv, kept.normed_1, kept.inner_qkv, is_input_needed=not is_first)
        if d_normed is not None:
            dx.add_(self._back_norm(d_normed, kept.normed_1, kept.rate_1))

    def _back_head(self, x: Tensor, pack: _Pack, weight: float) -> tuple[Tensor, float]:
        normed, rate = self._norm(x[pack.rows], self.dtype)
        d_normed = torch.empty_like(normed)
        nats = 0.0
        for at in range(0, len(pack.rows), _HEAD_ROWS):
            part = slice(at, at + _HEAD_ROWS)
            target = pack.targets[part, None]
            chances = torch.softmax(normed[part] @ self.head.t(), -1)  # (rows, V)
            nats -= float(chances.gather(1, target).double().clamp_min_(1e-30).log_().sum())
            chances[torch.arange(len(target), device=x.device), target[:, 0]] -= 1
            torch.mm(chances, self.head, out=d_normed[part])
        dx = torch.zeros_like(x)
        dx[pack.rows] = self._back_norm(d_normed, normed, rate).mul_(weight)
        return dx, nats

    def _attend(self, qkv: Tensor, pack: _Pack) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor, Tensor]]]:
        s = self.sizes
        turned, values = self._split_heads(qkv, pack)
        mixed = torch.empty(len(qkv), s.n_heads * s.head_width, dtype=self.dtype, device=qkv.device)
        kept = []
        for first, end, p in pack.spans:
            q = self._by_group(turned[first:end, : s.n_heads])  # (G, R*l, D)
            k = _with_shared(turned[:, s.n_heads :], first, end, p)  # (G, p+l, D)
            v = _with_shared(values, first, end, p)
            chances = self._weigh(q, k, end - first, p)  # (G, R*l, p+l)
            self._from_group(torch.bmm(chances, v), mixed[first:end])
            kept.append((q, k, v, chances))
        return mixed, kept

    def _attend_alike(self, qkv: Tensor, pack: _Pack) -> Tensor:
        """Give what `_attend` does, and keep nothing: neighbours of equal length share their products."""
        s = self.sizes
        turned, values = self._split_heads(qkv, pack)
        mixed = torch.empty(len(qkv), s.n_heads * s.head_width, dtype=self.dtype, device=qkv.device)
        for first, n, n_rows, p in pack.list_alike():
            rows = slice(first, first + n * n_rows)
            asking = turned[rows, : s.n_heads].reshape(n, n_rows, s.n_kv_heads, -1, s.head_width)
            q = asking.permute(0, 2, 3, 1, 4).reshape(n * s.n_kv_heads, -1, s.head_width)  # (n*G, R*l, D)
            k = _with_shared_each(turned[:, s.n_heads :], rows, n, p)  # (n*G, p+l, D)
            v = _with_shared_each(values, rows, n, p)
            heads = torch.bmm(self._weigh(q, k, n_rows, p), v).view(n, s.n_kv_heads, -1, n_rows, s.head_width)
            mixed[rows] = heads.permute(0, 3, 1, 2, 4).reshape(n * n_rows, -1)
        return mixed

    def _split_heads(self, qkv: Tensor, pack: _Pack) -> tuple[Tensor, Tensor]:
        """Give the turned queries and keys, (T, H+G, D), and the values, (T, G, D)."""
        s = self.sizes
        n_heads = s.n_heads + s.n_kv_heads
        n_turned = n_heads * s.head_width
        turned = self._turn(qkv[:, :n_turned].view(-1, n_heads, s.head_width), pack, is_back=False)
        return turned, qkv[:, n_turned:].view(-1, s.n_kv_heads, s.head_width)

    def _weigh(self, q: Tensor, k: Tensor, n_rows: int, p: int) -> Tensor:
        group, n_q, _ = q.shape
        scores = torch.empty(group, n_q, k.shape[1], dtype=self.dtype, device=q.device)
        torch.baddbmm(scores, q, k.transpose(1, 2), beta=0, alpha=self.sizes.head_width**-0.5, out=scores)
        scores.view(-1, n_rows, k.shape[1]).add_(self._mask[p : p + n_rows, : p + n_rows])
        return torch.softmax(scores, -1)

    def _back_attend(self, d_mixed: Tensor, kept: list[tuple[Tensor, Tensor, Tensor, Tensor]], pack: _Pack) -> Tensor:
        s = self.sizes
        n_heads, group, width = s.n_heads + s.n_kv_heads, s.n_kv_heads, s.head_width
        d_turned = torch.empty(len(d_mixed), n_heads, width, dtype=self.dtype, device=d_mixed.device)
        d_qkv = torch.empty(len(d_mixed), (n_heads + group) * width, dtype=self.dtype, device=d_mixed.device)
        d_values = d_qkv[:, n_heads * width :].view(-1, group, width)
        for (first, end, p), (q, k, v, chances) in zip(pack.spans, kept, strict=True):
            d_out = self._by_group(d_mixed[first:end].view(end - first, s.n_heads, width))
            _add_with_shared(torch.bmm(chances.transpose(1, 2), d_out), d_values, first, end, p)
            d_chances = torch.bmm(d_out, v.transpose(1, 2))
            d_scores = torch._softmax_backward_data(d_chances, chances, -1, self.dtype)
            d_scores.mul_(width**-0.5)
            self._from_group(torch.bmm(d_scores, k), d_turned[first:end, : s.n_heads])
            _add_with_shared(torch.bmm(d_scores.transpose(1, 2), q), d_turned[:, s.n_heads :], first, end, p)
        self._turn(d_turned, pack, is_back=True, out=d_qkv[:, : n_heads * width].view(-1, n_heads, width))
        return d_qkv

    def _by_group(self, heads: Tensor) -> Tensor:
        """(l, H, D) -> (G, R*l, D): the query heads that share a key head stand under each other."""
        n_rows, n_heads, width = heads.shape
        group = self.sizes.n_kv_heads
        by_group = heads.reshape(n_rows, group, n_heads // group, width).permute(1, 2, 0, 3)
        return by_group.reshape(group, -1, width)

    def _from_group(self, by_group: Tensor, out: Tensor) -> None:
        """Undo `_by_group` into `out`, (l, H*D) or (l, H, D)."""
        s = self.sizes
        n_rows = out.shape[0]
        heads = by_group.view(s.n_kv_heads, -1, n_rows, s.head_width).permute(2, 0, 1, 3)
        out.view(n_rows, s.n_kv_heads, -1, s.head_width).copy_(heads)

    def _turn(self, heads: Tensor, pack: _Pack, *, is_back: bool, out: Tensor | None = None) -> Tensor:
        """Rotary positions on (T, heads, D); `is_back` turns the other way."""
        cos, sin = self.cos[pack.positions][:, None], self.sin[pack.positions][:, None]
        half, sign = heads.shape[-1] // 2, 1 if is_back else -1
        left, right = heads[..., :half], heads[..., half:]
        turned = torch.empty(heads.shape, dtype=self.dtype, device=heads.device) if out is None else out
        torch.mul(left, cos, out=turned[..., :half]).addcmul_(right, sin, value=sign)
        torch.mul(right, cos, out=turned[..., half:]).addcmul_(left, sin, value=-sign)
        return turned


def _with_shared(heads: Tensor, first: int, end: int, p: int) -> Tensor:
    """(T, G, D) -> (G, p+l, D): the shared beginning, then the example's own rows."""
    own = heads[first:end]
    return (torch.cat([heads[:p], own]) if p else own).transpose(0, 1).contiguous()


def _with_shared_each(heads: Tensor, rows: slice, n: int, p: int) -> Tensor:
    """(T, G, D) -> (n*G, p+l, D): for each of n examples the shared beginning, then its own rows."""
    own = heads[rows].reshape(n, -1, *heads.shape[1:])
    whole = torch.cat([heads[:p].expand(n, -1, -1, -1), own], dim=1) if p else own
    return whole.transpose(1, 2).reshape(-1, p + own.shape[1], heads.shape[2])


def _add_with_shared(gradient: Tensor, out: Tensor, first: int, end: int, p: int) -> None:
    """Undo `_with_shared` for a gradient. The span of the shared beginning comes first and fills its rows."""
    by_row = gradient.transpose(0, 1)
    out[first:end] = by_row[p:]
    if p:
        out[:p] += by_row[:p]
