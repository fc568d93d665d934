"""Several processes that train one adapter: each learns from its share of every batch, and the gradients are summed.

Whoever starts the processes, as Ray Train does, opens torch's process group first. Without one a process is alone.
Sums go over the main memory, also from GPUs: 20 MB a step for the embedded model, and one behaviour everywhere.

torch is imported inside the functions that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from econchatr.prompts import EncodedExample

if TYPE_CHECKING:
    from torch.nn import Parameter

_T = TypeVar("_T")
_WAIT: Final = timedelta(hours=1)
"""How long processes wait for each other: the lead reads losses and may download a base meanwhile."""


class TeammateLostError(Exception):
    """Another process of the team has ended or does not answer."""


@dataclass
class Team:
    """One process's place among those that train together."""

    rank: int = 0
    size: int = 1
    group: Any = None
    """The team's own process group; `None`: this process is alone, or has left."""

    @property
    def is_lead(self) -> bool:
        """Whether this process reads the losses, keeps the state and writes the adapter."""
        return self.rank == 0

    def take_share(self, batch: Sequence[EncodedExample]) -> Sequence[EncodedExample]:
        """Give this process's examples of a batch; none where the batch is smaller than the team."""
        return batch[self.rank :: self.size]

    def hand_out(self, make: Callable[[], _T]) -> _T:
        """Give every process what the lead makes.

        Raises:
            TeammateLostError: Another process has ended or does not answer.
        """
        if self.size == 1:
            return make()
        import torch

        values: list[Any] = [make() if self.is_lead else None]
        with _told_apart():
            torch.distributed.broadcast_object_list(values, group=self.group)
        made: _T = values[0]
        return made

    def sum_up(self, parameters: Sequence[Parameter], nats: float) -> float:
        """Put the sum of all processes' gradients into each parameter; give the sum of `nats`.

        Raises:
            TeammateLostError: Another process has ended or does not answer.
        """
        if self.size == 1:
            return nats
        import torch

        for one in parameters:
            if one.grad is None:  # no example fell to this process
                one.grad = torch.zeros_like(one)
        gradients = [one.grad for one in parameters if one.grad is not None]
        flat = torch.cat([*(one.flatten().cpu() for one in gradients), torch.tensor([nats])])
        with _told_apart():
            torch.distributed.all_reduce(flat, group=self.group)
        *sums, total = flat.split([*(one.numel() for one in gradients), 1])
        for gradient, summed in zip(gradients, sums, strict=True):
            gradient.copy_(summed.view(gradient.shape))
        return float(total)

    def leave(self) -> None:
        """Close the team's group, so that no other process waits for this one any longer."""
        import torch

        group, self.group = self.group, None
        if group is not None:
            with suppress(AssertionError, ValueError):  # whoever opened the groups may close them at the same time
                torch.distributed.destroy_process_group(group)


@contextmanager
def _told_apart() -> Iterator[None]:
    """Tell the errors of torch's process group apart from all others."""
    try:
        yield
    except (RuntimeError, ValueError) as exc:
        raise TeammateLostError(str(exc)) from exc


@cache
def find_team() -> Team:
    """Give this process's place in the process group that is open when it is first asked; alone where there is none.

    A process whose group is closed later does not take itself for alone. The team gets a group of its own: torch's
    modules hold the one that was open when they were imported, so that to close it would not close its connections.
    """
    import torch

    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return Team()
    own = distributed.new_group(timeout=_WAIT, backend="gloo")
    return Team(distributed.get_rank(), distributed.get_world_size(), own)
