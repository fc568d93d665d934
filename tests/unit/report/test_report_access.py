"""The pages hold to the rules of HTML, and a checker in a real browser finds no barrier: wide, narrow, light, dark."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from econchatr.report import ReportMaterial, render_corpus, render_html
from tests.helpers.browser import CHROMIUM, find_axe, run_page
from tests.helpers.report_material import HOST
from tests.helpers.report_proof_material import make_gates, make_proved_material
from tests.helpers.report_round_material import make_round
from tests.unit.report.test_report_hostile import ATTACKS, make_hostile_material

AXE = find_axe()
needs_axe = pytest.mark.skipif(not (CHROMIUM and AXE), reason="needs Chromium and axe-playwright-python")

WIDE, NARROW = "--window-size=1280,900", "--window-size=500,844"
DARK = "--blink-settings=preferredColorScheme=0"
OPENED = "document.querySelectorAll('details').forEach(one => one.open = true);"
CHECK = (
    OPENED
    + "const found = await axe.run(document, {resultTypes: ['violations']});"
    + ("return JSON.stringify(found.violations.map(one => [one.id, one.nodes.map(node => node.html.slice(0, 200))]));")
)


def make_bare() -> ReportMaterial:
    return ReportMaterial(show_name="Nothing Yet", hosts=(HOST,), rights=None, version="0", made_on=None)


def make_greyed() -> ReportMaterial:
    return make_proved_material().model_copy(update={"gates": make_gates({"tuned": "repetition"})})


PAGES: dict[str, Callable[[], str]] = {
    "proved": lambda: render_html(make_proved_material()),
    "greyed out": lambda: render_html(make_greyed()),
    "bare": lambda: render_html(make_bare()),
    "preferences": lambda: render_html(make_round()),
    "hostile": lambda: render_html(make_hostile_material(ATTACKS[1])),
    "corpus": lambda: render_corpus(make_proved_material()),
}


@pytest.mark.parametrize("name", PAGES)
def test_page_holds_to_the_rules_of_html(name: str) -> None:
    html5lib: Any = pytest.importorskip("html5lib")
    html5lib.HTMLParser(strict=True).parse(PAGES[name]())


@needs_axe
@pytest.mark.parametrize(
    ("name", "flags"),
    [("proved", (WIDE,)), ("greyed out", (NARROW, DARK)), ("preferences", (NARROW,)), ("corpus", (NARROW,))],
)
def test_checker_finds_no_barrier(name: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    told = run_page(PAGES[name](), CHECK, tmp_path, library=AXE, flags=flags)
    assert json.loads(told) == []


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_dark_is_dark(tmp_path: Path) -> None:
    act = "return getComputedStyle(document.body).backgroundColor;"
    assert run_page(PAGES["bare"](), act, tmp_path, flags=(WIDE, DARK)) == "rgb(22, 22, 20)"


@needs_axe
def test_checker_would_find_a_barrier(tmp_path: Path) -> None:
    page = PAGES["bare"]().replace('<html lang="en">', "<html>")
    assert "html-has-lang" in run_page(page, CHECK, tmp_path, library=AXE, flags=(WIDE,))


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
@pytest.mark.parametrize("name", ["proved", "preferences"])
def test_nothing_is_wider_than_a_telephone(name: str, tmp_path: Path) -> None:
    # The browser opens no window narrower than 500, so the page is laid out in a frame of its own.
    act = (
        "const frame = document.createElement('iframe'); frame.style.width = '390px'; frame.style.height = '844px';"
        "frame.srcdoc = document.documentElement.outerHTML.replace(/<script[^]*?<\\/script>/g, '');"
        "document.body.append(frame); await new Promise(done => frame.onload = done);"
        "return frame.contentDocument.documentElement.scrollWidth;"
    )
    assert int(run_page(PAGES[name](), act, tmp_path)) <= 390
