"""Open a checkpoint folder, with or without an adapter, as a `PackedLlama`.

Reads config.json and safetensors itself, which takes a second; through transformers and peft it takes ten. torch is
imported at the top: import this module only inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from econchatr.errors import ModelError
from econchatr.models.llama.fused_linear import Adapter, FusedLinear
from econchatr.models.llama.packed import Layer, LlamaSizes, PackedLlama

PROJECTIONS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
"""The linear layers of a Llama block, in the order of use."""
_MAX_SIZES = {
    "num_hidden_layers": 10_000,
    "num_attention_heads": 10_000,
    "num_key_value_heads": 10_000,
    "hidden_size": 1_000_000,
    "intermediate_size": 10_000_000,
    "vocab_size": 10_000_000,
}
"""More than any model has. A stranger's file may say anything, and much is computed from it."""
_NEEDED = frozenset({
    "hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "rms_norm_eps",
})  # fmt: skip
_PEFT_PREFIX = "base_model.model.model.layers"


def is_packable(checkpoint: Path) -> bool:
    """Tell whether a checkpoint is of the plain Llama kind that `PackedLlama` computes."""
    config = read_config(checkpoint)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return (
        isinstance(rope, dict)
        and config.get("model_type") == "llama"
        and config.get("hidden_act") == "silu"
        and not config.get("attention_bias")
        and not config.get("mlp_bias")
        and not config.get("quantization_config")
        and rope.get("rope_type", rope.get("type", "default")) == "default"  # `type` in older files
    )


def read_config(checkpoint: Path) -> dict[str, Any]:
    """Give a checkpoint's config.json.

    Raises:
        ModelError: There is none, it is no JSON object, or a size in it is none.
    """
    try:
        config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise ModelError(f"{checkpoint}: no readable config.json ({exc})", hint="give a checkpoint folder") from exc
    if not isinstance(config, dict):
        raise ModelError(f"{checkpoint}/config.json: not a JSON object", hint="give a checkpoint folder")
    _check_sizes(config, checkpoint)
    return config


def _check_sizes(config: dict[str, Any], checkpoint: Path) -> None:
    """Refuse a size that no model has."""
    text = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    is_llama = text.get("model_type") == "llama"
    for key, most in _MAX_SIZES.items():
        value = text.get(key)
        # Some models have one size for each layer, as Gemma 3n has; a Llama has one for all.
        sizes = value if isinstance(value, list) and value and not is_llama else [value]
        if value is not None and not all(type(size) is int and 0 < size <= most for size in sizes):
            raise ModelError(f"{checkpoint}/config.json: {key} is {value!r:.60}.", hint="Give a whole checkpoint.")
    width, n_heads = text.get("hidden_size"), text.get("num_attention_heads")
    if is_llama and width and n_heads and width % n_heads:
        told = f"hidden_size is {width}, which {n_heads} num_attention_heads do not share"
        raise ModelError(f"{checkpoint}/config.json: {told}.", hint="Give a whole checkpoint.")
    epsilon = text.get("rms_norm_eps")
    if epsilon is not None and not (isinstance(epsilon, float | int) and 0 <= epsilon < 1):
        raise ModelError(f"{checkpoint}/config.json: rms_norm_eps is {epsilon!r:.60}.", hint="Give a whole checkpoint.")


def new_adapters(checkpoint: Path, *, rank: int, seed: int, device: str) -> dict[str, Adapter]:
    """Give untrained adapters for every projection: drawn as peft draws them, so that the model answers as its base.

    Source: peft's LoraLayer.reset_lora_parameters, `lora_A` uniform within 1/sqrt(in), `lora_B` zero.
    """
    config = read_config(checkpoint)
    sizes, inner = _read_sizes(config), int(config["intermediate_size"])
    q, kv, width = sizes.n_heads * sizes.head_width, sizes.n_kv_heads * sizes.head_width, sizes.width
    shapes = ((width, q), (width, kv), (width, kv), (q, width), (width, inner), (width, inner), (inner, width))
    generator = torch.Generator().manual_seed(seed)
    adapters = {}
    for n in range(sizes.n_layers):
        for projection, (n_in, n_out) in zip(PROJECTIONS, shapes, strict=True):
            down = (torch.rand(rank, n_in, generator=generator) * 2 - 1) * n_in**-0.5
            adapters[f"{n}.{projection}"] = Adapter(down.to(device), torch.zeros(n_out, rank, device=device))
    return adapters


def read_adapters(folder: Path, *, device: str) -> tuple[dict[str, Adapter], float]:
    """Give a peft adapter folder's matrices by `layer.projection`, and the scale of their product.

    Raises:
        ModelError: The folder holds no adapter, or one that is more than plain LoRA on a Llama's projections.
    """
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "adapter_model.safetensors", device=device)
        scale = config["lora_alpha"] / config["r"]
    except (OSError, ValueError, KeyError) as exc:
        raise ModelError(f"{folder}: no readable adapter ({exc})", hint="train again") from exc
    adapters = {}
    for name, tensor in tensors.items():
        if not name.endswith(".lora_A.weight"):
            continue
        up = tensors.get(name.replace(".lora_A.", ".lora_B."))
        if up is None or not name.startswith(_PEFT_PREFIX):
            raise ModelError(f"{folder}: {name!r} is no plain LoRA matrix of a Llama", hint="train again")
        key = name.removeprefix(_PEFT_PREFIX + ".").removesuffix(".lora_A.weight")
        adapters[key] = Adapter(tensor.float(), up.float())
    return adapters, scale


def peft_tensors(adapters: dict[str, Adapter]) -> dict[str, Tensor]:
    """Give adapters under the names that peft saves them by."""
    named = {}
    for key, adapter in adapters.items():
        named[f"{_PEFT_PREFIX}.{key}.lora_A.weight"] = adapter.down.detach().cpu().contiguous()
        named[f"{_PEFT_PREFIX}.{key}.lora_B.weight"] = adapter.up.detach().cpu().contiguous()
    return named


def open_packed_llama(
    checkpoint: Path,
    *,
    adapters: dict[str, Adapter] | None,
    scale: float,
    dtype: torch.dtype,
    device: str,
    n_positions: int,
) -> PackedLlama:
    """Give the model of a checkpoint folder.

    Args:
        adapters: By `layer.projection`; `None` opens the base.
        n_positions: Tokens of the longest example to come.

    Raises:
        ModelError: The folder lacks weights or the adapters do not fit them.
    """
    sizes = _read_sizes(read_config(checkpoint))
    tensors = load_tensors(checkpoint, device=device)
    try:
        layers = [_join_layer(tensors, n, adapters, scale, dtype) for n in range(sizes.n_layers)]
        embedding = tensors["model.embed_tokens.weight"]
        head = tensors.get("lm_head.weight", embedding)
        model = PackedLlama(
            sizes,
            embedding=embedding.to(dtype),
            layers=layers,
            head=(head.float() * tensors["model.norm.weight"].float()).to(dtype),
            n_positions=n_positions,
            dtype=dtype,
        )
    except KeyError as exc:
        raise ModelError(f"{checkpoint}: lacks {exc}", hint="convert or download the checkpoint again") from exc
    model.refresh()
    return model


def _read_sizes(config: dict[str, Any]) -> LlamaSizes:
    if lacking := sorted(_NEEDED - config.keys()):
        raise ModelError(f"config.json lacks {', '.join(lacking)}.", hint="Give a whole checkpoint.")
    rope = config.get("rope_parameters") or {}
    n_heads = int(config["num_attention_heads"])
    return LlamaSizes(
        n_layers=int(config["num_hidden_layers"]),
        n_heads=n_heads,
        n_kv_heads=int(config.get("num_key_value_heads") or n_heads),
        head_width=int(config.get("head_dim") or config["hidden_size"] // n_heads),
        width=int(config["hidden_size"]),
        norm_epsilon=float(config["rms_norm_eps"]),
        rope_theta=float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
    )


def load_tensors(checkpoint: Path, *, device: str = "cpu") -> dict[str, Tensor]:
    """Give a checkpoint folder's tensors by name.

    Raises:
        ModelError: There is no file of weights, or one that cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    files = sorted(checkpoint.glob("model*.safetensors"))
    if not files:
        raise ModelError(f"{checkpoint}: holds no model*.safetensors", hint="give a checkpoint in safetensors")
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors |= load_file(file, device=device)
        except (OSError, SafetensorError) as exc:
            raise ModelError(f"{file}: cannot be read ({exc})", hint="convert or download it again") from exc
    return tensors


def _join_layer(
    tensors: dict[str, Tensor], n: int, adapters: dict[str, Adapter] | None, scale: float, dtype: torch.dtype
) -> Layer:
    def join(projections: Sequence[str], norm: str | None) -> FusedLinear:
        weights = [tensors[f"model.layers.{n}.{name}.weight"] for name in projections]
        norm_weight = tensors[f"model.layers.{n}.{norm}.weight"] if norm else None
        linear = FusedLinear(weights, norm=norm_weight, dtype=dtype)
        if adapters:
            attached = [adapters[f"{n}.{name}"] for name in projections]
            for name, weight, adapter in zip(projections, weights, attached, strict=True):
                if tuple(weight.shape) != (len(adapter.up), adapter.down.shape[1]):
                    told = f"layer {n}, {name}: the weights are {tuple(weight.shape)}, which config.json does not say"
                    raise ModelError(f"{told}.", hint="Give a whole checkpoint.")
            linear.attach(attached, scale)
        return linear

    return Layer(
        qkv=join(PROJECTIONS[:3], "input_layernorm"),
        out=join(PROJECTIONS[3:4], None),
        gate_up=join(PROJECTIONS[4:6], "post_attention_layernorm"),
        down=join(PROJECTIONS[6:], None),
    )
