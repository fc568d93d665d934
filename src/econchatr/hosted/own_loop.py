"""What hosted training asks of a back end whose loop runs in this program, because the service has no jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from econchatr.hosted.protocol import TrainingRequest
from econchatr.prompts import EncodedExample


class LoopWork(NamedTuple):
    """What a loop of our own needs beside the request."""

    folder: Path
    """Where it writes down how far it got."""
    encode: Callable[[], Sequence[EncodedExample]]
    """The training examples as token ids, by the base's own tokenizer and template."""
    usd_per_token: Decimal | None
    """What a trained token costs; `None`: not known."""
    tell: Callable[[str], None]


@runtime_checkable
class OwnLoop(Protocol):
    """A training service whose jobs end with this program, and are gone on with from what was saved."""

    def know(self, request: TrainingRequest) -> None:
        """Take the request of the job that is to be trained; without it a job is only asked after."""

    def count_to_pay(self, outside_id: str) -> int:
        """Tokens that a job will have sent when it is done: each once, and those again that were lost."""

    def leave(self, outside_id: str) -> str:
        """Stop training, keep what is trained, and say how it stands."""
