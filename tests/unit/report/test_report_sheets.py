"""The pages people fill in: what they show, what they hide, what they save."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from econchatr.records import BlindCue, HandSheet, Question
from econchatr.report.pages import ShownCue, render_blind_sheet, render_hand_sheet
from econchatr.score.raters.blind_test import lay_out_cue, read_picks, seal_place
from econchatr.score.raters.filled_sheets import BLIND_FORM, HAND_FORM, FilledSheet, sheet_sha256
from econchatr.score.raters.hand import lay_out_sheet, read_marks
from tests.helpers.browser import CHROMIUM, run_page, run_untouched
from tests.helpers.make_records import make_answer, make_pair
from tests.helpers.report_page_reader import PageReader

needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")

HOST, SHOW = "Hal <i>Host</i>", 'The "Show" & <b>Co</b>'
ATTACKS = (
    "<script>alert(1)</script>",
    "</blockquote></form></main><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "]]> --> </style></script></svg><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% for x in y %}",
    "\u202egnp.exe\u2066 \x00\x1b[31m \ufeff \u2028 end",
)


def make_questions(spice: str = "") -> list[Question]:
    return [
        Question(question_id=f"q{n}", kind="belief", text=f"Why {n}? {spice}", expected=f"because {spice}")
        for n in range(2)
    ]


def make_sheet(spice: str = "") -> HandSheet:
    answers = [
        make_answer(f"{variant} says {spice}", question_id=f"q{n}", variant=variant)
        for n in range(2)
        for variant in ("base", "persona", "tuned")
    ]
    return lay_out_sheet(answers, make_questions(spice), seed=1)


def make_page(spice: str = "") -> str:
    return render_hand_sheet(make_sheet(spice), make_questions(spice), form=HAND_FORM, show=SHOW, hosts=(HOST,))


def make_cues(spice: str = "") -> list[BlindCue]:
    pairs = [make_pair(n, cue=f"Said {n} {spice}", reply=f"Truth {n} {spice}", split="test") for n in range(3)]
    cues = [lay_out_cue(pair, [f"Fib {k} {spice}" for k in range(4)], rung="small", seed=1) for pair in pairs]
    return [cue for cue in cues if cue is not None]


def make_web_page(spice: str = "") -> str:
    """The blind test as a page for the web, which tells at the end."""
    return make_blind_page(spice, is_game=True)


def make_blind_page(spice: str = "", *, is_game: bool = False) -> str:
    cues = make_cues(spice)
    shown = [ShownCue(cue.key, cue.cue, cue.replies, seal_place(cue) if is_game else "") for cue in cues]
    digest = sheet_sha256(1, [cue.key for cue in cues])
    return render_blind_sheet(shown, form=BLIND_FORM, sha256=digest, seed=1, show=SHOW, hosts=(HOST,))


def find_policy(page: str) -> str:
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    return str(policy)


def check_alone(page: str) -> None:
    """Nothing is loaded, nothing may be, and only the page's own style and script run."""
    seen, policy = PageReader(page), find_policy(page)
    assert seen.faults == []
    assert seen.loads == seen.handlers == seen.links[1:] == []
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("make", [make_page, make_blind_page, make_web_page])
def test_the_page_stands_alone(make: Callable[[], str]) -> None:
    check_alone(make())


@pytest.mark.parametrize("make", [make_page, make_blind_page, make_web_page])
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_text_changes_no_tag(make: Callable[..., str], attack: str) -> None:
    page = make(attack)
    check_alone(page)
    assert PageReader(page).tags == PageReader(make()).tags
    assert page.encode()


def test_the_blind_sheet_is_labelled_as_a_whole_and_no_reply_is() -> None:
    text = PageReader(make_blind_page()).text
    assert text.count("AI imitation") == 1
    assert f"Four of every five replies here: AI imitation of {HOST}, not {HOST}" in text


def test_the_blind_sheet_holds_neither_key_nor_pair() -> None:
    """Moving the real reply's place in the records changes nothing on the page."""
    page = make_blind_page()
    for cue in make_cues():
        assert cue.pair_id not in page
        moved = cue.model_copy(update={"real": (cue.real + 1) % 5})
        assert ShownCue(moved.key, moved.cue, moved.replies) == ShownCue(cue.key, cue.cue, cue.replies)


def test_every_answer_stands_there_once_under_the_label() -> None:
    seen = PageReader(make_page())
    assert sorted(seen.quotes) == sorted(answer.text for answer in make_sheet().answers)
    assert f"Every answer here: AI imitation of {HOST}, not {HOST}" in seen.text


def test_the_page_does_not_say_which_model_gave_an_answer() -> None:
    """This test's answers name their model, so they are taken out first; so are the style sheet and the policy."""
    page = re.sub(r"<(blockquote|style).*?</\1>|<meta [^>]*>", "", make_page(), flags=re.DOTALL)
    assert "Answer 1 of 6" in page
    assert not re.search(r"base|persona|tuned", page)


@needs_browser
def test_a_browser_saves_what_the_reader_reads(tmp_path: Path) -> None:
    """Marks 0, a half, 1 in turn, kept over a change of the name, come back as they were given."""
    act = """
    const form = document.querySelector("form");
    document.getElementById("scorer").value = "Ada";
    [...form.querySelectorAll("fieldset")].forEach((group, n) => group.querySelectorAll("input")[n % 3].click());
    form.requestSubmit();
    return await saved[0];
    """
    text = run_page(make_page("<b>"), act, tmp_path)
    sheet = make_sheet("<b>")
    marks = read_marks([FilledSheet("a.json", text.encode())], [answer.key for answer in sheet.answers], show=SHOW)
    assert [mark.value for mark in marks] == [0, 0.5, 1] * 2
    assert [mark.key for mark in marks] == [answer.key for answer in sheet.answers]


@needs_browser
def test_a_browser_saves_picks_the_reader_reads(tmp_path: Path) -> None:
    act = """
    const form = document.querySelector("form");
    document.getElementById("person").value = "Ada";
    document.getElementById("knows").value = "well";
    [...form.querySelectorAll("fieldset")].forEach((group, n) => group.querySelectorAll("input")[n + 1].click());
    form.requestSubmit();
    return await saved[0];
    """
    picks = read_picks(
        [FilledSheet("a.json", run_page(make_blind_page(), act, tmp_path).encode())], make_cues(), show=SHOW
    )
    assert [(pick.pick, pick.knows_host, pick.person) for pick in picks] == [(n, "well", "Ada") for n in (1, 2, 3)]


@needs_browser
def test_a_browser_saves_nothing_half_filled_and_says_what_is_open(tmp_path: Path) -> None:
    act = """
    const form = document.querySelector("form"), status = document.getElementById("status");
    const told = [status.textContent];
    form.requestSubmit(); told.push(status.textContent, document.activeElement.id);
    document.getElementById("scorer").value = "Ada";
    form.querySelector("fieldset input").click();
    form.requestSubmit(); told.push(status.textContent, document.activeElement.name);
    return JSON.stringify([saved.length, ...told]);
    """
    assert json.loads(run_page(make_page(), act, tmp_path)) == [
        0, "0 of 6 marked", "Please fill in: Your name or initials", "scorer",
        "5 still open; this is the first of them.", "a2",
    ]  # fmt: skip


@needs_browser
def test_under_its_own_policy_the_script_runs_and_a_strange_one_does_not(tmp_path: Path) -> None:
    strange = "<script>document.title = 'taken'</script></body>"
    dom = run_untouched(make_page().replace("</body>", strange), tmp_path)
    assert "0 of 6 marked" in dom
    assert "<title>taken" not in dom
