"""The card of an exported model: with the report's figures where they are of this very model, else with the reason.

This module measures nothing and writes nothing.
"""

from __future__ import annotations

from econchatr import __version__
from econchatr.config import Rung
from econchatr.display import label_imitation
from econchatr.pipeline.corpus import note_rights
from econchatr.pipeline.publish import gather_material
from econchatr.pipeline.run import find_stale
from econchatr.pipeline.show import Show
from econchatr.prompts import system_line
from econchatr.records import Score, TunedModel
from econchatr.report.card import CardMaterial, card_from_report
from econchatr.tables import read_manifest, read_table

_MEASURING = ("ask", "score")
_SHOWN = ("parse", "pair", "select", "train")
"""Stages whose tables the card's figures stand beside."""


def make_card(
    show: Show, rung: Rung, tuned: TunedModel, *, base_id: str, proofs: tuple[tuple[str, ...], ...]
) -> CardMaterial:
    """What the card of a rung's exported model is made from.

    Raises:
        ShowFolderError: A table of the show is broken.
    """
    if unmeasured := tell_unmeasured(show, rung):
        rights = note_rights(show)
        assert rights is not None, "a show without is not exported"  # noqa: S101
        return CardMaterial(
            label=label_imitation((show.voice.host,)), host=show.voice.host, show_name=show.voice.show,
            line=system_line(show.voice), rights=rights, tuned=tuned, base_id=base_id, scores=(), proofs=proofs,
            version=__version__, unmeasured=unmeasured,
        )  # fmt: skip
    card = card_from_report(gather_material(show, [rung]), tuned)
    assert card is not None, "a show without rights is not exported"  # noqa: S101
    scores = tuple(read_table(show.folder("score", rung.name) / "scores.parquet", Score))
    return card._replace(base_id=base_id, proofs=proofs, scores=scores)


def tell_unmeasured(show: Show, rung: Rung) -> str:
    """Why no figure can be told of the model that lies in a rung's folder, in a sentence; empty: all can.

    What the model was trained on may have changed since: the figures are of the model, and stay its own. What it was
    asked and measured with may not.
    """
    if read_manifest(show.folder("score", rung.name)) is None:
        return "It was not measured."
    lacking = [stage for stage in _SHOWN if not show.made(stage, rung.name if stage == "train" else "")]
    if lacking:
        return f"What was measured of it is not told here: {', '.join(lacking)} is not finished any more."
    if stale := find_stale(show, rung, stages=_MEASURING):
        return f"What was measured before is out of date ({stale}), so no figure is told here."
    return ""
