"""A small training to be bought from the stand-in service."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from econchatr.hosted.paid_training import PaidTraining, PlannedTraining, TrainingDesk, TrainingPrice, number_order
from econchatr.hosted.profiles import Profile
from econchatr.hosted.protocol import TrainingRequest, TrainingService
from econchatr.hosted.service_calls import ServiceCalls
from econchatr.hosted.services import open_service
from econchatr.money.ledger import Ledger, Order
from econchatr.records import Price, PriceRow
from tests.helpers.stand_in_trainer import BASE, KEY

TODAY = date(2026, 11, 29)
ROW = PriceRow(
    profile="own", model=BASE, source="s", read_on=TODAY, training=Price(usd=Decimal(10), n_units=10**6, unit="token")
)


def make_profile(base_url: str, **more: object) -> Profile:
    fields = {"name": "own", "provider": "Own", "key_env": "OWN_KEY", "source": "s", "read_on": TODAY}
    return Profile.model_validate(fields | {"base_url": base_url, "hyperparameters": {"batch_size": 8}} | more)


def make_service(
    profile: Profile,
    *,
    key: str = KEY,
    sleep: Callable[[float], None] = lambda seconds: None,
    timeout_seconds: float = 10.0,
) -> TrainingService:
    calls = ServiceCalls(profile, key, today=TODAY, timeout_seconds=timeout_seconds, sleep=sleep)
    return open_service(calls, key)


def write_examples(path: Path, n: int = 12) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": f"Why {number}?"}, {"role": "assistant", "content": "So."}]}
        for number in range(n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_request(folder: Path, mark: str = "m-1") -> TrainingRequest:
    train = folder / "train.jsonl"
    if not train.exists():
        write_examples(train)
    return TrainingRequest(mark, BASE, train, None, {"n_epochs": 2, "batch_size": 8}, 7, Decimal("0.05"))


def plan_training(
    ledger: Ledger, folder: Path, service: TrainingService, profile: Profile, rung: str = "r"
) -> PlannedTraining:
    order = Order(number_order(ledger, f"key-{rung}"), rung, "training", Decimal("0.05"))
    paid = PaidTraining(service, make_request(folder, order.job_id), profile, TrainingPrice(ROW, Decimal("0.02")))
    return PlannedTraining(order, paid, None)


def make_desk(ledger: Ledger, told: list[str], **more: Any) -> TrainingDesk:
    return TrainingDesk(ledger, told.append, **{"budget_usd": Decimal(40), "sleep": lambda seconds: None} | more)
