"""A hosted service in a process of its own, which charges as real ones do and keeps its own book.

It is as unhelpful as one may be: the same job sent twice is charged twice, a charge is made before the answer goes out,
and more charges and a refund come only while somebody asks. Run as `python fake_service.py BOOK`; prints its port.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

LOCK = Lock()
MAX_DELAY_SECONDS = 0.002


class Book:
    """Every charge and refund, one JSON line each, flushed to disk before anybody is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jobs: dict[str, dict[str, Any]] = {}

    def write(self, **line: object) -> dict[str, object]:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return line

    def send(self, key: str, cents: int) -> str:
        job_id = f"job-{len(self.jobs) + 1}"
        self.jobs[job_id] = {"key": key, "polls": 0, "cents": cents, "lines": []}
        self.add(job_id, "training", cents)
        return job_id

    def add(self, job_id: str, what: str, cents: int, refund_of: str = "") -> None:
        line = self.write(id=f"{job_id}/{what}", key=self.jobs[job_id]["key"], cents=cents, refund_of=refund_of)
        self.jobs[job_id]["lines"].append(line)

    def poll(self, job_id: str) -> dict[str, object]:
        job = self.jobs[job_id]
        job["polls"] += 1
        if job["polls"] == 2:
            self.add(job_id, "storage", 3)
        if job["polls"] == 3:
            self.add(job_id, "refund", 1, refund_of=f"{job_id}/training")
        return {"state": "done" if job["polls"] >= 3 else "open", "lines": job["lines"]}


class Handler(BaseHTTPRequestHandler):
    book: Book

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.wait()
        with LOCK:
            job_id = self.book.send(body["key"], body["cents"])
        self.wait()
        self.answer({"id": job_id})

    def do_GET(self) -> None:
        self.wait()
        name, _, value = self.path.strip("/").partition("/")
        with LOCK:
            if name == "find":
                self.answer([job_id for job_id, job in self.book.jobs.items() if job["key"] == value])
            else:
                self.answer(self.book.poll(value))

    def wait(self) -> None:
        time.sleep(random.uniform(0, MAX_DELAY_SECONDS))

    def answer(self, value: object) -> None:
        try:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())
        except ConnectionError:
            pass  # whoever asked is dead

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    Handler.book = Book(Path(sys.argv[1]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
