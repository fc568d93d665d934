"""Tell what a budget buys: the hosted price table, its subsets of this show, and what each rung was trained on.

Quotes amounts and counts as they were recorded; computes no price.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from econchatr.records import BillRow, Price, PriceRow, Selection
from econchatr.report.blocks import Cell, Link, Table, name_columns
from econchatr.report.formats import MISSING, count_noun, format_count, format_date, format_share, format_usd
from econchatr.report.material import ReportMaterial, SubsetTable


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


def tabulate_subsets(subsets: SubsetTable, *, index: int) -> Table:
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


def tabulate_epochs(material: ReportMaterial) -> Table | None:
    """Give what one epoch cost in 2023, as the drafts report it and for this show; `None` where neither is known."""
    rows = material.epochs
    if not rows:
        return None
    implied = [count for row in rows for count in (row.implied_training_tokens, row.implied_use_tokens)]
    return Table(
        "epochs",
        "One epoch at the prices of 2023: as the drafts of the first experiment report it, and for this show",
        name_columns(
            "model", "#reported, training", "#this show, training", "#reported, use", "#this show, use",
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
    )  # fmt: skip


def tabulate_bill(bill: tuple[BillRow, ...]) -> Table | None:
    """Give what each hosted rung was quoted and is charged so far; `None` when nothing is to be paid."""
    if not bill:
        return None
    quoted = sum((row.quoted_usd for row in bill if row.quoted_usd is not None), Decimal(0))
    charged = sum((row.charged_usd for row in bill), Decimal(0))
    refunded = sum((row.refunded_usd for row in bill), Decimal(0))
    reserved = sum((row.reserved_usd for row in bill), Decimal(0))
    rows = [
        (row.rung, row.what, _show_usd(row.quoted_usd), _show_usd(row.charged_usd), _show_usd(row.refunded_usd),
         _show_usd(row.reserved_usd), "; ".join(row.sources) or MISSING)
        for row in bill
    ]  # fmt: skip
    total = ("all", "", *map(_show_usd, (quoted, charged, refunded, reserved)), MISSING)
    return Table(
        "bill",
        "Quote and bill of the hosted rungs, US dollars",
        name_columns("rung", "for", "#quoted", "#charged", "#refunded", "#set aside", "read from"),
        (*rows, total),
        note="Nothing has been charged so far." if not charged else "Set aside is what open jobs may still be charged.",
    )


def _show_usd(usd: Decimal | None) -> str:
    return format_usd(None if usd is None else str(usd))


def tabulate_selections(material: ReportMaterial) -> Table | None:
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
