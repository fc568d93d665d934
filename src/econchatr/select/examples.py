"""A rung's examples: built from pairs, as a knapsack, as the record of what was selected, and as training files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from econchatr.errors import BudgetError
from econchatr.money.billing import bill_examples
from econchatr.money.budget import Budget, price_training
from econchatr.prompts import (
    ChatTemplate,
    Voice,
    chat_messages,
    completion_2023,
    flatten_reply,
    render_chat,
    reply_frame,
    system_line,
)
from econchatr.records import Example, Pair, PriceRow, Selection
from econchatr.select.knapsack import Knapsack, Subset
from econchatr.select.strategies import StrategySettings, find_strategy
from econchatr.tokens import Tokenizer, cut_left, cut_right


class ExampleForm(NamedTuple):
    """How a rung's examples are written: `template` is `None` for the prompt/completion form of 2023."""

    rung: str
    voice: Voice
    tokenizer: Tokenizer
    template: ChatTemplate | None
    max_cue_tokens: int
    max_example_tokens: int


def build_examples(pairs: Sequence[Pair], form: ExampleForm, price: PriceRow | None = None) -> list[Example]:
    """The pairs in the rung's form, each with the tokens that a provider bills it for.

    Args:
        price: `None`: the rung is trained at home, so no provider pads.
    """
    examples = [build_example(pair, form) for pair in pairs]
    return examples if price is None else bill_examples(price, examples)


def build_example(pair: Pair, form: ExampleForm) -> Example:
    """The pair in the rung's form; too much is cut from the cue's beginning and the reply's end, and counted."""
    if form.template is None:
        return _build_completion(pair, form)
    tokenizer, system = form.tokenizer, system_line(form.voice)
    cue, n_cut_cue = cut_left(pair.cue, tokenizer, n_tokens=form.max_cue_tokens)
    n_prompt = tokenizer.count(render_chat(chat_messages(cue, None, system=system), form.template))
    room = max(1, form.max_example_tokens - n_prompt - 1)
    reply, n_cut_reply = cut_right(flatten_reply(pair.reply, form.template), tokenizer, n_tokens=room)
    n_learned = tokenizer.count(reply_frame(form.template).lead + reply) + (0 if n_cut_reply else 1)
    return Example(
        pair_id=pair.pair_id,
        rung=form.rung,
        split=pair.split,
        messages=chat_messages(cue, reply, system=system),
        n_billed_tokens=n_prompt + n_learned,
        n_learned_tokens=n_learned,
        n_cut_cue_tokens=n_cut_cue,
        origin=pair.origin,
        n_cut_reply_tokens=n_cut_reply,
    )


def _build_completion(pair: Pair, form: ExampleForm) -> Example:
    row = completion_2023(pair, form.voice)
    n_learned = form.tokenizer.count(row["completion"])
    return Example(
        pair_id=pair.pair_id,
        rung=form.rung,
        split=pair.split,
        messages=chat_messages(pair.cue, pair.reply, system=system_line(form.voice)),
        n_billed_tokens=form.tokenizer.count(row["prompt"]) + n_learned,
        n_learned_tokens=n_learned,
        origin=pair.origin,
    )


def make_knapsack(examples: Sequence[Example], budget: Budget) -> Knapsack:
    """What each example costs and what the budget allows, in billed tokens of one epoch."""
    costs = np.array([example.n_billed_tokens for example in examples], np.int64)
    return Knapsack(costs, budget.limit_tokens, examples[0].rung if examples else "")


def make_selection(
    examples: Sequence[Example],
    budget: Budget,
    subset: Subset,
    settings: StrategySettings,
    *,
    n_pinned: int = 0,
    n_banned: int = 0,
) -> Selection:
    """The record of the examples in a subset, in its order.

    Raises:
        BudgetError: The budget does not buy one pair, or not all pairs where the strategy needs the whole pool.
    """
    knapsack = make_knapsack(examples, budget)
    taken = [examples[place] for place in subset.places]
    _check_subset(knapsack, budget, subset, settings)
    sha256 = _hash_examples(taken)
    answers = [example.n_billed_tokens for example in taken if example.origin != "said"]
    n_tokens, cost_usd = sum(example.n_billed_tokens for example in taken), None
    if budget.usd_per_mtok is not None:
        cost_usd = str(price_training(n_tokens=n_tokens, n_epochs=budget.n_epochs, usd_per_mtok=budget.usd_per_mtok))
    return Selection(
        rung=knapsack.name,
        strategy=settings.name,
        seed=settings.seed,
        n_epochs=budget.n_epochs,
        pair_ids=tuple(example.pair_id for example in taken),
        n_pool_pairs=len(examples),
        n_pool_tokens=int(knapsack.costs.sum()),
        n_tokens=n_tokens,
        limit_tokens=knapsack.limit,
        budget=budget.words,
        cost_usd=cost_usd,
        sha256=sha256,
        n_learned_tokens=sum(example.n_learned_tokens for example in taken),
        n_pool_learned_tokens=sum(example.n_learned_tokens for example in examples),
        n_pinned=n_pinned,
        n_banned=n_banned,
        certificate=subset.certificate,
        random_share=subset.random_share,
        answers_wanted=settings.answers,
        n_answers=len(answers),
        n_answer_tokens=sum(answers),
    )


def _check_subset(knapsack: Knapsack, budget: Budget, subset: Subset, settings: StrategySettings) -> None:
    buys = f"{budget.words} over {budget.n_epochs} epochs buys {knapsack.limit:,} tokens"
    if not subset.places:
        cheapest = min(knapsack.costs.tolist(), default=0)
        lack = f"the first by {settings.name} has more"
        if cheapest > knapsack.limit:
            lack = f"the cheapest of {len(knapsack.costs):,} pairs has {cheapest:,}"
        raise BudgetError(f"{knapsack.name}: {buys}; {lack}.", hint="Raise the budget of that rung in show.toml.")
    if find_strategy(settings.name).needs_whole_pool and len(subset.places) < len(knapsack.costs):
        raise BudgetError(
            f"{knapsack.name}: {buys}; all {len(knapsack.costs):,} pairs have {int(knapsack.costs.sum()):,}.",
            hint="Raise the budget of that rung in show.toml, or let another strategy choose.",
        )


def _hash_examples(examples: Iterable[Example]) -> str:
    """The hash a tuned model is tied to: of the examples' ids and texts, in order."""
    digest = hashlib.sha256()
    for example in examples:
        row = [example.pair_id, [message.model_dump() for message in example.messages]]
        digest.update(json.dumps(row, ensure_ascii=True, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def chat_lines(examples: Iterable[Example]) -> bytes:
    """One `{"messages": [...]}` per example, as chat models are trained on."""
    return _lines({"messages": [message.model_dump() for message in example.messages]} for example in examples)


def completion_lines(pairs: Sequence[Pair], voice: Voice) -> bytes:
    """One `{"prompt": ..., "completion": ...}` per pair, in the form of 2023."""
    return _lines(completion_2023(pair, voice) for pair in pairs)


def _lines(rows: Iterable[object]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
