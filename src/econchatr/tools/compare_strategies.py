"""Does a strategy beat random choice? Fine-tune on the selections of several strategies and compare the results.

All trials of a budget have the same billed tokens and steps and are measured alike. Each trial is stored when it is
done. So a stopped comparison goes on where it was, and one with more strategies, budgets or seeds runs only the new
trials. `score.strategy_trials` computes the figures from the trials.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from econchatr.errors import InputError
from econchatr.models.base_model import free_memory
from econchatr.models.files.weights import BaseWeights
from econchatr.models.llama.meter import reply_nats
from econchatr.money.budget import Budget
from econchatr.pipeline.report import COMPARED_NAME
from econchatr.pipeline.score import held_out
from econchatr.pipeline.show import Rung
from econchatr.pipeline.stage import Narrator
from econchatr.records import ComparedStrategy, EpisodeSaving, Example, Trial
from econchatr.score.speech import spread_evenly
from econchatr.score.strategy_trials import RANDOM, compare_strategies
from econchatr.select.examples import build_example, make_knapsack, make_selection
from econchatr.select.strategies import StrategySettings, choose_subsets, find_strategy
from econchatr.tables import append_line, hash_settings, lock_folder, read_lines, write_table
from econchatr.train.local import train_lora

_SIDES = ("host", "guest")


class Plan(NamedTuple):
    """What to compare."""

    strategies: tuple[str, ...] = ("random", "coverage")
    shares: tuple[float, ...] = (0.01, 0.05, 0.1)
    """Budgets, as shares of the pool's billed tokens."""
    n_random: int = 5
    """Random selections, each trained with a seed of its own."""
    n_train_seeds: int = 3
    """Trainings of every other strategy's one selection."""
    max_replies: int = 60
    """Held-out replies measured per side."""


class _Wanted(NamedTuple):
    strategy: str
    share: float
    selection_seed: int
    train_seed: int


def compare_selections(
    rung: Rung,
    plan: Plan,
    narrator: Narrator,
    *,
    clock: Callable[[], float] = time.monotonic,
    max_seconds: float | None = None,
) -> list[ComparedStrategy]:
    """Run the trials that are not stored yet, then compare; one row per budget and strategy.

    Args:
        max_seconds: No trial begins after so many seconds; the trials done by then are compared. `None`: no limit.

    Raises:
        InputError: The show has no `[rights]`, a strategy is not known, or nothing is held out.
        BudgetError: A share buys no pair.
        ModelError: A training fails.
    """
    show = rung.show
    show.require_rights()
    with lock_folder(show.root):
        trials = _run_trials(rung, plan, narrator, clock=clock, max_seconds=max_seconds)
        rows = compare_strategies(trials)
        write_table(show.folder("select") / COMPARED_NAME, rows, ComparedStrategy)
    return rows


def _run_trials(
    rung: Rung, plan: Plan, narrator: Narrator, *, clock: Callable[[], float], max_seconds: float | None
) -> list[Trial]:
    folder, wanted, begin = rung.show.folder("select"), list_trials(plan), clock()
    done = {trial.key: trial for trial in _read_trials(folder / "trials.jsonl")}
    bench = _Bench(rung, plan)
    trials = []
    for n_done, one in enumerate(wanted):
        examples = bench.choose(one)
        key = bench.key(one, examples)
        if key not in done:
            if max_seconds is not None and clock() - begin > max_seconds:
                narrator.note(f"{len(wanted) - n_done} of {len(wanted)} trials are left for the next time")
                break
            done[key] = bench.try_out(one, examples, key=key)
            append_line(folder / "trials.jsonl", done[key].model_dump_json().encode())
        trials.append(done[key])
        narrator.progress(n_done + 1, len(wanted), "trials")
    return trials


def read_plan(strategies: str, shares: str) -> Plan:
    """A plan from command-line text: names and percents, separated by commas; no names take the defaults of `Plan`.

    Raises:
        InputError: A share is no percentage, or no strategy of that name.
    """
    names = tuple(name.strip() for name in strategies.split(",") if name.strip()) or Plan().strategies
    for name in names:
        find_strategy(name)
    try:
        percents = tuple(float(part) for part in shares.split(","))
    except ValueError as exc:
        raise InputError(f"--shares {shares!r} are no numbers.", hint="Give percents: --shares 1,5,10") from exc
    if not all(0 < percent <= 100 for percent in percents):
        raise InputError(
            f"--shares {shares!r}: each is above 0 and at most 100.", hint="Give percents: --shares 1,5,10"
        )
    return Plan(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(percent / 100 for percent in percents)))


def _batch_for(n_examples: int, *, n_steps: int) -> int:
    """The batch size that comes nearest to so many steps: a budget buys fewer of longer pairs.

    >>> _batch_for(100, n_steps=13), _batch_for(40, n_steps=13)
    (8, 3)
    """
    return min(range(1, n_examples + 1), key=lambda batch: (abs(math.ceil(n_examples / batch) - n_steps), batch))


def list_trials(plan: Plan) -> list[_Wanted]:
    """Every trial, in rounds of one per strategy and budget, so that a comparison stopped early is still fair.

    >>> [one.strategy for one in list_trials(Plan(("random", "recent"), (0.1,), n_random=2, n_train_seeds=1))]
    ['random', 'recent', 'random']
    """
    rounds = []
    for number in range(max(plan.n_random, plan.n_train_seeds)):
        for share in plan.shares:
            for strategy in plan.strategies:
                if strategy == RANDOM and number < plan.n_random:
                    rounds.append(_Wanted(strategy, share, number, number))
                elif strategy != RANDOM and number < plan.n_train_seeds:
                    # The whole pool, whatever the budget: the row that shows what more money would buy.
                    bought = 1.0 if find_strategy(strategy).needs_whole_pool else share
                    rounds.append(_Wanted(strategy, bought, 0, number))
    return list(dict.fromkeys(rounds))


def _read_trials(path: Path) -> Iterator[Trial]:
    for line in read_lines(path):
        try:
            yield Trial.model_validate_json(line)
        except ValidationError:
            continue


class _Bench:
    """What all trials share: the pool, the base, the held-out replies."""

    def __init__(self, rung: Rung, plan: Plan) -> None:
        self._rung, form = rung, rung.form
        self._pool = rung.show.pairs(split="train", kept=True)
        self._example = {pair.pair_id: build_example(pair, form) for pair in self._pool}
        self._n_pool_tokens = sum(example.n_billed_tokens for example in self._example.values())
        self._base: BaseWeights = rung.base.weights()
        self._n_epochs, self._recipe = rung.n_epochs, rung.recipe
        pairs, n = held_out(rung.show), plan.max_replies
        held = {side: spread_evenly(pairs[side], n=n) for side in _SIDES}
        sides = {side: [build_example(pair, form) for pair in held[side]] for side in _SIDES}
        if not set.intersection(*({pair.slug for pair in held[side]} for side in _SIDES)):
            raise InputError(
                "no held-out episode has replies of both the host and guests.", hint="Raise test_share under [pair]."
            )
        self._held_out = [(side, example) for side in _SIDES for example in sides[side]]
        self._base_nats = self._measure(None)
        self._n_steps: dict[float, int] = {}
        """Per budget, the steps of an epoch: those of the first selection tried there, at the recipe's batch."""

    def choose(self, one: _Wanted) -> list[Example]:
        """The examples of a trial's selection."""
        settings = StrategySettings(one.strategy, one.selection_seed, self._rung.show.config.select.subjects)
        budget = Budget(self._n_epochs, f"{one.share:.1%} of the pool", int(one.share * self._n_pool_tokens))
        examples = [self._example[pair.pair_id] for pair in self._pool]
        (subset,) = choose_subsets(self._pool, [make_knapsack(examples, budget)], settings).subsets
        selection = make_selection(examples, budget, subset, settings)
        chosen = [self._example[pair_id] for pair_id in selection.pair_ids]
        self._n_steps.setdefault(one.share, math.ceil(len(chosen) / self._recipe.batch_examples))
        return chosen

    def key(self, one: _Wanted, examples: Sequence[Example]) -> str:
        """A hash of all that decides a trial's result."""
        recipe = [self._recipe.model_dump(), self._n_steps[one.share]]
        held_out = [example.pair_id for _, example in self._held_out]
        chosen = [(example.pair_id, [message.content for message in example.messages]) for example in examples]
        return hash_settings([list(one), recipe, self._base.sha256, held_out, chosen])

    def try_out(self, one: _Wanted, examples: Sequence[Example], *, key: str) -> Trial:
        """Train on the examples and measure the held-out replies."""
        begin = time.monotonic()
        batch = _batch_for(len(examples), n_steps=self._n_steps[one.share])
        fields = {"seed": one.train_seed, "batch_examples": batch, "eval_every_share": 1.0}
        with tempfile.TemporaryDirectory(prefix="econchatr-") as folder:
            outcome = train_lora(
                self._rung.encode(examples),
                (),
                base=self._base,
                folder=Path(folder),
                recipe=self._recipe.model_copy(update=fields),
            )
            free_memory()
            nats = self._measure(outcome.adapter_folder)
        return Trial(
            **one._asdict(),
            key=key,
            n_pairs=len(examples),
            n_tokens=sum(example.n_billed_tokens for example in examples),
            n_steps=outcome.n_steps,
            seconds=round(time.monotonic() - begin, 1),
            savings=tuple(self._sum_up(nats)),
        )

    def _measure(self, adapter: Path | None) -> list[float]:
        encoded = self._rung.encode(example for _, example in self._held_out)
        return reply_nats(encoded, checkpoint=self._base.checkpoint_path, adapter=adapter)

    def _sum_up(self, tuned_nats: Sequence[float]) -> Iterator[EpisodeSaving]:
        sums: dict[str, dict[str, Any]] = {}
        for (side, example), before, after in zip(self._held_out, self._base_nats, tuned_nats, strict=True):
            nothing = {"host_bits": 0.0, "host_bytes": 0, "guest_bits": 0.0, "guest_bytes": 0}
            entry = sums.setdefault(example.pair_id.rsplit("#", 1)[0], nothing)
            entry[f"{side}_bits"] += (before - after) / math.log(2)
            entry[f"{side}_bytes"] += len(example.messages[-1].content.encode())
        for slug in sorted(sums):
            yield EpisodeSaving(slug=slug, **sums[slug])
