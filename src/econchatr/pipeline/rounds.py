"""What a round of preferences left beside a rung's tuned model, read again.

This module trains and measures nothing.
"""

from __future__ import annotations

from pathlib import Path

from econchatr.config import Rung
from econchatr.pipeline.rungs import OUTCOME_NAME, PREFERRED
from econchatr.pipeline.show import Show
from econchatr.records import Gate, PreferenceOutcome, Score
from econchatr.tables import hash_file, outputs_sha256, read_manifest, read_table

SCORES_NAME = "scores.parquet"
GATES_NAME = "gates.parquet"


def preferred_folder(show: Show, rung: Rung) -> Path:
    """Where a rung's round lies."""
    return show.folder("train", rung.name) / PREFERRED


def read_outcome(show: Show, rung: Rung) -> PreferenceOutcome | None:
    """What a rung's finished round came to; `None`: there was none, or it began from another tuned model.

    Raises:
        ShowFolderError: The table is broken.
    """
    folder = preferred_folder(show, rung)
    if read_manifest(folder) is None:
        return None
    (outcome,) = read_table(folder / OUTCOME_NAME, PreferenceOutcome)
    adapter = show.folder("train", rung.name) / "adapter_model.safetensors"
    return outcome if adapter.is_file() and hash_file(adapter) == outcome.tuned_sha256 else None


def read_measured(show: Show, rung: Rung) -> tuple[list[Score], list[Gate]]:
    """What the answers of a finished round were found to be; nothing of one that an earlier version made.

    Raises:
        ShowFolderError: A table is broken.
    """
    folder = preferred_folder(show, rung)
    scores, gates = folder / SCORES_NAME, folder / GATES_NAME
    if read_outcome(show, rung) is None or not (scores.is_file() and gates.is_file()):
        return [], []
    return read_table(scores, Score), read_table(gates, Gate)


def made_round(show: Show, rung: Rung) -> str:
    """The hash of everything a rung's round put out; empty: there was none, or it began from another tuned model."""
    return outputs_sha256(preferred_folder(show, rung)) if read_outcome(show, rung) else ""
