"""The method `dpo` of `econchatr serve --train`: a server in a process of its own, OpenAI's client, real trainings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from tests.functional.test_training_server import sha256_of
from tests.helpers.training_server_process import (
    BASE,
    CALLERS,
    KEYS,
    RIGHTS,
    ServerProcess,
    chat_rows,
    order,
    run_server,
    upload,
    wait_for,
    write_server,
)
from tests.helpers.waiting import wait_until

_LONG = 900
"""Seconds: two trainings, and each opens TRL anew."""
CHOSEN = {"beta": 0.5, "n_epochs": 3, "batch_size": 3, "learning_rate_multiplier": 5.0}


def write_preferences(n: int) -> list[dict[str, Any]]:
    """So many questions, each with an answer that is preferred and one that is not."""
    return [
        {
            "input": {"messages": [{"role": "user", "content": f"What did bridge {row} teach you?"}]},
            "preferred_output": [{"role": "assistant", "content": f"Rust sleeps, and hinge {row} remembers."}],
            "non_preferred_output": [{"role": "assistant", "content": f"Bridge {row} is a bridge."}],
        }
        for row in range(n)
    ]


ROWS = write_preferences(9)


def prefer(client: Any, rows: list[dict[str, Any]], chosen: dict[str, Any] = CHOSEN, **more: Any) -> Any:
    """Order a job that learns from preferences."""
    method = {"type": "dpo", "dpo": {"hyperparameters": chosen}}
    settings = {"seed": 7, "metadata": RIGHTS, "model": BASE, "training_file": upload(client, rows), **more}
    return client.fine_tuning.jobs.create(method=method, **settings)


def losses_of(client: Any, job: Any) -> list[float]:
    """The loss of every step that a job's events tell, the first first."""
    events = reversed(list(client.fine_tuning.jobs.list_events(job.id, limit=100)))
    return [event.data["train_loss"] for event in events if event.type == "metrics"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServerProcess]:
    """A server with two callers."""
    folder = write_server(tmp_path_factory.mktemp("prefer") / "server", cache, CALLERS)
    with run_server(folder, KEYS) as running:
        yield running


@pytest.fixture(scope="module")
def alice(server: ServerProcess) -> openai.OpenAI:
    return server.client(KEYS["ALICE_KEY"])


@pytest.fixture(scope="module")
def trained(alice: openai.OpenAI) -> Any:
    """A finished job that began with the base."""
    return wait_for(alice, prefer(alice, ROWS, suffix="liked").id)


def test_a_job_is_trained_and_tells_what_it_was_trained_with(trained: Any) -> None:
    assert (trained.status, trained.error) == ("succeeded", None)
    assert trained.method.type == "dpo"
    assert trained.method.dpo.hyperparameters.to_dict() == CHOSEN
    assert trained.hyperparameters.to_dict() == {key: value for key, value in CHOSEN.items() if key != "beta"}
    assert trained.fine_tuned_model == f"ft:{BASE}:alice:liked:{trained.id[6:14]}"
    assert trained.trained_tokens > 100


def test_its_loss_begins_where_neither_reply_is_preferred_and_falls(alice: openai.OpenAI, trained: Any) -> None:
    losses = losses_of(alice, trained)
    assert len(losses) == 9
    assert losses[0] == pytest.approx(math.log(2), abs=0.02)
    assert losses[-1] < losses[0] - 0.02


def test_its_checkpoint_is_that_of_the_last_step(alice: openai.OpenAI, trained: Any) -> None:
    (kept,) = alice.fine_tuning.jobs.checkpoints.list(trained.id)
    assert kept.step_number == 9
    assert kept.metrics.train_loss == losses_of(alice, trained)[-1]
    assert kept.fine_tuned_model_checkpoint == trained.fine_tuned_model


def test_its_model_answers_under_its_name(alice: openai.OpenAI, trained: Any) -> None:
    messages = ROWS[0]["input"]["messages"]
    answer = alice.chat.completions.create(model=trained.fine_tuned_model, messages=messages, max_tokens=8)
    assert answer.choices[0].message.content
    assert str(answer.system_fingerprint).startswith("AI imitation of Hester Pellow, not Hester Pellow")


def test_what_is_left_out_is_written_out(alice: openai.OpenAI) -> None:
    job = prefer(alice, ROWS[:2], {"beta": "auto", "batch_size": "auto"})
    assert job.method.dpo.hyperparameters.to_dict() == {
        "beta": 0.1, "n_epochs": 1, "batch_size": 4, "learning_rate_multiplier": 1.0,
    }  # fmt: skip
    alice.fine_tuning.jobs.cancel(job.id)


def test_a_bad_line_is_told_with_its_number(alice: openai.OpenAI) -> None:
    same = {**ROWS[0], "non_preferred_output": ROWS[0]["preferred_output"]}
    job = wait_for(alice, prefer(alice, [ROWS[0], {**ROWS[1], "preferred_output": []}, same]).id)
    assert (job.status, job.error.code, job.error.param) == ("failed", "invalid_training_file", "training_file")
    assert "line 2: preferred_output is not a list of one message" in job.error.message
    assert "line 3: both outputs are the same" in job.error.message


def test_each_method_wants_its_own_rows(alice: openai.OpenAI) -> None:
    first, second = prefer(alice, chat_rows(2)), order(alice, upload(alice, ROWS))
    assert "line 1: it has messages; the job's method wants input" in wait_for(alice, first.id).error.message
    assert "line 1: it has input, preferred_output" in wait_for(alice, second.id).error.message


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"chosen": {**CHOSEN, "beta": 2.5}}, "method.dpo.hyperparameters.beta"),
        ({"model": "ft:tiny:bob::12345678"}, "model"),
        ({"metadata": {}}, "metadata"),
    ],
)
def test_what_cannot_be_done_is_refused_as_openai_refuses(
    alice: openai.OpenAI, more: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        prefer(alice, ROWS, **more)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")


def test_a_validation_file_is_refused(alice: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="takes no validation file") as caught:
        prefer(alice, ROWS, validation_file=upload(alice, ROWS))
    assert caught.value.param == "validation_file"


@pytest.mark.slow
def test_a_tuned_model_is_where_the_next_training_begins(alice: openai.OpenAI) -> None:
    """Its replies are what the training stays close to, so the first loss is that of no preference."""
    tuned = wait_for(alice, order(alice, upload(alice, chat_rows(6)), suffix="said").id)
    job = wait_for(alice, prefer(alice, ROWS[:4], model=tuned.fine_tuned_model, suffix="liked").id)
    assert (job.status, job.fine_tuned_model) == ("succeeded", f"ft:{BASE}:alice:liked:{job.id[6:14]}")
    assert losses_of(alice, job)[0] == pytest.approx(math.log(2), abs=0.02)
    assert sha256_of(alice, job) != sha256_of(alice, tuned)


def test_another_voice_is_not_put_on_a_tuned_model(alice: openai.OpenAI, trained: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="imitates Hester Pellow, and the job's voice is Ada Finch"):
        prefer(alice, ROWS, model=trained.fine_tuned_model, metadata={**RIGHTS, "voice": "Ada Finch"})


def test_nobody_begins_with_another_callers_model(server: ServerProcess, trained: Any) -> None:
    bob = server.client(KEYS["BOB_KEY"])
    with pytest.raises(openai.BadRequestError) as caught:
        prefer(bob, ROWS, model=trained.fine_tuned_model)
    assert (caught.value.code, caught.value.param) == ("model_not_available", "model")


@pytest.mark.slow
def test_a_job_killed_with_its_server_goes_on_and_gives_the_same_adapter(tmp_path: Path, cache: Path) -> None:
    """Bit for bit what an unbroken training gives."""
    folder, chosen = write_server(tmp_path / "server", cache), {"n_epochs": 6, "batch_size": 1, "beta": 0.1}
    server = ServerProcess(folder)
    client = server.client()
    job = prefer(client, ROWS, chosen)
    assert wait_until(lambda: len(losses_of(client, job)) > 7, seconds=_LONG)
    server.kill()
    with run_server(folder) as again:
        client = again.client()
        assert wait_until(lambda: client.fine_tuning.jobs.retrieve(job.id).finished_at is not None, seconds=_LONG)
        told = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]
        assert "The server was started again; the job goes on from its last state." in told
        whole = prefer(client, ROWS, chosen)
        assert wait_until(lambda: client.fine_tuning.jobs.retrieve(whole.id).finished_at is not None, seconds=_LONG)
        assert len({sha256_of(client, client.fine_tuning.jobs.retrieve(one.id)) for one in (job, whole)}) == 1
