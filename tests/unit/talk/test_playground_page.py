"""Every tab of the playground in a real browser, at desktop and phone width, on a show full of attacks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="needs the extra `web`")
pytest.importorskip("prometheus_client", reason="needs the extra `web`")

from econchatr.tables import read_lines
from tests.helpers.browser import CHROMIUM, find_axe
from tests.helpers.playground_material import ATTACK, BEES, EXAM_QUESTION, Playground, play
from tests.helpers.server_material import open_two_adapters
from tests.helpers.waiting import wait_until

WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
WAIT_MS = 120_000
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    folder = tmp_path_factory.mktemp("played")
    with open_two_adapters(folder, n_slots=2) as slots, play(slots, folder / "show") as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(params=list(WIDTHS))
def page(request: pytest.FixtureRequest, chromium: Any, playground: Playground) -> Iterator[Any]:
    """The page, opened. Whatever it asks of anybody else, whatever it is refused and whatever breaks is an error."""
    width, height = WIDTHS[request.param]
    tab = chromium.new_page(viewport={"width": width, "height": height})
    tab.set_default_timeout(WAIT_MS)
    faults: list[str] = []
    own = (playground.server.address, "data:", "blob:")
    tab.on("request", lambda asked: None if asked.url.startswith(own) else faults.append(f"asks {asked.url}"))
    tab.on("response", lambda told: faults.append(f"{told.status} {told.url}") if told.status >= 400 else None)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    tab.goto(playground.server.address)
    tab.wait_for_selector("#chat-text textarea")
    yield tab
    # Shown where a test failed: it says what became of the question.
    print(tab.locator("#chat-pane").inner_html(), tab.locator("#chat-note").inner_html(), sep="\n")
    assert tab.title().startswith("AI imitation of Hal Høst"), "a script of the transcript ran"
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert is_label_in_sight(tab)
    assert list_barriers(tab) == []
    tab.close()
    assert not faults


def is_label_in_sight(page: Any) -> bool:
    """Also at the end of whatever tab is open."""
    page.evaluate("window.scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
    box = page.locator("#label .bar").bounding_box()
    said = str(page.locator("#label .bar").inner_text())
    return "AI imitation of Hal Høst" in said and 0 <= box["y"] < page.viewport_size["height"] - box["height"]


def list_barriers(page: Any) -> list[str]:
    """What keeps people from reading or using what is shown, as far as the checker sees it."""
    if (axe := find_axe()) is None:
        return []
    page.add_script_tag(content=axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((told) => told.violations)")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def open_tab(page: Any, name: str) -> None:
    """By its button, or where there is no room for it, by the menu of the others."""
    button = page.get_by_role("tab", name=name)
    if not button.count():
        page.get_by_label("More tabs").click()
        button = page.locator(".overflow-dropdown button", has_text=name)
    button.click()


def draw_few(page: Any, n_tokens: int) -> None:
    """Let answers be short: the machine may be busy."""
    page.get_by_text("How answers are drawn").locator("visible=true").click()
    page.get_by_role("spinbutton", name="Tokens at most").locator("visible=true").fill(str(n_tokens))
    page.keyboard.press("Tab")


PRESS_STOP_WHEN_WRITING = """() => {
  const pane = document.querySelector("#chat-pane");
  const watch = new MutationObserver(() => {
    if (!pane.querySelector("article.answer[data-state=writing]")) return;
    watch.disconnect();
    document.querySelector("#chat-stop").click();
  });
  watch.observe(pane, {subtree: true, childList: true, attributes: true});
}"""
"""In the page itself: on a busy machine an answer may end before this process hears that it began."""


def start_anew(page: Any) -> None:
    """Leave the talk behind."""
    page.click("#chat-new")
    page.wait_for_selector("#chat-pane .empty")


def stop_one(page: Any) -> None:
    """Ask, and stop the answer while it is written; one that is quicker is asked for again."""
    for n in range(10):
        page.fill("#chat-text textarea", f"Say it {n} times. {ATTACK}")
        page.evaluate(PRESS_STOP_WHEN_WRITING)
        page.click("#chat-send")
        page.wait_for_selector("#chat-pane article.answer:is([data-state=stopped], [data-state=done])")
        if page.locator("#chat-pane article.answer[data-state=stopped]").count():
            return
        start_anew(page)
    pytest.fail("no answer could be stopped")


@needs_browser
def test_a_chat_streams_and_can_be_stopped_edited_and_tried_again(page: Any, playground: Playground) -> None:
    stop_one(page)
    assert ATTACK in page.inner_text("#chat-pane")
    page.locator("#chat-shows input").check()
    assert "AI imitation of Hal Høst, host of The Show." in page.inner_text("#chat-pane details.prompt")
    draw_few(page, 12)
    page.click("#chat-edit")
    page.wait_for_function("document.querySelector('#chat-text textarea').value.startsWith('Say it ')")
    page.fill("#chat-text textarea", "Is it ninety-four?")
    page.click("#chat-send")
    page.wait_for_selector("#chat-pane article.answer[data-state=done]")
    first = page.inner_text("#chat-pane article.answer .said")
    assert "seed 0" in page.inner_text("#chat-pane")
    page.click("#chat-retry")
    page.wait_for_selector("#chat-pane article.answer[data-state=done] >> text=seed 1")
    assert page.inner_text("#chat-pane article.answer .said") != first
    assert wait_until(lambda: playground.server.slots.turns.n_busy == 0)


def last_ending(playground: Playground) -> str | None:
    return [json.loads(line).get("error") for line in read_lines(playground.server.log_path)][-1]


@needs_browser
def test_whoever_closes_the_page_in_mid_answer_frees_the_model(chromium: Any, playground: Playground) -> None:
    page = chromium.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(playground.server.address)
    page.wait_for_selector("#chat-text textarea")
    draw_few(page, 1000)
    page.fill("#chat-text textarea", "Tell me everything there is to say.")
    page.click("#chat-send")
    page.wait_for_selector("#chat-pane article.answer[data-state=writing]")
    page.close()
    assert wait_until(lambda: playground.server.slots.turns.n_busy == 0)
    assert wait_until(lambda: last_ending(playground) == "hung up"), last_ending(playground)


@needs_browser
def test_all_models_answer_the_same_question_with_time_tokens_and_price(page: Any) -> None:
    open_tab(page, "Compare")
    draw_few(page, 8)
    page.fill("#compare-text textarea", "Is it ninety-four?")
    page.get_by_label("first, real turns").check()
    page.click("#compare-ask")
    page.wait_for_function("document.querySelectorAll('#compare-pane article[data-state=done]').length == 5")
    real, *cards = page.locator("#compare-pane article").all_inner_texts()
    assert BEES in real
    assert "really said" in real
    names = ["first", "second", "first:base", "first:base, persona prompt", "first, real turns"]
    assert [card.split("\n")[0] for card in cards] == names
    assert all("tokens/s" in card and "AI imitation of Hal Høst" in card for card in cards)
    assert ["Given to the model, really said:" in card for card in cards] == [False] * 4 + [True]
    assert "$0.00" in cards[0]
    assert "$0 + this machine's time" in cards[1]


def see_one_begin(page: Any) -> None:
    """Ask by Enter, until an answer is seen while it is written: a short one may end before."""
    for n in range(10):
        page.fill("#chat-text textarea", f"Tell me everything there is to say about {n} bees.")
        page.press("#chat-text textarea", "Enter")
        page.wait_for_selector("#chat-pane article.answer:is([data-state=writing], [data-state=done])")
        if page.locator("#chat-pane article.answer[data-state=writing]").count():
            return
        start_anew(page)
    pytest.fail("every answer had ended at once")


@needs_browser
def test_enter_sends_and_a_question_sent_meanwhile_stays_in_its_field(page: Any) -> None:
    see_one_begin(page)
    page.fill("#chat-text textarea", "And why?")
    page.press("#chat-text textarea", "Enter")
    page.wait_for_selector("#chat-note >> text=An answer is being written")
    assert page.input_value("#chat-text textarea") == "And why?"
    page.click("#chat-stop")
    page.wait_for_selector("#chat-pane article.answer:is([data-state=stopped], [data-state=done])")
    assert page.input_value("#chat-text textarea") == "And why?"
    assert page.locator("#chat-pane article.you").count() == 1


@needs_browser
def test_a_talk_outlives_its_page_is_edited_only_when_sent_and_can_be_taken_away(page: Any) -> None:
    draw_few(page, 8)
    page.locator("#chat-examples input").click()
    page.get_by_role("option", name=EXAM_QUESTION).click()
    page.wait_for_function(f"document.querySelector('#chat-text textarea').value == {json.dumps(EXAM_QUESTION)}")
    page.press("#chat-text textarea", "Enter")
    page.wait_for_selector("#chat-pane article.answer[data-state=done]")
    said = page.inner_text("#chat-pane article.answer .said")
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('econchatr-talk-'))")
    page.reload()
    page.wait_for_selector("#chat-pane article.answer[data-state=done]")
    assert page.inner_text("#chat-pane article.answer .said") == said
    page.click("#chat-edit")
    page.wait_for_selector("#chat-note >> text=What you send replaces your last question")
    assert page.locator("#chat-pane article.answer").count() == 1
    with page.expect_download() as told:
        page.click("#chat-json")
    kept = json.loads(Path(told.value.path()).read_text(encoding="utf-8"))
    assert [(one["role"], one["content"]) for one in kept] == [("user", EXAM_QUESTION), ("assistant", said)]
    assert kept[1]["label"] == "AI imitation of Hal Høst"
    page.click("#chat-new")
    page.wait_for_selector("#chat-pane .empty")


@needs_browser
def test_a_guess_is_counted_kept_and_told(page: Any, playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("econchatr.talk.playground.guess.MAX_TOKENS", 8)
    open_tab(page, "Blind")
    page.fill("#blind-who input, #blind-who textarea", "Ann")
    page.click("#blind-next")
    page.wait_for_selector("#blind-pick input", state="visible")
    shown = page.inner_text("#blind-pane")
    assert "Really said" not in shown
    assert "tokens/s" not in shown
    place = [card.split("\n", 2)[-1] for card in page.locator("#blind-pane article.answer").all_inner_texts()]
    real = next(n for n, text in enumerate(place) if "who counted the kettles" in text)
    page.locator("#blind-pick label").nth(real).click()
    page.wait_for_selector("#blind-tally .tally")
    assert "Right. You found the host 1 of 1 times" in page.inner_text("#blind-tally")
    assert "really said by Hal Høst" in page.inner_text("#blind-pane article.real")
    assert playground.kept.guesses[-1] == ("Ann", real, real)


@needs_browser
def test_answers_are_ranked_and_judged_and_kept_with_their_seeds(page: Any, playground: Playground) -> None:
    open_tab(page, "Rank")
    draw_few(page, 8)
    page.fill("#rank-text textarea", "Is it ninety-four?")
    page.fill("#rank-who input, #rank-who textarea", "Bo")
    page.click("#rank-draw")
    page.wait_for_selector("#rank-mark-C input", state="visible")
    page.click("#rank-save")
    page.wait_for_selector("#rank-told >> text=not every answer has its mark")
    for letter, place in zip("ABC", (1, 0, 2), strict=True):
        page.locator(f"#rank-mark-{letter} label").nth(place).click()
    page.click("#rank-save")
    page.wait_for_selector("#rank-told >> text=Kept")
    ranking = playground.kept.rankings[-1]
    assert (ranking.scorer, ranking.question) == ("Bo", "Is it ninety-four?")
    assert [(sample.rung, sample.variant, sample.seed) for sample in ranking.samples] == [
        ("first", "tuned", seed) for seed in (1, 0, 2)
    ]
    page.get_by_label("Right or wrong").check()
    for letter in "ABC":  # until then the marks are still those of the order
        page.wait_for_selector(f"#rank-mark-{letter} label:has-text('wrong')")
    for letter, verdict in zip("ABC", (0, 1, 1), strict=True):
        page.locator(f"#rank-mark-{letter} label").nth(verdict).click()
    before = len(playground.kept.verdicts)
    page.click("#rank-save")
    assert wait_until(lambda: len(playground.kept.verdicts) == before + 3)
    verdicts = playground.kept.verdicts[before:]
    assert [(verdict.sample.seed, verdict.is_right) for verdict in verdicts] == [(0, True), (1, False), (2, False)]


@needs_browser
def test_real_turns_are_found_and_the_report_is_shown_without_its_scripts(page: Any) -> None:
    open_tab(page, "Corpus")
    page.fill("#corpus-text input, #corpus-text textarea", "bees")
    page.click("#corpus-search")
    page.wait_for_selector("#corpus-pane article")
    found = page.locator("#corpus-pane article").all_inner_texts()
    assert len(found) == 2
    assert f"Title 0 {ATTACK}" in found[0] + found[1]
    page.locator("#corpus-host input").check()
    page.wait_for_function("document.querySelectorAll('#corpus-pane article').length == 1")
    assert BEES in page.inner_text("#corpus-pane")
    open_tab(page, "Report")
    assert page.frame_locator("#report-frame").locator("h1").inner_text() == "The report"


def fetch(playground: Playground, path: str, **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(playground.server.address + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.headers


def test_foreign_pages_get_nothing_and_the_browser_may_load_nothing_from_elsewhere(playground: Playground) -> None:
    assert fetch(playground, "/", Host="evil.example")[0] == 403
    assert fetch(playground, "/config", Origin="http://evil.example")[0] == 403
    status, headers = fetch(playground, "/")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["x-ai-imitation"].startswith("AI imitation of Hal")


def test_what_the_page_does_not_use_of_its_library_is_not_there(playground: Playground) -> None:
    library = ("file=/etc/passwd", "proxy=http://127.0.0.1/", "upload", "runs", "openapi.json", "call/x")
    for path in (*(f"/gradio_api/{name}" for name in library), "/monitoring", "/login", "/assets/../../pyproject.toml"):
        assert fetch(playground, path)[0] in (403, 404), path
    assert fetch(playground, "/v1/models")[0] == 200
