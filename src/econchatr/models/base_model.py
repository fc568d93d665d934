"""A base model by the name a config gives it: its tokenizer, template and weights, and a speaker over them."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from econchatr.errors import ModelError
from econchatr.models.engines.llamacpp import N_TOGETHER, LlamaCpp, count_usable_cores, open_llamacpp
from econchatr.models.engines.together import TogetherModel, can_draw_together, open_together
from econchatr.models.engines.transformers_engine import TransformersModel, open_transformers
from econchatr.models.files.description import BaseDescription, describe_base
from econchatr.models.files.hub import fetch_small_files, find_small_files, read_hub_name
from econchatr.models.files.packaged import find_packaged, locate_packaged
from econchatr.models.files.vocabulary import keep_vocabulary
from econchatr.models.files.weights import EMBEDDED, BaseWeights, locate_embedded_gguf, open_base, read_chat_template
from econchatr.prompts import CHATML, ChatTemplate
from econchatr.tables import hash_file, hash_settings
from econchatr.tokens import Tokenizer, open_tokenizer

_MAX_AT_ONCE = 4
"""Replies drawn side by side, where there are as many cores. Source: docs/performance.md, measured on two."""
_MAX_CONTEXTS = 8
"""Held in memory by all who draw side by side: of Qwen3 0.6B one takes 0.2 GB."""
_LOOK = "Look at `base` in show.toml: `embedded`, a path, or a model's name on the hub."
_read_template = lru_cache(maxsize=8)(read_chat_template)


@dataclass(frozen=True)
class Base:
    """A base model that may not be opened yet."""

    name: str
    """`embedded`, `gemma3-270m`, a path to a .gguf file or a checkpoint folder, or a model's name on the hub."""
    cache: Path
    """Where converted weights and tokenizers are kept."""
    may_ask_hub: bool
    has_stand_in: bool = False
    """Whether a tokenizer of another name, and ChatML, count where the base is not on this machine."""
    settings: Path | None = None
    """The folder where the user's acceptance of makers' terms is kept; `None`: nothing was accepted."""

    @property
    def path(self) -> Path:
        """The base's file or folder; of a name on the hub the folder of its small files, downloaded where they may be.

        A path that does not exist: the base is not on this machine.

        Raises:
            MissingExtraError: A package that the base is in is not installed.
            ModelError: The hub does not answer or does not give the model, the model cannot be trained here, or its
                makers' terms are not accepted.
        """
        if self.name == EMBEDDED:
            return locate_embedded_gguf()
        if packaged := find_packaged(self.name):
            return locate_packaged(packaged, cache=self.cache, settings=self.settings)
        path = Path(self.name).expanduser()
        name = None if path.exists() else read_hub_name(self.name)
        if name is None:
            return path
        may_download = self.may_ask_hub and not self.has_stand_in
        return (fetch_small_files(name) if may_download else find_small_files(name)) or path

    def describe(self) -> BaseDescription:
        """What the base is, before its weights are opened.

        Raises:
            ModelError: It is not to be had, or of a kind that cannot be trained here.
        """
        path = self.path
        if not path.exists():
            raise ModelError(f"no base model {self.name!r} on this machine.", hint=_LOOK)
        return describe_base(path, name=self.name, has_template=bool(_read_template(path).template))

    @property
    def template(self) -> ChatTemplate:
        """The chat template; ChatML, to count with, where the base is out of reach."""
        return _read_template(self.path) if self.path.exists() else CHATML

    def tokenizer(self) -> Tokenizer:
        """The base's own tokenizer.

        Raises:
            InputError: The base has no tokenizer.json that can be read.
            ModelError: The base is not on this machine, or its vocabulary is of a kind that is not known here.
            ShowFolderError: The cache cannot be written.
        """
        path = self.path
        if not path.exists():
            raise ModelError(f"no base model {self.name!r} on this machine.", hint=_LOOK)
        is_gguf = path.suffix == ".gguf" and path.is_file()
        return open_tokenizer(str(keep_vocabulary(path, cache=self.cache) if is_gguf else path))

    def counter(self, name: str, *, is_billed: bool) -> Tokenizer:
        """What the base's tokens are counted with: its own, or a stand-in.

        Args:
            name: Of the stand-in: an encoding of OpenAI's, a base, or the path of a tokenizer; empty: none. At home
                it counts only while the base is not on this machine.
            is_billed: Whether a service trains the base, and the stand-in counts what it bills.

        Raises:
            InputError: No such tokenizer.
            ModelError: The base's own is wanted and cannot be had.
            ShowFolderError: The cache cannot be written.
        """
        if not name or (not is_billed and self.path.exists()):
            return self.tokenizer()
        other = replace(self, name=name)
        return other.tokenizer() if other.path.exists() else open_tokenizer(name)

    def identity(self) -> str:
        """What tells one base from another without opening it: a file's hash, a folder's, or the name on the hub."""
        if packaged := find_packaged(self.name):
            return packaged.sha256
        path = locate_embedded_gguf() if self.name == EMBEDDED else Path(self.name).expanduser()
        if path.is_dir():
            return hash_settings(sorted((file.name, file.stat().st_size) for file in path.iterdir() if file.is_file()))
        return hash_file(path) if path.is_file() else self.name

    def weights(self) -> BaseWeights:
        """The weights, converted where they must be.

        Raises:
            ModelError: The base cannot be opened.
        """
        name = str(self.path) if find_packaged(self.name) else self.name
        return open_base(name, cache=self.cache, hub="auto" if self.may_ask_hub else "never")

    @contextmanager
    def speak(
        self, adapter_folder: Path, *, n_at_once: int = 0, n_together: int = 1
    ) -> Iterator[LlamaCpp | TransformersModel | TogetherModel]:
        """The base with an adapter, open to be spoken to: through llama.cpp where the base can be had as GGUF.

        Where several replies to one prompt are wanted and `can_draw_together`, torch draws them in this process.

        Args:
            adapter_folder: Holds the adapter in both forms.
            n_at_once: Callers side by side; 0: as many as this machine's cores bear. Only llama.cpp has more than
                one, whatever is asked for.
            n_together: Replies to one prompt that llama.cpp may be asked for at a time; it computes at most four
                together.

        Raises:
            ModelError: The model cannot be opened.
        """
        base = self.weights()
        adapter = adapter_folder / "adapter.gguf"
        if base.gguf_path is None or not adapter.is_file():  # an earlier version wrote none for a checkpoint
            yield open_transformers(base.checkpoint_path, adapter=adapter_folder)
            return
        if n_together > 1 and can_draw_together(base.checkpoint_path):
            model = open_together(
                base.checkpoint_path, adapter=adapter_folder, tokenizer=self.tokenizer(), template=self.template
            )
            try:
                yield model
            finally:
                model.close()
                free_memory()
            return
        n_lot = min(n_together, N_TOGETHER)
        n_at_once = n_at_once or min(count_usable_cores(), _MAX_AT_ONCE, _MAX_CONTEXTS // n_lot)
        with open_llamacpp(base.gguf_path, adapter=adapter, n_at_once=n_at_once, n_together=n_lot) as speaker:
            yield speaker


def free_memory() -> None:
    """Drop what nothing refers to any more, and hand the freed pages back where the C library can.

    After a training the allocator would otherwise keep gigabytes that the next model takes on top.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return  # not glibc: its allocator decides for itself
