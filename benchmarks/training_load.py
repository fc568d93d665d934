"""Whether `econchatr serve --train` stays the same while eight callers train and ask at once.

    python benchmarks/training_load.py MINUTES                  # 20

Starts the real command over a tiny base of random numbers. Eight callers, each with a key of its own, lead the whole
life of a job again and again: upload a file, order a training (every fourth is cancelled), ask the base while they
wait, ask the new model twice at temperature 0 (both answers must be the same), look for what other callers own (it must
not be there), and delete file and model. `openai` is the client, without retries.

The first tenth of the time warms up. Then, and at the end, the callers rest for ten seconds: what the server holds at
these two quiet moments is compared, and in between it is sampled every three seconds. It exits with 1 where one answer
was not what it must be, where a caller came to the end of no job, or where the server leaks by the rules of
`serving_load.py`.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openai import APIError, APIStatusError, OpenAI
from serving_load import QUIET_SECONDS, Sample, cpu_seconds, cut_time, find_leaks, fit_slope, take_sample
from written_tables import tell_usage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.helpers.tiny_bases import write_tiny_base  # noqa: E402
from tests.helpers.training_server_process import RIGHTS, ServerProcess, chat_rows, upload  # noqa: E402

N_CALLERS = 8
SAMPLE_SECONDS = 3.0
WARM_UP_SHARE = 0.1
CANCELLED_SHARE = 0.25
JOB_SECONDS = 900
"""No job of so few steps takes longer, whatever waits before it."""
NOT_FOUND = 404


class Caller:
    """Somebody with a key, who trains and asks."""

    def __init__(self, address: str, number: int) -> None:
        self.rng = random.Random(number)
        self.client = OpenAI(base_url=address, api_key=key_of(number), max_retries=0, timeout=JOB_SECONDS)
        self.seconds: list[float] = []
        """Of each job that succeeded, from its order to its end."""
        self.n_asked = self.n_cancelled = 0
        self.wrong: list[str] = []
        self.own_jobs: set[str] = set()

    def live_until(self, end: float, others: list[str]) -> None:
        """One job after the other; what goes wrong is kept."""
        while time.monotonic() < end:
            try:
                self.live_once(others)
            except (APIError, AssertionError, KeyError, IndexError) as exc:
                self.wrong.append(f"{type(exc).__name__}: {exc}"[:300])

    def live_once(self, others: list[str]) -> None:
        """A job from its file to the end of its model."""
        file_id = upload(self.client, chat_rows(self.rng.randint(4, 12)))
        start = time.monotonic()
        job = self.client.fine_tuning.jobs.create(
            model="tiny", training_file=file_id, seed=7, metadata=RIGHTS,
            hyperparameters={"n_epochs": 1, "batch_size": 4},
        )  # fmt: skip
        self.own_jobs.add(job.id)
        others.append(job.id)
        self.look_for(self.rng.choice(others[-50:]))
        if self.rng.random() < CANCELLED_SHARE:
            job = self.client.fine_tuning.jobs.cancel(job.id)
            assert job.status == "cancelled", job.status
            self.n_cancelled += 1
        else:
            self.wait_for(job.id, start)
        self.client.files.delete(file_id)

    def wait_for(self, job_id: str, start: float) -> None:
        """Ask until the job has ended, and then what it made."""
        while (job := self.client.fine_tuning.jobs.retrieve(job_id)).status not in ("succeeded", "failed", "cancelled"):
            assert time.monotonic() < start + JOB_SECONDS, f"{job_id} is {job.status} after {JOB_SECONDS} s"
            self.ask("tiny")
            time.sleep(self.rng.uniform(0.2, 1.5))
        assert job.status == "succeeded", job.error
        self.seconds.append(time.monotonic() - start)
        model = str(job.fine_tuned_model)
        first, second = self.ask(model), self.ask(model)
        assert first == second, f"two answers at temperature 0: {first!r} and {second!r}"
        self.client.models.delete(model)

    def ask(self, model: str) -> str:
        """An answer at temperature 0."""
        said: list[Any] = [{"role": "user", "content": "What did bridge 3 teach you?"}]
        answer = self.client.chat.completions.create(model=model, messages=said, temperature=0, max_tokens=12)
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 0, answer
        self.n_asked += 1
        return answer.choices[0].message.content or ""

    def look_for(self, job_id: str) -> None:
        """Somebody else's job is not there."""
        try:
            self.client.fine_tuning.jobs.retrieve(job_id)
        except APIStatusError as exc:
            if exc.status_code != NOT_FOUND:
                raise
        else:
            assert job_id in self.own_jobs, f"{job_id} is somebody else's"


def key_of(number: int) -> str:
    """A caller's key."""
    return f"sk-caller-{number}-0123456789abcdef"


def write_server(folder: Path) -> Path:
    """A server's folder over a tiny base, with eight callers."""
    write_tiny_base("llama3.2", folder / "base")
    callers = "".join(f'[[caller]]\nname = "c{n}"\nkey_env = "CALLER_{n}"\n' for n in range(N_CALLERS))
    (folder / "server.toml").write_text(f"{callers}[bases]\ntiny = {json.dumps(str(folder / 'base'))}\n")
    return folder


@contextmanager
def start_server(folder: Path) -> Iterator[ServerProcess]:
    """The real command."""
    server = ServerProcess(folder, {f"CALLER_{n}": key_of(n) for n in range(N_CALLERS)})
    try:
        yield server
    finally:
        server.stop()


def put_under_load(callers: list[Caller], pid: int, seconds: float) -> list[Sample]:
    """Let all live for so long; gives what the server held meanwhile."""
    jobs: list[str] = []
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=caller.live_until, args=(end, jobs)) for caller in callers]
    for thread in threads:
        thread.start()
    samples = []
    while any(thread.is_alive() for thread in threads):
        samples.append(take_sample(pid))
        time.sleep(SAMPLE_SECONDS)
    time.sleep(QUIET_SECONDS)
    return samples


def main() -> int:
    """Load a server for so many minutes; 1: something is wrong."""
    seconds = float(sys.argv[1]) * 60
    with tempfile.TemporaryDirectory() as folder, start_server(write_server(Path(folder))) as server:
        pid = server.pid
        callers = [Caller(server.address, n) for n in range(N_CALLERS)]
        put_under_load(callers, pid, seconds * WARM_UP_SHARE)
        first, used = take_sample(pid), cpu_seconds(pid)
        samples = put_under_load(callers, pid, seconds * (1 - WARM_UP_SHARE))
        last = take_sample(pid)
        share = (cpu_seconds(pid) - used) / (last.seconds - first.seconds)
        console = (server.folder / "console.txt").read_text()
    return print_figures(callers, samples, (first, last), share, console)


def print_figures(
    callers: list[Caller], samples: list[Sample], ends: tuple[Sample, Sample], share: float, console: str
) -> int:
    """Everything that was measured; 1: something is wrong."""
    first, last = ends
    slope = fit_slope(samples[len(samples) // 2 :])
    wrong = [line for caller in callers for line in caller.wrong] + ([console] if "Traceback" in console else [])
    done = [len(caller.seconds) for caller in callers]
    n_cancelled, n_asked = sum(c.n_cancelled for c in callers), sum(c.n_asked for c in callers)
    longest = max(seconds for caller in callers for seconds in caller.seconds or [0])
    print(f"{sum(done)} jobs trained ({min(done)} to {max(done)} a caller), {n_cancelled} cancelled")
    print(f"{n_asked:,} answers; the longest job took {longest:.0f} s, waiting for others' among it")
    print(f"the server took {share:.0%} of a core over {(last.seconds - first.seconds) / 60:.1f} minutes")
    medians = [sorted(s.rss_mb for s in part)[len(part) // 2] for part in cut_time(samples)]
    print(f"resident memory {first.rss_mb:.1f} MB after the warm-up, {last.rss_mb:.1f} MB at the end; on the way "
          + ", ".join(f"{median:.1f}" for median in medians))  # fmt: skip
    print(f"slope in the second half {slope[0]:+.2f} MB an hour, 95% within {slope[1]:.2f} of it")
    print(f"threads {first.n_threads} and {last.n_threads}, open files {first.n_files} and {last.n_files}")
    leaks = find_leaks(first, last, slope, "")
    print(f"leaks: {', '.join(leaks) or 'none'}; wrong answers: {len(wrong)}")
    for line, n in Counter(wrong).most_common(20):
        print(f"  {n} x {line}")
    return int(bool(leaks or wrong or not min(done)))


if __name__ == "__main__":
    tell_usage(__doc__)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
