"""Pins and bans: the user's own file, read, checked and added to."""

from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.config import CHOICES_NAME, Choices, load_choices
from econchatr.errors import InputError
from econchatr.pipeline.show import Show, open_show
from econchatr.records import Pair
from econchatr.select.pins import check_pins, explain_bans, find_nearest_id, list_pool
from econchatr.tables import write_table
from econchatr.tools.edit_choices import add_pins
from tests.helpers.make_records import make_pair

PAIRS = [
    make_pair(1, pair_id="on-bridges#4"),
    make_pair(1, pair_id="on-bridges#12"),
    make_pair(2, pair_id="on-rust#2"),
    make_pair(3, pair_id="on-bells#2", split="test"),
    make_pair(3, pair_id="on-bells#6", is_kept=False, reason="reply under 5 words"),
]


@pytest.fixture
def show(tmp_path: Path) -> Show:
    (tmp_path / "show.toml").write_text('[show]\nname = "The Show"\nhosts = ["Hal Host"]\n')
    write_table(tmp_path / "pair" / "pairs.parquet", PAIRS, Pair)
    return open_show(tmp_path, cache=tmp_path)


def text_of(show: Show) -> str:
    return (show.root / CHOICES_NAME).read_text(encoding="utf-8")


def test_a_show_without_the_file_pins_and_bans_nothing(show: Show) -> None:
    assert show.choices() == Choices()


def test_what_is_pinned_and_banned_can_be_read_back(show: Show) -> None:
    add_pins(show, pin=["on-rust#2"], ban=["on-bridges#4", "on-bridges#12"])
    assert show.choices() == Choices(pin=("on-rust#2",), ban=("on-bridges#4", "on-bridges#12"))


def test_adding_keeps_comments_and_what_stands_in_the_file(show: Show) -> None:
    (show.root / CHOICES_NAME).write_text('# mine\nban = ["on-rust#2"] # too long\n')
    add_pins(show, ban=["on-bridges#4"], pin=["on-bridges#12"])
    assert text_of(show) == (
        '# mine\nban = [\n  "on-bridges#4",\n"on-rust#2"] # too long\n\npin = [\n  "on-bridges#12",\n]\n'
    )
    add_pins(show, ban=["on-bridges#4"])
    assert show.choices().ban == ("on-bridges#4", "on-rust#2")


def test_a_file_in_another_form_is_left_as_it_is(show: Show) -> None:
    own = '"ban" = ["on-rust#2"]\n'
    (show.root / CHOICES_NAME).write_text(own)
    with pytest.raises(InputError, match="not in a form that can be added to"):
        add_pins(show, ban=["on-bridges#4"])
    assert text_of(show) == own


def test_a_pair_on_one_list_is_not_put_on_the_other(show: Show) -> None:
    add_pins(show, pin=["on-rust#2"])
    with pytest.raises(InputError, match="'on-rust#2' stands under pin"):
        add_pins(show, ban=["on-rust#2"])
    with pytest.raises(InputError, match="both pinned and banned"):
        load_choices(write(show, 'pin = ["a#1"]\nban = ["a#1"]\n'))


def write(show: Show, text: str) -> Path:
    (show.root / CHOICES_NAME).write_text(text)
    return show.root / CHOICES_NAME


@pytest.mark.parametrize(
    ("pair_id", "near"),
    [("on-bridge#4", "on-bridges#4"), ("on-bridges#11", "on-bridges#12"), ("on-rust", "on-rust#2"), ("Zanzibar", "")],
)
def test_a_mistyped_id_is_answered_with_the_nearest(pair_id: str, near: str) -> None:
    assert find_nearest_id(pair_id, [pair.pair_id for pair in PAIRS]) == near


def test_an_unknown_id_in_the_file_is_refused_by_name(show: Show) -> None:
    with pytest.raises(InputError, match=r"choices\.toml: no pair 'on-bridge#4'") as caught:
        check_pins((), ("on-bridge#4",), PAIRS, place="choices.toml")
    assert caught.value.hint == "Did you mean 'on-bridges#4'?"
    with pytest.raises(InputError, match="no pair"):
        add_pins(show, pin=["on-bridge#4"])
    assert not (show.root / CHOICES_NAME).exists()


@pytest.mark.parametrize(
    ("pair_id", "message"),
    [("on-bells#2", "held out \\(test\\)"), ("on-bells#6", "was dropped: reply under 5 words")],
)
def test_only_a_pair_of_the_training_split_can_be_pinned(pair_id: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_pins((pair_id,), (), PAIRS, place="choices.toml")


def test_an_unknown_key_is_answered_with_the_one_that_was_meant(show: Show) -> None:
    with pytest.raises(InputError) as caught:
        load_choices(write(show, 'bann = ["a#1"]\n'))
    assert caught.value.hint == "Did you mean 'ban'?"


def test_a_banned_pair_is_not_in_the_pool_and_says_why() -> None:
    ban = ("on-rust#2", "on-bells#2")
    assert [pair.pair_id for pair in list_pool(PAIRS, ban)] == ["on-bridges#4", "on-bridges#12"]
    assert [(row.pair_id, row.reason, row.rung) for row in explain_bans(PAIRS, ban)] == [("on-rust#2", "banned", "")]
