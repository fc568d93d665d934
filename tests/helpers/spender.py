"""Somebody who pays for jobs, to be killed: `python spender.py LEDGER PORT N_JOBS`; prints `ready` when work begins."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from econchatr.money.ledger import Ledger, Order
from econchatr.money.spending import OutsideCharge, collect_charges, pay_job, settle_job


class HttpService:
    """The client of `fake_service`."""

    def __init__(self, port: int) -> None:
        self._port = port

    def estimate(self, order: Order) -> Decimal | None:
        return None

    def find(self, job_id: str) -> str | None:
        found = self._ask("GET", f"/find/{job_id}")
        return found[0] if found else None

    def send(self, order: Order) -> str:
        return str(self._ask("POST", "/", {"key": order.job_id, "cents": 7})["id"])

    def state(self, outside_id: str) -> Literal["open", "done", "failed"]:
        return "done" if self._ask("GET", f"/job/{outside_id}")["state"] == "done" else "open"

    def list_charges(self, outside_id: str) -> Sequence[OutsideCharge]:
        lines = self._ask("GET", f"/job/{outside_id}")["lines"]
        return [
            OutsideCharge(line["id"], Decimal(line["cents"]) / 100, f"job {outside_id}", line["refund_of"])
            for line in lines
        ]

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request(method, path, None if body is None else json.dumps(body))
        return json.loads(connection.getresponse().read())


def main() -> None:
    path, port, n_jobs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    service = HttpService(port)
    with Ledger(path) as ledger:
        orders = [Order(f"order-{n}", f"rung-{n % 3}", "training", Decimal("0.10")) for n in range(n_jobs)]
        jobs = {order.job_id: ledger.find_job(order.job_id) for order in orders}
        print("ready", flush=True)
        for left in ledger.list_open_jobs():
            settle_job(ledger, left, service)
        for order in orders:
            known = jobs[order.job_id]
            if known is not None and known.state == "done":
                continue
            job = pay_job(ledger, order, service, budget_usd=Decimal(1000))
            while job.state == "open":
                job = collect_charges(ledger, order.job_id, service)


if __name__ == "__main__":
    main()
