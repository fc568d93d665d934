"""What the commands share: common options, running a show up to a stage, and printing what came of it.

Results go to stdout, messages to stderr, and no control character to either.
"""

from __future__ import annotations

import json
import webbrowser
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from econchatr.cli.narrator import open_narrator
from econchatr.display import strip_controls
from econchatr.errors import MissingExtraError, ShowFolderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from econchatr.money.quote import Quote
    from econchatr.pipeline import RunResult, Show
    from econchatr.records import Score

ShowArgument = Annotated[Path, typer.Argument(help="The show's folder.", show_default="this folder")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON result on stdout.")]
RungOption = Annotated[
    str, typer.Option("--rung", help="Only this model of the ladder in show.toml.", show_default="all")
]
PostOption = Annotated[bool, typer.Option("--post", help="Also write a blog post: post.html and post.md.")]
HERE = Path()


# --- running ----------------------------------------------------------------------------------------------------------


def run_until(
    show: Path, stage: str, *, rung: str = "", ask_again: bool = False, refresh: bool = False, yes: bool = False
) -> tuple[Show, RunResult]:
    """Open a show and do all that is not done up to a stage; ask before hosted rungs are charged, unless `yes`."""
    from econchatr.pipeline import open_show, run_show

    opened, approve = open_show(show), partial(approve_quote, yes=yes)
    with open_narrator() as narrator:
        return opened, run_show(
            opened, narrator, until=stage, rung=rung, ask_again=ask_again, refresh=refresh, approve=approve
        )


def approve_quote(quote: Quote, *, yes: bool) -> bool:
    """Show the quote; True if the user accepts it, or did so beforehand with --yes."""
    from econchatr.cli.layouts import lay_out_quote, print_sheet

    print_sheet(lay_out_quote(quote), to_stderr=True)
    if yes:
        return True
    try:
        return typer.confirm(f"May these rungs cost up to ${quote.hosted_worst_usd:.2f}?", err=True)
    except typer.Abort:
        return False


def require_training(show: Path, rung: str) -> None:
    """Refuse to go on where models are not trained, or not on what the show holds now: only `train` and `run` train.

    Raises:
        ShowFolderError: A model is not trained.
    """
    from econchatr.pipeline import open_show, status_of

    opened = open_show(show)
    for state in status_of(opened, rung=rung):
        if state.why and state.name.startswith("train/"):
            raise ShowFolderError(
                f"{state.name} is not done: {state.why}.",
                hint=f"`econchatr run {show} --plan` says what training takes; `econchatr run {show}` does it.",
            )


def run_stage(show: Path, stage: str, *, rung: str = "", as_json: bool) -> None:
    """Do all up to a stage, and print what was done."""
    opened, result = run_until(show, stage, rung=rung)
    if as_json:
        return print_json(describe_result(opened, result))
    if not result.done:
        typer.echo(f"Nothing to do: {stage} is up to date.")


def run_and_print(
    show: Path, *, rung: str = "", yes: bool = False, is_post: bool = False, if_worth: bool = False, as_json: bool
) -> None:
    """Do all there is to do, and print where the report is, and the post if one is wanted.

    Args:
        if_worth: Stop once the pairs are made where nothing says that training again would pay.
    """
    from econchatr.pipeline import open_show, run_show
    from econchatr.tools.weigh_training import Weighing, weigh_training

    opened, weighing = open_show(show), Weighing((), ())

    def goes_on() -> bool:
        nonlocal weighing
        weighing = weigh_training(opened, narrator, rung=rung)
        for line in (*(one.tell() for one in weighing.found), *(weighing.unweighed if if_worth else ())):
            narrator.note(line)
        return not (if_worth and weighing.advises_to_stop)

    with open_narrator() as narrator:
        result = run_show(opened, narrator, rung=rung, approve=partial(approve_quote, yes=yes), goes_on=goes_on)
    if if_worth and weighing.advises_to_stop:
        told = {**describe_result(opened, result), "worth": [one.as_dict() for one in weighing.found]}
        lines = [f"Nothing was trained again. `econchatr run {show}` trains all the same."]
        return print_result(told, lines, as_json=as_json)
    print_finished(opened, result, is_post=is_post, as_json=as_json)


def print_finished(opened: Show, result: RunResult, *, is_post: bool, as_json: bool) -> None:
    """Print where the report of a finished show is, and the post if one is wanted."""
    if as_json:
        print_json(describe_result(opened, result))
    else:
        if not result.done:
            typer.echo("Nothing to do: everything is up to date.")
        typer.echo(f"Report: {opened.folder('report') / 'index.html'}")
        typer.echo(f"Chat:   econchatr chat {opened.root}")
        typer.echo(f"Page:   econchatr play {opened.root}")
    if is_post:
        from econchatr.pipeline.report import write_post

        typer.echo(f"Post: {write_post(opened)}", err=as_json)


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


@contextmanager
def needing_web(what: str) -> Iterator[None]:
    """Name the extra to install where an import in the block finds one of its packages missing."""
    try:
        yield
    except ModuleNotFoundError as exc:
        if (exc.name or "").startswith("econchatr"):
            raise
        raise MissingExtraError(f"{what} needs {exc.name}.", extra="web") from exc


# --- printing ---------------------------------------------------------------------------------------------------------


def print_status(show: Path, *, rung: str, as_json: bool) -> None:
    """Print which steps are done, why the others are not, and what each rung uses of its budget."""
    from econchatr.cli.layouts import tell_use
    from econchatr.pipeline import open_show, status_of
    from econchatr.pipeline.hosted_training import tell_open_jobs
    from econchatr.pipeline.results import read_uses
    from econchatr.pipeline.run import is_running

    opened = open_show(show)
    states, quote = status_of(opened, rung=rung), read_uses(opened)
    if as_json:
        steps, uses = ([row._asdict() for row in rows] for rows in (states, quote))
        return print_json({"steps": steps, "quote": uses, "running": is_running(opened)})
    for state in states:
        typer.echo(f"{state.name:28} {state.why or 'done'}")
    if is_running(opened):
        typer.echo("Running: another command works in this show now.")
    is_counted = any(state.name == "select" and not state.why for state in states)
    for row in quote if is_counted else ():
        typer.echo(tell_use(row))
    for line in tell_open_jobs(opened):
        typer.echo(strip_controls(line))
    if not is_counted:
        typer.echo("No quote yet: `econchatr select` counts the tokens (free, nothing is uploaded).")


def print_plan(show: Path, *, rung: str, as_json: bool) -> None:
    """Print what a run would do and take; exit as the first fault would, where there is one."""
    from econchatr.cli.layouts import lay_out_quote, print_sheet, tell_use
    from econchatr.pipeline import open_show
    from econchatr.pipeline.hosted_training import tell_open_jobs
    from econchatr.pipeline.results import read_uses
    from econchatr.tools.run_plan import plan_run, tell_plan

    opened = open_show(show)
    plan, uses = plan_run(opened, rung=rung, today=datetime.now(UTC).date()), read_uses(opened)
    is_counted = any(step.name == "select" and not step.why for step in plan.steps)
    if as_json:
        told = {"steps": [step._asdict() for step in plan.steps], "minutes": plan.minutes, "needs": dict(plan.needs)}
        faults = [{"message": fault.message, "hint": fault.hint} for fault in plan.faults]
        quote = [row._asdict() for row in uses] if is_counted else []
        print_json({**told, "quote": quote, "unbought": plan.unbought, "faults": faults})
    else:
        lines = (*tell_plan(plan), *map(tell_use, uses if is_counted else ()))
        for line in (*lines, *tell_open_jobs(opened)):
            typer.echo(strip_controls(line))
        if plan.quote is not None:
            print_sheet(lay_out_quote(plan.quote))
        if not is_counted:
            typer.echo("No quote yet: `econchatr select` counts the tokens (free, nothing is uploaded).")
    if plan.faults:
        raise typer.Exit(plan.faults[0].exit_code)


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
        what = f"{item.rung}  {item.measure}  {item.variant}  {item.subject}"
        typer.echo(strip_controls(f"{what}: {item.value:.4f}{interval}  n={item.n}{note}".strip()))
    for reason, measures in unscored.items():
        typer.echo(strip_controls(f"unscored: {', '.join(measures)}: {reason}"))


def print_result(value: object, lines: Iterable[str], *, as_json: bool) -> None:
    """Print one result: JSON for a program, or lines for a person."""
    if as_json:
        return print_json(value)
    for line in lines:
        typer.echo(strip_controls(line))


def print_json(value: object) -> None:
    """Print one value as JSON on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


def announce_page(told: Mapping[str, object], lines: Iterable[str], *, browser: bool, as_json: bool) -> None:
    """Say that a page is served: to programs in one line of JSON, to people in these lines. Open it, where wanted.

    Args:
        told: Its `address` is what the browser opens.
    """
    if as_json:
        typer.echo(json.dumps(told))
    for line in () if as_json else lines:
        say(line)
    if browser:
        # The socket listens already: the page waits until the server answers.
        webbrowser.open(str(told["address"]))


def say(text: str) -> None:
    """Print a message on stderr."""
    typer.echo(strip_controls(text), err=True)
