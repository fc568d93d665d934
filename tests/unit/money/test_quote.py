from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from econchatr.money.billing import TokenUsage
from econchatr.money.prices import find_price
from econchatr.money.quote import (
    ExamCount,
    HostedRung,
    LocalCosts,
    PlannedAnswer,
    Quote,
    RungQuote,
    count_exam,
    list_changed_prices,
    quote_hosted,
    quote_local,
)
from econchatr.pipeline.quotes import tell_sum
from econchatr.records import PriceRow
from tests.helpers.make_records import make_examples, make_selection
from tests.unit.money.test_billing import row

EXAM = ExamCount(
    tuned=TokenUsage(10_000, 2_000), tuned_worst=TokenUsage(10_000, 10_000),
    base=TokenUsage(30_000, 4_000), base_worst=TokenUsage(30_000, 20_000), n_tuned_answers=40,
)  # fmt: skip
CHOSEN = make_selection(n_tokens=400_000, n_pool_tokens=500_000)


def hosted(price: PriceRow, **more: object) -> HostedRung:
    fields = {"name": "r", "n_epochs": 4, "max_usd": None, "n_pool_tokens": 500_000, "n_validation_tokens": 50_000}
    return HostedRung(row=price, **({"exam": EXAM} | fields | more))  # type: ignore[arg-type]


def quoted(price: PriceRow, **more: object) -> RungQuote:
    return quote_hosted(hosted(price, **more), CHOSEN, budget_usd=Decimal(20))


def amounts(quote: RungQuote) -> dict[str, tuple[str, str]]:
    return {line.what: (str(line.usd), str(line.worst_usd)) for line in quote.lines}


FULL = {
    "training": "$10 per 1M tokens", "validation": "$10 per 1M tokens", "input": "$1 per 1M tokens",
    "output": "$10 per 1M tokens", "storage": "$0.10 per GB-month",
}  # fmt: skip


def test_a_hosted_rung_is_quoted_line_by_line() -> None:
    """Training 400,000 x 4 at $10 = 16.00. Validation 50,000 x 4 at $10 = 2.00. Exam: 40,000 in at $1 and 6,000 out at
    $10 = 0.04 + 0.06 = 0.10; at worst 30,000 out: 0.34. Storage: one assumed gigabyte, 0.10."""
    quote = quoted(row(**FULL))
    assert amounts(quote) == {
        "training": ("16.00", "16.00"), "validation": ("2.00", "2.00"), "exam": ("0.10", "0.34"),
        "storage": ("0.10", "0.10"),
    }  # fmt: skip
    assert (quote.usd, quote.worst_usd) == (Decimal("18.20"), Decimal("18.44"))
    assert quote.share == 0.8


def test_a_month_of_use_is_a_thousand_questions_and_no_part_of_the_sum() -> None:
    """40 answers: 10,000 in at $1 and 2,000 out at $10 = 0.01 + 0.02 = 0.03; a thousand: 0.75."""
    quote = quoted(row(**FULL))
    assert quote.month_usd == Decimal("0.75")


def test_an_endpoint_stands_an_hour_for_the_exam_and_a_month_for_use() -> None:
    """Nebius: $4.05; at worst two of them, $8.10; a month 730 x 4.05 = $2,956.50."""
    quote = quoted(find_price("nebius/qwen3-30b-a3b"))
    assert amounts(quote)["exam"] == ("4.05", "8.10")
    assert quote.month_usd == Decimal("2956.50")


def test_what_is_not_known_is_left_out_of_the_sum_and_taken_as_training_at_worst() -> None:
    """Tinker's list of June: training 400,000 x 4 at $0.52 = 0.832 -> 0.84; validation at worst 0.104 -> 0.11."""
    quote = quoted(find_price("tinker/gpt-oss-120b"))
    assert amounts(quote) == {
        "training": ("0.84", "0.84"), "validation": ("None", "0.11"), "exam": ("None", "None"),
        "storage": ("0.10", "0.10"),
    }  # fmt: skip
    assert make_quote(quote).not_known == ("r's validation", "r's exam")


def test_a_minimum_tops_up_training_and_validation_together() -> None:
    """16.00 + 2.00 = 18.00 of a minimum of 25.00: training is asked for as 23.00."""
    quote = quoted(row(**FULL, minimum="$25 per job"))
    assert amounts(quote)["training"] == ("23.00", "23.00")


def test_a_model_that_is_gone_is_quoted_for_training_alone() -> None:
    """Curie: 400,000 x 4 at $0.0030 per 1,000 = $4.80."""
    quote = quoted(find_price("gpt3-2023/curie"))
    assert amounts(quote) == {"training": ("4.80", "4.80")}
    assert not quote.is_charged
    assert "nothing is charged" in quote.notes[0]


def test_without_questions_there_is_no_exam_to_pay() -> None:
    assert amounts(quoted(row(**FULL), exam=None))["exam"] == ("0", "0")


def test_the_exam_is_counted_by_its_prompts_and_the_mean_reply() -> None:
    """Replies have 20 and 21 tokens: 21 each where an answer may have 64, and 8 where it may have 8."""
    plan = [PlannedAnswer(True, 30, 64), PlannedAnswer(True, 12, 8), PlannedAnswer(False, 40, 64)]
    dev = make_examples([0], n_learned=20) + make_examples([0], n_learned=21)
    exam = count_exam(plan, dev)
    assert exam.tuned == TokenUsage(42, 21 + 8)
    assert exam.tuned_worst == TokenUsage(42, 64 + 8)
    assert (exam.base, exam.base_worst) == (TokenUsage(40, 21), TokenUsage(40, 64))
    assert exam.n_tuned_answers == 2


def test_without_development_pairs_answers_are_expected_to_be_as_long_as_allowed() -> None:
    exam = count_exam([PlannedAnswer(True, 30, 64)], [])
    assert exam.tuned == exam.tuned_worst == TokenUsage(30, 64)


@pytest.mark.parametrize(
    ("side", "usd"),
    [("base_input", ("30.07", "30.31")), ("base_output", ("4.06", "20.14")), ("base_use", ("34.03", "50.11"))],
)
def test_a_price_for_one_side_of_the_base_counts(side: str, usd: tuple[str, str]) -> None:
    """The base has 30,000 in and 4,000 out, at worst 20,000. At $1,000 in: 30 + 0.04, and 0.01 + 0.02 of the tuned."""
    sides = ("base_input", "base_output") if side == "base_use" else (side,)
    dear = row(**FULL, **dict.fromkeys(sides, "$1000 per 1M tokens"))
    assert amounts(quoted(dear))["exam"] == usd


def test_prompts_that_cost_more_when_cached_count_so_at_worst() -> None:
    """10,000 and 30,000 in: 0.04 at $1, at worst 0.08 at $2; out 0.06 and 0.30."""
    assert amounts(quoted(row(**FULL, cached="$2 per 1M tokens")))["exam"] == ("0.10", "0.38")


def test_an_old_price_counts_a_quarter_more_at_worst() -> None:
    """16.00, 2.00, 0.34 and 0.10 become 20.00, 2.50, 0.43 and 0.13; what is expected stays."""
    quote = quoted(row(**FULL), margin=Decimal("0.25"))
    assert amounts(quote) == {
        "training": ("16.00", "20.00"), "validation": ("2.00", "2.50"), "exam": ("0.10", "0.43"),
        "storage": ("0.10", "0.13"),
    }  # fmt: skip
    assert "at worst 25% more than the prices say" in quote.notes[0]


def test_what_is_not_known_even_at_worst_is_told() -> None:
    quote = make_quote(quoted(find_price("tinker/gpt-oss-120b")))
    assert quote.not_known_at_worst == ("r's exam",)
    assert "at worst not known" in tell_sum(quote)


def test_the_day_a_model_dies_is_said() -> None:
    quote = quoted(find_price("openai/gpt-4.1-2025-04-14"))
    assert quote.shutdown_on == date(2027, 1, 14)
    assert any("answers no more from 2027-01-14" in note for note in quote.notes)


def local(**more: object) -> RungQuote:
    fields = dict.fromkeys(("tokens_per_second", "watts", "usd_per_kwh", "rent_usd_per_hour"))
    costs = LocalCosts(**(fields | {key: Decimal(str(value)) for key, value in more.items()}))
    return quote_local(CHOSEN, costs, n_epochs=2)


def test_a_rung_at_home_is_priced_by_rate_rent_and_watts() -> None:
    """400,000 x 2 tokens at 400 a second = 2,000 s = 0.5556 h; rent $1.80: $1.00; 90 W: 0.05 kWh at $0.40: $0.02."""
    quote = local(tokens_per_second=400, watts=90, usd_per_kwh="0.40", rent_usd_per_hour="1.80")
    assert round(quote.hours or 0, 4) == Decimal("0.5556")
    assert quote.usd == Decimal("1.02")


def test_a_rung_at_home_costs_nothing_but_time_unless_the_user_says_so() -> None:
    assert local(tokens_per_second=400).usd == 0
    assert local().lines[0].usd == 0
    assert local(rent_usd_per_hour=2).lines[0].usd is None
    assert "not measured" in local().lines[0].how


def make_quote(rung: RungQuote, **more: object) -> Quote:
    fields = {
        "show": "S", "made_on": date(2026, 11, 21), "budget_usd": Decimal(40), "unused_usd": None, "rungs": (rung,),
        "why": (), "doubts": (), "prices": (),
    }  # fmt: skip
    return Quote.model_validate(fields | more)


def test_the_same_amounts_are_the_same_quote_on_another_day() -> None:
    one = make_quote(quoted(row(**FULL)))
    assert one.quote_id == make_quote(quoted(row(**FULL)), made_on=date(2027, 1, 1), doubts=("old",)).quote_id
    assert one.quote_id != make_quote(quoted(row(**FULL)), budget_usd=Decimal(41)).quote_id
    assert one.quote_id != make_quote(quoted(row(**(FULL | {"training": "$11 per 1M tokens"})))).quote_id


def test_what_is_billed_otherwise_since_a_quote_is_named() -> None:
    then, now = row(**FULL), row(**(FULL | {"training": "$11 per 1M tokens"}), padding="longest", note="new")
    quote = make_quote(quoted(then), prices=(then,))
    assert list_changed_prices(quote, [then.model_copy(update={"note": "other"})]) == []
    assert list_changed_prices(quote, [now]) == [
        "p/m: training was $10 per 1,000,000 tokens, is $11 per 1,000,000 tokens",
        "p/m: padding was none, is longest",
    ]


def test_a_quote_comes_back_from_its_json_as_it_was() -> None:
    quote = make_quote(quoted(row(**FULL)), prices=(row(**FULL),))
    assert Quote.model_validate_json(quote.model_dump_json()) == quote


def test_what_is_trained_at_home_is_not_held_against_the_budget() -> None:
    quote = make_quote(local(tokens_per_second=400, rent_usd_per_hour=100))
    assert quote.hosted_worst_usd == 0
