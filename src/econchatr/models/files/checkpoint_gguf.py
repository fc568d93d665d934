"""Write a checkpoint folder as a GGUF file for llama.cpp: tensor by tensor, so that one tensor is in memory at a time.

Source: llama.cpp's conversion/base.py and the modules named in `families` for what each key holds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from econchatr.errors import MissingExtraError, ModelError
from econchatr.models.files.families import (
    Family,
    count_heads,
    find_family,
    list_windows,
    map_names,
    plain_name,
    scale_gemma3,
)
from econchatr.models.files.gguf_vocabulary import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind: TypeAlias = 'Literal["F16", "Q8_0"]'
GGUF_VERSION = 1
"""Raised whenever the same checkpoint would be written as another file."""
_HINT = "transformers answers instead; nothing needs to be done."
_SMOLLM3_PERIOD = 4
"""llama.cpp itself decides which layers know no positions: every fourth."""
_PHI3_TOKENS = ("<s>", "</s>", "<unk>", "<|endoftext|>")
_FILE_TYPES = {"F16": 1, "Q8_0": 7}
"""Source: LLAMA_FTYPE_MOSTLY_*, llama.cpp/include/llama.h."""


class _Source(NamedTuple):
    """A checkpoint to be written: its sizes by transformers' names, its family, its tokenizer."""

    checkpoint: Path
    family: Family
    sizes: Mapping[str, Any]
    vocabulary: Vocabulary

    @property
    def head_width(self) -> int:
        n_heads = count_heads(self.sizes)[0]
        return int(self.sizes.get("head_dim") or self.sizes["hidden_size"] // n_heads)

    def rope(self, layers: str = "full_attention") -> dict[str, Any]:
        """How positions turn, by the kind of layer where a model has two kinds."""
        found = self.sizes.get("rope_parameters") or {}
        return dict(found.get(layers) or found)


def tell_obstacle(checkpoint: Path) -> str:
    """Tell why a checkpoint cannot be written as GGUF, in a sentence; empty: it can.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    try:
        _read_source(checkpoint)
    except ModelError as exc:
        return str(exc)
    return ""


def write_checkpoint_gguf(
    checkpoint: Path,
    *,
    out: Path,
    name: str,
    kind: Kind = "F16",
    texts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a checkpoint as GGUF, with its tokenizer and chat template.

    The file never lets the engine add a beginning token by itself: what a rendered prompt says is what the model gets,
    as in training.

    Args:
        name: Of the model; llama.cpp knows some tokenizers by it.
        kind: What the matrices become. Vectors and norms stay float32.
        texts: Metadata to replace or to add.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ModelError: There is no map for the model or its tokenizer, or a number beyond float16.
    """
    import gguf

    source = _read_source(checkpoint)
    writer = gguf.GGUFWriter(out, source.family.architecture)
    writer.add_type("model")
    writer.add_name(_safe_name(name, source.vocabulary))
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_sizes(writer, source)
    _add_vocabulary(writer, source, texts)
    _write_tensors(writer, list(_list_tensors(source, kind)))


def _safe_name(name: str, vocabulary: Vocabulary) -> str:
    """The name, unless llama.cpp would take it for Phi-3's and look for tokens that are not there.

    Source: llama.cpp/src/llama-vocab.cpp, attributes by `general.name`.
    """
    is_phi3 = set(_PHI3_TOKENS) <= set(vocabulary.tokens)
    return name if is_phi3 else re.sub(r"(?i)phi-?3", "phi", name)


def _read_source(checkpoint: Path) -> _Source:
    """What is to be written, checked for what llama.cpp decides otherwise."""
    try:
        from huggingface_hub.errors import StrictDataclassError
        from transformers import AutoConfig
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"writing a GGUF file needs {exc.name}.", extra="local") from exc
    try:
        config = AutoConfig.from_pretrained(str(checkpoint))
    except (OSError, ValueError, KeyError, StrictDataclassError) as exc:
        told = " ".join(str(exc).split())
        raise ModelError(f"{checkpoint}: no config.json that can be read ({told}).", hint=_HINT) from exc
    family = find_family(config.model_type)
    if family is None:
        raise ModelError(f"{checkpoint}: a {config.model_type} model, which is not written as GGUF.", hint=_HINT)
    sizes = config.get_text_config().to_dict()
    source = _Source(checkpoint, family, sizes, read_vocabulary(checkpoint, n_rows=int(sizes["vocab_size"])))
    if told := _tell_difference(source):
        raise ModelError(f"{checkpoint}: llama.cpp computes {told} otherwise than this model.", hint=_HINT)
    return source


def _tell_difference(source: _Source) -> str:
    """What the model does that llama.cpp cannot be told; empty: nothing."""
    sizes, rope = source.sizes, source.rope()
    layers, kinds = range(int(sizes["num_hidden_layers"])), sizes.get("layer_types")
    if rope.get("rope_type", "default") not in ("default", "linear", "llama3", "longrope"):
        return f"positions of the kind {rope['rope_type']}"
    if sizes.get("quantization_config"):
        return "quantized weights"
    if source.family.architecture == "smollm3":
        wanted = [int((n + 1) % _SMOLLM3_PERIOD != 0) for n in layers]
        return "" if list(sizes.get("no_rope_layers") or wanted) == wanted else "layers without positions"
    if source.family.architecture == "gemma3":
        n_heads, _ = count_heads(sizes)
        width, head = int(sizes["hidden_size"]), source.head_width
        divisor = scale_gemma3(len(layers), width=width, n_heads=n_heads, head_width=head)
        if _window_period(kinds or []) is None:
            return "the layers with a window"
        return "" if sizes["query_pre_attn_scalar"] == divisor else "the scale of attention"
    return "a window" if kinds and "sliding_attention" in kinds and sizes.get("use_sliding_window") else ""


def _window_period(kinds: list[str]) -> int | None:
    """After how many layers one without a window comes; `None`: there is no such rule."""
    period = kinds.index("full_attention") + 1 if "full_attention" in kinds else len(kinds) + 1
    return period if kinds == list_windows(len(kinds), period) else None


# --- metadata ---------------------------------------------------------------------------------------------------------


def _add_sizes(writer: Any, source: _Source) -> None:
    sizes, rope = source.sizes, source.rope()
    n_heads, n_kv_heads = count_heads(sizes)
    writer.add_vocab_size(int(sizes["vocab_size"]))
    writer.add_context_length(int(sizes["max_position_embeddings"]))
    writer.add_embedding_length(int(sizes["hidden_size"]))
    writer.add_block_count(int(sizes["num_hidden_layers"]))
    writer.add_feed_forward_length(int(sizes["intermediate_size"]))
    writer.add_head_count(n_heads)
    writer.add_head_count_kv(n_kv_heads)
    writer.add_key_length(source.head_width)
    writer.add_value_length(source.head_width)
    writer.add_layer_norm_rms_eps(float(sizes["rms_norm_eps"]))
    writer.add_rope_dimension_count(_turned_width(source))
    writer.add_rope_freq_base(float(rope.get("rope_theta") or 10_000.0))
    if add_more := _ADD_MORE.get(source.family.architecture):
        add_more(writer, source)
    if rope.get("rope_type") == "linear":
        import gguf

        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))


def _turned_width(source: _Source) -> int:
    """How many numbers of a head are turned by the position."""
    return int(source.head_width * float(source.rope().get("partial_rotary_factor") or 1.0))


def _add_gemma3(writer: Any, source: _Source) -> None:
    writer.add_sliding_window(int(source.sizes["sliding_window"]))
    writer.add_uint32("gemma3.attention.sliding_window_pattern", _window_period(source.sizes["layer_types"]))
    writer.add_rope_freq_base_swa(float(source.rope("sliding_attention")["rope_theta"]))
    if source.sizes.get("final_logit_softcapping"):
        writer.add_final_logit_softcapping(float(source.sizes["final_logit_softcapping"]))


def _add_granite(writer: Any, source: _Source) -> None:
    writer.add_attention_scale(float(source.sizes["attention_multiplier"]))
    writer.add_embedding_scale(float(source.sizes["embedding_multiplier"]))
    writer.add_residual_scale(float(source.sizes["residual_multiplier"]))
    writer.add_logit_scale(float(source.sizes["logits_scaling"]))


def _add_phi3(writer: Any, source: _Source) -> None:
    n_first, n_all = _phi3_lengths(source)
    writer.add_rope_scaling_orig_ctx_len(n_first)
    writer.add_sliding_window(int(source.sizes.get("sliding_window") or 0))
    if source.rope().get("rope_type") == "longrope":
        scale = n_all / n_first
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(n_first)) if scale > 1 else 1.0)


def _phi3_lengths(source: _Source) -> tuple[int, int]:
    """The tokens of the first training and of the last."""
    n_all = int(source.sizes["max_position_embeddings"])
    first = source.rope().get("original_max_position_embeddings") or source.sizes.get(
        "original_max_position_embeddings"
    )
    return int(first or n_all), n_all


_ADD_MORE: Mapping[str, Callable[[Any, _Source], None]] = {
    "gemma3": _add_gemma3,
    "granite": _add_granite,
    "phi3": _add_phi3,
}


def _add_vocabulary(writer: Any, source: _Source, texts: Mapping[str, str]) -> None:
    found = source.vocabulary
    writer.add_tokenizer_model(found.model)
    writer.add_tokenizer_pre(found.pre)
    writer.add_token_list(found.tokens)
    writer.add_token_types(found.kinds)
    if found.merges:
        writer.add_token_merges(found.merges)
    if found.scores:
        writer.add_token_scores(found.scores)
    for name, place in found.specials.items():
        getattr(writer, f"add_{name}_token_id")(place)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(found.adds_space)
    template = _read_template(source.checkpoint)
    named = {**({"tokenizer.chat_template": template} if template else {}), **texts}
    for key, text in named.items():
        writer.add_string(key, text)


def _read_template(checkpoint: Path) -> str:
    beside = checkpoint / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    found = json.loads((checkpoint / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    return found if isinstance(found, str) else ""


# --- tensors ----------------------------------------------------------------------------------------------------------


class _Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    kind: str
    """`F32`, `F16` or `Q8_0`."""
    load: Callable[[], NDArray[Any]]
    """Gives it in float32."""

    def encode(self) -> NDArray[Any]:
        """The tensor as the file keeps it."""
        import gguf
        import numpy as np

        array = np.ascontiguousarray(self.load(), dtype=np.float32)
        with np.errstate(over="ignore"):
            found = np.asarray(gguf.quants.quantize(array, gguf.GGMLQuantizationType[self.kind]))
        if self.kind == "F16" and not np.isfinite(found).all():
            raise ModelError(f"{self.name!r} does not fit float16.", hint=_HINT)
        return found


def _list_tensors(source: _Source, kind: Kind) -> Iterator[_Tensor]:
    """Every tensor of the file, in order, not yet read."""
    name_of = map_names(source.family, int(source.sizes["num_hidden_layers"]))
    is_tied = bool(source.sizes.get("tie_word_embeddings"))
    for name, shape, load in _open_tensors(source.checkpoint):
        plain = plain_name(name)
        if plain is None or (is_tied and plain == "lm_head.weight") or plain.endswith("rotary_emb.inv_freq"):
            continue
        found = name_of(plain)
        if found is None:
            raise ModelError(f"{source.checkpoint}: no place in a GGUF file for {name!r}.", hint=_HINT)
        yield _Tensor(found, shape, _kind_of(found, shape, kind), _turn(source, found, load))
    yield from _rope_tensors(source)


def _turn(source: _Source, name: str, load: Callable[[], NDArray[Any]]) -> Callable[[], NDArray[Any]]:
    """The tensor with its rows and its numbers as llama.cpp has them."""
    shift = source.family.shift_of(name)
    heads = count_heads(source.sizes)
    return lambda: source.family.reorder(name, load(), heads) + shift


def _kind_of(name: str, shape: tuple[int, ...], kind: Kind) -> str:
    if len(shape) < 2 or name.endswith("_norm.weight"):
        return "F32"
    return kind if shape[-1] % 32 == 0 else "F16"


def _open_tensors(checkpoint: Path) -> Iterator[tuple[str, tuple[int, ...], Callable[[], NDArray[Any]]]]:
    """Name, shape and a function that reads it, for each tensor of a checkpoint."""
    from safetensors import SafetensorError, safe_open

    files = sorted(checkpoint.glob("model*.safetensors"))
    if not files:
        raise ModelError(f"{checkpoint}: holds no model*.safetensors.", hint="Give a checkpoint in safetensors.")
    for file in files:
        try:
            opened: Any = safe_open(str(file), framework="pt")
            for name in opened.keys():  # noqa: SIM118 - it is no mapping
                yield name, tuple(opened.get_slice(name).get_shape()), partial(_load, opened, name)
        except (OSError, SafetensorError) as exc:
            raise ModelError(f"{file}: cannot be read ({exc}).", hint="Download it again.") from exc


def _load(opened: Any, name: str) -> NDArray[Any]:
    import torch

    array: NDArray[Any] = opened.get_tensor(name).to(torch.float32).numpy()
    return array


def _rope_tensors(source: _Source) -> Iterator[_Tensor]:
    """What stretches the positions, for models that were trained on longer texts later."""
    import numpy as np

    rope, width = source.rope(), _turned_width(source)
    if rope.get("rope_type") == "llama3":
        factors = np.array(list_llama3_factors(rope, width), dtype=np.float32)
        yield _Tensor("rope_freqs.weight", factors.shape, "F32", factors.copy)
    if rope.get("rope_type") == "longrope":
        for length in ("long", "short"):
            given = np.array(rope[f"{length}_factor"], dtype=np.float32)
            yield _Tensor(f"rope_factors_{length}.weight", given.shape, "F32", given.copy)


def list_llama3_factors(rope: Mapping[str, Any], width: int) -> list[float]:
    """Give by how much each frequency is slowed, for the numbers of a head that are turned.

    Source: LlamaModel.generate_extra_tensors in llama.cpp/conversion/llama.py.
    """
    factor, low, high = (float(rope[name]) for name in ("factor", "low_freq_factor", "high_freq_factor"))
    n_first = float(rope["original_max_position_embeddings"])

    def slow(n: int) -> float:
        wave: float = 2 * math.pi * float(rope["rope_theta"]) ** (n / width)
        if wave < n_first / high:
            return 1.0
        if wave > n_first / low:
            return factor
        smooth = (n_first / wave - low) / (high - low)
        return 1 / ((1 - smooth) / factor + smooth)

    return [slow(n) for n in range(0, width, 2)]


def _write_tensors(writer: Any, tensors: list[_Tensor]) -> None:
    import gguf
    import numpy as np

    for tensor in tensors:
        kind = gguf.GGMLQuantizationType[tensor.kind]
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        n_bytes = math.prod(tensor.shape) // block * block_bytes
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype(np.float32), n_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in tensors:
        writer.write_tensor_data(tensor.encode())
    writer.close()
