"""What was selected, for people: how good the choice is, how far it leans towards the exam, why a pair was taken.

This module chooses nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from econchatr.config import QUESTIONS_NAME
from econchatr.pipeline.choices import list_pool
from econchatr.pipeline.show import Show
from econchatr.records import Overlap, Pair, Reason, Selection
from econchatr.select.overlap import measure_overlaps
from econchatr.tables import hash_bytes, read_table


class ExplainedPair(NamedTuple):
    """A pair of the pool, and why it was taken or left."""

    pair: Pair
    reason: Reason


def read_selections(show: Show) -> list[Selection]:
    """What each rung is trained on."""
    return read_table(show.folder("select") / "selections.parquet", Selection)


def read_overlaps(show: Show) -> list[Overlap]:
    """How far each selection leans towards the exam; none where there are no questions yet."""
    if not (show.root / QUESTIONS_NAME).is_file():
        return []
    pool = list_pool(read_table(show.folder("pair") / "pairs.parquet", Pair), show.choices())
    places = {pair.pair_id: place for place, pair in enumerate(pool)}
    looked_for = show.config.select.subjects if show.config.select.strategy == "subjects-2023" else ()
    return measure_overlaps(
        [text for question in show.questions() for text in (question.text, question.expected or "")],
        [pair.reply for pair in pool],
        {row.rung: [places[pair_id] for pair_id in row.pair_ids] for row in read_selections(show)},
        names=[show.voice.host, show.voice.show, *show.config.show.hosts],
        subjects=looked_for,
    )


def tell_selections(selections: Sequence[Selection], overlaps: Sequence[Overlap]) -> Iterator[str]:
    """The choice for each rung in lines for people."""
    leanings = {overlap.rung: overlap for overlap in overlaps}
    for chosen in selections:
        yield (
            f"{chosen.rung}: {len(chosen.pair_ids):,} of {chosen.n_pool_pairs:,} pairs by {chosen.strategy}, "
            f"{chosen.n_tokens:,} of {chosen.limit_tokens:,} tokens"
        )
        told = [chosen.tell_cover(), chosen.tell_lengths()]
        if chosen.rung in leanings:
            told.append(leanings[chosen.rung].tell())
        yield from (f"  {line}" for line in told if line)


def sample_reasons(show: Show, n: int) -> list[ExplainedPair]:
    """`n` pairs of the pool, taken and left in turn, spread over the show; the same ones each time."""
    pairs = {pair.pair_id: pair for pair in read_table(show.folder("pair") / "pairs.parquet", Pair)}
    reasons = sorted(
        read_table(show.folder("select") / "reasons.parquet", Reason),
        # What the user decided first, then by chance.
        key=lambda row: (row.reason not in ("pinned", "banned"), hash_bytes(row.pair_id.encode())),
    )
    taken = [row for row in reasons if row.rung]
    left = [row for row in reasons if not row.rung]
    n_left = min(len(left), max(n // 2, n - len(taken)))
    shown = [*sorted(taken[: n - n_left], key=lambda row: row.position or 0), *left[:n_left]]
    return [ExplainedPair(pairs[row.pair_id], row) for row in shown]


def tell_reason(reason: Reason) -> Iterator[str]:
    """Why a pair was taken or left, in lines for people."""
    place = "" if reason.position is None else f", number {reason.position + 1:,}"
    among = f", among {reason.stratum}" if reason.stratum else ""
    yield (
        f"{reason.pair_id}  "
        + (f"taken for {reason.rung}{place}" if reason.rung else "left")
        + f": {reason.reason}{among}"
    )
    if reason.gain is not None and reason.cost:
        would = "added" if reason.rung else "would add"
        yield f"  {would} {reason.gain:,.1f} for {reason.cost:,} tokens: {reason.gain / reason.cost:.3f} a token"
    if reason.firsts:
        yield f"  first to bring: {', '.join(reason.firsts)}"
