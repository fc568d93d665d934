"""The attack table as a test: each trick is caught by the gate or measure that is there for it."""

from __future__ import annotations

import random
from functools import cache

import pytest

from econchatr.score.rows import Row, Yardstick, compare_rows, list_scores, make_yardstick, measure_row, take_reference
from econchatr.score.speech import Said, read_answers, read_pairs
from tests.helpers.attacks import ATTACKS, attack
from tests.helpers.make_records import make_answer, make_question
from tests.helpers.show_material import ShowMaterial, demo_show, real_show

CAUGHT_BY = {
    "copied turns": "copying",
    "babble": "on the question",
    "salad": "on the question",
    "catchphrase": "repetition",
    "parrot": "copying",
    "refusal": "repetition",
}
SHOWS = [
    "demo",
    pytest.param("founderstalk", marks=pytest.mark.slow),
    pytest.param("podcast", marks=pytest.mark.slow),
]


def read(show: str) -> ShowMaterial:
    return demo_show() if show == "demo" else real_show(show)


@cache
def yardstick(show: str) -> Yardstick:
    return make_yardstick(read(show).host, read(show).guest)


def outcomes(row: Row) -> dict[str, str]:
    return {ruling.gate: ruling.outcome for ruling in row.rulings}


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize("trick", [name for name in ATTACKS if name != "guest with catchphrases"])
def test_each_trick_fails_its_gate(show: str, trick: str) -> None:
    row = measure_row(attack(read(show), trick), yardstick(show))
    assert outcomes(row)[CAUGHT_BY[trick]] == "fails", row.rulings


@pytest.mark.parametrize("show", SHOWS)
def test_a_guest_with_catchphrases_repeats_or_stays_off_the_host(show: str) -> None:
    row = measure_row(attack(read(show), "guest with catchphrases"), yardstick(show))
    assert row.voice.high is not None
    assert outcomes(row)["repetition"] == "fails" or row.voice.high < 1


@pytest.mark.parametrize("show", SHOWS)
def test_without_gates_the_tricks_would_pass_for_the_host(show: str) -> None:
    """Which is why there are gates: by style alone, copies, babble and salad are the host."""
    for trick in ("copied turns", "babble", "salad"):
        voice = measure_row(attack(read(show), trick), yardstick(show)).voice
        assert voice.value is not None
        assert voice.value > 0.7


@pytest.mark.parametrize("show", SHOWS)
def test_the_real_host_fails_no_gate_and_stands_at_1(show: str) -> None:
    row = measure_row(take_reference(read(show).host, yardstick(show).speech), yardstick(show), "host")
    assert set(outcomes(row).values()) <= {"passes", "unscored"}, row.rulings
    assert all(ruling.reason for ruling in row.rulings if ruling.outcome == "unscored")
    assert row.voice.value == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("show", SHOWS)
def test_guests_stand_at_0(show: str) -> None:
    row = measure_row(take_reference(read(show).guest, yardstick(show).speech), yardstick(show), "guest")
    assert row.voice.value == pytest.approx(0, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("show", ["founderstalk", "podcast"])
def test_forty_eight_replies_of_the_real_host_seldom_fail_a_gate(show: str) -> None:
    rng, said = random.Random(0), take_reference(read(show).host, yardstick(show).speech)
    rows = [measure_row(rng.sample(said, 48), yardstick(show), "host") for _ in range(20)]
    failed = [ruling for row in rows for ruling in row.rulings if ruling.outcome == "fails"]
    print(f"{show}: {len(failed)} of {len(rows[0].rulings) * len(rows)} gates failed by the real host")
    assert len(failed) <= 2, failed


@pytest.mark.parametrize("said", [[], [Said("Why?", "", "q1"), Said("How?", " ", "q2")]])
def test_empty_answers_are_unscored_everywhere_with_a_reason(said: list[Said]) -> None:
    row = measure_row(said, yardstick("demo"))
    scores = list_scores(row, yardstick("demo"), rung="r", variant="tuned")
    assert all(score.value is None and score.reason for score in scores), scores
    assert {ruling.outcome for ruling in row.rulings} <= {"unscored", "fails"}


def test_failed_and_wordless_answers_are_never_speech() -> None:
    answers = [make_answer(None), make_answer("...", sample=1), make_answer("A word.", sample=2)]
    said = read_answers(answers, [make_question()], variant="tuned")
    assert [one.text for one in said] == ["A word."]


def test_refusals_are_measured_as_what_they_are() -> None:
    """A refusal is an answer, not a failure: it has a Voice, and it is not the host's."""
    row = measure_row(attack(demo_show(), "refusal"), yardstick("demo"))
    assert row.voice.high is not None
    assert row.voice.high < 0.9


def test_what_the_host_reads_out_again_was_not_held_out() -> None:
    show = demo_show()
    old = max(show.take("host", "train"), key=lambda pair: len(pair.reply))
    rerun = show.take("host", "test")[0].model_copy(update={"reply": old.reply, "pair_id": "rerun#1"})
    again = make_yardstick([*show.host, rerun], show.guest)
    assert again.host == yardstick("demo").host
    assert again.host_copying == yardstick("demo").host_copying
    assert read_pairs([rerun])[0] not in take_reference([rerun], again.speech)


def test_the_voices_of_two_rows_are_compared_over_the_questions_that_both_answered() -> None:
    scale = yardstick("demo")
    host, guest = (read_pairs(demo_show().take(side, "dev")) for side in ("host", "guest"))
    named = [one._replace(group=f"q{place % 6}") for place, one in enumerate(host)]
    more = [one._replace(group="only after") for one in guest]
    before, after, both = (measure_row(said, scale) for said in (named, named, [*named, *more]))
    same, wider = (compare_rows(before, row, scale, rung="r", variant="v")[0] for row in (after, both))
    assert same == wider
    assert same.n == len(named)
