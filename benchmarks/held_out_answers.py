"""How long the held-out answers of a trained show take: bits under base and tuned model, and the true one among twenty.

python benchmarks/held_out_answers.py SHOW [--start-tokens 24 16 ...]

SHOW is a folder that `econchatr ask` has finished and `score` has not: what was measured before costs nothing. What is
measured is kept, as `econchatr score` keeps it. Prints seconds on the clock and of processor, and how often each model
finds the true answer. With several numbers of tokens, so much of each answer is looked at, one number after the other.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, see econchatr.cli.app

from econchatr.pipeline import answer_likelihoods
from econchatr.pipeline.answer_likelihoods import measure_answers
from econchatr.pipeline.likelihoods import MODELS, LikelihoodBook
from econchatr.pipeline.score import held_out
from econchatr.pipeline.show import Rung, open_show
from econchatr.pipeline.stage import Silent
from econchatr.score.likelihood import score_choices


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", type=Path)
    parser.add_argument("--start-tokens", type=int, nargs="+", default=[answer_likelihoods.N_START_TOKENS])
    given = parser.parse_args()
    for n_tokens in given.start_tokens:
        print(f"{n_tokens} tokens of each answer:", flush=True)
        with patch.object(answer_likelihoods, "N_START_TOKENS", n_tokens):
            measure(open_show(given.show).rungs[0])


def measure(rung: Rung) -> None:
    """Measure a trained rung's held-out answers, and print what came of it."""
    show, clock = rung.show, Clock()
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
        print(f"  {told}: {end[1] - begin[1]:.0f} s, {end[2] - begin[2]:.0f} s of processor")
    for score in score_choices(found.choices, rung=rung.config.name, reason=found.reason):
        if score.value is not None:
            print(f"  {score.variant}: {score.value:.3f} ({score.low:.3f} to {score.high:.3f})", flush=True)


if __name__ == "__main__":
    main()
