"""The blind test as a page for the web, in a real browser: by keyboard, on a phone, in the dark, nameless."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from econchatr.score.raters.blind_test import read_picks, seal_place
from econchatr.score.raters.filled_sheets import FilledSheet
from tests.helpers.browser import CHROMIUM, find_axe
from tests.helpers.report_page_reader import PageReader
from tests.unit.report.test_report_sheets import SHOW, make_blind_page, make_cues, make_web_page

needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
SIZES = {"desk": (1280, 900), "phone": (360, 740)}


@contextmanager
def open_tab(path: Path, size: str = "desk", scheme: str = "light") -> Iterator[Any]:
    """The page from disk; a request of anything else, and whatever breaks, is an error."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    faults: list[str] = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        viewport = dict(zip(("width", "height"), SIZES[size], strict=True))
        tab = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()
        own = (path.as_uri(), "blob:")
        tab.on("request", lambda asked: None if asked.url.startswith(own) else faults.append(asked.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(path.as_uri())
        yield tab
        browser.close()
    assert not faults


def save(tab: Any) -> tuple[str, bytes]:
    """Press the button; the saved file's name and bytes."""
    with tab.expect_download() as waiting:
        tab.click("button[type=submit]")
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def pick_all(tab: Any, places: list[int]) -> None:
    tab.select_option("#knows", "well")
    for group, place in zip(tab.query_selector_all("fieldset"), places, strict=True):
        group.query_selector_all("input")[place].check()


def list_barriers(tab: Any) -> list[str]:
    axe = find_axe()
    if axe is None:
        pytest.skip("needs axe-playwright-python")
    # The page's policy lets no strange script run, so the checker comes past it.
    found = tab.evaluate(axe.read_text(encoding="utf-8") + ";axe.run(document).then((told) => told.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "index.html"
    path.write_text(make_web_page("<b>"), encoding="utf-8")
    return path


@needs_browser
def test_the_page_tells_how_many_were_found_and_which_were_real(page: Path) -> None:
    cues = make_cues("<b>")
    with open_tab(page) as tab:
        pick_all(tab, [cues[0].real, (cues[1].real + 1) % 5, cues[2].real])
        save(tab)
        assert tab.inner_text("#status").startswith("You found 2 of 3; guessing finds 0.6. Saved as blind-")
        assert [one.inner_text() for one in tab.query_selector_all(".reply.real .said")] == [
            cue.replies[cue.real] for cue in cues
        ]
        assert tab.inner_text("main").count("AI imitation") == 12


@needs_browser
def test_what_was_picked_is_locked_once_the_page_has_told_even_after_a_reload(page: Path) -> None:
    with open_tab(page) as tab:
        pick_all(tab, [0, 1, 2])
        _, first = save(tab)
        tab.reload()
        assert not tab.query_selector_all("fieldset input:enabled")
        assert save(tab)[1] == first


@needs_browser
@pytest.mark.parametrize("name", ["", "Ada", "A" * 50])
def test_two_visitors_of_one_name_or_of_none_count_as_two(page: Path, name: str) -> None:
    files = []
    for _ in range(2):
        with open_tab(page) as tab:
            tab.fill("#person", name)
            pick_all(tab, [0, 1, 2])
            files.append(FilledSheet(*save(tab)))
    people = {pick.person for pick in read_picks(files, make_cues("<b>"), show=SHOW)}
    assert len(people) == 2
    assert all(person.startswith(name or "visitor") for person in people)


@needs_browser
def test_the_page_is_played_by_keyboard_alone(page: Path) -> None:
    with open_tab(page) as tab:
        tab.focus("#person")
        tab.keyboard.type("Ada")
        tab.keyboard.press("Tab")
        tab.keyboard.type("we")
        for n_down in range(3):
            tab.keyboard.press("Tab")
            tab.keyboard.press("Space")
            for _ in range(n_down):
                tab.keyboard.press("ArrowDown")
        with tab.expect_download() as waiting:
            tab.keyboard.press("Tab")
            tab.keyboard.press("Enter")
        told = json.loads(Path(waiting.value.path()).read_text())
        assert told["person"].startswith("Ada ")
        assert (told["knows_host"], list(told["picks"].values())) == ("well", [0, 1, 2])


@needs_browser
@pytest.mark.parametrize(("size", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_the_page_has_no_barrier_before_and_after_telling(page: Path, size: str, scheme: str) -> None:
    with open_tab(page, size, scheme) as tab:
        assert list_barriers(tab) == []
        pick_all(tab, [0, 1, 2])
        save(tab)
        assert list_barriers(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


def test_the_seal_says_the_place_only_to_whoever_works_it_out() -> None:
    cue = make_cues()[0]
    keys = [f"{n:04x}{cue.key[4:]}" for n in range(0, 65536, 97)]
    for place in range(5):
        sealed = {key: seal_place(cue.model_copy(update={"real": place, "key": key})) for key in keys}
        assert {(int(seal, 16) - int(key[:2], 16)) % 256 % 5 for key, seal in sealed.items()} == {place}
        assert len(set(sealed.values())) > 200


def test_the_page_is_labelled_and_says_where_files_go() -> None:
    text = PageReader(make_web_page()).text
    assert "Four of every five replies here: AI imitation of" in text
    assert "Please send that file to whoever showed you this page" in text
    assert "data-seal" not in make_blind_page()
