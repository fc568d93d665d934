"""Whether `econchatr serve` stays the same under load: memory, threads, open files, waiting times.

    python benchmarks/serving_load.py SHOW MINUTES              # an hour: 60
    taskset -c 0 nice -n 10 python benchmarks/serving_load.py SHOW 60

Starts the real command on a free port for a show with a trained model, and lets eight clients ask it at the same
moment, every six seconds: each a request of another kind, drawn from a fixed seed, short enough that a core stays two
thirds free. What each kind must get is checked; anything else is an error. Its replies are kept in the show's log, as
always.

The first tenth of the time (five minutes at most) warms up. Then, and at the end, the clients hang up and the server
has ten seconds for itself: what it holds at these two quiet moments is compared. In between it is sampled before each
round. It exits with 1 where one request was not answered as it must be, or where something leaks:

- memory: in the second half (heaps fill up for a while) the line through the medians of twelve equal stretches of time
  rises by more than 4 MB an hour (a kilobyte a request), and its slope's 95% interval is above 0;
- open files: one more at the last quiet moment than at the first;
- threads: over eight more than at the first (pools may fill up to one a client; one lost in 300 requests is seen);
- slots: the server's own count says that a reply is being written or waited for when nobody asks.

Whoever stops the server or this program for a while (SIGSTOP) breaks nothing: what was under way then is left out of
the times. It does not know what a reply should say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import httpx2
from scipy import stats
from written_tables import tell_usage

N_CLIENTS = 8
BEAT_SECONDS = 6.0
QUIET_SECONDS = 10.0
"""Longer than the server keeps a connection that nobody uses."""
WARM_UP_SHARE, MAX_WARM_UP_SECONDS = 0.1, 300.0
TICK_SECONDS, LATE_SECONDS = 1.0, 5.0
"""A tick that comes so late says that the whole program was stopped."""
PATIENCE_SECONDS = 1800.0
N_STRETCHES = 12
MAX_MB_PER_HOUR = 4.0
MAX_NEW_THREADS = N_CLIENTS
QUESTIONS = ("Is ninety-four per cent good?", "What did you learn from it?", "Why do people keep bees at all?")
JSON = {"Content-Type": "application/json"}


class Sample(NamedTuple):
    """What the server held at a moment."""

    seconds: float
    rss_mb: float
    n_threads: int
    n_files: int


class Wrong(Exception):  # noqa: N818 - it is an answer, not a fault of this program
    """An answer that is not what it must be."""


@dataclass
class Notes:
    """What is written down while it runs."""

    rng: random.Random
    models: list[str]
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    firsts: list[tuple[float, float]] = field(default_factory=list)
    """When a stream was asked for, and the seconds to its first token."""
    rounds: list[tuple[float, float]] = field(default_factory=list)
    """When a round began, and the seconds until all eight were answered."""
    samples: list[Sample] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)

    def is_whole(self, start: float, seconds: float) -> bool:
        """Whether nothing was stopped meanwhile."""
        return not any(start - LATE_SECONDS <= stop <= start + seconds + LATE_SECONDS for stop in self.stops)


# --- the server -------------------------------------------------------------------------------------------------------


@contextmanager
def start_server(show: Path, console: IO[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], str, list[str]]]:
    """The real command, its address, and the names of its models."""
    command = [sys.executable, "-m", "econchatr", "serve", str(show), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=console)
    try:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        yield process, told["address"].removesuffix("/v1"), told["models"]
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def take_sample(pid: int) -> Sample:
    """What the system says of a process."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    n_files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Sample(time.monotonic(), int(told["VmRSS"].split()[0]) / 1024, int(told["Threads"]), n_files)


def is_stopped(pid: int) -> bool:
    """Whether somebody has sent it a SIGSTOP."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"


def cpu_seconds(pid: int) -> float:
    """Processor time used so far, of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watch_for_stops(pid: int, notes: Notes) -> None:
    """Write down when the server or this program was stopped, until cancelled."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(TICK_SECONDS)
        late = time.monotonic() - before > TICK_SECONDS + LATE_SECONDS
        if late or is_stopped(pid):
            notes.stops += [before, time.monotonic()]


# --- the kinds of request ---------------------------------------------------------------------------------------------


def expect(is_so: object, what: object) -> None:
    """Refuse an answer."""
    if not is_so:
        raise Wrong(str(what)[:300])


def chat_body(notes: Notes, **wanted: Any) -> dict[str, Any]:
    """A short question to any model."""
    said = [{"role": "user", "content": notes.rng.choice(QUESTIONS)}]
    return {"model": notes.rng.choice(notes.models), "messages": said, "max_tokens": notes.rng.randint(3, 8), **wanted}


def text_body(notes: Notes, **wanted: Any) -> dict[str, Any]:
    """A text to be gone on with."""
    body = chat_body(notes)
    del body["messages"]
    return {**body, "prompt": f"{notes.rng.choice(QUESTIONS)} Well,", **wanted}


async def post(
    client: httpx2.AsyncClient, body: dict[str, Any] | bytes, status: int, *, path: str = "chat/completions"
) -> Any:
    """The answer to a request that must get this status."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await client.post(f"/v1/{path}", content=content, headers=JSON)
    expect(response.status_code == status, f"{response.status_code} and not {status}: {response.text}")
    expect("x-ai-imitation" in response.headers, "no label")
    told = response.json()
    expect(status == httpx2.codes.OK or set(told["error"]) == {"message", "type", "param", "code"}, told)
    return told


async def chat(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A message."""
    told = await post(client, chat_body(notes), 200)
    expect(len(told["choices"]) == 1 and told["usage"]["completion_tokens"] > 0, told)


async def seeded(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A message that has the server to itself."""
    told = await post(client, chat_body(notes, seed=notes.rng.randint(0, 9)), 200)
    expect(told["choices"][0]["finish_reason"] in ("stop", "length"), told)


async def several(client: httpx2.AsyncClient, notes: Notes) -> None:
    """Three replies at once."""
    told = await post(client, chat_body(notes, n=3, max_tokens=3), 200)
    expect([choice["index"] for choice in told["choices"]] == [0, 1, 2], told)


async def chances(client: httpx2.AsyncClient, notes: Notes) -> None:
    """With the chances of each token."""
    told = await post(client, chat_body(notes, logprobs=True, top_logprobs=3), 200)
    tokens = told["choices"][0]["logprobs"]["content"]
    expect(all(len(token["top_logprobs"]) == 3 for token in tokens), told)


async def stopped(client: httpx2.AsyncClient, notes: Notes) -> None:
    """With texts to end before."""
    told = await post(client, chat_body(notes, stop=["e", "a"], max_tokens=20), 200)
    text = told["choices"][0]["message"]["content"]
    expect("e" not in text and "a" not in text, told)


async def completion(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A text, gone on with."""
    told = await post(client, text_body(notes, logprobs=2), 200, path="completions")
    expect(len(told["choices"][0]["logprobs"]["tokens"]) == told["usage"]["completion_tokens"], told)


async def read_events(response: httpx2.Response, notes: Notes, start: float) -> AsyncIterator[str]:
    """Every event of a stream; the first with words is timed."""
    is_timed = False
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            if not is_timed and ('"delta":{"content":"' in line or '"text":"' in line):
                notes.firsts.append((start, time.monotonic() - start))
                is_timed = True
            yield line.removeprefix("data: ")


async def stream(client: httpx2.AsyncClient, notes: Notes, *, path: str = "chat/completions") -> None:
    """A stream, read to its end."""
    make = text_body if path == "completions" else chat_body
    body = json.dumps(make(notes, stream=True, stream_options={"include_usage": True}))
    start = time.monotonic()
    async with client.stream("POST", f"/v1/{path}", content=body, headers=JSON) as response:
        expect(response.status_code == httpx2.codes.OK, response.status_code)
        events = [event async for event in read_events(response, notes, start)]
    expect(events[-1:] == ["[DONE]"] and not any('"error"' in event for event in events), events[-2:])
    expect(json.loads(events[-2])["usage"]["completion_tokens"] > 0, events[-2])


async def text_stream(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A text, gone on with piece by piece."""
    await stream(client, notes, path="completions")


async def hung_up(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A long stream, left after two events."""
    body = json.dumps(chat_body(notes, stream=True, max_tokens=400))
    start, n_events = time.monotonic(), 0
    async with client.stream("POST", "/v1/chat/completions", content=body, headers=JSON) as response:
        expect(response.status_code == httpx2.codes.OK, response.status_code)
        async for event in read_events(response, notes, start):
            expect('"error"' not in event, event)
            n_events += 1
            if n_events == 2:
                break
    expect(n_events == 2, f"{n_events} events")


async def gone_early(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A long message, not waited for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await post(client, chat_body(notes, max_tokens=400), 200)


async def no_json(client: httpx2.AsyncClient, notes: Notes) -> None:
    """What is no JSON, or not what is asked for."""
    bodies = (b"{", b"\xff", b"[" * 100_000, b'{"model": 1}', b'{"model": "x", "messages": "hello"}')
    await post(client, notes.rng.choice(bodies), 400)


async def no_model(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A model that is not there."""
    await post(client, chat_body(notes, model=notes.rng.choice(("gpt-4", "../../etc/passwd"))), 404)


async def foreign(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A page from elsewhere."""
    name = notes.rng.choice(("Origin", "Host"))
    response = await client.post("/v1/completions", content=b"{}", headers={name: "http://evil.example"})
    expect(response.status_code == httpx2.codes.FORBIDDEN, response.text)


async def a_megabyte(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A prompt that no model can hold."""
    long = [{"role": "user", "content": "x " * 500_000}]
    told = await post(client, chat_body(notes, messages=long, stream=notes.rng.random() < 0.5), 400)
    expect(told["error"]["code"] == "context_length_exceeded", told)


async def too_long(client: httpx2.AsyncClient, notes: Notes) -> None:
    """A prompt that is too long by a little: its tokens must be counted to know."""
    told = await post(client, text_body(notes, prompt="far too long " * 900), 400, path="completions")
    expect(told["error"]["code"] == "context_length_exceeded", told)


async def looked_at(client: httpx2.AsyncClient, notes: Notes) -> None:
    """Health, counts and the list of models."""
    for path in ("/health", "/metrics", "/v1/models"):
        response = await client.get(path)
        expect(response.status_code == httpx2.codes.OK, f"{path}: {response.text}")


KINDS: dict[Callable[[httpx2.AsyncClient, Notes], Awaitable[None]], int] = {
    chat: 6, stream: 6, text_stream: 3, completion: 3, seeded: 2, several: 1, chances: 2, stopped: 2, hung_up: 3,
    gone_early: 1, no_json: 2, no_model: 2, foreign: 1, a_megabyte: 1, too_long: 1, looked_at: 1,
}  # fmt: skip
"""How often each, in proportion."""


# --- the load ---------------------------------------------------------------------------------------------------------


async def ask_once(client: httpx2.AsyncClient, notes: Notes) -> None:
    """One client's part of a round."""
    (kind,) = notes.rng.choices(list(KINDS), list(KINDS.values()))
    notes.asked[kind.__name__] += 1
    try:
        await kind(client, notes)
    except (Wrong, httpx2.HTTPError, ValueError, KeyError, IndexError, TypeError) as exc:
        notes.wrong.append(f"{kind.__name__}: {type(exc).__name__} {exc}")


async def ask_until(end: float, address: str, pid: int, notes: Notes) -> None:
    """All clients at once, round after round; each keeps its connections, as real ones do."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=address, timeout=PATIENCE_SECONDS, trust_env=False)
            )
            for _ in range(N_CLIENTS)
        ]
        while (start := time.monotonic()) < end:
            if not is_stopped(pid):
                notes.samples.append(take_sample(pid))
            await asyncio.gather(*(ask_once(client, notes) for client in clients))
            notes.rounds.append((start, time.monotonic() - start))
            await asyncio.sleep(max(0.0, min(start + BEAT_SECONDS, end) - time.monotonic()))


async def put_under_load(address: str, pid: int, notes: Notes, seconds: float) -> tuple[Sample, Sample, str, float]:
    """The two quiet moments, the server's own counts at the second, and its share of a core between them."""
    watching = asyncio.create_task(watch_for_stops(pid, notes))
    start = time.monotonic()
    try:
        await ask_until(start + min(seconds * WARM_UP_SHARE, MAX_WARM_UP_SECONDS), address, pid, notes)
        await asyncio.sleep(QUIET_SECONDS)
        first, used = take_sample(pid), cpu_seconds(pid)
        notes.samples.clear()
        await ask_until(start + seconds - QUIET_SECONDS, address, pid, notes)
        share = (cpu_seconds(pid) - used) / (time.monotonic() - first.seconds)
        await asyncio.sleep(QUIET_SECONDS)
        last = take_sample(pid)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    async with httpx2.AsyncClient(base_url=address, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        return first, last, (await client.get("/metrics")).text, share


# --- what came of it --------------------------------------------------------------------------------------------------


def cut_time(samples: list[Sample]) -> list[list[Sample]]:
    """Equal stretches of time, without those of which there is no sample."""
    start, end = samples[0].seconds, samples[-1].seconds
    stretches: list[list[Sample]] = [[] for _ in range(N_STRETCHES)]
    for sample in samples:
        stretches[min(N_STRETCHES - 1, int((sample.seconds - start) / (end - start) * N_STRETCHES))].append(sample)
    return [stretch for stretch in stretches if stretch]


def fit_slope(samples: list[Sample]) -> tuple[float, float]:
    """Megabytes an hour, and half of its 95% interval, by the medians of equal stretches of time."""
    filled = cut_time(samples)
    hours = [statistics.median(sample.seconds for sample in stretch) / 3600 for stretch in filled]
    megabytes = [statistics.median(sample.rss_mb for sample in stretch) for stretch in filled]
    line = stats.linregress(hours, megabytes)
    return float(line.slope), float(line.stderr * stats.t.ppf(0.975, len(filled) - 2))


def percentiles(seconds: list[float]) -> str:
    """The median and what nineteen in twenty stay under."""
    cuts = statistics.quantiles(seconds, n=20)
    return f"p50 {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s, at most {max(seconds):.2f} s (n = {len(seconds)})"


def find_leaks(first: Sample, last: Sample, slope: tuple[float, float], counts: str) -> list[str]:
    """What the docstring above calls a leak."""
    busy = [
        line for line in counts.splitlines()
        if line.startswith(("econchatr_busy_slots ", "econchatr_waiting_requests ")) and not line.endswith(" 0.0")
    ]  # fmt: skip
    return [
        *(["memory"] if slope[0] > MAX_MB_PER_HOUR and slope[0] > slope[1] else []),
        *(["open files"] if last.n_files > first.n_files else []),
        *(["threads"] if last.n_threads > first.n_threads + MAX_NEW_THREADS else []),
        *busy,
    ]


def print_figures(notes: Notes, first: Sample, last: Sample, slope: tuple[float, float], share: float) -> None:
    """Everything that was measured."""
    n_asked = sum(notes.asked.values())
    minutes = (last.seconds - first.seconds) / 60
    print(f"{n_asked:,} requests: " + ", ".join(f"{kind} {n}" for kind, n in notes.asked.most_common()))
    print(f"the server took {share:.0%} of a core over {minutes:.1f} minutes after the warm-up")
    for name, rows in (("first token of a stream", notes.firsts), (f"all {N_CLIENTS} answered", notes.rounds)):
        print(f"{name}: {percentiles([seconds for start, seconds in rows if notes.is_whole(start, seconds)])}")
    medians = [statistics.median(sample.rss_mb for sample in stretch) for stretch in cut_time(notes.samples)]
    print(f"resident memory {first.rss_mb:.1f} MB after the warm-up, {last.rss_mb:.1f} MB at the end; on the way "
          + ", ".join(f"{median:.1f}" for median in medians))  # fmt: skip
    for name, (each, half) in (("slope", fit_slope(notes.samples)), ("slope in the second half", slope)):
        print(f"{name} {each:+.2f} MB an hour, 95% from {each - half:+.2f} to {each + half:+.2f}")
    print(f"threads {first.n_threads} and {last.n_threads}, open files {first.n_files} and {last.n_files}")
    if notes.stops:
        print(f"stopped from outside, {len(notes.stops) // 2} ticks of {TICK_SECONDS:g} s or longer seen")
    print(f"errors that should not have been: {len(notes.wrong)}")
    for line, n in Counter(notes.wrong).most_common(20):
        print(f"  {n} x {line}")


def main() -> int:
    """Load a server for so many minutes; 1: something is wrong."""
    show, seconds = Path(sys.argv[1]), float(sys.argv[2]) * 60
    with tempfile.TemporaryFile() as console, start_server(show, console) as (process, address, models):
        notes = Notes(random.Random(1), models)
        first, last, counts, share = asyncio.run(put_under_load(address, process.pid, notes, seconds))
        console.seek(0)
        if told := console.read().decode(errors="replace"):
            notes.wrong.append(f"the console said: {told[-2000:]}")
    slope = fit_slope(notes.samples[len(notes.samples) // 2 :])
    print_figures(notes, first, last, slope, share)
    leaks = find_leaks(first, last, slope, counts)
    print(f"leaks: {', '.join(leaks) or 'none'}")
    return int(bool(leaks or notes.wrong))


if __name__ == "__main__":
    tell_usage(__doc__)
    sys.exit(main())
