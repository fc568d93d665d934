"""`econchatr serve --train` in a process of its own, driven by OpenAI's own client; real trainings."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openai
import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from tests.helpers.training_server_process import (
    BASE,
    CALLERS,
    KEYS,
    RIGHTS,
    ServerProcess,
    as_lines,
    chat_rows,
    order,
    run_server,
    upload,
    wait_for,
    write_server,
)
from tests.helpers.waiting import wait_until

SMALL = "[quotas]\nmax_file_mb = 1\nmax_files = 40\nmax_waiting_jobs = 4\n"
ROWS = chat_rows(12)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServerProcess]:
    """A server with two callers."""
    folder = write_server(tmp_path_factory.mktemp("train") / "server", cache, CALLERS + SMALL)
    with run_server(folder, KEYS) as running:
        yield running


@pytest.fixture
def alice(server: ServerProcess) -> openai.OpenAI:
    return server.client(KEYS["ALICE_KEY"])


@pytest.fixture
def bob(server: ServerProcess) -> openai.OpenAI:
    return server.client(KEYS["BOB_KEY"])


@pytest.fixture(scope="module")
def trained(server: ServerProcess) -> Any:
    """A finished job of Alice's."""
    alice = server.client(KEYS["ALICE_KEY"])
    files = upload(alice, ROWS), upload(alice, ROWS[:3])
    return wait_for(alice, order(alice, files[0], validation_file=files[1], suffix="my show").id)


def sha256_of(client: openai.OpenAI, job: Any) -> str:
    """The hash of a finished job's adapter, as its caller downloads it."""
    for file_id in job.result_files:
        if client.files.retrieve(file_id).filename == "adapter_model.safetensors":
            return hashlib.sha256(client.files.content(file_id).read()).hexdigest()
    raise AssertionError(job)


# --- the life of a job ------------------------------------------------------------------------------------------------


def test_a_job_is_trained_and_tells_what_it_was_trained_with(trained: Any) -> None:
    assert trained.status == "succeeded"
    assert trained.fine_tuned_model == f"ft:{BASE}:alice:my-show:{trained.id[6:14]}"
    assert trained.hyperparameters.to_dict() == {"n_epochs": 1, "batch_size": 4, "learning_rate_multiplier": 1.0}
    assert trained.method.supervised.hyperparameters.to_dict() == trained.hyperparameters.to_dict()
    assert trained.trained_tokens > 100
    assert (trained.seed, trained.metadata, trained.error) == (7, RIGHTS, None)


def test_its_events_tell_every_step_the_newest_first(alice: openai.OpenAI, trained: Any) -> None:
    events = list(alice.fine_tuning.jobs.list_events(trained.id, limit=2))
    assert events[0].message == "The job has successfully completed"
    assert events[-1].message == f"Created fine-tuning job: {trained.id}"
    steps = [event.data for event in events if event.type == "metrics"]
    assert [step["step"] for step in steps] == [3, 2, 1]
    assert all(step["train_loss"] > 0 and step["valid_loss"] > 0 for step in steps)


def test_its_checkpoint_and_its_curve_agree(alice: openai.OpenAI, trained: Any) -> None:
    (kept,) = alice.fine_tuning.jobs.checkpoints.list(trained.id)
    assert kept.fine_tuned_model_checkpoint == trained.fine_tuned_model
    (curve,) = [one for one in trained.result_files if alice.files.retrieve(one).filename == "step_metrics.csv"]
    rows = [line.split(",") for line in alice.files.content(curve).text.splitlines()[1:]]
    assert [kept.step_number] == [int(row[0]) for row in rows if row[2] == min(row[2] for row in rows[1:])]


def test_its_model_answers_both_ways_and_the_same_at_temperature_0(alice: openai.OpenAI, trained: Any) -> None:
    messages = ROWS[0]["messages"][:2]
    asked = {"model": trained.fine_tuned_model, "temperature": 0, "max_tokens": 12}
    first, second = (alice.chat.completions.create(messages=messages, seed=1, **asked) for _ in range(2))
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.system_fingerprint.startswith("AI imitation of Hester Pellow, not Hester Pellow")
    stream = alice.completions.create(prompt="Rust", stream=True, **asked)
    assert "".join(piece.choices[0].text for piece in stream)


def test_a_model_is_listed_and_gone_once_it_is_deleted(alice: openai.OpenAI) -> None:
    name = wait_for(alice, order(alice, upload(alice, ROWS[:4])).id).fine_tuned_model
    assert name in [model.id for model in alice.models.list()]
    assert alice.models.delete(name).deleted
    with pytest.raises(openai.NotFoundError, match="there is no model"):
        alice.completions.create(model=name, prompt="Rust")


def test_files_come_back_as_they_went_page_by_page(bob: openai.OpenAI) -> None:
    ids = [upload(bob, chat_rows(n)) for n in (1, 2, 3)]
    assert [file.id for file in bob.files.list(limit=1)] == ids[::-1]
    assert bob.files.content(ids[1]).read() == as_lines(chat_rows(2))
    assert bob.files.delete(ids[1]).deleted
    assert [file.id for file in bob.files.list(order="asc")] == [ids[0], ids[2]]


# --- who may do what --------------------------------------------------------------------------------------------------


def test_nobody_is_let_in_without_a_key_that_is_known(server: ServerProcess) -> None:
    with pytest.raises(openai.AuthenticationError):
        server.client("sk-mallory-0123456789abcdef").files.list()


def test_each_key_sees_only_its_own(alice: openai.OpenAI, bob: openai.OpenAI, trained: Any) -> None:
    """What is somebody else's is told as what is not there."""
    calls = [
        lambda: bob.fine_tuning.jobs.retrieve(trained.id),
        lambda: bob.fine_tuning.jobs.cancel(trained.id),
        lambda: bob.fine_tuning.jobs.list_events(trained.id),
        lambda: bob.files.content(trained.result_files[0]),
        lambda: bob.files.delete(trained.training_file),
        lambda: bob.models.delete(trained.fine_tuned_model),
        lambda: bob.completions.create(model=trained.fine_tuned_model, prompt="Rust"),
    ]
    for call in calls:
        with pytest.raises(openai.NotFoundError):
            call()
    assert trained.id not in [job.id for job in bob.fine_tuning.jobs.list()]
    with pytest.raises(openai.BadRequestError, match="no such file"):
        order(bob, trained.training_file)
    assert alice.files.retrieve(trained.training_file).id


def test_another_caller_asks_a_model_while_a_permission_lasts(
    alice: openai.OpenAI, bob: openai.OpenAI, trained: Any
) -> None:
    permissions, model = alice.fine_tuning.checkpoints.permissions, trained.fine_tuned_model
    (given,) = permissions.create(model, project_ids=["bob"])
    assert model in [one.id for one in bob.models.list()]
    answer = bob.chat.completions.create(model=model, messages=ROWS[0]["messages"][:2], max_tokens=4)
    assert answer.system_fingerprint.startswith("AI imitation of Hester Pellow")
    with pytest.raises(openai.PermissionDeniedError, match="Only its owner"):
        bob.models.delete(model)
    with pytest.raises(openai.BadRequestError, match="cannot be trained"):
        order(bob, upload(bob, ROWS[:2]), extra_body={"model": model})
    assert permissions.delete(given.id, fine_tuned_model_checkpoint=model).deleted
    with pytest.raises(openai.NotFoundError, match="there is no model"):
        bob.chat.completions.create(model=model, messages=ROWS[0]["messages"][:2], max_tokens=4)


@pytest.mark.parametrize("metadata", [None, {"voice": "Hester Pellow"}, {"rights": "made up"}])
def test_a_job_without_the_ground_of_its_rights_is_refused(alice: openai.OpenAI, metadata: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="on what ground") as caught:
        order(alice, upload(alice, ROWS[:2]), metadata=metadata)
    assert caught.value.code == "rights_missing"


def test_a_file_beyond_the_quota_is_refused(alice: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        alice.files.create(file=("big.jsonl", b"x" * 1_200_000), purpose="fine-tune")
    assert caught.value.status_code == 413


@pytest.mark.slow
def test_one_caller_cannot_fill_the_queue_for_the_others(
    server: ServerProcess, alice: openai.OpenAI, bob: openai.OpenAI
) -> None:
    """Alice's four jobs stand in the queue before Bob's one, and his is trained second."""
    hers = upload(alice, ROWS[:4])
    jobs = [order(alice, hers) for _ in range(4)]
    with pytest.raises(openai.RateLimitError, match="have not ended"):
        order(alice, hers)
    jobs.append(order(bob, upload(bob, ROWS[:4])))
    for job, client in zip(jobs, [alice] * 4 + [bob], strict=True):
        assert wait_for(client, job.id).status == "succeeded"
    with sqlite3.connect(f"file:{server.folder / 'jobs.sqlite'}?mode=ro", uri=True) as line:
        begun = [row[0] for row in line.execute("SELECT job_id FROM events WHERE mark = 'started' ORDER BY n")]
    assert [one for one in begun if one in {job.id for job in jobs}].index(jobs[-1].id) <= 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS[:2], {"messages": [{"role": "user", "content": "Why?"}]}], "line 3: the last message is not"),
        ([ROWS[0], {"prompt": "a", "completion": " b"}], "line 2: the file has messages in some lines"),
        (["text"], "line 1: not a JSON object"),
        ([], "it has no line"),
    ],
)
def test_a_bad_line_fails_the_job_later_and_is_named(alice: openai.OpenAI, rows: list[Any], message: str) -> None:
    job = wait_for(alice, order(alice, upload(alice, rows)).id)
    assert (job.status, job.error.code, job.error.param) == ("failed", "invalid_training_file", "training_file")
    assert message in job.error.message


@pytest.mark.slow
def test_the_script_of_the_documentation_trains_the_embedded_model(tmp_path: Path) -> None:
    """The code in docs/training-server.md, with nothing changed but the address."""
    page = (Path(__file__).parents[2] / "docs" / "training-server.md").read_text(encoding="utf-8")
    script = "\n".join(part.partition("```")[0] for part in page.split("```python\n")[1:])
    script += "\nwhile not client.fine_tuning.jobs.retrieve(liked.id).finished_at:\n    time.sleep(1)\n"
    script += "print(client.fine_tuning.jobs.retrieve(liked.id).status)\n"
    (tmp_path / "server").mkdir()
    with run_server(tmp_path / "server") as running:
        code = script.replace("http://127.0.0.1:8000/v1", running.address)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, _, state = done.stdout.strip().rpartition("\n")
    assert (bool(answer), state) == (True, "succeeded")


# --- kills ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_job_survives_kill_9_of_the_server_bit_for_bit(tmp_path: Path, cache: Path) -> None:
    folder = write_server(tmp_path / "server", cache)
    settings = {"hyperparameters": {"n_epochs": 12, "batch_size": 1}}
    server = ServerProcess(folder)
    client = server.client()
    job = order(client, upload(client, ROWS), **settings)
    assert wait_until(lambda: any(event.type == "metrics" for event in client.fine_tuning.jobs.list_events(job.id)))
    server.kill()
    with run_server(folder) as again:
        client = again.client()
        assert wait_for(client, job.id).status == "succeeded"
        whole = wait_for(client, order(client, job.training_file, **settings).id)
        events = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
        assert "The server was started again; the job goes on from its last state." in events
        assert len(events) == len(set(events))
        assert sha256_of(client, client.fine_tuning.jobs.retrieve(job.id)) == sha256_of(client, whole)


def test_no_key_stands_in_anything_that_was_written(server: ServerProcess, trained: Any) -> None:
    written = [path for path in server.folder.rglob("*") if path.is_file()]
    assert len(written) > 8
    assert not any(key.encode() in path.read_bytes() for path in written for key in KEYS.values())


# --- stopping, and files in parts -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_paused_job_rests_and_then_goes_on_bit_for_bit(alice: openai.OpenAI) -> None:
    settings = {"hyperparameters": {"n_epochs": 6, "batch_size": 1}}
    job = order(alice, upload(alice, ROWS), **settings)
    assert wait_until(lambda: any(event.type == "metrics" for event in alice.fine_tuning.jobs.list_events(job.id)))
    assert alice.fine_tuning.jobs.pause(job.id).status == "paused"
    whole = wait_for(alice, order(alice, job.training_file, **settings).id)
    assert alice.fine_tuning.jobs.retrieve(job.id).status == "paused"
    alice.fine_tuning.jobs.resume(job.id)
    assert sha256_of(alice, wait_for(alice, job.id)) == sha256_of(alice, whole)


def test_a_cancelled_job_ends_and_is_not_taken_up_again(alice: openai.OpenAI) -> None:
    job = order(alice, upload(alice, ROWS), hyperparameters={"n_epochs": 50, "batch_size": 1})
    wait_for(alice, job.id, "running")
    assert alice.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    for call in (alice.fine_tuning.jobs.cancel, alice.fine_tuning.jobs.pause, alice.fine_tuning.jobs.resume):
        with pytest.raises(openai.BadRequestError, match="The job is cancelled"):
            call(job.id)


def test_an_order_sent_twice_with_a_key_of_its_own_is_one_job(alice: openai.OpenAI) -> None:
    file_id, once = upload(alice, ["bad"]), {"extra_headers": {"Idempotency-Key": "order 1"}}
    assert order(alice, file_id, **once).id == order(alice, file_id, **once).id
    assert order(alice, file_id).id != order(alice, file_id).id


def test_jobs_are_found_by_their_metadata(alice: openai.OpenAI) -> None:
    job = order(alice, upload(alice, ["bad"]), metadata={**RIGHTS, "mark": "a/b &c"})
    assert [one.id for one in alice.fine_tuning.jobs.list(metadata={"mark": "a/b &c"})] == [job.id]


def test_the_servers_choice_of_hyperparameters_is_written_out(alice: openai.OpenAI) -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto", "batch_size": 3}}}
    job = order(alice, upload(alice, ["bad"]), method=method, hyperparameters=openai.omit)
    assert job.hyperparameters.to_dict() == {"n_epochs": 2, "batch_size": 3, "learning_rate_multiplier": 1.0}


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters"),
        ({"hyperparameters": {"learning_rate_multiplier": 5e-324}}, "learning_rate_multiplier"),
        ({"method": {"type": "reinforcement"}}, "method"),
        ({"suffix": "x" * 65}, "suffix"),
        ({"extra_body": {"surprise": 1}}, None),
        ({"validation_file": "file-none"}, "validation_file"),
    ],
)
def test_an_order_that_cannot_be_is_refused_by_name(alice: openai.OpenAI, more: Any, param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        order(alice, upload(alice, ROWS[:1]), **more)
    assert (caught.value.param or "").partition(".")[0] == (param or "")


def test_a_file_in_parts_is_put_together_in_their_order(bob: openai.OpenAI) -> None:
    text = as_lines(chat_rows(3))
    wanted = {"filename": "rows.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune"}
    started = bob.uploads.create(bytes=len(text), **wanted)
    later = bob.uploads.parts.create(started.id, data=text[100:])
    first = bob.uploads.parts.create(started.id, data=text[:100])
    with pytest.raises(openai.BadRequestError, match="were announced"):
        bob.uploads.complete(started.id, part_ids=[first.id])
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    done = bob.uploads.complete(started.id, part_ids=[first.id, later.id], md5=md5)
    assert done.file is not None
    assert bob.files.content(done.file.id).read() == text
    with pytest.raises(openai.BadRequestError, match="The upload is completed"):
        bob.uploads.cancel(started.id)


# --- the shapes of 2023 -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_2023(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServerProcess]:
    """A server whose settings name the rights, with one of the names of then for its base."""
    more = '[rights]\nvoice = "Hester Pellow"\nground = "made up"\n'
    folder = write_server(tmp_path_factory.mktemp("of-2023") / "server", cache, more)
    settings = folder / "server.toml"
    base = settings.read_text(encoding="utf-8").partition(f"{BASE} = ")[2]
    with settings.open("a", encoding="utf-8") as file:
        file.write(f"curie = {base}")
    with run_server(folder) as running:
        yield running


def call_2023(server: ServerProcess, path: str, body: object = None, method: str = "") -> Any:
    """A call as a client of 2023 makes it."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.address}{path}", data, headers, method=method or None)
    with urllib.request.urlopen(request, timeout=120) as response:
        text = response.read().decode()
        return text if "event-stream" in response.headers["content-type"] else json.loads(text)


def test_a_fine_tune_of_2023_streams_its_events_and_answers_as_an_engine(of_2023: ServerProcess) -> None:
    rows = [{"prompt": f"Bridge {n}? Hester Pellow responds:", "completion": f" Rust {n}.\n"} for n in range(8)]
    file_id = upload(of_2023.client(), rows)
    chosen = {"n_epochs": 1, "batch_size": 4, "prompt_loss_weight": 0.01}
    job = call_2023(of_2023, "/fine-tunes", {"training_file": file_id, "model": "curie", **chosen})
    assert (job["object"], job["status"], job["hyperparams"]["n_epochs"]) == ("fine-tune", "pending", 1)
    *events, end = call_2023(of_2023, f"/fine-tunes/{job['id']}/events?stream=true").strip().split("\n\n")
    told = [json.loads(event.removeprefix("data: "))["message"] for event in events]
    assert (told[-1], end) == ("The job has successfully completed", "data: [DONE]")
    assert any("prompt_loss_weight is 0 here" in message for message in told)
    job = call_2023(of_2023, f"/fine-tunes/{job['id']}")
    assert job["status"] == "succeeded"
    engine = quote(job["fine_tuned_model"], safe="")
    asked = {"prompt": rows[0]["prompt"], "max_tokens": 4, "temperature": 0}
    by_engine = call_2023(of_2023, f"/engines/{engine}/completions", asked)
    by_name = call_2023(of_2023, "/completions", {**asked, "model": job["fine_tuned_model"]})
    assert by_engine["choices"] == by_name["choices"]
    assert call_2023(of_2023, f"/fine-tunes/{engine}", method="DELETE")["deleted"]


@pytest.mark.parametrize("name", ["OPENAI_0_26_PYTHON", "OPENAI_0_27_PYTHON"])
def test_the_library_of_2023_drives_a_whole_job(of_2023: ServerProcess, name: str) -> None:
    """As it is, in an environment of its own: the variable names that environment's Python."""
    if name not in os.environ:
        pytest.skip(f"${name} names no Python with that openai package")
    file_id = upload(of_2023.client(), [{"prompt": "Bridge?", "completion": " Rust.\n"}] * 4)
    code = f"""
import openai
job = openai.FineTune.create(training_file={file_id!r}, model="curie", n_epochs=1)
list(openai.FineTune.stream_events(job["id"]))
job = openai.FineTune.retrieve(job["id"])
print(openai.Completion.create(model=job["fine_tuned_model"], prompt="Bridge?", max_tokens=4)["object"])
print(openai.Completion.create(engine=job["fine_tuned_model"], prompt="Bridge?", max_tokens=4)["object"])
"""
    environment = {"OPENAI_API_BASE": of_2023.address, "OPENAI_API_KEY": "none", "PATH": os.environ["PATH"]}
    done = subprocess.run([os.environ[name], "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "text_completion\n" * 2, done.stderr
