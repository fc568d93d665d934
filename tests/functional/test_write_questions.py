"""Questions of answer pairs, written by a served model or by the embedded one, through the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from econchatr.pipeline.show import open_show
from econchatr.records import WrittenQuestion
from econchatr.tables import read_table
from tests.functional.conftest import Run, edit_show, write_tiny_show
from tests.helpers.stand_in_judge import serve


@pytest.fixture
def show(tmp_path: Path, econchatr: Run) -> Path:
    root = write_tiny_show(tmp_path / "show", n_episodes=6)
    econchatr("pair", root)
    return root


def name_writer(show: Path, line: str) -> None:
    edit_show(show, "[pair]", f"[pair.writer]\n{line}\ncandidates = 2\n\n[pair]")


def ask_about_its_longest_words(body: dict[str, Any], n: int) -> object:
    """A writer of questions that asks, answers instead, says nothing or breaks, in turn."""
    words = sorted(set(re.findall(r"[a-z]{6,}", body["messages"][-1]["content"])), key=lambda word: (-len(word), word))
    question = f'"What do you make of {" and ".join(words[:3])}?"'
    return (question, question, "It was the best of bridges.", "", 500)[n % 5]


def test_a_written_question_is_kept_only_after_the_same_checks_and_nothing_is_asked_for_twice(
    show: Path, econchatr: Run
) -> None:
    with serve(ask_about_its_longest_words) as server:
        name_writer(show, f'base_url = "{server.base_url}"\nmodel = "writer-1"')
        done = econchatr("pair", show, "--write-questions")
        n_asked = len(server.requests)
        server.speak = lambda body, n: "What do you make of it?"
        econchatr("pair", show, "--write-questions")
    assert "is asked at most" in done.stderr
    rows = read_table(open_show(show).written_path, WrittenQuestion)
    assert {bool(row.text) for row in rows} == {True, False}
    assert len(server.requests) - n_asked < n_asked / 2, "only what failed is asked for again"
    pairs = open_show(show).answer_pairs()
    written = [pair for pair in pairs if pair.is_kept and pair.made_by == "writer-1"]
    assert written
    assert all(pair.cue.startswith("What do you make of") for pair in written)
    dropped = {pair.reason for pair in pairs if not pair.is_kept}
    assert dropped, "what failed the checks is dropped, and says why"
    assert all(pair.origin != "said" for pair in pairs)


@pytest.mark.slow
def test_the_embedded_model_writes_questions_that_pass_the_checks(show: Path, econchatr: Run) -> None:
    name_writer(show, 'base = "embedded"')
    econchatr("pair", show, "--write-questions")
    pairs = open_show(show).answer_pairs()
    written = [pair for pair in pairs if pair.is_kept and pair.made_by == "embedded"]
    assert written
    assert all(pair.cue.endswith("?") for pair in written)


def test_without_a_writer_the_command_says_what_to_add(show: Path, econchatr: Run) -> None:
    done = econchatr("pair", show, "--write-questions", check=2)
    assert "[pair.writer]" in done.stderr


def test_a_writer_that_is_both_here_and_elsewhere_is_refused(show: Path, econchatr: Run) -> None:
    name_writer(show, 'base = "embedded"\nbase_url = "http://127.0.0.1:1/v1"\nmodel = "x"')
    done = econchatr("pair", show, check=2)
    assert "name either base, or base_url and model" in done.stderr
