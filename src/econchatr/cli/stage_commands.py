"""A command for each stage, for all of them together, for what is done, and for what the training costs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from econchatr.cli.app import STEPS, app
from econchatr.cli.narrator import open_narrator
from econchatr.cli.running import (
    HERE,
    JsonOption,
    PostOption,
    RungOption,
    ShowArgument,
    describe_result,
    print_json,
    print_plan,
    print_result,
    print_scores,
    require_training,
    run_and_print,
    run_stage,
    run_until,
    say,
)
from econchatr.display import strip_controls
from econchatr.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from econchatr.pipeline.show import Rung, Show


@app.command(rich_help_panel=STEPS)
def run(
    show: Annotated[
        Path, typer.Argument(help="The show's folder, or a folder of shows.", show_default="this folder")
    ] = HERE,
    rung: RungOption = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Dry run: steps, minutes, memory, dollars, faults; changes nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Accept the quote for hosted models without asking.")] = False,
    is_post: PostOption = False,
    if_worth: Annotated[
        bool,
        typer.Option("--if-worth", help="Where only episodes are new, train again only if that seems to pay."),
    ] = False,
    engine: Annotated[
        str, typer.Option("--engine", help="Where it runs: here, or ray: on a Ray cluster (docs/scaling.md).")
    ] = "here",
    address: Annotated[
        str,
        typer.Option(
            "--address",
            help="With --engine ray: HOST:PORT of the cluster, or auto: the one this machine belongs to.",
            show_default="as cluster.toml says, else a cluster that is started here",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Run every stage that is not done yet, from fetch to report: of one show, or of all shows in a folder."""
    from econchatr.cli.shows_table import print_outcome, print_outcomes, read_engine, run_shows
    from econchatr.shows import find_shows

    settings, folders = read_engine(engine, address), find_shows(show)
    if folders and (plan or is_post):
        raise InputError(f"{show} holds {len(folders)} shows.", hint="--plan and --post are of one show: name it.")
    if if_worth and (folders or settings or plan):
        raise InputError(
            "--if-worth is for running one show on this machine.", hint="Name the show; leave --engine and --plan out."
        )
    if plan:
        return print_plan(show, rung=rung, as_json=as_json)
    if folders:
        return print_outcomes(run_shows(folders, settings, rung=rung, yes=yes), as_json=as_json)
    if settings is None:
        return run_and_print(show, rung=rung, yes=yes, is_post=is_post, if_worth=if_worth, as_json=as_json)
    (outcome,) = run_shows([show], settings, rung=rung, yes=yes)
    print_outcome(outcome, is_post=is_post, as_json=as_json)


@app.command(rich_help_panel=STEPS)
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


@app.command(rich_help_panel=STEPS)
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
    if explain is None and not report:
        return run_stage(show, "parse", as_json=as_json)
    from econchatr.cli.layouts import tell_explanation
    from econchatr.tools.inspect_transcripts import explain_transcript, write_corpus_page

    if explain is not None:
        explanation = explain_transcript(show, explain)
        return print_result(explanation.as_dict(), tell_explanation(explanation), as_json=as_json)
    opened, result = run_until(show, "parse")
    with open_narrator() as narrator:
        page = write_corpus_page(opened, narrator)
    if as_json:
        return print_json({**describe_result(opened, result), "page": str(page)})
    typer.echo(f"Page: {page}")


@app.command(rich_help_panel=STEPS)
def pair(
    show: ShowArgument = HERE,
    shown: Annotated[
        str,
        typer.Option(
            "--show", help="Print this many pairs, kept and dropped, or the pair of this id.", show_default="0"
        ),
    ] = "",
    tokens: Annotated[
        bool, typer.Option("--tokens", help="With --show: print each pair's tokens too, and which of them are trained.")
    ] = False,
    rung: RungOption = "",
    write: Annotated[
        bool,
        typer.Option(
            "--write-questions",
            help="Let the model set under pair.writer write questions for the host's statements; may cost money.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make training pairs: what was said to the host, and the host's reply."""
    if write:
        from econchatr.tools.write_questions import write_questions

        opened, _ = run_until(show, "pair")
        with open_narrator() as narrator:
            write_questions(opened, narrator, environment=os.environ)
    if tokens and not shown:
        raise InputError("--tokens says more about pairs that are shown.", hint="Add --show 3, or --show PAIR.")
    if not shown:
        return run_stage(show, "pair", as_json=as_json)
    opened, _ = run_until(show, "pair")
    _print_pairs(opened, shown, opened.local_ladder(rung).rungs if tokens else (), as_json=as_json)


def _print_pairs(opened: Show, shown: str, rungs: Sequence[Rung], *, as_json: bool) -> None:
    """Print so many pairs, or the one of that id, with their tokens for each of these rungs."""
    from econchatr.cli.layouts import tell_example, tell_pair
    from econchatr.pipeline.results import find_pair, sample_pairs, show_example

    pairs = sample_pairs(opened, int(shown)) if shown.isdecimal() else [find_pair(opened, shown)]
    examples = [[show_example(one, item) for one in rungs] for item in pairs]
    if as_json:
        given = [{"tokens": [one.as_dict() for one in ones]} if ones else {} for ones in examples]
        return print_json([item.model_dump(mode="json") | one for item, one in zip(pairs, given, strict=True)])
    for item, ones in zip(pairs, examples, strict=True):
        state = "kept" if item.is_kept else f"dropped: {item.reason}"
        typer.echo(typer.style(strip_controls(f"{item.pair_id}  {item.split}  {state}"), bold=True))
        for line in (*tell_pair(item), *(line for one in ones for line in tell_example(one))):
            typer.echo(strip_controls(line))


@app.command(rich_help_panel=STEPS)
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
    from econchatr.pipeline.results import account_selections, sample_reasons
    from econchatr.tools.compare_strategies import compare_selections, read_plan
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
    plan, max_seconds = read_plan(strategies, shares), None if minutes is None else 60 * minutes
    with open_narrator() as narrator:
        rows = compare_selections(opened.rung(rung), plan, narrator, max_seconds=max_seconds)
    print_result([row.model_dump(mode="json") for row in rows], tell_comparison(rows), as_json=as_json)


@app.command(rich_help_panel=STEPS)
def train(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    preferences: Annotated[
        bool,
        typer.Option("--preferences", help="After training, run one round of preference optimisation (DPO or KTO)."),
    ] = False,
    host_replies: Annotated[
        bool,
        typer.Option(
            "--host-replies", help="With --preferences, where nobody ranked: prefer the host's own replies instead."
        ),
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Stop what services still train for the show; what is done may be charged.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the models: with LoRA at home, or at the service a hosted model names; continues where it was stopped."""
    if cancel:
        from econchatr.pipeline import open_show
        from econchatr.pipeline.hosted_training import cancel_hosted

        with open_narrator() as narrator:
            jobs = cancel_hosted(open_show(show), narrator)
        lines = [f"{job.outside_id}: {job.word}" for job in jobs] or ["No job is open."]
        return print_result([job._asdict() for job in jobs], lines, as_json=as_json)
    if not preferences:
        return run_stage(show, "train", rung=rung, as_json=as_json)
    from econchatr.cli.layouts import tell_outcome
    from econchatr.pipeline import open_show
    from econchatr.tools.preference_round import prefer_rungs
    from econchatr.tools.rankings import require_judgements

    if not host_replies:
        require_judgements(open_show(show))
    opened, _ = run_until(show, "train", rung=rung)
    with open_narrator() as narrator:
        outcomes = prefer_rungs(opened, narrator, rung=rung)
    lines = [line for outcome in outcomes for line in tell_outcome(outcome)]
    print_result([outcome.model_dump(mode="json") for outcome in outcomes], lines, as_json=as_json)


@app.command(rich_help_panel=STEPS)
def ask(show: ShowArgument = HERE, rung: RungOption = "", as_json: JsonOption = False) -> None:
    """Ask every model the questions of the exam, before and after training."""
    require_training(show, rung)
    run_stage(show, "ask", rung=rung, as_json=as_json)


_SheetOption = Annotated[
    str,
    typer.Option(
        "--sheet",
        help="Write a sheet for people to fill in: hand (mark answers) or blind (find the host).",
        show_default="none",
    ),
]
_JudgeOption = Annotated[
    bool,
    typer.Option("--judge", help="Ask the LLM judge set under score.judge in show.toml; its service may cost money."),
]
_MinutesOption = Annotated[
    float | None,
    typer.Option(
        "--minutes", min=0.1, help="Measure held-out replies for this many minutes; longer gives narrower intervals."
    ),
]


@app.command(rich_help_panel=STEPS)
def score(
    show: ShowArgument = HERE,
    more: Annotated[list[Path] | None, typer.Argument(help="More filled sheets, after --hand or --blind.")] = None,
    rung: RungOption = "",
    sheet: _SheetOption = "",
    hand: Annotated[list[Path] | None, typer.Option("--hand", help="Read filled sheets of marks.")] = None,
    blind: Annotated[list[Path] | None, typer.Option("--blind", help="Read filled blind-test sheets.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed for the order on a sheet.")] = 0,
    n_cues: Annotated[
        int, typer.Option("--cues", min=1, max=200, help="Largest number of cues on a blind sheet.")
    ] = 20,
    judge: _JudgeOption = False,
    minutes: _MinutesOption = None,
    is_whole: Annotated[bool, typer.Option("--all", help="Print every score, not only the most telling ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the models on held-out episodes, or collect marks from people or an LLM judge."""
    if sum(map(bool, (sheet, hand, blind, judge, minutes))) > 1:
        raise InputError(
            "--sheet, --hand, --blind, --judge and --minutes are five things.", hint="Do one after the other."
        )
    if more and not (hand or blind):
        raise InputError(f"what is {more[0]} for?", hint="A filled sheet is given with --hand or --blind.")
    if sheet:
        return _write_sheet(show, sheet, rung=rung, seed=seed, n_cues=n_cues, as_json=as_json)
    from econchatr.cli.score_summary import sum_up_scores
    from econchatr.pipeline import open_show
    from econchatr.pipeline.results import count_right_answers, read_gates, read_scores
    from econchatr.report.sections.right_told import tell_right
    from econchatr.tools.judge import run_judge
    from econchatr.tools.sheets import take_blind_files, take_hand_files

    if judge:
        with open_narrator() as narrator:
            scores = run_judge(open_show(show).rung(rung), narrator, environment=os.environ)
    elif hand or blind:
        take, files = (take_hand_files, hand) if hand else (take_blind_files, blind)
        scores = take(open_show(show), [*(files or []), *(more or [])])
    else:
        require_training(show, rung)
        _measure_for(show, rung, minutes)
        opened, _ = run_until(show, "score", rung=rung)
        scores = read_scores(opened, rung)
        if not (is_whole or as_json):
            right = count_right_answers(opened.asked_ladder(rung))
            return print_result(None, sum_up_scores(scores, read_gates(opened, rung), right), as_json=False)
    print_scores(scores, as_json=as_json)
    if not as_json:
        for line in tell_right(count_right_answers(open_show(show).asked_ladder(rung))):
            typer.echo(strip_controls(line))


@app.command(rich_help_panel=STEPS)
def report(
    show: ShowArgument = HERE,
    rung: RungOption = "",
    is_post: PostOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the report; asks and measures first where that is not done, and never trains."""
    require_training(show, rung)
    run_and_print(show, rung=rung, is_post=is_post, as_json=as_json)


def _measure_for(show: Path, rung: str, minutes: float | None) -> None:
    """Measure held-out likelihoods for so many minutes a rung: of one rung, or of all local ones if `rung` is empty."""
    if minutes is None:
        return
    from econchatr.pipeline.likelihoods import measure_longer
    from econchatr.pipeline.score import held_out

    opened, _ = run_until(show, "ask", rung=rung)
    sides = held_out(opened)
    with open_narrator() as narrator:
        for item in opened.local_ladder(rung).rungs:
            measure_longer(item, sides, narrator, seconds=60 * minutes)


def _write_sheet(show: Path, kind: str, *, rung: str, seed: int, n_cues: int, as_json: bool) -> None:
    """Write a sheet for people to fill in, and print its path; `kind` is `hand` or `blind`."""
    if kind not in ("hand", "blind"):
        raise InputError(f"no sheet {kind!r}.", hint="There are two: hand and blind.")
    from econchatr.pipeline import open_show
    from econchatr.tools.sheets import write_blind_sheet, write_hand_sheet

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
