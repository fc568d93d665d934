"""The exam's answers before and after a round on preferences, by every measure that answers alone can be put to.

The measures and gates are those of `score`, so the rows can stand in its table. The decision on the round goes by these
rows too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from econchatr.config import Rung
from econchatr.pipeline.heldout import read_sides
from econchatr.pipeline.rungs import PREFERRED
from econchatr.pipeline.show import Show
from econchatr.records import Gate, Score
from econchatr.score.measured import make_score
from econchatr.score.rows import Row, Yardstick, make_yardstick, measure_row
from econchatr.score.scoresheet import compare_rows, list_gates, list_scores
from econchatr.score.shares import exact_share
from econchatr.score.speech import Said
from econchatr.score.statistics import Interval

BEFORE: Final = "tuned before preferences"
"""The tuned model, asked and measured anew beside the round: so both rows are drawn and counted in the same way."""
CHANGE: Final = f"{PREFERRED} minus tuned"
DEV_REPLIES: Final = "host replies (dev)"


class RoundRows(NamedTuple):
    """The answers before and after a round, measured by one yardstick."""

    yardstick: Yardstick
    before: Row
    after: Row


def measure_round(show: Show, before: Sequence[Said], after: Sequence[Said]) -> RoundRows:
    """Measure the tuned model's answers and the preferred one's.

    Raises:
        ShowFolderError: A table of pairs is missing or broken.
    """
    pairs = read_sides(show).kept()
    yardstick = make_yardstick(pairs["host"], pairs["guest"])
    return RoundRows(yardstick, measure_row(before, yardstick), measure_row(after, yardstick))


def list_round(measured: RoundRows, rung: Rung) -> tuple[list[Score], list[Gate]]:
    """Put down the scores and gates of both rows, and what the rows differ in."""
    yardstick, rows = measured.yardstick, {BEFORE: measured.before, PREFERRED: measured.after}
    scores = [
        score
        for name, row in rows.items()
        for score in (
            *list_scores(row, yardstick, rung=rung.name, variant=name, subject="answers"),
            _score_words(row, rung=rung.name, variant=name),
        )
    ]
    scores += compare_rows(measured.before, measured.after, yardstick, rung=rung.name, variant=CHANGE)
    return scores, [gate for name, row in rows.items() for gate in list_gates(row, rung=rung.name, variant=name)]


def score_bits(spans: tuple[Interval, Interval, Interval], *, rung: Rung, n: int) -> list[Score]:
    """Put down the bits per byte of the host's development replies: before, after, and after less before."""
    return [
        make_score("bits per byte", span, rung=rung.name, variant=name, subject=DEV_REPLIES, n=n, unit="bits")
        for name, span in zip((BEFORE, PREFERRED, CHANGE), spans, strict=True)
    ]


def score_agreement(shares: tuple[float | None, float | None], *, rung: Rung, n: int) -> list[Score]:
    """Put down the agreement with the judgements kept out; the intervals take each for a question of its own."""
    return [
        make_score(
            "agreement with judgements kept out", None if share is None else exact_share(share * n, n), rung=rung.name,
            variant=name, subject="judgements kept out", n=n, unit="share", reason="no judgement was kept out",
        )
        for name, share in zip((BEFORE, PREFERRED), shares, strict=True)
    ]  # fmt: skip


def _score_words(row: Row, *, rung: str, variant: str) -> Score:
    return make_score(
        "median reply words", row.length.words, rung=rung, variant=variant, subject="answers", n=len(row.said),
        unit="words", reason=row.length.reason,
    )  # fmt: skip
