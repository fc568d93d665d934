"""How fast `econchatr serve` answers beside llama.cpp alone, on the same files, in the same run.

    python benchmarks/serving_speed.py SHOW [ROUNDS]

Both ways are asked in turn, so that whatever else the machine does falls on both. Alone means: llama.cpp's own server
and its own protocol, asked for the same tokens with nothing of ours between. Then eight people ask at once, and again
as soon as they are answered: all of them the tuned model, and then half of them the base, which must take turns with
it. Fair is that each gets as many answers as any other.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import uvicorn
from written_tables import tell_usage

from econchatr.ask.asker import GenerationLog
from econchatr.models.engines.llama_server import ServedModel, SlotRequest
from econchatr.pipeline import open_show
from econchatr.prompts import conversation, render_chat
from econchatr.records import Message
from econchatr.talk.server.listen import take_place
from econchatr.talk.server.routes import create_app
from econchatr.tools.serve import open_served

N_TOKENS = 96
N_PEOPLE = 8
CROWD_SECONDS = 60.0
CROWD_TOKENS = 24
QUESTION = "Is ninety-four per cent good?"
END_TOKEN = 2
"""The embedded model's; forbidden, so that every answer has the same length."""


async def alone(model: ServedModel, prompt: str, seed: int) -> AsyncIterator[None]:
    """Every piece that llama.cpp gives by itself."""
    draw = SlotRequest(
        seed=seed, max_tokens=N_TOKENS, temperature=0.6, repeat_penalty=1.1, logit_bias=((END_TOKEN, -100.0),)
    )
    slots = model.slots
    request = slots._request(prompt, draw, model.adapter, 1)
    async with slots._client.stream("POST", f"{slots._address}/completion", content=request) as response:
        async for _ in response.aiter_raw():
            yield


async def served(
    client: httpx2.AsyncClient, address: str, model: str, seed: int | None, *, n_tokens: int = N_TOKENS
) -> AsyncIterator[None]:
    """Every piece that comes over our server."""
    body = {
        "model": model, "messages": [{"role": "user", "content": QUESTION}], "stream": True, "seed": seed,
        "max_tokens": n_tokens, "logit_bias": {str(END_TOKEN): -100},
    }  # fmt: skip
    async with client.stream("POST", f"{address}/v1/chat/completions", content=json.dumps(body)) as response:
        response.raise_for_status()
        async for chunk in response.aiter_raw():
            if b'"content":"' in chunk and b'"content":""' not in chunk:
                yield


async def take_time(pieces: AsyncIterator[None], *, n_tokens: int = N_TOKENS) -> tuple[float, float]:
    """Seconds to the first piece, and tokens a second over all."""
    start, first = time.perf_counter(), 0.0
    async for _ in pieces:
        first = first or time.perf_counter() - start
    return first, n_tokens / (time.perf_counter() - start)


async def keep_asking(client: httpx2.AsyncClient, address: str, model: str) -> list[float]:
    """The seconds that one person waited for each answer's first piece."""
    end, waits = time.perf_counter() + CROWD_SECONDS, []
    while time.perf_counter() < end:
        pieces = served(client, address, model, None, n_tokens=CROWD_TOKENS)
        waits.append((await take_time(pieces, n_tokens=CROWD_TOKENS))[0])
    return waits


async def crowd(client: httpx2.AsyncClient, address: str, names: list[str]) -> None:
    """Print what each of eight people gets who ask models of these names in turn."""
    asked = [names[person % len(names)] for person in range(N_PEOPLE)]
    waits = await asyncio.gather(*(keep_asking(client, address, name) for name in asked))
    counts = sorted(len(own) for own in waits)
    every = sorted(seconds for own in waits for seconds in own)
    print(
        f"{N_PEOPLE} people for {CROWD_SECONDS:.0f} s at {' and '.join(names)}: {sum(counts)} answers, "
        f"{counts[0]} to {counts[-1]} each; first token after {statistics.median(every):.2f} s, "
        f"at most {every[-1]:.2f} s"
    )


async def compare(address: str, model: ServedModel, prompt: str, n_rounds: int, base: str) -> None:
    """Print the figures."""
    headers = {"Content-Type": "application/json"}
    async with httpx2.AsyncClient(timeout=None, headers=headers, trust_env=False) as client:
        rows: dict[str, list[tuple[float, float]]] = {"llama.cpp alone": [], "served": []}
        for seed in range(n_rounds + 1):
            found = {
                "llama.cpp alone": await take_time(alone(model, prompt, seed)),
                "served": await take_time(served(client, address, model.name, seed)),
            }
            for name, row in found.items() if seed else ():  # the first round warms up
                rows[name].append(row)
        for name, found_rows in rows.items():
            first = statistics.median(row[0] for row in found_rows)
            rate = statistics.median(row[1] for row in found_rows)
            print(f"{name:16} first token {first * 1000:5.0f} ms, {rate:6.1f} tokens/s (medians of {n_rounds})")
        shares = [ours[1] / theirs[1] for ours, theirs in zip(rows["served"], rows["llama.cpp alone"], strict=True)]
        print(f"share of llama.cpp's rate: {statistics.median(shares):.3f} (median of the rounds' own shares)")
        start = time.perf_counter()
        together = await asyncio.gather(
            *(take_time(served(client, address, model.name, None)) for _ in range(N_PEOPLE))
        )
        seconds = time.perf_counter() - start
        waits, rates = (sorted(column) for column in zip(*together, strict=True))
        print(
            f"{N_PEOPLE} at once: {N_PEOPLE * N_TOKENS / seconds:.1f} tokens/s together, first tokens after "
            f"{waits[0]:.2f} to {waits[-1]:.2f} s, rates {rates[0]:.1f} to {rates[-1]:.1f}"
        )
        await crowd(client, address, [model.name])
        await crowd(client, address, [model.name, base])


def main() -> None:
    """Serve the show in a thread and ask it."""
    show = open_show(Path(sys.argv[1]))
    n_rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with (
        tempfile.TemporaryDirectory() as folder,
        take_place("127.0.0.1", 0, key="") as place,
        open_served(show, n_slots=N_PEOPLE) as models,
    ):
        app = create_app(models, show.voice, log=GenerationLog(Path(folder) / "log.jsonl"))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        thread = threading.Thread(target=lambda: server.run(sockets=[place.socket]), daemon=True)
        thread.start()
        model = models[0]
        said = conversation([Message(role="user", content=QUESTION)], show.voice)
        asyncio.run(compare(place.address, model, render_chat(said, model.template), n_rounds, models[1].name))
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    tell_usage(__doc__)
    main()
