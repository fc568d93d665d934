"""What a training loop of our own writes down as it goes, so that the next run goes on where it was stopped.

The service keeps the weights. How many tokens were sent, which is what is paid, only this program knows. So each step
is written down before it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from econchatr.errors import ShowFolderError
from econchatr.hosted.protocol import ENDED, HostedState, JobEvent
from econchatr.records import Record
from econchatr.tables import write_bytes


class LoopJournal(Record):
    """One training of our own loop, as far as it got."""

    mark: str
    """Our id of the job."""
    model: str
    """The base, as the service calls it."""
    state: HostedState = "waiting"
    n_steps: int
    n_planned_tokens: int
    """Of all steps, each once."""
    step: int = 0
    """Steps that are done, by the weights that are trained now."""
    saved_step: int = 0
    """Steps that are in the newest state at the service."""
    saved_path: str = ""
    """The service's name of that state; empty: nothing is saved."""
    n_sent_tokens: int = 0
    """Tokens of every step that was sent, those too that were sent again."""
    n_repeated_tokens: int = 0
    """Of those, tokens that were sent again because a stop came after the last save."""
    n_starts: int = 0
    """How often the loop was begun or gone on with."""
    started_at: int = 0
    """When it was begun or gone on with last, in seconds since 1970."""
    runs: tuple[str, ...] = ()
    """The service's ids of the training runs, oldest first."""
    hyperparameters: str = ""
    """All of them, as JSON."""
    losses: tuple[tuple[int, float], ...] = ()
    """Step, and its mean loss per reply token in nats; at the first step and at each save."""
    tuned_model: str = ""
    weights_path: str = ""
    """The service's name of the weights that can be downloaded; empty: none were made."""
    error: str = ""
    events: tuple[tuple[int, str], ...] = ()
    """When, in seconds since 1970, and what."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing more is trained."""
        return self.state in ENDED

    def told(self) -> tuple[JobEvent, ...]:
        """The events, for the protocol."""
        return tuple(JobEvent(at, "info", message) for at, message in self.events)


class JournalFile:
    """A loop's journal on the disk; one process at a time may train by it."""

    def __init__(self, folder: Path, mark: str) -> None:
        self.path = folder / f"{mark}.json"

    def read(self) -> LoopJournal | None:
        """The journal; `None`: nothing was ever begun.

        Raises:
            ShowFolderError: It cannot be read.
        """
        if not self.path.is_file():
            return None
        try:
            return LoopJournal.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError) as exc:
            raise ShowFolderError(
                f"{self.path} cannot be read: {str(exc).splitlines()[0]}.",
                hint="It says what was paid for. Put it back from a backup; or, to give that training up, "
                "`econchatr train --cancel` and delete it.",
            ) from exc

    def write(self, journal: LoopJournal) -> None:
        """Keep the journal, whole or as it was.

        Raises:
            ShowFolderError: The disk is full.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self.path, json.dumps(journal.model_dump(), ensure_ascii=False).encode())

    @contextmanager
    def claim(self) -> Iterator[bool]:
        """Hold the right to train by this journal, if nobody else has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_suffix(".lock"), thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()
