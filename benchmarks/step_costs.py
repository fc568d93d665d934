"""What a step of the packed Llama costs: its operations, the limit that products have here, and where its time goes."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from econchatr.models.llama.fused_linear import FusedLinear
from econchatr.models.llama.packed import PackedLlama
from econchatr.models.trainable.memory_plan import TrainingPlan
from econchatr.models.trainable.packing import count_shared
from econchatr.models.trainable.trainable_model import AdapterShape, open_trainable
from econchatr.prompts import EncodedExample
from econchatr.train.local import _Training

HEAD_ROWS = 128
"""Rows whose logits are computed at once, as the packed Llama does."""
N_TIMES = 7
N_SQUARE = 2048


@dataclass
class Work:
    """What a training computed, summed over its passes."""

    n_rows: int = 0
    flops: float = 0.0

    def add(self, model: PackedLlama, examples: Sequence[EncodedExample]) -> None:
        """Count one pass, forward and back."""
        p, s = count_shared(examples), model.sizes
        own = [len(one.ids) - p for one in examples]
        linears = [linear for layer in model.layers for linear in layer.linears()]
        n_base = sum(linear.weight.numel() for linear in linears)
        n_adapter = sum(one.down.numel() + one.up.numel() for linear in linears for one in linear._adapters)
        n_rows, n_attended = p + sum(own), p * p + sum(n * (n + p) for n in own)
        self.n_rows += n_rows
        self.flops += n_rows * (4 * n_base + 6 * n_adapter)
        # Nothing that learns lies before the first layer's first products, so they have no way back to their input.
        self.flops -= n_rows * 2 * linears[0].weight.numel()
        self.flops += 4 * model.head.numel() * sum(one.n_reply for one in examples)
        self.flops += 12 * s.n_layers * s.n_heads * s.head_width * n_attended

    def tell(self) -> dict[str, float]:
        """The sums, as JSON holds them."""
        return {"n_rows": self.n_rows, "flops": self.flops}


@contextmanager
def count_work() -> Iterator[Work]:
    """Count what every packed Llama learns within the block."""
    work, learn = Work(), PackedLlama.learn

    def counted(self: PackedLlama, examples: Sequence[EncodedExample], *, weight: float) -> float:
        work.add(self, examples)
        return learn(self, examples, weight=weight)

    with patch.object(PackedLlama, "learn", counted):
        yield work


def measure_limit(checkpoint: Path, plan: TrainingPlan) -> dict[str, float]:
    """GFLOP/s of products alone: of the model's shapes, in the share that each has of a step, and of large squares."""
    opened: Any = open_trainable(checkpoint, plan=plan, shape=AdapterShape(16, 32, 0), n_positions=8)
    model: PackedLlama = opened._model
    shapes = [tuple(linear.weight.shape) for linear in model.layers[0].linears()]
    dtype, n_layers = getattr(torch, plan.dtype), len(model.layers)
    # Half of all rows are learned, about: so the head counts once for two rows.
    jobs: list[tuple[int, tuple[int, ...], float]] = [(plan.n_pack_tokens, shape, n_layers) for shape in shapes]
    jobs += [(HEAD_ROWS, tuple(model.head.shape), plan.n_pack_tokens // HEAD_ROWS / 2)]
    flops = seconds = 0.0
    for n_rows, (n_out, n_in), n_times in jobs:
        flops += n_times * 4 * n_rows * n_out * n_in
        seconds += n_times * time_both_ways(n_rows, n_out, n_in, dtype)
    square = time_both_ways(N_SQUARE, N_SQUARE, N_SQUARE, dtype)
    return {"shapes": flops / seconds / 1e9, "square": 4 * N_SQUARE**3 / square / 1e9}


def time_both_ways(n_rows: int, n_out: int, n_in: int, dtype: torch.dtype) -> float:
    """Seconds of a product and of that back to its input: the median of several, after one that is not counted."""
    x, weight = torch.randn(n_rows, n_in).to(dtype), torch.randn(n_out, n_in).to(dtype)
    dy = torch.randn(n_rows, n_out).to(dtype)
    found = []
    for _ in range(N_TIMES + 1):
        begin = time.perf_counter()
        x @ weight.t()
        dy @ weight
        found.append(time.perf_counter() - begin)
    return statistics.median(found[1:])


RANGES: dict[str, tuple[type, tuple[str, ...]]] = {
    "attention": (PackedLlama, ("_attend", "_back_attend")),
    "loss and head": (PackedLlama, ("_back_head",)),
    "layer products": (FusedLinear, ("apply", "back")),
    "norms": (PackedLlama, ("_norm", "_back_norm")),
    "adapters taken over": (FusedLinear, ("refresh",)),
    "optimizer and clipping": (_Training, ("_update",)),
    "kept states and readings": (_Training, ("_keep", "_evaluate")),
}
"""What a share is called, and the methods whose operations are counted to it."""
PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::bmm", "aten::baddbmm")
COPIES = ("aten::copy_", "aten::cat", "aten::clone", "aten::index", "aten::_to_copy")


@contextmanager
def profile_steps() -> Iterator[list[tuple[str, float]]]:
    """Profile the trainings of the block; after it, the list has each part's share of all operations' time."""
    found: list[tuple[str, float]] = []
    with ExitStack() as named, torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for name, (owner, methods) in RANGES.items():
            for method in methods:
                named.enter_context(patch.object(owner, method, in_range(name, getattr(owner, method))))
        yield found
    sums = defaultdict[str, float](float)
    for event in profile.events():
        if event.name.startswith("aten::"):
            sums[name_part(event)] += event.self_cpu_time_total
    whole = sum(sums.values())
    found += [(name, part / whole) for name, part in sorted(sums.items(), key=lambda one: -one[1])]


@contextmanager
def time_methods(owner: type, methods: Sequence[str]) -> Iterator[dict[str, float]]:
    """Seconds that calls of these methods take within the block, by name, and of processor, by `NAME, processor`."""
    spent = defaultdict[str, float](float)

    def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def run(*args: Any, **given: Any) -> Any:
            begin, used = time.perf_counter(), time.process_time()
            try:
                return method(*args, **given)
            finally:
                spent[name] += time.perf_counter() - begin
                spent[f"{name}, processor"] += time.process_time() - used

        return run

    with ExitStack() as replaced:
        for name in methods:
            replaced.enter_context(patch.object(owner, name, timed(name, getattr(owner, name))))
        yield spent


def in_range(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, told to the profiler under this name."""

    @wraps(method)
    def ranged(*args: Any, **given: Any) -> Any:
        with torch.profiler.record_function(name):
            return method(*args, **given)

    return ranged


def name_part(event: Any) -> str:
    """The part that an operation belongs to: the innermost range around it; products and copies within it apart."""
    around = event.cpu_parent
    while around is not None and around.name not in RANGES:
        around = around.cpu_parent
    name = around.name if around is not None else "gates, embedding and the rest"
    is_copy = event.name in COPIES
    if name == "layer products" and event.name not in PRODUCTS:
        return "copies around products" if is_copy else "adapters' sums"
    if name in ("attention", "loss and head") and event.name not in PRODUCTS:
        return f"{name}: copies" if is_copy else f"{name}: the rest"
    return f"{name}: products" if name in ("attention", "loss and head") else name
