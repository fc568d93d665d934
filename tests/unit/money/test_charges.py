"""Charges, refunds, quotes and the bill: what a ledger writes once and never loses."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.errors import BudgetError, ShowFolderError
from econchatr.money.ledger import Ledger
from tests.unit.money.ledger_helpers import order, reserve
from tests.unit.money.test_billing import row
from tests.unit.money.test_quote import FULL, make_quote, quoted

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
