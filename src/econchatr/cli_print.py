"""What the commands print, and how: results on stdout, messages on stderr, nothing that steers a terminal.

It also writes a path as a person would. This module changes nothing.
"""

from __future__ import annotations

import json
import os
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
    """Print scores, one a line; then, reason by reason, what is unscored."""
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
    """Get what a run did and what it counted, as `--json` prints it."""
    from econchatr.pipeline.reading import read_counts

    report = show.folder("report") / "index.html"
    return {
        "done": result.done,
        "fresh": result.fresh,
        "counts": read_counts(show),
        "report": str(report) if report.is_file() else None,
    }


def print_status(show: Path, *, rung: str, as_json: bool, with_quote: bool = False) -> None:
    """Print which steps are done, why the others are not, and what each rung will use."""
    from econchatr.narrator import print_sheet
    from econchatr.pipeline import open_show, status_of
    from econchatr.pipeline.quoting import lay_out_quote, quote_selection
    from econchatr.pipeline.reading import read_quote

    opened = open_show(show)
    states, quote = status_of(opened, rung=rung), read_quote(opened)
    if as_json:
        return print_json({"steps": [state._asdict() for state in states], "quote": [row._asdict() for row in quote]})
    for state in states:
        typer.echo(f"{state.name:28} {state.why or 'done'}")
    for row in quote:
        typer.echo(row.tell())
    is_counted = any(state.name == "select" and not state.why for state in states)
    if with_quote and is_counted and any(row.where == "hosted" for row in quote):
        print_sheet(lay_out_quote(quote_selection(opened, today=datetime.now(UTC).date())))
    if not quote:
        typer.echo("No quote yet: `econchatr select` counts the tokens (free, nothing is uploaded).")


def print_result(value: object, lines: Iterable[str], *, as_json: bool) -> None:
    """Print one result: for a program, or in lines for a person."""
    if as_json:
        return print_json(value)
    for line in lines:
        typer.echo(strip_controls(line))


def print_json(value: object) -> None:
    """Print one machine-readable result."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def say(text: str) -> None:
    """Print a message, not a result."""
    typer.echo(strip_controls(text), err=True)


def relate_path(source: str, show: Path) -> str:
    """The transcripts' folder as it stands in show.toml: from the show's folder, so that both can move together."""
    if not source:
        return ""
    near = Path(os.path.relpath(Path(source).resolve(), show.resolve())).as_posix()
    return Path(source).resolve().as_posix() if near.startswith("../../..") else near
