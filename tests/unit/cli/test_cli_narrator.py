"""What the narrator draws in a terminal, seen from the other end of a real one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pty = pytest.importorskip("pty")

DRAW = """
from econchatr.cli.narrator import BarNarrator
narrator = BarNarrator()
row = {"rung": "small", "state": "queued", "job": "ftjob-1\\x1b[31m"}
narrator.table([row, {**row, "rung": "large"}])
narrator.note("small: running at Own")
narrator.table([{**row, "state": "running"}])
narrator.close()
narrator.note("the end")
"""


def draw() -> str:
    parent, child = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    subprocess.run([sys.executable, "-c", DRAW], stdout=child, stderr=child, env=env, check=True)
    os.close(child)
    told = b""
    while True:
        try:
            told += os.read(parent, 4096)
        except OSError:
            return told.decode()


def test_a_table_of_what_runs_is_drawn_anew_below_the_notes_and_taken_away() -> None:
    told = draw()
    places = [told.index(text) for text in ("large", "small: running at Own", "running  ftjob-1", "the end")]
    assert places == sorted(places)
    assert "\x1b[2K" in told[places[2] :]
    assert "ftjob-1\x1b[31m" not in told
