"""A model hub on this machine that holds one model: what `huggingface_hub` asks of the real one, and no more."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

REVISION = "5" * 40


@dataclass
class StandInHub:
    """A hub with one model, and what it was asked for."""

    model_id: str
    folder: Path
    is_gated: bool = False
    """Files are refused until somebody accepts the terms."""
    breaks_after: int | None = None
    """Of a file of weights so many bytes are sent, then the line breaks and stays dead; `None`: all."""
    address: str = ""
    asked: list[str] = field(default_factory=list)
    """Every file whose content was asked for, with where the asking began."""
    _is_broken: bool = False

    @property
    def files(self) -> dict[str, Path]:
        return {path.name: path for path in self.folder.iterdir() if path.is_file()}

    def mend(self) -> None:
        self.breaks_after, self._is_broken = None, False


@contextmanager
def serve_model(model_id: str, folder: Path, **settings: Any) -> Iterator[StandInHub]:
    """Serve a folder as a model of the hub."""
    hub = StandInHub(model_id, folder, **settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    Thread(target=server.serve_forever, daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def ask_hub(address: str, home: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own: the hub's client reads its settings once, when it is loaded."""
    env = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "no_proxy": "127.0.0.1"}
    env |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


class _Handler(BaseHTTPRequestHandler):
    hub: StandInHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def _answer(self, *, has_body: bool) -> None:
        path, model, files = self.path.partition("?")[0], self.hub.model_id, self.hub.files
        name, revision = path.rpartition("/")[2], path.removeprefix(f"/{model}/resolve/").partition("/")[0]
        if path.startswith(f"/api/models/{model}/tree/"):
            tree = [{"type": "file", "path": n, "size": f.stat().st_size, "oid": "0" * 40} for n, f in files.items()]
            self._send(json.dumps(tree).encode(), has_body=has_body)
        elif path.startswith(f"/api/models/{model}"):
            found = {"id": model, "sha": REVISION, "siblings": [{"rfilename": name} for name in sorted(files)]}
            self._send(json.dumps(found).encode(), has_body=has_body)
        elif path == "/":
            self._send(b"", has_body=has_body)
        elif not path.startswith(f"/{model}/"):
            self._refuse(401, "RepoNotFound")
        elif revision not in ("main", REVISION):
            self._refuse(404, "RevisionNotFound")
        elif self.hub.is_gated:
            self._refuse(403, "GatedRepo")
        elif name not in files:
            self._refuse(404, "EntryNotFound")
        else:
            self._send_file(files[name], has_body=has_body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file(self, file: Path, *, has_body: bool) -> None:
        body, start = file.read_bytes(), 0
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        if has_body:
            self.hub.asked.append(f"{file.name} from {start}")
        breaks = self.hub.breaks_after if file.suffix == ".safetensors" else None
        if has_body and self.hub._is_broken and file.suffix == ".safetensors":
            self._refuse(503, "")
        elif has_body and breaks is not None:
            self.hub._is_broken = True
            self._send(body, start=start, has_body=True, n_bytes=breaks)
            self.close_connection = True
        else:
            self._send(body, start=start, has_body=has_body)

    def _send(self, body: bytes, *, has_body: bool, start: int = 0, n_bytes: int | None = None) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if has_body:
            self.wfile.write(body[start : None if n_bytes is None else start + n_bytes])

    def log_message(self, format: str, *args: object) -> None:
        return
