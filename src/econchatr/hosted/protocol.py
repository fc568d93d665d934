"""What hosted training asks of a service: one small protocol, whatever the service's own API looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from econchatr.models.engines.openai_client import ServedAddress

HostedState = Literal["waiting", "running", "paused", "unknown", "succeeded", "failed", "cancelled"]
"""`unknown`: the service uses a word that this program does not know, so the job counts as open."""

ENDED: frozenset[HostedState] = frozenset({"succeeded", "failed", "cancelled"})
"""States after which no more is trained."""

Hyperparameters = Mapping[str, int | float | bool | str]


class TrainingRequest(NamedTuple):
    """One training to be bought, with everything written out that decides its result."""

    mark: str
    """Our id of the job, by which it is found again at the service."""
    model: str
    """The base model, as the service calls it."""
    train: Path
    validation: Path | None
    """`None`: the development pairs are not sent."""
    hyperparameters: Hyperparameters
    seed: int
    worst_usd: Decimal
    """What the accepted quote says it costs at most; a service that asks more is refused."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Names and values that stand in the job beside our mark."""


class HostedJob(NamedTuple):
    """A job as the service tells it."""

    outside_id: str
    state: HostedState
    word: str
    """The service's own word for the state."""
    tuned_model: str | None
    """What the tuned model is called there; `None`: there is none, or not yet."""
    n_trained_tokens: int | None
    """Billed tokens of all epochs; `None`: not told."""
    hyperparameters: str
    """As the service resolved them, as JSON; empty: not told."""
    error: str
    """Why it failed, in the service's words; empty: it did not, or the service does not say."""
    result_files: tuple[str, ...]
    """Ids of files that can be downloaded."""
    uploaded_files: tuple[str, ...]
    """Ids of the training and validation file."""
    created_at: int | None
    """Seconds since 1970; `None`: not told."""

    @property
    def is_ended(self) -> bool:
        """Whether nothing more is trained."""
        return self.state in ENDED


class JobEvent(NamedTuple):
    """Something a service tells of a job."""

    at: int
    """Seconds since 1970; 0: not told."""
    level: str
    message: str


class TrainingService(Protocol):
    """A hosted service that trains. Every method raises `ModelError` where the service fails or cannot be reached."""

    def probe(self, model: str) -> Sequence[str]:
        """Ask for key, rights and model before anything is sent; gives what the user should know.

        Raises:
            InputError: The key is wrong, has no rights, or the model is not there.
        """

    def estimate(self, request: TrainingRequest) -> Decimal | None:
        """What the service itself says the job will cost in US dollars; `None`: it does not say.

        A service may need the files for that; no job is made.

        Raises:
            RefusedError: The service says that it would not take the job.
        """

    def upload(self, path: Path) -> str:
        """Send a file, or find it again by its hash; gives the service's id of it."""

    def create(self, request: TrainingRequest, train_id: str, validation_id: str | None) -> str:
        """Start a job once; gives the service's id of it.

        Raises:
            RefusedError: The service did not take it, and nothing was made.
        """

    def find(self, mark: str) -> str | None:
        """The service's id of the job with our mark; `None`: it has none."""

    def poll(self, outside_id: str) -> HostedJob:
        """The job as it stands."""

    def events(self, outside_id: str) -> Sequence[JobEvent]:
        """What the service tells of it, oldest first."""

    def cancel(self, outside_id: str) -> HostedJob:
        """Ask the service to stop a job; what is trained so far may be charged."""

    def address(self, model: str) -> ServedAddress:
        """Where a base or tuned model is asked."""

    def download(self, job: HostedJob, folder: Path) -> Sequence[Path]:
        """Fetch what the service gives of a finished job into a folder."""

    def tear_down(self, job: HostedJob) -> None:
        """Take away what would be left standing: the uploaded files, and whatever is billed by the hour."""
