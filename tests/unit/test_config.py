from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.config import load_config, load_questions
from econchatr.errors import InputError

GOOD = '[show]\nname = "A"\nhosts = ["Hal Host"]\n'


def load(tmp_path: Path, text: str) -> object:
    (tmp_path / "show.toml").write_text(text, encoding="utf-8")
    return load_config(tmp_path / "show.toml")


def test_the_shortest_show_has_an_embedded_rung(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert [rung.base for rung in config.ladder] == ["embedded"]  # type: ignore[attr-defined]


def test_pairs_are_chosen_by_coverage_where_nothing_is_said(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).select.strategy == "coverage"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (GOOD + "[pair]\nprofil = 1\n", "line 5: unknown key 'pair.profil'", "Did you mean 'profile'?"),
        (GOOD + "[selct]\nseed = 1\n", "line 4: unknown key 'selct'", "Did you mean 'select'?"),
        (
            GOOD + '[[ladder]]\nname = "a"\n[[ladder]]\nname = "b"\nmax_token = 5\n',
            "line 8: unknown key",
            "Did you mean 'max_tokens'?",
        ),
        (GOOD + "[pair]\ndev_share = 2\n", "line 5: 'pair.dev_share'", "Change that value."),
        ('[show]\nname = "A"\n', "'show.hosts' is missing", "Add 'hosts'."),
        (GOOD + "[pair\n", "is not TOML", "Mend that line."),
        (GOOD + '[[ladder]]\nname = "a"\n[[ladder]]\nname = "a"\n', "a name of its own", "Change that value."),
        (GOOD + '[[ladder]]\nname = "a"\nmax_usd = 4\n', "needs where = ", "Change that value."),
        (GOOD + '[[ladder]]\nname = "a"\nwhere = "hosted"\n', "needs a price", "Change that value."),
        (GOOD.replace("[show]", "budget_usd = -1\n[show]"), "line 1: 'budget_usd'", "Change that value."),
    ],
)
def test_a_fault_names_key_line_and_cure(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert (
        message.replace("'pair.dev_share'", "pair.dev_share").replace("'budget_usd'", "budget_usd")
        in caught.value.message
    )
    assert caught.value.hint == hint


def test_a_missing_config_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing") as caught:
        load_config(tmp_path / "show.toml")
    assert "econchatr init" in caught.value.hint


def test_a_question_id_may_stand_once_only(tmp_path: Path) -> None:
    question = '[[question]]\nquestion_id = "q"\nkind = "joke"\ntext = "Ha?"\n'
    (tmp_path / "questions.toml").write_text(question * 2, encoding="utf-8")
    with pytest.raises(InputError, match="stands twice"):
        load_questions(tmp_path / "questions.toml")


def test_an_unknown_kind_of_question_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "questions.toml"
    path.write_text('[[question]]\nquestion_id = "q"\ntext = "Ha?"\nkind = "riddle"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"line 4.*kind.*riddle"):
        load_questions(path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "show.toml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path / "show.toml")
