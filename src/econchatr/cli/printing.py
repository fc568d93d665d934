"""How the commands print: results on stdout, messages on stderr, never a control character."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from econchatr.display import strip_controls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from econchatr.pipeline import RunResult, Show
    from econchatr.records import Score


def print_scores(scores: Sequence[Score], *, as_json: bool) -> None:
    """Print one score a line, then what is unscored, grouped by reason."""
    if as_json:
        return print_json([item.model_dump(mode="json") for item in scores])
    unscored: dict[str, dict[str, None]] = {}
    for item in scores:
        if item.value is None:
            unscored.setdefault(item.reason or "no reason was given", {})[f"{item.measure} ({item.subject})"] = None
            continue
        interval = "" if item.low is None or item.high is None else f"  [{item.low:.4f}, {item.high:.4f}]"
        note = f"  ({item.reason})" if item.reason else ""
        line = (
            f"{item.rung}  {item.measure}  {item.variant}  {item.subject}: {item.value:.4f}{interval}  n={item.n}{note}"
        )
        typer.echo(strip_controls(line.strip()))
    for reason, measures in unscored.items():
        typer.echo(strip_controls(f"unscored: {', '.join(measures)}: {reason}"))


def describe_result(show: Show, result: RunResult) -> dict[str, object]:
    """Get what a run did and counted, as `--json` prints it."""
    from econchatr.pipeline.results import read_counts

    report = show.folder("report") / "index.html"
    return {
        "done": result.done,
        "fresh": result.fresh,
        "counts": read_counts(show),
        "report": str(report) if report.is_file() else None,
    }


def print_status(show: Path, *, rung: str, as_json: bool, with_quote: bool = False) -> None:
    """Print which steps are done, why the others are not, and what each rung uses of its budget."""
    from econchatr.cli.layouts import lay_out_quote, tell_use
    from econchatr.cli.narrator import print_sheet
    from econchatr.pipeline import open_show, status_of
    from econchatr.pipeline.quoting import quote_selection
    from econchatr.pipeline.results import read_uses

    opened = open_show(show)
    states, quote = status_of(opened, rung=rung), read_uses(opened)
    if as_json:
        return print_json({"steps": [state._asdict() for state in states], "quote": [row._asdict() for row in quote]})
    for state in states:
        typer.echo(f"{state.name:28} {state.why or 'done'}")
    for row in quote:
        typer.echo(tell_use(row))
    is_counted = any(state.name == "select" and not state.why for state in states)
    if with_quote and is_counted and any(row.where == "hosted" for row in quote):
        print_sheet(lay_out_quote(quote_selection(opened, today=datetime.now(UTC).date())))
    if not quote:
        typer.echo("No quote yet: `econchatr select` counts the tokens (free, nothing is uploaded).")


def print_result(value: object, lines: Iterable[str], *, as_json: bool) -> None:
    """Print one result: JSON for a program, or lines for a person."""
    if as_json:
        return print_json(value)
    for line in lines:
        typer.echo(strip_controls(line))


def print_json(value: object) -> None:
    """Print one value as JSON on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def say(text: str) -> None:
    """Print a message on stderr."""
    typer.echo(strip_controls(text), err=True)
