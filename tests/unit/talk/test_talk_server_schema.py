"""schemathesis asks whatever the OpenAPI allows, and what it forbids: no 5xx, no wrong shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.talk.server.openai_schema import ChatRequest, CompletionRequest
from tests.helpers.server_material import Server, open_two_adapters, serve

N_EXAMPLES = 10
HOOKS = '''
import schemathesis

@schemathesis.hook
def before_call(context, case, kwargs):
    """Ask a model that is there, and for few tokens: what is tested is the shape."""
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body["model"] = "first:base"
        for name in ("max_tokens", "max_completion_tokens"):
            if type(body.get(name)) in (int, float) and body[name] > 1:  # 2.0 is a whole number too
                body[name] = 1
        if body.get("max_tokens") is None and body.get("max_completion_tokens") is None:
            body["max_tokens"] = 1
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("schema")
    with open_two_adapters(folder, n_slots=2) as slots, serve(slots, folder) as running:
        yield running


@pytest.mark.slow
def test_nothing_that_can_be_asked_breaks_the_server(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="needs the package schemathesis")
    (tmp_path / "hooks.py").write_text(HOOKS)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "NO_COLOR": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.address}/openapi.json", "--checks", "all",
               "--max-examples", str(N_EXAMPLES), "--seed", "1", "--continue-on-failure",
               "--output-sanitize", "false", "--request-timeout", "120", "--max-response-time", "120"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout


def test_what_is_declared_is_what_is_let_in() -> None:
    """Limits under any other name than JSON Schema's are none to whoever reads the OpenAPI."""
    fields = ChatRequest.model_json_schema()["properties"] | CompletionRequest.model_json_schema()["properties"]
    limits = {name: fields[name]["anyOf"][0] for name in ("n", "top_k", "logprobs", "max_tokens", "top_logprobs")}
    assert [(limit["minimum"], limit.get("maximum")) for limit in limits.values()] == [
        (1, 8), (0, 100_000), (0, 5), (1, None), (0, 20),
    ]  # fmt: skip
    assert fields["logit_bias"]["anyOf"][0]["additionalProperties"] is False


def test_what_can_be_asked_and_answered_is_declared(server: Server) -> None:
    with urllib.request.urlopen(f"{server.address}/openapi.json", timeout=60) as response:
        paths = json.load(response)["paths"]
    assert {"/v1/models", "/v1/chat/completions", "/v1/completions", "/health", "/metrics"} <= set(paths)
    answered = paths["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    assert set(answered) == {"application/json", "text/event-stream"}
    assert "ChatCompletion" in json.dumps(answered["application/json"])
