"""`econchatr mark` as a user runs it: marks survive a kill, and stand in `score` and on the card."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs the extra `web`")
pytest.importorskip("uvicorn", reason="needs the extra `web`")

from tests.functional.conftest import Run, write_tiny_show
from tests.functional.test_sheets import asked_show

__all__ = ["asked_show"]


def test_a_mark_is_kept_though_the_page_is_killed(asked_show: Path, econchatr: Run) -> None:
    command = [sys.executable, "-m", "econchatr", "mark", str(asked_show), "--no-browser", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        assert (told["answers"], told["first"]) == (12, 12)
        with urllib.request.urlopen(f"{told['address']}/answers?scorer=Ada", timeout=60) as response:
            key = next(card["key"] for card in json.load(response) if card["text"] == "tuned 0")
        body = json.dumps({"scorer": "Ada", "key": key, "value": 0.5}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{told['address']}/marks", body), timeout=60).close()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    econchatr("score", asked_show, "--sheet", "hand")
    (line,) = (asked_show / "sheets" / "marks.jsonl").read_text().splitlines()[1:]
    assert json.loads(line) == {"key": key, "scorer": "Ada", "value": 0.5}


def test_a_show_that_was_not_asked_has_nothing_to_mark(tmp_path: Path, econchatr: Run) -> None:
    done = econchatr("mark", write_tiny_show(tmp_path / "show"), "--no-browser", check=3)
    assert "no question was asked yet" in done.stderr
