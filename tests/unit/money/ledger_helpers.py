"""What the tests of the ledger set aside, order and pay with."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from econchatr.money.ledger import Ledger, Order
from econchatr.money.spending import OutsideCharge


def order(job_id: str = "j1", usd: str = "10", rung: str = "r") -> Order:
    return Order(job_id, rung, "training", Decimal(usd))


def reserve(ledger: Ledger, *, budget: str = "40", rung_usd: str | None = None, **more: str) -> None:
    ledger.reserve(order(**more), budget_usd=Decimal(budget), rung_usd=Decimal(rung_usd) if rung_usd else None)


class PlainService:
    """A service in memory: charges at once, charges again for a job sent twice."""

    def __init__(self, *, asks: str | None = None) -> None:
        self.sent: list[tuple[str, str]] = []
        self.asks = asks

    def estimate(self, order: Order) -> Decimal | None:
        return Decimal(self.asks) if self.asks else None

    def find(self, job_id: str) -> str | None:
        return next((outside for key, outside in self.sent if key == job_id), None)

    def send(self, order: Order) -> str:
        self.sent.append((order.job_id, f"s:{len(self.sent)}"))
        return self.sent[-1][1]

    def state(self, outside_id: str) -> Literal["open", "done", "failed"]:
        return "done"

    def list_charges(self, outside_id: str) -> Sequence[OutsideCharge]:
        return (
            OutsideCharge(f"{outside_id}/refund", Decimal(2), "s", refund_of=f"{outside_id}/training"),
            OutsideCharge(f"{outside_id}/training", Decimal(9), "s"),
        )
