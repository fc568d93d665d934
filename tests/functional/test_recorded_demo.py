"""The bundled recording of a finished demo: what it is of, that it opens, and that a run can be recorded anew."""

from __future__ import annotations

import gzip
import tomllib
from importlib import resources
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from scripts.record_demo import record

from econchatr.demo import RecordedRun, hash_demo_text, read_recorded, write_demo_show
from econchatr.pipeline import open_show
from econchatr.talk.playground.recorded import RECORDING
from tests.functional.conftest import QUESTIONS

MAX_BYTES = 300_000
"""In the package."""
LABEL = "AI imitation of Hester Pellow, not Hester Pellow"


def test_the_recording_is_of_the_text_that_is_bundled_now() -> None:
    run = RecordedRun.model_validate_json(read_recorded("run.json"))
    assert run.text_sha256 == hash_demo_text(), "the bundled show was changed: run scripts/record_demo.py"


def test_the_text_is_the_same_bundled_and_laid_out(tmp_path: Path) -> None:
    write_demo_show(tmp_path)
    assert hash_demo_text(tmp_path) == hash_demo_text()
    episode = next((tmp_path / "transcripts").iterdir())
    episode.write_text(episode.read_text(encoding="utf-8") + "One word more.", encoding="utf-8")
    assert hash_demo_text(tmp_path) != hash_demo_text()


def test_every_question_of_the_exam_has_its_answers_before_and_after_training() -> None:
    exam = tomllib.loads(resources.files("econchatr.demo").joinpath("questions.toml").read_text(encoding="utf-8"))
    recording = RECORDING.validate_json(read_recorded("answers.json"))
    assert [one.text for one in recording.questions] == [one["text"] for one in exam["question"]]
    for question in recording.questions:
        assert {"tuned", "base", "persona"} <= {answer.variant for answer in question.answers.values() if answer.text}


def test_the_recorded_report_says_what_it_is_and_keeps_its_label() -> None:
    report = gzip.decompress(read_recorded("report.html.gz")).decode()
    assert RecordedRun.model_validate_json(read_recorded("run.json")).tell() in report
    assert LABEL in report
    assert "Beside this page" not in report  # the files of a run are not there


def test_the_recording_is_small() -> None:
    folder = resources.files("econchatr.demo").joinpath("recorded")
    assert sum(len(file.read_bytes()) for file in folder.iterdir()) < MAX_BYTES


def test_a_finished_show_is_recorded_as_its_exam_was_answered(finished_show: Path, tmp_path: Path) -> None:
    record(open_show(finished_show), tmp_path, machine="a machine")
    recording = RECORDING.validate_json((tmp_path / "answers.json").read_bytes())
    assert [one.text for one in recording.questions] == list(QUESTIONS)
    answers = recording.questions[0].answers
    assert list(answers)[:3] == ["tiny", "tiny:base", "tiny:base, persona prompt"]
    assert answers["tiny"].text
    run = RecordedRun.model_validate_json((tmp_path / "run.json").read_bytes())
    assert run.made_on.isoformat() in (finished_show / "ask" / "tiny" / "manifest.json").read_text(encoding="utf-8")
