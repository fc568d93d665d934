"""How long the held-out answers of a trained show take: bits under base and tuned model, and the true one among twenty.

python benchmarks/held_out_answers.py SHOW

SHOW is a folder that `econchatr ask` has finished and `score` has not: what was measured before costs nothing. What is
measured is kept, as `econchatr score` keeps it. Prints seconds on the clock and of processor.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, see econchatr.cli.app

from written_tables import tell_usage

from econchatr.pipeline.answer_likelihoods import measure_answers
from econchatr.pipeline.likelihoods import MODELS, LikelihoodBook
from econchatr.pipeline.score import held_out
from econchatr.pipeline.show import open_show
from econchatr.pipeline.stage import Silent


class Clock(Silent):
    """Notes when how much was done."""

    def __init__(self) -> None:
        """Start."""
        self.ticks = [(0.0, time.perf_counter(), time.process_time())]

    def progress(self, n_done: float, n_all: float, unit: str) -> None:
        """Note it."""
        self.ticks.append((n_done, time.perf_counter(), time.process_time()))


def main() -> None:
    """Measure, and print a line for each kind."""
    show, clock = open_show(Path(sys.argv[1])), Clock()
    rung = show.rungs[0]
    found = measure_answers(
        rung, show.answer_pairs(split="test", kept=True), held_out(show), LikelihoodBook(rung), clock
    )
    n_choices = len(found.choices[MODELS[0]])
    n_replies = len(found.answers) + sum(map(len, found.statements.values()))
    middle = next(tick for tick in clock.ticks if tick[0] >= n_replies)
    for told, begin, end in (
        (f"{n_replies} answers and statements", clock.ticks[0], middle),
        (f"the true answer among twenty, {n_choices} times", middle, clock.ticks[-1]),
    ):
        print(f"{told}: {end[1] - begin[1]:.0f} s, {end[2] - begin[2]:.0f} s of processor")


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
