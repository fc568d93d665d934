"""A model hub on this machine that holds one model: what `huggingface_hub` asks of the real one, and no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

REVISION = "5" * 40


@contextmanager
def serve_model(model_id: str, folder: Path) -> Iterator[str]:
    """Serve a folder as a model of the hub; gives the hub's address."""
    files = {path.name: path for path in folder.iterdir() if path.is_file()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(has_body=False)

        def do_GET(self) -> None:
            self._answer(has_body=True)

        def _answer(self, *, has_body: bool) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{model_id}/tree/"):
                sizes = {name: file.stat().st_size for name, file in files.items()}
                tree = [{"type": "file", "path": name, "size": n, "oid": "0" * 40} for name, n in sizes.items()]
                self._send(json.dumps(tree).encode(), has_body=has_body)
            elif path.startswith(f"/api/models/{model_id}"):
                found = {"id": model_id, "sha": REVISION, "siblings": [{"rfilename": name} for name in sorted(files)]}
                self._send(json.dumps(found).encode(), has_body=has_body)
            elif path.startswith(f"/{model_id}/resolve/") and path.rpartition("/")[2] in files:
                self._send(files[path.rpartition("/")[2]].read_bytes(), has_body=has_body)
            else:
                self.send_error(404)

        def _send(self, body: bytes, *, has_body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", REVISION)
            self.end_headers()
            if has_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
