"""The OpenAPI of the fine-tuning server: whole, true, and asked by schemathesis with all that it allows and forbids."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from econchatr.training_server.job_store import JobStore
from tests.helpers.training_server_process import (
    BASE,
    RIGHTS,
    ServerProcess,
    make_tuned_job,
    order,
    run_server,
    upload,
    write_server,
)

N_EXAMPLES = 5
TUNED = f"ft:{BASE}:local::1"
ROOMY = '[rights]\nvoice = "Hester Pellow"\nground = "made up"\n[quotas]\nmax_waiting_jobs = 10000\nmax_files = 10000\n'
HOOKS = '''
import json, os
import schemathesis

KNOWN = json.loads(os.environ["KNOWN"])


@schemathesis.hook
def before_call(context, case, kwargs):
    """Name what is there, else every answer is that nothing is; what is deleted stays made up, or soon nothing is."""
    if case.method != "DELETE":
        for name in KNOWN.keys() & (case.path_parameters or {}).keys():
            case.path_parameters[name] = KNOWN[name]
    body = case.body
    if isinstance(body, dict):
        for name in KNOWN.keys() & body.keys():
            if isinstance(body[name], str) and body[name]:
                body[name] = KNOWN[name]
        if "messages" in body or "prompt" in body:
            for name in ("max_tokens", "max_completion_tokens"):
                if type(body.get(name)) in (int, float) and body[name] > 1:
                    body[name] = 1
            if body.get("max_tokens") is None and body.get("max_completion_tokens") is None:
                body["max_tokens"] = 1
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ServerProcess]:
    folder = write_server(tmp_path_factory.mktemp("described") / "server", cache, ROOMY)
    with JobStore(folder) as store:
        store.add(make_tuned_job("ftjob-tuned", TUNED))
    with run_server(folder) as running:
        yield running


@pytest.fixture(scope="module")
def description(server: ServerProcess) -> dict[str, Any]:
    with urllib.request.urlopen(server.address.removesuffix("/v1") + "/openapi.json", timeout=60) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def test_every_answer_of_every_route_is_described(description: dict[str, Any]) -> None:
    """An empty description, which any answer fits, says nothing."""
    calls = {f"{verb} {path}": call for path, calls in description["paths"].items() for verb, call in calls.items()}
    assert {"post /v1/files", "post /v1/fine_tuning/jobs", "get /v1/fine-tunes", "get /v1/engines"} <= calls.keys()
    assert {"get /v1/chat/completions", "post /v1/fine_tuning/alpha/graders/run"} <= calls.keys()
    told = {name: call["responses"]["200"].get("content", {}) for name, call in calls.items()}
    vague = {name for name, content in told.items() if content.get("application/json", {}).get("schema") == {}}
    assert vague == set()


def test_a_form_is_described_with_its_fields(description: dict[str, Any]) -> None:
    form = description["paths"]["/v1/files"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file", "purpose"]
    assert "fine-tune" in form["properties"]["purpose"]["enum"]


def test_a_page_of_nothing_and_a_page_of_jobs_have_one_shape(server: ServerProcess) -> None:
    client = server.client()
    assert client.fine_tuning.jobs.list(after="ftjob-none").to_dict() == {
        "object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None,
    }  # fmt: skip
    job = order(client, upload(client, ["bad"]))
    page = client.fine_tuning.jobs.list(limit=1).to_dict()
    assert (page["first_id"], page["last_id"]) == (job.id, job.id)


@pytest.mark.parametrize(
    ("path", "allowed"), [("/files", "GET, POST"), ("/files/x", "DELETE, GET"), ("/fine-tunes/x", "DELETE, GET")]
)
def test_a_method_that_is_none_is_told_all_that_are(server: ServerProcess, path: str, allowed: str) -> None:
    request = urllib.request.Request(server.address + path, method="PUT")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    caught.value.close()
    assert (caught.value.code, caught.value.headers["Allow"]) == (405, allowed)


@pytest.mark.slow
def test_nothing_that_can_be_asked_breaks_the_server(server: ServerProcess, tmp_path: Path) -> None:
    """One check is left out: a request of the right shape may be refused, as what it names may not be there."""
    client = server.client()
    file_id = upload(client, ["no row to train on: orders end early"])
    said = client.chat.completions.create(
        model=BASE, messages=[{"role": "user", "content": "?"}], store=True, max_tokens=1
    )
    started = client.uploads.create(bytes=9, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune")
    job_id = order(client, file_id, metadata=RIGHTS).id
    known = {"model": BASE, "engine": BASE, "file_id": file_id, "training_file": file_id, "validation_file": file_id,
             "job_id": job_id, "name": job_id, "upload_id": started.id, "completion_id": said.id,
             "checkpoint": TUNED}  # fmt: skip
    (tmp_path / "hooks.py").write_text(HOOKS)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "NO_COLOR": "1", "KNOWN": json.dumps(known)}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "schemathesis.cli", "run", server.address.removesuffix("/v1") + "/openapi.json",
               "--checks", "all", "--exclude-checks", "positive_data_acceptance", "--max-examples", str(N_EXAMPLES),
               "--seed", "1", "--continue-on-failure", "--output-sanitize", "false",
               "--request-timeout", "120", "--max-response-time", "120"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert re.search(r"(\d+) generated, \1 passed", done.stdout), done.stdout[-2000:]
