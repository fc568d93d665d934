"""What the benchmarks share: medians with their spread, the machine in words, and tables that replace their own block.

docs/performance.md holds a pair of comments for each such table; `--write` replaces what stands between them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def lay_out(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def tell_spread(values: Sequence[float], form: str = ",.1f") -> str:
    """The median, with the least and the most beside it: `3.2 (3.0 to 3.9)`."""
    middle, least, most = (format(value, form) for value in (statistics.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"


def tell_machine() -> str:
    """The day, the processor and the load that the rest of the machine puts on it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS")
    told = f"{datetime.now(UTC):%d %B %Y}; {cores} cores of {_name_processor()}"
    return told + (f", {threads} thread(s) by OMP_NUM_THREADS" if threads else "") + _tell_load()


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16; Linux says, elsewhere it counts as one that does."""
    told = _read_processor()
    return not told or bool(re.search(r"avx512_bf16|amx_bf16|\bbf16\b", told))


def _name_processor() -> str:
    """The processor, and whether it multiplies in bfloat16; elsewhere than on Linux the machine's kind."""
    name = re.search(r"model name\s*: (.*)", _read_processor())
    return f"{name[1]} {'with' if has_bfloat16() else 'without'} bfloat16" if name else platform.machine()


def _read_processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def _tell_load() -> str:
    """How many processes ran during the last five minutes, which is more than one where others work beside this."""
    return f"; load before: {os.getloadavg()[1]:.1f}" if hasattr(os, "getloadavg") else ""


def tell_usage(told: str | None) -> None:
    """End with a script's own description where its user asks for help."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(told)
        raise SystemExit(0)


def add_write(parser: argparse.ArgumentParser) -> None:
    """Let a script's user have the table written."""
    parser.add_argument("--write", action="store_true", help="replace the script's block in docs/performance.md")


def publish(name: str, text: str, *, is_written: bool, page: Path = PAGE) -> None:
    """Print a table, and put it in place of the one before.

    Args:
        name: Of the block, between `<!-- bench: NAME -->` and `<!-- end: NAME -->`.
    """
    print(text, flush=True)
    if not is_written:
        return
    begin, end = f"<!-- bench: {name} -->", f"<!-- end: {name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page} has no block {begin} ... {end}; put both lines where the table belongs.")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def run_part(script: str, *words: object, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run one part of a script in a process of its own, so that its memory and its seconds are its own.

    Args:
        words: The script's arguments; the file for the result follows them as `--out`.
        env: Variables besides this process's.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.json"
        command = [sys.executable, script, *map(str, words), "--out", str(out)]
        done = subprocess.run(command, check=False, env={**os.environ, **(env or {})})
        if done.returncode or not out.is_file():
            raise SystemExit(f"{' '.join(command[1:])} ended with {done.returncode}.")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def peak_gb(whose: int = resource.RUSAGE_SELF) -> float:
    """The most memory this process has held, in GB; with `RUSAGE_CHILDREN`, any of those that it waited for."""
    most = resource.getrusage(whose).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e9
