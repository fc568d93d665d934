from __future__ import annotations

import json

import pytest

from econchatr.errors import BudgetError
from econchatr.money.budget import Budget
from econchatr.prompts import CHATML, Voice
from econchatr.select.examples import (
    ExampleForm,
    build_example,
    chat_lines,
    completion_lines,
    make_knapsack,
    make_selection,
)
from econchatr.select.knapsack import Subset
from econchatr.select.strategies import StrategySettings
from econchatr.tokens import open_tokenizer
from tests.helpers.make_records import make_examples, make_pair

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


def test_a_knapsack_holds_the_billed_tokens_of_each_example_up_to_the_budgets_limit() -> None:
    knapsack = make_knapsack(make_examples([7, 9, 30]), Budget(2, "60 tokens", 30))
    assert (knapsack.costs.tolist(), knapsack.limit, knapsack.name) == ([7, 9, 30], 30, "small")


def test_a_selection_tells_what_it_holds_and_what_it_could_have_held() -> None:
    selection = make_selection(
        make_examples([7, 9, 30]),
        Budget(2, "60 tokens", 30),
        Subset((1, 0), 0.5),
        StrategySettings("random", 4),
    )
    assert selection.pair_ids == ("e#1", "e#0")
    assert (selection.n_tokens, selection.n_pool_tokens, selection.limit_tokens) == (16, 46, 30)
    assert (selection.n_learned_tokens, selection.n_pool_learned_tokens) == (2, 3)
    assert (selection.strategy, selection.seed, selection.certificate) == ("random", 4, 0.5)


def test_a_budget_too_small_for_any_pair_says_so() -> None:
    with pytest.raises(BudgetError, match="60 tokens over 2 epochs buys 30 tokens; the cheapest of 1 pairs has 40"):
        make_selection(make_examples([40]), Budget(2, "60 tokens", 30), Subset(()), StrategySettings("random"))


def test_all_is_refused_where_the_budget_does_not_buy_all() -> None:
    with pytest.raises(BudgetError, match="buys 30 tokens; all 2 pairs have 46"):
        make_selection(make_examples([16, 30]), Budget(1, "30 tokens", 30), Subset((0,)), StrategySettings("all"))


def test_the_selection_hash_changes_with_a_text() -> None:
    def sha256(reply: str) -> str:
        examples = [build_example(make_pair(reply=reply), form())]
        return make_selection(examples, Budget(1, "all", 100), Subset((0,)), StrategySettings("random")).sha256

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
