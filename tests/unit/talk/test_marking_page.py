"""The marking page in a real browser: 48 answers by keyboard alone, at desk and phone width, on hostile answers."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra `web`")
pytest.importorskip("uvicorn", reason="needs the extra `web`")

from econchatr.pipeline import open_show
from econchatr.pipeline.results import count_right_answers, hand_marks
from econchatr.records import Answer, HandMark
from econchatr.report.pages import AnswerCard, MarkingDeck, render_marking_page
from econchatr.tables import finish_stage, write_table
from econchatr.talk.mark_page import MarkStore, create_marking_app
from econchatr.tools.sheets import MarkKeeper, read_deck
from tests.functional.conftest import write_tiny_show
from tests.helpers.browser import CHROMIUM, find_axe
from tests.helpers.make_records import make_answer

ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> {{7*7}} \u202egnp"
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A show of 16 questions, asked of three variants twice: 48 first answers, and as many further tries."""
    root = write_tiny_show(tmp_path / "show")
    text = "\n".join(
        f'[[question]]\nquestion_id = "q{n}"\nkind = "belief"\ntext = "Why {n}?"\nexpected = "because {n}"'
        for n in range(16)
    )
    (root / "questions.toml").write_text(text)
    answers = [
        make_answer(f"{variant} {n} {sample} {ATTACK}", question_id=f"q{n}", variant=variant, sample=sample)
        .model_copy(update={"rung": "tiny"})
        for n in range(16) for sample in range(2) for variant in ("base", "persona", "tuned")
    ]  # fmt: skip
    folder = root / "ask" / "tiny"
    write_table(folder / "answers.parquet", answers, Answer)
    finish_stage(folder, stage="ask/tiny", version=1, settings_sha256="", inputs={}, outputs=["answers.parquet"],
                 counts={}, seconds=0)  # fmt: skip
    return root


@contextmanager
def serve(root: Path, *, name: str = "") -> Iterator[str]:
    opened = open_show(root)
    with serve_deck(read_deck(opened), MarkKeeper(opened), name=name) as address:
        yield address


class NoMarks:
    """Keeps nothing."""

    def save(self, mark: HandMark) -> None:
        pass

    def find(self, scorer: str) -> dict[str, float]:
        return {}


@contextmanager
def serve_deck(deck: MarkingDeck, keeper: MarkStore | None = None, *, name: str = "") -> Iterator[str]:
    import uvicorn

    from econchatr.talk.server.listen import take_place

    app = create_marking_app(deck, keeper or NoMarks(), name=name)
    with take_place("127.0.0.1", 0, key="") as place:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=lambda: server.run(sockets=[place.socket]))
        thread.start()
        try:
            yield place.address
        finally:
            server.should_exit = True
            thread.join(timeout=60)


@contextmanager
def open_page(address: str, width: str = "desk") -> Iterator[Any]:
    """The page, opened; whatever it asks of anybody else, and whatever breaks, is an error."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    faults: list[str] = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
        tab = browser.new_page(viewport=size)
        tab.on("request", lambda asked: None if asked.url.startswith(address) else faults.append(asked.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(address)
        yield tab
        browser.close()
    assert not faults


def press(page: Any, key: str, *, shown: str) -> None:
    """Press a key once the answer has been shown for longer than a key bounces, and wait for the next answer."""
    page.wait_for_timeout(170)
    page.keyboard.press(key)
    page.wait_for_function("shown => document.querySelector('#progress').textContent !== shown || "
                           "!document.querySelector('#done').hidden", arg=shown)  # fmt: skip


def mark_all(page: Any, n: int, *, start: int = 0) -> None:
    for place in range(start, n):
        shown = page.inner_text("#progress")
        assert shown == f"{place + 1} of 48"
        press(page, "123jkl"[place % 6], shown=shown)


def list_barriers(page: Any) -> list[str]:
    axe = find_axe()
    if axe is None:
        return []
    found = page.evaluate(axe.read_text(encoding="utf-8") + ";axe.run(document).then((told) => told.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@needs_browser
def test_48_answers_are_marked_by_keyboard_alone(show: Path) -> None:
    with serve(show) as address, open_page(address) as page:
        page.keyboard.type("Ada")
        page.keyboard.press("Enter")
        page.wait_for_selector("#card:not([hidden])")
        mark_all(page, 48)
        page.wait_for_selector("#done:not([hidden])")
        assert "All 48 first answers are marked" in page.inner_text("#done")
    assert len(hand_marks(open_show(show))) == 48
    counts = [one for one in count_right_answers(open_show(show).ladder) if one.marker == "people"]
    assert [(one.variant, one.n_marked) for one in counts] == [("base", 16), ("persona", 16), ("tuned", 16)]
    assert sum(one.n_right or 0 for one in counts) == 24


@needs_browser
def test_a_mark_can_be_changed_and_marking_goes_on_where_it_was_left(show: Path) -> None:
    with serve(show, name="Ada") as address:
        with open_page(address) as page:
            page.wait_for_selector("#card:not([hidden])")
            mark_all(page, 3)
            page.keyboard.press("Backspace")
            assert page.inner_text("#progress") == "3 of 48"
            assert page.get_attribute("[data-value='0']", "aria-pressed") == "true"
            press(page, "1", shown="3 of 48")
        with open_page(address) as page:
            page.wait_for_selector("#card:not([hidden])")
            assert page.inner_text("#progress") == "4 of 48"
    assert [mark.value for mark in hand_marks(open_show(show))] == [1, 0.5, 1]


@needs_browser
@pytest.mark.parametrize("width", list(WIDTHS))
def test_the_page_is_readable_labelled_and_harmless(show: Path, width: str) -> None:
    with serve(show, name="Ada") as address, open_page(address, width) as page:
        page.wait_for_selector("#card:not([hidden])")
        assert ATTACK[:-4] in page.inner_text("#answer")
        assert page.title().startswith("Mark the answers")
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
        assert list_barriers(page) == []
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        box = page.locator("aside.label").bounding_box()
        assert "AI imitation of" in page.inner_text("aside.label")
        assert 0 <= box["y"] < 100


@needs_browser
def test_a_mark_that_is_not_saved_is_told_and_stays_open(show: Path) -> None:
    with open_page_of_stopped(show) as page:
        page.wait_for_timeout(200)
        page.keyboard.press("1")
        page.wait_for_function("() => document.querySelector('#status').textContent.startsWith('Not saved')")
        assert page.inner_text("#progress") == "1 of 48"


@needs_browser
def test_a_long_answer_shows_its_beginning_and_space_shows_the_rest() -> None:
    long = " ".join(f"word{n}" for n in range(200))
    cards = tuple(AnswerCard(f"{n:064x}", "Why?", "", (), text) for n, text in enumerate((long, "A short one.")))
    with serve_deck(MarkingDeck("Show", "Host", cards, n_first=2), name="Ada") as address, open_page(address) as page:
        page.wait_for_selector("#card:not([hidden])")
        assert page.inner_text("#answer").endswith("word39 …")
        assert page.inner_text("#rest") == "160 more words Space"
        page.keyboard.press("Space")
        assert page.inner_text("#answer") == long
        press(page, "1", shown="1 of 2")
        assert page.inner_text("#answer") == "A short one."
        assert page.is_hidden("#rest")


def test_the_time_that_marking_takes_counts_what_is_shown() -> None:
    def deck(*texts: str) -> MarkingDeck:
        return MarkingDeck("Show", "Host", tuple(AnswerCard("k", "Why so?", "", (), one) for one in texts), len(texts))

    assert deck("word " * 53).minutes == pytest.approx(55 / 238 + 1 / 60)
    assert deck("word " * 200, "word " * 200).minutes == pytest.approx(82 / 238 + 2 / 60)


@pytest.mark.parametrize(("n", "told"), [(1, "1 answer, about 1 minute."), (90, "90 answers, about 2 minutes.")])
def test_one_minute_is_told_as_one(n: int, told: str) -> None:
    cards = tuple(AnswerCard("k", "Why so?", "", (), "Because.") for _ in range(n))
    assert told in render_marking_page(MarkingDeck("Show", "Host", cards, n), name="")


@contextmanager
def open_page_of_stopped(show: Path) -> Iterator[Any]:
    """The page, whose server is gone."""
    with serve(show, name="Ada") as address, open_page(address) as page:
        page.wait_for_selector("#card:not([hidden])")
        page.route("**/marks", lambda route: route.abort())
        yield page


def post(address: str, body: object, **headers: str) -> int:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(f"{address}/marks", data, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(asked, timeout=30) as told:
            return int(told.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_strange_marks_hosts_and_origins_are_refused(show: Path) -> None:
    key = read_deck(open_show(show)).cards[0].key
    good = {"scorer": "Ada", "key": key, "value": 0.5}
    with serve(show) as address:
        bad: list[Any] = [{}, b"{", [], {**good, "value": 7}, {**good, "scorer": " \u200b"}, {**good, "more": 1}]
        assert [post(address, one) for one in bad] == [400] * len(bad)
        assert post(address, {**good, "key": "0" * 64}) == 404
        assert post(address, good, origin="http://elsewhere.example") == 403
        assert post(address, good, host="elsewhere.example") == 403
        assert post(address, good) == 200
    (mark,) = hand_marks(open_show(show))
    assert (mark.scorer, mark.value) == ("Ada", 0.5)


def test_a_line_cut_off_by_a_kill_is_passed_over_and_a_later_mark_counts(show: Path) -> None:
    opened = open_show(show)
    key = read_deck(opened).cards[0].key
    path = show / "sheets" / "marks.jsonl"
    path.parent.mkdir()
    lines = [{"key": key, "scorer": who, "value": value} for who, value in (("Ada", 0), ("Bo", 1), ("ada", 1))]
    path.write_text("\n".join(json.dumps(line) for line in lines) + '\n{"key": "ab')
    assert {(mark.scorer, mark.value) for mark in hand_marks(opened)} == {("ada", 1), ("Bo", 1)}


def test_the_deck_shows_first_answers_first_and_says_nothing_of_whose_they_are(show: Path) -> None:
    deck = read_deck(open_show(show))
    assert (deck.n_first, len(deck.cards)) == (48, 96)
    assert len({card.key for card in deck.cards}) == 96
    assert all(f" {0} {ATTACK}" in card.text for card in deck.cards[:48])
    orders = {tuple(card.text.split()[0] for card in deck.cards[n : n + 3]) for n in range(0, 48, 3)}
    assert len(orders) > 3
