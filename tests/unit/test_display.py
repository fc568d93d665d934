"""Text made harmless for each place where it is shown, and the label, which is written in one place."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import econchatr
from econchatr.cli.narrator import BarNarrator, LineNarrator
from econchatr.cli.running import say
from econchatr.display import escape_html, label_imitation, name_hosts, name_imitation, strip_controls
from econchatr.library import ModelReply
from econchatr.records import Reply

STEERING = "red\x1b[31m \x9b2J \u202eback\x07 \x00"
MARKUP = "<script>alert(1)</script> \" onload='x' &amp;"


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t" for char in strip_controls(text))
    assert strip_controls(text, keeps_lines=False).isprintable()


class Reader(HTMLParser):
    """Reads the text of an element and the value of an attribute back."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.value: str | None = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.value = dict(attrs).get("title")

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Zl", "Zp"])) | st.just(MARKUP))
def test_html_shows_the_text_and_does_nothing_else(text: str) -> None:
    read = Reader(f'<p title="{escape_html(text)}">{escape_html(text)}</p>')
    assert (read.tags, read.text, read.value) == (["p"], text, text)


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x9b", "\u202e", "\u2066", "\ufeff", "\ud800"])
def test_html_names_what_could_disorder_a_page(char: str) -> None:
    assert escape_html(f"a{char}b") == f"a\u27e8U+{ord(char):04X}\u27e9b"


def test_commands_and_steps_print_nothing_that_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(STEERING)
    for narrator in (LineNarrator(), BarNarrator()):
        narrator.begin("parse", STEERING)
        narrator.note(f"{STEERING}\nselect: 9 done")
    told = capsys.readouterr().err
    assert all(char.isprintable() or char == "\n" for char in told)
    assert len(told.splitlines()) == 5


def test_a_notebook_shows_an_answer_as_text() -> None:
    reply = Reply(text=MARKUP, stop="end", n_prompt_tokens=1, n_reply_tokens=1)
    shown = ModelReply(f"one\n{MARKUP}", label_imitation(("<Hal>",)), "tuned", 0, reply)._repr_html_()
    assert Reader(shown).tags == ["p", "br", "p", "small"]


def test_the_label_names_every_host_and_denies_every_one() -> None:
    assert name_hosts(()) == "the host"
    assert name_imitation(("A",)) == "AI imitation of A"
    assert label_imitation(("A", "B", "C")) == "AI imitation of A, B and C, not A, B and C"


def test_the_label_is_written_in_one_place() -> None:
    """Beside it stands the system line in `prompts`: models were trained on it, and no page shows it as a label."""
    sources = Path(econchatr.__file__).parent.rglob("*")
    texts = {path: path.read_text(encoding="utf-8") for path in sources if path.suffix in (".py", ".j2", ".js")}
    written = {path.name for path, text in texts.items() if re.search(r"AI imitation of \{", text)}
    assert written == {"display.py", "prompts.py"}
