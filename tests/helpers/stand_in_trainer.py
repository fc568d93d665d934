"""A stand-in for a service that trains: OpenAI's files, fine_tuning/jobs and models on this machine, with faults.

It keeps its own book of what it would charge, and is as unhelpful as a service may be. `faults` maps a call
(`POST /files`, `GET /fine_tuning/jobs/*`) to a list of faults, of which each request takes the next; `None`: none.
Run as `python stand_in_trainer.py STATE SEED PORT` it has random faults, prints its port, and survives being killed.
"""

from __future__ import annotations

import json
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "sk-planted-4f9d2c7e1b"
BASE = "open-model-1b"

Fault = str | int | None
"""An error's status; or one of `lost` (done, but the answer never comes), `dropped` (not done, no answer), `html`,
`cut`, `half` (half of an upload is kept, no answer), `slow` (answers late), `quota` (429 that will not pass), `later`
(429 with Retry-After)."""
WORDS = ("validating_files", "queued", "running", "succeeded")


@dataclass
class Trainer:
    """What the service knows."""

    faults: dict[str, list[Fault]] = field(default_factory=dict)
    words: tuple[str, ...] = WORDS
    """The states a job goes through, one a poll; the last one stays."""
    error: str = ""
    """Told of a job that failed."""
    row: dict[str, Any] = field(default_factory=dict)
    """Laid over every job's row: nulls, odd fields."""
    n_tokens: int | None = 1000
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What was asked of its models."""
    models: tuple[str, ...] = (BASE,)
    state_path: Path | None = None

    def save(self) -> None:
        if self.state_path is not None:
            kept = {"files": self.files, "jobs": self.jobs, "deleted": self.deleted}
            beside = self.state_path.with_suffix(".part")
            beside.write_text(json.dumps(kept))
            beside.replace(self.state_path)

    def load(self) -> None:
        if self.state_path is not None and self.state_path.exists():
            for name, value in json.loads(self.state_path.read_text()).items():
                setattr(self, name, value)

    def add_file(self, name: str, data: str) -> dict[str, Any]:
        file_id = f"file-{len(self.files) + 1}"
        self.files[file_id] = {"id": file_id, "object": "file", "bytes": len(data.encode()), "created_at": 1,
                               "filename": name, "purpose": "fine-tune", "status": "processed"}  # fmt: skip
        return self.files[file_id]

    def add_job(self, body: dict[str, Any]) -> dict[str, Any]:
        job_id = f"ftjob-{len(self.jobs) + 1}"
        self.jobs[job_id] = {**body, "id": job_id, "n_polls": 0, "made_at": int(time.time()), "cancelled": False}
        return self.tell(job_id)

    def tell(self, job_id: str) -> dict[str, Any]:
        job = self.jobs[job_id]
        word = "cancelled" if job["cancelled"] else self.words[min(job["n_polls"], len(self.words) - 1)]
        is_done = word in ("succeeded", "completed")
        return {
            "id": job_id, "object": "fine_tuning.job", "created_at": job["made_at"], "model": job["model"],
            "status": word, "training_file": job["training_file"], "validation_file": job.get("validation_file"),
            "metadata": job.get("metadata"), "seed": job.get("seed"), "suffix": job.get("suffix"),
            "hyperparameters": {}, "method": job.get("method"), "organization_id": "org", "result_files": [],
            "fine_tuned_model": f"ft:{job['model']}:{job.get('suffix')}:{job_id}" if is_done else None,
            "trained_tokens": self.n_tokens if is_done else None,
            "error": {"code": "x", "message": self.error, "param": None} if word == "failed" else None,
            **self.row,
        }  # fmt: skip


class TrainerHandler(BaseHTTPRequestHandler):
    """Takes requests, with the trainer's faults; what a call does is told by `do_call`."""

    trainer: Trainer
    lock: threading.Lock
    protocol_version = "HTTP/1.1"
    more_headers: dict[str, str]
    keeps_half: bool

    def handle(self) -> None:
        """Whoever asks may be killed at any moment: the connection ends then, and nothing else."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, verb: str) -> None:
        n_bytes = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(n_bytes)
        if len(data) < n_bytes:
            self.close_connection = True
            return
        path, self.more_headers = self.path.partition("?")[0].removeprefix("/v1"), {}
        call = f"{verb} {self.name_path(path)}"
        with self.lock:
            self.trainer.requests.append(call)
            queue = self.trainer.faults.get(call) or []
            fault = queue.pop(0) if queue else None
            self.keeps_half = fault == "half"
            if fault is None or fault in ("lost", "html", "cut", "slow", "half"):
                status, body = self.do_call(call, path, data)
                self.trainer.save()
        if fault in ("lost", "dropped", "half"):
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(1.0)
        if isinstance(fault, int):
            status, body = fault, _error(f"status {fault} for {self.headers.get('Authorization')}")
        if fault in ("quota", "later"):
            status, body = 429, _error("no more", "insufficient_quota" if fault == "quota" else "rate_limit_exceeded")
        text = b"<html>busy</html>" if fault == "html" else json.dumps(body).encode()
        self._send(status, text[: len(text) // 2] if fault == "cut" else text, fault)

    def name_path(self, path: str) -> str:
        """The path with `*` for ids."""
        return re.sub(r"/(file|ftjob)-[0-9]+", "/*", path)

    def do_call(self, call: str, path: str, data: bytes) -> tuple[int, Any]:
        """Status and body of the answer."""
        name = path.rsplit("/", 1)[-1] if not call.endswith("/cancel") else path.split("/")[-2]
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, _error(f"Incorrect key: {self.headers.get('Authorization')}")
        if call.endswith("/*") and name not in (self.trainer.jobs | self.trainer.files):
            return 404, _error("no such thing")
        does = getattr(self, _CALLS.get(call, "_refuse"))
        return does(name, data)  # type: ignore[no-any-return]

    def _refuse(self, name: str, data: bytes) -> tuple[int, Any]:
        return 404, _error("no such thing")

    def _upload(self, name: str, data: bytes) -> tuple[int, Any]:
        found = re.search(rb'filename="([^"]+)".*?\r\n\r\n(.*?)\r\n--', data, re.DOTALL)
        name, text = found[1].decode(), found[2].decode()  # type: ignore[index]
        return 200, self.trainer.add_file(name, text[: len(text) // 2] if self.keeps_half else text)

    def _create(self, name: str, data: bytes) -> tuple[int, Any]:
        return 200, self.trainer.add_job(json.loads(data))

    def _list_files(self, name: str, data: bytes) -> tuple[int, Any]:
        return 200, _page(list(self.trainer.files.values()))

    def _list_jobs(self, name: str, data: bytes) -> tuple[int, Any]:
        return 200, _page([self.trainer.tell(job_id) for job_id in reversed(self.trainer.jobs)])

    def _list_models(self, name: str, data: bytes) -> tuple[int, Any]:
        return 200, _page([{"id": one, "object": "model"} for one in self.trainer.models])

    def _tell_job(self, name: str, data: bytes) -> tuple[int, Any]:
        self.trainer.jobs[name]["n_polls"] += 1
        return 200, self.trainer.tell(name)

    def _cancel(self, name: str, data: bytes) -> tuple[int, Any]:
        job = self.trainer.tell(name)
        if job["status"] in ("succeeded", "completed", "failed", "cancelled"):  # as OpenAI does
            return 400, {"error": {"message": f"Job {name} is not running.", "code": "invalid_job_state"}}
        self.trainer.jobs[name]["cancelled"] = True
        return 200, self.trainer.tell(name)

    def _tell_file(self, name: str, data: bytes) -> tuple[int, Any]:
        return 200, self.trainer.files[name]

    def _delete_file(self, name: str, data: bytes) -> tuple[int, Any]:
        self.trainer.deleted.append(name)
        del self.trainer.files[name]
        return 200, {"id": name, "object": "file", "deleted": True}

    def _chat(self, name: str, data: bytes) -> tuple[int, Any]:
        body = json.loads(data)
        self.trainer.asked.append(body)
        message = {"role": "assistant", "content": f"{body['model']} says so."}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return 200, {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 4}}

    def _send(self, status: int, text: bytes, fault: Fault) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if fault == "html" else "application/json")
            self.send_header("Content-Length", str(len(text)))
            if fault == "later":
                self.send_header("Retry-After", "7")
            for name, value in self.more_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)
        except ConnectionError:
            pass  # whoever asked is dead

    def log_message(self, *_: object) -> None:
        pass


_CALLS = {
    "POST /files": "_upload", "POST /fine_tuning/jobs": "_create", "GET /files": "_list_files",
    "GET /fine_tuning/jobs": "_list_jobs", "GET /models": "_list_models", "GET /fine_tuning/jobs/*": "_tell_job",
    "POST /fine_tuning/jobs/*/cancel": "_cancel", "GET /files/*": "_tell_file", "DELETE /files/*": "_delete_file",
    "POST /chat/completions": "_chat",
}  # fmt: skip


def _page(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": rows, "has_more": False}


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "x", "param": None, "code": code}}


def _make_server(trainer: Trainer, port: int = 0, kind: type[TrainerHandler] = TrainerHandler) -> ThreadingHTTPServer:
    handler = type("Handler", (kind,), {"trainer": trainer, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


@contextmanager
def serve_trainer(trainer: Trainer, kind: type[TrainerHandler] = TrainerHandler) -> Iterator[str]:
    """The service for the time of a block; gives its address."""
    server = _make_server(trainer, kind=kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def random_faults(rng: random.Random) -> dict[str, list[Fault]]:
    """Faults for every call, and uploads that are cut in half."""
    kinds: list[Fault] = ["lost", "dropped", "html", "cut", "later", "quota", 500, 502, 503, None, None, None]
    calls = ("POST /files", "POST /fine_tuning/jobs", "GET /files", "GET /fine_tuning/jobs", "GET /fine_tuning/jobs/*",
             "GET /files/*", "GET /models", "DELETE /files/*")  # fmt: skip
    faults = {call: [rng.choice(kinds) for _ in range(rng.randrange(4))] for call in calls}
    return faults | {calls[0]: [rng.choice([*kinds, "half"]) for _ in range(rng.randrange(4))]}


def random_words(rng: random.Random) -> tuple[str, ...]:
    """The states a job goes through, among them one that rests and one that no program knows."""
    return (*WORDS[:-1], *rng.choice([(), ("paused", "running"), ("hibernating",), ("pausing", "resuming")]), WORDS[-1])


if __name__ == "__main__":
    chosen = random.Random(sys.argv[2])
    faults, words = random_faults(chosen), random_words(chosen)
    service = Trainer(state_path=Path(sys.argv[1]), faults=faults, words=words)
    service.load()
    running = _make_server(service, int(sys.argv[3]))
    print(running.server_address[1], flush=True)
    running.serve_forever()
