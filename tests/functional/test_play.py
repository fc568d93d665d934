"""`econchatr play` as a user runs it, and the ways in which it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from tests.functional.conftest import Run, write_tiny_show


def test_the_page_of_a_finished_show_is_there_until_it_is_stopped(finished_show: Path) -> None:
    command = [sys.executable, "-m", "econchatr", "play", str(finished_show), "--no-browser", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        assert told["models"] == ["tiny", "tiny:base"]
        for path, held in (("/", "AI imitation of Hester Pellow"), ("/show-report", "<h1"), ("/v1/models", "tiny")):
            with urllib.request.urlopen(told["address"] + path, timeout=60) as response:
                assert held in response.read().decode(), path
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_what_keeps_it_from_starting_is_told(finished_show: Path, econchatr: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in econchatr("play", finished_show, "--port", port, "--no-browser", check=2).stderr
    assert "not trained yet" in econchatr("play", write_tiny_show(tmp_path / "new"), "--no-browser", check=3).stderr
