"""The back ends for Together and Fireworks, against stand-ins that answer well, badly, late or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from econchatr.errors import InputError, ModelError, RefusedError
from econchatr.hosted.profiles import Profile, load_profiles
from econchatr.hosted.protocol import TrainingRequest, TrainingService
from econchatr.money.ledger import Ledger
from tests.helpers.hosted_material import make_desk, make_profile, make_service, plan_training, write_examples
from tests.helpers.stand_in_other_trainers import (
    ACCOUNT,
    FIREWORKS_MODEL,
    TOGETHER_MODEL,
    FireworksHandler,
    TogetherHandler,
)
from tests.helpers.stand_in_trainer import KEY, Fault, Trainer, serve_trainer

HANDLERS = {"together": TogetherHandler, "fireworks": FireworksHandler}
MODELS = {"together": TOGETHER_MODEL, "fireworks": FIREWORKS_MODEL}
CREATES = {"together": "POST /fine-tunes", "fireworks": "POST /supervisedFineTuningJobs"}
UPLOADS = {"together": "POST /files", "fireworks": "POST /datasets/*:upload"}
POLLS = {"together": "GET /fine-tunes/*", "fireworks": "GET /supervisedFineTuningJobs/*"}
WORDS = {
    "together": ("pending", "queued", "running", "uploading", "completed"),
    "fireworks": ("CREATING", "VALIDATING", "RUNNING", "WRITING_RESULTS", "COMPLETED"),
}
SHIPPED = {profile.name: profile for profile in load_profiles()}


@dataclass
class Open:
    """A service that runs, and what speaks to it."""

    trainer: Trainer
    service: TrainingService
    profile: Profile


@contextmanager
def opened(api: str, trainer: Trainer | None = None) -> Iterator[Open]:
    trainer = trainer or Trainer(words=WORDS[api])
    with serve_trainer(trainer, HANDLERS[api]) as url:
        place = f"{url}/{ACCOUNT}" if api == "fireworks" else url
        profile = make_profile(place, api=api, hyperparameters=SHIPPED[api].hyperparameters, downloads=True)
        yield Open(trainer, make_service(profile), profile)


def request(api: str, folder: Path, worst: str = "0.05") -> TrainingRequest:
    path = folder / "train.jsonl"
    if not path.exists():
        write_examples(path)
    parameters = {"n_epochs": 2, **SHIPPED[api].hyperparameters}
    return TrainingRequest("0f3a-1", MODELS[api], path, None, parameters, 7, Decimal(worst))


def buy(one: Open, wanted: TrainingRequest) -> str:
    return one.service.create(wanted, one.service.upload(wanted.train), None)


both = pytest.mark.parametrize("api", ["together", "fireworks"])


@both
def test_a_training_is_ordered_waited_for_billed_and_cleared_away(api: str, tmp_path: Path) -> None:
    with opened(api) as one, Ledger(tmp_path / "ledger.sqlite") as ledger:
        plan = plan_training(ledger, tmp_path, one.service, one.profile)
        (end,) = make_desk(ledger, []).run([plan])
        assert end.error is None
        assert end.job is not None
        assert end.job.tuned_model
        one.service.tear_down(end.job)
        assert (len(one.trainer.jobs), one.trainer.files) == (1, {})
        assert ledger.committed_usd() == Decimal("0.02")
        assert "by our own count" in ledger.bill()[0].sources[0]


def test_together_is_told_everything_that_it_would_choose_itself(tmp_path: Path) -> None:
    with opened("together") as one:
        job = one.trainer.jobs[buy(one, request("together", tmp_path))]
    assert job["training_type"] == {"type": "Lora", "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0,
                                    "lora_trainable_modules": "all-linear"}  # fmt: skip
    assert (job["n_epochs"], job["batch_size"], job["random_seed"], job["n_checkpoints"]) == (2, 8, 7, 1)
    assert job["training_method"] == {"method": "sft", "train_on_inputs": False}
    assert "auto" not in str(job)
    assert "max" not in [job["batch_size"], job["learning_rate"]]


def test_fireworks_is_told_everything_under_its_own_names_and_our_id(tmp_path: Path) -> None:
    with opened("fireworks") as one:
        name = buy(one, request("fireworks", tmp_path))
        job = one.trainer.jobs[name]
    assert name == "econchatr-0f3a-1"
    assert (job["epochs"], job["batchSizeSamples"], job["loraRank"], job["learningRate"]) == (2, 8, 16, 1e-4)
    assert (job["baseModel"], job["earlyStop"], job["evalAutoCarveout"]) == (FIREWORKS_MODEL, False, False)


@both
@pytest.mark.parametrize("fault", ["lost", "html", "cut"])
def test_a_job_whose_answer_is_lost_is_found_and_not_made_twice(api: str, fault: Fault, tmp_path: Path) -> None:
    with opened(api, Trainer(words=WORDS[api], faults={CREATES[api]: [fault]})) as one:
        assert buy(one, request(api, tmp_path)) in one.trainer.jobs
        assert (len(one.trainer.jobs), one.trainer.requests.count(CREATES[api])) == (1, 1)


@both
@pytest.mark.parametrize("fault", [500, "dropped"])
def test_an_order_whose_fate_is_not_known_is_not_sent_again(api: str, fault: Fault, tmp_path: Path) -> None:
    with opened(api, Trainer(words=WORDS[api], faults={CREATES[api]: [fault]})) as one:
        with pytest.raises(ModelError, match="not known yet whether the job was made"):
            buy(one, request(api, tmp_path))
        assert one.trainer.requests.count(CREATES[api]) == 1


@both
@pytest.mark.parametrize("fault", [401, 402, 403, 404, 410])
def test_a_refusal_is_final_and_never_tells_the_key(api: str, fault: Fault, tmp_path: Path) -> None:
    with opened(api, Trainer(words=WORDS[api], faults={CREATES[api]: [fault]})) as one:
        with pytest.raises(RefusedError) as caught:
            buy(one, request(api, tmp_path))
        assert KEY not in caught.value.message + caught.value.hint
        assert one.trainer.jobs == {}


@both
def test_a_file_that_is_there_is_not_sent_again(api: str, tmp_path: Path) -> None:
    with opened(api) as one:
        path = write_examples(tmp_path / "a.jsonl")
        assert one.service.upload(path) == one.service.upload(path)
        assert len(one.trainer.files) == 1
        assert path.read_text() in next(iter(one.trainer.files.values()))["text"]


def test_the_storage_that_together_names_gets_the_file_and_no_key(tmp_path: Path) -> None:
    with opened("together") as one:
        file_id = one.service.upload(write_examples(tmp_path / "a.jsonl"))
        assert one.trainer.files[file_id]["had_key"] is False


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "file:///etc/passwd", "", "http://"])
def test_a_place_that_is_no_web_address_gets_no_file(place: str, tmp_path: Path) -> None:
    class Odd(TogetherHandler):
        def _name_place(self, one: str, data: bytes) -> tuple[int, Any]:
            self.more_headers = {"Location": place, "X-Together-File-Id": "file-1"}
            return 302, {}

    with serve_trainer(Trainer(), Odd) as url, pytest.raises(ModelError, match="no place to upload to"):
        make_service(make_profile(url, api="together")).upload(write_examples(tmp_path / "a.jsonl"))


def test_a_half_uploaded_dataset_is_deleted_and_sent_anew(tmp_path: Path) -> None:
    path = write_examples(tmp_path / "a.jsonl")
    with opened("fireworks", Trainer(faults={UPLOADS["fireworks"]: [400]})) as one:
        with pytest.raises(RefusedError):
            one.service.upload(path)
        (half,) = one.trainer.files.values()
        assert half["state"] == "UPLOADING"
        assert one.service.upload(path).endswith("/datasets/" + next(iter(one.trainer.files)))
        assert next(iter(one.trainer.files.values()))["state"] == "READY"


@pytest.mark.parametrize(
    ("api", "row", "message"),
    [
        ("together", {"file": {"processing_status": "INVALID_FORMAT", "validation_report": {"error": "line 3"}}},
         "line 3"),
        ("fireworks", {"dataset": {"state": "UPLOADING", "status": {"code": "INVALID_ARGUMENT", "message": "line 3"}}},
         "line 3"),
    ],
)  # fmt: skip
def test_a_file_the_service_refuses_is_told_with_its_reason(
    api: str, row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with opened(api, Trainer(row=row)) as one, pytest.raises(RefusedError, match=message):
        one.service.upload(write_examples(tmp_path / "a.jsonl"))


# --- the price --------------------------------------------------------------------------------------------------------


def test_togethers_estimate_is_asked_before_a_job_is_made(tmp_path: Path) -> None:
    row = {"estimate": {"estimation_available": True, "allowed_to_proceed": True, "estimated_total_price": 0.04}}
    with opened("together", Trainer(row=row)) as one:
        assert one.service.estimate(request("together", tmp_path)) == Decimal("0.04")
        assert one.trainer.jobs == {}


def test_a_refusal_by_togethers_own_estimate_is_a_refusal(tmp_path: Path) -> None:
    """Its own package goes on and makes the job."""
    row = {"estimate": {"estimation_available": True, "allowed_to_proceed": False, "estimated_total_price": 9,
                        "user_limit": 5}}  # fmt: skip
    with opened("together", Trainer(words=WORDS["together"], row=row)) as one, Ledger(tmp_path / "l.sqlite") as ledger:
        (end,) = make_desk(ledger, []).run([plan_training(ledger, tmp_path, one.service, one.profile)])
        assert isinstance(end.error, RefusedError)
        assert "more than the account may spend" in end.error.message
        assert (one.trainer.jobs, ledger.committed_usd()) == ({}, 0)


def test_a_job_that_fireworks_would_charge_more_for_than_was_quoted_is_cancelled_at_once(tmp_path: Path) -> None:
    row = {"cost": {"currencyCode": "USD", "units": "1", "nanos": 500_000_000}}
    with opened("fireworks", Trainer(words=WORDS["fireworks"], row=row)) as one:
        with pytest.raises(ModelError, match=r"estimates \$1.5, the quote said \$0.05 at most"):
            buy(one, request("fireworks", tmp_path))
        assert [job["cancelled"] for job in one.trainer.jobs.values()] == [True]


# --- before a cent, and afterwards ------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("fault", [401, 403])
def test_a_key_without_rights_is_told_before_anything_is_sent(api: str, fault: int) -> None:
    lists = {"together": "GET /fine-tunes", "fireworks": "GET /supervisedFineTuningJobs"}
    with opened(api, Trainer(faults={lists[api]: [fault]})) as one:
        with pytest.raises(InputError, match=f"status {fault}"):
            one.service.probe(MODELS[api])
        assert one.service.probe(MODELS[api]) == []


@both
def test_a_model_that_cannot_be_trained_is_told_before_anything_is_sent(api: str) -> None:
    with opened(api, Trainer(row={"tunable": False})) as one:
        gone = "open/gone" if api == "together" else FIREWORKS_MODEL
        with pytest.raises(InputError, match="cannot"):
            one.service.probe(gone)


def test_a_learning_rate_beyond_togethers_limits_is_told(tmp_path: Path) -> None:
    with serve_trainer(Trainer(), TogetherHandler) as url:
        service = make_service(make_profile(url, api="together", hyperparameters={"learning_rate": 0.5}))
        with pytest.raises(InputError, match=r"max_learning_rate 0\.01"):
            service.probe(TOGETHER_MODEL)


def test_fireworks_without_an_account_is_told_how_to_write_it() -> None:
    service = make_service(make_profile("http://127.0.0.1:9/v1", api="fireworks"))
    with pytest.raises(InputError, match="needs an account"):
        service.probe(FIREWORKS_MODEL)


@both
@pytest.mark.parametrize("fault", ["html", "cut", "dropped", 503])
def test_a_question_is_asked_again_when_the_answer_is_none(api: str, fault: Fault, tmp_path: Path) -> None:
    with opened(api) as one:
        made = buy(one, request(api, tmp_path))
        one.trainer.faults[POLLS[api]] = [fault]
        assert one.service.poll(made).state in ("waiting", "running")


@pytest.mark.parametrize(
    ("api", "word", "state"),
    [("together", "error", "failed"), ("together", "user_error", "failed"), ("together", "cancel_requested", "running"),
     ("together", "hibernating", "unknown"), ("fireworks", "PAUSED", "paused"), ("fireworks", "EXPIRED", "failed"),
     ("fireworks", "EARLY_STOPPED", "succeeded"), ("fireworks", "HIBERNATING", "unknown")],
)  # fmt: skip
def test_every_word_for_a_state_is_read(api: str, word: str, state: str, tmp_path: Path) -> None:
    with opened(api, Trainer(words=(word,), error="the disk is full")) as one:
        job = one.service.poll(buy(one, request(api, tmp_path)))
    assert job.state == state
    assert job.error == ("the disk is full" if state == "failed" else "")


@both
def test_a_job_can_be_stopped(api: str, tmp_path: Path) -> None:
    with opened(api, Trainer(words=WORDS[api][2:3])) as one:
        assert one.service.cancel(buy(one, request(api, tmp_path))).state == "cancelled"


def test_togethers_adapter_is_fetched_once(tmp_path: Path) -> None:
    with opened("together", Trainer(words=("completed",))) as one:
        job = one.service.poll(buy(one, request("together", tmp_path)))
        (path,) = one.service.download(job, tmp_path)
        one.service.download(job, tmp_path)
        assert "adapter" in path.read_text()
        assert one.trainer.requests.count("GET /finetune/download") == 1
