"""Training, asking and scoring on a GPU, ours beside TRL, Unsloth and vLLM, in one run of eight minutes.

python benchmarks/gpu_training.py FOLDER [--base qwen3-0.6b qwen3-8b] [--minutes 8] [--steps 12] [--tiny] [--write]

FOLDER keeps the bases, which have the sizes of real ones and random numbers: 1.2 GB and 16 GB. Each part runs in a
process of its own, with the time that is left shared among those to come; one that takes longer is stopped, and the
table says so. Programs that are not installed are left out, by name.

    train    ours: what `econchatr train` does. trl: TRL's SFTTrainer with what makes it fastest, packed without
             padding, with FlashAttention or the kernels of the hub where they are installed. unsloth: Unsloth under
             the same trainer. The same in 4 bits: qlora (ours, as if 24 GB were free) and unsloth-4bit
    ask      ours: in batches through transformers, as `econchatr ask` asks a base that is no GGUF file. vllm: the same
             prompts all at once, as many tokens a reply
    score    ours: how likely replies are, as `econchatr score` measures it. vllm: the same from its prompts' chances

All learn rank 16 on all linear layers, 8 examples a step, replies only, the same random examples of 150 to 500 tokens.
The first two steps are not counted. The share of the peak counts 4 operations per number of the base and token
(forward, and backward to the inputs: the base itself has no gradient), the head for reply tokens only.

Without a GPU it says so and ends with 2. `--tiny` takes a base of 100,000 parameters on whatever device there is: it
tells that the script works, nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import gpu_ways as ways
import torch
from random_bases import SIZES, open_random_base
from written_tables import add_write, lay_out, peak_gb, publish, tell_machine

from econchatr.models.files.weights import BaseWeights
from econchatr.prompts import EncodedExample

Do = Callable[[BaseWeights, Sequence[EncodedExample]], ways.Found]
MIN_SECONDS: Final = 20
"""A part that has less is not begun."""


def _train(run: Callable[..., ways.Ran]) -> Do:
    return partial(ways.train, run=run)


PARTS: Final[dict[str, tuple[str, Do]]] = {
    "train ours": ("", _train(ways.train_ours)),
    "train trl": ("trl", _train(ways.train_trl)),
    "train unsloth": ("unsloth", _train(ways.train_unsloth)),
    "train qlora": ("bitsandbytes", _train(partial(ways.train_ours, is_4bit=True))),
    "train unsloth-4bit": ("unsloth", _train(partial(ways.train_unsloth, is_4bit=True))),
    "ask ours": ("", ways.ask_ours),
    "ask vllm": ("vllm", ways.ask_vllm),
    "score ours": ("", ways.score_ours),
    "score vllm": ("vllm", ways.score_vllm),
}
"""Each part by its name, with the package it needs."""


class Row(NamedTuple):
    """What came of one part; a rate of 0: nothing did."""

    base: str
    part: str
    rate: float
    gigabytes: float
    note: str


def main() -> None:
    """Run every part on every base, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", nargs="+", choices=SIZES, default=["qwen3-0.6b", "qwen3-8b"])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--tiny", action="store_true")
    add_write(parser)
    parser.add_argument("--part", choices=[*PARTS, "make"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not (torch.cuda.is_available() or given.tiny):
        print("gpu_training.py: torch finds no GPU here; --tiny tries the script without one.", file=sys.stderr)
        raise SystemExit(2)
    if given.part:
        measure(given)
        return
    rows = run_parts(["tiny"] if given.tiny else given.base, given)
    publish("gpu_training", write_table(rows, given), is_written=given.write and not given.tiny)


def measure(given: argparse.Namespace) -> None:
    """Do one part in this process; `make` writes the base only."""
    name = given.base[0]
    base = open_random_base(name, given.folder)
    if given.part == "make":
        given.out.write_text("{}", encoding="utf-8")
        return
    examples = ways.make_examples(given.steps, n_tokens=SIZES[name][1]["vocab_size"])
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    found = PARTS[given.part][1](base, examples)
    gigabytes = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else peak_gb()
    given.out.write_text(json.dumps(found | {"gb": gigabytes}), encoding="utf-8")


def run_parts(bases: Sequence[str], given: argparse.Namespace) -> list[Row]:
    """Run the parts in turn, each for at most an equal share of the time that is left and half of it again."""
    end = time.monotonic() + 60 * given.minutes
    jobs = [(base, part) for base in bases for part in ("make", *PARTS)]
    rows = []
    for n, (base, part) in enumerate(jobs):
        package = PARTS[part][0] if part in PARTS else ""
        left = end - time.monotonic()
        if package and find_spec(package) is None:
            rows.append(Row(base, part, 0.0, 0.0, f"{package} is not installed"))
        elif left < MIN_SECONDS:
            rows.append(Row(base, part, 0.0, 0.0, "no time was left"))
        else:
            share = min(left, max(MIN_SECONDS, 1.5 * left / (len(jobs) - n)))
            rows.append(run_part(base, part, left if part == "make" else share, given))
        print(*rows[-1], sep=" | ", flush=True)
    return [row for row in rows if row.part != "make" or row.note]


def run_part(base: str, part: str, seconds: float, given: argparse.Namespace) -> Row:
    """One part, in a process that is stopped after so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.json"
        words = [str(given.folder), "--base", base, "--steps", str(given.steps), "--part", part, "--out", str(out)]
        command = [sys.executable, __file__, *words, *(["--tiny"] if given.tiny else [])]
        # In a group of its own: what a stopped part has started itself must not keep the card.
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
        )
        try:
            faults = process.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Row(base, part, 0.0, 0.0, f"stopped after {seconds:.0f} s")
        if process.returncode or not out.is_file():
            last = faults.strip().splitlines()[-1:] or ["no message"]
            return Row(base, part, 0.0, 0.0, f"failed: {last[0][:200]}")
        found = json.loads(out.read_text(encoding="utf-8"))
    return Row(base, part, found.get("rate", 0.0), found.get("gb", 0.0), found.get("note", ""))


def write_table(rows: Sequence[Row], given: argparse.Namespace) -> str:
    """The page's block; each part beside ours of the same kind and base."""
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    ours = {(row.base, row.part.split()[0]): row.rate for row in rows if row.part.endswith(" ours")}
    cells = []
    for row in rows:
        rate = f"{row.rate:,.0f}" if row.rate else ""
        beside = ours.get((row.base, row.part.split()[0]), 0.0)
        times = f"{row.rate / beside:.2f}" if row.rate and beside else ""
        cells.append((row.base, row.part, rate, times, f"{row.gigabytes:.1f} GB" if row.rate else "", row.note))
    head = ("base", "part", "tokens/s", "times ours", "memory", "")
    told = f"`python benchmarks/gpu_training.py FOLDER --minutes {given.minutes:g}` on {card}. {tell_machine()}."
    return f"{told}\n\n{lay_out(head, cells)}"


if __name__ == "__main__":
    main()
