"""What commands read from a show's tables, to print it.

This module changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from econchatr.pipeline.judging import score_judged
from econchatr.pipeline.people import score_people
from econchatr.pipeline.show import STAGES, Show
from econchatr.records import Pair, Score, Selection
from econchatr.records.measures import keep_listed
from econchatr.tables import hash_bytes, read_manifest, read_table


class QuoteRow(NamedTuple):
    """What one rung will use."""

    rung: str
    where: str
    n_pairs: int
    n_pool_pairs: int
    n_tokens: int
    n_epochs: int
    budget: str
    cost: str

    def tell(self) -> str:
        """The row in words."""
        return (
            f"{self.rung}: {self.n_pairs:,} of {self.n_pool_pairs:,} pairs, "
            f"{self.n_tokens:,} tokens x {self.n_epochs} epochs, budget {self.budget}, cost {self.cost}"
        )


def sample_pairs(show: Show, n: int) -> list[Pair]:
    """`n` pairs, kept and dropped in turn, spread over the show; the same ones each time."""
    pairs = sorted(
        read_table(show.folder("pair") / "pairs.parquet", Pair), key=lambda pair: hash_bytes(pair.pair_id.encode())
    )
    kept = [pair for pair in pairs if pair.is_kept]
    dropped = [pair for pair in pairs if not pair.is_kept]
    n_dropped = min(len(dropped), max(n // 2, n - len(kept)))
    return sorted([*kept[: n - n_dropped], *dropped[:n_dropped]], key=lambda pair: (pair.rank, pair.first_turn))


def read_scores(show: Show, rung: str = "") -> list[Score]:
    """The stored scores of one rung, or of every rung trained at home, and what people and the judge said."""
    rungs = [show.rung(rung)] if rung else [item for item in show.config.ladder if item.where == "local"]
    rows = [row for item in rungs for row in read_table(show.folder("score", item.name) / "scores.parquet", Score)]
    return [*keep_listed(rows), *score_people(show, rungs), *score_judged(show, rungs)]


def read_counts(show: Show) -> dict[str, dict[str, int]]:
    """Per finished step, what its manifest counted."""
    folders = {stage: show.folder(stage) for stage in STAGES}
    folders |= {
        f"{stage}/{rung.name}": show.folder(stage, rung.name)
        for stage in ("train", "ask", "score")
        for rung in show.config.ladder
    }
    manifests = {name: read_manifest(folder) for name, folder in folders.items()}
    return {name: manifest.counts for name, manifest in manifests.items() if manifest is not None}


def read_quote(show: Show) -> list[QuoteRow]:
    """What each rung will use, from the finished selection; empty before that."""
    if read_manifest(show.folder("select")) is None:
        return []
    rows = {row.rung: row for row in read_table(show.folder("select") / "selections.parquet", Selection)}
    return [
        QuoteRow(
            rung=rung.name,
            where=rung.where,
            n_pairs=len(rows[rung.name].pair_ids),
            n_pool_pairs=rows[rung.name].n_pool_pairs,
            n_tokens=rows[rung.name].n_tokens,
            n_epochs=rows[rung.name].n_epochs,
            budget=rows[rung.name].budget,
            cost=f"${rows[rung.name].cost_usd}" if rows[rung.name].cost_usd else "nothing but this machine's time",
        )
        for rung in show.config.ladder
        if rung.name in rows
    ]
