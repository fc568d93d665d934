"""What products of whole numbers of 8 bits would be worth in training: the loss they cost, the time they save.

python benchmarks/eight_bits.py SHOW [--rung NAME] [--tokens 16000] [--write]

SHOW is a folder that `econchatr select` has filled, with a plain Llama as its base. The frozen weights are rounded to 8
bits once, with a scale for each row; each row of their input is rounded at each product. oneDNN multiplies, and scales
the products by the weights' scales in the same pass. Three ways, each trained alone on the same examples with the
show's recipe:

    as it is      no rounding
    back          the products back to the input are rounded, those forward are not
    both          both are

Each adapter's loss is measured afterwards without any rounding. The time of a step is the median of several, the ways
in turn in one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, see econchatr.cli.app

import torch
from time_to_voice import Material
from torch import Tensor
from written_tables import add_write, lay_out, publish, tell_machine, tell_spread

from econchatr.models.llama.fused_linear import FusedLinear
from econchatr.models.llama.meter import reply_nats
from econchatr.models.trainable.trainable_model import AdapterShape, cut_packs, open_trainable
from econchatr.prompts import EncodedExample
from econchatr.train import local

WAYS: Final = ("as it is", "back", "both")
N_ROUNDS: Final = 9
TIMED_EXAMPLES: Final = 8


class Rounded:
    """A frozen matrix, (out, in), in whole numbers of 8 bits, both ways round."""

    def __init__(self, weight: Tensor) -> None:
        self._dtype, self._forward, self._back = weight.dtype, lay_out_rounded(weight), lay_out_rounded(weight.t())

    def apply(self, x: Tensor) -> Tensor:
        """Give the product, (T, out), with (T, in)."""
        return self._multiply(x, self._forward)

    def back(self, dy: Tensor) -> Tensor:
        """Give the gradient of the input, (T, in), from that of the product, (T, out)."""
        return self._multiply(dy, self._back)

    def _multiply(self, x: Tensor, laid_out: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        # 126: a scale in bfloat16 may be too small by a part in 256, and 255 is the largest byte.
        scale = x.abs().amax(1, keepdim=True).float().clamp_min_(1e-30).div_(126).to(self._dtype)
        whole = torch.addcmul(MIDDLE, x, scale.float().reciprocal()).to(torch.uint8)
        multiply = torch.ops.onednn.qlinear_pointwise
        y: Tensor = multiply(whole, 1.0, 128, *laid_out, None, 1.0, 0, self._dtype, "none", [], "")
        return y.mul_(scale)


MIDDLE: Final = torch.tensor(128.5)
"""Where zero lies among the bytes, and a half, so that cutting off rounds."""


def lay_out_rounded(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give the matrix in oneDNN's own layout, each row's scale, and where zero lies in each row."""
    weight = weight.float().contiguous()
    scale = weight.abs().amax(1).clamp_min_(1e-30).div_(127)
    whole = (weight / scale[:, None]).round_().to(torch.int8)
    return torch.ops.onednn.qlinear_prepack(whole, None), scale, torch.zeros(len(weight), dtype=torch.int64)


@contextmanager
def multiply(way: str) -> Iterator[None]:
    """Let every training in the block multiply in this way."""
    if way == WAYS[0]:
        yield
        return
    exact, exact_back, rounded = FusedLinear.apply, FusedLinear.back, dict[int, Rounded]()

    def round_once(linear: FusedLinear) -> Rounded:
        if id(linear) not in rounded:
            rounded[id(linear)] = Rounded(linear.weight)
        return rounded[id(linear)]

    def apply(self: FusedLinear, x: Tensor) -> tuple[Tensor, Tensor]:
        if way == "back":
            return exact(self, x)
        y, inner = round_once(self).apply(x), x @ self._downs.t()
        for n, up in enumerate(self._ups):
            y[:, self._parts[n]].addmm_(inner[:, self._inner_parts[n]], up.t())
        return y, inner

    def back(self: FusedLinear, dy: Tensor, x: Tensor, inner: Tensor, *, is_input_needed: bool = True) -> Any:
        exact_back(self, dy, x, inner, is_input_needed=False)
        if not is_input_needed:
            return None
        d_inner = torch.cat([dy[:, part] @ up for part, up in zip(self._parts, self._ups, strict=True)], dim=1)
        return round_once(self).back(dy).addmm_(d_inner, self._downs)

    with patch.object(FusedLinear, "apply", apply), patch.object(FusedLinear, "back", back):
        yield


def train(material: Material, way: str) -> tuple[float, float]:
    """Train in this way; give the loss on the development examples and on the test episodes, nats per token."""
    with tempfile.TemporaryDirectory() as work:
        with multiply(way):
            outcome = local.train_lora(
                material.train, material.dev, base=material.base, folder=Path(work), recipe=material.recipe
            )
        losses = [measure(material, rows, outcome.adapter_folder) for rows in (material.dev, material.test())]
    return losses[0], losses[1]


def measure(material: Material, rows: list[EncodedExample], adapter: Path) -> float:
    """An adapter's loss, without rounding."""
    nats = reply_nats(rows, checkpoint=material.base.checkpoint_path, adapter=adapter)
    return sum(nats) / sum(row.n_reply for row in rows)


def time_steps(material: Material) -> dict[str, list[float]]:
    """Seconds of one step without its update, several times, the ways in turn."""
    rows = material.train[:TIMED_EXAMPLES]
    with tempfile.TemporaryDirectory() as work:
        plan = local.plan_lora(material.train, base=material.base, folder=Path(work), recipe=material.recipe)
    shape = AdapterShape(material.recipe.rank, material.recipe.alpha, material.recipe.seed)
    n_longest = max(len(row.ids) for row in rows)
    model = open_trainable(material.base.checkpoint_path, plan=plan, shape=shape, n_positions=n_longest)

    def step() -> None:
        for pack in cut_packs(rows, max_tokens=plan.n_pack_tokens):
            model.learn(pack, weight=1e-3)

    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(N_ROUNDS):
        for way, seconds in found.items():
            with multiply(way):
                seconds.append(time_call(step))
    return found


def time_call(step: Callable[[], None]) -> float:
    """Seconds of the second call: the first rounds the weights, and warms up."""
    step()
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", type=Path)
    parser.add_argument("--rung", default="")
    parser.add_argument("--tokens", type=int, default=16_000, help="of all epochs together")
    add_write(parser)
    given = parser.parse_args()
    machine, material = tell_machine(), Material(given)
    seconds = time_steps(material)
    losses = {way: train(material, way) for way in WAYS}
    exact, usual = losses[WAYS[0]], statistics.median(seconds[WAYS[0]])
    rows = [
        (
            way,
            *(f"{loss:.4f} ({loss - first:+.4f})" for loss, first in zip(losses[way], exact, strict=True)),
            tell_spread(seconds[way], ".2f"),
            f"{usual / statistics.median(seconds[way]):.2f}",
        )
        for way in WAYS
    ]
    head = ("products", "loss on development", "loss on the test episodes", "seconds a step", "times as fast")
    command = f"`python benchmarks/eight_bits.py SHOW --tokens {given.tokens}`. {machine}."
    publish("eight_bits", f"{command}\n\n{lay_out(head, rows)}", is_written=given.write)


if __name__ == "__main__":
    main()
