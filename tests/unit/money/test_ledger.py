from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.errors import BudgetError, ShowFolderError
from econchatr.money.ledger import Ledger, Order
from econchatr.money.spending import OutsideCharge, collect_charges, pay_job, settle_job
from tests.unit.money.test_billing import row
from tests.unit.money.test_quote import FULL, make_quote, quoted

HELPERS = Path(__file__).parents[2] / "helpers"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def order(job_id: str = "j1", usd: str = "10", rung: str = "r") -> Order:
    return Order(job_id, rung, "training", Decimal(usd))


def reserve(ledger: Ledger, *, budget: str = "40", rung_usd: str | None = None, **more: str) -> None:
    ledger.reserve(order(**more), budget_usd=Decimal(budget), rung_usd=Decimal(rung_usd) if rung_usd else None)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_file_is_in_wal_mode_with_foreign_keys_and_flushes_every_commit(ledger: Ledger) -> None:
    def pragma(name: str) -> object:
        return ledger._db.execute(f"PRAGMA {name}").fetchone()[0]

    assert (pragma("journal_mode"), pragma("foreign_keys"), pragma("synchronous")) == ("wal", 1, 2)


def test_a_charge_of_no_job_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ShowFolderError, match="FOREIGN KEY"):
        ledger.charge("nobody", "c1", Decimal(1), source="s")


@pytest.mark.parametrize("statement", ["UPDATE charges SET picousd = 0", "DELETE FROM charges", "DELETE FROM refunds"])
def test_what_was_charged_is_never_changed_or_deleted(ledger: Ledger, statement: str) -> None:
    reserve(ledger)
    ledger.charge("j1", "c1", Decimal(1), source="s")
    ledger.refund("c1", "f1", Decimal(1), source="s")
    with closing(sqlite3.connect(ledger.path)) as other, pytest.raises(sqlite3.IntegrityError, match="stay"):
        other.execute(statement)


def test_a_damaged_or_newer_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(ShowFolderError, match="cannot be used"):
        Ledger(tmp_path / "broken")
    with Ledger(tmp_path / "newer") as ledger:
        ledger._db.execute("PRAGMA user_version = 9")
    with pytest.raises(ShowFolderError, match="version 9"):
        Ledger(tmp_path / "newer")


# --- setting aside ----------------------------------------------------------------------------------------------------


def test_money_is_set_aside_up_to_the_budget_and_no_further(ledger: Ledger) -> None:
    for n in range(4):
        reserve(ledger, job_id=f"j{n}")
    with pytest.raises(BudgetError, match=r"set aside \$40.00 of \$40; \$10 more would exceed it"):
        reserve(ledger, job_id="j5")
    assert ledger.committed_usd() == 40


def test_a_rungs_own_limit_holds_beside_the_shows(ledger: Ledger) -> None:
    reserve(ledger, job_id="a", rung_usd="15")
    with pytest.raises(BudgetError, match="rung 'r'"):
        reserve(ledger, job_id="b", rung_usd="15")
    reserve(ledger, job_id="c", rung="other", rung_usd="15")


def test_the_same_job_is_set_aside_once(ledger: Ledger) -> None:
    reserve(ledger)
    reserve(ledger, budget="10")
    assert ledger.committed_usd() == 10


def test_a_job_ordered_again_at_a_higher_price_stays_within_the_budget(ledger: Ledger) -> None:
    """$9 and $80 of $100 are set aside; the $9 job at $90 would make $170."""
    reserve(ledger, job_id="one", usd="9", budget="100")
    reserve(ledger, job_id="two", usd="80", budget="100")
    service = PlainService()
    with pytest.raises(BudgetError, match=r"set aside \$89.00 of \$100; \$81.00 more would exceed it"):
        pay_job(ledger, order("one", "90"), service, budget_usd=Decimal(100))
    assert service.sent == []
    assert ledger.committed_usd() == 89


def test_a_job_ordered_again_at_another_price_is_set_aside_at_the_higher_one(ledger: Ledger) -> None:
    for usd in ("9", "12", "4"):
        reserve(ledger, usd=usd)
    assert ledger.committed_usd() == 12


def test_a_job_that_was_sent_keeps_what_was_set_aside_for_it(ledger: Ledger) -> None:
    reserve(ledger, usd="9")
    ledger.attach("j1", "s:1")
    reserve(ledger, usd="90", budget="10")
    assert ledger.committed_usd() == 9


def test_without_any_budget_nothing_is_set_aside(ledger: Ledger) -> None:
    with pytest.raises(BudgetError, match="no budget"):
        ledger.reserve(order(), budget_usd=None)


def test_a_closed_job_frees_what_it_did_not_use(ledger: Ledger) -> None:
    reserve(ledger)
    ledger.charge("j1", "c1", Decimal("9.41"), source="job ft-1")
    assert ledger.committed_usd() == 10
    ledger.close_job("j1", "done")
    assert ledger.committed_usd() == Decimal("9.41")


# --- charges ----------------------------------------------------------------------------------------------------------


def test_a_charge_and_a_refund_are_written_once(ledger: Ledger) -> None:
    reserve(ledger)
    assert [ledger.charge("j1", "c1", Decimal(9), source="s") for _ in range(3)] == [True, False, False]
    assert [ledger.refund("c1", "f1", Decimal(2), source="s") for _ in range(3)] == [True, False, False]
    ledger.close_job("j1", "done")
    assert ledger.committed_usd() == 7


def test_the_same_charge_with_another_amount_is_no_same_charge(ledger: Ledger) -> None:
    reserve(ledger)
    ledger.charge("j1", "c1", Decimal(9), source="s")
    with pytest.raises(ShowFolderError, match=r"stands there as \$9.00 for 'j1', and is now told as \$8.00"):
        ledger.charge("j1", "c1", Decimal(8), source="s")


def test_more_than_was_charged_is_not_refunded(ledger: Ledger) -> None:
    reserve(ledger)
    ledger.charge("j1", "c1", Decimal(9), source="s")
    ledger.refund("c1", "f1", Decimal(5), source="s")
    with pytest.raises(ShowFolderError, match=r"of which \$4.00 are left"):
        ledger.refund("c1", "f2", Decimal(5), source="s")
    with pytest.raises(ShowFolderError, match=r"of which \$0.00 are left"):
        ledger.refund("unknown", "f3", Decimal(1), source="s")


def test_a_charge_over_the_budget_is_written_all_the_same_and_stops_the_next(ledger: Ledger) -> None:
    reserve(ledger)
    ledger.charge("j1", "c1", Decimal(60), source="s")
    assert ledger.committed_usd() == 60
    with pytest.raises(BudgetError):
        reserve(ledger, job_id="j2", usd="0.01")


@pytest.mark.parametrize("usd", ["0.105754", "0.000000075", "0.000000000001"])
def test_a_price_per_token_is_kept_exactly(ledger: Ledger, usd: str) -> None:
    reserve(ledger, usd="0")
    ledger.charge("j1", "c1", Decimal(usd), source="s")
    assert ledger.committed_usd() == Decimal(usd)


MOVES = st.lists(
    st.tuples(st.sampled_from(["reserve", "charge", "refund", "close"]), st.integers(0, 4), st.integers(0, 1500)),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(moves=MOVES)
def test_whatever_happens_the_sums_are_those_of_a_plain_account(moves: list[tuple[str, int, int]]) -> None:
    """The account beside it is a dictionary of cents: [set aside, net charged, is open]."""
    account: dict[int, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l") as ledger:
        for n, (move, job, cents) in enumerate(moves):
            usd, total = Decimal(cents) / 100, sum(max(r, c) if o else c for r, c, o in account.values())
            if move == "reserve" and job not in account:
                try:
                    reserve(ledger, job_id=str(job), usd=str(usd))
                except BudgetError:
                    assert total + cents > 4000
                    continue
                assert total + cents <= 4000
                account[job] = [cents, 0, 1]
            elif job in account and move == "charge":
                ledger.charge(str(job), f"c{n}", usd, source="s")
                account[job][1] += cents
                if cents:
                    ledger.refund(f"c{n}", f"f{n}", Decimal("0.01"), source="s")
                    account[job][1] -= 1
            elif job in account and move == "close":
                ledger.close_job(str(job), "done")
                account[job][2] = 0
            assert ledger.committed_usd() * 100 == sum(max(r, c) if o else c for r, c, o in account.values())


# --- quotes and the bill ----------------------------------------------------------------------------------------------


def test_the_last_quote_seen_and_the_last_accepted_are_kept(ledger: Ledger) -> None:
    one, two = make_quote(quoted(row(**FULL))), make_quote(quoted(row(**FULL)), budget_usd=Decimal(50))
    assert ledger.last_quote() is None
    ledger.keep_quote(one)
    ledger.accept_quote(one.quote_id)
    ledger.keep_quote(two)
    assert ledger.last_quote().quote == two  # type: ignore[union-attr]
    assert ledger.last_quote(accepted=True).quote == one  # type: ignore[union-attr]
    assert ledger.is_accepted(one.quote_id)
    assert not ledger.is_accepted(two.quote_id)
    ledger.keep_quote(one)
    assert ledger.last_quote().quote == one  # type: ignore[union-attr]


def test_the_bill_stands_beside_the_accepted_quote(ledger: Ledger) -> None:
    quote = make_quote(quoted(row(**FULL)))
    assert ledger.bill() == ()
    ledger.keep_quote(quote)
    assert ledger.bill() == ()
    ledger.accept_quote(quote.quote_id)
    ledger.reserve(order(usd="16")._replace(quote_id=quote.quote_id), budget_usd=Decimal(40))
    ledger.charge("j1", "c1", Decimal("15.50"), source="job ft-1, trained_tokens")
    ledger.refund("c1", "f1", Decimal("0.50"), source="credit note 7")
    bill = {line.what: line for line in ledger.bill()}
    assert list(bill) == ["training", "validation", "exam", "storage"]
    training = bill["training"]
    assert (training.quoted_usd, training.charged_usd, training.refunded_usd) == (16, Decimal("15.50"), Decimal("0.50"))
    assert training.reserved_usd == 1
    assert training.sources == ("job ft-1, trained_tokens",)
    assert bill["exam"].quoted_usd == Decimal("0.10")


# --- several processes ------------------------------------------------------------------------------------------------


def reserve_many(path: str, name: str) -> int:
    """How many of 30 jobs of $1 somebody could set money aside for."""
    n_done = 0
    with Ledger(Path(path)) as ledger:
        for n in range(30):
            try:
                reserve(ledger, job_id=f"{name}-{n}", usd="1")
            except BudgetError:
                continue
            n_done += 1
    return n_done


def test_runs_started_at_once_cannot_together_exceed_the_budget(tmp_path: Path) -> None:
    """Three processes want $90 of $40, and make the file at the same moment too."""
    path = str(tmp_path / "ledger.sqlite")
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        got = list(pool.map(reserve_many, [path] * 3, "abc"))
    assert sum(got) == 40
    with Ledger(Path(path)) as ledger:
        assert ledger.committed_usd() == 40


# --- paying, and being killed -----------------------------------------------------------------------------------------


class Killed(BaseException):
    """What stands for kill -9 where the test wants to choose the moment."""


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


# --- odd clocks and odd amounts ---------------------------------------------------------------------------------------


def test_the_quote_seen_last_stays_the_last_though_the_clock_is_set_back(tmp_path: Path) -> None:
    times = iter([datetime(2026, 5, 2, tzinfo=UTC), *[datetime(2026, 5, 1, tzinfo=UTC)] * 4])
    older, newer = make_quote(quoted(row(**FULL))), make_quote(quoted(row(**FULL)), show="T")
    with Ledger(tmp_path / "clock.sqlite", now=lambda: next(times)) as ledger:
        for quote in (older, newer):
            ledger.keep_quote(quote)
            ledger.accept_quote(quote.quote_id)
        for is_accepted in (False, True):
            kept = ledger.last_quote(accepted=is_accepted)
            assert kept is not None
            assert kept.quote == newer


@pytest.mark.parametrize("usd", ["NaN", "Infinity", "-1"])
def test_what_is_no_amount_is_refused(ledger: Ledger, usd: str) -> None:
    with pytest.raises(ShowFolderError, match="cannot be written into a ledger"):
        reserve(ledger, usd=usd)
