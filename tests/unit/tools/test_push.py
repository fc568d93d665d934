"""Uploading to a model hub on this machine: what is sent, and what is said where that does not work."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from econchatr.errors import InputError, ModelError
from econchatr.tools.push import push_folder

TOKEN = "hf_secret"


class Hub(ThreadingHTTPServer):
    """Takes what `huggingface_hub` uploads."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.made: list[dict[str, object]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._say({"id": "ada/model", "sha": "5" * 40, "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(str(self.headers["Authorization"]))
        if self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self._say({"url": f"http://{self.headers['Host']}/ada/model", "name": "ada/model"})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            self._say({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]})
        elif "/commit/" in self.path:
            rows = [json.loads(line) for line in body.splitlines()]
            for row in (row["value"] for row in rows if row["key"] == "file"):
                self.server.files[row["path"]] = base64.b64decode(row["content"])
            self._say(
                {
                    "commitUrl": f"http://{self.headers['Host']}/ada/model/commit/{'5' * 40}",
                    "commitOid": "5" * 40,
                    "success": True,
                }
            )
        elif self.path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        else:
            self.send_error(404)

    def _say(self, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    server = Hub()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.shutdown()
    server.server_close()


def make_folder(path: Path) -> Path:
    path.mkdir()
    (path / "README.md").write_text("# AI imitation")
    (path / "adapter_model.safetensors").write_bytes(b"\0" * 64)
    return path


def test_the_folder_is_uploaded_to_a_private_repository_with_the_token(hub: Hub, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "hub")
    push_folder(folder, "ada/model")
    assert hub.made == [{"name": "model", "organization": "ada", "visibility": "private"}]
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert hub.tokens == {f"Bearer {TOKEN}"}


def test_without_a_token_nothing_is_asked_for(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="no token"):
        push_folder(make_folder(tmp_path / "hub"), "ada/model")
    assert hub.made == []


@pytest.mark.parametrize("repo", ["model", "ada/", "a/b/c"])
def test_a_name_that_is_none_is_refused(repo: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no name on the hub"):
        push_folder(tmp_path, repo)


def test_a_hub_out_of_reach_is_told_without_the_token(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="does not take") as told:
        push_folder(make_folder(tmp_path / "hub"), "ada/model")
    assert TOKEN not in str(told.value)
