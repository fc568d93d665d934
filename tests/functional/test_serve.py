"""`econchatr serve` as a user runs it, and the ways in which it cannot start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from tests.functional.conftest import Run, edit_show, write_tiny_show

PROMPT = "Do you trust surveys? Hester Pellow responds:"


@pytest.fixture
def show(finished_show: Path, tmp_path: Path) -> Path:
    """A copy of the finished show that a test may change."""
    return Path(shutil.copytree(finished_show, tmp_path / "show"))


def test_a_finished_show_is_served_until_it_is_stopped(finished_show: Path) -> None:
    command = [sys.executable, "-m", "econchatr", "serve", str(finished_show), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        assert told["models"] == ["tiny", "tiny:base"]
        body = json.dumps({"model": "tiny", "prompt": PROMPT, "max_tokens": 4}).encode()
        request = urllib.request.Request(f"{told['address']}/completions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.headers["x-ai-imitation"] == "AI imitation of Hester Pellow, not Hester Pellow"
            assert json.load(response)["choices"][0]["text"].startswith(" ")
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_what_keeps_it_from_starting_is_told(show: Path, econchatr: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in econchatr("serve", show, "--port", port, check=2).stderr
    assert "no key" in econchatr("serve", show, "--host", "0.0.0.0", check=2).stderr
    assert "not trained yet" in econchatr("serve", write_tiny_show(tmp_path / "new"), "--port", 0, check=3).stderr
    assert "no rung 'x'" in econchatr("serve", show, "--rung", "x", "--port", 0, check=2).stderr
    edit_show(show, '[rights]\nvoice = "Hester Pellow"\nground = "made up"', "")
    assert "no [rights]" in econchatr("serve", show, "--port", 0, check=2).stderr


def test_a_model_file_cut_in_half_is_told(show: Path, econchatr: Run) -> None:
    adapter = show / "train" / "tiny" / "adapter.gguf"
    adapter.write_bytes(adapter.read_bytes()[: adapter.stat().st_size // 2])
    done = econchatr("serve", show, "--port", 0, check=7)
    assert "adapter.gguf is missing or was changed" in done.stderr
    assert "Traceback" not in done.stderr
