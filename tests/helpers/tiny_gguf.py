"""GGUF files of models with one small layer, which llama.cpp opens in a moment: for what depends on the vocabulary."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.weights import locate_embedded_gguf

WIDTH = 32


def write_byte_level_gguf(path: Path, *, pre: str) -> Path:
    """A model with the embedded one's vocabulary and another pre-tokenizer."""
    metadata = read_gguf_file(locate_embedded_gguf()).metadata
    writer = _begin(path, n_tokens=len(metadata["tokenizer.ggml.tokens"]))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(metadata["tokenizer.ggml.tokens"])
    writer.add_token_types(metadata["tokenizer.ggml.token_type"])
    writer.add_token_merges(metadata["tokenizer.ggml.merges"])
    return _finish(writer, path)


def write_sentencepiece_gguf(path: Path, pieces: list[str], *, adds_space: bool) -> Path:
    """A model with a SentencePiece vocabulary: the bytes, then the pieces, the first of them joined first."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), *pieces, "<break>"]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(pieces), 4]
    writer = _begin(path, n_tokens=len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(
        [-1000.0, -1000.0, -1000.0, *[0.0] * 256, *(-float(n) for n in range(len(pieces))), -1000.0]
    )
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(adds_space)
    return _finish(writer, path)


def _begin(path: Path, *, n_tokens: int) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    random = np.random.default_rng(0)
    shapes = {"token_embd": (n_tokens, WIDTH)}
    shapes |= {f"blk.0.{name}": (WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {f"blk.0.ffn_{name}": (WIDTH, WIDTH) for name in ("gate", "up", "down")}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(size=shape).astype(np.float16))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    return writer


def _finish(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
