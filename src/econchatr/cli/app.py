"""The `econchatr` command itself, and the one place where our errors become a message and an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from econchatr import __version__
from econchatr.display import strip_controls
from econchatr.errors import EconChatRError

EXIT_INTERRUPTED = 130


class _Group(TyperGroup):
    """Turns our errors into a message and an exit code; no other place does."""

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


BEGIN = "Begin"
STEPS = "Make models, step by step"
MONEY = "Money"
USE = "Talk, mark, hand on"
"""What the commands stand under in the help, in this order."""

app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train small models that answer like a podcast's host, and measure how close they come.",
    epilog="Start with: econchatr init SHOW --from FOLDER",
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"econchatr {__version__}")
        raise typer.Exit


@app.callback()
def prepare(
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more, on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Set up logging and the environment before the command runs."""
    # A Hugging Face library must not ask the hub for anything nobody asked for.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Threads that wait must sleep soon, or training on a busy machine is ten times slower; read once, when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, stream=sys.stderr)
