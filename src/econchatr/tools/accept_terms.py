"""Show the terms of a base model's makers, and write down that the user accepted them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from econchatr.display import strip_controls
from econchatr.errors import InputError
from econchatr.models.files.packaged import (
    GEMMA3_270M,
    PackagedBase,
    find_packaged,
    keep_acceptance,
    read_acceptance,
    read_terms,
)
from econchatr.user_folders import config_folder


class AskedTerms(NamedTuple):
    """What the user is asked to accept."""

    text: str
    address: str
    accepted_at: str
    """ISO time; empty: not yet."""


def show_terms(name: str) -> AskedTerms:
    """The terms of a base.

    Raises:
        InputError: The base has none to accept, or what was accepted before cannot be read.
        MissingExtraError: The package with the terms is not installed.
    """
    base = _find(name)
    return AskedTerms(strip_controls(read_terms(base)), base.terms_address, read_acceptance(base, config_folder()))


def accept_terms(name: str, *, now: datetime) -> str:
    """Write down that the user accepts the terms of a base; give the time as it is kept.

    Raises:
        InputError: The base has none to accept.
        ShowFolderError: The folder of settings cannot be written.
    """
    base = _find(name)
    keep_acceptance(base, config_folder(), now=now)
    return read_acceptance(base, config_folder())


def _find(name: str) -> PackagedBase:
    if base := find_packaged(name):
        return base
    hint = f"Terms are accepted here for {GEMMA3_270M.name}; those of a model on the hub, at its page there."
    raise InputError(f"{name}: has no terms to be accepted here.", hint=hint)
