"""Tell people about a finished selection: its quality, its overlap with the exam, the reason for each pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from econchatr.config import QUESTIONS_NAME
from econchatr.pipeline.choices import list_pool
from econchatr.pipeline.show import Show
from econchatr.records import Overlap, Pair, Reason, Selection
from econchatr.select.overlap import measure_overlaps
from econchatr.select.strategies import find_strategy
from econchatr.tables import hash_bytes, read_table


class SelectionAccount(NamedTuple):
    """The choice for each rung, and how far each leans towards the exam."""

    selections: list[Selection]
    overlaps: list[Overlap]
    """Empty where there are no questions yet."""

    def as_dict(self) -> dict[str, object]:
        """For programs; the ids of the pairs are in the training files and tables."""
        return {
            "selections": [row.model_dump(mode="json", exclude={"pair_ids"}) for row in self.selections],
            "overlaps": [row.model_dump(mode="json") for row in self.overlaps],
        }

    def tell(self) -> Iterator[str]:
        """In lines for people."""
        leanings = {overlap.rung: overlap.tell() for overlap in self.overlaps}
        for chosen in self.selections:
            yield (
                f"{chosen.rung}: {len(chosen.pair_ids):,} of {chosen.n_pool_pairs:,} pairs by {chosen.strategy}, "
                f"{chosen.n_tokens:,} of {chosen.limit_tokens:,} tokens"
            )
            told = (chosen.tell_cover(), chosen.tell_lengths(), leanings.get(chosen.rung))
            yield from (f"  {line}" for line in told if line)


class ExplainedPair(NamedTuple):
    """A pair of the pool, and why it was taken or left."""

    pair: Pair
    reason: Reason

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        return {"pair": self.pair.model_dump(mode="json"), **self.reason.model_dump(mode="json")}


def account_selections(show: Show) -> SelectionAccount:
    """Everything worth telling of a finished selection."""
    return SelectionAccount(read_table(show.folder("select") / "selections.parquet", Selection), read_overlaps(show))


def read_overlaps(show: Show) -> list[Overlap]:
    """How far each selection leans towards the exam; none where there are no questions yet."""
    if not (show.root / QUESTIONS_NAME).is_file():
        return []
    settings = show.config.select
    pool = list_pool(read_table(show.folder("pair") / "pairs.parquet", Pair), show.choices())
    places = {pair.pair_id: place for place, pair in enumerate(pool)}
    selections = read_table(show.folder("select") / "selections.parquet", Selection)
    return measure_overlaps(
        [text for question in show.questions() for text in (question.text, question.expected or "")],
        [pair.reply for pair in pool],
        {row.rung: [places[pair_id] for pair_id in row.pair_ids] for row in selections},
        names=[show.voice.host, show.voice.show, *show.config.show.hosts],
        subjects=settings.subjects if find_strategy(settings.strategy).needs_subjects else (),
    )


def sample_reasons(show: Show, n: int) -> list[ExplainedPair]:
    """`n` pairs of the pool, taken and left, spread over the show; the same ones each time.

    What the user pinned and banned comes before what chance picks.
    """
    pairs = {pair.pair_id: pair for pair in read_table(show.folder("pair") / "pairs.parquet", Pair)}
    reasons = sorted(
        read_table(show.folder("select") / "reasons.parquet", Reason),
        key=lambda row: (row.reason not in ("pinned", "banned"), hash_bytes(row.pair_id.encode())),
    )
    taken = [row for row in reasons if row.rung]
    left = [row for row in reasons if not row.rung]
    n_left = min(len(left), max(n // 2, n - len(taken)))
    shown = [*sorted(taken[: n - n_left], key=lambda row: row.position or 0), *left[:n_left]]
    return [ExplainedPair(pairs[row.pair_id], row) for row in shown]


def tell_reasons(explained: Sequence[ExplainedPair]) -> Iterator[str]:
    """Why each pair was taken or left, and what was said, in lines for people."""
    for pair, reason in explained:
        yield from _tell_reason(reason)
        yield f"  {pair.cue_speaker}: {pair.cue}"
        yield f"  {pair.reply_speaker}: {pair.reply}\n"


def _tell_reason(reason: Reason) -> Iterator[str]:
    place = "" if reason.position is None else f", number {reason.position + 1:,}"
    among = f", among {reason.stratum}" if reason.stratum else ""
    fate = f"taken for {reason.rung}{place}" if reason.rung else "left"
    yield f"{reason.pair_id}  {fate}: {reason.reason}{among}"
    if reason.gain is not None and reason.cost:
        would = "added" if reason.rung else "would add"
        yield f"  {would} {reason.gain:,.1f} for {reason.cost:,} tokens: {reason.gain / reason.cost:.3f} a token"
    if reason.firsts:
        yield f"  first to bring: {', '.join(reason.firsts)}"
