"""The stage `select`: choose, for each rung, the pairs its budget buys, and write the training files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from econchatr.config import CHOICES_NAME
from econchatr.errors import InputError
from econchatr.pipeline.budget import (
    MoneyPlan,
    check_enough_examples,
    hash_money,
    measured_rate,
    plan_money,
    training_budget,
)
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Made, Narrator, Stage
from econchatr.records import Example, Overlap, Pair, Reason, Selection
from econchatr.select.examples import build_example, chat_lines, completion_lines
from econchatr.select.overlap import measure_overlaps
from econchatr.select.pins import check_pins, explain_bans, list_pool
from econchatr.select.rung_budget import Budget, make_knapsack, make_selection
from econchatr.select.strategies import StrategySettings, choose_subsets, find_strategy, shuffle_pairs
from econchatr.tables import hash_settings, write_bytes

_COSTS_AT_HOME: Final = {"tokens_per_second", "watts", "usd_per_kwh", "rent_usd_per_hour"}
"""What a rung costs at home changes the quote, never what is chosen."""


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


def _select(show: Show, narrator: Narrator) -> Made:
    pairs, dev = show.pairs(), show.pairs(split="dev", kept=True)
    pool = list_candidates(show)
    money = plan_money(show, pool, dev)
    choice = choose_for_ladder(show, pool, money, narrator)
    chosen: list[Example] = []
    files: list[str] = []
    for rung, one in zip(show.rungs, choice.rungs, strict=True):
        held = money.dev.get(rung.name) or _build_examples(rung, dev)
        chosen += [*one.examples, *held]
        files += _write_files(rung, one, held, dev)
        if not rung.is_local:
            narrator.note(
                f"{rung.name}: training files are in {rung.folder('select')}; hosted training is not built yet"
            )
    selections = [one.selection for one in choice.rungs]
    reasons = [*choice.reasons, *explain_bans(pairs, show.choices().ban)]
    counts = {f"{selection.rung} pairs": len(selection.pair_ids) for selection in selections}
    counts |= {f"{selection.rung} tokens": selection.n_tokens for selection in selections}
    return Made({"selections": selections, "examples": chosen, "reasons": reasons}, tuple(files), counts)


def _write_files(rung: Rung, choice: RungSelection, held: Sequence[Example], dev: Sequence[Pair]) -> list[str]:
    """Write a rung's training files; give their names below the stage's folder."""
    files = {
        "train.chat.jsonl": chat_lines(choice.examples),
        "dev.chat.jsonl": chat_lines(held),
        "train.completion.jsonl": completion_lines(choice.pairs, rung.show.voice),
        "dev.completion.jsonl": completion_lines(dev, rung.show.voice),
    }
    for name, data in files.items():
        write_bytes(rung.folder("select") / name, data)
    return [f"{rung.name}/{name}" for name in files]


def _inputs(show: Show) -> dict[str, str]:
    chosen = {CHOICES_NAME: hash_settings(show.choices().model_dump())}
    return {"pair": show.made("pair"), **chosen, **hash_money(show)}


SELECT = Stage[Show](
    "select",
    version=3,
    settings={
        "select": "select",
        "ladder": lambda show: [rung.model_dump(exclude=_COSTS_AT_HOME) for rung in show.config.ladder],
        "lengths": lambda show: [
            show.config.train.max_cue_tokens,
            show.config.train.max_example_tokens,
            show.config.train.n_epochs,
        ],
        "voice": lambda show: show.voice,
    },
    inputs=_inputs,
    reads=("pair", "choices.toml", "prices.toml, for a hosted rung"),
    writes={"selections": Selection, "examples": Example, "reasons": Reason},
    do=_select,
)


# --- the choice -------------------------------------------------------------------------------------------------------


def strategy_settings(show: Show) -> StrategySettings:
    """The strategy that the show names, with its seed and subjects."""
    table = show.config.select
    return StrategySettings(table.strategy, table.seed, table.subjects)


def list_candidates(show: Show) -> list[Pair]:
    """The pairs that may be taken, in an order of chance: a few of the first stand for all when a rate is measured.

    Raises:
        InputError: No pair is left to train on; choices.toml is wrong, or bans every pair.
    """
    choices, pairs, path = show.choices(), show.pairs(), show.root / CHOICES_NAME
    if not any(pair.is_kept and pair.split == "train" for pair in pairs):
        raise InputError(
            f"{len(pairs):,} pairs, none of them left to train on.",
            hint=f"Read why with `econchatr pair {show.root} --show 20`; "
            'a gentler profile is profile = "default" under [pair].',
        )
    check_pins(choices.pin, choices.ban, pairs, place=str(path))
    pool = list_pool(pairs, choices.ban)
    if not pool:
        raise InputError(f"{path} bans every pair that could be trained on.", hint="Take some out of `ban`.")
    return shuffle_pairs(pool, show.config.select.seed)


def choose_for_ladder(show: Show, pool: Sequence[Pair], money: MoneyPlan, narrator: Narrator) -> LadderSelection:
    """What the budget of each rung buys of the pool; of two rungs, one's pairs are all among the other's.

    Raises:
        BudgetError: A budget buys no pair, fewer than the service takes, or less than what is pinned.
    """
    choices, settings, rungs = show.choices(), strategy_settings(show), show.rungs
    built: list[list[Example]] = []
    for n_done, rung in enumerate(rungs, start=1):
        built.append(money.examples.get(rung.name) or _build_examples(rung, pool))
        narrator.progress(n_done, len(rungs), "rungs counted")
    budgets = [_budget(rung, examples, money) for rung, examples in zip(rungs, built, strict=True)]
    knapsacks = [make_knapsack(*one) for one in zip(built, budgets, strict=True)]
    solution = choose_subsets(pool, knapsacks, settings, pinned=choices.pin)
    chosen = []
    for examples, budget, subset in zip(built, budgets, solution.subsets, strict=True):
        selection = make_selection(
            examples, budget, subset, settings, n_pinned=len(set(choices.pin)), n_banned=len(set(choices.ban))
        )
        if selection.rung in money.hosted:
            check_enough_examples(money.hosted[selection.rung].row, selection)
        places = subset.places
        chosen.append(
            RungSelection(selection, [examples[place] for place in places], [pool[place] for place in places])
        )
    return LadderSelection(chosen, solution.reasons)


def _build_examples(rung: Rung, pairs: Sequence[Pair]) -> list[Example]:
    form = rung.form
    return [build_example(pair, form) for pair in pairs]


def _budget(rung: Rung, examples: Sequence[Example], money: MoneyPlan) -> Budget:
    """What a rung may use."""
    if rung.name in money.hosted:
        return training_budget(money, rung.name)
    config, n_epochs = rung.config, rung.n_epochs
    if config.max_tokens is not None:
        return Budget(n_epochs, f"{config.max_tokens:,} tokens", all_epochs_tokens=config.max_tokens)
    if config.max_minutes is not None:
        rate = measured_rate(rung, examples)
        return Budget(
            n_epochs,
            f"{config.max_minutes:g} minutes at {rate:,.0f} tokens/s",
            all_epochs_tokens=int(config.max_minutes * 60 * rate),
        )
    return Budget(n_epochs, "everything")


def overlaps_of(show: Show) -> list[Overlap]:
    """How far each selection leans towards the exam; none where there are no questions yet."""
    if not show.has_questions:
        return []
    pool = list_pool(show.pairs(), show.choices().ban)
    places = {pair.pair_id: place for place, pair in enumerate(pool)}
    table = show.config.select
    return measure_overlaps(
        [text for question in show.questions() for text in (question.text, question.expected or "")],
        [pair.reply for pair in pool],
        {row.rung: [places[pair_id] for pair_id in row.pair_ids] for row in show.selections()},
        names=[show.voice.host, show.voice.show, *show.config.show.hosts],
        subjects=table.subjects if find_strategy(table.strategy).needs_subjects else (),
    )
