"""The section on what was chosen to train on: each rung's budget, its pairs, and how good the choice is.

Quotes amounts and counts as they were recorded; computes no price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from econchatr.records import Selection
from econchatr.report.blocks import Block, Facts, Part, Section, Table, fold_table, keep, name_columns, say_absent
from econchatr.report.evidence import chart_strategies
from econchatr.report.formats import count_noun, format_count, format_share, format_usd
from econchatr.report.history import tabulate_history
from econchatr.report.material import ReportMaterial


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
