"""`econchatr serve --train` in a process of its own, over a tiny base, and what a caller sends to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from openai import OpenAI

from econchatr.training_server.job_schema import Hyperparameters
from econchatr.training_server.job_store import StoredJob
from tests.helpers.tiny_bases import write_tiny_base
from tests.helpers.waiting import PATIENCE_SECONDS

BASE = "tiny"
RIGHTS = {"voice": "Hester Pellow", "rights": "made up"}
KEYS = {"ALICE_KEY": "sk-alice-0123456789abcdef", "BOB_KEY": "sk-bob-0123456789abcdef"}
CALLERS = '[[caller]]\nname = "alice"\nkey_env = "ALICE_KEY"\n[[caller]]\nname = "bob"\nkey_env = "BOB_KEY"\n'
ENDED = ("succeeded", "failed", "cancelled")


def write_server(folder: Path, cache: Path, more: str = "") -> Path:
    """A server's folder with a `server.toml` over a tiny base; gives the folder."""
    base = cache / "tiny" / "served-llama"
    base.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{base}.lock"):
        if not (base / "model.safetensors").is_file():
            write_tiny_base("llama3.2", base)
    folder.mkdir(parents=True)
    (folder / "server.toml").write_text(f"{more}\n[bases]\n{BASE} = {json.dumps(str(base))}\n", encoding="utf-8")
    return folder


def make_tuned_job(job_id: str, model: str, *, owner: str = "local") -> StoredJob:
    """A job that has ended with a model, which nothing was trained for."""
    chosen = Hyperparameters(n_epochs=1, batch_size=1, learning_rate_multiplier=1)
    return StoredJob(
        id=job_id, owner=owner, created_at=1, model=BASE, base="embedded", training_file="file-1", seed=1,
        validation_file=None, hyperparameters=chosen, suffix=None, metadata=None, integrations=None,
        voice="Hester Pellow", ground="made up", state="succeeded", tuned_model=model,
    )  # fmt: skip


class ServerProcess:
    """A running server."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = {}) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "econchatr", "serve", str(folder), "--train", "--port", "0", "--json"]
        with (folder / "console.txt").open("ab") as console:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=console, text=True, env={**os.environ, **environment}
            )
        assert self._process.stdout is not None
        self.address: str = json.loads(self._process.stdout.readline())["address"]

    @property
    def pid(self) -> int:
        """The process, as the system knows it."""
        return self._process.pid

    def client(self, key: str = "none") -> OpenAI:
        """OpenAI's own client, as it is."""
        return OpenAI(base_url=self.address, api_key=key, max_retries=0)

    def kill(self) -> None:
        """End it as kill -9 does."""
        self._process.kill()
        self._end()

    def _end(self) -> int:
        code = self._process.wait(timeout=120)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def stop(self) -> None:
        """End it as a user does."""
        self._process.send_signal(signal.SIGINT)
        assert self._end() == 130
        assert "Traceback" not in (self.folder / "console.txt").read_text(encoding="utf-8")


@contextmanager
def run_server(folder: Path, environment: Mapping[str, str] = {}) -> Iterator[ServerProcess]:
    """A server until the block ends."""
    server = ServerProcess(folder, environment)
    try:
        yield server
    finally:
        server.stop()


def chat_rows(n: int) -> list[dict[str, Any]]:
    """So many short conversations."""
    return [
        {
            "messages": [
                {"role": "system", "content": "AI imitation of Hester Pellow."},
                {"role": "user", "content": f"What did bridge {row} teach you?"},
                {"role": "assistant", "content": f"Rust sleeps, and hinge {row} remembers."},
            ]
        }
        for row in range(n)
    ]


def as_lines(rows: Sequence[object]) -> bytes:
    """Rows as a file of JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def upload(client: OpenAI, rows: Sequence[object]) -> str:
    """Upload rows to train on; gives the file's id."""
    return client.files.create(file=("rows.jsonl", as_lines(rows)), purpose="fine-tune").id


def order(client: OpenAI, file_id: str, **more: Any) -> Any:
    """Order a job of few steps."""
    settings = {"hyperparameters": {"n_epochs": 1, "batch_size": 4}, "seed": 7, "metadata": RIGHTS, **more}
    return client.fine_tuning.jobs.create(model=BASE, training_file=file_id, **settings)


def wait_for(client: OpenAI, job_id: str, *states: str) -> Any:
    """The job once it is in one of these states, or has ended."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (job := client.fine_tuning.jobs.retrieve(job_id)).status not in {*states, *ENDED}:
        assert time.monotonic() < end, job
        time.sleep(0.25)
    return job
