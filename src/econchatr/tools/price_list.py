"""List the prices that count for a show, with the warnings that go with each."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

from econchatr.config import config_folder
from econchatr.errors import ShowFolderError
from econchatr.money.prices import PRICES_NAME, load_prices, warn_of_prices
from econchatr.records import PriceRow


def user_prices() -> Path:
    """The price file of the user's own, for all shows."""
    return config_folder() / PRICES_NAME


class ListedPrice(NamedTuple):
    """A row, and what the user should know before relying on it."""

    row: PriceRow
    warnings: tuple[str, ...]


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
    rows = load_prices((user_prices(), root / PRICES_NAME))
    warnings = warn_of_prices(rows, today=today, until=until)
    return [ListedPrice(row, tuple(item.text for item in warnings if item.name == row.name)) for row in rows]
