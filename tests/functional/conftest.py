"""A tiny show for the tests that run the whole program: episodes of the bundled show, a few steps, the real model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

TINY_SHOW = """
[show]
name = "The Slow Answer"
hosts = ["Hester Pellow"]

[rights]
voice = "Hester Pellow"
ground = "made up"

[pair]
dev_share = 0.2
test_share = 0.2

[[ladder]]
name = "tiny"
max_tokens = 1200
n_epochs = 1

[train]
batch_examples = 2
max_dev_tokens = 300
weights = "embedded"

[ask]
samples = 1
best_of = 1
max_tokens = 8
max_probes = 3

[score]
max_replies = 2
n_resamples = 100
"""

QUESTION = """
[[question]]
question_id = "{n}"
kind = "belief"
text = "{text}"
expected = "who counted"
"""

QUESTIONS = ("Is ninety-four per cent good?", "Do you trust surveys?", "What is a pilot study?", "Why mend things?")

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def _surroundings(cache: Path) -> dict[str, str]:
    places = {"ECONCHATR_CACHE": str(cache), "ECONCHATR_CONFIG": str(cache / "config")}
    return {**os.environ, **places, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}


def _checked(done: Done, expected: int | None) -> Done:
    if expected is not None:
        assert done.returncode == expected, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def econchatr(cache: Path) -> Run:
    """Run the real command in this process, where what is heavy to import is imported once.

    An error that the command does not turn into a message and an exit code is raised here.
    """
    from econchatr.cli import app

    def run(*arguments: object, check: int | None = 0, text: str = "") -> Done:
        words = [str(one) for one in arguments]
        runner = CliRunner(env=_surroundings(cache))
        told = runner.invoke(app, words, input=text, catch_exceptions=False, prog_name="econchatr")
        return _checked(Done(words, told.exit_code, told.stdout, told.stderr), check)

    return run


@pytest.fixture(scope="session")
def econchatr_process(cache: Path) -> Run:
    """Run the real command in a process of its own, as a shell does."""

    def run(*arguments: object, check: int | None = 0, text: str = "") -> Done:
        command = [sys.executable, "-m", "econchatr", *map(str, arguments)]
        places = _surroundings(cache)
        return _checked(
            subprocess.run(command, capture_output=True, text=True, env=places, input=text, check=False), check
        )

    return run


def write_tiny_show(root: Path, *, n_episodes: int = 6) -> Path:
    """A folder with show.toml, questions.toml and the first episodes of the bundled show."""
    (root / "transcripts").mkdir(parents=True)
    episodes = sorted(resources.files("econchatr.demo").joinpath("episodes").iterdir(), key=lambda item: item.name)
    for episode in [item for item in episodes if item.name.endswith(".md")][:n_episodes]:
        (root / "transcripts" / episode.name).write_bytes(episode.read_bytes())
    (root / "show.toml").write_text(TINY_SHOW, encoding="utf-8")
    text = "".join(QUESTION.format(n=f"q{n}", text=text) for n, text in enumerate(QUESTIONS))
    (root / "questions.toml").write_text(text, encoding="utf-8")
    return root


def edit_show(show: Path, old: str, new: str) -> None:
    """Change one thing in a show.toml."""
    text = (show / "show.toml").read_text()
    assert old in text
    (show / "show.toml").write_text(text.replace(old, new))


@pytest.fixture
def tiny_show(tmp_path: Path) -> Path:
    return write_tiny_show(tmp_path / "show")


@pytest.fixture(scope="session")
def finished_show(shared: Path, econchatr_process: Run) -> Path:
    """The tiny show after `econchatr run`, trained once whatever the number of workers; tests must not change it."""
    root = shared / "finished" / "show"
    with FileLock(shared / "finished.lock"):
        if not (root / "report" / "index.html").is_file():
            write_tiny_show(root)
            econchatr_process("run", root)
    return root
