"""The commands about money: what the ladder will cost, and what training costs where."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from econchatr.cli.app import app
from econchatr.cli.printing import print_json, say
from econchatr.cli.running import HERE, JsonOption, ShowArgument, run_until


@app.command()
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
    from econchatr.cli.layouts import lay_out_quote
    from econchatr.cli.narrator import open_narrator, print_sheet
    from econchatr.pipeline.quoting import keep_seen, measure_rates, quote_budget, quote_selection, read_budget

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


@app.command()
def prices(
    show: ShowArgument = HERE,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help="Warn about models that shut down before this day."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List training prices per provider and model, with source and date, and warn about stale rows."""
    from econchatr.cli.layouts import lay_out_prices, tell_warnings
    from econchatr.cli.narrator import print_sheet
    from econchatr.tools.price_list import list_prices

    listed = list_prices(show, today=datetime.now(UTC).date(), until=until.date() if until else None)
    if as_json:
        return print_json([{**item.row.model_dump(mode="json"), "warnings": item.warnings} for item in listed])
    print_sheet(lay_out_prices(listed))
    for warning in tell_warnings(listed):
        say(f"Warning: {warning}")
