"""One rung's budget: the knapsack that it makes of the examples, and the `Selection` record of what it buys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from econchatr.errors import BudgetError
from econchatr.money.prices import limit_tokens, price_training
from econchatr.records import Example, Selection
from econchatr.select.knapsack import Knapsack, Subset
from econchatr.select.strategies import StrategySettings, find_strategy


class Budget(NamedTuple):
    """What one rung may use: dollars at a price, or tokens, or (both `None`) everything."""

    n_epochs: int
    words: str
    """As the user gave it: `$10.00`, `100,000 tokens`, `everything`."""
    usd: Decimal | None = None
    usd_per_mtok: Decimal | None = None
    all_epochs_tokens: int | None = None


def make_knapsack(examples: Sequence[Example], budget: Budget) -> Knapsack:
    """What each example costs and what the budget allows, in billed tokens of one epoch."""
    costs = np.array([example.n_billed_tokens for example in examples], np.int64)
    return Knapsack(costs, _limit(budget, int(costs.sum())), examples[0].rung if examples else "")


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
    n_tokens = sum(example.n_billed_tokens for example in taken)
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
        cost_usd=_cost(budget, n_tokens),
        sha256=_hash_examples(taken),
        n_learned_tokens=sum(example.n_learned_tokens for example in taken),
        n_pool_learned_tokens=sum(example.n_learned_tokens for example in examples),
        n_pinned=n_pinned,
        n_banned=n_banned,
        certificate=subset.certificate,
        random_share=subset.random_share,
    )


def _check_subset(knapsack: Knapsack, budget: Budget, subset: Subset, settings: StrategySettings) -> None:
    buys = f"{budget.words} over {budget.n_epochs} epochs buys {knapsack.limit:,} tokens"
    if not subset.places:
        cheapest = min(knapsack.costs.tolist(), default=0)
        lack = f"the first by {settings.name} has more"
        if cheapest > knapsack.limit:
            lack = f"the cheapest of {len(knapsack.costs):,} pairs has {cheapest:,}"
        raise BudgetError(
            f"{knapsack.name}: {buys}; {lack}.",
            hint="Raise the budget of that rung in show.toml.",
        )
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


def _limit(budget: Budget, n_pool_tokens: int) -> int:
    if budget.usd is not None and budget.usd_per_mtok is not None:
        return limit_tokens(
            n_pool_tokens=n_pool_tokens,
            n_epochs=budget.n_epochs,
            budget_usd=budget.usd,
            usd_per_mtok=budget.usd_per_mtok,
        )
    if budget.all_epochs_tokens is not None:
        return min(n_pool_tokens, budget.all_epochs_tokens // budget.n_epochs)
    return n_pool_tokens


def _cost(budget: Budget, n_tokens: int) -> str | None:
    if budget.usd_per_mtok is None:
        return None
    return str(price_training(n_tokens=n_tokens, n_epochs=budget.n_epochs, usd_per_mtok=budget.usd_per_mtok))
