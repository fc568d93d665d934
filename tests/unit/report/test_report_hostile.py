"""A hostile show: every text a transcript, a file name or a model could bring is markup, and none of it acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from econchatr.display import disarm, escape_markdown, quote_markdown
from econchatr.report import ReportMaterial, render_corpus, render_html, render_markdown
from tests.helpers.report_material import QUESTIONS
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import make_proved_material as make_material

ATTACKS = (
    "<script>alert(1)</script>",
    "</blockquote></main><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "]]> --> </style></svg></title><svg onload=alert(1)>",
    "![a](https://evil.example/x.png) [b](javascript:alert(1)) <https://evil.example>",
    "{{ 7 * 7 }} {% for x in y %}",
    "| a | b |\n| --- | --- |\n\n# heading\n\n```\nfence",
    "\u202egnp.exe\u2066 \x00\x1b[31m \ufeff \u2028 end",
)
KEPT_KEYS = {"question_id", "sha256", "selection_sha256", "pair_id", "slug", "precision", "group", "probe_id", "marker"}
KEPT_EMPTY = {"doubt", "language", "text", "cue_act", "reply_act", "made_by"}
"""What is empty has no row or other words on the page: the same page has others that are not."""


def poison(value: Any, attack: str) -> Any:
    """Put the attack at the end of every free text inside a dumped record."""
    if isinstance(value, dict):
        # A copied run is looked up in the answer: with other words it would not be found.
        is_span = "n_words" in value and "group" in value
        kept = {"text"} if is_span else set()
        kept |= {key for key, part in value.items() if key in KEPT_KEYS or (part == "" and key in KEPT_EMPTY)}
        return {key: part if key in kept else poison(part, attack) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return tuple(poison(part, attack) for part in value)
    closed = {
        "train",
        "dev",
        "test",
        "host",
        "guest",
        "other",
        "verbatim",
        "notes",
        "end",
        "length",
        "cut",
        "weighed",
        "kept",
    }
    closed |= {"day", "month", "season", "none", "said", "asked", "made"}
    closed |= {"base", "persona", "tuned", "belief", "quotation", "idea", "joke", "fact", "tuned minus base"}
    closed |= {"bits per byte", "median reply words", "repetition", "host replies (test)", "guest replies (test)"}
    closed |= {"token", "hour", "none"} | {question.question_id for question in QUESTIONS}
    closed |= {"retrieval", "grounded", "parrot", "copying", "repetition", "on the question", "passes", "fails"}
    closed |= {"voice", "copied words", "longest copied run", "true reply among twenty", "closed questions"}
    closed |= {"made-up rate", "confabulation", "coverage", "blind picks of the real host", "wrong", "exact", "near"}
    closed |= {
        "voice, closer to the host by",
        "tuned minus persona",
        "host bits saved",
        "hand mark",
        "held-out cues (test)",
        "host minus guest (test)",
        "wording's share of the spread",
        "guests by year",
        "name cloze",
    }
    return f"{value}{attack}" if isinstance(value, str) and value not in closed else value


def make_hostile_material(attack: str) -> ReportMaterial:
    return ReportMaterial.model_validate(poison(make_material().model_dump(), attack))


@pytest.mark.parametrize("render", [render_html, render_corpus])
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_show_changes_no_tag_of_a_page(attack: str, render: Callable[[ReportMaterial], str]) -> None:
    clean, seen = PageReader(render(make_material())), PageReader(render(make_hostile_material(attack)))
    assert seen.faults == []
    assert seen.loads == seen.handlers == []
    assert "script" not in seen.tags
    assert seen.tags == clean.tags


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_show_can_be_written_as_utf8(attack: str) -> None:
    material = make_hostile_material(attack)
    assert render_html(material).encode()
    assert render_corpus(material).encode()
    assert render_markdown(material).encode()


@pytest.mark.parametrize("render", [render_html, render_corpus])
def test_bidirectional_overrides_are_named_not_obeyed(render: Callable[[ReportMaterial], str]) -> None:
    page = render(make_hostile_material("\u202egnp.exe\u2066"))
    assert "\u202e" not in page
    assert "\u2066" not in page
    assert "⟨U+202E⟩gnp.exe" in page


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_show_changes_no_block_of_the_markdown(attack: str) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    texts = render_markdown(make_material()), render_markdown(make_hostile_material(attack))
    clean, seen = ([token.type for token in parser.parse(text)] for text in texts)
    # A line break inside an answer may begin a new paragraph of its quotation; nothing else may change.
    loose = {"paragraph_open", "inline", "paragraph_close"}
    assert [kind for kind in seen if kind not in loose] == [kind for kind in clean if kind not in loose]


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_markdown_links_and_loads_nothing(attack: str) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(render_markdown(make_hostile_material(attack)))
    inline = {child.type for token in tokens for child in token.children or []}
    assert not inline & {"html_inline", "link_open", "image", "code_inline"}
    assert not {"html_block", "fence", "code_block"} & {token.type for token in tokens}


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=80))
def test_escaped_line_reads_back_as_the_text(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(escape_markdown(text))
    shown = "".join(child.content for token in tokens for child in token.children or [])
    assert shown == " ".join(disarm(text).split())


@given(st.text(max_size=120))
def test_quoted_text_stays_one_block_quote(text: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(quote_markdown(text) + "\n\nafter\n")
    outer = [token.type for token in tokens if token.level == 0]
    assert outer == ["blockquote_open", "blockquote_close", "paragraph_open", "inline", "paragraph_close"] or outer == [
        "blockquote_open",
        "blockquote_close",
        "paragraph_open",
        "paragraph_close",
    ]


@given(st.text(max_size=80))
def test_disarmed_text_is_disarmed_for_good(text: str) -> None:
    assert disarm(disarm(text)) == disarm(text)


def test_lone_surrogate_is_named_so_that_the_page_can_be_encoded() -> None:
    assert disarm("a\ud800b").encode() == "a⟨U+D800⟩b".encode()


def test_line_ends_of_all_kinds_become_one() -> None:
    assert disarm("a\r\nb\rc\u2028d\x0be") == "a\nb\nc\nd\ne"
