"""Quotes: the expected and the worst-case cost of every rung, line by line, before anything is paid.

An amount that is not in the price table is `None` ("not known"). Sums leave it out and say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from econchatr.money.billing import (
    HOURS_PER_MONTH,
    TokenUsage,
    apply_minimum,
    bill_dearest_usage,
    bill_endpoint,
    bill_local,
    bill_storage,
    bill_training,
    bill_usage,
    bill_validation,
    round_charge,
)
from econchatr.money.prices import PRICE_UNITS
from econchatr.records import Example, PriceRow, Record, Selection

_EXAM_SECONDS = 3600
"""How long an endpoint stands for the exam: assumed, and taken down after. At worst there are two, base and tuned."""

_CHECKPOINT_GB = Decimal(1)
"""Size of a tuned model where the row gives no `checkpoint_gb`: assumed."""

_MONTH_ANSWERS = 1000
"""Questions a month of serving is quoted for, where use is billed by the token: assumed, each like one of the exam."""

_ZERO = Decimal(0)

_FROM_SELECTION = {"rung", "n_pool_pairs", "n_tokens", "n_pool_tokens"}
"""Fields of a quote that are those of the selection."""

Cost = Literal["training", "validation", "exam", "storage"]


class QuoteLine(Record):
    """One thing that a rung will be charged for."""

    what: Cost
    usd: Decimal | None
    """`None`: not known."""
    worst_usd: Decimal | None
    """With every answer as long as allowed, and what is not known taken at the dearest known price."""
    how: str


class RungQuote(Record):
    """What one rung will cost."""

    rung: str
    where: Literal["local", "hosted", "served"]
    price: str
    """`profile/model` of the price table; empty: trained at home."""
    n_pairs: int
    n_pool_pairs: int
    n_tokens: int
    """Billed tokens of one epoch over the selection."""
    n_pool_tokens: int
    n_epochs: int
    budget_usd: Decimal | None
    """Its part of the budget; `None`: it has none, for it is trained at home."""
    lines: tuple[QuoteLine, ...]
    month_usd: Decimal | None
    """A month of serving, which is no part of the sums; `None`: not known."""
    month_how: str
    hours: Decimal | None = None
    """Of training at home; `None`: hosted, or this machine's rate was not measured."""
    jobs_until: date | None = None
    shutdown_on: date | None = None
    is_historical: bool = False
    notes: tuple[str, ...] = ()

    @property
    def usd(self) -> Decimal:
        """The sum of what is known."""
        return sum((line.usd for line in self.lines if line.usd is not None), _ZERO)

    @property
    def worst_usd(self) -> Decimal:
        """The sum of what is known at worst."""
        return sum((line.worst_usd for line in self.lines if line.worst_usd is not None), _ZERO)

    @property
    def share(self) -> float:
        """How much of the corpus it is trained on, 0 to 1, in billed tokens."""
        return self.n_tokens / self.n_pool_tokens if self.n_pool_tokens else 0.0

    @property
    def is_charged(self) -> bool:
        """Whether somebody would send a bill for it."""
        return self.where != "local" and bool(self.price) and not self.is_historical


class Quote(Record):
    """What a ladder will cost, against the budget."""

    show: str
    made_on: date
    budget_usd: Decimal | None
    """`None`: no budget for all rungs together."""
    unused_usd: Decimal | None
    rungs: tuple[RungQuote, ...]
    why: tuple[str, ...]
    """How the budget was shared."""
    doubts: tuple[str, ...]
    """What is uncertain about the prices on the day of the quote."""
    prices: tuple[PriceRow, ...]
    """As they were when the quote was made."""

    @property
    def hosted_usd(self) -> Decimal:
        """The sum of what is known of the hosted rungs."""
        return sum((rung.usd for rung in self.rungs if rung.where != "local"), _ZERO)

    @property
    def hosted_worst_usd(self) -> Decimal:
        """The same at worst: this is held against the budget."""
        return sum((rung.worst_usd for rung in self.rungs if rung.where != "local"), _ZERO)

    @property
    def not_known(self) -> tuple[str, ...]:
        """What the sums leave out: `davinci's exam`."""
        return tuple(f"{rung}'s {line.what}" for rung, line in self._hosted_lines() if line.usd is None)

    @property
    def not_known_at_worst(self) -> tuple[str, ...]:
        """What the sum at worst leaves out: without any, no bill can exceed it."""
        return tuple(f"{rung}'s {line.what}" for rung, line in self._hosted_lines() if line.worst_usd is None)

    def _hosted_lines(self) -> Iterable[tuple[str, QuoteLine]]:
        return ((rung.rung, line) for rung in self.rungs if rung.where != "local" for line in rung.lines)

    @property
    def quote_id(self) -> str:
        """The same for the same amounts, whenever they were worked out."""
        return hashlib.sha256(self.model_dump_json(exclude={"made_on", "doubts"}).encode()).hexdigest()


# --- the exam ---------------------------------------------------------------------------------------------------------


class PlannedAnswer(NamedTuple):
    """One thing that one of a rung's models will be asked."""

    is_tuned: bool
    """Else the base is asked: as it is, with a persona prompt, or with real turns."""
    n_prompt_tokens: int
    """What is not known yet, as the real turns before a question, with all the room it may fill."""
    n_most_tokens: int
    """How long the answer may be."""


class ExamCount(NamedTuple):
    """What the exam sends to one rung's models and gets back, as expected and with every answer as long as allowed."""

    tuned: TokenUsage
    tuned_worst: TokenUsage
    base: TokenUsage
    """Base, base with a persona prompt, and base with real turns together; `tuned` has its own with real turns."""
    base_worst: TokenUsage
    n_tuned_answers: int


def count_exam(plan: Sequence[PlannedAnswer], dev: Sequence[Example]) -> ExamCount:
    """The tokens of everything asked; an answer is expected as long as the development pairs' replies on average."""
    n_mean = -(-sum(example.n_learned_tokens for example in dev) // len(dev)) if dev else None

    def count(*, is_tuned: bool, is_worst: bool) -> TokenUsage:
        asked = [one for one in plan if one.is_tuned == is_tuned]
        n_mosts = (one.n_most_tokens for one in asked)
        n_out = sum(n_most if is_worst or n_mean is None else min(n_mean, n_most) for n_most in n_mosts)
        return TokenUsage(sum(one.n_prompt_tokens for one in asked), n_out)

    return ExamCount(
        tuned=count(is_tuned=True, is_worst=False),
        tuned_worst=count(is_tuned=True, is_worst=True),
        base=count(is_tuned=False, is_worst=False),
        base_worst=count(is_tuned=False, is_worst=True),
        n_tuned_answers=sum(one.is_tuned for one in plan),
    )


# --- hosted -----------------------------------------------------------------------------------------------------------


class HostedRung(NamedTuple):
    """A hosted rung before anything is chosen for it."""

    name: str
    row: PriceRow
    n_epochs: int
    max_usd: Decimal | None
    """Its own budget; `None`: a part of the show's."""
    n_pool_tokens: int
    """Billed tokens of one epoch over every pair that may be chosen."""
    n_validation_tokens: int
    """Billed tokens of the development pairs, once."""
    exam: ExamCount | None
    """`None`: there are no questions, or the model is gone."""
    margin: Decimal = _ZERO
    """By what share its prices may have risen since they were read; it counts at worst."""


def quote_hosted(hosted: HostedRung, selection: Selection, *, budget_usd: Decimal | None) -> RungQuote:
    """What a hosted rung will cost, trained on its selection."""
    row, beside = hosted.row, lines_beside_training(hosted)
    month, month_how = _month(row, hosted.exam)
    return RungQuote(
        **selection.model_dump(include=_FROM_SELECTION),
        n_pairs=len(selection.pair_ids),
        where="hosted",
        price=row.name,
        n_epochs=hosted.n_epochs,
        budget_usd=budget_usd,
        lines=(_training_line(hosted, selection.n_tokens, beside), *beside),
        month_usd=month,
        month_how=month_how,
        jobs_until=row.jobs_until,
        shutdown_on=row.shutdown_on,
        is_historical=row.is_historical,
        notes=_notes(hosted),
    )


def lines_beside_training(hosted: HostedRung) -> tuple[QuoteLine, ...]:
    """Validation, exam and storage; nothing for a model that is gone, which can be neither trained nor asked."""
    if hosted.row.is_historical:
        return ()
    return (_validation_line(hosted), _exam_line(hosted), _storage_line(hosted))


def _training_line(hosted: HostedRung, n_tokens: int, beside: tuple[QuoteLine, ...]) -> QuoteLine:
    row = hosted.row
    exact = bill_training(row, n_tokens=n_tokens, n_epochs=hosted.n_epochs)
    how = f"{n_tokens:,} tokens x {hosted.n_epochs} epochs, {_tell(row.training)}"
    if exact is None:
        return _line(hosted, "training", None, None, how)
    validation = next((line for line in beside if line.what == "validation"), None)
    expected, worst = (validation.usd or _ZERO, validation.worst_usd or _ZERO) if validation else (_ZERO, _ZERO)
    usd = apply_minimum(row, exact + expected) - expected
    if usd > exact:
        how += f"; {_tell(row.minimum)} at least"
    if row.padding == "longest":
        how += "; each example as long as the longest"
    # The margin is in the validation's worst already; here it is taken off so that the line puts it back on.
    fresh = worst / (1 + hosted.margin)
    return _line(hosted, "training", usd, apply_minimum(row, exact + fresh) - fresh, how)


def _validation_line(hosted: HostedRung) -> QuoteLine:
    row, n_tokens, n_epochs = hosted.row, hosted.n_validation_tokens, hosted.n_epochs
    n_evaluations = n_epochs * row.evaluations_per_epoch
    how = f"{n_tokens:,} tokens x {n_evaluations} evaluations, {_tell(row.validation)}"
    usd = worst = bill_validation(row, n_tokens=n_tokens, n_epochs=n_epochs)
    if usd is None:
        worst = bill_training(row, n_tokens=n_tokens, n_epochs=n_evaluations)
        how += "" if worst is None else "; at worst as training"
    return _line(hosted, "validation", usd, worst, how)


def _exam_line(hosted: HostedRung) -> QuoteLine:
    row, exam = hosted.row, hosted.exam
    if exam is None:
        return QuoteLine(what="exam", usd=_ZERO, worst_usd=_ZERO, how="no questions.toml, no exam")
    usd = _add(bill_usage(row, exam.tuned, is_tuned=True), bill_usage(row, exam.base, is_tuned=False))
    worst = _add(
        bill_dearest_usage(row, exam.tuned_worst, is_tuned=True),
        bill_dearest_usage(row, exam.base_worst, is_tuned=False),
    )
    n_in = exam.tuned.n_input_tokens + exam.base.n_input_tokens
    n_out = exam.tuned.n_output_tokens + exam.base.n_output_tokens
    how = f"{n_in:,} tokens in at {_tell(row.input)}, about {n_out:,} out at {_tell(row.output)}"
    has_own = row.base_input or row.base_output
    how += "; the base at its own price" if has_own else "; the base at the same"
    if usd is None or worst is None:
        hour = bill_endpoint(row, seconds=_EXAM_SECONDS)
        usd, worst = hour, None if hour is None else 2 * hour
        if hour is not None:
            how = f"an endpoint for an hour (assumed), {_tell(row.endpoint)}; at worst one more for the base"
    return _line(hosted, "exam", usd, worst, how)


def _add(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _storage_line(hosted: HostedRung) -> QuoteLine:
    row = hosted.row
    size = row.checkpoint_gb if row.checkpoint_gb is not None else _CHECKPOINT_GB
    usd = bill_storage(row, gigabytes=size)
    told = f"{size} GB{'' if row.checkpoint_gb is not None else ' (assumed)'} for a month, {_tell(row.storage)}"
    return _line(hosted, "storage", usd, usd, told)


def _line(hosted: HostedRung, what: Cost, usd: Decimal | None, worst_usd: Decimal | None, how: str) -> QuoteLine:
    """The line with its amounts rounded as the provider rounds them, at worst with the margin of an old price."""
    if worst_usd is not None:
        worst_usd = round_charge(worst_usd * (1 + hosted.margin), hosted.row.rounding_usd)
    usd = None if usd is None else round_charge(usd, hosted.row.rounding_usd)
    return QuoteLine(what=what, usd=usd, worst_usd=worst_usd, how=how)


def _month(row: PriceRow, exam: ExamCount | None) -> tuple[Decimal | None, str]:
    """A month of serving: a thousand questions where use is billed by the token, else an endpoint that never stops."""
    if row.is_historical:
        return None, "the model is gone"
    if exam is not None and exam.n_tuned_answers and row.input is not None:
        usd = bill_usage(row, exam.tuned, is_tuned=True)
        if usd is not None:
            month = usd * _MONTH_ANSWERS / exam.n_tuned_answers
            return round_charge(month, row.rounding_usd), f"{_MONTH_ANSWERS:,} questions like the exam's"
    hours = bill_endpoint(row, seconds=HOURS_PER_MONTH * 3600)
    if hours is None:
        return None, "not known"
    return round_charge(hours, row.rounding_usd), f"an endpoint that stands {HOURS_PER_MONTH} hours, used or not"


def _notes(hosted: HostedRung) -> tuple[str, ...]:
    row = hosted.row
    notes = {
        f"read on {row.read_on}: at worst {hosted.margin:.0%} more than the prices say": bool(hosted.margin),
        "historical: nothing can be bought at this price, and nothing is charged": row.is_historical,
        f"sold only to {row.open_to}": row.open_to,
        f"no new training from {row.jobs_until} on": row.jobs_until,
        f"the tuned model answers no more from {row.shutdown_on} on": row.shutdown_on and not row.is_historical,
        row.note: row.note,
    }
    return tuple(note for note, holds in notes.items() if holds)


_BILLED_BY = (*PRICE_UNITS, "endpoint_step", "evaluations_per_epoch", "padding", "rounding_usd", "checkpoint_gb")


def list_changed_prices(then: Quote, rows: Iterable[PriceRow]) -> list[str]:
    """What is billed otherwise than when a quote was made, in words; empty: nothing of what it was made from."""
    known = {row.name: row for row in then.prices}
    return [
        f"{row.name}: {key} was {_tell(getattr(known[row.name], key))}, is {_tell(getattr(row, key))}"
        for row in rows
        if row.name in known
        for key in _BILLED_BY
        if getattr(known[row.name], key) != getattr(row, key)
    ]


def _tell(value: object) -> str:
    return "not known" if value is None else str(value)


# --- only asked -------------------------------------------------------------------------------------------------------


def quote_served(name: str, row: PriceRow | None, usage: TokenUsage, *, max_usd: Decimal | None) -> RungQuote:
    """What asking a served rung will cost, with every answer as long as allowed; nothing of it is asked twice.

    Args:
        row: `None`: the rung names no price, as one on this machine has none.
    """
    usd = None if row is None else bill_dearest_usage(row, usage, is_tuned=False)
    usd = None if row is None or usd is None else round_charge(usd, row.rounding_usd)
    how = f"at most {usage.n_input_tokens:,} tokens in and {usage.n_output_tokens:,} out"
    how += "; show.toml names no price" if row is None else f", {_tell(row.input)} and {_tell(row.output)}"
    return RungQuote(
        rung=name,
        where="served",
        price=row.name if row else "",
        n_pairs=0,
        n_pool_pairs=0,
        n_tokens=0,
        n_pool_tokens=0,
        n_epochs=0,
        budget_usd=max_usd,
        lines=(QuoteLine(what="exam", usd=usd, worst_usd=usd, how=how),),
        month_usd=None,
        month_how="as its service says",
    )


# --- at home ----------------------------------------------------------------------------------------------------------


class LocalCosts(NamedTuple):
    """What the user says a rung costs at home; each `None`: not said, or not measured."""

    tokens_per_second: Decimal | None
    watts: Decimal | None
    usd_per_kwh: Decimal | None
    rent_usd_per_hour: Decimal | None


def quote_local(selection: Selection, costs: LocalCosts, *, n_epochs: int) -> RungQuote:
    """What a rung trained at home will cost: hours, and the money that the user said they cost."""
    rate = costs.tokens_per_second
    hours = Decimal(selection.n_tokens) * n_epochs / rate / 3600 if rate else None
    usd = _ZERO if costs.rent_usd_per_hour is None and costs.watts is None else None
    if hours is not None:
        exact = bill_local(hours=hours, watts=costs.watts, usd_per_kwh=costs.usd_per_kwh, rent=costs.rent_usd_per_hour)
        usd = round_charge(exact)
    return RungQuote(
        **selection.model_dump(include=_FROM_SELECTION),
        n_pairs=len(selection.pair_ids),
        where="local",
        price="",
        n_epochs=n_epochs,
        budget_usd=None,
        lines=(QuoteLine(what="training", usd=usd, worst_usd=usd, how=_tell_local(costs, hours)),),
        month_usd=_ZERO,
        month_how="on this machine",
        hours=hours,
    )


def _tell_local(costs: LocalCosts, hours: Decimal | None) -> str:
    told = ["this machine's rate is not measured"]
    if hours is not None:
        told = [f"{hours:,.2f} hours at {costs.tokens_per_second:,.0f} tokens a second"]
    if costs.rent_usd_per_hour is not None:
        told.append(f"rent ${costs.rent_usd_per_hour} per hour")
    if costs.watts is not None:
        energy = f"{costs.watts} W" + ("" if hours is None else f" = {costs.watts * hours / 1000:,.3f} kWh")
        told.append(energy + (f" at ${costs.usd_per_kwh}" if costs.usd_per_kwh is not None else ", price not given"))
    return "; ".join(told)
