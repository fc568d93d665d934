"""Write a trained adapter in the form that llama.cpp loads beside its base, or merged into its base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from econchatr.errors import MissingExtraError, ModelError
from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.gguf_weights import LlamaShape, permute_rows, read_llama_shape, write_json
from econchatr.prompts import ChatTemplate
from econchatr.tables import replace_path

if TYPE_CHECKING:
    from numpy.typing import NDArray


_HINT = "Train again."
_NOT_COPIED = ("config.json", "converted.json", "model.safetensors.index.json")
"""Files of a base that are written anew or mean nothing elsewhere."""


def write_gguf_adapter(adapter_folder: Path, *, base_gguf: Path, out: Path) -> None:
    """Write a peft LoRA adapter as a GGUF adapter for `base_gguf`.

    Raises:
        MissingExtraError: safetensors is not installed.
        ModelError: The folder holds no plain LoRA adapter, or it is for another base.
        ShowFolderError: `out` cannot be written.
    """
    shape = read_llama_shape(read_gguf_file(base_gguf))
    alpha, tensors = _read_adapter(adapter_folder)
    named = _named_for_ggml(tensors, shape, adapter_folder)
    known = {tensor.name: tensor.shape for tensor in read_gguf_file(base_gguf).tensors}
    for name, array in named.items():
        base_name, _, side = name.rpartition(".")
        base_shape = known.get(base_name)
        if base_shape is None or array.shape[side == "lora_a"] != base_shape[side == "lora_a"]:
            raise ModelError(f"{adapter_folder}: {name!r} does not fit {base_gguf.name}.", hint=_HINT)
    _write(named, alpha, out)


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


def _named_for_ggml(tensors: dict[str, NDArray[Any]], shape: LlamaShape, folder: Path) -> dict[str, NDArray[Any]]:
    """The matrices under ggml's names; the rows of q's and k's `lora_b` in llama.cpp's rotary order.

    Source: llama.cpp/convert_lora_to_gguf.py.
    """
    import gguf
    import numpy as np

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, shape.n_layers)
    named = {}
    for full, tensor in tensors.items():
        module, _, side = full.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        name = names.get_name(module)
        if name is None or side not in ("lora_A", "lora_B"):
            raise ModelError(f"{folder}: no place in a Llama model for {full!r}.", hint=_HINT)
        array = np.asarray(tensor, dtype=np.float32)
        if side == "lora_B":
            array = shape.reorder(name, array, permute_rows)
        named[f"{name}.weight.{side.lower()}"] = np.ascontiguousarray(array)
    return named


def _write(named: dict[str, NDArray[Any]], alpha: float, out: Path) -> None:
    import gguf

    with replace_path(out) as beside:
        writer = gguf.GGUFWriter(beside, "llama")
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

        from econchatr.models.llama.checkpoint import load_tensors, read_adapters, read_config
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"merging needs {exc.name}.", extra="local") from exc
    tensors = load_tensors(checkpoint)
    adapters, scale = read_adapters(adapter_folder, device="cpu")
    for key, adapter in adapters.items():
        name = f"model.layers.{key}.weight"
        change = scale * (adapter.up.float() @ adapter.down.float())
        if name not in tensors or tensors[name].shape != change.shape:
            raise ModelError(f"{adapter_folder}: {key!r} does not fit {checkpoint.name}.", hint=_HINT)
        tensors[name] = tensors[name].float() + change
    is_small = all(bool(torch.isfinite(tensor.to(torch.float16)).all()) for tensor in tensors.values())
    dtype = torch.float16 if is_small else torch.float32
    content = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    save_file(content, out / "model.safetensors", metadata={"format": "pt"})
    write_json(out / "config.json", read_config(checkpoint) | {"dtype": str(dtype).removeprefix("torch.")})
    for file in checkpoint.iterdir():
        if file.suffix in (".json", ".txt", ".model") and file.name not in _NOT_COPIED:
            shutil.copyfile(file, out / file.name)
    config = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    write_json(out / "tokenizer_config.json", config | {"chat_template": template.template})
