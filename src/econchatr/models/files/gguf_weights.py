"""Turn a GGUF file of a Llama-type model, or of Gemma 3, into a plain checkpoint folder.

transformers reads GGUF too (`gguf_file=`), but needs 30 s for it, and leaves a quantization mark that its Trainer
refuses. Here every tensor is dequantized once to float16,
so that the checkpoint, the unquantized GGUF and the adapters trained on it all speak of the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from econchatr.errors import ModelError
from econchatr.models.files.families import (
    Family,
    count_heads,
    find_architecture,
    list_windows,
    name_back,
    scale_gemma3,
)
from econchatr.models.files.gguf_file import GgufFile, GgufTensor, read_gguf_file
from econchatr.models.files.vocabulary import write_tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GEMMA_PERIOD = 6
_GEMMA_WINDOW_THETA = 10_000.0
"""What a Gemma 3 file that does not tell these has. Source: llama.cpp/src/llama-model.cpp, GEMMA3."""


def write_checkpoint(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's model and tokenizer as a Hugging Face checkpoint into an existing folder.

    Raises:
        ModelError: The file holds neither a Llama-type model nor Gemma 3, is damaged, or holds numbers beyond float16.
    """
    import numpy as np
    from safetensors.numpy import save_file

    found = read_gguf_file(gguf)
    family, config = _read_config(found)
    tensors = {name: np.ascontiguousarray(array) for name, array in _list_tensors(found, family, config)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", {key: value for key, value in config.items() if value is not None})
    write_tokenizer(found, folder)


def _read_config(found: GgufFile) -> tuple[Family, dict[str, Any]]:
    """Give the family of the model in a GGUF file, and its config.json.

    Raises:
        ModelError: It is another kind of model, a size is missing, or its positions are scaled, which is not handled.
    """
    kind = found.text("general.architecture")
    family, describe = find_architecture(kind), _DESCRIBE.get(kind or "")
    if family is None or describe is None:
        raise ModelError(
            f"{found.path}: holds a {kind!r} model; only Llama-type GGUF files can be trained on",
            hint="give a Hugging Face checkpoint folder of that model instead",
        )
    scaling = found.text(f"{kind}.rope.scaling.type")
    if scaling not in (None, "none") or any(tensor.name.startswith("rope_freqs") for tensor in found.tensors):
        raise ModelError(f"{found.path}: its rope scaling is not handled", hint="give a checkpoint folder instead")
    shared = _shared_config(found, family.architecture)
    return family, shared | describe(found, shared)


def _list_tensors(found: GgufFile, family: Family, config: dict[str, Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Each tensor by its name in the checkpoint, its rows and numbers as there."""
    names, heads = name_back(family, int(config["num_hidden_layers"])), count_heads(config)
    for tensor, array in _dequantized(found):
        stem, _, ending = tensor.name.rpartition(".")
        if stem not in names:
            raise ModelError(
                f"{found.path}: no place in a model of its kind for tensor {tensor.name!r}", hint="use another file"
            )
        shift = family.shift_of(tensor.name)
        plain = family.reorder(tensor.name, array, heads, is_back=True)
        yield f"{names[stem]}.{ending}", plain - shift if shift else plain


def _dequantized(found: GgufFile) -> Iterator[tuple[GgufTensor, NDArray[Any]]]:
    """Each tensor as float16, vectors (norms) as float32."""
    import gguf
    import numpy as np

    data = np.memmap(found.path, mode="r", dtype=np.uint8)
    for tensor in found.tensors:
        try:
            kind = gguf.GGMLQuantizationType(tensor.type_code)
            block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
            row_bytes = tensor.shape[-1] // block * block_bytes
            start = found.data_start + tensor.offset
            n_rows = int(np.prod(tensor.shape[:-1], dtype=np.int64))
            raw = data[start : start + n_rows * row_bytes].reshape(*tensor.shape[:-1], row_bytes)
            array = gguf.quants.dequantize(raw, kind).reshape(tensor.shape)
        except (ValueError, KeyError, IndexError, NotImplementedError) as exc:
            raise ModelError(
                f"{found.path}: tensor {tensor.name!r} cannot be read ({exc})", hint="use another GGUF file"
            ) from exc
        yield tensor, _narrowed(found, tensor, np.asarray(array, dtype=np.float32))


def _narrowed(found: GgufFile, tensor: GgufTensor, array: NDArray[np.float32]) -> NDArray[Any]:
    import numpy as np

    if len(tensor.shape) < 2:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float16)
    if not np.isfinite(narrow).all():
        raise ModelError(f"{found.path}: tensor {tensor.name!r} does not fit float16", hint="use another GGUF file")
    return narrow


def _shared_config(found: GgufFile, kind: str) -> dict[str, Any]:
    """What both kinds of models have in their config.json."""
    shapes = {tensor.name: tensor.shape for tensor in found.tensors}
    if not shapes.get("token_embd.weight"):
        raise ModelError(f"{found.path}: has no table of tokens", hint="use another file")
    width, n_heads = found.count(f"{kind}.embedding_length"), found.count(f"{kind}.attention.head_count")
    if not n_heads:
        raise ModelError(f"{found.path}: has no attention heads", hint="use another file")
    return {
        "dtype": "float16",
        "vocab_size": shapes["token_embd.weight"][0],
        "tie_word_embeddings": "output.weight" not in shapes,
        **{f"{name}_token_id": found.number(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")},
        "pad_token_id": found.number("tokenizer.ggml.padding_token_id"),
        "hidden_size": width,
        "intermediate_size": found.count(f"{kind}.feed_forward_length"),
        "num_hidden_layers": found.count(f"{kind}.block_count"),
        "num_attention_heads": n_heads,
        "num_key_value_heads": int(found.number(f"{kind}.attention.head_count_kv") or n_heads),
        "head_dim": int(found.number(f"{kind}.attention.key_length") or width // n_heads),
        "max_position_embeddings": found.count(f"{kind}.context_length"),
        "rms_norm_eps": found.number(f"{kind}.attention.layer_norm_rms_epsilon"),
        "attention_bias": "blk.0.attn_q.bias" in shapes,
    }


def _describe_llama(found: GgufFile, shared: dict[str, Any]) -> dict[str, Any]:
    del shared
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "rope_parameters": {"rope_theta": found.number("llama.rope.freq_base") or 10000.0, "rope_type": "default"},
        "mlp_bias": any(tensor.name == "blk.0.ffn_up.bias" for tensor in found.tensors),
    }


def _describe_gemma3(found: GgufFile, shared: dict[str, Any]) -> dict[str, Any]:
    n_layers, head = shared["num_hidden_layers"], found.count("gemma3.attention.key_length")
    thetas = {
        "full_attention": found.number("gemma3.rope.freq_base") or 1_000_000.0,
        "sliding_attention": found.number("gemma3.rope.freq_base_swa") or _GEMMA_WINDOW_THETA,
    }
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "query_pre_attn_scalar": scale_gemma3(
            n_layers, width=shared["hidden_size"], n_heads=shared["num_attention_heads"], head_width=head
        ),
        "hidden_activation": "gelu_pytorch_tanh",
        "sliding_window": found.count("gemma3.attention.sliding_window"),
        "layer_types": list_windows(
            n_layers, int(found.number("gemma3.attention.sliding_window_pattern") or _GEMMA_PERIOD)
        ),
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": theta} for kind, theta in thetas.items()},
    }


_DESCRIBE: dict[str, Callable[[GgufFile, dict[str, Any]], dict[str, Any]]] = {
    "llama": _describe_llama,
    "gemma3": _describe_gemma3,
}


def write_json(path: Path, content: object) -> None:
    """Write a checkpoint's JSON file as transformers lays it out."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
