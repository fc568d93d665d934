"""The examples one rung's budget buys, as a basket names them.

This module does not know where the price came from, how pairs are chosen, nor how a model is trained.
"""

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
from econchatr.select.baskets import Basket, Strategy
from econchatr.select.cover import Purse


class Budget(NamedTuple):
    """What one rung may use: dollars at a price, or tokens, or (both `None`) everything."""

    n_epochs: int
    words: str
    """As the user gave it: `$10.00`, `100,000 tokens`, `everything`."""
    usd: Decimal | None = None
    usd_per_mtok: Decimal | None = None
    all_epochs_tokens: int | None = None


def open_purse(examples: Sequence[Example], budget: Budget) -> Purse:
    """What each example costs and what the budget holds, in billed tokens of one epoch."""
    costs = np.array([example.n_billed_tokens for example in examples], np.int64)
    return Purse(costs, _limit(budget, int(costs.sum())), examples[0].rung if examples else "")


def choose_examples(
    examples: Sequence[Example],
    budget: Budget,
    basket: Basket,
    strategy: Strategy,
    *,
    n_pinned: int = 0,
    n_banned: int = 0,
) -> Selection:
    """The examples that a basket names, in its order.

    Raises:
        BudgetError: The budget does not buy one pair, or not all pairs where the strategy is `all`.
    """
    purse = open_purse(examples, budget)
    taken = [examples[place] for place in basket.places]
    _check_basket(purse, budget, basket, strategy)
    n_tokens = sum(example.n_billed_tokens for example in taken)
    return Selection(
        rung=purse.name,
        strategy=strategy.name,
        seed=strategy.seed,
        n_epochs=budget.n_epochs,
        pair_ids=tuple(example.pair_id for example in taken),
        n_pool_pairs=len(examples),
        n_pool_tokens=int(purse.costs.sum()),
        n_tokens=n_tokens,
        limit_tokens=purse.limit,
        budget=budget.words,
        cost_usd=_cost(budget, n_tokens),
        sha256=hash_examples(taken),
        n_learned_tokens=sum(example.n_learned_tokens for example in taken),
        n_pool_learned_tokens=sum(example.n_learned_tokens for example in examples),
        n_pinned=n_pinned,
        n_banned=n_banned,
        certificate=basket.certificate,
        random_share=basket.random_share,
    )


def _check_basket(purse: Purse, budget: Budget, basket: Basket, strategy: Strategy) -> None:
    buys = f"{budget.words} over {budget.n_epochs} epochs buys {purse.limit:,} tokens"
    if not basket.places:
        cheapest = min(purse.costs.tolist(), default=0)
        lack = f"the cheapest of {len(purse.costs):,} pairs has {cheapest:,}"
        raise BudgetError(
            f"{purse.name}: {buys}; {lack if cheapest > purse.limit else f'the first by {strategy.name} has more'}.",
            hint="Raise the budget of that rung in show.toml.",
        )
    if strategy.name == "all" and len(basket.places) < len(purse.costs):
        raise BudgetError(
            f"{purse.name}: {buys}; all {len(purse.costs):,} pairs have {int(purse.costs.sum()):,}.",
            hint="Raise the budget of that rung in show.toml, or let another strategy choose.",
        )


def hash_examples(examples: Iterable[Example]) -> str:
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
