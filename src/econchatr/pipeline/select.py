"""The stage `select`: choose, for each rung, the pairs its budget buys, and write the training files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from econchatr.ask.exam import GROUNDED_VARIANTS, TUNED_VARIANTS, Ask, render_question
from econchatr.ask.grounding import Room
from econchatr.config import CHOICES_NAME, Choices, RungConfig
from econchatr.errors import BudgetError, InputError
from econchatr.money.billing import TokenUsage, bill_dearest_usage
from econchatr.money.budget import (
    Budget,
    Sharing,
    check_enough_examples,
    share_budget,
    token_budget,
    training_budget,
    want_share,
)
from econchatr.money.prices import stale_margin
from econchatr.money.quote import HostedRung, PlannedAnswer, count_exam
from econchatr.pipeline.ask import plan_answers
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Made, Narrator, Stage, Step
from econchatr.records import Example, Overlap, Pair, Reason, Selection
from econchatr.select.examples import build_examples, chat_lines, completion_lines, make_knapsack, make_selection
from econchatr.select.features import compare_acts
from econchatr.select.overlap import measure_overlaps
from econchatr.select.pins import check_pins, explain_bans, list_pool
from econchatr.select.strategies import StrategySettings, choose_subsets, find_strategy, shuffle_pairs
from econchatr.tables import hash_settings, read_manifest, write_bytes
from econchatr.train.local import describe_arithmetic, measure_rate

_COSTS_AT_HOME: Final = {"tokens_per_second", "watts", "usd_per_kwh", "rent_usd_per_hour"}
"""What a rung costs at home changes the quote, never what is chosen."""


_SERVED: Final = {"base_url", "model", "key_env"}


class RungSelection(NamedTuple):
    """What one rung is trained on."""

    selection: Selection
    examples: list[Example]
    pairs: list[Pair]
    """Both in the order in which they were taken."""
    dev_examples: list[Example]


class LadderSelection(NamedTuple):
    """What every rung is trained on, in the order of the ladder."""

    rungs: list[RungSelection]
    dev: list[Pair]
    reasons: list[Reason]
    """Why each pair was taken, left or banned."""
    hosted: list[HostedRung]
    sharing: Sharing
    """Of the show's budget over the hosted rungs."""


def _select(show: Show, narrator: Narrator) -> Made:
    choice = choose_for_ladder(show, narrator, today=datetime.now(UTC).date())
    examples: list[Example] = []
    files: list[str] = []
    for rung in show.rungs:
        if rung.is_served:
            narrator.note(f"{rung.name}: only asked, so nothing is selected or trained for it")
    for rung, one in zip(show.trained_rungs, choice.rungs, strict=True):
        examples += [*one.examples, *one.dev_examples]
        files += _write_files(rung, one, choice.dev)
        if not rung.is_local:
            narrator.note(f"{rung.name}: training files are in {rung.folder('select')}")
    selections = [one.selection for one in choice.rungs]
    counts = {f"{selection.rung} pairs": len(selection.pair_ids) for selection in selections}
    counts |= {f"{selection.rung} tokens": selection.n_tokens for selection in selections}
    return Made({"selections": selections, "examples": examples, "reasons": choice.reasons}, tuple(files), counts)


def _write_files(rung: Rung, one: RungSelection, dev: Sequence[Pair]) -> list[str]:
    """Write a rung's training files; give their names below the stage's folder."""
    voice = rung.show.voice
    files = {
        "train.chat.jsonl": chat_lines(one.examples),
        "dev.chat.jsonl": chat_lines(one.dev_examples),
        "train.completion.jsonl": completion_lines(one.pairs, voice),
        "dev.completion.jsonl": completion_lines(dev, voice),
    }
    for name, data in files.items():
        write_bytes(rung.folder("select") / name, data)
    return [f"{rung.name}/{name}" for name in files]


def _inputs(show: Show) -> dict[str, str]:
    inputs = {"pair": show.made("pair"), CHOICES_NAME: hash_settings(show.choices().model_dump())}
    if show.config.select.answers:
        inputs["pair/answers"] = show.made("pair", "answers")
    if hosted := show.hosted_rungs:
        rows = [rung.price().model_dump(mode="json", exclude={"file"}) for rung in hosted]
        asked = [show.config.ask.model_dump(), show.questions_sha256() if show.has_questions else ""]
        inputs["prices"] = hash_settings(rows)
        inputs["parse"] = show.made("parse")  # the closed questions, which are to be paid, are made of it
        inputs["budget"] = hash_settings(str(show.config.budget_usd))
        inputs["exam"] = hash_settings(asked)
    return inputs


def _dump_rung(rung: RungConfig) -> dict[str, object]:
    """What of a rung's settings decides its selection; a setting left as it was in earlier versions is not told."""
    return rung.model_dump(exclude=_COSTS_AT_HOME | _SERVED | ({"form"} if rung.form == "auto" else set()))


SELECT = Stage[Show](
    "select",
    version=4,
    settings={
        "select": "select",
        "ladder": lambda show: [_dump_rung(rung.config) for rung in show.trained_rungs],
        "lengths": lambda show: [
            show.config.train.max_cue_tokens,
            show.config.train.max_example_tokens,
            show.config.train.n_epochs,
        ],
        "voice": lambda show: show.voice,
    },
    inputs=_inputs,
    reads=("pair", "pair/answers", "choices.toml", "prices.toml, for a hosted rung"),
    writes={"selections": Selection, "examples": Example, "reasons": Reason},
    do=_select,
)


def hash_rules(show: Show) -> str:
    """The hash of all that the selection of a paired show depends on but its episodes: settings, versions, the exam."""
    before = [read_manifest(show.folder(*place)) for place in (("parse",), ("pair",), ("pair", "answers"))]
    made = [
        (one.version, one.settings_sha256, one.inputs.get("exam"), one.inputs.get("written")) if one else None
        for one in before
    ]
    inputs = {name: value for name, value in _inputs(show).items() if name not in ("pair", "pair/answers", "parse")}
    return hash_settings([made, SELECT.version, Step(SELECT, show).settings, inputs])


# --- the choice -------------------------------------------------------------------------------------------------------


def strategy_settings(show: Show, said: Iterable[Pair]) -> StrategySettings:
    """What `[select]` sets for the strategy that the show names.

    Args:
        said: The pairs as they were said, in which the host is compared with others.
    """
    table = show.config.select
    acts = compare_acts(pair for pair in said if pair.is_kept and pair.split == "train")
    return StrategySettings(table.strategy, table.seed, table.subjects, table.answers, tuple(acts))


def choose_for_ladder(show: Show, narrator: Narrator, *, today: date) -> LadderSelection:
    """What the budget of each rung buys of the pairs; of two rungs, one's pairs are all among the other's.

    Args:
        today: By which prices are old.

    Raises:
        InputError: No pair is left to train on, a rung has no known price or no budget, or a file is wrong.
        BudgetError: A budget buys no pair, fewer than the service takes, or less than what is pinned.
    """
    rungs, choices, pairs = show.trained_rungs, show.choices(), show.learnable()
    settings = strategy_settings(show, show.pairs())
    prices = {rung.name: rung.price() for rung in show.hosted_rungs}
    pool = _list_candidates(show, pairs, choices)
    dev = [pair for pair in pairs if pair.split == "dev" and pair.is_kept]
    examples: dict[str, list[Example]] = {}
    dev_examples: dict[str, list[Example]] = {}
    for n_done, rung in enumerate(rungs, start=1):
        form, price = rung.form, prices.get(rung.name)
        examples[rung.name], dev_examples[rung.name] = (build_examples(part, form, price) for part in (pool, dev))
        narrator.progress(n_done, len(rungs), "rungs counted")
    n_tokens = {name: sum(example.n_billed_tokens for example in every) for name, every in examples.items()}
    hosted = [
        count_hosted(rung, dev_examples[rung.name], n_pool_tokens=n_tokens[rung.name], today=today)
        for rung in show.hosted_rungs
    ]
    sharing = share_budget([want_share(one) for one in hosted], budget_beside_served(show))
    budgets = {one.name: training_budget(one, share) for one, share in zip(hosted, sharing.shares, strict=True)}
    for rung in show.local_ladder().rungs:
        budgets[rung.name] = _local_budget(rung, examples[rung.name], n_pool_tokens=n_tokens[rung.name])
    knapsacks = [make_knapsack(examples[rung.name], budgets[rung.name]) for rung in rungs]
    solution = choose_subsets(pool, knapsacks, settings, pinned=choices.pin)
    n_pinned, n_banned = len(set(choices.pin)), len(set(choices.ban))
    chosen = {}
    for rung, subset in zip(rungs, solution.subsets, strict=True):
        every, budget = examples[rung.name], budgets[rung.name]
        selection = make_selection(every, budget, subset, settings, n_pinned=n_pinned, n_banned=n_banned)
        taken = [every[place] for place in subset.places], [pool[place] for place in subset.places]
        chosen[rung.name] = RungSelection(selection, *taken, dev_examples[rung.name])
    reasons = [*solution.reasons, *explain_bans(pairs, choices.ban)]
    for one in hosted:
        check_enough_examples(one.row, chosen[one.name].selection)
    return LadderSelection(list(chosen.values()), dev, reasons, hosted, sharing)


def _list_candidates(show: Show, pairs: Sequence[Pair], choices: Choices) -> list[Pair]:
    """The pairs that may be taken, in an order of chance: a few of the first stand for all when a rate is measured."""
    path = show.root / CHOICES_NAME
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


def count_hosted(rung: Rung, dev: Sequence[Example], *, n_pool_tokens: int, today: date) -> HostedRung:
    """A hosted rung as a quote and a sharing see it, by its development examples and the exam's questions.

    Raises:
        InputError: questions.toml is wrong, or the rung names no known price.
    """
    row = rung.price()
    plan = _plan_exam(rung) if rung.show.has_questions and not row.is_historical else None
    return HostedRung(
        rung.name,
        row,
        rung.n_epochs,
        rung.config.max_usd,
        n_pool_tokens=n_pool_tokens,
        n_validation_tokens=sum(example.n_billed_tokens for example in dev),
        exam=None if plan is None else count_exam(plan, dev),
        margin=stale_margin(row, today=today),
    )


def count_served(rung: Rung) -> TokenUsage:
    """What the exam sends to a served rung, and gets back at most.

    Raises:
        InputError: questions.toml is wrong.
    """
    return count_exam(_plan_exam(rung), ()).base_worst if rung.show.has_questions else TokenUsage(0, 0)


def budget_beside_served(show: Show) -> Decimal | None:
    """What the show's budget leaves for hosted rungs once the served ones are asked; `None`: there is no budget.

    Raises:
        BudgetError: Nothing.
    """
    budget, priced = show.config.budget_usd, [rung for rung in show.rungs if rung.is_served and rung.config.price]
    if budget is None or not priced or not show.hosted_rungs:
        return budget
    worst = sum((bill_dearest_usage(one.price(), count_served(one), is_tuned=False) or 0 for one in priced), Decimal(0))
    if worst >= budget:
        raise BudgetError(
            f"asking {', '.join(one.name for one in priced)} may cost ${worst:.2f}, and the budget is ${budget:.2f}.",
            hint="Raise budget_usd in show.toml, or ask fewer samples under [ask].",
        )
    return budget - worst


def _plan_exam(rung: Rung) -> list[PlannedAnswer]:
    """Everything the stage `ask` will put to a rung's models, counted before any of it is asked."""
    show, room, counted = rung.show, Room(rung.show.config.ask.excerpts), dict[tuple[object, ...], int]()
    # Which real turns will be found is not known yet: they count with all their room, and the marks between them.
    turns = tuple(pair.model_copy(update={"cue": "-", "reply": "-"}) for pair in show.pairs(kept=True)[: room.n_turns])

    def count(ask: Ask) -> int:
        key = (ask.text, ask.variant)
        if key not in counted:
            prompt = render_question(ask.text, ask.variant, show.voice, rung.template, ask.excerpts)
            counted[key] = rung.tokenizer.count(prompt) + (room.max_tokens if ask.variant in GROUNDED_VARIANTS else 0)
        return counted[key]

    return [
        PlannedAnswer(ask.variant in TUNED_VARIANTS, count(ask), settings.max_tokens)
        for ask, settings in plan_answers(rung, lambda _: turns)
    ]


def _local_budget(rung: Rung, examples: Sequence[Example], *, n_pool_tokens: int) -> Budget:
    config, n_epochs = rung.config, rung.n_epochs
    if config.max_tokens is not None:
        n_tokens, words = config.max_tokens, f"{config.max_tokens:,} tokens"
    elif config.max_minutes is not None:
        rate = measured_rate(rung, examples)
        n_tokens = int(config.max_minutes * 60 * rate)
        words = f"{config.max_minutes:g} minutes at {rate:,.0f} tokens/s"
    else:
        return Budget(n_epochs, "everything", n_pool_tokens)
    return token_budget(n_tokens, n_epochs=n_epochs, n_pool_tokens=n_pool_tokens, words=words)


def overlaps_of(show: Show) -> list[Overlap]:
    """How far each selection leans towards the exam; none where there are no questions yet."""
    if not show.has_questions:
        return []
    pool = list_pool(show.learnable(), show.choices().ban)
    places = {pair.pair_id: place for place, pair in enumerate(pool)}
    table = show.config.select
    return measure_overlaps(
        [text for question in show.questions() for text in (question.text, question.expected or "")],
        [pair.reply for pair in pool],
        {row.rung: [places[pair_id] for pair_id in row.pair_ids] for row in show.selections()},
        names=[show.voice.host, show.voice.show, *show.config.show.hosts],
        subjects=table.subjects if find_strategy(table.strategy).needs_subjects else (),
    )


# --- this machine's rate ----------------------------------------------------------------------------------------------


def kept_rate(rung: Rung) -> float | None:
    """The rate measured last for a rung's base and recipe, without opening the base; `None`: not measured yet."""
    path = _named_path(rung)
    return float(json.loads(path.read_text())["tokens_per_second"]) if path.is_file() else None


def measured_rate(rung: Rung, examples: Sequence[Example]) -> float:
    """Tokens per second at which this machine trains a rung; measured on the first call, in under a minute.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The base cannot be trained on.
    """
    base, recipe, named = rung.base.weights(), rung.recipe, _named_path(rung)
    settings = [base.sha256, recipe.rank, recipe.batch_examples, describe_arithmetic()]
    path = rung.show.cache / "rates" / f"{hash_settings(settings)}.json"
    if not path.is_file():
        with tempfile.TemporaryDirectory() as folder:
            few = rung.encode(examples[: 8 * recipe.batch_examples])
            rate = measure_rate(few, base=base, folder=Path(folder), recipe=recipe)
        write_bytes(path, json.dumps({"tokens_per_second": rate}).encode())
    write_bytes(named, path.read_bytes())
    return float(json.loads(path.read_text())["tokens_per_second"])


def _named_path(rung: Rung) -> Path:
    """Where the rate is kept by what the rung is called, for whoever must not open weights to know it."""
    recipe, show = rung.recipe, rung.show
    name = hash_settings([rung.base.identity(), show.config.train.weights, recipe.rank, recipe.batch_examples])
    return show.cache / "rates" / f"by-name-{name}.json"
