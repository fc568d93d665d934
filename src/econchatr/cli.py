"""The `econchatr` command: parse, call one function, print.

Results go to stdout, messages and progress to stderr. This module decides nothing: what a command does is the
pipeline's.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from econchatr import __version__
from econchatr.cli_print import (
    describe_result,
    print_json,
    print_result,
    print_scores,
    print_status,
    relate_path,
    say,
)
from econchatr.cli_talk import chat, export, play, serve
from econchatr.display import strip_controls
from econchatr.errors import EconChatRError, InputError

if TYPE_CHECKING:
    from econchatr.pipeline import RunResult, Show
    from econchatr.select.quote import Quote

EXIT_INTERRUPTED = 130


class _Group(TyperGroup):
    """The one place where our errors become a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EconChatRError as exc:
            if ctx.params.get("debug"):
                traceback.print_exc()
            typer.echo(f"Error: {strip_controls(exc.message)}", err=True)
            if exc.hint:
                typer.echo(f"Hint: {strip_controls(exc.hint)}", err=True)
            raise typer.Exit(exc.exit_code) from exc
        except KeyboardInterrupt as exc:
            typer.echo("\nStopped. What is finished is kept; run again to go on.", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from exc


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A podcast's transcripts and a budget in; models that answer like the host, and an honest report, out.",
)

ShowArgument = Annotated[Path, typer.Argument(help="The show's folder.", show_default="this folder")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one machine-readable result on stdout.")]
RungOption = Annotated[str, typer.Option("--rung", help="Only this rung of the ladder.", show_default="all")]
HERE = Path()


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"econchatr {__version__}")
        raise typer.Exit


@app.callback()
def prepare(
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens inside.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Set up logging; the command follows."""
    # A Hugging Face library must not ask the hub for anything nobody asked for.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Threads that wait must sleep soon, or training on a busy machine is ten times slower; read once, when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, stream=sys.stderr)


# --- begin ------------------------------------------------------------------------------------------------------------


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the bundled show.")] = Path("econchatr-demo"),
    as_json: JsonOption = False,
) -> None:
    """Run everything on the bundled, made-up show: no key, no GPU, a few minutes."""
    from econchatr.demo import write_demo_show

    write_demo_show(out)
    _run_and_print(out, as_json=as_json)


@app.command()
def init(
    show: ShowArgument = HERE,
    source: Annotated[str, typer.Option("--from", help="Folder with the transcripts.")] = "",
    host: Annotated[list[str] | None, typer.Option("--host", help="The host's name; once per host.")] = None,
    name: Annotated[
        str, typer.Option("--name", help="The show's name.", show_default="the transcripts' folder's")
    ] = "",
    rights: Annotated[str, typer.Option("--rights", help="On what ground the host may be imitated.")] = "",
    preset: Annotated[str, typer.Option("--preset", help="plain or econtalk.")] = "plain",
    as_json: JsonOption = False,
) -> None:
    """Write a show.toml and a questions.toml to start from."""
    from econchatr.presets import NewShow, write_show

    title = name or (Path(source).resolve() if source else show.resolve()).name
    paths = write_show(show, NewShow(title, tuple(host or ()), relate_path(source, show), rights), preset=preset)
    if as_json:
        return print_json({"written": [str(path) for path in paths]})
    for path in paths:
        typer.echo(f"wrote {path}")
    if not rights:
        say("Without --rights the show can be prepared, not trained on: fill [rights] in show.toml.")
    say(f"Next: edit {show / 'questions.toml'}, then `econchatr run {show}`.")


# --- the stages -------------------------------------------------------------------------------------------------------


@app.command()
def run(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done and what it would use; do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Say yes to the quote of hosted rungs beforehand.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Do all that is not yet done, in order."""
    if plan:
        return print_status(show, rung=rung, as_json=as_json, with_quote=True)
    _run_and_print(show, rung=rung, yes=yes, as_json=as_json)


@app.command()
def fetch(
    show: ShowArgument = HERE,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask for everything again; what has not changed is not sent, and stays.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the episodes in, as they are; from a feed, ask for what is new."""
    from econchatr.pipeline.feeds import read_news

    opened, result = _run_until(show, "fetch", ask_again=True, refresh=refresh)
    news = read_news(opened)
    if as_json:
        return print_json({**describe_result(opened, result), "news": news._asdict() if news else None})
    if news:
        typer.echo(news.text)
    elif not result.done:
        typer.echo("Nothing to do: fetch is up to date.")


@app.command()
def parse(
    show: ShowArgument = HERE,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain", help="Say which reader reads this one file, how surely, and what it could not place."
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Write a page to look at: who speaks, what was flagged, set aside, lost.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn files into speakers' turns, and count what was lost."""
    if explain is not None and report:
        raise InputError(
            "--explain looks at one file, --report at the whole show.", hint="Give one of the two, then the other."
        )
    if report:
        return _print_corpus_page(show, as_json=as_json)
    if explain is None:
        return _run_stage(show, "parse", as_json=as_json)
    from econchatr.pipeline.explain import explain_transcript, tell_explanation

    explanation = explain_transcript(show, explain)
    print_result(explanation.as_dict(), tell_explanation(explanation), as_json=as_json)


@app.command()
def pair(
    show: ShowArgument = HERE,
    n_shown: Annotated[int, typer.Option("--show", min=0, help="Print so many pairs, kept and dropped.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make pairs of what was said to the host and what the host said."""
    if not n_shown:
        return _run_stage(show, "pair", as_json=as_json)
    from econchatr.pipeline.reading import sample_pairs

    opened, _ = _run_until(show, "pair")
    pairs = sample_pairs(opened, n_shown)
    if as_json:
        return print_json([item.model_dump(mode="json") for item in pairs])
    for item in pairs:
        state = "kept" if item.is_kept else f"dropped: {item.reason}"
        typer.echo(typer.style(strip_controls(f"{item.pair_id}  {item.split}  {state}"), bold=True))
        typer.echo(strip_controls(f"  {item.cue_speaker}: {item.cue}"))
        typer.echo(strip_controls(f"  {item.reply_speaker}: {item.reply}\n"))


@app.command()
def select(
    show: ShowArgument = HERE,
    ban: Annotated[list[str] | None, typer.Option("--ban", help="Never take this pair; once per pair id.")] = None,
    pin: Annotated[list[str] | None, typer.Option("--pin", help="Always take this pair; once per pair id.")] = None,
    n_shown: Annotated[int, typer.Option("--show", min=0, help="Print so many pairs, taken and left, and why.")] = 0,
    compare: Annotated[bool, typer.Option("--compare", help="Train on each strategy's choice, and compare.")] = False,
    strategies: Annotated[str, typer.Option(help="Strategies to compare, with commas.")] = "",
    shares: Annotated[str, typer.Option(help="Budgets to compare at, in percent of the pool.")] = "1,5,10",
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no further trial after so long; the next time goes on.")
    ] = None,
    rung: RungOption = "",
    as_json: JsonOption = False,
) -> None:
    """Choose, per rung, the pairs its budget buys; write the training files."""
    from econchatr.narrator import open_narrator
    from econchatr.pipeline import choices, selected

    if ban or pin:
        choices.add_choices(_run_until(show, "pair")[0], pin=pin or (), ban=ban or ())
    opened, result = _run_until(show, "select", rung=rung)
    if n_shown:
        explained = selected.sample_reasons(opened, n_shown)
        return print_result([one.as_dict() for one in explained], selected.tell_reasons(explained), as_json=as_json)
    if not compare:
        account = selected.account_selections(opened)
        lines = [] if result.done else ["Nothing to do: select is up to date."]
        counted = {**describe_result(opened, result), **account.as_dict()}
        return print_result(counted, [*lines, *account.tell()], as_json=as_json)
    from econchatr.pipeline.compare import compare_selections, read_plan, tell_comparison

    plan = read_plan(strategies, shares)
    with open_narrator() as narrator:
        rows = compare_selections(
            opened, opened.rung(rung), plan, narrator, max_seconds=None if minutes is None else 60 * minutes
        )
    print_result([row.model_dump(mode="json") for row in rows], tell_comparison(rows), as_json=as_json)


@app.command()
def train(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    preferences: Annotated[bool, typer.Option("--preferences", help="Then one round on what people ranked.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the rungs; goes on where it was stopped."""
    if not preferences:
        return _run_stage(show, "train", rung=rung, as_json=as_json)
    from econchatr.narrator import open_narrator
    from econchatr.pipeline.preferring import prefer_rungs, tell_outcome

    opened, _ = _run_until(show, "train", rung=rung)
    with open_narrator() as narrator:
        outcomes = prefer_rungs(opened, narrator, rung=rung)
    lines = [line for outcome in outcomes for line in tell_outcome(outcome)]
    print_result([outcome.model_dump(mode="json") for outcome in outcomes], lines, as_json=as_json)


@app.command()
def ask(show: ShowArgument = HERE, rung: RungOption = "", as_json: JsonOption = False) -> None:
    """Put the questions to every model, before and after training."""
    _run_stage(show, "ask", rung=rung, as_json=as_json)


@app.command()
def score(
    show: ShowArgument = HERE,
    more: Annotated[list[Path] | None, typer.Argument(help="More filled sheets, behind --hand or --blind.")] = None,
    rung: RungOption = "",
    sheet: Annotated[
        str, typer.Option("--sheet", help="Write a page for people to fill in: hand or blind.", show_default="none")
    ] = "",
    hand: Annotated[list[Path] | None, typer.Option("--hand", help="Read filled hand-scoring sheets.")] = None,
    blind: Annotated[list[Path] | None, typer.Option("--blind", help="Read filled blind sheets.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the order on a sheet; it is stored with it.")] = 0,
    n_cues: Annotated[int, typer.Option("--cues", min=1, max=200, help="On a blind sheet, at most.")] = 20,
    judge: Annotated[
        bool,
        typer.Option("--judge", help="Ask the judge of [score.judge], in both orders; its service may cost money."),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.1, help="Measure held-out replies for so long; the more, the surer."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure on held-out episodes; or let people mark the answers, or look for the real ones."""
    from econchatr import cli_score

    if sum(map(bool, (sheet, hand, blind, judge, minutes))) > 1:
        raise InputError(
            "--sheet, --hand, --blind, --judge and --minutes are five things.", hint="Do one after the other."
        )
    if judge:
        return print_scores(cli_score.ask_judge(show, rung), as_json=as_json)
    if sheet:
        return cli_score.write_sheet(show, sheet, rung=rung, seed=seed, n_cues=n_cues, as_json=as_json)
    if hand or blind:
        from econchatr.pipeline import open_show
        from econchatr.pipeline.people import take_blind_files, take_hand_files

        take, files = (take_hand_files, hand) if hand else (take_blind_files, blind)
        return print_scores(take(open_show(show), [*(files or []), *(more or [])]), as_json=as_json)
    if more:
        raise InputError(f"what is {more[0]} for?", hint="A filled sheet is given with --hand or --blind.")
    from econchatr.pipeline.reading import read_scores

    if minutes is not None:
        cli_score.measure_for(_run_until(show, "ask", rung=rung)[0], rung, minutes)
    opened, _ = _run_until(show, "score", rung=rung)
    print_scores(read_scores(opened, rung), as_json=as_json)


@app.command()
def report(show: ShowArgument = HERE, rung: RungOption = "", as_json: JsonOption = False) -> None:
    """Write the report from what is stored."""
    _run_and_print(show, rung=rung, as_json=as_json)


@app.command()
def status(show: ShowArgument = HERE, as_json: JsonOption = False) -> None:
    """Say which steps are done, and why the others are not."""
    print_status(show, rung="", as_json=as_json)


# --- talk and tools ---------------------------------------------------------------------------------------------------


@app.command()
def quote(
    show: ShowArgument = HERE,
    budget: Annotated[
        str, typer.Option("--budget", help="What if there were so many dollars?", show_default="as show.toml says")
    ] = "",
    measure: Annotated[bool, typer.Option("--measure", help="Measure how fast this machine trains.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what the whole ladder will cost, before it costs anything; nothing is uploaded."""
    from econchatr.narrator import open_narrator, print_sheet
    from econchatr.pipeline.approval import keep_seen
    from econchatr.pipeline.quoting import lay_out_quote, measure_rates, quote_budget, quote_selection, read_budget

    today, usd = datetime.now(UTC).date(), read_budget(budget) if budget else None
    opened, _ = _run_until(show, "select" if usd is None else "pair")
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
        typer.Option("--until", formats=["%Y-%m-%d"], help="Warn of models that will be gone by this day."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List what training costs where, with source and date; warn of what is old, closed or soon gone."""
    from econchatr.narrator import print_sheet
    from econchatr.pipeline.prices import lay_out_prices, list_prices, tell_warnings

    listed = list_prices(show, today=datetime.now(UTC).date(), until=until.date() if until else None)
    if as_json:
        return print_json([{**item.row.model_dump(mode="json"), "warnings": item.warnings} for item in listed])
    print_sheet(lay_out_prices(listed))
    for warning in tell_warnings(listed):
        say(f"Warning: {warning}")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Look at this machine: what is installed, what it can train on."""
    from econchatr.pipeline.doctor import examine

    findings = examine()
    lines = [f"{'ok  ' if finding.is_good else 'lack'}  {finding.subject}: {finding.text}" for finding in findings]
    print_result([finding._asdict() for finding in findings], lines, as_json=as_json)


app.command()(chat)
app.command()(play)
app.command()(serve)
app.command()(export)


# --- printing ---------------------------------------------------------------------------------------------------------


def _run_until(
    show: Path, stage: str, *, rung: str = "", ask_again: bool = False, refresh: bool = False, yes: bool = False
) -> tuple[Show, RunResult]:
    from econchatr.narrator import open_narrator
    from econchatr.pipeline import open_show, run_show

    opened = open_show(show)
    with open_narrator() as narrator:
        return opened, run_show(
            opened, narrator, until=stage, rung=rung, ask_again=ask_again, refresh=refresh,
            approve=partial(_approve, yes=yes),
        )  # fmt: skip


def _approve(quote: Quote, *, yes: bool) -> bool:
    """Show the quote, and wait for the user's yes unless it was given beforehand."""
    from econchatr.narrator import print_sheet
    from econchatr.pipeline.quoting import lay_out_quote

    print_sheet(lay_out_quote(quote), to_stderr=True)
    say("Hosted training is not built yet: this run uploads nothing and is charged nothing.")
    if yes:
        return True
    try:
        return typer.confirm(f"May the hosted rungs cost up to ${quote.hosted_worst_usd:.2f}?", err=True)
    except typer.Abort:
        return False


def _run_stage(show: Path, stage: str, *, rung: str = "", as_json: bool) -> None:
    opened, result = _run_until(show, stage, rung=rung)
    if as_json:
        return print_json(describe_result(opened, result))
    if not result.done:
        typer.echo(f"Nothing to do: {stage} is up to date.")


def _print_corpus_page(show: Path, *, as_json: bool) -> None:
    from econchatr.narrator import open_narrator
    from econchatr.pipeline.corpus import write_corpus_page

    opened, result = _run_until(show, "parse")
    with open_narrator() as narrator:
        page = write_corpus_page(opened, narrator)
    if as_json:
        return print_json({**describe_result(opened, result), "page": str(page)})
    typer.echo(f"Page: {page}")


def _run_and_print(show: Path, *, rung: str = "", yes: bool = False, as_json: bool) -> None:
    opened, result = _run_until(show, "report", rung=rung, yes=yes)
    if as_json:
        return print_json(describe_result(opened, result))
    if not result.done:
        typer.echo("Nothing to do: everything is up to date.")
    typer.echo(f"Report: {opened.folder('report') / 'index.html'}")
    typer.echo(f"Chat:   econchatr chat {show}")
    typer.echo(f"Page:   econchatr play {show}")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
