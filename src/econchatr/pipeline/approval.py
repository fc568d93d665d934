"""No hosted rung is charged before its quote was shown, held against the budget, and answered with yes.

This module does not know who is asked, nor how: whoever runs the show hands in a function that does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from econchatr.config import CONFIG_NAME, Rung
from econchatr.errors import BudgetError
from econchatr.pipeline.prices import rung_price
from econchatr.pipeline.quoting import quote_selection, tell_sum
from econchatr.pipeline.show import Show
from econchatr.select.quote import Quote

Approve = Callable[[Quote], bool]
"""Shows a quote to the user; true: yes."""


def list_charged(show: Show, rung: str = "") -> list[Rung]:
    """The rungs that somebody would send a bill for: hosted, and still to be bought; of one rung, or of the ladder.

    Raises:
        InputError: A rung names no known price.
    """
    rungs: Sequence[Rung] = [show.rung(rung)] if rung else show.config.ladder
    return [item for item in rungs if item.where == "hosted" and not rung_price(show, item).is_historical]


def approve_quote(show: Show, approve: Approve | None, *, today: date) -> Quote:
    """Quote the stored selections, hold them against the budget, and ask.

    Args:
        approve: `None`: there is nobody to ask.

    Raises:
        BudgetError: The quote exceeds the budget, or nobody said yes to it.
    """
    quote = quote_selection(show, today=today)
    check_budget(show, quote)
    if approve is None or not approve(quote):
        raise BudgetError(
            f"nobody said yes to the quote. {tell_sum(quote)} Nothing was uploaded.",
            hint=f"Say yes, or run with --yes; or change budget_usd or the ladder in {CONFIG_NAME}.",
        )
    return quote


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
