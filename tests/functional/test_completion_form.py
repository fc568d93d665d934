"""The form `completion`, as for a base without a chat template, through the whole program."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from econchatr.pipeline.run import find_stale
from econchatr.pipeline.show import open_show
from econchatr.talk.session import ChatSession
from tests.functional.conftest import Run, edit_show

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def show(finished_show: Path, tmp_path_factory: pytest.TempPathFactory, econchatr: Run) -> Path:
    """The finished show with its rung in the form `completion`, trained and asked anew."""
    root = Path(shutil.copytree(finished_show, tmp_path_factory.mktemp("completion") / "show"))
    edit_show(root, 'name = "tiny"', 'name = "tiny"\nform = "completion"')
    done = json.loads(econchatr("ask", root, "--json").stdout)["done"]
    assert done == ["select", "train/tiny", "ask/tiny"]
    return root


def test_answers_are_one_line_and_hold_no_space_before_their_first_word(show: Path) -> None:
    answers = open_show(show).rung().answers()
    said = [answer.reply.text for answer in answers if answer.reply]
    assert len(said) > len(answers) / 2
    assert not [text for text in said if "\n" in text or text != text.lstrip()]


def test_the_model_remembers_its_form(show: Path) -> None:
    tuned = open_show(show).rung().tuned()
    assert tuned.form == '[" ", "\\n"]'
    assert tuned.ends_with_line


def test_what_is_trained_is_what_is_shown(show: Path, econchatr: Run) -> None:
    (pair,) = json.loads(econchatr("pair", show, "--show", 1, "--tokens", "--json").stdout)
    (told,) = pair["tokens"]
    text, trained = "".join(told["tokens"]), "".join(told["tokens"][told["n_prompt"] :])
    assert text.startswith("AI imitation of Hester Pellow, host of The Slow Answer.\n\n")
    assert trained == f" {' '.join(pair['reply'].splitlines())}\n"


def test_a_chat_streams_what_it_keeps(show: Path) -> None:
    pieces = list[str]()
    with open_show(show).rung().open(n_at_once=1) as opened:
        session = ChatSession(opened.speaker, opened.template, open_show(show).voice, seed=4)
        first = session.say("What is a pilot study?", on_text=pieces.append)
        session.say("Why?")
    assert "".join(pieces) == first.text == first.text.lstrip()
    assert "\n" not in first.text


def test_a_change_of_form_makes_the_model_stale(show: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(show, tmp_path / "show"))
    assert not find_stale(open_show(changed).rung(), stages=("train",))
    edit_show(changed, 'form = "completion"', 'form = "chat"')
    assert find_stale(open_show(changed).rung(), stages=("train",)) == "train/tiny: settings changed"


def test_an_export_says_where_an_answer_ends(show: Path, tmp_path: Path, econchatr: Run) -> None:
    econchatr("export", show, "--to", "ollama", "--out", tmp_path / "out")
    assert 'PARAMETER stop """\n"""' in (tmp_path / "out" / "ollama" / "Modelfile").read_text()
    assert "give `\\n` as the stop" in (tmp_path / "out" / "ollama" / "README.md").read_text()
