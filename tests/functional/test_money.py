"""Quotes and budgets of a real show, whole program, no network: nothing is uploaded, so nothing is charged."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from econchatr.errors import BudgetError, InputError
from econchatr.money.ledger import Ledger, Order
from econchatr.money.quote import Quote
from econchatr.pipeline import Silent, open_show, run_show
from econchatr.pipeline.quotes import list_charged, quote_budget, quote_selection
from econchatr.pipeline.select import count_hosted
from econchatr.records import Example, Selection
from econchatr.tables import read_table
from tests.functional.conftest import Run, edit_show, write_tiny_show

TODAY = datetime.now(UTC).date()
LADDER = """
[[ladder]]
name = "small"
where = "hosted"
tokenizer = "gpt2"
price = "own/cheap"
n_epochs = 4

[[ladder]]
name = "large"
where = "hosted"
tokenizer = "gpt2"
price = "own/dear"
n_epochs = 4
"""
ROW = """
[[price]]
profile = "own"
model = "{model}"
provider = "Own"
training = "{training}"
validation = "free"
input = "$1 per 1M tokens"
output = "$1 per 1M tokens"
storage = "free"
read_on = {today}
source = "https://prices.example"
{more}
"""


def write_prices(
    show: Path, *, cheap: str = "$100 per 1M tokens", dear: str = "$300 per 1M tokens", more: str = ""
) -> None:
    text = "".join(
        ROW.format(model=model, training=usd, more=more, today=TODAY)
        for model, usd in (("cheap", cheap), ("dear", dear))
    )
    (show / "prices.toml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A show with two hosted rungs and $5, its pairs made."""
    show = write_tiny_show(tmp_path_factory.mktemp("money") / "show")
    edit_show(show, '\n[[ladder]]\nname = "tiny"\nmax_tokens = 1200\nn_epochs = 1\n', LADDER)
    edit_show(show, "\n[show]", "budget_usd = 5\n[show]")
    write_prices(show)
    run_show(open_show(show, cache=cache), Silent(), until="pair")
    return show


@pytest.fixture
def show(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "show"))


def select(show: Path) -> Quote:
    opened = open_show(show)
    run_show(opened, Silent(), until="select")
    return quote_selection(opened, today=TODAY)


def test_a_budget_is_shared_so_that_the_rungs_shares_of_the_corpus_are_alike(show: Path) -> None:
    quote = select(show)
    small, large = quote.rungs
    assert quote.hosted_worst_usd <= 5
    assert abs(small.share - large.share) < 0.05
    assert small.budget_usd < large.budget_usd  # type: ignore[operator]


def test_the_dearer_rungs_selection_is_contained_in_the_cheaper_ones(show: Path) -> None:
    edit_show(show, 'price = "own/cheap"', 'price = "own/cheap"\nmax_usd = 2.5')
    edit_show(show, 'price = "own/dear"', 'price = "own/dear"\nmax_usd = 2.5')
    quote = select(show)
    assert quote.rungs[1].n_pairs < quote.rungs[0].n_pairs
    small, large = read_table(show / "select" / "selections.parquet", Selection)
    assert small.pair_ids[: len(large.pair_ids)] == large.pair_ids


def test_what_another_budget_would_buy_is_what_it_does_buy(show: Path) -> None:
    promised = quote_budget(open_show(show), Decimal(9), Silent(), today=TODAY)
    assert not (show / "select").exists()
    edit_show(show, "budget_usd = 5", "budget_usd = 9")
    assert select(show) == promised


def test_padded_examples_are_billed_and_bought_as_the_longest(show: Path) -> None:
    write_prices(show, more='padding = "longest"')
    quote = select(show)
    examples = read_table(show / "select" / "examples.parquet", Example)
    assert len({item.n_billed_tokens for item in examples if item.rung == "small" and item.split == "train"}) == 1
    assert quote.hosted_worst_usd <= 5


def test_closed_questions_and_paraphrases_are_in_the_sums(show: Path) -> None:
    """Of one sample each: every question, closed ones as `max_probes` says, two of each wording where there are any."""

    def count(settings: str) -> int:
        edited = Path(shutil.copytree(show, show.parent / str(len(settings))))
        edit_show(edited, "max_probes = 3", settings + "\nretrieval = false")
        exam = count_hosted(open_show(edited).hosted_rungs[0], [], n_pool_tokens=1, today=TODAY).exam
        assert exam is not None
        assert exam.tuned_worst.n_output_tokens == 8 * exam.n_tuned_answers
        return exam.n_tuned_answers

    questions = open_show(show).questions()
    n_wordings = sum(len(question.paraphrases) for question in questions)
    assert count("max_probes = 0") == len(questions)
    assert count("max_probes = 2 # two") == len(questions) + 2
    assert count("max_probes = 0\nparaphrases = true") == len(questions) + n_wordings


def test_a_changed_price_or_budget_makes_the_selection_stale(show: Path) -> None:
    before = select(show).rungs[0].n_pairs
    write_prices(show, cheap="$200 per 1M tokens")
    assert run_show(open_show(show), Silent(), until="select").done == ("select",)
    assert select(show).rungs[0].n_pairs < before
    edit_show(show, "budget_usd = 5", "budget_usd = 6")
    assert run_show(open_show(show), Silent(), until="select").done == ("select",)


def test_a_budget_too_small_for_one_pair_says_so(show: Path) -> None:
    edit_show(show, "budget_usd = 5", "budget_usd = 0.12")
    with pytest.raises(BudgetError, match="the cheapest of"):
        select(show)


def test_a_service_that_takes_no_so_small_a_file_is_named(show: Path) -> None:
    write_prices(show, more="min_examples = 500")
    with pytest.raises(BudgetError, match="Own takes no fewer than 500"):
        select(show)


def test_a_rung_without_a_budget_is_told_where_to_write_one(show: Path) -> None:
    edit_show(show, "budget_usd = 5\n", "")
    with pytest.raises(InputError, match="'small' has no budget"):
        select(show)


def test_ten_dollars_of_2023_are_all_for_training(show: Path) -> None:
    """At $0.03 per 1,000 tokens and 4 epochs $0.60 buy 5,000 tokens: the models are gone, there is no exam to pay."""
    edit_show(show, 'price = "own/dear"', 'price = "gpt3-2023/davinci"\nmax_usd = 0.60')
    select(show)
    (davinci,) = (row for row in read_table(show / "select" / "selections.parquet", Selection) if row.rung == "large")
    assert davinci.limit_tokens == 5000
    assert davinci.budget == "$0.60"
    assert [rung.name for rung in list_charged(open_show(show))] == ["small"]


def test_quote_prints_every_rung_and_the_sum(show: Path, econchatr: Run) -> None:
    told = econchatr("quote", show).stdout
    assert "own/cheap" in told
    assert "at worst $" in told
    quote = json.loads(econchatr("quote", show, "--budget", "$9", "--json").stdout)
    assert quote["budget_usd"] == "9"
    assert [rung["rung"] for rung in quote["rungs"]] == ["small", "large"]


@pytest.mark.parametrize("budget", ["-5", "40 EUR", "0", "forty"])
def test_a_budget_that_is_no_amount_of_dollars_is_refused(show: Path, econchatr: Run, budget: str) -> None:
    assert "Write it like --budget 40" in econchatr("quote", show, "--budget", budget, check=2).stderr


def test_run_shows_the_quote_and_takes_no_for_an_answer(show: Path, econchatr: Run) -> None:
    done = econchatr("run", show, check=6, text="n\n")
    assert "May these rungs cost up to $" in done.stderr
    assert "nobody said yes to the quote" in done.stderr
    assert econchatr("run", show, check=6).returncode == 6


def test_a_yes_is_kept_and_the_quote_stands_in_the_report(show: Path, econchatr: Run) -> None:
    done = econchatr("run", show, "--yes")
    assert "uploads nothing and is charged nothing" in done.stderr
    told = (show / "report" / "report.md").read_text(encoding="utf-8")
    assert "Quote and bill of the hosted rungs" in told
    assert "Nothing has been charged so far." in told
    again = econchatr("run", show)
    assert "accepted before" in again.stderr
    assert "Nothing to do" in again.stdout


def test_a_charge_makes_the_report_stale_and_stands_in_its_bill(show: Path, econchatr: Run) -> None:
    econchatr("run", show, "--yes")
    with Ledger(show / "ledger.sqlite") as ledger:
        ledger.reserve(Order("j", "small", "training", Decimal(1)), budget_usd=Decimal(5))
        ledger.charge("j", "c", Decimal("0.87"), source="job ft-<b>1</b>")
    assert json.loads(econchatr("run", show, "--json").stdout)["done"] == ["report"]
    page = (show / "report" / "index.html").read_text(encoding="utf-8")
    assert "$0.87" in page
    assert "<b>1</b>" not in page


def test_a_price_changed_since_the_quote_is_refused_until_the_new_quote_was_seen(show: Path, econchatr: Run) -> None:
    econchatr("run", show, "--yes")
    write_prices(show, cheap="$110 per 1M tokens")
    told = econchatr("run", show, "--yes", check=6).stderr
    assert "own/cheap: training was $100 per 1,000,000 tokens, is $110 per 1,000,000 tokens" in told
    assert "Nothing was uploaded" in told
    assert f"correct the price in {show / 'prices.toml'}" in told
    econchatr("quote", show)
    econchatr("run", show, "--yes")


def test_a_ladder_at_home_has_no_ledger(tiny_show: Path, econchatr: Run) -> None:
    assert "Nothing is charged: every rung is trained at home." in econchatr("quote", tiny_show).stdout
    assert not (tiny_show / "ledger.sqlite").exists()


def test_a_budget_that_pays_for_nothing_is_refused_with_its_exit_code(show: Path, econchatr: Run) -> None:
    write_prices(show, more='minimum = "$3 per job"')
    assert "are gone before the first token" in econchatr("run", show, "--yes", check=6).stderr
