"""Asking back, handing over and thanking, beside what the host does when really asked."""

from __future__ import annotations

import pytest

from econchatr.records import Pair
from econchatr.score.dodging import cut_to_statement, keep_statements, measure_asked, measure_dodging
from econchatr.score.gates import apply_void, judge_answers, judge_length, list_void
from econchatr.score.length_and_repetition import measure_length
from econchatr.score.speech import Said
from tests.helpers.make_records import make_pair

STATES = "I think the ferry should run all winter, because the doctor lives on the other side."


def said(*texts: str) -> list[Said]:
    return [Said("Why does the ferry matter?", text, f"q{n}") for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "dodges"),
    [
        (STATES, 0),
        (f"{STATES} Does it run for you?", 1),
        ("It ran all winter, and I was glad of that every day, right?", 0),
        ("What do you make of it?", 1),
        ("Let's move on to the next question.", 1),
        ("Thank you so much for being here.", 1),
    ],
)
def test_an_answer_dodges_when_it_ends_in_a_question_or_gives_the_word_back(text: str, dodges: int) -> None:
    share = measure_dodging(said(text)).share
    assert share is not None
    assert share.value == dodges


def asked_host(n: int, *, n_asking: int) -> list[Pair]:
    replies = [f"{STATES} And you?" if place < n_asking else STATES for place in range(n)]
    return [make_pair(place, cue="Why does it matter?", reply=reply) for place, reply in enumerate(replies)]


def test_the_bar_is_what_the_host_does_when_really_asked() -> None:
    host = measure_asked([*asked_host(20, n_asking=5), make_pair(99, cue=STATES, reply="And you?")])
    assert host.share == pytest.approx(5 / 20)
    assert "25% of 20 replies to real questions" in host.told


def test_a_host_who_is_never_asked_gets_a_stated_default() -> None:
    host = measure_asked([make_pair(n, cue=STATES, reply="And you?") for n in range(30)])
    assert host.dodging.share is None
    assert "20% stands in for his own share" in host.told
    assert judge_answers(measure_dodging(said(*["And you?"] * 12)), host).outcome == "fails"
    assert judge_answers(measure_dodging(said(*[STATES] * 12)), host).outcome == "passes"


def test_a_host_who_dodges_half_the_time_leaves_room_for_a_limit() -> None:
    """Twice a half would let an interviewer pass: the limit is halfway from a half to all."""
    host = measure_asked(asked_host(20, n_asking=10))
    ruling = judge_answers(measure_dodging(said(*["And you?"] * 48)), host)
    assert ruling.outcome == "fails"
    assert ruling.limit == pytest.approx(0.75)


def test_statements_are_cut_free_of_questions_thanks_and_handing_over() -> None:
    pairs = [make_pair(0, reply=f"Thank you for that. {STATES} What about you?"), make_pair(1, reply="Why is that?")]
    assert [pair.reply for pair in keep_statements(pairs)] == [STATES]
    assert cut_to_statement("") == ""


def test_a_gate_that_the_real_host_does_not_pass_is_void_for_all_and_says_why() -> None:
    short, long = measure_length(said("Yes.")), measure_length(said(STATES))
    void = list_void([judge_length(short, long)])
    (ruling,) = apply_void([judge_length(long, long)], void)
    assert (ruling.outcome, ruling.is_void) == ("unscored", True)
    assert "the real host's own replies fail this gate" in ruling.reason
