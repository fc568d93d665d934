"""What a stage of the pipeline is, and how it tells the user what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from econchatr.pipeline.show import Ladder, Rung, Show
from econchatr.records import Failure, Record

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T", Show, Rung, Ladder)

_MOST_FAILURES_TOLD = 50


class Narrator(Protocol):
    """Who tells the user what happens."""

    def begin(self, name: str, why: str) -> None:
        """A step starts, and why it must."""

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """A step got this far."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """What runs side by side, as it stands now: a row each, with the same columns; none: it has ended."""

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """A step is finished."""


class Silent:
    """A narrator that says nothing."""

    def begin(self, name: str, why: str) -> None:
        """Say nothing."""

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def table(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Say nothing."""

    def end(self, name: str, counts: Mapping[str, int], seconds: float) -> None:
        """Say nothing."""


@contextmanager
def narrated(narrator: Narrator, name: str, why: str) -> Iterator[dict[str, int]]:
    """Tell that something begins and ends; the block puts what it counted into the dict it is given."""
    counts: dict[str, int] = {}
    narrator.begin(name, why)
    start = time.monotonic()
    yield counts
    narrator.end(name, counts, time.monotonic() - start)


@dataclass(frozen=True)
class Made:
    """What a stage made."""

    tables: Mapping[str, Sequence[Record] | pl.DataFrame] = field(default_factory=dict)
    """By table name, as records or as their columns; the runner writes them."""
    files: tuple[str, ...] = ()
    """Files the stage wrote itself, by their names inside its folder."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What the user is told."""


@dataclass(frozen=True)
class Stage(Generic[T]):
    """One stage of the pipeline: of a show, of each rung, or of a ladder as a whole."""

    name: str
    version: int
    """Raised whenever the same input would give other output."""
    settings: Mapping[str, str | Callable[[T], object]]
    """What of show.toml it depends on: a name -> the place in show.toml, or a function of show or rung."""
    inputs: Callable[[T], dict[str, str]]
    """Hashes of what it reads; called when the stages before it are done."""
    do: Callable[[T, Narrator], Made]
    reads: tuple[str, ...] = ()
    """The stages, and files of the user's, whose results it reads."""
    writes: Mapping[str, type[Record]] = field(default_factory=dict)
    """Its tables, and the record of each."""
    part: str = ""
    """Where one stage makes two things apart: the name of this one, and of its folder inside the stage's."""

    @property
    def key(self) -> str:
        """By which other stages name this one in `reads`: `pair`, or `pair/guests`."""
        return f"{self.name}/{self.part}" if self.part else self.name


def _look_up(show: Show, place: str) -> object:
    """A value of show.toml by its dotted name; a whole table as plain data."""
    found: Any = show.config
    for key in place.split("."):
        found = getattr(found, key)
    return found.model_dump() if hasattr(found, "model_dump") else found


class Step(NamedTuple):
    """A stage of one show or one rung, ready to be run."""

    stage: Stage[Any]
    target: Show | Rung | Ladder

    @property
    def name(self) -> str:
        """`train/smollm2-135m`, or just `parse`."""
        rung = self.target.name if isinstance(self.target, Rung) else ""
        return "/".join(filter(None, (self.stage.name, rung, self.stage.part)))

    @property
    def show(self) -> Show:
        """The show that the step is of."""
        return self.target if isinstance(self.target, Show) else self.target.show

    @property
    def folder(self) -> Path:
        """Where the step keeps what it makes."""
        folder = self.target.folder(self.stage.name)
        return folder / self.stage.part if self.stage.part else folder

    @property
    def settings(self) -> dict[str, object]:
        """The settings as they are hashed into the manifest."""
        return {
            key: _look_up(self.show, wanted) if isinstance(wanted, str) else wanted(self.target)
            for key, wanted in self.stage.settings.items()
        }


def tell_failures(failures: Sequence[Failure], narrator: Narrator) -> None:
    """Tell the first fifty items that could not be used, and how many more there are."""
    for failure in failures[:_MOST_FAILURES_TOLD]:
        narrator.note(f"quarantined {tell_failure(failure)}")
    if len(failures) > _MOST_FAILURES_TOLD:
        n_more = len(failures) - _MOST_FAILURES_TOLD
        narrator.note(f"and {n_more:,} more: see {failures[0].stage}/failures.parquet")


def tell_failure(failure: Failure) -> str:
    """The line for one item; a message that begins with the item does not say it twice.

    >>> tell_failure(Failure(stage="parse", item="a.md", error="E", message="a.md is empty", hint="Remove it."))
    'a.md is empty. Remove it.'
    """
    has_name = failure.message.startswith(failure.item)
    reason = failure.message if has_name else f"{failure.item}: {failure.message}"
    end = "" if not failure.hint or reason.endswith((".", "!", "?")) else "."
    return f"{reason}{end} {failure.hint}".strip()
