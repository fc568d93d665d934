"""Write a trained adapter in the form that llama.cpp loads beside its base, or merged into its base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from econchatr.errors import MissingExtraError, ModelError
from econchatr.models.files.families import Family, find_architecture, map_names, plain_name
from econchatr.models.files.gguf_file import GgufFile, read_gguf_file
from econchatr.models.files.gguf_weights import write_json
from econchatr.prompts import ChatTemplate
from econchatr.tables import replace_path

if TYPE_CHECKING:
    from numpy.typing import NDArray


_HINT = "Train again."
_PEFT_PREFIX = "base_model.model."
_NOT_COPIED = ("config.json", "converted.json", "model.safetensors.index.json")
"""Files of a base that are written anew or mean nothing elsewhere."""


def write_gguf_adapter(adapter_folder: Path, *, base_gguf: Path, out: Path) -> None:
    """Write a peft LoRA adapter as a GGUF adapter for `base_gguf`, in the names and the order of its family.

    Raises:
        MissingExtraError: safetensors is not installed.
        ModelError: The folder holds no plain LoRA adapter, or it is for another base, or of a family without a map.
        ShowFolderError: `out` cannot be written.
    """
    base = read_gguf_file(base_gguf)
    architecture = base.text("general.architecture")
    family = find_architecture(architecture)
    if family is None:
        raise ModelError(f"{base_gguf.name}: an adapter for a {architecture!r} model cannot be written.", hint=_HINT)
    alpha, tensors = _read_adapter(adapter_folder)
    named = _named_for_ggml(tensors, base, family, adapter_folder)
    known = {tensor.name: tensor.shape for tensor in base.tensors}
    for name, array in named.items():
        base_name, _, side = name.rpartition(".")
        base_shape = known.get(base_name)
        if base_shape is None or array.shape[side == "lora_a"] != base_shape[side == "lora_a"]:
            raise ModelError(f"{adapter_folder}: {name!r} does not fit {base_gguf.name}.", hint=_HINT)
    _write(named, alpha, family, out)


def _read_adapter(folder: Path) -> tuple[float, dict[str, NDArray[Any]]]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"exporting an adapter needs {exc.name}.", extra="local") from exc
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        if config.get("use_dora") or config.get("use_rslora") or config.get("alpha_pattern"):
            raise ModelError(f"{folder}: only plain LoRA can be exported.", hint=_HINT)
        return float(config["lora_alpha"]), load_file(folder / "adapter_model.safetensors")
    except (OSError, ValueError, KeyError, SafetensorError) as exc:
        raise ModelError(f"{folder}: holds no readable adapter ({exc}).", hint=_HINT) from exc


def _named_for_ggml(
    tensors: dict[str, NDArray[Any]], base: GgufFile, family: Family, folder: Path
) -> dict[str, NDArray[Any]]:
    """The matrices under ggml's names; the rows of q's and k's `lora_b` in llama.cpp's rotary order.

    Source: llama.cpp/convert_lora_to_gguf.py.
    """
    import numpy as np

    name_of = map_names(family, base.count(f"{family.architecture}.block_count"))
    n_heads = base.count(f"{family.architecture}.attention.head_count")
    n_kv_heads = int(base.number(f"{family.architecture}.attention.head_count_kv") or n_heads)
    named = {}
    for full, tensor in tensors.items():
        module, side = _split_name(full)
        plain = plain_name(module)
        name = name_of(f"{plain}.weight") if plain else None
        if name is None or side not in ("lora_A", "lora_B"):
            raise ModelError(f"{folder}: no place in a {family.architecture} model for {full!r}.", hint=_HINT)
        array = np.asarray(tensor, dtype=np.float32)
        if side == "lora_B":
            array = family.reorder(name, array, (n_heads, n_kv_heads))
        named[f"{name}.{side.lower()}"] = np.ascontiguousarray(array)
    return named


def _split_name(name: str) -> tuple[str, str]:
    """The module that a peft matrix belongs to, and its side: `lora_A` or `lora_B`."""
    module, _, side = name.removeprefix(_PEFT_PREFIX).removesuffix(".weight").rpartition(".")
    return module, side


def _write(named: dict[str, NDArray[Any]], alpha: float, family: Family, out: Path) -> None:
    import gguf

    with replace_path(out) as beside:
        writer = gguf.GGUFWriter(beside, family.architecture)
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for name, array in named.items():
            writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def write_merged_checkpoint(checkpoint: Path, adapter_folder: Path, out: Path, *, template: ChatTemplate) -> None:
    """Write base and adapter as one Hugging Face checkpoint into an existing folder.

    The numbers are added in float32 and kept as float16, which holds small changes better than bfloat16; in float32
    where one is too large for that.

    Args:
        template: The chat template that the tokenizer gets.

    Raises:
        MissingExtraError: torch or safetensors is not installed.
        ModelError: The base or the adapter cannot be read, or they do not fit each other.
    """
    try:
        import torch
        from safetensors.torch import save_file

        from econchatr.models.llama.checkpoint import load_tensors, read_config
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"merging needs {exc.name}.", extra="local") from exc
    tensors = load_tensors(checkpoint)
    for name, change in _changes(adapter_folder).items():
        found = [full for full in tensors if plain_name(full) == name]
        if len(found) != 1 or tensors[found[0]].shape != change.shape:
            raise ModelError(f"{adapter_folder}: {name!r} does not fit {checkpoint.name}.", hint=_HINT)
        tensors[found[0]] = tensors[found[0]].float() + torch.from_numpy(change)
    is_small = all(bool(torch.isfinite(tensor.to(torch.float16)).all()) for tensor in tensors.values())
    dtype = torch.float16 if is_small else torch.float32
    content = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    save_file(content, out / "model.safetensors", metadata={"format": "pt"})
    write_json(out / "config.json", read_config(checkpoint) | {"dtype": str(dtype).removeprefix("torch.")})
    copy_tokenizer(checkpoint, out, template=template)


def copy_tokenizer(checkpoint: Path, out: Path, *, template: ChatTemplate) -> None:
    """Copy what a checkpoint has beside its weights and sizes, with another chat template."""
    for file in checkpoint.iterdir():
        if file.suffix in (".json", ".txt", ".model") and file.name not in _NOT_COPIED:
            shutil.copyfile(file, out / file.name)
    config = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    write_json(out / "tokenizer_config.json", config | {"chat_template": template.template})


def _changes(adapter_folder: Path) -> dict[str, NDArray[Any]]:
    """What an adapter adds to each matrix, by the matrix's plain name, in float32."""
    import numpy as np

    alpha, tensors = _read_adapter(adapter_folder)
    sides: dict[str, dict[str, NDArray[Any]]] = {}
    for full, tensor in tensors.items():
        module, side = _split_name(full)
        sides.setdefault(plain_name(module) or module, {})[side] = np.asarray(tensor, dtype=np.float32)
    try:
        return {
            f"{module}.weight": alpha / found["lora_A"].shape[0] * (found["lora_B"] @ found["lora_A"])
            for module, found in sides.items()
        }
    except (KeyError, ValueError) as exc:
        raise ModelError(f"{adapter_folder}: holds more or less than pairs of matrices ({exc}).", hint=_HINT) from exc
