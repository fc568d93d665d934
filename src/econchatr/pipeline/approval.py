"""No hosted rung is charged before its quote was shown, held against the budget, and answered with yes.

This module does not know who is asked, nor how: whoever runs the show hands in a function that does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from econchatr.config import CONFIG_NAME, Rung
from econchatr.errors import BudgetError
from econchatr.money.ledger import LEDGER_NAME, Ledger
from econchatr.money.prices import PRICES_NAME
from econchatr.money.quote import Quote, list_changed_prices
from econchatr.pipeline.prices import rung_price
from econchatr.pipeline.quoting import quote_selection, tell_sum
from econchatr.pipeline.show import Narrator, Show
from econchatr.records import BillRow

Approve = Callable[[Quote], bool]
"""Shows a quote to the user; true: yes."""


def list_charged(show: Show, rung: str = "") -> list[Rung]:
    """The rungs that somebody would send a bill for: hosted, and still to be bought; of one rung, or of the ladder.

    Raises:
        InputError: A rung names no known price.
    """
    rungs: Sequence[Rung] = [show.rung(rung)] if rung else show.config.ladder
    return [item for item in rungs if item.where == "hosted" and not rung_price(show, item).is_historical]


def approve_quote(show: Show, narrator: Narrator, approve: Approve | None, *, today: date) -> Quote:
    """Quote the stored selections, hold them against budget and ledger, and ask unless this very quote was accepted.

    Args:
        approve: `None`: there is nobody to ask.

    Raises:
        BudgetError: The quote exceeds the budget, a price has changed since the quote last seen, or nobody said yes.
    """
    quote = quote_selection(show, today=today)
    check_budget(show, quote)
    with Ledger(ledger_path(show)) as ledger:
        _check_prices(show, quote, ledger)
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
        with Ledger(ledger_path(show)) as ledger:
            ledger.keep_quote(quote)


def read_bill(show: Show) -> tuple[BillRow, ...]:
    """What was quoted and charged so far; empty: nothing is to be paid.

    Raises:
        ShowFolderError: The ledger cannot be used.
    """
    path = ledger_path(show)
    if not path.is_file():
        return ()
    with Ledger(path) as ledger:
        return ledger.bill()


def ledger_path(show: Show) -> Path:
    """Where a show's ledger is."""
    return show.root / LEDGER_NAME


def _check_prices(show: Show, quote: Quote, ledger: Ledger) -> None:
    seen = ledger.last_quote()
    changes = list_changed_prices(seen.quote, quote.prices) if seen else []
    if seen and changes:
        raise BudgetError(
            f"a price has changed since the quote of {seen.made_at[:10]}: {'; '.join(changes)}. Nothing was uploaded.",
            hint=f"Look at the new quote with `econchatr quote {show.root}` and run again; or correct the price in "
            f"{show.root / PRICES_NAME}.",
        )


def check_budget(show: Show, quote: Quote) -> None:
    """Refuse a quote that at worst exceeds the budget, or one rung's.

    Raises:
        BudgetError: It does.
    """
    limits = [("the hosted rungs", quote.hosted_worst_usd, quote.budget_usd, "budget_usd")]
    limits += [
        (f"rung {rung.rung!r}", rung.worst_usd, show.rung(rung.rung).max_usd, "its max_usd") for rung in quote.rungs
    ]
    for who, worst, limit, key in limits:
        if limit is not None and worst > limit:
            raise BudgetError(
                f"{who} may cost ${worst:.2f}, over the budget of ${limit:.2f}. Nothing was uploaded.",
                hint=f"Raise {key} in {CONFIG_NAME}, or ask for less.",
            )
