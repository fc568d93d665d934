<<<<<<< HEAD
"""Turn a Llama-type GGUF file into a plain checkpoint folder.
=======
"""Turn a GGUF file of a Llama-type model, or of Gemma 3, into a plain checkpoint folder, and an unquantized GGUF file.
>>>>>>> main

transformers reads GGUF too (`gguf_file=`), but needs 30 s for it, and leaves a quantization mark that its Trainer
refuses. Here every tensor is dequantized once to float16,
so that the checkpoint, the unquantized GGUF and the adapters trained on it all speak of the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from econchatr.errors import ModelError
<<<<<<< HEAD
from econchatr.models.files.families import unpermute_rows
=======
from econchatr.models.files import gemma3
>>>>>>> main
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


<<<<<<< HEAD
=======
def _list_llama(found: GgufFile, shape: LlamaShape) -> Iterator[tuple[str, NDArray[Any]]]:
    for tensor, array in _dequantized(found):
        yield _checkpoint_name(found, tensor, _LAYER_NAMES), shape.reorder(tensor.name, array, unpermute_rows)


def _list_gemma3(found: GgufFile) -> Iterator[tuple[str, NDArray[Any]]]:
    for tensor, array in _dequantized(found):
        shift = gemma3.NORM_SHIFT if tensor.name.endswith("norm.weight") else 0
        yield _checkpoint_name(found, tensor, gemma3.LAYER_NAMES), array - shift if shift else array


def dequantize_gguf(gguf: Path, out: Path) -> None:
    """Write a GGUF file again with every matrix in float16 and all metadata kept.

    Raises:
        ModelError: The file is not a Llama-type GGUF or is damaged.
    """
    found = read_gguf_file(gguf)
    if found.text("general.architecture") != gemma3.ARCHITECTURE:
        read_llama_shape(found)
    _write_gguf(found, list(_dequantized(found)), out)


def write_gguf_like(
    checkpoint: Path,
    *,
    like: Path,
    out: Path,
    kind: Literal["F16", "Q8_0"] = "F16",
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write a checkpoint's weights as GGUF, with the metadata of another GGUF file of the same model.

    Args:
        kind: What the matrices become. The `gguf` package writes 8-bit numbers, and 4-bit ones of an older kind that
            would lose most of what an adapter adds; llama.cpp's own tools, which are not here, write the others.
        texts: Metadata to replace or to add.

    Raises:
        ModelError: The two are not of the same model.
    """
    import torch

    from econchatr.models.llama.checkpoint import load_tensors

    found = read_gguf_file(like)
    shape = read_llama_shape(found)
    # Through torch: numpy has no bfloat16. Matrices become float16, vectors float32.
    weights = {
        name: tensor.to(torch.float16 if tensor.ndim > 1 else torch.float32).numpy()
        for name, tensor in load_tensors(checkpoint).items()
    }
    arrays = []
    for tensor in found.tensors:
        array = weights.get(_checkpoint_name(found, tensor, _LAYER_NAMES))
        if array is None or array.shape != tensor.shape:
            raise ModelError(f"{checkpoint}: is not the model of {like.name}: {tensor.name!r} differs.", hint=_OTHER)
        array = shape.reorder(tensor.name, array, permute_rows)
        arrays.append((tensor, _quantized(array) if kind == "Q8_0" else array))
    _write_gguf(found, arrays, out, kind=kind, texts=texts or {})


def _quantized(array: NDArray[Any]) -> NDArray[Any]:
    """A matrix in blocks of 32 numbers of 8 bits; a vector, or a row that is no whole number of blocks, as it is."""
    import gguf
    import numpy as np

    kind = gguf.GGMLQuantizationType.Q8_0
    if array.ndim < 2 or array.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        return array
    return np.asarray(gguf.quants.quantize(np.asarray(array, dtype=np.float32), kind))


def _write_gguf(
    found: GgufFile,
    arrays: list[tuple[GgufTensor, NDArray[Any]]],
    out: Path,
    *,
    kind: str = "F16",
    texts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    with out.open("wb") as file:
        file.write(struct.pack("<4sIQQ", b"GGUF", 3, len(arrays), len({*found.metadata, *texts})))
        file.write(_metadata_bytes(found, kind, texts))
        offset = 0
        for tensor, array in arrays:
            file.write(_tensor_entry(tensor, array, offset))
            offset += _aligned(array.nbytes)
        file.write(b"\0" * (_aligned(file.tell()) - file.tell()))
        for _, array in arrays:
            file.write(array.tobytes())
            file.write(b"\0" * (_aligned(array.nbytes) - array.nbytes))


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // 32) * 32


def _metadata_bytes(found: GgufFile, kind: str, texts: Mapping[str, str]) -> bytes:
    """The metadata as it stands in the file, but for the file's kind and the texts given."""
    if found.metadata.get("general.alignment", 32) != 32:
        raise ModelError(f"{found.path}: only the usual alignment of 32 bytes is handled", hint="use another file")
    with found.path.open("rb") as file:
        file.seek(found.metadata_start)
        content = bytearray(file.read(found.metadata_end - found.metadata_start))
    at = found.value_offsets.get("general.file_type")
    if at is not None:
        struct.pack_into("<I", content, at - found.metadata_start, _FILE_TYPES[kind])
    starts = {key: at - 4 - len(key.encode()) - 8 - found.metadata_start for key, at in found.value_offsets.items()}
    ends = dict(zip(starts, [*list(starts.values())[1:], len(content)], strict=True))
    kept = b"".join(bytes(content[starts[key] : ends[key]]) for key in starts if key not in texts)
    return kept + b"".join(_text_entry(key, text) for key, text in texts.items())


def _text_entry(key: str, text: str) -> bytes:
    name, value = key.encode(), text.encode()
    return struct.pack(f"<Q{len(name)}sIQ", len(name), name, _STRING, len(value)) + value


def _tensor_entry(tensor: GgufTensor, array: NDArray[Any], offset: int) -> bytes:
    name = tensor.name.encode()
    code = _TYPE_CODES[array.dtype.itemsize]
    sizes = tensor.shape[::-1]
    return struct.pack(f"<Q{len(name)}sI{len(sizes)}QIQ", len(name), name, len(sizes), *sizes, code, offset)


>>>>>>> main
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
