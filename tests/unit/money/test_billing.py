"""Every billing rule against an amount worked out by hand, which stands in the test's docstring."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.money.billing import (
    TokenUsage,
    apply_minimum,
    bill_endpoint,
    bill_examples,
    bill_local,
    bill_storage,
    bill_training,
    bill_usage,
    bill_validation,
    floor_money,
    round_charge,
)
from econchatr.money.prices import PRICE_UNITS, find_price, parse_price
from econchatr.records import PriceRow
from tests.helpers.make_records import make_examples


def row(**more: object) -> PriceRow:
    prices = {key: parse_price(str(more.pop(key)), units) for key, units in PRICE_UNITS.items() if key in more}
    fields = {"profile": "p", "model": "m", "source": "s", "read_on": date(2026, 11, 1)}
    return PriceRow.model_validate(fields | prices | more)


@pytest.mark.parametrize(
    ("model", "usd"),
    [("ada", "7.7089616"), ("babbage", "11.5634424"), ("curie", "57.817212"), ("davinci", "578.17212")],
)
def test_the_whole_corpus_of_2023_cost_tokens_times_epochs_times_price(model: str, usd: str) -> None:
    """4,818,101 tokens x 4 epochs = 19,272,404; x $0.0004, $0.0006, $0.0030, $0.0300 per 1,000."""
    assert bill_training(find_price(f"gpt3-2023/{model}"), n_tokens=4_818_101, n_epochs=4) == Decimal(usd)


def test_a_provider_that_bills_to_the_millionth_is_not_rounded_to_the_cent() -> None:
    """52,877 tokens at $2.00 per million = $0.105754, as a user's console had it."""
    nebius = find_price("nebius/qwen3-30b-a3b")
    exact = bill_training(nebius, n_tokens=52_877, n_epochs=1)
    assert exact is not None
    assert round_charge(exact, nebius.rounding_usd) == Decimal("0.105754")
    assert round_charge(exact) == Decimal("0.11")


def test_padding_bills_every_example_as_the_longest() -> None:
    """Lengths 10, 30, 20 are billed as 30, 30, 30: 90 tokens x 2 epochs at $1 per 1,000 = $0.18, not $0.12."""
    padded, examples = row(training="$1 per 1K tokens", padding="longest"), make_examples([10, 30, 20])
    lengths = [example.n_billed_tokens for example in bill_examples(padded, examples)]
    assert lengths == [30, 30, 30]
    assert bill_training(padded, n_tokens=sum(lengths), n_epochs=2) == Decimal("0.18")
    assert bill_examples(padded, []) == []
    assert bill_examples(row(), examples) == examples


def test_validation_is_billed_at_each_evaluation() -> None:
    """1,000 tokens x 3 epochs x 2 evaluations at $0.50 per 1,000 = $3.00."""
    one = row(validation="$0.50 per 1K tokens", evaluations_per_epoch=2)
    assert bill_validation(one, n_tokens=1000, n_epochs=3) == 3
    assert bill_validation(row(), n_tokens=1000, n_epochs=3) is None


@pytest.mark.parametrize(
    ("endpoint", "step", "seconds", "usd"),
    [
        ("$3.99 per hour", "minute", 61, "0.133"),  # 2 minutes begun: 3.99 x 2 / 60
        ("$3.99 per hour", "minute", 60, "0.0665"),
        ("$0.0665 per minute", "minute", 61, "0.133"),
        ("$4.05 per hour", "hour", 3601, "8.10"),  # the second hour has begun
        ("$12 per hour", "second", 90, "0.30"),  # 12 x 90 / 3600
        ("$2.00 per hour", "minute", 0, "0"),
    ],
)
def test_an_endpoint_is_billed_in_whole_steps_of_time(endpoint: str, step: str, seconds: int, usd: str) -> None:
    assert bill_endpoint(row(endpoint=endpoint, endpoint_step=step), seconds=seconds) == Decimal(usd)


def test_a_third_of_a_cent_is_rounded_up_once() -> None:
    """$2.00 per hour for one minute is 3.33... cents: 4 cents, and 20 cents for six minutes, not 24."""
    one = row(endpoint="$2.00 per hour", endpoint_step="minute")
    assert round_charge(bill_endpoint(one, seconds=60) or Decimal(0)) == Decimal("0.04")
    assert round_charge(bill_endpoint(one, seconds=360) or Decimal(0)) == Decimal("0.20")


def test_a_job_costs_its_minimum_at_least() -> None:
    one = row(minimum="$5 per job")
    assert apply_minimum(one, Decimal("0.50")) == 5
    assert apply_minimum(one, Decimal("6.10")) == Decimal("6.10")
    assert apply_minimum(row(), Decimal("0.50")) == Decimal("0.50")


def test_cached_tokens_have_their_own_price() -> None:
    """gpt-4.1: 600,000 in at $3.00 + 400,000 cached at $0.75 + 100,000 out at $12.00 = 1.80 + 0.30 + 1.20 = $3.30."""
    usage = TokenUsage(n_input_tokens=1_000_000, n_cached_tokens=400_000, n_output_tokens=100_000)
    assert bill_usage(find_price("openai/gpt-4.1-2025-04-14"), usage, is_tuned=True) == Decimal("3.30")


def test_cached_tokens_without_a_price_cost_what_input_costs() -> None:
    """Tinker: 1,000,000 in at $0.195 + 100,000 out at $0.60 = 0.195 + 0.06 = $0.255."""
    usage = TokenUsage(n_input_tokens=1_000_000, n_cached_tokens=400_000, n_output_tokens=100_000)
    assert bill_usage(find_price("tinker/qwen3-8b"), usage, is_tuned=True) == Decimal("0.255")


def test_the_base_has_its_own_price_where_the_row_gives_one() -> None:
    """Davinci, 1,000 tokens in and 1,000 out: $0.24 tuned, $0.04 base. Tinker: base as tuned."""
    usage = TokenUsage(1000, 1000)
    davinci, tinker = find_price("gpt3-2023/davinci"), find_price("tinker/qwen3-8b")
    assert bill_usage(davinci, usage, is_tuned=True) == Decimal("0.24")
    assert bill_usage(davinci, usage, is_tuned=False) == Decimal("0.04")
    assert bill_usage(tinker, usage, is_tuned=False) == bill_usage(tinker, usage, is_tuned=True)


def test_use_without_a_price_is_not_known() -> None:
    assert bill_usage(find_price("tinker/gpt-oss-120b"), TokenUsage(1, 1), is_tuned=True) is None


def test_storage_is_billed_by_gigabyte_and_month() -> None:
    """2.5 GB for 15 of 30 days at $0.10 = $0.125, asked for as $0.13."""
    usd = bill_storage(find_price("tinker/qwen3-8b"), gigabytes=Decimal("2.5"), days=15)
    assert usd == Decimal("0.125")
    assert round_charge(usd) == Decimal("0.13")


def test_at_home_rent_and_electricity_are_counted() -> None:
    """2 hours: rent $2.00 x 2 = 4.00; 65 W x 2 h = 0.13 kWh at $0.30 = 0.039."""
    costs = {"hours": Decimal(2), "watts": Decimal(65), "usd_per_kwh": Decimal("0.30")}
    assert bill_local(**costs, rent=Decimal(2)) == Decimal("4.039")  # type: ignore[arg-type]
    assert bill_local(**costs, rent=None) == Decimal("0.039")  # type: ignore[arg-type]
    assert bill_local(hours=Decimal(2), watts=None, usd_per_kwh=None, rent=None) == 0


def test_what_is_free_costs_nothing() -> None:
    assert bill_training(row(training="free"), n_tokens=10**9, n_epochs=4) == 0


STEPS = st.sampled_from([Decimal("0.01"), Decimal("0.000001"), Decimal(1), Decimal("0.05")])


@given(usd=st.decimals(0, 10**6, places=9), step=STEPS)
def test_rounding_goes_up_by_less_than_a_step_and_flooring_down(usd: Decimal, step: Decimal) -> None:
    up, down = round_charge(usd, step), floor_money(usd, step)
    assert down <= usd <= up < usd + step
    assert usd - step < down
    assert up % step == down % step == 0
