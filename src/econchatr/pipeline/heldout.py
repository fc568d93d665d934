"""A show's pairs by side: what the host replied, and what guests replied to the host in the same episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from econchatr.config import Rung
from econchatr.errors import ShowFolderError
from econchatr.pair import drop_duplicates
from econchatr.pipeline.forms import example_form
from econchatr.pipeline.show import Show
from econchatr.records import Example, Pair
from econchatr.select.examples import build_example
from econchatr.tables import read_manifest, read_table

SIDES = ("host", "guest")
GUESTS_FOLDER = "guests"
"""Inside the folder of `pair`."""
GUESTS_NAME = "guest_pairs.parquet"


class PairsBySide(NamedTuple):
    """All pairs of a show, kept and dropped, by who replies."""

    host: list[Pair]
    guest: list[Pair]
    """Not compared with each other: a repeated passage gives a kept pair each time."""

    def kept(self) -> dict[str, list[Pair]]:
        """Per side, the kept pairs of every split, each passage once."""
        return {"host": _keep(self.host), "guest": _keep(drop_duplicates(self.guest))}

    def held_out(self) -> dict[str, list[Pair]]:
        """Per side, the kept pairs of the test episodes, repeated passages of the guests' each time."""
        return {
            side: [pair for pair in _keep(pairs) if pair.split == "test"]
            for side, pairs in (("host", self.host), ("guest", self.guest))
        }


def read_sides(show: Show) -> PairsBySide:
    """Read both tables of pairs.

    Raises:
        ShowFolderError: A table is missing or broken, or the guests' pairs were made from other pairs of the host.
    """
    host = read_table(show.folder("pair") / "pairs.parquet", Pair)
    folder = show.folder("pair", GUESTS_FOLDER)
    manifest = read_manifest(folder)
    if manifest is None or manifest.inputs.get("pair") != show.made("pair"):
        raise ShowFolderError(
            f"{folder / GUESTS_NAME} is missing, or older than the pairs of the host.",
            hint=f"`econchatr pair {show.root}` makes the table; nothing is trained again for it.",
        )
    return PairsBySide(host, read_table(folder / GUESTS_NAME, Pair))


def held_out_examples(show: Show, rung: Rung, *, max_replies: int) -> dict[str, list[Example]]:
    """Per side, at most so many replies of the test episodes, evenly spread, as the rung's model sees them."""
    form = example_form(show, rung)
    return {
        side: [build_example(pair, form) for pair in thin_pairs(pairs, max_replies)]
        for side, pairs in read_sides(show).held_out().items()
    }


def thin_pairs(rows: Sequence[Pair], n: int) -> list[Pair]:
    """At most `n` of the rows, evenly spread over their order."""
    return list(rows) if len(rows) <= n else [rows[i * len(rows) // n] for i in range(n)]


def _keep(pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for pair in pairs if pair.is_kept]
