"""Run a show for a command: open it, tell what happens, ask before money is spent, print what was done."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from econchatr.cli.printing import describe_result, print_json, say

if TYPE_CHECKING:
    from econchatr.money.quote import Quote
    from econchatr.pipeline import RunResult, Show


def run_until(
    show: Path, stage: str, *, rung: str = "", ask_again: bool = False, refresh: bool = False, yes: bool = False
) -> tuple[Show, RunResult]:
    """Open a show and do all that is not done up to a stage; ask before hosted rungs are charged, unless `yes`."""
    from econchatr.cli.narrator import open_narrator
    from econchatr.pipeline import open_show, run_show

    opened = open_show(show)
    with open_narrator() as narrator:
        return opened, run_show(
            opened,
            narrator,
            until=stage,
            rung=rung,
            ask_again=ask_again,
            refresh=refresh,
            approve=partial(_approve, yes=yes),
        )


def _approve(quote: Quote, *, yes: bool) -> bool:
    """Show the quote; True if the user accepts it, or did so beforehand with --yes."""
    from econchatr.cli.layouts import lay_out_quote
    from econchatr.cli.narrator import print_sheet

    print_sheet(lay_out_quote(quote), to_stderr=True)
    say("Hosted training is not built yet: this run uploads nothing and is charged nothing.")
    if yes:
        return True
    try:
        return typer.confirm(f"May the hosted rungs cost up to ${quote.hosted_worst_usd:.2f}?", err=True)
    except typer.Abort:
        return False


def run_stage(show: Path, stage: str, *, rung: str = "", as_json: bool) -> None:
    """Do all up to a stage, and print what was done."""
    opened, result = run_until(show, stage, rung=rung)
    if as_json:
        return print_json(describe_result(opened, result))
    if not result.done:
        typer.echo(f"Nothing to do: {stage} is up to date.")


def run_and_print(show: Path, *, rung: str = "", yes: bool = False, as_json: bool) -> None:
    """Do all there is to do, and print where the report is."""
    opened, result = run_until(show, "report", rung=rung, yes=yes)
    if as_json:
        return print_json(describe_result(opened, result))
    if not result.done:
        typer.echo("Nothing to do: everything is up to date.")
    typer.echo(f"Report: {opened.folder('report') / 'index.html'}")
    typer.echo(f"Chat:   econchatr chat {show}")
    typer.echo(f"Page:   econchatr play {show}")


ShowArgument = Annotated[Path, typer.Argument(help="The show's folder.", show_default="this folder")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON result on stdout.")]
RungOption = Annotated[
    str, typer.Option("--rung", help="Only this model of the ladder in show.toml.", show_default="all")
]
HERE = Path()
