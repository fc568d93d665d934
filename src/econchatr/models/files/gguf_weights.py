"""Turn a GGUF file of a Llama-type model, or of Gemma 3, into a plain checkpoint folder.

transformers reads GGUF too (`gguf_file=`), but needs 30 s for it, and leaves a quantization mark that its Trainer
refuses. Here every tensor is dequantized once to float16,
so that the checkpoint, the unquantized GGUF and the adapters trained on it all speak of the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from econchatr.errors import ModelError
from econchatr.models.files import gemma3
from econchatr.models.files.families import unpermute_rows
from econchatr.models.files.gguf_file import GgufFile, GgufTensor, read_gguf_file
from econchatr.models.files.vocabulary import write_tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""ggml's name of a Llama layer's part -> transformers'. Source: gguf.tensor_mapping, MODEL_ARCH.LLAMA."""
_TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


@dataclass(frozen=True)
class LlamaShape:
    """The sizes of a Llama-type model, as its GGUF metadata gives them."""

    n_layers: int
    n_heads: int
    n_kv_heads: int

    def reorder(self, tensor: str, matrix: NDArray[Any], turn: Callable[[NDArray[Any], int], NDArray[Any]]) -> Any:
        """Give the matrix of a q or k projection with its rows turned, and every other tensor as it is.

        Args:
            tensor: ggml's name, with `.weight` or without.
            matrix: What the tensor holds.
            turn: `permute_rows` or `unpermute_rows`.
        """
        parts = tensor.split(".")
        if "attn_q" in parts:
            return turn(matrix, self.n_heads)
        return turn(matrix, self.n_kv_heads) if "attn_k" in parts else matrix


def read_llama_shape(found: GgufFile) -> LlamaShape:
    """Give the sizes of the model in a GGUF file.

    Raises:
        ModelError: The file holds another kind of model, or rope scaling that is not handled here.
    """
    kind = found.text("general.architecture")
    if kind != "llama":
        raise ModelError(
            f"{found.path}: holds a {kind!r} model; only Llama-type GGUF files can be trained on",
            hint="give a Hugging Face checkpoint folder of that model instead",
        )
    scaling = found.text("llama.rope.scaling.type")
    if scaling not in (None, "none") or any(tensor.name.startswith("rope_freqs") for tensor in found.tensors):
        raise ModelError(f"{found.path}: its rope scaling is not handled", hint="give a checkpoint folder instead")
    n_heads = found.count("llama.attention.head_count")
    n_kv_heads = found.number("llama.attention.head_count_kv")
    return LlamaShape(found.count("llama.block_count"), n_heads, int(n_kv_heads or n_heads))


def write_checkpoint(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's model and tokenizer as a Hugging Face checkpoint into an existing folder.

    Raises:
        ModelError: The file holds neither a Llama-type model nor Gemma 3, is damaged, or holds numbers beyond float16.
    """
    import numpy as np
    from safetensors.numpy import save_file

    found = read_gguf_file(gguf)
    if found.text("general.architecture") == gemma3.ARCHITECTURE:
        named, config = _list_gemma3(found), gemma3.read_gemma3_config(found)
    else:
        shape = read_llama_shape(found)
        named, config = _list_llama(found, shape), _config(found, shape)
    tensors = {name: np.ascontiguousarray(array) for name, array in named}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config |= _shared_config(found)
    write_json(folder / "config.json", {key: value for key, value in config.items() if value is not None})
    write_tokenizer(found, folder)


def _list_llama(found: GgufFile, shape: LlamaShape) -> Iterator[tuple[str, NDArray[Any]]]:
    for tensor, array in _dequantized(found):
        yield _checkpoint_name(found, tensor, _LAYER_NAMES), shape.reorder(tensor.name, array, unpermute_rows)


def _list_gemma3(found: GgufFile) -> Iterator[tuple[str, NDArray[Any]]]:
    for tensor, array in _dequantized(found):
        shift = gemma3.NORM_SHIFT if tensor.name.endswith("norm.weight") else 0
        yield _checkpoint_name(found, tensor, gemma3.LAYER_NAMES), array - shift if shift else array


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
        except (ValueError, KeyError, NotImplementedError) as exc:
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


def _checkpoint_name(found: GgufFile, tensor: GgufTensor, layer_names: Mapping[str, str]) -> str:
    parts = tensor.name.split(".")
    if parts[0] == "blk" and len(parts) == 4 and parts[2] in layer_names:
        return f"model.layers.{parts[1]}.{layer_names[parts[2]]}.{parts[3]}"
    if len(parts) == 2 and parts[0] in _TOP_NAMES:
        return f"{_TOP_NAMES[parts[0]]}.{parts[1]}"
    raise ModelError(
        f"{found.path}: no place in a model of its kind for tensor {tensor.name!r}", hint="use another file"
    )


def _config(found: GgufFile, shape: LlamaShape) -> dict[str, Any]:
    names = {tensor.name for tensor in found.tensors}
    width = found.count("llama.embedding_length")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": found.count("llama.feed_forward_length"),
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        "head_dim": int(found.number("llama.attention.key_length") or width // shape.n_heads),
        "hidden_act": "silu",
        "max_position_embeddings": found.count("llama.context_length"),
        "rms_norm_eps": found.number("llama.attention.layer_norm_rms_epsilon"),
        "rope_parameters": {"rope_theta": found.number("llama.rope.freq_base") or 10000.0, "rope_type": "default"},
        "attention_bias": "blk.0.attn_q.bias" in names,
        "mlp_bias": "blk.0.ffn_up.bias" in names,
    }


def _shared_config(found: GgufFile) -> dict[str, Any]:
    """What every checkpoint's config.json has."""
    shapes = {tensor.name: tensor.shape for tensor in found.tensors}
    if "token_embd.weight" not in shapes:
        raise ModelError(f"{found.path}: has no table of tokens", hint="use another file")
    return {
        "dtype": "float16",
        "vocab_size": shapes["token_embd.weight"][0],
        "tie_word_embeddings": "output.weight" not in shapes,
        **{f"{name}_token_id": found.number(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")},
        "pad_token_id": found.number("tokenizer.ggml.padding_token_id"),
    }


def write_json(path: Path, content: object) -> None:
    """Write a checkpoint's JSON file as transformers lays it out."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
