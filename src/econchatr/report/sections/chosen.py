"""The section on what was chosen to train on: each rung's budget, its pairs, and how good the choice is.

Amounts and counts are quoted as they were recorded.
"""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.records import ComparedStrategy, Price, PriceRow, Selection
from econchatr.report.formats import (
    count_noun,
    format_count,
    format_date,
    format_decimal,
    format_interval,
    format_share,
    format_usd,
)
from econchatr.report.material import PricesOf2023, ReportMaterial, SubsetTable
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
    say_absent,
    tabulate,
)
from econchatr.report.svg import Datum, Group, draw_intervals


def chosen_section(material: ReportMaterial) -> Section:
    """Give the section."""
    history = _tabulate_history(material.history) if material.history else ()
    blocks = keep(
        tabulate_selections(material) or say_absent("Nothing has been selected."),
        *_list_choices(material),
        *_show_taken(material),
        _chart_strategies(material.compared),
        *(fold_table(table) for table in history),
    )
    return Section("budget", "What was chosen to train on", blocks, menu="Choice")


def _list_choices(material: ReportMaterial) -> Iterator[Block]:
    choices = {chosen.rung: tell_choice(material, chosen) for chosen in material.selections}
    told = {rung: facts for rung, facts in choices.items() if facts}
    for rung, facts in told.items():
        yield Facts(facts) if len(told) == 1 else Part(rung, (Facts(facts),))


_N_TAKEN, _N_ASKED = 5, 2
_TAKEN_WORDS = 25


def _show_taken(material: ReportMaterial) -> Iterator[Block]:
    """Show some answer pairs it was trained on, and who asked or what made their questions."""
    if not material.taken:
        return
    asked = [pair for pair in material.taken if pair.origin == "asked"][:_N_ASKED]
    made = [pair for pair in material.taken if pair.origin == "made"]
    step = max(1, len(made) // _N_TAKEN)
    yield tabulate(
        "taken",
        "Some statements it learned as answers, and their questions",
        (*asked, *made[::step])[:_N_TAKEN],
        {
            "question": lambda pair: pair.cue,
            "from": lambda pair: f"made by {pair.made_by}" if pair.origin == "made" else f"asked by {pair.cue_speaker}",
            "the answer begins": lambda pair: _begin(pair.reply),
        },
        note="A made question was asked by nobody; what stands behind it the host did say.",
    )


def _begin(text: str) -> str:
    words = text.split()
    return " ".join(words[:_TAKEN_WORDS]) + (" ..." if len(words) > _TAKEN_WORDS else "")


def tabulate_selections(material: ReportMaterial) -> Table | None:
    """Give each rung's own budget and what was chosen within it; `None` when nothing was selected."""
    if not material.selections:
        return None
    return tabulate(
        "selections",
        "What each rung was trained on",
        material.selections,
        {
            "rung": lambda chosen: chosen.rung,
            "budget": lambda chosen: chosen.budget,
            "cost": lambda chosen: "trained at home" if chosen.cost_usd is None else format_usd(chosen.cost_usd),
            "#token limit": lambda chosen: format_count(chosen.limit_tokens),
            "#pairs": lambda chosen: format_count(len(chosen.pair_ids)),
            "#their tokens": lambda chosen: format_count(chosen.n_tokens),
            "#share of the pool": lambda chosen: format_share(
                len(chosen.pair_ids) / chosen.n_pool_pairs if chosen.n_pool_pairs else None, 1
            ),
            "#epochs": lambda chosen: format_count(chosen.n_epochs),
            "strategy": lambda chosen: chosen.strategy,
        },
        note="Tokens are billed tokens of one epoch by the tokenizer of the rung, template included: they differ "
        "from the size of the show.",
    )


def tell_choice(material: ReportMaterial, chosen: Selection) -> tuple[tuple[str, str], ...]:
    """Say how good a choice is, how long its replies are, how far it leans towards the exam: each with its name."""
    overlap = {one.rung: one for one in material.overlaps}.get(chosen.rung)
    by_hand = f"{count_noun(chosen.n_pinned, 'pair')} pinned, {format_count(chosen.n_banned)} banned"
    facts = (
        ("answers", chosen.tell_answers()),
        ("certificate", chosen.tell_cover()),
        ("lengths", chosen.tell_lengths()),
        ("leaning towards the exam", overlap.tell() if overlap else ""),
        ("by hand", by_hand if chosen.n_pinned or chosen.n_banned else ""),
    )
    return tuple((name, text if text.endswith("...") else f"{text}.") for name, text in facts if text)


# --- the prices of 2023 -----------------------------------------------------------------------------------------------


def _tabulate_history(history: PricesOf2023) -> Iterator[Table]:
    """Give the tables of the 2023 experiment: subsets, prices, cost of one epoch."""
    for index, subsets in enumerate(history.subsets, start=1):
        yield tabulate_subsets(subsets, index=index)
    yield from tabulate_prices(history.prices)
    epochs = tabulate_epochs(history)
    if epochs is not None:
        yield epochs


def tabulate_subsets(subsets: SubsetTable, *, index: int) -> Table:
    """Give what the budget buys from each model of a price profile, for this show."""
    return tabulate(
        f"subsets-{index}",
        f"What {subsets.budget} per model would buy of this show (profile {subsets.profile})",
        subsets.rows,
        {
            "model": lambda row: row.model,
            "#token limit": lambda row: format_count(row.limit_tokens),
            "#pairs": lambda row: format_count(row.n_pairs),
            "#their tokens": lambda row: format_count(row.n_tokens),
            "#share of the pool": lambda row: format_share(row.share, 1),
        },
        note=f"{subsets.n_epochs} epochs; selection strategy {subsets.strategy}. The token limit is for one epoch. "
        "A calculation at these prices: nothing was bought.",
    )


def tabulate_prices(prices: tuple[PriceRow, ...]) -> tuple[Table, ...]:
    """Give one price table per profile, with where and when each price was read."""
    profiles = dict.fromkeys(row.profile for row in prices)
    return tuple(
        tabulate(
            f"prices-{index}",
            f"Prices of profile {profile}, US dollars per million tokens",
            [row for row in prices if row.profile == profile],
            {
                "model": lambda row: row.model,
                "#training": lambda row: _show_per_mtok(row.training),
                "#use, tuned": lambda row: _show_per_mtok(row.output),
                "#use, base": lambda row: _show_per_mtok(row.base_output),
                "read on": lambda row: format_date(row.read_on),
                "source": lambda row: _link_source(row.source),
            },
        )
        for index, profile in enumerate(profiles, start=1)
    )


def _show_per_mtok(price: Price | None) -> str:
    return format_usd(None if price is None else price.usd_per_mtok.normalize())


def _link_source(source: str) -> Cell:
    return Link(source.split("/")[2], source) if source.startswith(("https://", "http://")) else source


def tabulate_epochs(history: PricesOf2023) -> Table | None:
    """Give what one epoch cost in 2023, as the drafts report it and for this show; `None`: no price is known."""
    rows = history.epochs
    if not rows:
        return None
    implied = [count for row in rows for count in (row.implied_training_tokens, row.implied_use_tokens)]
    return tabulate(
        "epochs",
        "One epoch at the prices of 2023: as the drafts of the first experiment report it, and for this show",
        rows,
        {
            "model": lambda row: row.model,
            "#reported, training": lambda row: format_usd(row.reported_training_usd),
            "#this show, training": lambda row: format_usd(row.training_usd),
            "#reported, use": lambda row: format_usd(row.reported_use_usd),
            "#this show, use": lambda row: format_usd(row.use_usd),
            "#tokens the report implies": lambda row: (
                f"{format_count(row.implied_training_tokens)}, {format_count(row.implied_use_tokens)}"
            ),
        },
        note=f"The reported amounts are of another show and imply between {format_count(min(implied))} and "
        f"{format_count(max(implied))} tokens, not one count; they are quoted as they stand. This show has "
        f"{format_count(rows[0].n_tokens)} tokens to train on.",
    )


# --- strategies compared ----------------------------------------------------------------------------------------------


def _chart_strategies(rows: tuple[ComparedStrategy, ...]) -> Chart | None:
    """Draw each strategy's worth with its interval, budget by budget; `None` when nothing was compared."""
    if not rows:
        return None
    shares = dict.fromkeys(row.share for row in rows)
    groups = [
        Group(f"{format_share(share, 1)} of the pool", "", tuple(_draw(row) for row in rows if row.share == share))
        for share in shares
    ]
    return Chart(
        "fig-strategies",
        "Does the choice of pairs beat chance?",
        " ".join(f"{row.strategy} at {format_share(row.share, 1)}: {format_decimal(row.value, 3)}." for row in rows),
        draw_intervals(groups),
        tabulate(
            "fig-strategies-table",
            "Strategies at equal billed tokens and steps",
            rows,
            {
                "strategy": lambda row: row.strategy,
                "#share of the pool": lambda row: format_share(row.share, 1),
                "#trials": lambda row: format_count(row.n_trials),
                "#pairs": lambda row: format_count(round(row.mean_pairs)),
                "#tokens": lambda row: format_count(round(row.mean_tokens)),
                "#steps": lambda row: format_count(round(row.mean_steps)),
                "#host bits saved": lambda row: format_decimal(row.value, 4),
                "#95% interval": lambda row: format_interval(row.low, row.high, 4),
                "#more than random": lambda row: format_decimal(row.over_random, 4),
                "#95% interval of that": lambda row: format_interval(row.over_random_low, row.over_random_high, 4),
            },
        ),
        legend=(LegendEntry("dot k-tuned", "a strategy"), LegendEntry("dot k-base", "random choice")),
        note="Host bits saved, in bits per byte: what training saved on the host's held-out replies beyond the "
        "guests'. More is better. Means over trials; the intervals are over episodes and trials.",
    )


def _draw(row: ComparedStrategy) -> Datum:
    style = "k-base" if row.strategy == "random" else "k-tuned"
    return Datum(style, f"{row.strategy} {format_decimal(row.value, 3)}", row.value, row.low, row.high)
