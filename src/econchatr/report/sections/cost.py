"""The section on what each rung cost, and what that bought."""

from __future__ import annotations

from decimal import Decimal

from econchatr.records import BillRow
from econchatr.report.formats import MISSING, format_usd
from econchatr.report.ladder import lay_out_ladder
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Box, Items, Section, Table, keep, name_columns, say_absent


def cost_section(material: ReportMaterial) -> Section:
    """Give the section."""
    ladder = lay_out_ladder(material)
    blocks = keep(
        Items(ladder.told) if ladder.told else say_absent("Nothing has been trained."),
        tabulate_bill(material.bill),
        Box("pair even", keep(ladder.by_money, ladder.by_size)),
    )
    return Section("cost", "What it cost, and what that bought", blocks, menu="Cost")


def tabulate_bill(bill: tuple[BillRow, ...]) -> Table | None:
    """Give what each hosted rung was quoted and is charged so far; `None` when nothing is to be paid."""
    if not bill:
        return None
    quoted = sum((row.quoted_usd for row in bill if row.quoted_usd is not None), Decimal(0))
    charged = sum((row.charged_usd for row in bill), Decimal(0))
    refunded = sum((row.refunded_usd for row in bill), Decimal(0))
    reserved = sum((row.reserved_usd for row in bill), Decimal(0))
    rows = [
        (
            row.rung,
            row.what,
            _show_usd(row.quoted_usd),
            _show_usd(row.charged_usd),
            _show_usd(row.refunded_usd),
            _show_usd(row.reserved_usd),
            "; ".join(row.sources) or MISSING,
        )
        for row in bill
    ]
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
