"""Bases with the sizes of real ones and random numbers: for measuring, where no real base can be downloaded.

Speed and memory do not depend on the numbers in the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from econchatr.models.files.weights import BaseWeights

SIZES: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma3-270m": (
        "Gemma3TextConfig",
        {
            "vocab_size": 262_144, "hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18,
            "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "query_pre_attn_scalar": 256,
            "sliding_window": 512, "max_position_embeddings": 32_768,
        },
    ),
    "qwen3-0.6b": (
        "Qwen3Config",
        {
            "vocab_size": 151_936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
            "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True,
            "max_position_embeddings": 40_960,
        },
    ),
    "qwen3-8b": (
        "Qwen3Config",
        {
            "vocab_size": 151_936, "hidden_size": 4096, "intermediate_size": 12_288, "num_hidden_layers": 36,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": False,
            "max_position_embeddings": 40_960,
        },
    ),
    "tiny": (
        "Qwen3Config",
        {
            "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 2048,
        },
    ),
}  # fmt: skip
"""A configuration's class and its sizes, by the name that the benchmarks use. Source: the models' config.json."""


def open_random_base(name: str, folder: Path) -> BaseWeights:
    """Write a base of these sizes into a folder, unless it is there, and give it.

    Args:
        name: A key of `SIZES`.
    """
    path = folder / name
    kind, sizes = SIZES[name]
    if not (path / "config.json").is_file():
        config = getattr(transformers, kind)(**sizes)
        torch.manual_seed(0)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        with torch.device(device):
            model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        model.save_pretrained(path)
        del model
    return BaseWeights(
        name=name,
        weights=f"{name}, random",
        gguf_path=None,
        checkpoint_path=path,
        f16_gguf_path=None,
        sha256=name,
    )
