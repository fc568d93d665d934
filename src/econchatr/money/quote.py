"""Quotes: the expected and the worst-case cost of every rung, line by line, before anything is paid.

An amount that is not in the price table is `None` ("not known"). Sums leave it out and say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from econchatr.money.billing import (
    HOURS_PER_MONTH,
    TokenUsage,
    apply_minimum,
    bill_endpoint,
    bill_local,
    bill_storage,
    bill_training,
    bill_usage,
    bill_validation,
    round_charge,
    tell_price,
)
from econchatr.money.price_file import PRICE_UNITS
from econchatr.money.sharing import Want
from econchatr.records import PriceRow, Record

_EXAM_SECONDS = 3600
"""How long an endpoint stands for the exam: assumed, and taken down after. At worst there are two, base and tuned."""

_CHECKPOINT_GB = Decimal(1)
"""Size of a tuned model where the row gives no `checkpoint_gb`: assumed."""

_MONTH_ANSWERS = 1000
"""Questions a month of serving is quoted for, where use is billed by the token: assumed, each like one of the exam."""

_ZERO = Decimal(0)


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
    where: Literal["local", "hosted"]
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
        return self.where == "hosted" and not self.is_historical


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
        return sum((rung.usd for rung in self.rungs if rung.where == "hosted"), _ZERO)

    @property
    def hosted_worst_usd(self) -> Decimal:
        """The same at worst: this is held against the budget."""
        return sum((rung.worst_usd for rung in self.rungs if rung.where == "hosted"), _ZERO)

    @property
    def not_known(self) -> tuple[str, ...]:
        """What the sums leave out: `davinci's exam`."""
        return tuple(
            f"{rung.rung}'s {line.what}"
            for rung in self.rungs
            if rung.where == "hosted"
            for line in rung.lines
            if line.usd is None
        )

    @property
    def quote_id(self) -> str:
        """The same for the same amounts, whenever they were worked out."""
        return hashlib.sha256(self.model_dump_json(exclude={"made_on", "doubts"}).encode()).hexdigest()


class ExamCount(NamedTuple):
    """What the exam sends to one rung's models and gets back, as expected and with every answer as long as allowed."""

    tuned: TokenUsage
    tuned_worst: TokenUsage
    base: TokenUsage
    """Base, base with a persona prompt, and base with real turns together; `tuned` has its own with real turns."""
    base_worst: TokenUsage
    n_tuned_answers: int


class RungCounts(NamedTuple):
    """What of a rung's costs does not depend on how much it is trained on."""

    rung: str
    n_epochs: int
    n_validation_tokens: int
    """Billed tokens of the development pairs, once."""
    exam: ExamCount | None
    """`None`: there are no questions."""


class LocalCosts(NamedTuple):
    """What the user says a rung costs at home; each `None`: not said, or not measured."""

    tokens_per_second: Decimal | None
    watts: Decimal | None
    usd_per_kwh: Decimal | None
    rent_usd_per_hour: Decimal | None


class Chosen(NamedTuple):
    """What a rung would be trained on."""

    n_pairs: int
    n_pool_pairs: int
    n_tokens: int
    n_pool_tokens: int


# --- hosted -----------------------------------------------------------------------------------------------------------


def want_share(row: PriceRow, counts: RungCounts, *, n_pool_tokens: int, max_usd: Decimal | None) -> Want:
    """The rung as a budget is shared over it: what it costs anyhow, at worst, and what a token costs."""
    beside = _lines_beside_training(row, counts)
    validation = sum((line.worst_usd or _ZERO for line in beside if line.what == "validation"), _ZERO)
    return Want(
        rung=counts.rung,
        n_pool_tokens=n_pool_tokens,
        usd_per_token=(row.training.usd_per_unit if row.training else _ZERO) * counts.n_epochs,
        fixed_usd=sum((line.worst_usd or _ZERO for line in beside), _ZERO),
        minimum_usd=max(apply_minimum(row, _ZERO) - validation, _ZERO),
        max_usd=max_usd,
    )


def _lines_beside_training(row: PriceRow, counts: RungCounts) -> tuple[QuoteLine, ...]:
    """Validation, exam and storage; nothing for a model that is gone, which can be neither trained nor asked."""
    if row.is_historical:
        return ()
    return (_validation_line(row, counts), _exam_line(row, counts.exam), _storage_line(row))


def quote_hosted(row: PriceRow, counts: RungCounts, chosen: Chosen, *, budget_usd: Decimal | None) -> RungQuote:
    """What a hosted rung will cost, trained on what was chosen."""
    beside = _lines_beside_training(row, counts)
    month, month_how = _month(row, counts.exam)
    return RungQuote(
        rung=counts.rung,
        where="hosted",
        price=row.name,
        **chosen._asdict(),
        n_epochs=counts.n_epochs,
        budget_usd=budget_usd,
        lines=(_training_line(row, counts, chosen, beside), *beside),
        month_usd=month,
        month_how=month_how,
        jobs_until=row.jobs_until,
        shutdown_on=row.shutdown_on,
        is_historical=row.is_historical,
        notes=tuple(_notes(row)),
    )


def _training_line(row: PriceRow, counts: RungCounts, chosen: Chosen, beside: tuple[QuoteLine, ...]) -> QuoteLine:
    exact = bill_training(row, n_tokens=chosen.n_tokens, n_epochs=counts.n_epochs)
    how = f"{chosen.n_tokens:,} tokens x {counts.n_epochs} epochs, {tell_price(row.training)}"
    if exact is None:
        return QuoteLine(what="training", usd=None, worst_usd=None, how=how)
    validation = next((line for line in beside if line.what == "validation"), None)
    expected, worst = (validation.usd or _ZERO, validation.worst_usd or _ZERO) if validation else (_ZERO, _ZERO)
    usd = apply_minimum(row, exact + expected) - expected
    if usd > exact:
        how += f"; {tell_price(row.minimum)} at least"
    return QuoteLine(
        what="training",
        usd=round_charge(usd, row.rounding_usd),
        worst_usd=round_charge(apply_minimum(row, exact + worst) - worst, row.rounding_usd),
        how=how + ("; each example as long as the longest" if row.padding == "longest" else ""),
    )


def _validation_line(row: PriceRow, counts: RungCounts) -> QuoteLine:
    exact = bill_validation(row, n_tokens=counts.n_validation_tokens, n_epochs=counts.n_epochs)
    dearest = bill_training(row, n_tokens=counts.n_validation_tokens, n_epochs=counts.n_epochs)
    worst = dearest if exact is None else exact
    times = counts.n_epochs * row.evaluations_per_epoch
    return QuoteLine(
        what="validation",
        usd=_round(exact, row),
        worst_usd=_round(worst, row),
        how=f"{counts.n_validation_tokens:,} tokens x {times} evaluations, {tell_price(row.validation)}"
        + ("; at worst as training" if exact is None and worst is not None else ""),
    )


def _exam_line(row: PriceRow, exam: ExamCount | None) -> QuoteLine:
    if exam is None:
        return QuoteLine(what="exam", usd=_ZERO, worst_usd=_ZERO, how="no questions.toml, no exam")
    usd, worst = _exam_usd(row, exam.tuned, exam.base), _exam_usd(row, exam.tuned_worst, exam.base_worst)
    n_in = exam.tuned.n_input_tokens + exam.base.n_input_tokens
    n_out = exam.tuned.n_output_tokens + exam.base.n_output_tokens
    how = f"{n_in:,} tokens in at {tell_price(row.input)}, about {n_out:,} out at {tell_price(row.output)}"
    how += "; the base at its own price" if row.base_input else "; the base at the same"
    if usd is None or worst is None:
        hour = bill_endpoint(row, seconds=_EXAM_SECONDS)
        usd, worst = hour, None if hour is None else 2 * hour
        if hour is not None:
            how = f"an endpoint for an hour (assumed), {tell_price(row.endpoint)}; at worst one more for the base"
    return QuoteLine(what="exam", usd=_round(usd, row), worst_usd=_round(worst, row), how=how)


def _round(usd: Decimal | None, row: PriceRow) -> Decimal | None:
    return None if usd is None else round_charge(usd, row.rounding_usd)


def _exam_usd(row: PriceRow, tuned: TokenUsage, base: TokenUsage) -> Decimal | None:
    parts = bill_usage(row, tuned, is_tuned=True), bill_usage(row, base, is_tuned=False)
    return None if parts[0] is None or parts[1] is None else parts[0] + parts[1]


def _storage_line(row: PriceRow) -> QuoteLine:
    size = row.checkpoint_gb if row.checkpoint_gb is not None else _CHECKPOINT_GB
    rounded = _round(bill_storage(row, gigabytes=size), row)
    told = f"{size} GB{'' if row.checkpoint_gb is not None else ' (assumed)'} for a month, {tell_price(row.storage)}"
    return QuoteLine(what="storage", usd=rounded, worst_usd=rounded, how=told)


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


def _notes(row: PriceRow) -> list[str]:
    notes = []
    if row.is_historical:
        notes.append("historical: nothing can be bought at this price, and nothing is charged")
    if row.open_to:
        notes.append(f"sold only to {row.open_to}")
    if row.jobs_until:
        notes.append(f"no new training from {row.jobs_until} on")
    if row.shutdown_on and not row.is_historical:
        notes.append(f"the tuned model answers no more from {row.shutdown_on} on")
    if row.note:
        notes.append(row.note)
    return notes


_BILLED_BY = (*PRICE_UNITS, "endpoint_step", "evaluations_per_epoch", "padding", "rounding_usd", "checkpoint_gb")


def list_changed_prices(then: Quote, rows: Iterable[PriceRow]) -> list[str]:
    """What is billed otherwise than when a quote was made, in words; empty: nothing of what it was made from."""
    known = {row.name: row for row in then.prices}
    return [
        f"{row.name}: {key} was {_tell_value(getattr(known[row.name], key))}, is {_tell_value(getattr(row, key))}"
        for row in rows
        if row.name in known
        for key in _BILLED_BY
        if getattr(known[row.name], key) != getattr(row, key)
    ]


def _tell_value(value: object) -> str:
    return "not known" if value is None else str(value)


# --- at home ----------------------------------------------------------------------------------------------------------


def quote_local(rung: str, chosen: Chosen, *, n_epochs: int, costs: LocalCosts) -> RungQuote:
    """What a rung trained at home will cost: hours, and the money that the user said they cost."""
    rate = costs.tokens_per_second
    hours = Decimal(chosen.n_tokens) * n_epochs / rate / 3600 if rate else None
    has_cost = costs.rent_usd_per_hour is not None or costs.watts is not None
    usd: Decimal | None = _ZERO
    if has_cost and hours is None:
        usd = None
    elif hours is not None:
        exact = bill_local(hours=hours, watts=costs.watts, usd_per_kwh=costs.usd_per_kwh, rent=costs.rent_usd_per_hour)
        usd = round_charge(exact)
    return RungQuote(
        rung=rung,
        where="local",
        price="",
        **chosen._asdict(),
        n_epochs=n_epochs,
        budget_usd=None,
        lines=(QuoteLine(what="training", usd=usd, worst_usd=usd, how=_tell_local(costs, hours)),),
        month_usd=_ZERO,
        month_how="on this machine",
        hours=hours,
    )


def _tell_local(costs: LocalCosts, hours: Decimal | None) -> str:
    parts = [
        "this machine's rate is not measured"
        if hours is None
        else f"{hours:,.2f} hours at {costs.tokens_per_second:,.0f} tokens a second"
    ]
    if costs.rent_usd_per_hour is not None:
        parts.append(f"rent ${costs.rent_usd_per_hour} per hour")
    if costs.watts is not None:
        energy = f"{costs.watts} W" + ("" if hours is None else f" = {costs.watts * hours / 1000:,.3f} kWh")
        parts.append(energy + (f" at ${costs.usd_per_kwh}" if costs.usd_per_kwh is not None else ", price not given"))
    return "; ".join(parts)
