"""The file of the ledger, and what is set aside in it."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import pytest

from econchatr.errors import BudgetError, ShowFolderError
from econchatr.money.ledger import Ledger
from econchatr.money.spending import pay_job
from tests.unit.money.ledger_helpers import PlainService, order, reserve

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


@pytest.mark.parametrize("usd", ["NaN", "Infinity", "-1"])
def test_what_is_no_amount_is_refused(ledger: Ledger, usd: str) -> None:
    with pytest.raises(ShowFolderError, match="cannot be written into a ledger"):
        reserve(ledger, usd=usd)


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
