"""The blind page on the server: strangers' guesses are checked, kept, and counted beside those in files."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.models.engines.llama_server import Turns
from econchatr.pipeline import open_show
from econchatr.pipeline.results import blind_picks, score_people, sent_sheets
from econchatr.records import BlindCue
from econchatr.score.raters.filled_sheets import BLIND_FORM, sheet_sha256
from econchatr.tables import lock_folder, read_table, write_table
from econchatr.talk.blind_page import OPEN_PATHS, POST_TO, SHEETS_PER_MINUTE, add_blind_page
from econchatr.tools import blind_guesses
from econchatr.tools.blind_guesses import open_blind_desk
from econchatr.tools.sheets import take_blind_files
from tests.functional.conftest import Run
from tests.helpers.browser import CHROMIUM
from tests.helpers.server_material import Server, serve
from tests.unit.report.test_blind_page import list_barriers, pick_all
from tests.unit.report.test_report_sheets import make_cues

needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
KEY = "zither"
SHOW = "The Slow Answer"


class Silent:
    """A slot server that nobody asks."""

    turns = Turns(1, max_waiting=0)


@pytest.fixture
def show(tiny_show: Path) -> Path:
    """A show whose first rung has a blind page of three cues."""
    write_cues(tiny_show)
    return tiny_show


def write_cues(show: Path, spice: str = "") -> list[BlindCue]:
    cues = [cue.model_copy(update={"rung": "tiny"}) for cue in make_cues(spice)]
    write_table(show / "sheets" / "blind-tiny.parquet", cues, BlindCue)
    return cues


@contextmanager
def hand_out(show: Path, folder: Path, *, key: str = KEY) -> Iterator[Server]:
    desk = open_blind_desk(open_show(show), post_to=POST_TO)
    with serve(Silent(), folder, key=key, extend=add_blind_page(desk), open_paths=OPEN_PATHS) as running:
        yield running


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, bytes]:
    """One request without a key: status, headers, body."""
    line = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
    try:
        line.request(method, path, body or None, headers)
        answer = line.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        line.close()


def fill(cues: list[BlindCue], *, person: str = "Ada", n_right: int = 3, **other: Any) -> bytes:
    """A sheet as the page sends it, whose first picks are right."""
    picks = {cue.key: (cue.real + (place >= n_right)) % 5 for place, cue in enumerate(cues)}
    sheet = {
        "form": BLIND_FORM, "show": SHOW, "sheet_sha256": sheet_sha256(0, list(picks)), "seed": 0,
        "n_cues": len(cues), "person": person, "knows_host": "well", "picks": picks,
    }  # fmt: skip
    return json.dumps(sheet | other).encode()


def send(server: Server, body: bytes, **headers: str) -> int:
    return ask(server, "POST", "/blind/guesses", body, **headers)[0]


def count(show: Path) -> list[tuple[float | None, int]]:
    """Share found and number of cues, as `score` and the report count them."""
    return [(score.value, score.n) for score in score_people(open_show(show).ladder)]


def test_the_page_and_the_guesses_need_no_key_and_all_else_does(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        assert ask(server, "GET", "/blind")[0] == 200
        assert send(server, fill(make_cues())) == 200
        others = ("/v1/models", "/metrics", "/openapi.json", "/blind/", "/blind/x", "/")
        assert {path: ask(server, "GET", path)[0] for path in others} == dict.fromkeys(others, 401)


@pytest.mark.parametrize("lie", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_pages_from_elsewhere_send_no_guesses(show: Path, tmp_path: Path, lie: dict[str, str]) -> None:
    with hand_out(show, tmp_path) as server:
        assert send(server, fill(make_cues()), **lie) == 403
    assert blind_picks(open_show(show)) == []


def test_the_page_and_its_answers_carry_the_label(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        _, headers, page = ask(server, "GET", "/blind")
        _, answered, _ = ask(server, "POST", "/blind/guesses", b"junk")
    assert "AI imitation of" in headers["x-ai-imitation"]
    assert headers["x-ai-imitation"] == answered["x-ai-imitation"]
    assert "AI imitation of Hester Pellow" in page.decode()


ONE_OF_THREE = make_cues()[:1]
SPOILT = {
    "no JSON": b"junk",
    "deep": b"[" * 50_000,
    "no text": b'{"form": "\xff"}',
    "another show's": fill(make_cues(), show="Another" * 1_000),
    "half filled": fill(make_cues(), n_cues=4),
    "changed": fill(make_cues(), seed=1),
    "no such reply": fill(make_cues(), picks={cue.key: 5 for cue in make_cues()}),
    "a part of the page": fill(ONE_OF_THREE),
    "nothing": fill([]),
    "strange cues": fill(make_cues("other")),
    "nameless": fill(make_cues(), person=" \u202e\x00 "),
    "half a character": fill(make_cues(), person="\ud800"),
    "a long name": fill(make_cues(), person="a" * 61),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_spoilt_sheet_is_refused_with_a_short_reason_and_not_kept(show: Path, tmp_path: Path, spoilt: str) -> None:
    with hand_out(show, tmp_path) as server:
        status, _, told = ask(server, "POST", "/blind/guesses", SPOILT[spoilt])
    assert status == 400
    assert 10 < len(json.loads(told)["error"]["message"]) < 310
    assert not (show / "sheets" / "sent.jsonl").exists()


def test_ten_megabytes_are_refused(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        assert send(server, fill(make_cues(), person="a" * 10_000_000)) == 413
    assert not (show / "sheets" / "sent.jsonl").exists()


def test_the_same_sheet_sent_twice_counts_once(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        assert [send(server, fill(make_cues())) for _ in range(2)] == [200, 200]
    with hand_out(show, tmp_path) as server:
        assert send(server, fill(make_cues())) == 200
    assert len(sent_sheets(open_show(show))) == 1


def test_two_visitors_of_one_name_count_as_two(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        for n_right in (3, 0):
            send(server, fill(make_cues(), n_right=n_right))
    assert count(show) == [(0.5, 3)]


def test_a_stranger_takes_no_named_persons_place_and_a_file_no_strangers(show: Path, tmp_path: Path) -> None:
    (tmp_path / "ada.json").write_bytes(fill(make_cues(), n_right=3))
    (tmp_path / "later.json").write_bytes(fill(make_cues(), n_right=0))
    take_blind_files(open_show(show), [tmp_path / "ada.json"])
    with hand_out(show, tmp_path) as server:
        send(server, fill(make_cues(), person="ADA", n_right=0))
    assert count(show) == [(0.5, 3)]
    take_blind_files(open_show(show), [tmp_path / "later.json"])
    assert len(blind_picks(open_show(show))) == 6


def test_a_sheet_that_was_sent_and_is_read_from_a_file_too_counts_once(show: Path, tmp_path: Path) -> None:
    (tmp_path / "ada.json").write_bytes(fill(make_cues()))
    with hand_out(show, tmp_path) as server:
        send(server, (tmp_path / "ada.json").read_bytes())
    take_blind_files(open_show(show), [tmp_path / "ada.json"])
    assert len(blind_picks(open_show(show))) == 3


def test_a_name_is_kept_without_what_cannot_be_printed(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        assert send(server, fill(make_cues(), person="\x1b[31mA\nda\u202e ")) == 200
    assert [sheet.person for sheet in sent_sheets(open_show(show))] == ["[31mA da"]


def test_a_guess_is_kept_while_a_run_holds_the_show(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server, lock_folder(show):
        assert send(server, fill(make_cues())) == 200
    assert count(show) == [(1.0, 3)]


def test_more_than_sixty_in_a_minute_are_told_when_to_come_back(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        for _ in range(SHEETS_PER_MINUTE):
            send(server, b"junk")
        status, headers, told = ask(server, "POST", "/blind/guesses", fill(make_cues()))
        assert ask(server, "GET", "/blind")[0] == 200
    assert status == 429
    assert 1 <= int(headers["Retry-After"]) <= 60
    assert b"try again in" in told


def test_when_enough_are_kept_no_more_are(show: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind_guesses, "MAX_SENT_SHEETS", 1)
    with hand_out(show, tmp_path) as server:
        assert [send(server, fill(make_cues(), n_right=n)) for n in (3, 2, 3)] == [200, 507, 200]
    assert count(show) == [(1.0, 3)]


def test_a_sheet_that_cannot_be_written_is_said_to_be_lost_and_names_no_file(show: Path, tmp_path: Path) -> None:
    (show / "sheets" / "sent.jsonl").mkdir()
    with hand_out(show, tmp_path) as server:
        status, _, told = ask(server, "POST", "/blind/guesses", fill(make_cues()))
    assert (status, json.loads(told)["error"]["type"]) == (500, "server_error")
    assert b"sent.jsonl" not in told


def test_a_line_that_a_kill_cut_off_costs_no_other_guess(show: Path, tmp_path: Path) -> None:
    (show / "sheets" / "sent.jsonl").write_bytes(b'\n{"at": "2026-11-29T20:00:00+00:00", "per')
    with hand_out(show, tmp_path) as server:
        send(server, fill(make_cues()))
    assert count(show) == [(1.0, 3)]


def test_a_page_that_was_written_anew_is_the_one_handed_out(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server:
        before = ask(server, "GET", "/blind")[2]
        (newer, *_) = write_cues(show, "newer")
        assert newer.key.encode() not in before
        assert newer.key.encode() in ask(server, "GET", "/blind")[2]
        assert send(server, fill(make_cues())) == 400


@contextmanager
def open_served(server: Server, size: tuple[int, int] = (1280, 900)) -> Iterator[Any]:
    """The page in a real browser, from the server; whatever breaks in it is an error."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    faults: list[str] = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_context(viewport=dict(zip(("width", "height"), size, strict=True))).new_page()
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(f"{server.address}/blind")
        yield tab
        browser.close()
    assert not faults


def play(tab: Any, places: list[int], told: str) -> str:
    """Pick, press the button, wait for what the page tells at the end."""
    pick_all(tab, places)
    tab.click("button[type=submit]")
    return wait_told(tab, told)


def wait_told(tab: Any, told: str) -> str:
    tab.wait_for_function("(told) => document.getElementById('status').textContent.includes(told)", arg=told)
    return str(tab.inner_text("#status"))


@needs_browser
def test_the_page_says_that_it_sends_and_sends(show: Path, tmp_path: Path) -> None:
    places = [cue.real for cue in make_cues()]
    with hand_out(show, tmp_path) as server, open_served(server) as tab:
        assert "sends your guesses to the server" in tab.inner_text("main")
        assert "nothing is sent" not in tab.inner_text("body")
        assert play(tab, places, "Thank you").startswith("You found 3 of 3; guessing finds 0.6. Your guesses were sent")
    (sheet,) = sent_sheets(open_show(show))
    assert (sheet.knows_host, list(sheet.picks.values())) == ("well", places)


@needs_browser
def test_guesses_that_the_server_does_not_take_are_saved_as_a_file_and_can_be_sent_again(
    show: Path, tmp_path: Path
) -> None:
    with hand_out(show, tmp_path) as server, open_served(server) as tab:
        aside = show / "sheets" / "sent.jsonl"
        aside.mkdir()
        with tab.expect_download() as waiting:
            told = play(tab, [0, 1, 2], "Not sent")
        assert "Not sent: the server could not keep it. Saved as blind-visitor-" in told
        aside.rmdir()
        assert tab.inner_text("button[type=submit]") == "Send again"
        tab.click("button[type=submit]")
        wait_told(tab, "Thank you")
        take_blind_files(open_show(show), [Path(waiting.value.path())])
    assert len(blind_picks(open_show(show))) == 3


@needs_browser
def test_without_a_server_the_page_saves_a_file(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server, open_served(server) as tab:
        tab.context.set_offline(True)
        with tab.expect_download():
            assert "Not sent: the server does not answer." in play(tab, [0, 1, 2], "Not sent")


@needs_browser
def test_sent_guesses_stay_sent_after_a_reload(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server, open_served(server) as tab:
        play(tab, [0, 1, 2], "Thank you")
        tab.reload()
        assert tab.inner_text("button[type=submit]") == "Save a copy"
        with tab.expect_download():
            tab.click("button[type=submit]")
    assert len(sent_sheets(open_show(show))) == 1


@needs_browser
def test_the_served_page_has_no_barrier_and_fits_a_phone(show: Path, tmp_path: Path) -> None:
    with hand_out(show, tmp_path) as server, open_served(server, (360, 740)) as tab:
        play(tab, [0, 1, 2], "Thank you")
        assert list_barriers(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_a_page_it_says_which_command_writes_one(tiny_show: Path, econchatr: Run) -> None:
    done = econchatr("serve", tiny_show, "--blind", "--port", 0, check=3)
    assert "no blind page was written" in done.stderr
    assert f"econchatr blind {tiny_show}" in done.stderr


def test_it_is_no_training_server(tiny_show: Path, econchatr: Run) -> None:
    assert "two servers" in econchatr("serve", tiny_show, "--blind", "--train", check=2).stderr


@pytest.mark.slow
def test_guesses_outlive_a_kill_and_stand_in_score_report_and_post(
    finished_show: Path, tmp_path: Path, econchatr: Run
) -> None:
    show = Path(shutil.copytree(finished_show, tmp_path / "show"))
    econchatr("blind", show, "--cues", 2)
    cues = read_table(show / "sheets" / "blind-tiny.parquet", BlindCue)
    command = [sys.executable, "-m", "econchatr", "serve", str(show), "--blind", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ)
    assert process.stdout is not None
    try:
        address = json.loads(process.stdout.readline())["blind"]
        urllib.request.urlopen(f"{address}/guesses", fill(cues, n_right=1), timeout=60).close()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    scores = json.loads(econchatr("score", show, "--all", "--json").stdout)
    assert [(row["value"], row["n"]) for row in scores if row["measure"].startswith("blind picks")] == [(0.5, 2)]
    econchatr("report", show, "--post")
    for page in ("report.md", "post.md"):
        assert "Readers found the real one 1 of 2" in (show / "report" / page).read_text(encoding="utf-8")
