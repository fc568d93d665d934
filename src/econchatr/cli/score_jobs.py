"""The options of `econchatr score`: sheets for people, the LLM judge, and measuring for longer.

Each function opens the show, calls one function of the pipeline and prints the result.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from econchatr.cli.printing import print_json, say
from econchatr.errors import InputError

if TYPE_CHECKING:
    from econchatr.pipeline import Show
    from econchatr.records import Score


def measure_for(show: Show, rung: str, minutes: float) -> None:
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


def ask_judge(show: Path, rung: str) -> list[Score]:
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


def write_sheet(show: Path, kind: str, *, rung: str, seed: int, n_cues: int, as_json: bool) -> None:
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
