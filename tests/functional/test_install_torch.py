"""`scripts/install_torch.py`: which build of torch a machine gets, its size said first. Nothing is installed here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install_torch.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux are there two builds to choose from")


class _Index(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/torch/" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def index() -> Iterator[str]:
    """An index of packages that has torch."""
    server = HTTPServer(("127.0.0.1", 0), _Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask(tmp_path: Path, index: str, *, pin: str = "9.9.9", tool: str = "") -> str:
    """What the script says it would do; `tool`: what nvidia-smi prints, where there is one."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    if tool:
        (tmp_path / "bin" / "nvidia-smi").write_text(f"#!/bin/sh\necho '{tool}'\n")
        (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    pins = tmp_path / "pins.txt"
    pins.write_text(f"torchvision==1\ntorch=={pin}\n")
    command = [sys.executable, SCRIPT, "--dry-run", "--constraint", pins, "--cpu-index", index]
    environment = {**os.environ, "PATH": str(tmp_path / "bin"), "no_proxy": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return done.stdout


def test_without_a_gpu_the_build_for_the_processor_comes_from_pytorchs_index(tmp_path: Path, index: str) -> None:
    told, alone, rest = ask(tmp_path, index).splitlines()
    assert "about 0.2 GB" in told
    assert alone.endswith(f"--index-url {index} --no-deps torch==9.9.9")
    assert "--index-url" not in rest


def test_with_a_gpu_torch_comes_from_the_usual_index(tmp_path: Path, index: str) -> None:
    told, command = ask(tmp_path, index, tool="GPU 0: NVIDIA H200").splitlines()
    assert "2.7 GB" in told
    assert "--index-url" not in command


def test_a_driver_without_a_gpu_is_none(tmp_path: Path, index: str) -> None:
    assert "about 0.2 GB" in ask(tmp_path, index, tool="No devices were found")


def test_an_index_that_never_answers_is_given_up_in_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told, command = ask(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}").splitlines()
    assert "does not answer" in told
    assert "2.7 GB with CUDA" in told
    assert "--index-url" not in command


def test_an_index_without_torch_is_no_index(tmp_path: Path, index: str) -> None:
    assert "does not answer" in ask(tmp_path, f"{index}/nothing")


def test_nothing_is_done_where_torch_is_there(tmp_path: Path, index: str) -> None:
    import torch

    assert ask(tmp_path, index, pin=torch.__version__.split("+")[0]) == ""
