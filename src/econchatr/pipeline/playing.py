"""A show's records for the playground, and where rankings and guesses made there are kept.

This module knows no page and asks no model.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from econchatr.errors import ShowFolderError
from econchatr.pipeline.show import Show
from econchatr.records import Episode, Pair, Turn
from econchatr.select.billing import bill_local
from econchatr.tables import read_manifest, read_table


class PlayRows(NamedTuple):
    """What the playground looks things up in."""

    episodes: list[Episode]
    turns: list[Turn]
    pairs: list[Pair]
    """Kept ones of all episodes, held-out ones too."""
    usd_per_hour: dict[str, Decimal | None]
    """By rung, what this machine costs while it answers; `None`: nothing was said about it."""
    report: Path


def read_play(show: Show) -> PlayRows:
    """The records of a show that is paired.

    Raises:
        ShowFolderError: The episodes or the pairs are not there.
    """
    for stage in ("parse", "pair"):
        if read_manifest(show.folder(stage)) is None:
            raise ShowFolderError(f"{show.root}: {stage} is not done yet.", hint=f"econchatr run {show.root}")
    parsed = show.folder("parse")
    return PlayRows(
        episodes=read_table(parsed / "episodes.parquet", Episode),
        turns=read_table(parsed / "turns.parquet", Turn),
        pairs=[pair for pair in read_table(show.folder("pair") / "pairs.parquet", Pair) if pair.is_kept],
        usd_per_hour={
            rung.name: _cost_hour(rung.watts, rung.usd_per_kwh, rung.rent_usd_per_hour) for rung in show.config.ladder
        },
        report=show.folder("report") / "index.html",
    )


def _cost_hour(watts: Decimal | None, usd_per_kwh: Decimal | None, rent: Decimal | None) -> Decimal | None:
    if rent is None and (watts is None or usd_per_kwh is None):
        return None
    return bill_local(hours=Decimal(1), watts=watts, usd_per_kwh=usd_per_kwh, rent=rent)
