"""The commands that look and change nothing: what is done, what training would cost, and the price lists."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from econchatr.cli.app import MONEY, STEPS, app
from econchatr.cli.narrator import open_narrator
from econchatr.cli.running import HERE, JsonOption, ShowArgument, print_json, print_status, run_until, say
from econchatr.errors import ShowFolderError

if TYPE_CHECKING:
    from econchatr.money.prices import PriceWarning
    from econchatr.records import PriceRow


@app.command(rich_help_panel=STEPS)
def status(show: ShowArgument = HERE, as_json: JsonOption = False) -> None:
    """List the steps: which are done, and why the others are not."""
    print_status(show, rung="", as_json=as_json)


@app.command(rich_help_panel=MONEY)
def quote(
    show: ShowArgument = HERE,
    budget: Annotated[
        str,
        typer.Option(
            "--budget", help="Quote for this many dollars instead; changes nothing.", show_default="as show.toml says"
        ),
    ] = "",
    measure: Annotated[bool, typer.Option("--measure", help="First measure how fast this machine trains.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Price the training of every model in show.toml; uploads nothing, spends nothing."""
    from econchatr.cli.layouts import lay_out_quote, print_sheet
    from econchatr.pipeline.quotes import keep_seen, measure_rates, quote_budget, quote_selection, read_budget

    today, usd = datetime.now(UTC).date(), read_budget(budget) if budget else None
    opened, _ = run_until(show, "select" if usd is None else "pair")
    with open_narrator() as narrator:
        if measure:
            measure_rates(opened, narrator)
        made = quote_selection(opened, today=today) if usd is None else quote_budget(opened, usd, narrator, today=today)
    if usd is None:
        keep_seen(opened, made)
    if as_json:
        return print_json({**made.model_dump(mode="json"), "quote_id": made.quote_id})
    print_sheet(lay_out_quote(made))


@app.command(rich_help_panel=MONEY)
def prices(
    show: ShowArgument = HERE,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="Warn about models that shut down before this day."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List training prices per provider and model, with source and date, and warn about stale rows."""
    from econchatr.cli.layouts import lay_out_prices, print_sheet, tell_warnings

    rows, warnings = _read_prices(show, until=until.date() if until else None)
    if as_json:
        texts = {row.name: [item.text for item in warnings if item.name == row.name] for row in rows}
        return print_json([{**row.model_dump(mode="json"), "warnings": texts[row.name]} for row in rows])
    print_sheet(lay_out_prices(rows))
    for warning in tell_warnings(warnings):
        say(f"Warning: {warning}")


def _read_prices(folder: Path, *, until: date | None) -> tuple[tuple[PriceRow, ...], list[PriceWarning]]:
    """Every price that counts in a folder, which need not hold a show, and what to know before relying on it."""
    from econchatr.money.prices import PRICES_NAME, load_prices, warn_of_prices
    from econchatr.user_folders import config_folder

    if not folder.is_dir():
        raise ShowFolderError(f"no folder {folder}.", hint="Leave it out to list the prices of every show.")
    rows = load_prices((config_folder() / PRICES_NAME, folder / PRICES_NAME))
    return rows, warn_of_prices(rows, today=datetime.now(UTC).date(), until=until)
