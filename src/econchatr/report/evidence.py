"""Show whether the choice of pairs beat chance: strategies beside random choice at equal budgets.

Reads what a comparison left; trains and measures nothing.
"""

from __future__ import annotations

from econchatr.records import ComparedStrategy
from econchatr.report.blocks import Chart, LegendEntry, Table, name_columns
from econchatr.report.formats import MISSING, format_count, format_decimal, format_interval, format_share
from econchatr.report.svg import Group, Mark, draw_intervals

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
