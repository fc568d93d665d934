"""Run the short benchmarks, five times each, and print the medians with their spread.

python benchmarks/run_all.py SHOW [--rounds 5] [--only NAME ...] [--write]     # `make bench`: with the demo's show

SHOW is a trained show. Each benchmark is a command anyone can run; the table has it. Of what it prints, each number
that changes between the rounds is replaced by the median, with the least and the most beside it. Seconds on the clock
and of processor, and the most memory, are those of the whole command. On a machine that others use, only seconds of
processor compare. Not among them, because they take longer: time_to_voice.py, sweep_recipe.py, held_out_answers.py,
serving_load.py, draw_times.py, eight_bits.py and gpu_training.py.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from written_tables import add_write, lay_out, publish, tell_machine, tell_spread

from econchatr.pipeline.show import Show, open_show

ROOT: Final = Path(__file__).parents[1]
NUMBER: Final = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


class Bench(NamedTuple):
    """One command, as it is run and as it is told."""

    name: str
    words: str
    """`SHOW`, `TRANSCRIPTS` and `HOSTS` stand for those of the show."""
    has_rounds: bool = False
    """Whether the command itself repeats what it measures: then it runs once."""


BENCHES: Final = (
    Bench("help", "-m econchatr --help"),
    Bench("second run", "-m econchatr run SHOW"),
    Bench("reading", "benchmarks/parse_folder.py TRANSCRIPTS HOSTS"),
    Bench("selecting", "benchmarks/select_pairs.py 31000"),
    Bench("scoring", "benchmarks/score_text.py"),
    Bench("training", "benchmarks/training_speed.py SHOW packed --steps 6"),
    Bench("training with peft", "benchmarks/training_speed.py SHOW peft --steps 4"),
    Bench("training with TRL, tuned", "benchmarks/training_speed.py SHOW trl-tuned --steps 4"),
    Bench("training with TRL", "benchmarks/training_speed.py SHOW trl --steps 3"),
    Bench("asking", "benchmarks/asking_speed.py SHOW --questions 1 --rounds 5", has_rounds=True),
    Bench("serving", "benchmarks/serving_speed.py SHOW 5", has_rounds=True),
)


class FailedError(Exception):
    """A command ended with another code than 0; the others are run all the same."""


class Round(NamedTuple):
    """One run of a command."""

    text: str
    seconds: float
    processor: float
    gigabytes: float


def main() -> None:
    """Run them in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[bench.name for bench in BENCHES], metavar="NAME")
    add_write(parser)
    given = parser.parse_args()
    show, machine = open_show(given.show), tell_machine()
    rows, parts = [], []
    for bench in BENCHES:
        if given.only and bench.name not in given.only:
            continue
        try:
            rounds = [run(bench, show) for _ in range(1 if bench.has_rounds else given.rounds)]
        except FailedError as failed:
            rows.append([bench.name, "**failed**", "", "", ""])
            print(f"{bench.name}: {failed}", file=sys.stderr, flush=True)
            continue
        rows.append(tell_row(bench, rounds))
        parts.append(tell_output(bench, rounds))
        print(*rows[-1], parts[-1], sep="\n", flush=True)
    head = ("benchmark", "rounds", "seconds", "seconds of processor", "most memory")
    told = f"`python benchmarks/run_all.py SHOW --rounds {given.rounds}`. {machine}. Medians, with least and most."
    publish("run_all", "\n\n".join((told, lay_out(head, rows), *parts)), is_written=given.write)
    if any("**failed**" in row for row in rows):
        raise SystemExit(1)


def run(bench: Bench, show: Show) -> Round:
    """Run a command once.

    Raises:
        FailedError: It failed; with the end of what it said.
    """
    command = [sys.executable, *fill(bench, show)]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as faults:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=faults)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begin
        texts = []
        for file in (told, faults):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode:
        raise FailedError(f"{' '.join(command)} ended with {process.returncode}.\n{texts[1][-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Round(texts[0].strip(), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e9)


def fill(bench: Bench, show: Show) -> list[str]:
    """The command's words for a show."""
    hosts = [show.voice.host]
    stands_for = {"SHOW": [str(show.root.resolve())], "TRANSCRIPTS": [str(show.transcripts.resolve())], "HOSTS": hosts}
    return [filled for word in bench.words.split() for filled in stands_for.get(word, [word])]


def tell_row(bench: Bench, rounds: Sequence[Round]) -> list[str]:
    """The whole command's cells."""
    return [
        bench.name,
        "its own" if bench.has_rounds else str(len(rounds)),
        tell_spread([one.seconds for one in rounds]),
        tell_spread([one.processor for one in rounds]),
        tell_spread([one.gigabytes for one in rounds], ".2f") + " GB",
    ]


def tell_output(bench: Bench, rounds: Sequence[Round]) -> str:
    """The command, and what it printed in all rounds as one text."""
    text = rounds[-1].text if bench.name in ("help", "second run") else merge([one.text for one in rounds])
    shown = text if text.startswith(("`", "|")) else f"```\n{text}\n```"
    told = f"**{bench.name}**: `python {bench.words}`"
    return told if bench.name in ("help", "second run") else f"{told}\n\n{shown}"


def merge(texts: Sequence[str]) -> str:
    """One text of several that differ in their numbers only: each that changes as its median, least and most.

    Where they differ in words too, it is the last one, and says so.
    """
    found = [NUMBER.findall(text) for text in texts]
    if len({NUMBER.sub("#", text) for text in texts}) > 1:
        return f"{texts[-1]}\n(the last of {len(texts)} rounds, which differ in words)"
    columns = iter(zip(*found, strict=True))
    return NUMBER.sub(lambda _: tell_column(next(columns)), texts[0])


def tell_column(column: Sequence[str]) -> str:
    """The same number in every round: as it is, or as its median with least and most."""
    if len(set(column)) == 1:
        return column[0]
    n_decimals = max(len(one.partition(".")[2]) for one in column)
    values = sorted(float(one.replace(",", "")) for one in column)
    middle, least, most = (f"{one:,.{n_decimals}f}" for one in (statistics.median(values), values[0], values[-1]))
    return f"{middle} ({least} to {most})"


if __name__ == "__main__":
    main()
