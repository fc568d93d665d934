"""A real server on this machine that answers `/v1/chat/completions` like an OpenAI-compatible one, or misbehaves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StandInJudge(ThreadingHTTPServer):
    """Answers what `speak` makes of a request; what it was asked is kept in `requests`, with its headers."""

    daemon_threads = True

    def __init__(self, speak: Callable[[dict[str, Any], int], object]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.speak = speak
        self.requests: list[tuple[dict[str, Any], dict[str, str]]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Raw(bytes):
    """A body sent as it is, with status 200."""


class _Handler(BaseHTTPRequestHandler):
    server: StandInJudge

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((body, {name.lower(): value for name, value in self.headers.items()}))
        said = self.server.speak(body, len(self.server.requests))
        if self.path != "/v1/chat/completions":
            said = 404
        try:
            if isinstance(said, int):
                fault = {"error": {"message": f"status {said} for {self.headers.get('Authorization', 'nobody')}"}}
                self._send(said, json.dumps(fault).encode())
            elif isinstance(said, Raw):
                self._send(200, said)
            elif isinstance(said, float):
                self._drip(said)
            else:
                message = {"role": "assistant", "content": said}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                answer = {"object": "chat.completion", "choices": [choice],
                          "usage": {"prompt_tokens": 7, "completion_tokens": 1}}  # fmt: skip
                self._send(200, json.dumps(answer).encode())
        except (BrokenPipeError, ConnectionResetError):
            return

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, seconds: float) -> None:
        """Begin an answer and let a byte fall now and then, for so long."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.05)

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def serve(speak: Callable[[dict[str, Any], int], object]) -> Iterator[StandInJudge]:
    """A server for the time of a block: text answers, an int is an error status, a float drips, `Raw` is sent as is."""
    server = StandInJudge(speak)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
