"""Arguments and options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ShowArgument = Annotated[Path, typer.Argument(help="The show's folder.", show_default="this folder")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON result on stdout.")]
RungOption = Annotated[
    str, typer.Option("--rung", help="Only this model of the ladder in show.toml.", show_default="all")
]
HERE = Path()
