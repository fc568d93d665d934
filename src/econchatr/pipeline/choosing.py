"""Choose the training pairs of every rung: pins and bans, budgets and strategy brought together. Writes no file."""

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
from econchatr.select.examples import build_example
from econchatr.select.rung_budget import Budget, make_knapsack, make_selection
from econchatr.select.strategies import StrategySettings, choose_subsets, shuffle_pairs


class RungSelection(NamedTuple):
    """What one rung is trained on."""

    selection: Selection
    examples: list[Example]
    pairs: list[Pair]
    """Both in the order in which they were taken."""


class LadderSelection(NamedTuple):
    """What every rung is trained on, in the order of the ladder, and why each pair was taken or left."""

    rungs: list[RungSelection]
    reasons: tuple[Reason, ...]


def strategy_settings(show: Show) -> StrategySettings:
    """The strategy that the show names, with its seed and subjects."""
    table = show.config.select
    return StrategySettings(table.strategy, table.seed, table.subjects)


def list_candidates(show: Show, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that may be taken, in an order of chance: a few of the first stand for all when a rate is measured.

    Raises:
        InputError: choices.toml is wrong, or bans every pair.
    """
    choices = show.choices()
    check_choices(choices, pairs, path=show.root / CHOICES_NAME)
    pool = list_pool(pairs, choices)
    if not pool:
        raise InputError(
            f"{show.root / CHOICES_NAME} bans every pair that could be trained on.", hint="Take some out of `ban`."
        )
    return shuffle_pairs(pool, show.config.select.seed)


def choose_for_ladder(show: Show, pool: Sequence[Pair], money: MoneyPlan, narrator: Narrator) -> LadderSelection:
    """What the budget of each rung buys of the pool; of two rungs, one's pairs are all among the other's.

    Raises:
        BudgetError: A budget buys no pair, fewer than the service takes, or less than what is pinned.
    """
    choices, settings = show.choices(), strategy_settings(show)
    built: list[list[Example]] = []
    for n_done, rung in enumerate(show.config.ladder, start=1):
        built.append(money.examples.get(rung.name) or _build_examples(show, rung, pool))
        narrator.progress(n_done, len(show.config.ladder), "rungs counted")
    budgets = [_budget(show, *one, money) for one in zip(show.config.ladder, built, strict=True)]
    knapsacks = [make_knapsack(*one) for one in zip(built, budgets, strict=True)]
    solution = choose_subsets(pool, knapsacks, settings, pinned=choices.pin)
    rungs = []
    for examples, budget, subset in zip(built, budgets, solution.subsets, strict=True):
        selection = make_selection(
            examples, budget, subset, settings, n_pinned=len(set(choices.pin)), n_banned=len(set(choices.ban))
        )
        if selection.rung in money.hosted:
            check_enough_examples(money.hosted[selection.rung].row, selection)
        rungs.append(
            RungSelection(
                selection, [examples[place] for place in subset.places], [pool[place] for place in subset.places]
            )
        )
    return LadderSelection(rungs, solution.reasons)


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
