"""Write a base and its adapter as one checkpoint, for programs that know no adapters.

It knows nothing of GGUF and of shows.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from econchatr.errors import MissingExtraError, ModelError
from econchatr.prompts import ChatTemplate

_WEIGHTS = "model*.safetensors"
_OURS = ("config.json", "converted.json", "model.safetensors.index.json")
"""Files of a base that are written anew or mean nothing elsewhere."""


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
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save_file

        from econchatr.models.llama_checkpoint import read_adapters, read_config
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"merging needs {exc.name}.", extra="local") from exc
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(checkpoint.glob(_WEIGHTS)):
        try:
            tensors |= load_file(file)
        except (OSError, SafetensorError) as exc:
            raise ModelError(f"{file}: cannot be read ({exc}).", hint="Convert or download it again.") from exc
    adapters, scale = read_adapters(adapter_folder, device="cpu")
    for key, adapter in adapters.items():
        name = f"model.layers.{key}.weight"
        change = scale * (adapter.up.float() @ adapter.down.float())
        if name not in tensors or tensors[name].shape != change.shape:
            raise ModelError(f"{adapter_folder}: {key!r} does not fit {checkpoint.name}.", hint="Train again.")
        tensors[name] = tensors[name].float() + change
    is_small = all(bool(torch.isfinite(tensor.to(torch.float16)).all()) for tensor in tensors.values())
    dtype = torch.float16 if is_small else torch.float32
    save_file(
        {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()},
        out / "model.safetensors", metadata={"format": "pt"},
    )  # fmt: skip
    _write_json(out / "config.json", read_config(checkpoint) | {"dtype": str(dtype).removeprefix("torch.")})
    _copy_tokenizer(checkpoint, out, template)


def _copy_tokenizer(checkpoint: Path, out: Path, template: ChatTemplate) -> None:
    for file in checkpoint.iterdir():
        if file.suffix in (".json", ".txt", ".model") and file.name not in _OURS:
            shutil.copyfile(file, out / file.name)
    config = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    _write_json(out / "tokenizer_config.json", config | {"chat_template": template.template})


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
