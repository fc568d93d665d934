"""One process of a team that trains a tiny base: `team_member.py RANK GROUP CACHE FOLDER FAULT`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from econchatr.prompts import EncodedExample

ROOT = Path(__file__).parents[2]
FAMILY = "qwen3"
SIZE = 2
N_EXAMPLES = 9
"""In batches of four: the last batch is smaller than the team."""


def list_examples(checkpoint: Path) -> list[EncodedExample]:
    """What is learned, by a team or alone."""
    from tests.helpers.tiny_bases import make_tiny_examples

    return make_tiny_examples(checkpoint, FAMILY, n=N_EXAMPLES)


def add_up(rank: int) -> int:
    """Sum gradients of 1 and 2, and one that only the lead has; 0: each process has the sums."""
    import torch

    from econchatr.train.team import find_team

    both, lone = (torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(2))
    both.grad = torch.full((2, 3), rank + 1.0)
    lone.grad = None if rank else torch.full((2, 3), 5.0)
    nats = find_team().sum_up([both, lone], 10.0 * (rank + 1))
    assert lone.grad is not None
    return int(not (nats == 30 and bool((both.grad == 3).all()) and bool((lone.grad == 5).all())))


def main() -> None:
    """Train, or help to.

    FAULT at the third step: `die`, the helper ends like a killed one; `lead` or `helper`, that one fails and lives on
    until stdin is closed. `sum`: nothing is trained, only summed. The exit code is 7 where the other process was lost,
    8 for a failure of its own.
    """
    import torch

    from econchatr.errors import ModelError
    from econchatr.models import machine
    from econchatr.train.local import _Training, help_train, train_lora
    from econchatr.train.team import TeammateLostError, find_team
    from tests.helpers.tiny_training import TINY_RECIPE, open_tiny_base

    rank, group, fault = int(sys.argv[1]), sys.argv[2], sys.argv[5]
    cache, folder = Path(sys.argv[3]), Path(sys.argv[4])
    machine.choose_dtype = lambda device: torch.float32
    step = _Training._take_step

    def stop(self: _Training) -> float:
        if self._standing.step == 2:
            if fault == "die":
                os._exit(9)
            raise ModelError("a fault of the test.", hint="None.")
        return step(self)

    if rank == {"die": 1, "lead": 0, "helper": 1}.get(fault):
        _Training._take_step = stop  # type: ignore[method-assign]
    base = open_tiny_base(FAMILY, cache)
    examples, train = list_examples(base.checkpoint_path), help_train if rank else train_lora
    torch.distributed.init_process_group("gloo", init_method=f"file://{group}", rank=rank, world_size=SIZE)
    code = 0
    if fault == "sum":
        sys.exit(add_up(rank))
    try:
        train(examples, examples[:2], base=base, folder=folder / f"of-{rank}", recipe=TINY_RECIPE)
    except TeammateLostError:
        code = 7
    except ModelError:
        code = 8
    find_team().leave()
    if code == 8:
        sys.stdin.read()  # as a worker of Ray's lives on: only the group that it left frees the other process
    sys.exit(code)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
