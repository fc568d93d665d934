"""Paying a job, and being killed between any two steps or at random."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from econchatr.errors import BudgetError
from econchatr.money.ledger import Ledger
from econchatr.money.spending import collect_charges, pay_job, settle_job
from tests.unit.money.ledger_helpers import PlainService, order, reserve


class Killed(BaseException):
    """What stands for kill -9 where the test wants to choose the moment."""


class Fuse:
    """Counts every call of a ledger and a service, and kills before or after the one it was set to."""

    def __init__(self, thing: object, counter: list[int], at: int) -> None:
        self._thing, self._counter, self._at = thing, counter, at
        self.path = getattr(thing, "path", None)

    def __getattr__(self, name: str) -> object:
        call = getattr(self._thing, name)

        def counted(*args: object, **more: object) -> object:
            self._tick()
            result = call(*args, **more)
            self._tick()
            return result

        return counted

    def _tick(self) -> None:
        self._counter[0] += 1
        if self._counter[0] == self._at:
            raise Killed


def test_killed_between_any_two_steps_a_job_is_paid_once_and_wholly(tmp_path: Path) -> None:
    for at in range(1, 100):
        service, counter = PlainService(), [0]
        path = tmp_path / f"{at}.sqlite"
        with Ledger(path) as ledger:
            try:
                pay_job(Fuse(ledger, counter, at), order(), Fuse(service, counter, at), budget_usd=Decimal(40))  # type: ignore[arg-type]
            except Killed:
                pass
            else:
                assert counter[0] > 10
                return
            assert ledger.committed_usd() >= 7 * len(service.sent)
        with Ledger(path) as ledger:
            assert pay_job(ledger, order(), service, budget_usd=Decimal(40)).state == "done"
            assert len(service.sent) == 1
            assert ledger.committed_usd() == 7
    raise AssertionError("never came to an end")


def test_a_job_that_was_never_sent_is_given_up_and_may_be_ordered_again(ledger: Ledger) -> None:
    service = PlainService()
    reserve(ledger)
    (left,) = ledger.list_open_jobs()
    assert settle_job(ledger, left, service).state == "released"
    assert ledger.committed_usd() == 0
    assert pay_job(ledger, order(), service, budget_usd=Decimal(40)).state == "done"
    assert ledger.committed_usd() == 7


def test_a_job_that_was_sent_before_a_kill_is_found_and_its_charges_are_collected(ledger: Ledger) -> None:
    service = PlainService()
    reserve(ledger)
    service.send(order())
    (left,) = ledger.list_open_jobs()
    assert settle_job(ledger, left, service).state == "done"
    assert ledger.committed_usd() == 7


def test_a_service_that_asks_more_than_was_quoted_gets_nothing(ledger: Ledger) -> None:
    service = PlainService(asks="10.01")
    with pytest.raises(BudgetError, match=r"now asks \$10.01, the quote said \$10 at most. Nothing was ordered"):
        pay_job(ledger, order(), service, budget_usd=Decimal(40))
    assert service.sent == []
    assert ledger.committed_usd() == 0


def test_a_job_over_the_budget_is_not_sent(ledger: Ledger) -> None:
    service = PlainService()
    with pytest.raises(BudgetError):
        pay_job(ledger, order(usd="41"), service, budget_usd=Decimal(40))
    assert service.sent == []


def test_charges_of_a_job_that_was_not_sent_cannot_be_collected(ledger: Ledger) -> None:
    reserve(ledger)
    with pytest.raises(BudgetError, match="was not sent"):
        collect_charges(ledger, "j1", PlainService())


HELPERS = Path(__file__).parents[2] / "helpers"


class Book:
    """What the service charged, by its own book."""

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.amounts = {line["id"]: (-1 if line["refund_of"] else 1) * line["cents"] for line in lines}
        self.sent = [line["key"] for line in lines if line["id"].endswith("/training")]


def ledger_amounts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT outside_id, picousd FROM charges UNION ALL SELECT outside_id, -picousd FROM refunds"
        ).fetchall()
    assert len(dict(rows)) == len(rows)
    return {outside_id: picousd // 10**10 for outside_id, picousd in rows}


@pytest.mark.parametrize("n_kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_random_the_ledger_is_never_short_of_a_charge_and_never_has_one_twice(
    tmp_path: Path, n_kills: int
) -> None:
    rng, path, book = random.Random(2023), tmp_path / "ledger.sqlite", tmp_path / "book.jsonl"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    service = subprocess.Popen(
        [sys.executable, HELPERS / "fake_service.py", book], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        port = service.stdout.readline().strip()  # type: ignore[union-attr]
        command = [sys.executable, str(HELPERS / "spender.py"), str(path), port]
        for _ in range(n_kills):
            spender = subprocess.Popen([*command, "100000"], stdout=subprocess.PIPE, text=True, env=environment)
            assert spender.stdout.readline() == "ready\n"  # type: ignore[union-attr]
            time.sleep(rng.uniform(0, 0.2))
            spender.send_signal(signal.SIGKILL)
            spender.communicate()
            charged = Book(book)
            with Ledger(path) as ledger:
                assert ledger.committed_usd() * 100 >= sum(charged.amounts.values())
            assert ledger_amounts(path).items() <= charged.amounts.items()
            assert len(set(charged.sent)) == len(charged.sent)
        n_jobs = len(charged.sent) + 5
        subprocess.run([*command, str(n_jobs)], check=True, env=environment, stdout=subprocess.DEVNULL)
    finally:
        service.kill()
        service.communicate()
    charged = Book(book)
    assert ledger_amounts(path) == charged.amounts
    assert sorted(charged.sent) == sorted(f"order-{n}" for n in range(n_jobs))
    with Ledger(path) as ledger:
        assert ledger.committed_usd() * 100 == sum(charged.amounts.values())
