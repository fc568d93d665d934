"""What the narrator draws in a terminal, seen from the other end of a real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from econchatr.cli.narrator import Pace

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


def pace_of(*changes: tuple[float, float]) -> Pace:
    """The pace of a step at whose seconds so many were done."""
    now = 0.0
    pace = Pace(lambda: now)
    for now, n_done in changes:  # noqa: B007 - the clock reads it
        pace.move(n_done)
    return pace


@pytest.mark.parametrize(
    ("changes", "told", "left"),
    [
        ([(0.001 * n, n) for n in range(1, 201)], "", ""),
        ([*[(0.001 * n, n) for n in range(1, 201)], (12.2, 201)], "", ""),
        ([*[(0.001 * n, n) for n in range(1, 201)], (12.2, 201), (24.2, 202)], "12 s each", "0:07:36 left"),
        ([(0, 0), (1.5, 4), (3, 60), (6, 120)], "20/s", "0:00:06 left"),
    ],
    ids=["known before", "one since", "two since", "many a second"],
)
def test_a_rate_leaves_out_what_was_known_and_waits_for_ground(
    changes: Sequence[tuple[float, float]], told: str, left: str
) -> None:
    pace = pace_of(*changes)
    assert (pace.tell(), pace.tell_left(240)) == (told, left)


def test_a_rate_is_moved_little_by_one_slow_answer() -> None:
    pace = pace_of(*[(10.0 * n, n) for n in range(30)], (330, 30))
    assert pace.tell() == "12 s each"


INTERRUPTED = """
import signal, sys
from concurrent.futures import ThreadPoolExecutor
signal.signal(signal.SIGINT, signal.default_int_handler)
from econchatr.cli.narrator import open_narrator
with open_narrator(), ThreadPoolExecutor(1) as pool:
    answer = pool.submit(sys.stdin.readline)
    print("asked", flush=True)
    answer.result()
"""


def test_ctrl_c_is_told_while_a_thread_still_works() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], text=True, **pipes) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("Stopping: what is under way is finished first.")
        process.stdin.write("the answer\n")
        process.stdin.close()
        assert process.stderr.read().strip().endswith("KeyboardInterrupt")
