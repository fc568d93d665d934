"""The price table a show is quoted at: as shipped, then the user's own, then the show's.

This module does not know what anything costs: it says which files count, and which row a rung names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from econchatr.config import CONFIG_NAME, Rung
from econchatr.errors import InputError, ShowFolderError
from econchatr.money.prices import PRICES_NAME, find_price, load_prices, warn_of_prices
from econchatr.pipeline.sheets import Sheet
from econchatr.pipeline.show import Show
from econchatr.records import Price, PriceRow


class ListedPrice(NamedTuple):
    """A row, and what the user should know before relying on it."""

    row: PriceRow
    warnings: tuple[str, ...]


def user_prices() -> Path:
    """The price file of the user's own, for all shows: in `$ECONCHATR_CONFIG`, or the user's config folder."""
    if place := os.environ.get("ECONCHATR_CONFIG"):
        return Path(place) / PRICES_NAME
    import platformdirs

    return Path(platformdirs.user_config_dir("econchatr", appauthor=False)) / PRICES_NAME


def show_prices(root: Path) -> tuple[PriceRow, ...]:
    """Every row that counts for the show in a folder; the show's own outrank the user's, and those the shipped ones.

    Raises:
        InputError: One of the files is wrong.
    """
    return load_prices((user_prices(), root / PRICES_NAME))


def rung_price(show: Show, rung: Rung) -> PriceRow:
    """The row a hosted rung names.

    Raises:
        InputError: It names none, or a price file is wrong.
    """
    rows = show_prices(show.root)
    try:
        return find_price(rung.price, rows)
    except InputError as exc:
        raise InputError(f"{show.root / CONFIG_NAME}, rung {rung.name!r}, price: {exc.message}", hint=exc.hint) from exc


def list_prices(root: Path, *, today: date, until: date | None = None) -> list[ListedPrice]:
    """Every row that counts in a folder, which need not hold a show, with its warnings.

    Args:
        until: The last day on which a model must still answer.

    Raises:
        ShowFolderError: No such folder.
        InputError: A price file is wrong.
    """
    if not root.is_dir():
        raise ShowFolderError(f"no folder {root}.", hint="Leave it out to list the prices of every show.")
    rows = show_prices(root)
    warnings = warn_of_prices(rows, today=today, until=until)
    return [ListedPrice(row, tuple(item.text for item in warnings if item.name == row.name)) for row in rows]


def tell_warnings(listed: Sequence[ListedPrice]) -> Iterator[str]:
    """Every warning once, after the names of the rows it is true of."""
    for text in dict.fromkeys(text for item in listed for text in item.warnings):
        yield f"{', '.join(item.row.name for item in listed if text in item.warnings)}: {text}."


def lay_out_prices(listed: Sequence[ListedPrice]) -> Sheet:
    """The price list, for people."""
    rows = []
    for row, _ in listed:
        marks = ["historical"] * row.is_historical + [f"from {row.file}"] * bool(row.file)
        use = "/".join(_tell(price) for price in (row.input, row.cached, row.output))
        rows.append((
            row.name, _tell(row.training), "-" if use == "-/-/-" else use,
            _tell_hourly(row), _tell(row.storage), str(row.read_on), str(row.shutdown_on or "-"), ", ".join(marks),
        ))  # fmt: skip
    return Sheet(
        "Prices, US dollars: training and use (in/cached/out) per 1M tokens, endpoint per hour, storage per GB-month",
        ("price", "#training", "#use", "#endpoint", "#storage", "read on", "shut down", ""),
        tuple(rows),
        (f"- is not known. Add or override rows in {user_prices()} or in the show's folder.",
         "Sources and everything else a row says: `econchatr prices --json`."),
    )  # fmt: skip


def _tell(price: Price | None) -> str:
    if price is None:
        return "-"
    if not price.usd:
        return "free"
    per = price.usd_per_mtok if price.unit == "token" else price.usd_per_unit
    return f"{per.normalize():f}" if per.normalize().as_tuple().exponent < -2 else f"{per:.2f}"  # type: ignore[operator]


def _tell_hourly(row: PriceRow) -> str:
    if row.endpoint is None:
        return "-"
    per_hour = row.endpoint.usd_per_unit * {"second": 3600, "minute": 60}.get(row.endpoint.unit, 1)
    return f"{per_hour:.2f}" + ("" if row.endpoint_step == "hour" else f", by the {row.endpoint_step}")
