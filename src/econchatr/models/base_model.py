"""A base model by the name a config gives it: its tokenizer, template and weights, and a speaker over them."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from econchatr.models.engines.llamacpp import LlamaCpp, count_usable_cores, open_llamacpp
from econchatr.models.engines.transformers_engine import TransformersModel, open_transformers
from econchatr.models.files.vocabulary import keep_vocabulary
from econchatr.models.files.weights import EMBEDDED, BaseWeights, locate_embedded_gguf, open_base, read_chat_template
from econchatr.prompts import CHATML, ChatTemplate
from econchatr.tables import hash_file, hash_settings
from econchatr.tokens import Tokenizer, open_tokenizer

_MAX_AT_ONCE = 4
"""Replies drawn side by side, where there are as many cores. Source: docs/performance.md, measured on two."""
_read_template = lru_cache(maxsize=8)(read_chat_template)


@dataclass(frozen=True)
class Base:
    """A base model that may not be opened yet."""

    name: str
    """`embedded`, a path to a .gguf file or a checkpoint folder, or a model's name on the hub."""
    cache: Path
    """Where converted weights and tokenizers are kept."""
    may_ask_hub: bool

    @property
    def path(self) -> Path:
        """The base's file or folder; a path that does not exist for a name on the hub."""
        return locate_embedded_gguf() if self.name == EMBEDDED else Path(self.name)

    @property
    def template(self) -> ChatTemplate:
        """The chat template; ChatML, to count with, where the base is out of reach."""
        return _read_template(self.path) if self.path.exists() else CHATML

    def tokenizer(self, name: str = "") -> Tokenizer:
        """The base's own tokenizer, or the one of another name.

        Raises:
            InputError: No such tokenizer.
            ModelError: A GGUF file's vocabulary cannot be read, or is of a kind that is not known here.
            ShowFolderError: The cache cannot be written.
        """
        name = name or self.name
        path = locate_embedded_gguf() if name == EMBEDDED else Path(name)
        is_gguf = path.suffix == ".gguf" and path.is_file()
        return open_tokenizer(str(keep_vocabulary(path, cache=self.cache)) if is_gguf else name)

    def identity(self) -> str:
        """What tells one base from another without opening it: a file's hash, a folder's, or the name on the hub."""
        path = self.path
        if path.is_dir():
            return hash_settings(sorted((file.name, file.stat().st_size) for file in path.iterdir() if file.is_file()))
        return hash_file(path) if path.is_file() else self.name

    def weights(self) -> BaseWeights:
        """The weights, converted where they must be.

        Raises:
            ModelError: The base cannot be opened.
        """
        return open_base(self.name, cache=self.cache, hub="auto" if self.may_ask_hub else "never")

    @contextmanager
    def speak(self, adapter_folder: Path, *, n_at_once: int = 0) -> Iterator[LlamaCpp | TransformersModel]:
        """The base with an adapter, open to be spoken to: through llama.cpp where the base can be had as GGUF.

        Args:
            adapter_folder: Holds the adapter in both forms.
            n_at_once: Callers side by side; 0: as many as this machine's cores bear. transformers answers one
                batch at a time, whatever is asked for.

        Raises:
            ModelError: The model cannot be opened.
        """
        base = self.weights()
        adapter = adapter_folder / "adapter.gguf"
        if base.gguf_path is None or not adapter.is_file():  # an earlier version wrote none for a checkpoint
            yield open_transformers(base.checkpoint_path, adapter=adapter_folder)
            return
        n_at_once = n_at_once or min(count_usable_cores(), _MAX_AT_ONCE)
        with open_llamacpp(base.gguf_path, adapter=adapter, n_at_once=n_at_once) as speaker:
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
