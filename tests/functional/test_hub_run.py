"""A base by its name on the hub through the whole program, against a hub on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs the extra `train`")

from econchatr.pipeline import open_show
from tests.functional.conftest import edit_show, write_tiny_show
from tests.helpers.stand_in_hub import REVISION, StandInHub, serve_model
from tests.helpers.tiny_bases import write_tiny_base

MODEL = "maker/small"


@pytest.fixture
def show(tmp_path: Path) -> Path:
    root = write_tiny_show(tmp_path / "show")
    edit_show(root, 'weights = "embedded"\n', "")
    edit_show(root, 'name = "tiny"', f'name = "tiny"\nbase = "{MODEL}@{REVISION}"')
    return root


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = write_tiny_base("qwen3", tmp_path / "model")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Small\n")
    return folder


def run(hub: StandInHub, show: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own: the hub's client reads its settings once, when it is loaded."""
    home = show.parent / "home"
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    env |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "no_proxy": "127.0.0.1"}
    env |= {"ECONCHATR_CACHE": str(home / "cache"), "ECONCHATR_CONFIG": str(home / "config"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "econchatr", *arguments, str(show)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=600)


@pytest.mark.slow
def test_a_hub_name_is_trained_asked_and_reported_at_its_pinned_commit(show: Path, checkpoint: Path) -> None:
    with serve_model(MODEL, checkpoint) as hub:
        done = run(hub, show, "run")
        assert done.returncode == 0, done.stderr
        n_asked = len(hub.asked)
        assert run(hub, show, "run").returncode == 0
    assert hub.asked[0] == "config.json from 0"
    assert len(hub.asked) == n_asked, "what was downloaded once is not asked for again"
    rung = open_show(show).rung()
    assert (rung.tuned().base_commit, rung.tuned().licence) == (REVISION, "apache-2.0")
    assert any(answer.reply for answer in rung.answers() if answer.variant == "tuned")
    assert REVISION[:12] in (show / "report" / "report.md").read_text()


@pytest.mark.slow
def test_a_download_that_breaks_in_a_run_is_told_and_the_run_goes_on(show: Path, checkpoint: Path) -> None:
    with serve_model(MODEL, checkpoint, breaks_after=1000) as hub:
        broken = run(hub, show, "train")
        assert broken.returncode != 0
        assert "Traceback" not in broken.stderr
        hub.mend()
        mended = run(hub, show, "train", "--json")
    assert mended.returncode == 0, mended.stderr
    assert "train/tiny" in json.loads(mended.stdout)["done"]
    assert hub.asked.count("config.json from 0") == 1
