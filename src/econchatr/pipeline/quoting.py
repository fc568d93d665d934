"""A quote for a whole ladder: of the selection as it is stored, or of what another budget would buy.

This module spends nothing and changes nothing: it counts, prices and lays out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from econchatr.config import Rung
from econchatr.errors import EconChatRError, InputError
from econchatr.money.price_file import parse_usd
from econchatr.money.prices import warn_of_prices
from econchatr.money.quote import Chosen, Cost, LocalCosts, Quote, QuoteLine, RungQuote, quote_hosted, quote_local
from econchatr.money.sharing import Sharing
from econchatr.pipeline.choosing import choose_for_ladder, list_candidates
from econchatr.pipeline.costs import HostedCosts, cost_rung, plan_money, share_costs
from econchatr.pipeline.forms import rung_epochs
from econchatr.pipeline.prices import rung_price
from econchatr.pipeline.rate import kept_rate, measured_rate
from econchatr.pipeline.sheets import Sheet
from econchatr.pipeline.show import Narrator, Show
from econchatr.records import Example, Pair, Selection
from econchatr.tables import read_table


def quote_selection(show: Show, *, today: date) -> Quote:
    """What training on the stored selections will cost.

    Raises:
        InputError: A price file or questions.toml is wrong.
        BudgetError: The budget is too small.
    """
    folder = show.folder("select")
    selections = {row.rung: row for row in read_table(folder / "selections.parquet", Selection)}
    examples = read_table(folder / "examples.parquet", Example)
    hosted = []
    for rung in _hosted(show):
        dev = [example for example in examples if example.rung == rung.name and example.split == "dev"]
        n_pool = selections[rung.name].n_pool_tokens
        hosted.append(cost_rung(show, rung, rung_price(show, rung), dev, n_pool_tokens=n_pool))
    return _quote(show, selections, hosted, share_costs(show, hosted), today=today)


def read_budget(text: str) -> Decimal:
    """An amount from the command line.

    Raises:
        InputError: It is no positive amount of US dollars.
    """
    try:
        return parse_usd(text)
    except ValueError as exc:
        raise InputError(
            f"--budget: {exc}.", hint="Write it like --budget 40 or --budget 40.50, in US dollars."
        ) from exc


def quote_budget(show: Show, budget_usd: Decimal, narrator: Narrator, *, today: date) -> Quote:
    """What another budget would buy, of the pairs as they are stored; nothing is kept of it.

    Raises:
        InputError: A price file or questions.toml is wrong.
        BudgetError: The budget is too small.
    """
    show = replace(show, config=show.config.model_copy(update={"budget_usd": budget_usd}))
    pairs = read_table(show.folder("pair") / "pairs.parquet", Pair)
    pool, dev = list_candidates(show, pairs), [pair for pair in pairs if pair.is_kept and pair.split == "dev"]
    plan = plan_money(show, pool, dev)
    choice = choose_for_ladder(show, pool, plan, narrator)
    selections = {one.selection.rung: one.selection for one in choice.rungs}
    return _quote(show, selections, list(plan.hosted.values()), plan.sharing, today=today)


def measure_rates(show: Show, narrator: Narrator) -> None:
    """Measure this machine's rate for each rung trained at home that names none; under a minute each, once.

    A rung whose base is not at hand is told of and passed over.
    """
    examples = read_table(show.folder("select") / "examples.parquet", Example)
    for rung in show.config.ladder:
        if rung.where == "hosted" or rung.tokens_per_second:
            continue
        own = [example for example in examples if example.rung == rung.name and example.split == "train"]
        try:
            rate = measured_rate(show, rung, own)
        except EconChatRError as exc:
            narrator.note(f"{rung.name}: not measured: {exc.message} {exc.hint}")
        else:
            narrator.note(f"{rung.name}: {rate:,.0f} tokens a second")


def _hosted(show: Show) -> Iterator[Rung]:
    return (rung for rung in show.config.ladder if rung.where == "hosted")


def _quote(
    show: Show, selections: dict[str, Selection], hosted: Sequence[HostedCosts], sharing: Sharing, *, today: date
) -> Quote:
    costs = {item.rung.name: item for item in hosted}
    shares = {share.rung: share for share in sharing.shares}
    rungs = []
    for rung in show.config.ladder:
        selection = selections[rung.name]
        chosen = Chosen(
            len(selection.pair_ids), selection.n_pool_pairs, selection.n_tokens, selection.n_pool_tokens
        )  # fmt: skip
        if rung.name in costs:
            row, counts = costs[rung.name].row, costs[rung.name].counts
            rungs.append(quote_hosted(row, counts, chosen, budget_usd=shares[rung.name].usd))
        else:
            rungs.append(
                quote_local(rung.name, chosen, n_epochs=rung_epochs(show, rung), costs=_local_costs(show, rung))
            )
    rows = tuple(dict.fromkeys(item.row for item in hosted))
    return Quote(
        show=show.config.show.name,
        made_on=today,
        budget_usd=show.config.budget_usd,
        unused_usd=sharing.unused_usd if hosted else None,
        rungs=tuple(rungs),
        why=sharing.why,
        doubts=tuple(f"{item.name}: {item.text}." for item in warn_of_prices(rows, today=today)),
        prices=rows,
    )


def _local_costs(show: Show, rung: Rung) -> LocalCosts:
    rate = rung.tokens_per_second or kept_rate(show, rung)
    return LocalCosts(
        None if rate is None else Decimal(str(round(rate, 1))), rung.watts, rung.usd_per_kwh, rung.rent_usd_per_hour
    )


# --- for people -------------------------------------------------------------------------------------------------------

_WHATS: tuple[Cost, ...] = ("training", "validation", "exam", "storage")


def lay_out_quote(quote: Quote) -> Sheet:
    """The quote, for people."""
    amounts = (*_WHATS, "sum", "at worst", "of budget", "a month's use")
    return Sheet(
        f"Quote for {quote.show}, US dollars",
        ("rung", "trained", "#pairs", "#share", "#tokens x epochs", *(f"#{name}" for name in amounts), "model gone"),
        tuple(_lay_out_rung(rung) for rung in quote.rungs),
        tuple(tell_quote(quote)),
    )


def tell_quote(quote: Quote) -> Iterator[str]:
    """What the table of a quote does not say: how each amount came about, the sum against the budget, doubts."""
    for rung in quote.rungs:
        for line in rung.lines:
            yield f"{rung.rung}, {line.what}: {line.how}."
        if rung.where == "hosted":
            yield f"{rung.rung}, a month's use, not in the sum: {rung.month_how}."
        yield from (f"{rung.rung}: {note}." for note in rung.notes)
    yield from quote.why
    yield from quote.doubts
    at_home = sum((rung.usd for rung in quote.rungs if rung.where == "local"), Decimal(0))
    if at_home:
        yield f"At home: ${at_home:.2f}, which budget_usd does not cover."
    if any(rung.where == "hosted" for rung in quote.rungs):
        yield tell_sum(quote)
    else:
        yield "Nothing is charged: every rung is trained at home."


def tell_sum(quote: Quote) -> str:
    """The sum of the hosted rungs against the budget, in one sentence."""
    least = "at least " if quote.not_known else ""
    budget = "" if quote.budget_usd is None else f"; the budget is ${quote.budget_usd:.2f}"
    lacks = f" Not known, and in no sum: {', '.join(quote.not_known)}." if quote.not_known else ""
    return f"Hosted: {least}${quote.hosted_usd:.2f}, at worst ${quote.hosted_worst_usd:.2f}{budget}.{lacks}"


def _lay_out_rung(rung: RungQuote) -> tuple[str, ...]:
    lines = {line.what: line for line in rung.lines}
    minutes = "" if rung.hours is None else f", {rung.hours * 60:,.0f} min"
    return (
        rung.rung,
        rung.price or f"at home{minutes}",
        f"{rung.n_pairs:,} of {rung.n_pool_pairs:,}",
        f"{rung.share:.1%}",
        f"{rung.n_tokens:,} x {rung.n_epochs}",
        *(_tell_line(lines.get(what)) for what in _WHATS),
        _tell_usd(rung.usd),
        _tell_usd(rung.worst_usd),
        "-" if rung.budget_usd is None else _tell_usd(rung.budget_usd),
        "not known" if rung.month_usd is None and not rung.is_historical else _tell_usd(rung.month_usd or Decimal(0)),
        str(rung.shutdown_on or "-"),
    )


def _tell_line(line: QuoteLine | None) -> str:
    if line is None:
        return "-"
    return "not known" if line.usd is None else _tell_usd(line.usd)


def _tell_usd(usd: Decimal) -> str:
    return f"{usd:,.2f}" if usd == round(usd, 2) else f"{usd:,f}"
