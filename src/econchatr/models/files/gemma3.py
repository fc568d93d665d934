"""What of a Gemma 3 model of text stands otherwise in a GGUF file than in a checkpoint."""

from __future__ import annotations

from typing import Any

from econchatr.errors import ModelError
from econchatr.models.files.gguf_file import GgufFile

ARCHITECTURE = "gemma3"
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
"""ggml's name of a layer's part -> transformers'. Source: gguf.tensor_mapping, MODEL_ARCH.GEMMA3."""
NORM_SHIFT = 1.0
"""What llama.cpp's norm weights have more than the checkpoint's. Source: llama.cpp's conversion, Gemma3Model."""
_PERIOD = 6
"""Every so many layers one sees everything; the others see a window. Source: llama.cpp/src/llama-model.cpp, GEMMA3."""
_WINDOW_THETA = 10_000.0
"""How positions turn in the layers with a window. Source: as above."""
_LAYERS_OF_27B = 62
"""By this number of layers llama.cpp tells the model whose attention is scaled by the width of all heads."""


def read_gemma3_config(found: GgufFile) -> dict[str, Any]:
    """Give the config.json of the model in a GGUF file, but for what every checkpoint has.

    Raises:
        ModelError: A size is missing, or its positions are scaled, which is not handled here.
    """
    if found.text("gemma3.rope.scaling.type") not in (None, "none"):
        hint = "Give the model's checkpoint folder instead."
        raise ModelError(f"{found.path}: its rope scaling is not handled.", hint=hint)
    n_layers, width = found.count("gemma3.block_count"), found.count("gemma3.embedding_length")
    n_heads, head = found.count("gemma3.attention.head_count"), found.count("gemma3.attention.key_length")
    period = int(found.number("gemma3.attention.sliding_window_pattern") or _PERIOD)
    kinds = ["full_attention" if (n + 1) % period == 0 else "sliding_attention" for n in range(n_layers)]
    thetas = {
        "full_attention": found.number("gemma3.rope.freq_base") or 1_000_000.0,
        "sliding_attention": found.number("gemma3.rope.freq_base_swa") or _WINDOW_THETA,
    }
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_size": width,
        "intermediate_size": found.count("gemma3.feed_forward_length"),
        "num_hidden_layers": n_layers,
        "num_attention_heads": n_heads,
        "num_key_value_heads": int(found.number("gemma3.attention.head_count_kv") or n_heads),
        "head_dim": head,
        "query_pre_attn_scalar": width // n_heads if n_layers == _LAYERS_OF_27B else head,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": found.count("gemma3.context_length"),
        "rms_norm_eps": found.number("gemma3.attention.layer_norm_rms_epsilon"),
        "sliding_window": found.count("gemma3.attention.sliding_window"),
        "layer_types": kinds,
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": theta} for kind, theta in thetas.items()},
        "attention_bias": False,
    }
