"""Run several shows, or one on a cluster, and print one table of all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from econchatr.cli.layouts import Sheet, print_sheet
from econchatr.cli.narrator import open_narrator
from econchatr.cli.running import approve_quote, print_finished, print_json
from econchatr.display import strip_controls
from econchatr.errors import InputError
from econchatr.user_folders import config_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from econchatr.shows import RaySettings, ShowOutcome


def read_engine(engine: str, address: str) -> RaySettings | None:
    """The settings of the Ray cluster that a run is for; `None`: it is for this machine alone.

    Raises:
        InputError: There is no such engine, or cluster.toml is wrong.
    """
    from econchatr.shows import load_ray_settings

    if engine not in ("here", "ray"):
        raise InputError(f"no engine {engine!r}.", hint="The engines: here, ray.")
    if engine == "here":
        if address:
            raise InputError("--address is of a Ray cluster.", hint="Add --engine ray.")
        return None
    settings = load_ray_settings(config_folder())
    return settings.model_copy(update={"address": address}) if address else settings


def run_shows(folders: Sequence[Path], settings: RaySettings | None, *, rung: str, yes: bool) -> list[ShowOutcome]:
    """Run these shows, on Ray where there are settings for it; a show that fails stops only itself."""
    from econchatr.shows import run_here, run_on_ray

    approve = partial(approve_quote, yes=yes)
    with open_narrator() as narrator:
        if settings is None:
            return run_here(folders, narrator, rung=rung, approve=approve)
        return run_on_ray(folders, settings, narrator, rung=rung, approve=approve)


def print_outcome(outcome: ShowOutcome, *, is_post: bool, as_json: bool) -> None:
    """Print what came of one show, as a run of it alone does.

    Raises:
        EconChatRError: What stopped the show.
    """
    from econchatr.pipeline import RunResult, list_steps, open_show

    if outcome.error is not None:
        raise outcome.error
    opened = open_show(outcome.folder)
    fresh = tuple(step.name for step in list_steps(opened) if step.name not in outcome.done)
    print_finished(opened, RunResult(outcome.done, fresh), is_post=is_post, as_json=as_json)


def print_outcomes(outcomes: Sequence[ShowOutcome], *, as_json: bool) -> None:
    """Print one table of all shows, then what stopped those that failed; exit as the first of them would alone."""
    failed = [(one.folder.name, one.error) for one in outcomes if one.error is not None]
    if as_json:
        print_json([one.as_dict() for one in outcomes])
    else:
        print_sheet(lay_out_outcomes(outcomes))
        for name, error in failed:
            typer.echo(strip_controls(f"{name}: {error.message} {error.hint}".rstrip(), keeps_lines=False), err=True)
    if failed:
        raise typer.Exit(failed[0][1].exit_code)


def lay_out_outcomes(outcomes: Sequence[ShowOutcome]) -> Sheet:
    """One row a show: what became of it, its models' Voice, what it cost, and the error in short."""
    n_failed = sum(one.error is not None for one in outcomes)
    rows = tuple(
        (
            _shorten(one.folder.name, 40),
            one.status,
            _shorten(one.voice, 60),
            f"{one.usd:.2f}",
            f"{one.seconds:,.0f}",
            _shorten(one.error.message, 80) if one.error else "",
        )
        for one in outcomes
    )
    title = f"{len(outcomes)} shows, {n_failed} failed. Voice: 0 is the guests, 1 the host."
    return Sheet(title, ("show", "status", "Voice after training", "#US$", "#seconds", "error"), rows)


def _shorten(text: str, n: int) -> str:
    text = strip_controls(text, keeps_lines=False)
    return text if len(text) <= n else f"{text[: n - 1]}…"
