"""A show's real turns, ready to be found: those of training episodes, indexed once and kept until they change.

This module does not know what is asked, nor who answers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from econchatr.ask.grounding import INDEX_VERSION, Grounding, Room, TurnIndex
from econchatr.config import Rung
from econchatr.pipeline.forms import rung_tokenizer
from econchatr.pipeline.show import Show
from econchatr.records import Pair
from econchatr.tables import disk_errors, hash_settings, read_table

INDEX_FOLDER = "turns"


def open_grounding(show: Show, rung: Rung) -> Grounding:
    """What finds the host's real turns for a question to a rung's models; nothing held out is among them.

    Raises:
        ShowFolderError: The show is not paired yet, or its folder cannot be written.
    """
    pairs = [
        pair
        for pair in read_table(show.folder("pair") / "pairs.parquet", Pair)
        if pair.is_kept and pair.split == "train"
    ]
    return Grounding(open_turn_index(show, pairs), rung_tokenizer(show, rung), grounding_room(show))


def grounding_room(show: Show) -> Room:
    """How much of the real turns a prompt holds."""
    return Room(show.config.ask.excerpts)


def open_turn_index(show: Show, pairs: Sequence[Pair]) -> TurnIndex:
    """The index of these pairs: the one kept in the show's folder, or a new one, which is then kept there.

    Raises:
        ShowFolderError: The folder cannot be written.
    """
    key = hash_settings([INDEX_VERSION, show.made("pair"), len(pairs)])[:16]
    folder = show.folder("ask") / INDEX_FOLDER / key
    if kept := TurnIndex.load(folder, pairs):
        return kept
    made = TurnIndex.build(pairs)
    _keep(made, folder)
    return made


def _keep(index: TurnIndex, folder: Path) -> None:
    """Write an index beside its place and rename it, so that one with its name is whole; drop older ones.

    A chat may do so beside a run: neither touches what the other is writing, and who comes second keeps nothing.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for old in folder.parent.iterdir():
            if not old.name.startswith("."):
                shutil.rmtree(old, ignore_errors=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
        try:
            index.save(beside)
            if any(beside.iterdir()):
                _take_place(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _take_place(beside: Path, folder: Path) -> None:
    try:
        beside.rename(folder)
    except OSError:
        # Somebody else was first; theirs is the same.
        if not folder.exists():
            raise
