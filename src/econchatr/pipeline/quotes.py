"""Quotes for a whole ladder, and the user's yes to them before anything is charged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from econchatr.config import CONFIG_NAME
from econchatr.errors import BudgetError, EconChatRError, InputError
from econchatr.money.budget import Sharing, share_budget, want_share
from econchatr.money.ledger import LEDGER_NAME, Ledger
from econchatr.money.prices import PRICES_NAME, parse_usd, warn_of_prices
from econchatr.money.quote import (
    HostedRung,
    LocalCosts,
    Quote,
    list_changed_prices,
    quote_hosted,
    quote_local,
    quote_served,
)
from econchatr.pipeline.select import (
    budget_beside_served,
    choose_for_ladder,
    count_hosted,
    count_served,
    kept_rate,
    measured_rate,
)
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Narrator
from econchatr.records import BillRow, Selection


def quote_selection(show: Show, *, today: date) -> Quote:
    """What training on the stored selections will cost.

    Raises:
        InputError: A price file or questions.toml is wrong.
        BudgetError: The budget is too small.
    """
    selections = {row.rung: row for row in show.selections()}
    hosted = [
        count_hosted(rung, rung.examples("dev"), n_pool_tokens=selections[rung.name].n_pool_tokens, today=today)
        for rung in show.hosted_rungs
    ]
    sharing = share_budget([want_share(one) for one in hosted], budget_beside_served(show))
    return _quote(show, selections, hosted, sharing, today=today)


def read_budget(text: str) -> Decimal:
    """An amount from the command line.

    Raises:
        InputError: It is no positive amount of US dollars.
    """
    try:
        return parse_usd(text)
    except ValueError as exc:
        hint = "Write it like --budget 40 or --budget 40.50, in US dollars."
        raise InputError(f"--budget: {exc}.", hint=hint) from exc


def quote_budget(show: Show, budget_usd: Decimal, narrator: Narrator, *, today: date) -> Quote:
    """What another budget would buy, of the pairs as they are stored; nothing is kept of it.

    Raises:
        InputError: A price file or questions.toml is wrong.
        BudgetError: The budget is too small.
    """
    show = replace(show, config=show.config.model_copy(update={"budget_usd": budget_usd}))
    choice = choose_for_ladder(show, narrator, today=today)
    selections = {one.selection.rung: one.selection for one in choice.rungs}
    return _quote(show, selections, choice.hosted, choice.sharing, today=today)


def measure_rates(show: Show, narrator: Narrator) -> None:
    """Measure this machine's rate for each rung trained at home that names none; under a minute each, once.

    A rung whose base is not at hand is told of and passed over.
    """
    for rung in show.local_ladder().rungs:
        if rung.config.tokens_per_second:
            continue
        try:
            rate = measured_rate(rung, rung.examples("train"))
        except EconChatRError as exc:
            narrator.note(f"{rung.name}: not measured: {exc.message} {exc.hint}")
        else:
            narrator.note(f"{rung.name}: {rate:,.0f} tokens a second")


def _quote(
    show: Show, selections: dict[str, Selection], hosted: Sequence[HostedRung], sharing: Sharing, *, today: date
) -> Quote:
    quoted = {
        one.name: quote_hosted(one, selections[one.name], budget_usd=share.usd)
        for one, share in zip(hosted, sharing.shares, strict=True)
    }
    for rung in show.local_ladder().rungs:
        quoted[rung.name] = quote_local(selections[rung.name], _local_costs(rung), n_epochs=rung.n_epochs)
    rows = [one.row for one in hosted]
    for rung in show.rungs:
        if rung.is_served:
            row = rung.price() if rung.config.price else None
            quoted[rung.name] = quote_served(rung.name, row, count_served(rung), max_usd=rung.config.max_usd)
            rows += [row] if row else []
    rows = list(dict.fromkeys(rows))
    return Quote(
        show=show.config.show.name,
        made_on=today,
        budget_usd=show.config.budget_usd,
        unused_usd=sharing.unused_usd if hosted else None,
        rungs=tuple(quoted[rung.name] for rung in show.rungs),
        why=sharing.why,
        doubts=tuple(f"{item.name}: {item.text}." for item in warn_of_prices(rows, today=today)),
        prices=tuple(rows),
    )


def _local_costs(rung: Rung) -> LocalCosts:
    costs = rung.config
    rate = costs.tokens_per_second or kept_rate(rung)
    rounded = None if rate is None else Decimal(str(round(rate, 1)))
    return LocalCosts(rounded, costs.watts, costs.usd_per_kwh, costs.rent_usd_per_hour)


def tell_sum(quote: Quote) -> str:
    """The sum of the hosted rungs against the budget, in one sentence."""
    least = "at least " if quote.not_known else ""
    worst = f"${quote.hosted_worst_usd:.2f}" if not quote.not_known_at_worst else "not known"
    budget = "" if quote.budget_usd is None else f"; the budget is ${quote.budget_usd:.2f}"
    lacks = f" Not known, and in no sum: {', '.join(quote.not_known)}." if quote.not_known else ""
    return f"Hosted: {least}${quote.hosted_usd:.2f}, at worst {worst}{budget}.{lacks}"


# --- approval ---------------------------------------------------------------------------------------------------------

Approve = Callable[[Quote], bool]
"""Shows a quote to the user; true: yes."""


def list_charged(show: Show, rung: str = "") -> list[Rung]:
    """The rungs that somebody would send a bill for: hosted or served at a price; of one rung, or of the ladder.

    Raises:
        InputError: A rung names no known price.
    """
    rungs = [show.rung(rung)] if rung else show.rungs
    return [item for item in rungs if not item.is_local and item.config.price and not item.price().is_historical]


def approve_quote(show: Show, narrator: Narrator, approve: Approve | None, *, today: date) -> Quote:
    """Quote the stored selections, hold them against budget and ledger, and ask unless this very quote was accepted.

    Args:
        approve: `None`: there is nobody to ask.

    Raises:
        BudgetError: The quote exceeds the budget, a price has changed since the quote last seen, or nobody said yes.
    """
    quote = quote_selection(show, today=today)
    _check_budget(show, quote)
    with Ledger(show.root / LEDGER_NAME) as ledger:
        seen = ledger.last_quote()
        if seen and (changes := list_changed_prices(seen.quote, quote.prices)):
            raise BudgetError(
                f"a price has changed since the quote of {seen.made_at[:10]}: {'; '.join(changes)}. "
                "Nothing was uploaded.",
                hint=f"Look at the new quote with `econchatr quote {show.root}` and run again; or correct the price in "
                f"{show.root / PRICES_NAME}.",
            )
        if ledger.is_accepted(quote.quote_id):
            narrator.note(f"accepted before: {tell_sum(quote)}")
            return quote
        ledger.keep_quote(quote)
        if approve is None or not approve(quote):
            raise BudgetError(
                f"nobody said yes to the quote. {tell_sum(quote)} Nothing was uploaded.",
                hint=f"Say yes, or run with --yes; or change budget_usd or the ladder in {CONFIG_NAME}.",
            )
        ledger.accept_quote(quote.quote_id)
    return quote


def keep_seen(show: Show, quote: Quote) -> None:
    """Write down that the user saw a quote, so that its prices are the ones to compare with; not for rungs at home.

    Raises:
        ShowFolderError: The ledger cannot be used.
    """
    if any(rung.is_charged for rung in quote.rungs):
        with Ledger(show.root / LEDGER_NAME) as ledger:
            ledger.keep_quote(quote)


def read_bill(show: Show) -> tuple[BillRow, ...]:
    """What was quoted and charged so far; empty: nothing is to be paid.

    Raises:
        ShowFolderError: The ledger cannot be used.
    """
    path = show.root / LEDGER_NAME
    if not path.is_file():
        return ()
    with Ledger(path) as ledger:
        return ledger.bill()


def _check_budget(show: Show, quote: Quote) -> None:
    """Refuse a quote that at worst exceeds the budget, or one rung's."""
    limits = [("the hosted rungs", quote.hosted_worst_usd, quote.budget_usd, "budget_usd")]
    limits += [
        (f"rung {rung.rung!r}", rung.worst_usd, show.rung(rung.rung).config.max_usd, "its max_usd")
        for rung in quote.rungs
    ]
    for who, worst, limit, key in limits:
        if limit is not None and worst > limit:
            raise BudgetError(
                f"{who} may cost ${worst:.2f}, over the budget of ${limit:.2f}. Nothing was uploaded.",
                hint=f"Raise {key} in {CONFIG_NAME}, or ask for less.",
            )
