"""What a program that posts to the page's event door can reach: the page's own events, and no file or address."""

from __future__ import annotations

import http.client
import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("gradio", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.talk.playground.shield import read_event
from tests.helpers.playground_material import BEES, Playground, play
from tests.unit.talk.test_playground import ScriptedSlots

# The page library calls pandas in ways that pandas is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SECRET = "the cellar key hangs behind the flour"
FILES = ("secret.txt", "/proc/self/environ", "/etc", "/no/such/path", "http://127.0.0.1:9/x", "/dev/zero")


class WellSlots(ScriptedSlots):
    """Slots that are well."""

    async def is_well(self) -> bool:
        return True


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page library keeps files."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def playground(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(kept))
        with play(WellSlots("Well"), tmp_path_factory.mktemp("show")) as running:
            yield running


def send(playground: Playground, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Ask over a socket; the status, and the answer as far as it comes in ten seconds."""
    at = urllib.parse.urlsplit(playground.server.address).netloc
    connection = http.client.HTTPConnection(at, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def join(playground: Playground, data: Any, fn_index: int, session: str = "abc") -> tuple[int, str]:
    """Post an event of the page, as its browser does."""
    body = {"data": data, "fn_index": fn_index, "session_hash": session, "event_data": None, "trigger_id": None}
    return send(playground, "/gradio_api/queue/join", json.dumps(body).encode(), **{"content-type": "application/json"})


def read_end(playground: Playground, session: str) -> dict[str, Any]:
    """The message with which an event of a session ends."""
    address = f"{playground.server.address}/gradio_api/queue/data?session_hash={session}"
    with urllib.request.urlopen(address, timeout=60) as stream:
        for line in stream:
            told = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {}
            if told.get("msg") == "process_completed":
                return dict(told)
    pytest.fail("the event did not end")


def find_search(playground: Playground) -> int:
    """The number of the event that searches the corpus: words, and whether of the host only."""
    config = json.loads(send(playground, "/config")[1])
    text = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "corpus-text")
    return next(int(one["id"]) for one in config["dependencies"] if one["inputs"] and one["inputs"][0] == text)


def list_forms(path: str) -> dict[str, Any]:
    """One file, as every input could name it."""
    record = {"path": path, "meta": {"_type": "gradio.FileData"}}
    return {
        "bare": record,
        "reversed": {"meta": {"_type": "gradio.FileData"}, "path": path},
        "in a list": [record],
        "deep": {"value": [{"x": [record]}]},
        "with an address": {**record, "url": "http://127.0.0.1:9/x"},
        "stream": {**record, "is_stream": True},
    }


@pytest.mark.parametrize("path", FILES)
def test_no_file_record_is_taken_and_page_and_api_go_on(
    playground: Playground, kept: Path, tmp_path: Path, path: str
) -> None:
    """The four requests of the attack, a folder, and a path that is not there: one answer for all of them."""
    (tmp_path / "secret.txt").write_text(SECRET)
    named = str(tmp_path / path) if path == "secret.txt" else path
    told = {join(playground, [form, False], find_search(playground)) for form in list_forms(named).values()}
    assert [status for status, _ in told] == [400]
    assert named not in told.pop()[1]
    assert [file for file in kept.rglob("*") if file.is_file()] == []
    for alive in ("/", "/health", "/v1/models"):
        assert send(playground, alive)[0] == 200


RECORD = b'{"path":"/etc/passwd","meta":{"_type":"gradio.FileData"}}'
REST = b',"fn_index":0,"session_hash":"a"}'
BODIES = {
    "escaped": rb'{"data":[{"p\u0061th":"/etc/passwd","m\u0065ta":{"_typ\u0065":"gradio.FileD\u0061ta"}},false]' + REST,
    "data twice": b'{"data":["x",false],"data":[' + RECORD + b",false]" + REST,
    "UTF-16": (b'{"data":[' + RECORD + b",false]" + REST).decode().encode("utf-16"),
    "nested deep": b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + REST,
    "data no list": b'{"data":' + RECORD + REST,
    "long number": b'{"data":[' + b"9" * 10_000 + b"]" + REST,
    "cut": b'{"data":[' + RECORD,
    "a list": b"[" + RECORD + b"]",
    "null": b"null",
    "empty": b"",
    "no text": b"\xff\xfe\x00",
    "a form": b"data=%5B%5D",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-16", "text/plain", ""])
def test_no_writing_of_a_body_gets_a_record_through(playground: Playground, kept: Path, body: bytes, kind: str) -> None:
    assert send(playground, "/gradio_api/queue/join", body, **{"content-type": kind})[0] == 400
    assert [file for file in kept.rglob("*") if file.is_file()] == []
    assert send(playground, "/health")[0] == 200


def test_the_pages_own_events_pass(playground: Playground) -> None:
    """A search of the corpus, posted as the browser posts it."""
    assert join(playground, ["bees", True], find_search(playground), session="own")[0] == 200
    told = read_end(playground, "own")
    assert told["success"]
    assert BEES in re.sub(r"<[^>]*>", "", told["output"]["data"][0])


def test_no_error_of_the_page_library_tells_a_caller_what_it_says(playground: Playground) -> None:
    assert join(playground, ["one input of two"], find_search(playground), session="odd")[0] == 200
    told = read_end(playground, "odd")
    assert not told["success"]
    assert not told["output"].get("error")


@pytest.mark.parametrize("path", FILES[:4])
def test_the_page_library_itself_takes_no_file(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the shield away the library refuses as well, and does not tell what there is."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr("econchatr.talk.playground.page.Shield", lambda app: app)
    (tmp_path / "secret.txt").write_text(SECRET)
    named = str(tmp_path / path) if path == "secret.txt" else path
    with play(WellSlots("Well"), tmp_path / "show") as bare:
        assert join(bare, [list_forms(named)["bare"], False], find_search(bare))[0] == 200
        told = read_end(bare, "abc")
    assert not told["success"]
    assert not told["output"].get("error")
    assert [file for file in (tmp_path / "kept").rglob("*") if file.is_file()] == []


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
inputs = st.lists(plain | st.lists(plain))
objects = st.dictionaries(st.text(), st.recursive(plain, st.lists, max_leaves=3))


@given(inputs, objects)
def test_words_numbers_and_lists_of_them_are_passed_on_as_they_are(data: list[Any], event: Any) -> None:
    body = read_event(json.dumps({"data": data, "fn_index": 1, "event_data": event}).encode())
    assert body is not None
    assert json.loads(body) == {"data": data, "fn_index": 1}


@given(inputs, objects | st.lists(st.lists(plain), min_size=1), st.randoms())
def test_an_object_or_a_deeper_list_anywhere_refuses_the_whole(data: list[Any], odd: Any, random: Random) -> None:
    data.insert(random.randint(0, len(data)), random.choice([odd, [odd]]))
    assert read_event(json.dumps({"data": data}).encode()) is None
