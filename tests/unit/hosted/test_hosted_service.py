"""The back end for OpenAI-shaped services, against a real server that answers well, badly, late or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from econchatr.errors import InputError, ModelError, RefusedError
from tests.helpers.hosted_material import make_profile, make_request, make_service, write_examples
from tests.helpers.stand_in_trainer import BASE, KEY, Fault, Trainer, serve_trainer

CREATE = "POST /fine_tuning/jobs"


def buy(trainer: Trainer, folder: Path, *, sleep: Callable[[float], None] = lambda seconds: None) -> str:
    with serve_trainer(trainer) as url:
        service, request = make_service(make_profile(url), sleep=sleep), make_request(folder)
        return service.create(request, service.upload(request.train), None)


def test_a_job_is_ordered_with_everything_written_out(tmp_path: Path) -> None:
    trainer = Trainer()
    assert buy(trainer, tmp_path) == "ftjob-1"
    job = trainer.jobs["ftjob-1"]
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 8}}}
    assert (job["model"], job["seed"], job["metadata"]) == (BASE, 7, {"econchatr": "m-1"})
    assert "auto" not in str(job)


@pytest.mark.parametrize("fault", ["lost", "html", "cut"])
def test_a_job_whose_answer_is_lost_is_found_and_not_made_twice(tmp_path: Path, fault: Fault) -> None:
    trainer = Trainer(faults={CREATE: [fault]})
    assert buy(trainer, tmp_path) == "ftjob-1"
    assert trainer.requests.count(CREATE) == 1


@pytest.mark.parametrize("fault", [500, 502, "dropped"])
def test_an_order_whose_fate_is_not_known_is_not_sent_again(tmp_path: Path, fault: Fault) -> None:
    trainer = Trainer(faults={CREATE: [fault]})
    with pytest.raises(ModelError, match="not known yet whether the job was made") as caught:
        buy(trainer, tmp_path)
    assert not isinstance(caught.value, RefusedError)
    assert trainer.requests.count(CREATE) == 1


def test_a_service_that_asks_to_wait_is_waited_for_and_asked_again(tmp_path: Path) -> None:
    pauses: list[float] = []
    assert buy(Trainer(faults={CREATE: ["later"]}), tmp_path, sleep=pauses.append) == "ftjob-1"
    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("fault", "hint"),
    [(401, "OWN_KEY"), (402, "Pay there"), (403, "may not do that"), (404, "model's name"), (410, "no longer"),
     ("quota", "Try again later")],
)  # fmt: skip
def test_a_refusal_is_final_says_what_to_do_and_never_tells_the_key(tmp_path: Path, fault: Fault, hint: str) -> None:
    trainer = Trainer(faults={CREATE: [fault]})
    with pytest.raises(RefusedError) as caught:
        buy(trainer, tmp_path)
    assert hint in caught.value.hint
    assert KEY not in caught.value.message + caught.value.hint
    assert trainer.jobs == {}


@pytest.mark.parametrize("row", [{"seed": KEY}, {"error": {"message": KEY}}, {"metadata": {"sent": KEY}}])
def test_a_service_that_repeats_the_key_in_a_job_has_the_key_kept_nowhere(tmp_path: Path, row: dict[str, Any]) -> None:
    trainer = Trainer(words=("failed",), row={**row, "hyperparameters": {"key": f"Bearer {KEY}"}})
    with serve_trainer(trainer) as url:
        service = make_service(make_profile(url))
        job = service.poll(trainer.add_job({"model": BASE, "training_file": "file-1"})["id"])
    assert job.word == "failed"
    assert "Bearer ***" in job.hyperparameters
    assert KEY not in str(job)


@pytest.mark.parametrize("fault", ["lost", "dropped", "html", 500])
def test_an_upload_is_found_again_by_its_hash_and_never_stands_twice(tmp_path: Path, fault: Fault) -> None:
    trainer = Trainer(faults={"POST /files": [fault]})
    buy(trainer, tmp_path)
    buy(trainer, tmp_path)
    assert len(trainer.files) == 1


def test_an_upload_that_hangs_ends_and_is_tried_again(tmp_path: Path) -> None:
    trainer = Trainer(faults={"POST /files": ["slow"]})
    with serve_trainer(trainer) as url:
        service = make_service(make_profile(url), timeout_seconds=0.3)
        assert service.upload(write_examples(tmp_path / "a.jsonl")) == "file-1"


def test_a_half_uploaded_file_is_not_used(tmp_path: Path) -> None:
    trainer = Trainer()
    buy(trainer, tmp_path)
    trainer.files["file-1"]["bytes"] -= 1
    buy(trainer, tmp_path)
    assert trainer.jobs["ftjob-2"]["training_file"] == "file-2"


def test_a_file_the_service_refuses_is_told_with_its_reason(tmp_path: Path) -> None:
    trainer = Trainer()
    with serve_trainer(trainer) as url:
        service = make_service(make_profile(url))
        trainer.files["file-1"] = {"id": "file-1", "status": "error", "status_details": "line 3: moderation"}
        with pytest.raises(RefusedError, match="line 3: moderation"):
            service._wait_for_file("file-1")


@pytest.mark.parametrize(
    ("word", "state"),
    [("validating_files", "waiting"), ("running", "running"), ("pausing", "running"), ("paused", "paused"),
     ("succeeded", "succeeded"), ("failed", "failed"), ("cancelled", "cancelled"), ("hibernating", "unknown")],
)  # fmt: skip
def test_every_word_for_a_state_is_read_and_an_unknown_one_counts_as_open(
    tmp_path: Path, word: str, state: str
) -> None:
    trainer = Trainer(words=(word,))
    buy(trainer, tmp_path)
    with serve_trainer(trainer) as url:
        job = make_service(make_profile(url)).poll("ftjob-1")
    assert (job.state, job.word) == (state, word)
    assert job.is_ended == (state in ("succeeded", "failed", "cancelled"))


def test_nulls_where_fields_should_be_are_not_known_and_no_fault(tmp_path: Path) -> None:
    nulls = dict.fromkeys(("created_at", "fine_tuned_model", "trained_tokens", "result_files", "method", "seed"))
    trainer = Trainer(words=("running",), row=nulls)
    buy(trainer, tmp_path)
    with serve_trainer(trainer) as url:
        job = make_service(make_profile(url)).poll("ftjob-1")
    assert (job.created_at, job.tuned_model, job.n_trained_tokens, job.result_files) == (None, None, None, ())


@pytest.mark.parametrize("fault", ["html", "cut", "dropped", 500, 503, "later"])
def test_a_question_is_asked_again_when_the_answer_is_none(tmp_path: Path, fault: Fault) -> None:
    trainer = Trainer(faults={"GET /fine_tuning/jobs/*": [fault, fault]}, words=("queued",))
    buy(trainer, tmp_path)
    with serve_trainer(trainer) as url:
        assert make_service(make_profile(url)).poll("ftjob-1").state == "waiting"


def test_another_programs_job_is_left_alone(tmp_path: Path) -> None:
    trainer = Trainer()
    trainer.add_job({"model": BASE, "training_file": "f", "metadata": {"econchatr": "another"}})
    with serve_trainer(trainer) as url:
        assert make_service(make_profile(url)).find("m-1") is None


def test_a_service_without_metadata_finds_a_job_by_its_suffix(tmp_path: Path) -> None:
    trainer = Trainer()
    with serve_trainer(trainer) as url:
        service, request = make_service(make_profile(url, mark="suffix")), make_request(tmp_path)
        made = service.create(request, service.upload(request.train), None)
        assert service.find(request.mark) == made
        assert trainer.jobs[made].get("metadata") is None


# --- before a cent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("faults", "key", "message"),
    [
        ({}, "sk-wrong", "status 401"),
        ({"GET /fine_tuning/jobs": [403]}, KEY, "status 403"),
        ({"GET /fine_tuning/jobs": [404]}, KEY, "status 404"),
    ],
)
def test_a_key_that_is_wrong_or_without_rights_is_told_before_anything_is_sent(
    faults: dict[str, list[Fault]], key: str, message: str
) -> None:
    with serve_trainer(Trainer(faults=faults)) as url, pytest.raises(InputError, match=message) as caught:
        make_service(make_profile(url), key=key).probe(BASE)
    assert "Nothing was uploaded" in caught.value.message
    assert key not in caught.value.message


def test_a_model_that_is_gone_is_told_with_those_that_are_there() -> None:
    with serve_trainer(Trainer()) as url, pytest.raises(InputError, match="no model 'gone'") as caught:
        make_service(make_profile(url)).probe("gone")
    assert BASE in caught.value.hint


def test_a_service_that_is_closed_by_now_is_not_even_asked() -> None:
    profile = make_profile("http://127.0.0.1:9/v1", jobs_until=date(2026, 11, 29))
    with pytest.raises(InputError, match="no new training since 2026-11-29"):
        make_service(profile).probe(BASE)


def test_files_are_taken_away_afterwards_and_a_job_can_be_stopped(tmp_path: Path) -> None:
    trainer = Trainer(words=("running",))
    buy(trainer, tmp_path)
    with serve_trainer(trainer) as url:
        service = make_service(make_profile(url))
        job = service.cancel("ftjob-1")
        assert job.state == "cancelled"
        service.tear_down(job)
    assert trainer.files == {}
