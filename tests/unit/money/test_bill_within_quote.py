"""No bill exceeds the worst case of its quote, whatever a price table says and whatever a service does within it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from econchatr.money.billing import TokenUsage
from econchatr.money.quote import HostedRung, PlannedAnswer, count_exam, quote_hosted
from econchatr.records import Price, PriceRow
from tests.helpers.make_records import make_examples, make_selection

TOKEN_PRICES = ("validation", "input", "cached", "output", "base_input", "base_output")
AMOUNTS = st.decimals(0, 2000, places=6)


@st.composite
def price_rows(draw: st.DrawFn) -> PriceRow:
    """Any table: each price there or not, in any relation to the others."""
    prices = {key: Price(usd=draw(AMOUNTS), n_units=draw(st.sampled_from([1000, 10**6])), unit="token")
              for key in TOKEN_PRICES if draw(st.booleans())}  # fmt: skip
    if draw(st.booleans()):
        prices["minimum"] = Price(usd=draw(AMOUNTS), unit="job")
    if draw(st.booleans()):
        prices["storage"] = Price(usd=draw(AMOUNTS), unit="GB-month")
    if draw(st.booleans()):
        prices["endpoint"] = Price(usd=draw(AMOUNTS), unit=draw(st.sampled_from(["hour", "minute"])))
    return PriceRow(
        profile="p",
        model="m",
        source="s",
        read_on=date(2026, 11, 1),
        training=Price(usd=draw(AMOUNTS), n_units=10**6, unit="token"),
        evaluations_per_epoch=draw(st.integers(1, 4)),
        endpoint_step=draw(st.sampled_from(["second", "minute", "hour"])),
        rounding_usd=draw(st.sampled_from([Decimal("0.01"), Decimal("0.000001"), Decimal("0.05"), Decimal(1)])),
        checkpoint_gb=draw(st.none() | st.decimals(0, 20, places=2)),
        **prices,
    )


PLANS = st.lists(
    st.builds(PlannedAnswer, st.booleans(), st.integers(1, 5000), st.integers(1, 4000)), min_size=1, max_size=12
)


def per_unit(price: Price | None) -> Fraction | None:
    return None if price is None else Fraction(price.usd) / price.n_units


def rounded(usd: Fraction, row: PriceRow) -> Fraction:
    step = Fraction(row.rounding_usd)
    return ceil(usd / step) * step


def bill_job(row: PriceRow, n_tokens: int, n_validated: int, n_epochs: int, validation: Fraction) -> Fraction:
    """Training and validation are one job, which costs the minimum at least."""
    usd = per_unit(row.training) * n_tokens * n_epochs  # type: ignore[operator]
    usd += validation * n_validated * n_epochs * row.evaluations_per_epoch
    return rounded(max(usd, per_unit(row.minimum) or Fraction(0)), row)


def bill_answers(row: PriceRow, usages: list[tuple[bool, TokenUsage]]) -> Fraction | None:
    """All answers together, in exact fractions; `None`: a price for one of the sides is not known."""
    total = Fraction(0)
    for is_tuned, usage in usages:
        price_in, price_out = per_unit(row.input), per_unit(row.output)
        cached = per_unit(row.cached) if row.cached is not None else price_in
        if not is_tuned and row.base_input is not None:
            price_in = cached = per_unit(row.base_input)
        if not is_tuned and row.base_output is not None:
            price_out = per_unit(row.base_output)
        if price_in is None or price_out is None or cached is None:
            return None
        total += price_in * (usage.n_input_tokens - usage.n_cached_tokens)
        total += cached * usage.n_cached_tokens + price_out * usage.n_output_tokens
    return rounded(total, row)


def check_no_bill_exceeds_its_quote(row: PriceRow, plan: list[PlannedAnswer], data: st.DataObject) -> None:
    n_epochs, n_tokens, n_validated = (data.draw(st.integers(*ends)) for ends in ((1, 8), (1, 10**6), (0, 10**5)))
    exam = count_exam(plan, make_examples([0] * 2, n_learned=data.draw(st.integers(1, 300))))
    hosted = HostedRung("r", row, n_epochs, None, 10**6, n_validated, exam)
    quote = quote_hosted(hosted, make_selection(n_tokens=n_tokens), budget_usd=None)
    worst = {line.what: line.worst_usd for line in quote.lines}
    # What a service may do: validate free or at a price, as the row says; call any part of a prompt cached; stop early.
    share = data.draw(st.fractions(0, 1))
    validation = per_unit(row.validation)
    if validation is None:
        validation = share * per_unit(row.training)  # type: ignore[operator]
    usages = [
        (one.is_tuned, TokenUsage(one.n_prompt_tokens, data.draw(st.integers(0, one.n_most_tokens)),
                                  data.draw(st.integers(0, one.n_prompt_tokens))))
        for one in plan
    ]  # fmt: skip
    job = bill_job(row, n_tokens, n_validated, n_epochs, validation)
    assert job <= worst["training"] + worst["validation"]  # type: ignore[operator]
    answers = bill_answers(row, usages)
    assert (answers is None) <= (worst["exam"] is None or row.endpoint is not None)
    if answers is not None:
        assert answers <= worst["exam"]  # type: ignore[operator]
        assert job + answers <= quote.worst_usd
    if row.storage is not None:
        gigabytes = Fraction(1) if row.checkpoint_gb is None else Fraction(row.checkpoint_gb)
        assert rounded(Fraction(row.storage.usd) * gigabytes, row) <= worst["storage"]  # type: ignore[operator]


@given(row=price_rows(), plan=PLANS, data=st.data())
def test_no_bill_exceeds_the_worst_case_of_its_quote(
    row: PriceRow, plan: list[PlannedAnswer], data: st.DataObject
) -> None:
    check_no_bill_exceeds_its_quote(row, plan, data)


@pytest.mark.slow
@settings(max_examples=10_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(row=price_rows(), plan=PLANS, data=st.data())
def test_no_bill_of_ten_thousand_exceeds_the_worst_case_of_its_quote(
    row: PriceRow, plan: list[PlannedAnswer], data: st.DataObject
) -> None:
    check_no_bill_exceeds_its_quote(row, plan, data)
