"""What rungs cost before anything is chosen: hosted rungs in dollars, rungs at home in this machine's time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from econchatr.ask.exam import VARIANTS, render_question, spread_questions
from econchatr.ask.grounding import Room
from econchatr.config import CONFIG_NAME
from econchatr.errors import BudgetError
from econchatr.money.billing import TokenUsage, floor_money, pad_to_longest
from econchatr.money.prices import training_usd_per_mtok
from econchatr.money.quote import ExamCount, RungCounts, want_share
from econchatr.money.sharing import Share, Sharing, Want, share_budget
from econchatr.pipeline.show import Rung, Show
from econchatr.records import Example, Pair, PriceRow, Selection
from econchatr.select.examples import build_example
from econchatr.select.rung_budget import Budget
from econchatr.tables import hash_settings, write_bytes
from econchatr.train.local import describe_arithmetic, measure_rate


class HostedCosts(NamedTuple):
    """A hosted rung before anything is chosen for it."""

    rung: Rung
    row: PriceRow
    counts: RungCounts
    want: Want


class MoneyPlan(NamedTuple):
    """What each hosted rung may cost; empty for a ladder trained at home."""

    hosted: dict[str, HostedCosts]
    sharing: Sharing
    examples: dict[str, list[Example]]
    """Per hosted rung every training pair as it is billed, in the order given."""
    dev: dict[str, list[Example]]
    """Per hosted rung every development pair as it is billed."""

    def share(self, rung: str) -> Share:
        """What one rung may cost."""
        return next(share for share in self.sharing.shares if share.rung == rung)


def plan_money(show: Show, pool: Sequence[Pair], dev: Sequence[Pair]) -> MoneyPlan:
    """Price and share before choosing: what each hosted rung may spend.

    Raises:
        InputError: A rung names no known price, or has no budget.
        BudgetError: The budget is too small for what the rungs cost before the first token.
    """
    examples: dict[str, list[Example]] = {}
    held: dict[str, list[Example]] = {}
    hosted: list[HostedCosts] = []
    for rung in show.hosted_rungs:
        row = rung.price()
        training_usd_per_mtok(row)
        examples[rung.name] = _bill_examples(rung, row, pool)
        held[rung.name] = _bill_examples(rung, row, dev)
        n_pool_tokens = sum(example.n_billed_tokens for example in examples[rung.name])
        hosted.append(cost_rung(rung, row, held[rung.name], n_pool_tokens=n_pool_tokens))
    return MoneyPlan({item.rung.name: item for item in hosted}, share_costs(show, hosted), examples, held)


def _bill_examples(rung: Rung, row: PriceRow, pairs: Sequence[Pair]) -> list[Example]:
    """The pairs as the rung's model sees them, each with the tokens the provider bills it for."""
    form = rung.form
    examples = [build_example(pair, form) for pair in pairs]
    if row.padding == "none":
        return examples
    billed = pad_to_longest([example.n_billed_tokens for example in examples])
    return [
        example.model_copy(update={"n_billed_tokens": n_tokens})
        for example, n_tokens in zip(examples, billed, strict=True)
    ]


def cost_rung(rung: Rung, row: PriceRow, dev: Sequence[Example], *, n_pool_tokens: int) -> HostedCosts:
    """What a rung costs beside training, by its development examples and the exam's questions.

    Raises:
        InputError: Training has no known price, or questions.toml is wrong.
    """
    training_usd_per_mtok(row)
    counts = RungCounts(
        rung=rung.name,
        n_epochs=rung.n_epochs,
        n_validation_tokens=sum(example.n_billed_tokens for example in dev),
        exam=None if row.is_historical else _count_exam(rung, dev),
    )
    return HostedCosts(
        rung, row, counts, want_share(row, counts, n_pool_tokens=n_pool_tokens, max_usd=rung.config.max_usd)
    )


def share_costs(show: Show, hosted: Sequence[HostedCosts]) -> Sharing:
    """The show's budget over its hosted rungs.

    Raises:
        InputError: A rung has no budget.
        BudgetError: The budget is too small.
    """
    if not hosted:
        return Sharing((), show.config.budget_usd, ())
    return share_budget([item.want for item in hosted], show.config.budget_usd)


def training_budget(plan: MoneyPlan, rung: str) -> Budget:
    """What of a rung's share is left for training.

    Raises:
        BudgetError: Nothing.
    """
    costs, share = plan.hosted[rung], plan.share(rung)
    beside = costs.want.fixed_usd
    left = floor_money(share.usd - beside, costs.row.rounding_usd)
    if left <= 0 < costs.want.usd_per_token:
        raise BudgetError(
            f"rung {rung!r}: its ${share.usd:.2f} all go to the exam, validation and storage (${beside:.2f}).",
            hint=f"Raise budget_usd, or the rung's max_usd, in {CONFIG_NAME}.",
        )
    words = f"${share.usd:.2f}" + (f", of it ${beside:.2f} at most beside training" if beside else "")
    # A free training is limited by nothing; one cent says so to the arithmetic.
    usd = max(left, Decimal("0.01"))
    return Budget(costs.counts.n_epochs, words, usd=usd, usd_per_mtok=training_usd_per_mtok(costs.row))


def check_enough_examples(row: PriceRow, selection: Selection) -> None:
    """Refuse a selection that the provider would not take.

    Raises:
        BudgetError: It has fewer examples than the service's minimum.
    """
    if len(selection.pair_ids) < row.min_examples:
        raise BudgetError(
            f"rung {selection.rung!r}: {selection.budget} buys {len(selection.pair_ids)} examples; "
            f"{row.provider} takes no fewer than {row.min_examples}.",
            hint=f"Raise budget_usd, or the rung's max_usd, in {CONFIG_NAME}.",
        )


def _count_exam(rung: Rung, dev: Sequence[Example]) -> ExamCount | None:
    """The exam's tokens; an answer is expected to be as long as the host's replies are on average."""
    show = rung.show
    if not show.has_questions:
        return None
    settings, questions = show.config.ask, show.questions()
    tokenizer, template = rung.tokenizer, rung.template
    n_in = {
        variant: settings.samples
        * sum(tokenizer.count(render_question(item.text, variant, show.voice, template)) for item in questions)
        for variant in VARIANTS
    }
    n_answers = settings.samples * len(questions)
    n_chosen = len(spread_questions(questions, settings.retrieval_questions)) if settings.retrieval else 0
    n_grounded = min(settings.samples, settings.retrieval_samples) * n_chosen
    # What will be found is not known yet: every grounded question is counted with all the room it may fill.
    n_in_grounded = n_in["base"] * n_grounded // max(1, n_answers) + n_grounded * Room(settings.excerpts).max_tokens
    mean = -(-sum(example.n_learned_tokens for example in dev) // len(dev)) if dev else settings.max_tokens
    n_each, n_most = min(mean, settings.max_tokens), settings.max_tokens
    n_tuned, n_base = n_in["tuned"] + n_in_grounded, n_in["base"] + n_in["persona"] + n_in_grounded
    n_of_tuned, n_of_base = n_answers + n_grounded, 2 * n_answers + n_grounded
    return ExamCount(
        tuned=TokenUsage(n_tuned, n_of_tuned * n_each),
        tuned_worst=TokenUsage(n_tuned, n_of_tuned * n_most),
        base=TokenUsage(n_base, n_of_base * n_each),
        base_worst=TokenUsage(n_base, n_of_base * n_most),
        n_tuned_answers=n_of_tuned,
    )


def hash_money(show: Show) -> dict[str, str]:
    """What the selection of hosted rungs depends on beside pairs and settings; nothing for a ladder at home."""
    hosted = show.hosted_rungs
    if not hosted:
        return {}
    rows = [rung.price().model_dump(mode="json", exclude={"file"}) for rung in hosted]
    asked = [show.config.ask.model_dump(), show.questions_sha256() if show.has_questions else ""]
    return {
        "prices": hash_settings(rows),
        "budget": hash_settings(str(show.config.budget_usd)),
        "exam": hash_settings(asked),
    }


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
    base, recipe = rung.base.weights(), rung.recipe
    settings = [base.sha256, recipe.rank, recipe.batch_examples, describe_arithmetic()]
    path = rung.show.cache / "rates" / f"{hash_settings(settings)}.json"
    if path.is_file():
        write_bytes(_named_path(rung), path.read_bytes())
        return float(json.loads(path.read_text())["tokens_per_second"])
    with tempfile.TemporaryDirectory() as folder:
        few = rung.encode(examples[: 8 * recipe.batch_examples])
        rate = measure_rate(few, base=base, folder=Path(folder), recipe=recipe)
    for place in (path, _named_path(rung)):
        write_bytes(place, json.dumps({"tokens_per_second": rate}).encode())
    return rate


def _named_path(rung: Rung) -> Path:
    """Where the rate is kept by what the rung is called, for whoever must not open weights to know it."""
    recipe, show = rung.recipe, rung.show
    name = hash_settings([rung.base.identity(), show.config.train.weights, recipe.rank, recipe.batch_examples])
    return show.cache / "rates" / f"by-name-{name}.json"
