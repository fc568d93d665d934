"""The served models, asked by real clients and by hostile ones, over a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.server_material import END_TOKEN, LABEL, Server, open_client, open_two_adapters, serve
from tests.helpers.waiting import wait_until

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("uvicorn", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")
openai = pytest.importorskip("openai", reason="needs the extra `hosted`")

SAID: Any = [{"role": "user", "content": "Is it ninety-four per cent?"}]
ENDLESS: dict[str, Any] = {"max_tokens": 100_000, "logit_bias": {END_TOKEN: -100}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    with open_two_adapters(folder, n_slots=3) as slots, serve(slots, folder) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with open_client(server) as found:
        yield found


def ask(client: Any, **wanted: Any) -> Any:
    return client.chat.completions.create(**{"model": "first", "messages": SAID, "max_tokens": 8, "seed": 3, **wanted})


def text_of(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def send(server: Server, data: bytes | None, *, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, Any]:
    """One request as it is, without a client's care; the status and the body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.address + path, data, {"Content-Type": "application/json", **named})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, json.load(exc)


# --- real clients -----------------------------------------------------------------------------------------------------


def test_an_answer_carries_the_label_and_what_it_took(client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(model="first", messages=SAID, max_tokens=8, seed=3)
    answer = raw.parse()
    assert raw.headers["x-ai-imitation"] == "AI imitation of Hal H%C3%B8st, not Hal H%C3%B8st"
    assert answer.system_fingerprint.startswith(LABEL)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8
    assert answer.choices[0].finish_reason == "length"


def test_every_rung_and_its_base_answer_in_their_own_way(client: Any) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["first", "second", "first:base"]
    assert all(client.models.retrieve(name).description.startswith(LABEL) for name in names)
    said = [text_of(ask(client, model=name, temperature=0)) for name in names]
    assert len(set(said)) == 3
    assert [text_of(ask(client, model=name, temperature=0)) for name in names] == said


def test_a_stream_is_the_whole_answer_in_pieces(client: Any) -> None:
    whole = ask(client)
    pieces = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == text_of(whole)
    assert pieces[0].choices[0].delta.role == "assistant"
    assert pieces[-1].usage == whole.usage
    assert all(piece.system_fingerprint.startswith(LABEL) for piece in pieces)


def test_eight_at_once_are_all_answered(server: Server) -> None:
    async def crowd() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
            models = ("first", "second", "first:base")
            asks = [client.chat.completions.create(model=models[n % 3], messages=SAID, max_tokens=4) for n in range(8)]
            return [text_of(answer) for answer in await asyncio.gather(*asks)]

    assert all(asyncio.run(crowd()))


def test_the_form_of_2023_gets_what_the_chat_gets(client: Any) -> None:
    prompt = "Is it ninety-four per cent? Hal Høst responds:"
    completion = client.completions.create(model="first", prompt=prompt, max_tokens=8, seed=3)
    assert completion.choices[0].text == " " + text_of(ask(client))
    pieces = client.completions.create(model="first", prompt=prompt, max_tokens=8, seed=3, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == completion.choices[0].text


def test_any_other_prompt_is_continued(client: Any) -> None:
    prompts = ["The capital of France is", "One, two, three,"]
    answer = client.completions.create(
        model="first:base", prompt=prompts, max_tokens=3, temperature=0, logprobs=2, echo=True
    )
    assert answer.choices[0].text.startswith("The capital of France is Paris")
    assert answer.choices[1].text.startswith("One, two, three, four")
    logprobs = answer.choices[0].logprobs
    assert answer.choices[0].text[logprobs.text_offset[0] :].startswith(logprobs.tokens[0])
    assert all(len(top) == 2 and max(top.values()) <= 0 for top in logprobs.top_logprobs)


def test_n_stop_seed_and_logprobs_do_what_they_say(client: Any) -> None:
    """With a seed nothing else is computed beside a reply, so it is the same in any company."""
    several = ask(client, n=3, temperature=1)
    said = [choice.message.content for choice in several.choices]
    assert said == [text_of(ask(client, seed=3 + n, temperature=1)) for n in range(3)]
    word = said[0].split()[1]
    cut = ask(client, temperature=1, stop=[word])
    assert (text_of(cut), cut.choices[0].finish_reason) == (said[0][: said[0].index(word)], "stop")
    content = ask(client, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert len(content) == 8
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in content)


def test_every_reply_is_logged_with_model_and_seed(server: Server, client: Any) -> None:
    said = text_of(ask(client, seed=77))
    row = json.loads(server.log_path.read_text().splitlines()[-1])
    assert (row["model_sha256"], row["seed"], row["cue"]) == ("first hash", 77, SAID[0]["content"])
    assert row["reply"]["text"] == said


def test_health_and_counts_can_be_read(server: Server, client: Any) -> None:
    ask(client)
    assert send(server, None, path="/health") == (200, {"status": "ok"})
    with urllib.request.urlopen(f"{server.address}/metrics", timeout=60) as response:
        counts = response.read().decode()
    assert 'econchatr_replies_total{ending="length",model="first"}' in counts
    assert "econchatr_busy_slots 0.0" in counts


LLM_MODELS = '- model_id: host\n  model_name: first\n  api_base: "{address}/v1"\n'
LITELLM = """
import litellm
common = {{"api_base": "{address}/v1", "api_key": "none", "max_tokens": 8, "seed": 3}}
said = [{{"role": "user", "content": "Is it ninety-four per cent?"}}]
print(litellm.completion(model="openai/first", messages=said, **common).choices[0].message.content)
stream = litellm.completion(model="openai/first", messages=said, stream=True, **common)
print("".join(piece.choices[0].delta.content or "" for piece in stream))
"""


def test_the_llm_command_line_tool_talks_to_it(server: Server, client: Any, tmp_path: Path) -> None:
    pytest.importorskip("llm", reason="needs the package llm")
    (tmp_path / "extra-openai-models.yaml").write_text(LLM_MODELS.format(address=server.address))
    # No plugins: that of the embedded model would want a package we leave out.
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "LLM_LOAD_PLUGINS": ""}
    command = [
        sys.executable,
        "-m",
        "llm",
        "-m",
        "host",
        SAID[0]["content"],
        "-o",
        "max_tokens",
        "8",
        "-o",
        "seed",
        "3",
    ]
    for option in ([], ["--no-stream"]):
        done = subprocess.run(command + option, capture_output=True, text=True, env=environment, check=False)
        assert done.stdout.strip() == text_of(ask(client)).strip(), done.stderr


def test_litellm_talks_to_it(server: Server, client: Any) -> None:
    """LiteLLM's own dependencies shut ours out, so it may be named as another Python."""
    python = os.environ.get("LITELLM_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import litellm"], capture_output=True, check=False).returncode:
        pytest.skip("needs the package litellm, here or in the Python that LITELLM_PYTHON names")
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    environment.pop("PYTHONPATH", None)
    program = LITELLM.format(address=server.address)
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.splitlines()[-2:] == [text_of(ask(client))] * 2, done.stderr


# --- callers who go away ----------------------------------------------------------------------------------------------


def test_a_client_that_hangs_up_in_mid_stream_frees_its_slot(server: Server, client: Any) -> None:
    with ask(client, stream=True, **ENDLESS) as stream:
        for _, piece in zip(range(3), stream, strict=False):
            assert piece.choices
        assert server.slots.turns.n_busy == 1
    assert wait_until(lambda: server.slots.turns.n_busy == 0)
    row = json.loads(server.log_path.read_text().splitlines()[-1])
    assert (row["reply"], row["error"]) == (None, "hung up")
    assert text_of(ask(client))


def test_a_client_that_does_not_wait_for_its_answer_frees_its_slot(server: Server) -> None:
    body = json.dumps({"model": "first", "messages": SAID, **ENDLESS}).encode()
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert wait_until(lambda: server.slots.turns.n_busy == 1)
    assert wait_until(lambda: server.slots.turns.n_busy == 0)


# --- bad input and attack ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("text", ["x " * 500_000, "far too long " * 900])
def test_a_prompt_that_is_too_long_is_refused(client: Any, text: str, is_stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length") as caught:
        ask(client, messages=[{"role": "user", "content": text}], stream=is_stream)
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    "name", ["gpt-4", "../../etc/passwd", "/etc/passwd", "first\n", "", "x" * 10_000, "first:tuned"]
)
def test_an_unknown_model_is_not_found(client: Any, name: str) -> None:
    with pytest.raises(openai.NotFoundError, match="no model") as caught:
        ask(client, model=name)
    assert caught.value.code == "model_not_found"
    assert len(str(caught.value)) < 400


EMPTY = {"type": "text", "text": ""}
BAD_BODIES = [
    b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"model": "first"}',
    b'{"model": "first", "messages": []}', b'{"model": "first", "messages": [{"role": "tool", "content": "x"}]}',
    b'{"model": "first", "messages": "hello"}', b'{"model": 1, "messages": [{"role": "user", "content": "x"}]}',
    b'{"model": "first", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
    b'{"model": "first", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1e999}',
    b'{"model": "first", "messages": [{"role": "user", "content": "x"}], "n": 1000}',
    b'{"model": "first", "messages": [{"role": "user", "content": "x"}], "logit_bias": {"' + b"y" * 999_999 + b'": 1}}',
    json.dumps({"model": "first", "messages": SAID, "logit_bias": dict.fromkeys(map(str, range(1025)), 1)}).encode(),
    json.dumps({"model": "first", "messages": SAID * 50_000}).encode(),
    json.dumps({"model": "first", "messages": [{"role": "user", "content": [EMPTY] * 257}]}).encode(),
    b'{"model": "first", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
    b'{"model": "first", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function"}]}',
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[-40:]))
def test_a_body_that_makes_no_sense_is_an_error_in_the_apis_shape(server: Server, body: bytes) -> None:
    status, told = send(server, body)
    assert status == 400
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert told["error"]["type"] == "invalid_request_error"
    assert len(json.dumps(told)) < 400


def test_a_seed_of_any_length_is_a_seed(server: Server) -> None:
    """4,300 digits are all that Python reads, and one more than it writes."""
    for seed in (b"-1", b"9" * 4300):
        body = b'{"model": "first", "max_tokens": 2, "n": 2, "messages": [{"role": "user", "content": "x"}], "seed": '
        assert send(server, body + seed + b"}")[0] == 200


def test_text_that_is_no_text_is_answered_all_the_same(client: Any, server: Server) -> None:
    for text in ("\\ud800", "\\u0000", "\\u2028\\u0085", "\\ud83d\\udc1d"):
        body = f'{{"model": "first", "max_tokens": 2, "messages": [{{"role": "user", "content": "{text}"}}]}}'
        assert send(server, body.encode())[0] == 200


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/v2", None, 404),
        ("/v1/chat/completions", None, 405),
        ("/v1/models/../x", None, 404),
        ("/v1/models/..%2f..%2fetc%2fpasswd", None, 404),
    ],
)
def test_a_wrong_path_or_method_is_told_in_the_same_shape(
    server: Server, path: str, data: bytes | None, status: int
) -> None:
    found, told = send(server, data, path=path)
    assert (found, told["error"]["type"]) == (status, "invalid_request_error")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "foreign_host"),
        ({"Host": "127.0.0.1.evil.example:80"}, "foreign_host"),
        ({"Host": "["}, "foreign_host"),
        ({"Origin": "https://evil.example"}, "foreign_origin"),
        ({"Origin": "null"}, "foreign_origin"),
        ({"Origin": "http://localhost:1"}, "foreign_origin"),
    ],
)
def test_a_foreign_host_or_origin_is_refused(server: Server, headers: dict[str, str], code: str) -> None:
    body = json.dumps({"model": "first", "messages": SAID, "max_tokens": 1}).encode()
    status, told = send(server, body, **headers)
    assert (status, told["error"]["code"]) == (403, code)


def test_a_page_of_its_own_may_ask(server: Server) -> None:
    body = json.dumps({"model": "first", "messages": SAID, "max_tokens": 1}).encode()
    assert send(server, body, Origin=server.address)[0] == 200


def test_a_plain_form_of_another_page_cannot_ask(server: Server) -> None:
    body = json.dumps({"model": "first", "messages": SAID, "max_tokens": 1}).encode()
    assert send(server, body, Content_Type="text/plain")[0] == 400


@pytest.mark.parametrize("n_bytes", [4_000_001, 30_000_000])
def test_a_body_beyond_all_measure_is_refused_where_the_client_sees_it(server: Server, n_bytes: int) -> None:
    status, told = send(server, b" " * n_bytes)
    assert (status, told["error"]["code"]) == (413, "request_too_large")


def test_with_a_key_only_those_who_have_it_are_answered(server: Server, tmp_path: Path) -> None:
    with serve(server.slots, tmp_path, key="schlüssel") as locked:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic schl"}):
            status, told = send(locked, None, path="/v1/models", **headers)
            assert (status, told["error"]["code"]) == (401, "invalid_api_key")
        key = "schlüssel".encode().decode("latin-1")
        assert send(locked, None, path="/v1/models", Authorization=f"Bearer {key}")[0] == 200
        assert send(locked, None, path="/health")[0] == 200
