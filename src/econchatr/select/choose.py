"""The examples one rung's budget buys, in the strategy's order.

This module does not know where the price came from, nor how a model is trained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from econchatr.errors import BudgetError
from econchatr.records import Example, Selection
from econchatr.select.prices import limit_tokens, price_training


class Budget(NamedTuple):
    """What one rung may use: dollars at a price, or tokens, or (both `None`) everything."""

    n_epochs: int
    words: str
    """As the user gave it: `$10.00`, `100,000 tokens`, `everything`."""
    usd: Decimal | None = None
    usd_per_mtok: Decimal | None = None
    all_epochs_tokens: int | None = None


def choose_examples(examples: Sequence[Example], budget: Budget, *, strategy: str, seed: int) -> Selection:
    """The longest beginning of `examples` (already in the strategy's order) that the budget pays for.

    Raises:
        BudgetError: The budget does not buy the first example.
    """
    n_pool_tokens = sum(example.n_billed_tokens for example in examples)
    limit = _limit(budget, n_pool_tokens)
    taken = list(_take(examples, limit))
    if not taken:
        need = examples[0].n_billed_tokens if examples else 0
        raise BudgetError(
            f"{budget.words} over {budget.n_epochs} epochs buys {limit:,} tokens; the first pair has {need:,}.",
            hint="Raise the budget of that rung in show.toml.",
        )
    n_tokens = sum(example.n_billed_tokens for example in taken)
    return Selection(
        rung=examples[0].rung,
        strategy=strategy,
        seed=seed,
        n_epochs=budget.n_epochs,
        pair_ids=tuple(example.pair_id for example in taken),
        n_pool_pairs=len(examples),
        n_pool_tokens=n_pool_tokens,
        n_tokens=n_tokens,
        limit_tokens=limit,
        budget=budget.words,
        cost_usd=_cost(budget, n_tokens),
        sha256=hash_examples(taken),
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


def _take(examples: Sequence[Example], limit: int) -> Iterable[Example]:
    # Stops at the first that does not fit, and never skips it: skipping would break the nesting of rungs.
    total = 0
    for example in examples:
        total += example.n_billed_tokens
        if total > limit:
            return
        yield example


def _cost(budget: Budget, n_tokens: int) -> str | None:
    if budget.usd_per_mtok is None:
        return None
    return str(price_training(n_tokens=n_tokens, n_epochs=budget.n_epochs, usd_per_mtok=budget.usd_per_mtok))
