"""A playground with recorded answers, over a real socket: what it holds, what it does not, and what it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("gradio", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.talk.playground.answering import Answering
from econchatr.talk.playground.lookups import Evidence, Given, Quoted
from econchatr.talk.playground.recorded import RECORDING, RecordedQuestion, Recording
from tests.helpers.browser import CHROMIUM
from tests.helpers.playground_material import ATTACK, Playground, play

WAIT_MS = 120_000
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
NOTICE = f"This is a recording. {ATTACK}"
NEAR = Evidence(Quoted("Who counted?", 0.5, "Bees", None, 3), 0.5, (True, False))


def make_answer(text: str, **changes: Any) -> Answering:
    told = {"model": "small", "rung": "small", "variant": "tuned", "model_sha256": "0" * 64, "seed": 0, "prompt": ""}
    return Answering(**{**told, "state": "done", "text": text, **changes})


RECORDED = Recording(
    "Asked once.",
    (
        RecordedQuestion("Is it  ninety-four?", Given("I counted.", "Bees", None), {
            "small": make_answer(f"Ninety-four. {ATTACK}", evidence=NEAR),
            "small:base": make_answer("", variant="base", state="failed", error="it broke"),
        }),
        RecordedQuestion(ATTACK, None, {"small": make_answer("No.")}),
    ),
)  # fmt: skip


def test_a_recording_is_read_as_it_was_written() -> None:
    assert RECORDING.validate_json(RECORDING.dump_json(RECORDED, exclude_defaults=True)) == RECORDED


@pytest.mark.parametrize("asked", ["Is it ninety-four?", " is it NINETY-FOUR? "])
def test_case_and_spacing_make_no_other_question(asked: str) -> None:
    assert RECORDED.find(asked) is RECORDED.questions[0]


@pytest.mark.parametrize("asked", ["", "Is it ninety-five?", "ninety-four"])
def test_another_question_is_not_taken_for_one_that_is_held(asked: str) -> None:
    assert RECORDED.find(asked) is None


def test_the_columns_are_those_of_all_questions_once_each() -> None:
    assert RECORDED.columns == ["small", "small:base"]


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with play(None, tmp_path_factory.mktemp("recorded"), recording=RECORDED, notice=NOTICE) as running:
        yield running


@pytest.fixture(params=list(WIDTHS))
def page(request: pytest.FixtureRequest, playground: Playground) -> Iterator[Any]:
    """The page, opened; whatever breaks, and whatever a script of a recorded text does, is an error."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    width, height = WIDTHS[request.param]
    faults: list[str] = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": width, "height": height})
        tab.set_default_timeout(WAIT_MS)
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("dialog", lambda dialog: faults.append(dialog.message))
        tab.goto(playground.server.address)
        tab.wait_for_selector("#compare-pane article")
        yield tab
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert "AI imitation of Hal Høst" in tab.inner_text("#label")
        browser.close()
    assert not faults


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_the_first_question_stands_there_answered_beside_the_notice_and_the_label(page: Any) -> None:
    real, tuned, failed = page.locator("#compare-pane article").all_inner_texts()
    assert "I counted." in real
    assert all(text in tuned for text in ("AI imitation of Hal Høst", f"Ninety-four. {ATTACK}", "Who counted?"))
    assert "Error: it broke" in failed
    assert page.inner_text("#notice").strip() == NOTICE
    assert [tab.inner_text() for tab in page.get_by_role("tab").all()] == ["Compare", "Corpus", "Report"]


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_a_question_that_is_not_held_is_told_so_without_an_answer(page: Any) -> None:
    page.fill("#compare-text input, #compare-text textarea", "Who are you?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#compare-pane .empty")
    assert "holds no answer to this question" in page.inner_text("#compare-pane")
    assert page.locator("#compare-pane article").count() == 0
    page.locator("#compare-examples input").click()
    page.get_by_role("option").nth(1).click()
    page.wait_for_selector("#compare-pane article:has-text('No.')")
