"""The commands to begin with: the demo, a new show, a check of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from econchatr.cli.app import app
from econchatr.cli.running import HERE, JsonOption, ShowArgument, print_json, print_result, run_and_print, say


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the bundled show to.")] = Path("econchatr-demo"),
    as_json: JsonOption = False,
) -> None:
    """Run all stages on the bundled, made-up show: a few minutes, no GPU, no API key."""
    from econchatr.demo import write_demo_show

    write_demo_show(out)
    run_and_print(out, as_json=as_json)


@app.command()
def init(
    show: ShowArgument = HERE,
    source: Annotated[str, typer.Option("--from", help="Folder with the transcripts.")] = "",
    host: Annotated[list[str] | None, typer.Option("--host", help="The host's name; repeat for more hosts.")] = None,
    name: Annotated[
        str, typer.Option("--name", help="The show's name.", show_default="the transcripts' folder's")
    ] = "",
    rights: Annotated[str, typer.Option("--rights", help="Why you may imitate the host, e.g. 'my own voice'.")] = "",
    preset: Annotated[str, typer.Option("--preset", help="Settings to start from: plain or econtalk.")] = "plain",
    as_json: JsonOption = False,
) -> None:
    """Create a show: write a show.toml and a questions.toml to edit."""
    from econchatr.presets import NewShow, write_show

    title = name or (Path(source).resolve() if source else show.resolve()).name
    paths = write_show(show, NewShow(title, tuple(host or ()), _relate_path(source, show), rights), preset=preset)
    if as_json:
        return print_json({"written": [str(path) for path in paths]})
    for path in paths:
        typer.echo(f"wrote {path}")
    if not rights:
        say("Without --rights the show can be prepared, not trained on: fill [rights] in show.toml.")
    say(f"Next: edit {show / 'questions.toml'}, then `econchatr run {show}`.")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check this machine: what is installed, and what it can train."""
    from econchatr.tools.doctor import examine

    findings = examine()
    lines = [f"{'ok  ' if finding.is_good else 'lack'}  {finding.subject}: {finding.text}" for finding in findings]
    print_result([finding._asdict() for finding in findings], lines, as_json=as_json)


def _relate_path(source: str, show: Path) -> str:
    """The transcripts' folder relative to the show's folder, for show.toml; absolute if they are far apart."""
    if not source:
        return ""
    near = Path(os.path.relpath(Path(source).resolve(), show.resolve())).as_posix()
    return Path(source).resolve().as_posix() if near.startswith("../../..") else near
