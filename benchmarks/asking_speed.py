"""How fast `econchatr ask` puts the exam, beside what llama.cpp does alone with the same requests all at once.

python benchmarks/asking_speed.py SHOW [--rung NAME] [--questions N] [--rounds 1] [--before CHECKOUT] [--write]

SHOW is a folder whose rung is trained on a base that llama.cpp can open. It is copied without its answers, so that
every one is drawn anew: where the processor has bfloat16 many together in this process, else through llama.cpp. Then,
in turn, each in a process of its own:

    ours     the stage itself: every question, sample and form, the closed questions, the choosing among draws
    before   the same with the code of another checkout (`--before`), to see what a change was worth
    limit    one server of llama.cpp's with as many sequences at once as ours had, and all threads: the very prompts
             that ours sent, as many tokens back as ours got (ends of text are ignored), handed over all at once, first
             those to the base, then those to the tuned model. Nothing of ours stands between

A rate is tokens drawn a second, also those of draws that were not chosen. `--questions` takes so many of the exam's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, see econchatr.cli.app

from written_tables import add_write, lay_out, peak_gb, publish, run_part, tell_machine, tell_spread

from econchatr.ask.exam import spread_questions
from econchatr.models.engines import llamacpp
from econchatr.models.engines.llamacpp import ServerSettings, count_usable_cores
from econchatr.pipeline.ask import ASK
from econchatr.pipeline.show import Rung, Show, open_show
from econchatr.pipeline.stage import Silent
from econchatr.records import Sampling

try:
    from econchatr.models.engines.together import TogetherModel
except ModuleNotFoundError:  # a checkout from before (`--before`) has none

    class TogetherModel:  # type: ignore[no-redef]
        """Stands for the engine that is not there."""

        _draw_lot: Any = None


LEFT_OUT: Final = ("ask", "score", "report")
KEY: Final = "benchmark"


class Recorded:
    """A server of llama.cpp's that writes down what it was asked, how many tokens it gave, and when."""

    def __init__(self, server: Any, calls: list[dict[str, Any]]) -> None:
        self._server, self._calls = server, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def handle_completions(self, request: str, receive: Callable[[str], bool]) -> Any:
        """Pass on, and write down."""
        pieces: list[str] = []

        def hear(text: str) -> bool:
            pieces.append(text)
            return receive(text)

        begin = time.perf_counter()
        told = self._server.handle_completions(request, hear)
        row = {"request": json.loads(request), "n_tokens": count_tokens(pieces), "at": (begin, time.perf_counter())}
        self._calls.append(row)
        return told


def count_tokens(pieces: Sequence[str]) -> int:
    """The tokens of all replies to one request: each one's last piece says how many."""
    found: dict[int | None, int] = {}
    for piece in map(json.loads, pieces):
        if usage := piece.get("usage"):
            place = next((int(one["index"]) for one in piece.get("choices", ())), None)
            found[place] = int(usage["completion_tokens"])
    if len(found) > 1:
        found.pop(None, None)
    return sum(found.values())


@contextmanager
def record_calls() -> Iterator[tuple[list[dict[str, Any]], list[int]]]:
    """What every model is asked that is opened within the block, and how many sequences each computes at once."""
    calls: list[dict[str, Any]] = []
    opened: list[int] = []
    start, draw_lot = llamacpp.start_server, TogetherModel._draw_lot

    def started(gguf: Path, adapters: Sequence[Path], *, settings: ServerSettings, key: str) -> Recorded:
        opened.append(settings.n_slots)
        return Recorded(start(gguf, adapters, settings=settings, key=key), calls)

    def drawn(model: Any, lot: Sequence[Any], sampling: Sampling, tuned: bool, on_text: Any) -> None:
        opened[:] = [model.n_together]
        begin = time.perf_counter()
        draw_lot(model, lot, sampling, tuned, on_text)
        at = (begin, time.perf_counter())
        for prompt_ids, alike in groupby(lot, key=lambda one: one.prompt_ids):
            replies = list(alike)
            request = write_request(prompt_ids, sampling, seed=replies[0].sampling.seed, n=len(replies), tuned=tuned)
            calls.append({"request": request, "n_tokens": sum(len(one._ids) for one in replies), "at": at})

    with patch.object(llamacpp, "start_server", started), patch.object(TogetherModel, "_draw_lot", drawn):
        yield calls, opened


def write_request(prompt_ids: Sequence[int], sampling: Sampling, *, seed: int, n: int, tuned: bool) -> dict[str, Any]:
    """What llama.cpp would be asked for the replies to one prompt."""
    return {
        "prompt": list(prompt_ids),
        "n": n,
        "seed": seed,
        "temperature": sampling.temperature,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "repeat_penalty": sampling.repeat_penalty,
        "stream": True,
        "stream_options": {"include_usage": True},
        "lora": [{"id": 0, "scale": float(tuned)}],
    }


def ask_ours(rung: Rung, given: argparse.Namespace) -> dict[str, Any]:
    """Do the stage."""
    everything = Show.questions
    begin, used = time.perf_counter(), time.process_time()
    with (
        record_calls() as (calls, opened),
        patch.object(Show, "questions", lambda show: spread_questions(everything(show), given.questions)),
    ):
        made = ASK.do(rung, Silent())
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - used,
        "engine_seconds": measure_union([row["at"] for row in calls]),
        "n_tokens": sum(row["n_tokens"] for row in calls),
        "n_sequences": sum(opened),
        "counts": dict(made.counts),
        "calls": calls,
    }


def measure_union(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds during which at least one of the spans lasted."""
    total, end = 0.0, 0.0
    for begin, until in sorted(spans):
        total += max(0.0, until - max(begin, end))
        end = max(end, until)
    return total


def ask_alone(rung: Rung, given: argparse.Namespace) -> dict[str, Any]:
    """Hand llama.cpp the recorded requests, all at once."""
    calls = json.loads(given.calls.read_text(encoding="utf-8"))
    base = rung.base.weights()
    settings = ServerSettings(n_ctx=2048, n_threads=count_usable_cores(), n_slots=given.sequences)
    adapters = [rung.folder("train") / "adapter.gguf"]
    server = llamacpp.start_server(base.gguf_path or Path(), adapters, settings=settings, key=KEY)
    begin, used, n_tokens = time.perf_counter(), time.process_time(), 0
    for is_tuned in (False, True):
        alike = [row for row in calls if bool(row["request"]["lora"][0]["scale"]) == is_tuned]
        with ThreadPoolExecutor(given.sequences) as pool:
            n_tokens += sum(pool.map(lambda row: draw_alone(server, row), alike))
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - used,
        "n_tokens": n_tokens,
    }


def draw_alone(server: Any, row: dict[str, Any]) -> int:
    """Tokens that llama.cpp gives for a request of as many."""
    request, pieces = dict(row["request"]), list[str]()
    n_tokens = max(1, round(row["n_tokens"] / request.get("n", 1)))
    request |= {"n_predict": n_tokens, "max_tokens": n_tokens, "ignore_eos": True, "stop": []}
    request.pop("cache_prompt", None)  # as llama.cpp has it

    def hear(text: str) -> bool:
        pieces.append(text)
        return False

    server.handle_completions(json.dumps(request), hear)
    return count_tokens(pieces)


PARTS = {"ours": ask_ours, "limit": ask_alone}


def main() -> None:
    """Compare, or do one part in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", type=Path)
    parser.add_argument("--rung", default="")
    parser.add_argument("--questions", type=int, default=0, help="of the exam; 0: all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--before", type=Path, help="a checkout whose code is measured too")
    add_write(parser)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sequences", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        found = PARTS[given.part](open_show(given.show).rung(given.rung), given)
        given.out.write_text(json.dumps(found | {"peak_gb": peak_gb()}), encoding="utf-8")
        return
    if open_show(given.show).rung(given.rung).base.weights().gguf_path is None:
        raise SystemExit(
            "This rung's base is no GGUF, so it answers through transformers: llama.cpp is no limit for it."
        )
    machine = tell_machine()
    rounds = [measure_round(given) for _ in range(given.rounds)]
    publish("asking_speed", write_table(rounds, given, machine), is_written=given.write)


def measure_round(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Every way once, each on a fresh copy of the show."""
    words = ["--rung", given.rung, "--questions", given.questions, "--part"]
    with tempfile.TemporaryDirectory() as work:
        found = {"ours": run_part(__file__, copy_show(given.show, Path(work) / "ours"), *words, "ours")}
        if given.before:
            env = {"PYTHONPATH": str(given.before.resolve() / "src")}
            copy = copy_show(given.show, Path(work) / "before")
            found["before"] = run_part(__file__, copy, *words, "ours", env=env)
        calls = Path(work) / "calls.json"
        calls.write_text(json.dumps(found["ours"].pop("calls")), encoding="utf-8")
        more = ["--calls", calls, "--sequences", found["ours"]["n_sequences"]]
        found["limit"] = run_part(__file__, given.show, *words, "limit", *more)
    return found


def copy_show(show: Path, to: Path) -> Path:
    """A copy without answers and what follows from them."""
    shutil.copytree(show, to, ignore=lambda folder, _: LEFT_OUT if Path(folder) == show else ())
    return to


def write_table(rounds: Sequence[dict[str, dict[str, Any]]], given: argparse.Namespace, machine: str) -> str:
    """The page's block."""
    first = rounds[0]["ours"]
    counts = ", ".join(f"{n:,} {name}" for name, n in first["counts"].items() if n)
    ways = [name for name in ("ours", "before", "limit") if name in rounds[0]]
    told = {"ours": "`econchatr ask`", "before": "the code before", "limit": "llama.cpp alone, all at once"}
    rows = [(told[name], *tell_way([one[name] for one in rounds])) for name in ways]
    head = ("", "seconds", "of processor", "tokens drawn", "tokens/s", "tokens/s while replies are drawn", "memory")
    few = f" --questions {given.questions}" if given.questions else ""
    return "\n\n".join((
        f"`python benchmarks/asking_speed.py SHOW --rounds {given.rounds}{few}`: {counts}; {first['n_sequences']} "
        f"sequences at once. {machine}." + (" Medians, with least and most." if len(rounds) > 1 else ""),
        lay_out(head, rows),
        tell_shares(rounds),
    ))  # fmt: skip


def tell_way(found: Sequence[dict[str, Any]]) -> list[str]:
    """One way's cells."""
    engine = [one["n_tokens"] / one.get("engine_seconds", one["seconds"]) for one in found]
    return [
        tell_spread([one["seconds"] for one in found], ",.0f"),
        tell_spread([one["processor"] for one in found], ",.0f"),
        tell_spread([one["n_tokens"] for one in found], ",.0f"),
        tell_spread([one["n_tokens"] / one["seconds"] for one in found]),
        tell_spread(engine),
        tell_spread([one["peak_gb"] for one in found], ".2f") + " GB",
    ]


def tell_shares(rounds: Sequence[dict[str, dict[str, Any]]]) -> str:
    """How near the limit ours comes, and how much faster it is than the code before."""
    whole, engine, used = [], [], []
    for one in rounds:
        limit = one["limit"]["n_tokens"] / one["limit"]["seconds"]
        whole.append(one["ours"]["n_tokens"] / one["ours"]["seconds"] / limit)
        engine.append(one["ours"]["n_tokens"] / one["ours"]["engine_seconds"] / limit)
        used.append(one["limit"]["processor"] / one["ours"]["processor"])
    told = (
        f"**Share of llama.cpp's own batched rate: {tell_spread(whole, '.0%')}** of the whole stage, which also opens "
        f"the models, finds real turns and chooses among draws; {tell_spread(engine, '.0%')} while replies are drawn; "
        f"{tell_spread(used, '.0%')} by seconds of processor, which other work on the machine changes less."
    )
    if "before" in rounds[0]:
        times = [one["before"]["seconds"] / one["ours"]["seconds"] for one in rounds]
        told += f" The stage is {statistics.median(times):.2f} times as fast as before."
    return told


if __name__ == "__main__":
    main()
