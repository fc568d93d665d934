"""A show's records for the playground, and where rankings and guesses made there are kept.

This module knows no page and asks no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from econchatr.errors import ShowFolderError
from econchatr.money.billing import bill_local
from econchatr.pipeline.rankings import save_ranking, save_verdict
from econchatr.pipeline.show import Show
from econchatr.records import BlindCue, Episode, Pair, Ranking, Turn, Verdict
from econchatr.tables import append_line, read_manifest, read_table

GUESSES_NAME = "guesses.jsonl"


class PlayKeeper:
    """Where a show keeps what people say on the playground."""

    def __init__(self, show: Show, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._show, self._now = show, now

    def save_ranking(self, ranking: Ranking) -> bool:
        """Keep a ranking in the ledger's database, as `rankings.save_ranking` does."""
        return save_ranking(self._show, ranking)

    def save_verdict(self, verdict: Verdict) -> bool:
        """Keep a verdict in the ledger's database, as `rankings.save_verdict` does."""
        return save_verdict(self._show, verdict)

    def save_guess(self, cue: BlindCue, *, who: str, pick: int) -> None:
        """Add a guess to `talk/guesses.jsonl`; nothing reads it yet.

        Raises:
            ShowFolderError: It cannot be written.
        """
        row = {"at": self._now().isoformat(timespec="seconds"), "who": who, "pick": pick, **cue.model_dump()}
        append_line(self._show.folder("talk") / GUESSES_NAME, json.dumps(row, ensure_ascii=False).encode())


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
