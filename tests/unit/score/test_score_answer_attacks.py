"""Cheap answers: each fails at least one gate, or has the guests' Voice, and the real host passes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from econchatr.score.gates import Ruling
from econchatr.score.rows import Row, Yardstick, make_yardstick, measure_row, take_reference
from econchatr.score.speech import Said
from tests.helpers.answer_attacks import ANSWER_ATTACKS
from tests.helpers.attacks import attack
from tests.helpers.sense_meter import SenseMeter
from tests.helpers.show_material import NEWEST, ShowMaterial, demo_show, real_show

BY_TEXT = {
    "interviewer": "answers",
    "interviewer with a remark": "answers",
    "polite interviewer": "answers",
    "hand-over machine": "answers",
    "order-3 babble, best of 150": "copying",
}
"""What the gates on text alone catch, on every show; the rest takes the gate on sense."""
BY_SENSE = ("salad with three words of the question", "host's sentences without every seventh word")
"""The easiest and the hardest for that gate on the bundled show; all of them with `-m slow`."""
SLOW_SHOWS = [pytest.param(name, marks=pytest.mark.slow) for name in ("founderstalk", NEWEST)]
SHOWS = ["demo", *SLOW_SHOWS]


def read(show: str) -> ShowMaterial:
    return demo_show() if show == "demo" else real_show(show)


@cache
def yardstick(show: str) -> Yardstick:
    return make_yardstick(read(show).host, read(show).guest)


@cache
def meter(show: str, cache_folder: Path, n: int) -> SenseMeter:
    made = SenseMeter(cache_folder)
    made.set_host(yardstick(show), n=n)
    return made


def answer(show: str, trick: str) -> list[Said]:
    return attack(read(show), trick, tricks=ANSWER_ATTACKS)


def list_failed(row: Row, *more: Ruling) -> set[str]:
    return {ruling.gate for ruling in (*row.rulings, *more) if ruling.outcome == "fails"}


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize("trick", BY_TEXT)
def test_turns_that_answer_nothing_fail_without_a_model(show: str, trick: str) -> None:
    row = measure_row(answer(show, trick), yardstick(show))
    assert BY_TEXT[trick] in list_failed(row), row.rulings


@pytest.mark.parametrize("trick", BY_SENSE)
def test_nonsense_with_the_questions_words_fails_the_gate_on_sense(trick: str, cache: Path) -> None:
    ruling = meter("demo", cache, 24).judge(answer("demo", trick), n=16)
    assert ruling.outcome == "fails", ruling


MISSED = pytest.mark.xfail(strict=True, reason="0.22 (-0.20 to 0.63): few held-out guests make the interval wide")


@pytest.mark.parametrize("show", ["demo", SLOW_SHOWS[0], pytest.param(NEWEST, marks=(pytest.mark.slow, MISSED))])
def test_guests_own_answers_have_the_guests_voice(show: str) -> None:
    voice = measure_row(answer(show, "guests' own answers"), yardstick(show)).voice
    assert voice.value is not None
    assert voice.high is not None
    assert voice.high < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("show", ["demo", "founderstalk", NEWEST])
@pytest.mark.parametrize("trick", [name for name in ANSWER_ATTACKS if name not in (*BY_TEXT, "guests' own answers")])
def test_every_other_trick_fails_a_gate(show: str, trick: str, cache: Path) -> None:
    said = answer(show, trick)
    ruling = meter(show, cache, 60).judge(said, n=48)
    assert list_failed(measure_row(said, yardstick(show)), ruling), ruling


@pytest.mark.slow
@pytest.mark.parametrize("show", ["demo", "founderstalk", NEWEST])
def test_the_real_host_passes_every_gate_or_the_gate_says_why_not(show: str, cache: Path) -> None:
    said = take_reference(read(show).host, yardstick(show).speech)
    row, ruling = measure_row(said, yardstick(show), "host"), meter(show, cache, 60).judge(said, n=48)
    for one in (*row.rulings, ruling):
        assert one.outcome == "passes" or (one.outcome == "unscored" and one.reason), one
