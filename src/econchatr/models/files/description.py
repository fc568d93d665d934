"""What a base model is, read from its small files before anything large is downloaded, and what is refused there."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from econchatr.errors import ModelError
from econchatr.models.files.gguf_file import GgufFile, read_gguf_file

_FIT = "Take a model for text that is a decoder, such as HuggingFaceTB/SmolLM2-135M-Instruct or Qwen/Qwen3-0.6B."
_CAUSAL = ("ForCausalLM", "LMHeadModel")
_ENCODERS = (
    "bart", "bert", "big_bird", "bigbird_pegasus", "blenderbot", "blenderbot-small", "camembert", "data2vec-text",
    "electra", "ernie", "marian", "mbart", "megatron-bert", "mvp", "pegasus", "plbart", "prophetnet", "reformer",
    "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm", "xlm-roberta", "xlm-roberta-xl",
    "xlnet", "xmod",
)  # fmt: skip
"""Kinds of models with an encoder that have a class named like a decoder's too: BertLMHeadModel opens without a word,
and each of its tokens sees those that follow. Source: transformers' tables of models that fill gaps or translate."""
_WITH_TOWERS = "ForConditionalGeneration"
"""How transformers names a language model that reads images too."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_LICENCE = re.compile(r"^license(?:_name)?:[ \t]*[\"']?([\w.+-]+)", re.MULTILINE)
_N_PASS_TOKENS = 1024
_RANK = 16
_GB = 1e9


@dataclass(frozen=True)
class BaseDescription:
    """What is known of a base before its weights are opened. Sizes are `None` where the base does not tell them."""

    name: str
    family: str
    """transformers' or ggml's name of the kind of model: `llama`, `qwen3`, `gemma3`."""
    n_parameters: int | None
    n_layers: int | None
    licence: str
    """As its makers name it: `apache-2.0`, `gemma`; empty: not told."""
    has_template: bool
    """Whether it has a chat template."""
    train_bytes: int | None
    """About what training an adapter takes in memory, in bfloat16, without a GPU's kernels."""
    answer_bytes: int | None
    """About what one draw at a time takes in memory: the weights in 16 bits, or the GGUF file, and a conversation."""

    def tell(self) -> str:
        """The description in one line."""
        parts = [self.family]
        if self.n_parameters:
            parts.append(f"{self.n_parameters / 1e6:,.0f} million parameters in {self.n_layers} layers")
        parts.append(f"licence {self.licence}" if self.licence else "licence not told")
        if self.train_bytes:
            parts.append(f"about {self.train_bytes / _GB:.1f} GB to train")
        return ", ".join([*parts, "chat template" if self.has_template else "no chat template"])


def describe_base(path: Path, *, name: str, has_template: bool) -> BaseDescription:
    """Describe a base from its GGUF file, or from the small files of its checkpoint folder.

    Raises:
        ModelError: The base is of a kind that cannot be trained, or its description cannot be read.
    """
    if path.is_dir():
        sizes, licence = _sizes_of_config(read_fit_config(path, name=name)), read_licence(path)
    else:
        found = read_gguf_file(path)
        sizes, licence = _sizes_of_gguf(found), found.text("general.license") or ""
    weights_bytes = path.stat().st_size if path.is_file() else 2 * (sizes.n_parameters or 0)
    return BaseDescription(
        name=name,
        family=sizes.family,
        n_parameters=sizes.n_parameters,
        n_layers=sizes.n_layers,
        licence=licence,
        has_template=has_template,
        train_bytes=_estimate_training(sizes),
        answer_bytes=int(weights_bytes * 1.1) + 200_000_000 if weights_bytes else None,
    )


def read_licence(folder: Path) -> str:
    """The licence that a checkpoint's README names in its head; empty where there is none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    named = _LICENCE.findall(head)
    return str(named[-1]) if named else ""


# --- what is refused --------------------------------------------------------------------------------------------------


def read_fit_config(folder: Path, *, name: str) -> dict[str, Any]:
    """A checkpoint's config.json.

    Raises:
        ModelError: There is none that can be read, or it is of a model that cannot be trained here.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise ModelError(f"{name}: no config.json that can be read ({exc}).", hint="Give a whole checkpoint.") from exc
    if not isinstance(config, dict):
        raise ModelError(f"{name}: its config.json is no JSON object.", hint="Give a whole checkpoint.")
    refuse_unfit(config, name=name)
    return config


def refuse_unfit(config: dict[str, Any], *, name: str) -> None:
    """Refuse a model that cannot be trained here, by its config.json.

    Raises:
        ModelError: It says in one line why.
    """
    family, told = str(config.get("model_type") or ""), config.get("architectures")
    kind = str(told[0]) if isinstance(told, list) and told else ""
    text = config.get("text_config")
    if not family or not kind:
        raise ModelError(f"{name}: its config.json names no kind of model.", hint=_FIT)
    if config.get("auto_map") and not _is_known(family):
        raise ModelError(f"{name}: needs code of its makers to run, which is never done here.", hint=_FIT)
    if config.get("is_encoder_decoder"):
        raise ModelError(f"{name}: {kind} has an encoder and a decoder, and does not go on with a text.", hint=_FIT)
    if kind.endswith(_WITH_TOWERS) and isinstance(text, dict):
        return refuse_quantized({**config, **text}, name=name)
    if not kind.endswith(_CAUSAL):
        raise ModelError(f"{name}: {kind} is no causal language model.", hint=_FIT)
    if family in _ENCODERS:
        raise ModelError(f"{name}: {kind} is of a family of encoders ({family}), which see what follows.", hint=_FIT)
    return refuse_quantized(config, name=name)


def refuse_quantized(config: dict[str, Any], *, name: str) -> None:
    """Refuse a checkpoint with quantized weights.

    Raises:
        ModelError: It is quantized.
    """
    found = config.get("quantization_config") or config.get("quantization")
    if found:
        method = found.get("quant_method", "quantized") if isinstance(found, dict) else "quantized"
        message = f"{name}: its weights are quantized ({method}), and an adapter needs those it was made of."
        raise ModelError(message, hint="Take the model without that ending, or a GGUF file.")


def refuse_files(names: Iterable[str], *, name: str) -> None:
    """Refuse a checkpoint whose files are no safetensors, or that lacks a tokenizer that can be read.

    Raises:
        ModelError: It says in one line which.
    """
    files = set(names)
    if not any(file.startswith("model") and file.endswith(".safetensors") for file in files):
        lacks = "model*.safetensors"
        if pickled := sorted(file for file in files if file.endswith(_PICKLES)):
            raise ModelError(
                f"{name}: its weights are pickled ({pickled[0]}); a pickle can run anything, and is never opened.",
                hint="Take a revision or a model with safetensors.",
            )
        raise ModelError(f"{name}: holds no {lacks}.", hint="Give a whole checkpoint.")
    if "tokenizer.json" not in files:
        message = f"{name}: holds no tokenizer.json, so its text would be cut by a tokenizer that is not its own."
        raise ModelError(message, hint="Take a model that has one, or save it with transformers.")


def refuse_large_vocabulary(folder: Path, config: dict[str, Any], *, name: str) -> None:
    """Refuse a base whose tokenizer has ids beyond its embedding.

    Raises:
        ModelError: It has, or the tokenizer cannot be read.
    """
    text = config.get("text_config")
    n_rows = config.get("vocab_size") or (text.get("vocab_size") if isinstance(text, dict) else None)
    try:
        n_ids = _count_ids(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ModelError(f"{name}: its tokenizer.json cannot be read ({exc}).", hint="Give a checkpoint.") from exc
    if isinstance(n_rows, int) and n_ids > n_rows:
        raise ModelError(
            f"{name}: its tokenizer has {n_ids:,} tokens, its embedding {n_rows:,}: some would have no numbers.",
            hint="Take the tokenizer that belongs to the model, or enlarge the model with its makers' tools.",
        )


def _count_ids(tokenizer: dict[str, Any]) -> int:
    """One more than the highest id."""
    vocabulary = tokenizer["model"].get("vocab", {})
    ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    added = (int(token["id"]) for token in tokenizer.get("added_tokens", ()))
    return max(max(ids, default=-1), max(added, default=-1)) + 1


def _is_known(family: str) -> bool:
    """Whether transformers has a class of its own for this kind of model."""
    try:
        from transformers.models.auto import configuration_auto
    except ModuleNotFoundError:
        return False
    return family in configuration_auto.CONFIG_MAPPING_NAMES


# --- sizes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sizes:
    family: str
    n_parameters: int | None
    n_layers: int | None
    width: int | None
    n_vocabulary: int | None


def _sizes_of_gguf(found: GgufFile) -> _Sizes:
    family = found.text("general.architecture") or "unknown"
    embedding = next((tensor.shape for tensor in found.tensors if tensor.name == "token_embd.weight"), (0, 0))
    return _Sizes(
        family,
        sum(math.prod(tensor.shape) for tensor in found.tensors),
        int(found.number(f"{family}.block_count") or 0) or None,
        int(embedding[-1]) or None,
        int(embedding[0]) or None,
    )


def _sizes_of_config(config: dict[str, Any]) -> _Sizes:
    """Sizes by the matrices of a usual decoder: two of attention, two narrower, three of the feed-forward part."""
    text = {**config, **(config["text_config"] if isinstance(config.get("text_config"), dict) else {})}

    def size(*keys: str) -> int | None:
        found = next((text[key] for key in keys if isinstance(text.get(key), int)), None)
        return int(found) if found else None

    family, width = str(text.get("model_type")), size("hidden_size", "n_embd")
    n_layers, n_vocabulary = size("num_hidden_layers", "n_layer"), size("vocab_size")
    n_heads, inner = size("num_attention_heads", "n_head"), size("intermediate_size", "n_inner")
    if not (width and n_layers and n_vocabulary and n_heads and inner):
        return _Sizes(family, None, n_layers, width, n_vocabulary)
    head = size("head_dim") or width // n_heads
    attention = 2 * width * head * (n_heads + (size("num_key_value_heads") or n_heads))
    n_experts = size("num_local_experts", "num_experts", "n_routed_experts") or 1
    inner = (size("moe_intermediate_size") or inner) if n_experts > 1 else inner
    n_tables = 1 if text.get("tie_word_embeddings", True) else 2
    n_parameters = n_layers * (attention + 3 * width * inner * n_experts) + n_tables * width * n_vocabulary
    return _Sizes(family, n_parameters, n_layers, width, n_vocabulary)


def _estimate_training(sizes: _Sizes) -> int | None:
    """Weights in 16 bits, an adapter with its optimizer, and one pass of which every layer keeps its inner values.

    Roughly: a block of a usual decoder keeps some 40 numbers of the width for each token, an adapter of rank 16 has
    about 16 numbers of the width times its rank for each layer, and the head is computed for 128 tokens at once.
    """
    if not (sizes.n_parameters and sizes.n_layers and sizes.width and sizes.n_vocabulary):
        return None
    adapter = sizes.n_layers * 16 * sizes.width * _RANK * 16
    kept = sizes.n_layers * _N_PASS_TOKENS * sizes.width * 40 * 2
    head = 128 * sizes.n_vocabulary * 12
    return 2 * sizes.n_parameters + adapter + kept + head + 500_000_000
