"""Tell what the 2023 experiment's prices would buy of its own show: prices, subsets, and the cost of one epoch.

Quotes amounts and counts as they were recorded; computes no price.
"""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.records import Price, PriceRow
from econchatr.report.blocks import Cell, Link, Table, name_columns
from econchatr.report.formats import format_count, format_date, format_share, format_usd
from econchatr.report.material import History, SubsetTable


def tabulate_history(history: History) -> Iterator[Table]:
    """Give the tables of the 2023 experiment: subsets, prices, cost of one epoch."""
    for index, subsets in enumerate(history.subsets, start=1):
        yield _tabulate_subsets(subsets, index=index)
    yield from tabulate_prices(history.prices)
    epochs = tabulate_epochs(history)
    if epochs is not None:
        yield epochs


def tabulate_prices(prices: tuple[PriceRow, ...]) -> tuple[Table, ...]:
    """Give one price table per profile, with where and when each price was read."""
    profiles = dict.fromkeys(row.profile for row in prices)
    return tuple(
        Table(
            f"prices-{index}",
            f"Prices of profile {profile}, US dollars per million tokens",
            name_columns("model", "#training", "#use, tuned", "#use, base", "read on", "source"),
            tuple(_show_price(row) for row in prices if row.profile == profile),
        )
        for index, profile in enumerate(profiles, start=1)
    )


def _tabulate_subsets(subsets: SubsetTable, *, index: int) -> Table:
    """Give what the budget buys from each model of a price profile, for this show."""
    return Table(
        f"subsets-{index}",
        f"What {subsets.budget} per model would buy of this show (profile {subsets.profile})",
        name_columns("model", "#token limit", "#pairs", "#their tokens", "#share of the pool"),
        tuple(
            (
                row.model,
                format_count(row.limit_tokens),
                format_count(row.n_pairs),
                format_count(row.n_tokens),
                format_share(row.share, 1),
            )
            for row in subsets.rows
        ),
        note=f"{subsets.n_epochs} epochs; selection strategy {subsets.strategy}. The token limit is for one epoch. "
        "A calculation at these prices: nothing was bought.",
    )


def tabulate_epochs(history: History) -> Table | None:
    """Give what one epoch cost in 2023, as the drafts report it and for this show; `None`: no price is known."""
    rows = history.epochs
    if not rows:
        return None
    implied = [count for row in rows for count in (row.implied_training_tokens, row.implied_use_tokens)]
    return Table(
        "epochs",
        "One epoch at the prices of 2023: as the drafts of the first experiment report it, and for this show",
        name_columns(
            "model",
            "#reported, training",
            "#this show, training",
            "#reported, use",
            "#this show, use",
            "#tokens the report implies",
        ),
        tuple(
            (
                row.model,
                format_usd(row.reported_training_usd),
                format_usd(row.training_usd),
                format_usd(row.reported_use_usd),
                format_usd(row.use_usd),
                f"{format_count(row.implied_training_tokens)}, {format_count(row.implied_use_tokens)}",
            )
            for row in rows
        ),
        note=f"The reported amounts are of another show and imply between {format_count(min(implied))} and "
        f"{format_count(max(implied))} tokens, not one count; they are quoted as they stand. This show has "
        f"{format_count(rows[0].n_tokens)} tokens to train on.",
    )


def _show_per_mtok(price: Price | None) -> str:
    return format_usd(None if price is None else f"{price.usd_per_mtok.normalize():f}")


def _show_price(row: PriceRow) -> tuple[Cell, ...]:
    is_address = row.source.startswith(("https://", "http://"))
    return (
        row.model,
        _show_per_mtok(row.training),
        _show_per_mtok(row.output),
        _show_per_mtok(row.base_output),
        format_date(row.read_on),
        Link(row.source.split("/")[2], row.source) if is_address else row.source,
    )
