"""The section on what was chosen to train on: each rung's budget, its pairs, and how good the choice is.

Quotes amounts and counts as they were recorded; computes no price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from econchatr.records import ComparedStrategy, Price, PriceRow, Selection
from econchatr.report.formats import (
    MISSING,
    count_noun,
    format_count,
    format_date,
    format_decimal,
    format_interval,
    format_share,
    format_usd,
)
from econchatr.report.material import History, ReportMaterial, SubsetTable
from econchatr.report.page_blocks import (
    Block,
    Cell,
    Chart,
    Facts,
    LegendEntry,
    Link,
    Part,
    Section,
    Table,
    fold_table,
    keep,
    name_columns,
    say_absent,
)
from econchatr.report.svg import Group, Mark, draw_intervals


def chosen_section(material: ReportMaterial) -> Section:
    """Give the section."""
    history = tabulate_history(material.history) if material.history else ()
    blocks = keep(
        _tabulate_selections(material) or say_absent("Nothing has been selected."),
        *_list_choices(tell_choices(material)),
        chart_strategies(material.compared),
        *(fold_table(table) for table in history),
    )
    return Section("budget", "What was chosen to train on", blocks, menu="Choice")


def _list_choices(choices: tuple[ToldChoice, ...]) -> Iterator[Block]:
    for choice in choices:
        facts = Facts(choice.facts)
        yield facts if len(choices) == 1 else Part(choice.rung, (facts,))


def _tabulate_selections(material: ReportMaterial) -> Table | None:
    """Give each rung's own budget and what was chosen within it; `None` when nothing was selected."""
    if not material.selections:
        return None
    rows = []
    for chosen in material.selections:
        share = len(chosen.pair_ids) / chosen.n_pool_pairs if chosen.n_pool_pairs else None
        rows.append(
            (
                chosen.rung,
                chosen.budget,
                "trained at home" if chosen.cost_usd is None else format_usd(chosen.cost_usd),
                format_count(chosen.limit_tokens),
                format_count(len(chosen.pair_ids)),
                format_count(chosen.n_tokens),
                format_share(share, 1),
                format_count(chosen.n_epochs),
                chosen.strategy,
            )
        )
    return Table(
        "selections",
        "What each rung was trained on",
        name_columns(
            "rung",
            "budget",
            "cost",
            "#token limit",
            "#pairs",
            "#their tokens",
            "#share of the pool",
            "#epochs",
            "strategy",
        ),
        tuple(rows),
        note="Tokens are billed tokens of one epoch by the tokenizer of the rung, template included: they differ "
        "from the size of the show.",
    )


@dataclass(frozen=True, slots=True)
class ToldChoice:
    """How good one rung's choice is, in words."""

    rung: str
    facts: tuple[tuple[str, str], ...]
    """What is told, and the telling."""


def tell_choices(material: ReportMaterial) -> tuple[ToldChoice, ...]:
    """Say how good each choice is, how long its replies are, and how far it leans towards the exam."""
    leanings = {overlap.rung: overlap for overlap in material.overlaps}
    told = []
    for chosen in material.selections:
        overlap = leanings.get(chosen.rung)
        facts = (
            ("certificate", chosen.tell_cover()),
            ("lengths", chosen.tell_lengths()),
            ("leaning towards the exam", overlap.tell() if overlap else ""),
            ("by hand", _tell_hand(chosen)),
        )
        if any(text for _, text in facts):
            told.append(ToldChoice(chosen.rung, tuple((name, _end(text)) for name, text in facts if text)))
    return tuple(told)


def _end(text: str) -> str:
    return text if text.endswith("...") else f"{text}."


def _tell_hand(chosen: Selection) -> str:
    if not chosen.n_pinned and not chosen.n_banned:
        return ""
    return f"{count_noun(chosen.n_pinned, 'pair')} pinned, {format_count(chosen.n_banned)} banned"


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


_RANDOM = "random"


def chart_strategies(rows: tuple[ComparedStrategy, ...]) -> Chart | None:
    """Draw each strategy's worth with its interval, budget by budget; `None` when nothing was compared."""
    if not rows:
        return None
    shares = list(dict.fromkeys(row.share for row in rows))
    groups = [
        Group(f"{format_share(share, 1)} of the pool", "", tuple(_mark(row) for row in rows if row.share == share))
        for share in shares
    ]
    title = "Does the choice of pairs beat chance?"
    told = " ".join(f"{row.strategy} at {format_share(row.share, 1)}: {format_decimal(row.value, 3)}." for row in rows)
    return Chart(
        "fig-strategies",
        title,
        draw_intervals("fig-strategies", title, told, groups),
        Table(
            "fig-strategies-table",
            "Strategies at equal billed tokens and steps",
            name_columns(
                "strategy",
                "#share of the pool",
                "#trials",
                "#pairs",
                "#tokens",
                "#steps",
                "#host bits saved",
                "#95% interval",
                "#more than random",
                "#95% interval of that",
            ),
            tuple(_show(row) for row in rows),
        ),
        legend=(LegendEntry("dot k-tuned", "a strategy"), LegendEntry("dot k-base", "random choice")),
        note="Host bits saved, in bits per byte: what training saved on the host's held-out replies beyond the "
        "guests'. More is better. Means over trials; the intervals are over episodes and trials.",
    )


def _mark(row: ComparedStrategy) -> Mark:
    style = "k-base" if row.strategy == _RANDOM else "k-tuned"
    return Mark(style, f"{row.strategy} {format_decimal(row.value, 3)}", row.value, row.low, row.high)


def _show(row: ComparedStrategy) -> tuple[str, ...]:
    return (
        row.strategy,
        format_share(row.share, 1),
        format_count(row.n_trials),
        format_count(round(row.mean_pairs)),
        format_count(round(row.mean_tokens)),
        format_count(round(row.mean_steps)),
        format_decimal(row.value, 4),
        _span(row.low, row.high),
        MISSING if row.over_random is None else format_decimal(row.over_random, 4),
        _span(row.over_random_low, row.over_random_high),
    )


def _span(low: float | None, high: float | None) -> str:
    return MISSING if low is None or high is None else format_interval(low, high, 4)
