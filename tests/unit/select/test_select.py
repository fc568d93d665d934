from __future__ import annotations

import json
from decimal import Decimal

import pytest

from econchatr.errors import BudgetError
from econchatr.money.prices import find_price, limit_tokens, price_training, training_usd_per_mtok
from econchatr.prompts import CHATML, Voice
from econchatr.records import Example
from econchatr.select.examples import ExampleForm, build_example, chat_lines, completion_lines
from econchatr.select.knapsack import Subset
from econchatr.select.rung_budget import Budget, make_knapsack, make_selection
from econchatr.select.strategies import StrategySettings
from econchatr.tokens import open_tokenizer
from tests.helpers.make_records import make_pair

VOICE = Voice(host="Hal Host", show="The Show")
GPT2 = open_tokenizer("gpt2")


def form(**more: object) -> ExampleForm:
    fields = {
        "rung": "small",
        "voice": VOICE,
        "tokenizer": GPT2,
        "template": CHATML,
        "max_cue_tokens": 50,
        "max_example_tokens": 200,
    }
    return ExampleForm(**(fields | more))  # type: ignore[arg-type]


def examples_of(lengths: list[int]) -> list[Example]:
    return [
        Example(pair_id=f"e#{n}", rung="small", split="train", messages=(), n_billed_tokens=length, n_learned_tokens=1)
        for n, length in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("model", "limit"), [("ada", 4_818_101), ("babbage", 4_166_666), ("curie", 833_333), ("davinci", 83_333)]
)
def test_ten_dollars_of_2023_buy_the_tokens_they_bought(model: str, limit: int) -> None:
    price = find_price(f"gpt3-2023/{model}")
    assert price.n_epochs == 4
    got = limit_tokens(
        n_pool_tokens=4_818_101, n_epochs=4, budget_usd=Decimal(10), usd_per_mtok=training_usd_per_mtok(price)
    )
    assert got == limit


def test_the_price_of_training_is_exact_decimal() -> None:
    """83,333 tokens x 4 epochs x $30 per million = $9.99996."""
    assert price_training(n_tokens=83_333, n_epochs=4, usd_per_mtok=Decimal(30)) == Decimal("10.0000")
    assert price_training(n_tokens=1_000_000, n_epochs=1, usd_per_mtok=Decimal("0.44")) == Decimal("0.4400")


@pytest.mark.parametrize("budget", [Decimal(0), Decimal(-1), Decimal("0.00000001")])
def test_a_budget_that_buys_nothing_is_refused(budget: Decimal) -> None:
    with pytest.raises(BudgetError):
        limit_tokens(n_pool_tokens=10, n_epochs=4, budget_usd=budget, usd_per_mtok=Decimal(30))


def test_a_knapsack_is_limited_to_the_tokens_that_the_budget_pays_for_in_one_epoch() -> None:
    knapsack = make_knapsack(examples_of([7, 9, 30]), Budget(2, "60 tokens", all_epochs_tokens=60))
    assert (knapsack.costs.tolist(), knapsack.limit, knapsack.name) == ([7, 9, 30], 30, "small")


def test_a_selection_tells_what_it_holds_and_what_it_could_have_held() -> None:
    selection = make_selection(
        examples_of([7, 9, 30]),
        Budget(2, "60 tokens", all_epochs_tokens=60),
        Subset((1, 0), 0.5),
        StrategySettings("random", 4),
    )
    assert selection.pair_ids == ("e#1", "e#0")
    assert (selection.n_tokens, selection.n_pool_tokens, selection.limit_tokens) == (16, 46, 30)
    assert (selection.n_learned_tokens, selection.n_pool_learned_tokens) == (2, 3)
    assert (selection.strategy, selection.seed, selection.certificate) == ("random", 4, 0.5)


def test_a_budget_too_small_for_any_pair_says_so() -> None:
    with pytest.raises(BudgetError, match="60 tokens over 2 epochs buys 30 tokens; the cheapest of 1 pairs has 40"):
        make_selection(
            examples_of([40]), Budget(2, "60 tokens", all_epochs_tokens=60), Subset(()), StrategySettings("random")
        )


def test_all_is_refused_where_the_budget_does_not_buy_all() -> None:
    with pytest.raises(BudgetError, match="buys 30 tokens; all 2 pairs have 46"):
        make_selection(
            examples_of([16, 30]), Budget(1, "30 tokens", all_epochs_tokens=30), Subset((0,)), StrategySettings("all")
        )


def test_the_selection_hash_changes_with_a_text() -> None:
    def sha256(reply: str) -> str:
        examples = [build_example(make_pair(reply=reply), form())]
        return make_selection(examples, Budget(1, "all"), Subset((0,)), StrategySettings("random")).sha256

    assert sha256("Who counted?") == sha256("Who counted?") != sha256("Who counted!")


def test_billed_tokens_are_those_of_the_whole_rendered_example() -> None:
    example = build_example(make_pair(cue="It broke.", reply="Who counted?"), form())
    system = "AI imitation of Hal Host, host of The Show."
    prompt = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nIt broke.<|im_end|>\n<|im_start|>assistant\n"
    assert example.n_billed_tokens == GPT2.count(prompt) + GPT2.count("Who counted?") + 1
    assert example.n_learned_tokens == GPT2.count("Who counted?") + 1


def test_what_is_too_long_is_cut_and_counted() -> None:
    pair = make_pair(cue="well " * 80, reply="so " * 300)
    example = build_example(pair, form())
    assert example.n_cut_cue_tokens == GPT2.count(pair.cue) - 50
    assert example.n_cut_reply_tokens > 0
    assert example.n_billed_tokens <= 200


def test_the_2023_form_is_billed_for_prompt_and_completion() -> None:
    example = build_example(make_pair(cue="It broke.", reply="Who counted?"), form(template=None))
    assert example.n_billed_tokens == GPT2.count("It broke. Hal Host responds:") + GPT2.count(" Who counted?\n")


def test_training_files_have_both_shapes() -> None:
    pair = make_pair(cue="It broke.", reply='"Who" counted?')
    chat = json.loads(chat_lines([build_example(pair, form())]))
    assert [message["role"] for message in chat["messages"]] == ["system", "user", "assistant"]
    assert json.loads(completion_lines([pair], VOICE)) == {
        "prompt": "It broke. Hal Host responds:", "completion": ' "Who" counted?\n',
    }  # fmt: skip
