"""Decide how a base is trained here, from the sizes in its checkpoint and the memory that is free.

Only the headers of the safetensors files are read: a plan takes milliseconds, also for a base of many gigabytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from econchatr.errors import ModelError
from econchatr.install_line import tell_install

if TYPE_CHECKING:
    from econchatr.models.machine import Machine

_GB = 1e9
_MAX_PACK_TOKENS = {"cpu": 1024, "mps": 2048, "cuda": 8192}
"""Tokens of one pass: several short examples in one. On a CPU twice as many are no faster and take 0.7 GB more. Source
of the first: docs/performance.md. The others were never measured."""
_SHARE_OF_FREE = 0.9
"""What of the free memory a training may fill."""
_N_BYTES = {"bfloat16": 2, "float32": 4}
_BYTES_4BIT = 0.57
"""Bytes of one NF4 number with its share of the doubly quantized scales. Source: Dettmers et al., "QLoRA" (2023)."""
_ADAPTER_BYTES = 16
"""Bytes of one learned number: itself, its gradient and two moments, all float32."""
_NORM_COPIES = 14
"""Float32 copies of the residual stream that one block keeps for its backward pass: norms, sums, casts."""
_IN_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.\d+\.")
_VISION = re.compile(r"vision|audio|multi_modal")


@dataclass(frozen=True)
class BaseSizes:
    """What of a base's sizes decides its memory."""

    n_parameters: int
    """All numbers, towers for images included."""
    n_layer_numbers: int
    """Numbers in the matrices of the blocks: what 4 bits shrink."""
    n_features: int
    """Inputs and outputs of all those matrices, summed over the blocks."""
    n_layers: int
    width: int
    n_vocabulary: int


@dataclass(frozen=True)
class TrainingPlan:
    """How a base is trained on this machine."""

    device: str
    dtype: str
    """Number format of the products."""
    n_pack_tokens: int
    """Tokens of one pass; a longer example runs alone."""
    is_checkpointed: bool = False
    """Whether the blocks' inner values are computed a second time instead of kept: a third slower, far less memory."""
    is_4bit: bool = False
    """Whether the base is held in NF4 (QLoRA)."""
    is_split: bool = False
    """Whether the base's blocks are spread over all GPUs."""
    needed_bytes: int = 0
    free_bytes: int = 0

    def tell_numbers(self) -> tuple[str, ...]:
        """What of the plan changes the adapter's numbers, as text."""
        return (self.dtype, str(self.n_pack_tokens), "4 bits" if self.is_4bit else "")

    def tell(self) -> str:
        """The plan in one line for the user."""
        ways = [
            "base in 4 bits (QLoRA)" if self.is_4bit else self.dtype,
            "spread over all GPUs" if self.is_split else f"on {self.device}",
            f"{self.n_pack_tokens:,} tokens a pass",
            "gradient checkpointing" if self.is_checkpointed else "",
            f"about {self.needed_bytes / _GB:.1f} GB of memory of {self.free_bytes / _GB:.1f} free",
        ]
        return ", ".join(filter(None, ways))


def plan_training(checkpoint: Path, *, rank: int, n_longest: int, machine: Machine) -> TrainingPlan:
    """Choose the fastest way whose memory is free.

    The order: whole passes; shorter passes; gradient checkpointing; all GPUs; the base in 4 bits.

    Args:
        checkpoint: A checkpoint folder.
        rank: Of the adapter.
        n_longest: Tokens of the longest example.

    Raises:
        ModelError: The memory suffices for none of them, or the checkpoint cannot be read.
    """
    sizes = read_sizes(checkpoint)
    most = _MAX_PACK_TOKENS[machine.device]
    packs = sorted({max(n_longest, most // part) for part in (1, 2, 4, 1_000_000)}, reverse=True)
    ways = [
        TrainingPlan(
            device=machine.device,
            dtype=machine.dtype,
            n_pack_tokens=n_tokens,
            is_checkpointed=is_checkpointed,
            is_4bit=is_4bit,
            is_split=is_split,
            free_bytes=machine.all_free_bytes if is_split else machine.free_bytes,
        )
        for is_4bit in ((False, True) if machine.has_4bit else (False,))
        for is_split in ((False, True) if machine.n_gpus > 1 else (False,))
        for is_checkpointed in (False, True)
        for n_tokens in packs
    ]
    needs = [_count_bytes(sizes, way, rank=rank) for way in ways]
    for way, needed in zip(ways, needs, strict=True):
        if needed <= _SHARE_OF_FREE * way.free_bytes:
            return TrainingPlan(**(way.__dict__ | {"needed_bytes": needed}))
    raise _too_large(checkpoint, min(needs), machine)


def _too_large(checkpoint: Path, needed: int, machine: Machine) -> ModelError:
    free, total = max(machine.free_bytes, machine.all_free_bytes), machine.total_bytes
    place = "on the GPU" if machine.device == "cuda" else "in memory"
    said = f"{checkpoint.name}: training needs about {needed / _GB:.1f} GB {place}; {free / _GB:.1f} GB are free"
    if needed <= _SHARE_OF_FREE * total:
        return ModelError(f"{said} of {total / _GB:.1f}.", hint="Close the programs that hold the rest, or wait.")
    if machine.device != "mps" and not machine.has_4bit:
        return ModelError(f"{said}.", hint=f"{tell_install('qlora')} for 4 bits, or take a smaller base.")
    return ModelError(f"{said}.", hint="Take a smaller base, or lower max_example_tokens under [train].")


def read_sizes(checkpoint: Path) -> BaseSizes:
    """Give a checkpoint's sizes, from its config.json and the headers of its safetensors files.

    Raises:
        ModelError: One of them cannot be read.
    """
    from econchatr.models.llama.checkpoint import read_config

    config = read_config(checkpoint)
    text = config.get("text_config") or config
    shapes = _read_shapes(checkpoint)
    language = {name: shape for name, shape in shapes.items() if not _VISION.search(name)}
    in_layers = [shape for name, shape in language.items() if len(shape) > 1 and _IN_LAYER.search(name)]
    try:
        return BaseSizes(
            n_parameters=sum(_count(shape) for shape in shapes.values()),
            n_layer_numbers=sum(_count(shape) for shape in in_layers),
            n_features=sum(sum(shape[-2:]) for shape in in_layers),
            n_layers=int(_read_first(text, "num_hidden_layers", "n_layer", "n_layers")),
            width=int(_read_first(text, "hidden_size", "n_embd", "d_model")),
            n_vocabulary=int(text.get("vocab_size") or config["vocab_size"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ModelError(f"{checkpoint}/config.json: no usable {exc}.", hint="Give a whole checkpoint.") from exc


def _read_first(config: dict[str, Any], *names: str) -> Any:
    """The value under the first of these names that the configuration has; a KeyError where it has none."""
    return config[next((name for name in names if name in config), names[0])]


def _read_shapes(checkpoint: Path) -> dict[str, list[int]]:
    """Every tensor's shape by its name."""
    shapes: dict[str, list[int]] = {}
    files = sorted(checkpoint.glob("model*.safetensors"))
    if not files:
        raise ModelError(f"{checkpoint}: holds no model*.safetensors.", hint="Give a checkpoint in safetensors.")
    for file in files:
        try:
            with file.open("rb") as opened:
                n_bytes = int.from_bytes(opened.read(8), "little")
                header = json.loads(opened.read(min(n_bytes, 100_000_000)))
            shapes |= {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ModelError(f"{file}: cannot be read ({exc}).", hint="Convert or download it again.") from exc
    return shapes


def _count(shape: list[int]) -> int:
    n = 1
    for size in shape:
        n *= size
    return n


def _count_bytes(sizes: BaseSizes, way: TrainingPlan, *, rank: int) -> int:
    """What a way of training takes, roughly: the base, the adapter with its optimizer, and one pass."""
    number = _N_BYTES[way.dtype]
    n_small = sizes.n_layer_numbers if way.is_4bit else 0
    base = (sizes.n_parameters - n_small) * number + n_small * _BYTES_4BIT
    adapter = sizes.n_features * rank * _ADAPTER_BYTES
    block = (sizes.n_features / sizes.n_layers) * number + sizes.width * 4 * _NORM_COPIES
    layers = (sizes.n_layers * sizes.width * number + block) if way.is_checkpointed else sizes.n_layers * block
    head = 128 * sizes.n_vocabulary * (number + 4) * 2
    return int(base + adapter + way.n_pack_tokens * layers + head)
