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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.records import Pair
from econchatr.tables import read_table
from tests.functional.conftest import Run, edit_show, write_tiny_show

PROMPT = "Do you trust surveys? Hester Pellow responds:"


@pytest.fixture
def show(finished_show: Path, tmp_path: Path) -> Path:
    """A copy of the finished show that a test may change."""
    return Path(shutil.copytree(finished_show, tmp_path / "show"))


@contextmanager
def run_serve(show: Path, *options: str) -> Iterator[dict[str, Any]]:
    """The command in a process of its own, stopped as a user stops it when the block ends; and what it told first."""
    command = [sys.executable, "-m", "econchatr", "serve", str(show), "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors


def complete(told: dict[str, Any], model: str) -> tuple[Any, dict[str, Any]]:
    """A completion in the form of 2023: the response's headers, and its first choice."""
    body = json.dumps({"model": model, "prompt": PROMPT, "max_tokens": 4}).encode()
    request = urllib.request.Request(f"{told['address']}/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.headers, json.load(response)["choices"][0]


def test_a_finished_show_is_served_until_it_is_stopped(finished_show: Path) -> None:
    with run_serve(finished_show) as told:
        assert told["models"] == ["tiny", "tiny:base", "tiny:grounded", "tiny:retrieval"]
        headers, choice = complete(told, "tiny")
        assert headers["x-ai-imitation"] == "AI imitation of Hester Pellow, not Hester Pellow"
        assert choice["text"].startswith(" ")
        assert choice["excerpts"] is None
        _, grounded = complete(told, "tiny:grounded")
    said = {pair.pair_id: pair for pair in read_table(finished_show / "pair" / "pairs.parquet", Pair)}
    for turn in grounded["excerpts"]:
        pair = said[turn["pair_id"]]
        assert (turn["episode"], turn["published"], pair.split) == (pair.slug, str(pair.published), "train")
        assert pair.reply.startswith(turn["text"])
    assert grounded["excerpts"]


@pytest.mark.slow
def test_with_ground_a_rungs_own_name_is_given_real_turns(finished_show: Path) -> None:
    with run_serve(finished_show, "--ground") as told:
        assert told["models"] == ["tiny", "tiny:tuned", "tiny:base", "tiny:grounded", "tiny:retrieval"]
        given = {name: complete(told, name)[1]["excerpts"] for name in told["models"]}
    assert {name for name, turns in given.items() if turns} == {"tiny", "tiny:grounded", "tiny:retrieval"}


def test_a_show_without_pairs_is_served_without_real_turns(show: Path, econchatr: Run) -> None:
    shutil.rmtree(show / "pair")
    with run_serve(show) as told:
        assert told["models"] == ["tiny", "tiny:base"]
    assert "no pairs" in econchatr("serve", show, "--ground", "--port", 0, check=3).stderr


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
