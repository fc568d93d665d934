"""A rung's trained model, opened to be spoken to.

This module does not ask questions: the exam and the chat do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from econchatr.ask.exam import TUNED_VARIANTS, Speaker
from econchatr.config import Rung
from econchatr.errors import ShowFolderError
from econchatr.models.llamacpp import open_llamacpp
from econchatr.models.transformers_model import open_transformers
from econchatr.models.weights import BaseWeights
from econchatr.pipeline.forms import rung_template, rung_weights
from econchatr.pipeline.show import Show
from econchatr.prompts import FORM_VERSION, ChatTemplate
from econchatr.records import PreferenceOutcome, TunedModel, Variant
from econchatr.tables import hash_settings, read_manifest, read_table


class OpenRung(NamedTuple):
    """A rung ready to be spoken to."""

    speaker: Speaker
    template: ChatTemplate
    tuned: TunedModel

    def identify(self, variant: Variant) -> str:
        """The hash that an answer of this variant carries."""
        return model_identity(self.tuned, variant)


PREFERRED = "preferred"
"""Folder, inside a trained rung's, of what a round of preferences made of it."""
OUTCOME_NAME = "outcome.parquet"


def model_identity(tuned: TunedModel, variant: Variant) -> str:
    """The hash that every answer of a model carries: of base weights, adapter, variant and prompt form together.

    An answer of the base carries the base's own: no adapter took part in it. Every command that keeps answers takes the
    hash from here.
    """
    adapter = tuned.adapter_sha256 if variant in TUNED_VARIANTS else ""
    return hash_settings([tuned.base_sha256, adapter, variant, FORM_VERSION])


def read_tuned(show: Show, rung: Rung) -> TunedModel:
    """The record of a rung's tuned model.

    Raises:
        InputError: The show has no `[rights]`.
        ShowFolderError: The rung is not trained yet.
    """
    show.require_rights()
    folder = show.folder("train", rung.name)
    if read_manifest(folder) is None:
        raise ShowFolderError(f"rung {rung.name!r} is not trained yet.", hint=f"econchatr run {show.root}")
    return read_table(folder / "tuned.parquet", TunedModel)[0]


@contextmanager
def open_rung(show: Show, name: str = "", *, n_at_once: int = 1, is_preferred: bool = False) -> Iterator[OpenRung]:
    """The tuned model of a rung, the first one when no name is given, for so many callers side by side.

    Args:
        is_preferred: Open what a round of preferences made of the tuned model, whether that was kept or not.

    Raises:
        InputError: No such rung, or the show has no `[rights]`.
        ShowFolderError: The rung is not trained yet, or had no such round.
        ModelError: The model cannot be opened.
    """
    rung = show.rung(name)
    tuned = read_tuned(show, rung)
    base, folder = rung_weights(show, rung), show.folder("train", rung.name)
    if is_preferred:
        folder = folder / PREFERRED
        tuned = _prefer_over(tuned, folder, show)
    with open_speaker(base, folder=folder, n_at_once=n_at_once) as speaker:
        yield OpenRung(speaker, rung_template(rung), tuned)


def _prefer_over(tuned: TunedModel, folder: Path, show: Show) -> TunedModel:
    """The record of a tuned model with the round's adapter in it."""
    if read_manifest(folder) is None:
        raise ShowFolderError(
            f"rung {tuned.rung!r} had no round of preferences.", hint=f"econchatr train {show.root} --preferences"
        )
    (outcome,) = read_table(folder / OUTCOME_NAME, PreferenceOutcome)
    names = ("adapter_path", "adapter_sha256", "gguf_path", "gguf_sha256")
    return tuned.model_copy(update={name: getattr(outcome, name) for name in names})


@contextmanager
def open_speaker(base: BaseWeights, *, folder: Path, n_at_once: int = 1) -> Iterator[Speaker]:
    """A base with the adapter in `folder`: through llama.cpp where the base is a GGUF, else through transformers.

    transformers answers one caller at a time, whatever `n_at_once`.
    """
    if base.gguf_path is None:
        yield open_transformers(base.checkpoint_path, adapter=folder)
        return
    with open_llamacpp(base.gguf_path, adapter=folder / "adapter.gguf", n_at_once=n_at_once) as speaker:
        yield speaker
