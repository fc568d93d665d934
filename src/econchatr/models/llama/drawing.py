"""Draw several replies of a Llama-type model together, so that each pass over its weights serves all of them.

On a CPU that multiplies in bfloat16, 32 replies drawn so come three to four times as fast as llama.cpp gives them
(`docs/performance.md`). Prompts are read by `PackedLlama`, whose arithmetic is that of the training; the tokens that
follow are computed here, with the adapters added into the weights.

Shapes: B replies, E width, H query heads, G key heads, D head width, W tokens of the longest prompt, V vocabulary.

torch is imported at the top: import this module only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from econchatr.models.llama.packed import PackedLlama
from econchatr.models.llama.product import Product
from econchatr.models.trainable.trainable_model import cut_packs
from econchatr.prompts import EncodedExample
from econchatr.records import Sampling

_PENALIZED_TOKENS: Final = 64
"""The last tokens of prompt and reply that a repeat penalty is for. Source: llama.cpp's default, `repeat_last_n`."""
_PACK_TOKENS: Final = 1024
_USUAL_ROWS: Final = 32
"""Rows of a product while replies are drawn: one for each reply."""


class DrawnModel:
    """A model as it is drawn from: its weights laid out for few rows, and room for what replies leave behind."""

    def __init__(self, model: PackedLlama, *, max_kept_tokens: int) -> None:
        """Take over an open model.

        Args:
            max_kept_tokens: Of all prompts and replies that will be drawn together.
        """
        self.model = model
        self._head: Product | None = None
        self._layers: dict[bool, list[list[Product]]] = {}
        self._max_kept_tokens = max_kept_tokens
        self._room: Tensor | None = None

    def lay_out(self, *, tuned: bool) -> list[list[Product]]:
        """Give each layer's four products; with `tuned` the adapters are added into them."""
        if tuned not in self._layers:
            self._layers[tuned] = [
                [Product(one.merge() if tuned else one.weight, n_rows=_USUAL_ROWS) for one in layer.linears()]
                for layer in self.model.layers
            ]
        return self._layers[tuned]

    @property
    def head(self) -> Product:
        """The product that gives the logits."""
        self._head = self._head or Product(self.model.head, n_rows=_USUAL_ROWS)
        return self._head

    def take_room(self, n_replies: int, n_columns: int) -> tuple[list[Tensor], list[Tensor]]:
        """Give keys, (B, G, D, columns), and values, (B, G, columns, D), of each layer, all zero.

        It is the same memory each time: allocated anew for each lot, it would be scattered and never given back.
        """
        s = self.model.sizes
        n_kept, width = n_replies * n_columns, s.n_kv_heads * s.head_width
        if self._room is None or n_kept > self._max_kept_tokens:
            n_most = max(n_kept, self._max_kept_tokens)
            self._room = torch.empty(2, s.n_layers, n_most * width, dtype=self.model.dtype)
        keys, values = self._room[:, :, : n_kept * width].zero_()
        as_keys, as_values = (s.n_kv_heads, s.head_width, n_columns), (s.n_kv_heads, n_columns, s.head_width)
        return [one.view(n_replies, *as_keys) for one in keys], [one.view(n_replies, *as_values) for one in values]


class DrawnReplies:
    """Replies under way: `read` once, then `step` with each token that was drawn."""

    def __init__(self, drawn: DrawnModel, prompts: Sequence[Sequence[int]], *, tuned: bool, n_new: int) -> None:
        """Make room. An earlier drawing from the same model cannot go on after that.

        Args:
            prompts: Token ids, one list for each reply; equal prompts are computed once.
            tuned: Whether the adapters take part.
            n_new: The most tokens of a reply.
        """
        self._drawn, self._tuned, self._prompts = drawn, tuned, [tuple(ids) for ids in prompts]
        model = drawn.model
        self._sizes, self._layers = model.sizes, drawn.lay_out(tuned=tuned)
        self._width = max(map(len, self._prompts))
        lengths = torch.tensor([len(ids) for ids in self._prompts])
        self._pads = self._width - lengths  # (B,): the columns before each prompt's first token
        self._at = self._width
        self._cos = torch.cat([model.cos, model.cos], dim=1)  # (positions, D)
        self._sin = torch.cat([-model.sin, model.sin], dim=1)
        self._keys, self._values = drawn.take_room(len(self._prompts), self._width + n_new)

    def read(self) -> Tensor:
        """Read the prompts; give the logits of each reply's first token, (B, V)."""
        model = self._drawn.model
        model.use_adapters(self._tuned)
        distinct = list(dict.fromkeys(self._prompts))
        last = torch.empty(len(self._prompts), self._sizes.width)
        # An example has something to learn: here it is the prompt's last token, from which nobody learns.
        examples = [EncodedExample(ids, len(ids) - 1) for ids in distinct]
        for pack in cut_packs(examples, max_tokens=_PACK_TOKENS):
            rows, kept = model.read(pack)
            for row, example, heads in zip(rows, pack, zip(*kept, strict=True), strict=True):
                places = [n for n, ids in enumerate(self._prompts) if ids == example.ids]
                last[places] = row
                self._fill(places, heads, len(example.ids))
        return self._weigh(last)

    def _fill(self, places: list[int], heads: Sequence[tuple[Tensor, Tensor]], n_tokens: int) -> None:
        """Put one prompt's keys and values of every layer at the right of the prompts' columns."""
        columns = slice(self._width - n_tokens, self._width)
        for keys, values, (k, v) in zip(self._keys, self._values, heads, strict=True):
            keys[places, :, :, columns], values[places, :, columns] = k.transpose(1, 2), v

    def step(self, tokens: Tensor) -> Tensor:
        """Take one more token of each reply, (B,); give the logits of the next, (B, V)."""
        s, n = self._sizes, len(tokens)
        n_turned = (s.n_heads + s.n_kv_heads) * s.head_width
        positions = self._at - self._pads
        cos, sin = self._cos[positions][:, None], self._sin[positions][:, None]
        mask, here, after = self._mask(), self._at, self._at + 1
        x = self._drawn.model.embed(tokens)
        for (qkv, out, gate_up, down), keys, values in zip(self._layers, self._keys, self._values, strict=True):
            heads = qkv.apply(self._norm(x))
            turned = _turn(heads[:, :n_turned].view(n, -1, s.head_width), cos, sin)
            keys[..., here] = turned[:, s.n_heads :]
            values[:, :, here] = heads[:, n_turned:].view(n, -1, s.head_width)
            x.add_(out.apply(self._attend(turned[:, : s.n_heads], keys[..., :after], values[:, :, :after], mask)))
            gate, up = gate_up.apply(self._norm(x)).chunk(2, dim=1)
            x.add_(down.apply(functional.silu(gate).mul_(up)))
        self._at = after
        return self._weigh(x)

    def _attend(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """(B, H, D), (B, G, D, columns), (B, G, columns, D) -> (B, H*D)."""
        n, n_groups, width, n_columns = keys.shape
        # The query heads that share a key head ask as rows of one head: no key is copied.
        q = queries.reshape(n * n_groups, -1, width) * width**-0.5
        scores = torch.bmm(q, keys.view(-1, width, n_columns)).view(n, n_groups, -1, n_columns)
        chances = torch.softmax(scores if mask is None else scores.add_(mask), -1)
        return torch.bmm(chances.view(n * n_groups, -1, n_columns), values.view(-1, n_columns, width)).view(n, -1)

    def keep(self, places: list[int]) -> None:
        """Go on with these replies only."""
        self._pads = self._pads[places]
        for kept in (self._keys, self._values):
            for n, of_layer in enumerate(kept):
                kept[n] = of_layer[: len(places)].copy_(of_layer[places])

    def _mask(self) -> Tensor | None:
        """(B, 1, 1, columns) to add to the scores: minus infinity before a prompt's first token; `None`: nothing is."""
        if not bool(self._pads.any()):
            return None
        hidden = torch.arange(self._at + 1) < self._pads[:, None]
        mask = torch.zeros(hidden.shape, dtype=self._drawn.model.dtype).masked_fill_(hidden, float("-inf"))
        return mask[:, None, None]

    def _norm(self, x: Tensor) -> Tensor:
        # The norms' own weights are folded into the matrices behind them.
        normed = functional.rms_norm(x, (self._sizes.width,), eps=self._sizes.norm_epsilon)
        return normed.to(self._drawn.model.dtype)

    def _weigh(self, x: Tensor) -> Tensor:
        return self._drawn.head.apply(self._norm(x)).float()


def _turn(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on (B, heads, D)."""
    half = heads.shape[-1] // 2
    crossed = torch.cat([heads[..., half:], heads[..., :half]], dim=-1)
    return torch.addcmul(heads * cos, crossed, sin)


class TokenDraws:
    """Draws each reply's next token by its own seed, whatever is drawn beside it.

    The order is llama.cpp's: a penalty on what was said in the last tokens, then the temperature, then the draw.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]) -> None:
        self._sampling = sampling
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._chances = torch.stack([torch.rand(sampling.max_tokens, generator=one) for one in generators])  # (B, n)
        self._window = torch.tensor([_last_tokens(ids) for ids in prompts])  # (B, 64), the oldest first
        self._n_drawn = 0

    def draw(self, logits: Tensor) -> Tensor:
        """Give the next token of each reply, (B,), from its logits, (B, V), which are changed."""
        logits = self._penalize(logits)
        if self._sampling.temperature:
            sums = torch.softmax(logits.div_(self._sampling.temperature), -1).cumsum(-1)
            chances = self._chances[:, self._n_drawn, None] * sums[:, -1:]
            # Rounding may leave the draw at the very end, behind the last token of the vocabulary.
            tokens = torch.searchsorted(sums, chances, right=True)[:, 0].clamp_max(logits.shape[1] - 1)
        else:
            tokens = logits.argmax(-1)
        self._window[:, self._n_drawn % _PENALIZED_TOKENS] = tokens
        self._n_drawn += 1
        return tokens

    def keep(self, places: list[int]) -> None:
        """Go on with these replies only."""
        self._chances, self._window = self._chances[places], self._window[places]

    def _penalize(self, logits: Tensor) -> Tensor:
        penalty = self._sampling.repeat_penalty
        if penalty == 1:
            return logits
        said = logits.gather(1, self._window)
        return logits.scatter_(1, self._window, torch.where(said <= 0, said * penalty, said / penalty))


def _last_tokens(ids: Sequence[int]) -> list[int]:
    """The last tokens of a prompt, so many as are penalized; a short prompt's last one stands for the rest."""
    last = list(ids[-_PENALIZED_TOKENS:])
    return [last[-1]] * (_PENALIZED_TOKENS - len(last)) + last
