"""The models that a training server answers with: opened when they are first asked, a few of them kept open."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from econchatr.display import label_imitation, strip_controls
from econchatr.errors import ModelError, UnknownModelError
from econchatr.models.base_model import Base
from econchatr.models.engines.llama_server import ServedModel, SlotServer, open_slots
from econchatr.prompts import ChatTemplate
from econchatr.records import Variant
from econchatr.tables import hash_settings
from econchatr.training_server.job_store import JobStore, StoredJob, StoredPermission
from econchatr.training_server.job_worker import ADAPTER_NAME
from econchatr.training_server.server_settings import TrainingServerSettings

_N_SLOTS = 4
"""Replies that one model writes at the same time."""
_N_BATCH = 512
"""Prompt tokens computed at once: as many as at home, so that the same adapter says the same at both places."""
_MAX_SHOWN_CHARS = 80


class NamedModel(NamedTuple):
    """A model by the name that a caller may ask it by."""

    name: str
    base: str
    created_at: int
    job: StoredJob | None = None
    """The job that tuned it; `None`: it is a base."""

    @property
    def label(self) -> str:
        """What every answer carries."""
        return label_imitation((self.job.voice,)) if self.job else BASE_LABEL


BASE_LABEL = "AI, not a person"
"""What the answers of a base carry, which imitates nobody."""


class _OpenModel(NamedTuple):
    slots: SlotServer
    template: ChatTemplate
    base_sha256: str
    weights: str


class ModelShelf:
    """Every model of a store's jobs, and the bases."""

    def __init__(
        self, store: JobStore, settings: TrainingServerSettings, *, cache: Path, terms: Path | None, started_at: int
    ) -> None:
        self._store, self._settings, self._cache, self._terms = store, settings, cache, terms
        self._started_at, self._lock = started_at, asyncio.Lock()
        self._open_models: OrderedDict[str, _OpenModel] = OrderedDict()

    def list_names(self, owner: str) -> list[NamedModel]:
        """The bases, the caller's own models, the newest first, and those that others permitted the caller to ask."""
        bases = [NamedModel(name, base, self._started_at) for name, base in self._settings.bases.items()]
        return bases + [_name_tuned(job) for job in self._list_jobs(owner) if job.tuned_model]

    def _list_jobs(self, owner: str) -> Iterator[StoredJob]:
        yield from self._store.list_owned(StoredJob, owner)
        for permission in self._store.list_states(StoredPermission, [owner]):
            if job := self._store.find(StoredJob, permission.job_id):
                yield job

    def find(self, name: str, owner: str) -> NamedModel:
        """The model of that name.

        Raises:
            UnknownModelError: The caller may ask none of that name.
        """
        if name in self._settings.bases:
            return NamedModel(name, self._settings.bases[name], self._started_at)
        if name.startswith("ft:"):
            for job in self._list_jobs(owner):
                if job.tuned_model == name:
                    return _name_tuned(job)
        shown = strip_controls(name[:_MAX_SHOWN_CHARS], keeps_lines=False)
        raise UnknownModelError(f"there is no model {shown!r} here.", hint="GET /v1/models lists yours.")

    async def open(self, model: NamedModel) -> ServedModel:
        """The model, open to be asked.

        Raises:
            ModelError: Its base or its adapter cannot be opened.
        """
        key = model.job.id if model.job else model.base
        async with self._lock:
            if key not in self._open_models:
                # Whoever is being answered by the one that goes holds it until the end of the answer.
                while len(self._open_models) >= self._settings.max_open_models:
                    self._open_models.popitem(last=False)
                self._open_models[key] = await asyncio.to_thread(self._open, model)
            self._open_models.move_to_end(key)
            found = self._open_models[key]
        return ServedModel(
            name=model.name,
            rung=model.job.id if model.job else model.name,
            variant="tuned" if model.job else "base",
            slots=found.slots,
            adapter=0 if model.job else None,
            template=found.template,
            identify=partial(_identify, found.base_sha256, model.job.adapter_sha256 if model.job else ""),
            weights=found.weights,
        )

    async def is_well(self) -> bool:
        """Tell whether every open model answers."""
        return all([await one.slots.is_well() for one in list(self._open_models.values())])

    def forget(self, model: NamedModel) -> None:
        """Close a model that was deleted."""
        if model.job:
            self._open_models.pop(model.job.id, None)

    def _open(self, model: NamedModel) -> _OpenModel:
        may_ask = self._settings.asks_hub
        base = Base(model.job.base if model.job else model.base, self._cache, may_ask_hub=may_ask, settings=self._terms)
        weights, adapters = base.weights(), list[Path]()
        if model.job:
            if weights.sha256 != model.job.base_sha256:
                raise ModelError(f"{base.name} was changed since {model.name} was trained.", hint="Put it back.")
            adapters.append(self._store.job_folder(model.job.id) / ADAPTER_NAME / "adapter.gguf")
        if weights.gguf_path is None:
            raise ModelError(f"{base.name}: llama.cpp cannot serve this base.", hint="Name another base.")
        # The server inside stops when its last reference goes, so it may outlive the block that opened it.
        opened = open_slots(weights.gguf_path, adapters=adapters, n_slots=_N_SLOTS, n_batch=_N_BATCH)
        slots = ExitStack().enter_context(opened)
        return _OpenModel(slots, base.template, weights.sha256, weights.weights)


def _name_tuned(job: StoredJob) -> NamedModel:
    return NamedModel(job.tuned_model or "", job.base, job.finished_at or job.created_at, job)


def _identify(base_sha256: str, adapter_sha256: str, variant: Variant) -> str:
    return hash_settings([base_sha256, adapter_sha256, variant])
