"""What became of each show of a run, and the narrator that says of which show it speaks."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from econchatr.errors import EconChatRError
from econchatr.pipeline import Narrator, Show
from econchatr.pipeline.quotes import read_bill
from econchatr.pipeline.results import read_scores
from econchatr.records.measures import Measure


class ShowOutcome(NamedTuple):
    """What became of one show."""

    folder: Path
    seconds: float
    done: tuple[str, ...] = ()
    """Names of the steps that were done now."""
    voice: str = ""
    """The Voice of each tuned model, in words: 1 is the host."""
    usd: Decimal = Decimal(0)
    """US dollars charged for the show so far."""
    error: EconChatRError | None = None
    """What stopped the show; `None`: it is finished."""

    @property
    def status(self) -> str:
        """The outcome in a word or two."""
        return "failed" if self.error else "done" if self.done else "was done"

    def as_dict(self) -> dict[str, object]:
        """The outcome as `--json` prints it."""
        error = None if self.error is None else {"message": self.error.message, "hint": self.error.hint}
        return {
            "show": str(self.folder),
            "status": self.status,
            "done": self.done,
            "voice": self.voice,
            "usd": str(self.usd),
            "seconds": round(self.seconds, 1),
            "error": error,
        }


def settle(show: Show, *, rung: str, done: Sequence[str], seconds: float) -> ShowOutcome:
    """The outcome of a show whose every step is done.

    Raises:
        EconChatRError: Its scores or its bill cannot be read.
    """
    usd = sum((row.charged_usd for row in read_bill(show)), Decimal(0))
    return ShowOutcome(show.root, seconds, tuple(done), tell_voice(show, rung), usd)


def tell_voice(show: Show, rung: str = "") -> str:
    """The Voice of each tuned model, in the ladder's order: `small 0.41, large 0.57`."""
    found = {
        score.rung: f"{score.rung} {score.value:.2f}"
        for score in read_scores(show, rung)
        if score.measure == Measure.VOICE and score.variant == "tuned" and score.value is not None
    }
    return ", ".join(found.values())


def foresee_nothing(exc: Exception) -> EconChatRError:
    """An error for the table, where something failed that nobody foresaw; the place in the code stands in it."""
    last = traceback.extract_tb(exc.__traceback__)[-1:]
    where = f" in {Path(last[0].filename).name}, line {last[0].lineno}" if last else ""
    return EconChatRError(
        f"{type(exc).__name__}{where}: {exc}", hint="This is a fault of the program; `econchatr run` on it tells more."
    )


class NamedNarrator:
    """Passes everything on, with the show's name before it."""

    def __init__(self, narrator: Narrator, name: str) -> None:
        self._narrator, self._name = narrator, name

    def begin(self, name: str, why: str) -> None:
        """Name the show and the step."""
        self._narrator.begin(f"{self._name}: {name}", why)

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Pass it on."""
        self._narrator.progress(n_done, n_all, unit)

    def note(self, text: str) -> None:
        """Name the show before the note."""
        self._narrator.note(f"{self._name}: {text}")

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Pass it on."""
        self._narrator.table(rows)

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """Name the show and the step."""
        self._narrator.end(f"{self._name}: {name}", counts, seconds)
