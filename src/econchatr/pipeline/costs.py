"""What hosted rungs cost beside training, and what of the budget that leaves each of them for it.

This module does not choose pairs: `prepare` and `quoting` do, within what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from econchatr.ask.exam import VARIANTS, render_question, spread_questions
from econchatr.config import CONFIG_NAME, QUESTIONS_NAME, Rung
from econchatr.errors import BudgetError
from econchatr.money.billing import TokenUsage, floor_money, pad_to_longest
from econchatr.money.prices import training_usd_per_mtok
from econchatr.money.quote import ExamCount, RungCounts, want_share
from econchatr.money.sharing import Share, Sharing, Want, share_budget
from econchatr.pipeline.forms import example_form, rung_epochs, rung_template, rung_tokenizer
from econchatr.pipeline.grounding import grounding_room
from econchatr.pipeline.prices import rung_price
from econchatr.pipeline.show import Show
from econchatr.records import Example, Pair, PriceRow, Selection
from econchatr.select.examples import build_example
from econchatr.select.rung_budget import Budget
from econchatr.tables import hash_file, hash_settings


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
    for rung in show.config.ladder:
        if rung.where == "hosted":
            row = rung_price(show, rung)
            training_usd_per_mtok(row)
            examples[rung.name] = bill_examples(show, rung, row, pool)
            held[rung.name] = bill_examples(show, rung, row, dev)
            n_pool_tokens = sum(example.n_billed_tokens for example in examples[rung.name])
            hosted.append(cost_rung(show, rung, row, held[rung.name], n_pool_tokens=n_pool_tokens))
    return MoneyPlan({item.rung.name: item for item in hosted}, share_costs(show, hosted), examples, held)


def bill_examples(show: Show, rung: Rung, row: PriceRow, pairs: Sequence[Pair]) -> list[Example]:
    """The pairs as the rung's model sees them, each with the tokens the provider bills it for."""
    form = example_form(show, rung)
    examples = [build_example(pair, form) for pair in pairs]
    if row.padding == "none":
        return examples
    billed = pad_to_longest([example.n_billed_tokens for example in examples])
    return [
        example.model_copy(update={"n_billed_tokens": n_tokens})
        for example, n_tokens in zip(examples, billed, strict=True)
    ]


def cost_rung(show: Show, rung: Rung, row: PriceRow, dev: Sequence[Example], *, n_pool_tokens: int) -> HostedCosts:
    """What a rung costs beside training, by its development examples and the exam's questions.

    Raises:
        InputError: Training has no known price, or questions.toml is wrong.
    """
    training_usd_per_mtok(row)
    counts = RungCounts(
        rung=rung.name,
        n_epochs=rung_epochs(show, rung),
        n_validation_tokens=sum(example.n_billed_tokens for example in dev),
        exam=None if row.is_historical else count_exam(show, rung, dev),
    )
    return HostedCosts(rung, row, counts, want_share(row, counts, n_pool_tokens=n_pool_tokens, max_usd=rung.max_usd))


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


def count_exam(show: Show, rung: Rung, dev: Sequence[Example]) -> ExamCount | None:
    """The exam's tokens; an answer is expected to be as long as the host's replies are on average."""
    if not (show.root / QUESTIONS_NAME).is_file():
        return None
    settings, questions = show.config.ask, show.questions()
    tokenizer, template = rung_tokenizer(show, rung), rung_template(rung)
    n_in = {
        variant: settings.samples * sum(
            tokenizer.count(render_question(item.text, variant, show.voice, template)) for item in questions
        ) for variant in VARIANTS
    }  # fmt: skip
    n_answers = settings.samples * len(questions)
    n_chosen = len(spread_questions(questions, settings.retrieval_questions)) if settings.retrieval else 0
    n_grounded = min(settings.samples, settings.retrieval_samples) * n_chosen
    # What will be found is not known yet: every grounded question is counted with all the room it may fill.
    n_in_grounded = n_in["base"] * n_grounded // max(1, n_answers) + n_grounded * grounding_room(show).max_tokens
    mean = -(-sum(example.n_learned_tokens for example in dev) // len(dev)) if dev else settings.max_tokens
    n_each, n_most = min(mean, settings.max_tokens), settings.max_tokens
    n_tuned, n_base = n_in["tuned"] + n_in_grounded, n_in["base"] + n_in["persona"] + n_in_grounded
    n_of_tuned, n_of_base = n_answers + n_grounded, 2 * n_answers + n_grounded
    return ExamCount(
        tuned=TokenUsage(n_tuned, n_of_tuned * n_each), tuned_worst=TokenUsage(n_tuned, n_of_tuned * n_most),
        base=TokenUsage(n_base, n_of_base * n_each), base_worst=TokenUsage(n_base, n_of_base * n_most),
        n_tuned_answers=n_of_tuned,
    )  # fmt: skip


def money_inputs(show: Show) -> dict[str, str]:
    """What the selection of hosted rungs depends on beside pairs and settings; nothing for a ladder at home."""
    hosted = [rung for rung in show.config.ladder if rung.where == "hosted"]
    if not hosted:
        return {}
    rows = [rung_price(show, rung).model_dump(mode="json", exclude={"file"}) for rung in hosted]
    questions = show.root / QUESTIONS_NAME
    asked = [show.config.ask.model_dump(), hash_file(questions) if questions.is_file() else ""]
    return {
        "prices": hash_settings(rows), "budget": hash_settings(str(show.config.budget_usd)),
        "exam": hash_settings(asked),
    }  # fmt: skip
