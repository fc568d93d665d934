"""Which pairs each rung is trained on: the user's pins and bans, the rungs' budgets and the strategy, brought together.

This module prices nothing and writes nothing: `costs` and `prepare` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from econchatr.config import CHOICES_NAME, Rung
from econchatr.errors import InputError
from econchatr.pipeline.choices import check_choices, list_pool
from econchatr.pipeline.costs import MoneyPlan, check_enough_examples, training_budget
from econchatr.pipeline.forms import example_form, rung_epochs
from econchatr.pipeline.rate import measured_rate
from econchatr.pipeline.show import Narrator, Show
from econchatr.records import Example, Pair, Reason, Selection
from econchatr.select.baskets import Strategy, fill_baskets
from econchatr.select.choose import Budget, choose_examples, open_purse
from econchatr.select.examples import build_example
from econchatr.select.order import order_pairs


class RungChoice(NamedTuple):
    """What one rung is trained on."""

    selection: Selection
    examples: list[Example]
    pairs: list[Pair]
    """Both in the order in which they were taken."""


class LadderChoice(NamedTuple):
    """What every rung is trained on, in the order of the ladder, and why each pair was taken or left."""

    rungs: list[RungChoice]
    reasons: tuple[Reason, ...]


def show_strategy(show: Show) -> Strategy:
    """How the show's pairs are chosen."""
    settings = show.config.select
    return Strategy(settings.strategy, settings.seed, settings.subjects)


def list_candidates(show: Show, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that may be taken, in an order of chance: a few of the first stand for all when a rate is measured.

    Raises:
        InputError: No pair is left to train on; choices.toml is wrong, or bans every pair.
    """
    if not any(pair.is_kept and pair.split == "train" for pair in pairs):
        raise InputError(
            f"{len(pairs):,} pairs, none of them left to train on.",
            hint=f"Read why with `econchatr pair {show.root} --show 20`; "
            'a gentler profile is profile = "default" under [pair].',
        )
    choices = show.choices()
    check_choices(choices, pairs, path=show.root / CHOICES_NAME)
    pool = list_pool(pairs, choices)
    if not pool:
        raise InputError(
            f"{show.root / CHOICES_NAME} bans every pair that could be trained on.", hint="Take some out of `ban`."
        )
    return order_pairs(pool, strategy="random", seed=show.config.select.seed)


def choose_for_ladder(show: Show, pool: Sequence[Pair], money: MoneyPlan, narrator: Narrator) -> LadderChoice:
    """What the budget of each rung buys of the pool; of two rungs, one's pairs are all among the other's.

    Raises:
        BudgetError: A budget buys no pair, fewer than the service takes, or less than what is pinned.
    """
    choices, strategy = show.choices(), show_strategy(show)
    built: list[list[Example]] = []
    for n_done, rung in enumerate(show.config.ladder, start=1):
        built.append(money.examples.get(rung.name) or _build_examples(show, rung, pool))
        narrator.progress(n_done, len(show.config.ladder), "rungs counted")
    budgets = [_budget(show, *one, money) for one in zip(show.config.ladder, built, strict=True)]
    purses = [open_purse(*one) for one in zip(built, budgets, strict=True)]
    filled = fill_baskets(pool, purses, strategy, pinned=choices.pin)
    rungs = []
    for examples, budget, basket in zip(built, budgets, filled.baskets, strict=True):
        selection = choose_examples(
            examples, budget, basket, strategy, n_pinned=len(set(choices.pin)), n_banned=len(set(choices.ban))
        )
        if selection.rung in money.hosted:
            check_enough_examples(money.hosted[selection.rung].row, selection)
        rungs.append(
            RungChoice(
                selection, [examples[place] for place in basket.places], [pool[place] for place in basket.places]
            )
        )
    return LadderChoice(rungs, filled.reasons)


def _build_examples(show: Show, rung: Rung, pool: Sequence[Pair]) -> list[Example]:
    form = example_form(show, rung)
    return [build_example(pair, form) for pair in pool]


def _budget(show: Show, rung: Rung, examples: Sequence[Example], money: MoneyPlan) -> Budget:
    """What a rung may use."""
    if rung.name in money.hosted:
        return training_budget(money, rung.name)
    n_epochs = rung_epochs(show, rung)
    if rung.max_tokens is not None:
        return Budget(n_epochs, f"{rung.max_tokens:,} tokens", all_epochs_tokens=rung.max_tokens)
    if rung.max_minutes is not None:
        rate = measured_rate(show, rung, examples)
        return Budget(
            n_epochs,
            f"{rung.max_minutes:g} minutes at {rate:,.0f} tokens/s",
            all_epochs_tokens=int(rung.max_minutes * 60 * rate),
        )
    return Budget(n_epochs, "everything")
