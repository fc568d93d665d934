"""A small training by our own loop; run as a program it is somebody who buys it, to be killed: FOLDER ADDRESS."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from econchatr.hosted.own_loop import LoopWork
from econchatr.hosted.paid_training import PaidTraining, PlannedTraining, TrainingPrice, number_order
from econchatr.hosted.profiles import Profile
from econchatr.hosted.protocol import TrainingRequest
from econchatr.hosted.service_calls import ServiceCalls
from econchatr.hosted.tinker_line import TinkerLine
from econchatr.hosted.tinker_training import TinkerTraining
from econchatr.money.ledger import Ledger, Order
from econchatr.prompts import EncodedExample
from tests.helpers.hosted_material import ROW, TODAY, make_desk, make_profile
from tests.helpers.stand_in_tinker import KEY, MODEL

N_EXAMPLES, N_EPOCHS, BATCH = 12, 4, 4
N_STEPS = N_EPOCHS * N_EXAMPLES // BATCH
WORST = Decimal("0.10")


def make_examples() -> list[EncodedExample]:
    """Each ends in words that always follow one another: something to learn."""
    rng = random.Random(3)
    return [
        EncodedExample((*(rng.randrange(40, 64) for _ in range(4 + number % 3)), 1, 2, 3, 4, 5), 4 + number % 3)
        for number in range(N_EXAMPLES)
    ]


def count_planned() -> int:
    return N_EPOCHS * sum(len(one.ids) for one in make_examples())


def make_tinker_profile(address: str, **more: object) -> Profile:
    wanted = {"batch_size": BATCH, "learning_rate": 0.05, "lora_rank": 4}
    fields = {"api": "tinker", "hyperparameters": wanted, "save_every": 2, "has_validation": False, "downloads": True}
    return make_profile(address, **fields | more)


def make_tinker(
    folder: Path,
    address: str,
    *,
    key: str = KEY,
    tell: Callable[[str], None] = lambda message: None,
    work_seconds: float = 30.0,
    **more: Any,
) -> TinkerTraining:
    calls = ServiceCalls(make_tinker_profile(address, **more), key, today=TODAY)
    work = LoopWork(folder / "loop", make_examples, ROW.training.usd_per_unit if ROW.training else None, tell)
    return TinkerTraining(calls, key, work, TinkerLine(calls, key, work_seconds=work_seconds))


def make_tinker_request(folder: Path, mark: str = "f00d-1") -> TrainingRequest:
    parameters = {"n_epochs": N_EPOCHS, "batch_size": BATCH, "learning_rate": 0.05, "lora_rank": 4}
    return TrainingRequest(mark, MODEL, folder / "train.jsonl", None, parameters, 7, WORST)


def plan_tinker(ledger: Ledger, folder: Path, service: TinkerTraining, profile: Profile) -> PlannedTraining:
    order = Order(number_order(ledger, "key-r"), "r", "training", WORST)
    request = make_tinker_request(folder, order.job_id)
    return PlannedTraining(order, PaidTraining(service, request, profile, TrainingPrice(ROW, WORST)), None)


def main() -> int:
    folder, address = Path(sys.argv[1]), sys.argv[2]
    with Ledger(folder / "ledger.sqlite") as ledger:
        service = make_tinker(folder, address, tell=print)
        plan = plan_tinker(ledger, folder, service, make_tinker_profile(address))
        print("ready", flush=True)
        (end,) = make_desk(ledger, [], sleep=_rest).run([plan])
    print(end.error.message if end.error else "done", flush=True)
    return 1 if end.error else 0


def _rest(_: float) -> None:
    import time

    time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
