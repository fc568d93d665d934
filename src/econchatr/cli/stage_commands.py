"""A command for each stage, for all of them together, and for what is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from econchatr.cli.app import app
from econchatr.cli.printing import describe_result, print_json, print_result, print_scores, print_status, say
from econchatr.cli.running import HERE, JsonOption, RungOption, ShowArgument, run_and_print, run_stage, run_until
from econchatr.display import strip_controls
from econchatr.errors import InputError

if TYPE_CHECKING:
    from econchatr.pipeline import Show
    from econchatr.records import Score


@app.command()
def run(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Dry run: list the steps and the budget, change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the quote for hosted models without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run every stage that is not done yet, from fetch to report."""
    if plan:
        return print_status(show, rung=rung, as_json=as_json, with_quote=True)
    run_and_print(show, rung=rung, yes=yes, as_json=as_json)


@app.command()
def fetch(
    show: ShowArgument = HERE,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask for every page again; unchanged pages are kept.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the episodes into the show: all files of a folder, or what is new in a feed."""
    from econchatr.pipeline.fetch import read_news

    opened, result = run_until(show, "fetch", ask_again=True, refresh=refresh)
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
            "--explain", help="Explain one file: its reader, the scores, and the text that was not understood."
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report", help="Write a web page about the transcripts: speakers, flags, files and lines not read."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the transcripts: turns with their speakers, and a count of what was not understood."""
    if explain is not None and report:
        raise InputError(
            "--explain looks at one file, --report at the whole show.", hint="Give one of the two, then the other."
        )
    if report:
        return _print_corpus_page(show, as_json=as_json)
    if explain is None:
        return run_stage(show, "parse", as_json=as_json)
    from econchatr.cli.layouts import tell_explanation
    from econchatr.tools.inspect_transcripts import explain_transcript

    explanation = explain_transcript(show, explain)
    print_result(explanation.as_dict(), tell_explanation(explanation), as_json=as_json)


@app.command()
def pair(
    show: ShowArgument = HERE,
    n_shown: Annotated[int, typer.Option("--show", min=0, help="Print this many pairs, kept and dropped.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make training pairs: what was said to the host, and the host's reply."""
    if not n_shown:
        return run_stage(show, "pair", as_json=as_json)
    from econchatr.pipeline.results import sample_pairs

    opened, _ = run_until(show, "pair")
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
    ban: Annotated[list[str] | None, typer.Option("--ban", help="Never select this pair id; repeat for more.")] = None,
    pin: Annotated[list[str] | None, typer.Option("--pin", help="Always select this pair id; repeat for more.")] = None,
    n_shown: Annotated[int, typer.Option("--show", min=0, help="Print this many pairs, selected or not, and why.")] = 0,
    compare: Annotated[
        bool, typer.Option("--compare", help="Train on the selection of each strategy and compare (slow).")
    ] = False,
    strategies: Annotated[str, typer.Option(help="Strategies to compare, separated by commas.")] = "",
    shares: Annotated[
        str, typer.Option(help="Budgets to compare, in percent of the training pairs' tokens.")
    ] = "1,5,10",
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Start no new trial after this many minutes; the next call continues.")
    ] = None,
    rung: RungOption = "",
    as_json: JsonOption = False,
) -> None:
    """Select the pairs each model is trained on, within its budget; write the training files."""
    from econchatr.cli.layouts import tell_comparison, tell_reasons, tell_selections
    from econchatr.cli.narrator import open_narrator
    from econchatr.pipeline.results import account_selections, sample_reasons
    from econchatr.tools.edit_choices import add_pins

    if ban or pin:
        add_pins(run_until(show, "pair")[0], pin=pin or (), ban=ban or ())
    opened, result = run_until(show, "select", rung=rung)
    if n_shown:
        explained = sample_reasons(opened, n_shown)
        return print_result([one.as_dict() for one in explained], tell_reasons(explained), as_json=as_json)
    if not compare:
        account = account_selections(opened)
        lines = [] if result.done else ["Nothing to do: select is up to date."]
        counted = {**describe_result(opened, result), **account.as_dict()}
        return print_result(counted, [*lines, *tell_selections(account)], as_json=as_json)
    from econchatr.tools.compare_strategies import compare_selections, read_plan

    plan = read_plan(strategies, shares)
    with open_narrator() as narrator:
        rows = compare_selections(
            opened.rung(rung), plan, narrator, max_seconds=None if minutes is None else 60 * minutes
        )
    print_result([row.model_dump(mode="json") for row in rows], tell_comparison(rows), as_json=as_json)


@app.command()
def train(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    preferences: Annotated[
        bool,
        typer.Option("--preferences", help="After training, run one round of preference optimisation (DPO or KTO)."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the models with LoRA; continues where it was stopped."""
    if not preferences:
        return run_stage(show, "train", rung=rung, as_json=as_json)
    from econchatr.cli.layouts import tell_outcome
    from econchatr.cli.narrator import open_narrator
    from econchatr.tools.preference_round import prefer_rungs

    opened, _ = run_until(show, "train", rung=rung)
    with open_narrator() as narrator:
        outcomes = prefer_rungs(opened, narrator, rung=rung)
    lines = [line for outcome in outcomes for line in tell_outcome(outcome)]
    print_result([outcome.model_dump(mode="json") for outcome in outcomes], lines, as_json=as_json)


@app.command()
def ask(show: ShowArgument = HERE, rung: RungOption = "", as_json: JsonOption = False) -> None:
    """Ask every model the questions of the exam, before and after training."""
    run_stage(show, "ask", rung=rung, as_json=as_json)


@app.command()
def score(
    show: ShowArgument = HERE,
    more: Annotated[list[Path] | None, typer.Argument(help="More filled sheets, after --hand or --blind.")] = None,
    rung: RungOption = "",
    sheet: Annotated[
        str,
        typer.Option(
            "--sheet",
            help="Write a sheet for people to fill in: hand (mark answers) or blind (find the host).",
            show_default="none",
        ),
    ] = "",
    hand: Annotated[list[Path] | None, typer.Option("--hand", help="Read filled sheets of marks.")] = None,
    blind: Annotated[list[Path] | None, typer.Option("--blind", help="Read filled blind-test sheets.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed for the order on a sheet.")] = 0,
    n_cues: Annotated[
        int, typer.Option("--cues", min=1, max=200, help="Largest number of cues on a blind sheet.")
    ] = 20,
    judge: Annotated[
        bool,
        typer.Option(
            "--judge", help="Ask the LLM judge set under score.judge in show.toml; its service may cost money."
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            min=0.1,
            help="Measure held-out replies for this many minutes; longer gives narrower intervals.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the models on held-out episodes, or collect marks from people or an LLM judge."""
    if sum(map(bool, (sheet, hand, blind, judge, minutes))) > 1:
        raise InputError(
            "--sheet, --hand, --blind, --judge and --minutes are five things.", hint="Do one after the other."
        )
    if judge:
        return print_scores(_ask_judge(show, rung), as_json=as_json)
    if sheet:
        return _write_sheet(show, sheet, rung=rung, seed=seed, n_cues=n_cues, as_json=as_json)
    if hand or blind:
        from econchatr.pipeline import open_show
        from econchatr.tools.sheets import take_blind_files, take_hand_files

        take, files = (take_hand_files, hand) if hand else (take_blind_files, blind)
        return print_scores(take(open_show(show), [*(files or []), *(more or [])]), as_json=as_json)
    if more:
        raise InputError(f"what is {more[0]} for?", hint="A filled sheet is given with --hand or --blind.")
    from econchatr.pipeline.results import read_scores

    if minutes is not None:
        _measure_for(run_until(show, "ask", rung=rung)[0], rung, minutes)
    opened, _ = run_until(show, "score", rung=rung)
    print_scores(read_scores(opened, rung), as_json=as_json)


@app.command()
def report(show: ShowArgument = HERE, rung: RungOption = "", as_json: JsonOption = False) -> None:
    """Write the report; runs the stages before it if they are not done."""
    run_and_print(show, rung=rung, as_json=as_json)


@app.command()
def status(show: ShowArgument = HERE, as_json: JsonOption = False) -> None:
    """List the steps: which are done, and why the others are not."""
    print_status(show, rung="", as_json=as_json)


def _print_corpus_page(show: Path, *, as_json: bool) -> None:
    from econchatr.cli.narrator import open_narrator
    from econchatr.tools.inspect_transcripts import write_corpus_page

    opened, result = run_until(show, "parse")
    with open_narrator() as narrator:
        page = write_corpus_page(opened, narrator)
    if as_json:
        return print_json({**describe_result(opened, result), "page": str(page)})
    typer.echo(f"Page: {page}")


def _measure_for(show: Show, rung: str, minutes: float) -> None:
    """Measure held-out likelihoods for `minutes` minutes a rung: of one rung, or of all local ones if `rung` is empty.

    Raises:
        EconChatRError: A model cannot be opened, or an earlier step is missing.
    """
    from econchatr.cli.narrator import open_narrator
    from econchatr.pipeline.likelihoods import measure_longer
    from econchatr.pipeline.score import held_out

    sides = held_out(show)
    with open_narrator() as narrator:
        for item in show.local_ladder(rung).rungs:
            measure_longer(item, sides, narrator, seconds=60 * minutes)


def _ask_judge(show: Path, rung: str) -> list[Score]:
    """Get the scores of the LLM judge set in show.toml for one rung.

    Raises:
        EconChatRError: No judge is set, or its service does not answer.
    """
    from econchatr.cli.narrator import open_narrator
    from econchatr.pipeline import open_show
    from econchatr.tools.judge import run_judge

    opened = open_show(show)
    with open_narrator() as narrator:
        return run_judge(opened.rung(rung), narrator, environment=os.environ)


def _write_sheet(show: Path, kind: str, *, rung: str, seed: int, n_cues: int, as_json: bool) -> None:
    """Write a sheet for people to fill in, and print its path; `kind` is `hand` or `blind`.

    Raises:
        InputError: There is no such sheet.
        EconChatRError: The answers to put on it are missing, or a model cannot be opened.
    """
    from econchatr.cli.narrator import open_narrator
    from econchatr.pipeline import open_show
    from econchatr.tools.sheets import write_blind_sheet, write_hand_sheet

    if kind not in ("hand", "blind"):
        raise InputError(f"no sheet {kind!r}.", hint="There are two: hand and blind.")
    opened = open_show(show)
    if kind == "hand":
        path = write_hand_sheet(opened, seed=seed)
    else:
        with open_narrator() as narrator:
            path = write_blind_sheet(opened.rung(rung), n_cues=n_cues, seed=seed, narrator=narrator)
    if as_json:
        return print_json({"written": str(path)})
    typer.echo(f"wrote {path}")
    say(f"Open it, or send it to somebody; what comes back: `econchatr score {show} --{kind} FILE`.")
