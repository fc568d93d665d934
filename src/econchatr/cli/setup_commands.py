"""The commands to begin with: the demo, a new show, a check of this machine."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from econchatr.cli.app import BEGIN, app
from econchatr.cli.narrator import open_narrator
from econchatr.cli.running import HERE, JsonOption, ShowArgument, print_json, print_result, run_and_print, say
from econchatr.errors import InputError

if TYPE_CHECKING:
    from econchatr.presets import NewShow


@app.command(rich_help_panel=BEGIN)
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the bundled show to.")] = Path("econchatr-demo"),
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Show a finished run instead, at once: its report and its answers.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="With --recorded: open the page in the browser.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Run all stages on the bundled, made-up show: a few minutes, no GPU, no API key."""
    if recorded:
        from econchatr.cli.recorded_demo import show_recorded

        return show_recorded(out, browser=browser, as_json=as_json)
    from econchatr.demo import require_demo_packages, write_demo_show

    require_demo_packages()
    write_demo_show(out)
    run_and_print(out, as_json=as_json)


@app.command(rich_help_panel=BEGIN)
def init(
    show: ShowArgument = HERE,
    source: Annotated[str, typer.Option("--from", help="Folder with the transcripts.")] = "",
    feed: Annotated[str, typer.Option("--feed", help="Instead: the show's feed, its address or a saved file.")] = "",
    host: Annotated[list[str] | None, typer.Option("--host", help="The host's name; repeat for more hosts.")] = None,
    name: Annotated[str, typer.Option("--name", help="The show's name, as questions put it; else it is asked.")] = "",
    rights: Annotated[str, typer.Option("--rights", help="Why you may imitate the host, e.g. 'my own voice'.")] = "",
    solo: Annotated[
        bool, typer.Option("--solo", help="The host alone speaks: text without a name is the host's.")
    ] = False,
    preset: Annotated[str, typer.Option("--preset", help="Settings to start from: plain or econtalk.")] = "plain",
    ladder: Annotated[
        str, typer.Option("--ladder", help="Models to start from: laptop, gpu, hosted, econtalk, 2023.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Create a show: look at the transcripts, say what is there, write show.toml and an exam drafted from them."""
    from econchatr.cli.new_show import Wishes, relate_path, settle_show, tell_run
    from econchatr.presets import NewShow, add_rights, check_new, write_show

    is_alone = preset == "plain" and not any((source, feed, host, name, solo, ladder))
    if rights.strip() and is_alone and (show / "show.toml").exists():
        path = add_rights(show, rights)
        return print_result({"written": [str(path)]}, [f"wrote [rights] into {path}"], as_json=as_json)
    check_new(show, preset=preset, ladder=ladder)
    if feed and preset != "plain":
        raise InputError(f"the preset {preset!r} has a feed of its own.", hint="Leave --feed or --preset out.")
    hosts, is_plain = tuple(host or ()), preset == "plain"
    if not all(one.strip() for one in hosts):
        raise InputError("--host '' names nobody.", hint="Say it with --host NAME (once per host).")
    wishes = Wishes(source, hosts, name, rights, ladder, solo, feed)
    if is_plain:
        new = settle_show(show, wishes, can_ask=sys.stdin.isatty() and not as_json)
    else:
        new = NewShow(name or show.resolve().name, hosts, relate_path(source, show), rights, ladder)
    paths = write_show(show, new, preset=preset)
    has_transcripts = bool(new.folder) or (show / "transcripts").is_dir()
    is_drafted = is_plain and not feed and show / "questions.toml" in paths and has_transcripts
    if is_drafted:
        _draft_first(show)
    if as_json:
        return print_json({"written": [str(path) for path in paths]})
    for path in paths:
        typer.echo(f"wrote {path}")
    if is_drafted:
        tell_run(show)
    _tell_next(show, new, needs_transcripts=is_plain and not has_transcripts)


def _tell_next(show: Path, new: NewShow, *, needs_transcripts: bool) -> None:
    if not new.ground:
        say(f"Without rights the show can be prepared, not trained on: `econchatr init {show} --rights WHY` adds them.")
    if new.feed:
        return say(f"Next: `econchatr fetch {show}`, `econchatr questions {show} --write`, `econchatr run {show}`.")
    place = show / "transcripts"
    first = f"put the transcripts into {place} (`init` with --from takes them where they are), " * needs_transcripts
    say(f"Next: {first}read the exam in {show / 'questions.toml'}, then `econchatr run {show}`.")


@app.command(rich_help_panel=BEGIN)
def questions(
    show: ShowArgument = HERE,
    write: Annotated[bool, typer.Option("--write", help="Write them as the show's questions.toml.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --write: replace a questions.toml, edits too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Draft twelve questions for the exam from what the host says often, by rule; print them, or write them."""
    from econchatr.pipeline import open_show
    from econchatr.tools.draft_questions import draft_questions, write_questions

    opened = open_show(show)
    with open_narrator() as narrator:
        draft, text = draft_questions(opened, narrator)
    if write or not draft.questions:
        write_questions(opened, draft, text, may_overwrite=force)
    if draft.lacks:
        say(f"{len(draft.questions)} questions, not twelve: {draft.lacks}.")
    if as_json:
        return print_json([one.question.model_dump() for one in draft.questions])
    typer.echo(f"wrote {opened.root / 'questions.toml'}" if write else text, nl=write)


@app.command(rich_help_panel=BEGIN)
def doctor(as_json: JsonOption = False) -> None:
    """Check this machine: what is installed, and what it can train."""
    from econchatr.tools.doctor import examine

    findings = examine()
    lines = [f"{'ok  ' if finding.is_good else 'lack'}  {finding.subject}: {finding.text}" for finding in findings]
    print_result([finding._asdict() for finding in findings], lines, as_json=as_json)


@app.command(rich_help_panel=BEGIN)
def accept(
    base: Annotated[str, typer.Argument(help="The base model, as `base` in show.toml names it: gemma3-270m.")],
    yes: Annotated[bool, typer.Option("--yes", help="You have read the terms and accept them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the terms of a base model's makers, and accept them for this machine, once."""
    from econchatr.tools.accept_terms import accept_terms, show_terms

    asked = show_terms(base)
    if not asked.accepted_at and not yes:
        typer.echo(asked.text, err=as_json)
        if not (sys.stdin.isatty() and typer.confirm(f"Do you accept these terms ({asked.address})?", err=True)):
            raise typer.Exit(_refuse_terms(base))
    accepted_at = asked.accepted_at or accept_terms(base, now=datetime.now(UTC))
    line = f"{base}: terms accepted on {accepted_at[:10]} ({asked.address})"
    print_result({"base": base, "address": asked.address, "accepted_at": accepted_at}, [line], as_json=as_json)


def _refuse_terms(base: str) -> int:
    say(f"{base}: not accepted, so it cannot be used. `econchatr accept {base} --yes` accepts without asking.")
    return InputError.exit_code


_MIN_DRAFTED = 6
"""Fewer make no exam: the general questions stay."""


def _draft_first(show: Path) -> None:
    """Put drafted questions in place of the general ones; where that cannot be done, say why."""
    from econchatr.errors import EconChatRError
    from econchatr.pipeline import open_show
    from econchatr.tools.draft_questions import draft_questions, write_questions

    try:
        opened = open_show(show)
        with open_narrator() as narrator:
            draft, text = draft_questions(opened, narrator)
        if len(draft.questions) >= _MIN_DRAFTED:
            write_questions(opened, draft, text, may_overwrite=True)
            say(f"{len(draft.questions)} questions are drafted from the transcripts.")
        else:
            say(f"{show / 'questions.toml'} holds the twelve general questions: change them to suit the host.")
        if draft.lacks:
            say(f"So few could be drafted from the transcripts ({len(draft.questions)}, not twelve): {draft.lacks}.")
    except EconChatRError as exc:
        say(f"No questions are drafted from the transcripts: {exc.message} {exc.hint}".rstrip())
        say(f"Mend its show.toml, then `econchatr questions {show} --write --force` drafts them.")
