"""The judge: fair contests, both orders, and no word of it before it has proved itself."""

from __future__ import annotations

import random

import pytest

from econchatr.records import Contest, JudgedContest, Score
from econchatr.records.measures import Measure
from econchatr.score.raters.llm_judge import (
    PROOF,
    Failed,
    JudgePick,
    Utterance,
    is_proved,
    judge_contests,
    pair_answers,
    pair_with_guests,
    read_verdict,
    score_judge,
    score_proof,
)
from tests.helpers.make_records import make_answer


def say(who: str, n_words: int = 20, *, slug: str = "e1", mark: str = ".") -> Utterance:
    return Utterance(slug, f"{who} " + "word " * (n_words - 1) + mark)


def contests(n: int, name: str = PROOF) -> list[Contest]:
    return [Contest(name=name, rung="small", group=f"g{k}", one=f"host {k}", two=f"other {k}") for k in range(n)]


def honest(one: str, two: str) -> JudgePick | Failed:
    return "A" if one.startswith("host") else "B"


def always_first(one: str, two: str) -> JudgePick | Failed:
    return "A"


def judged(right: int, wrong: int = 0, torn: int = 0, name: str = PROOF) -> list[JudgedContest]:
    verdicts = ["one"] * right + ["two"] * wrong + ["torn"] * torn
    return [
        JudgedContest.model_validate({"name": name, "rung": "small", "group": f"g{n}", "key": "k", "verdict": verdict})
        for n, verdict in enumerate(verdicts)
    ]


def find(scores: list[Score], variant: str) -> Score:
    (score,) = [score for score in scores if score.variant == variant]
    return score


# --- contests ---------------------------------------------------------------------------------------------------------


def test_host_and_guest_are_alike_in_length_in_asking_and_in_episode() -> None:
    rng = random.Random(2)
    hosts, guests = (
        [say(f"{who}{n}", rng.randint(5, 160), slug=f"e{n % 3}", mark=rng.choice([".", "?"])) for n in range(60)]
        for who in ("host", "guest")
    )
    found = pair_with_guests(hosts, guests, rung="small", n=100, seed=0)
    slugs = {utterance.text: utterance.slug for utterance in (*hosts, *guests)}
    assert found
    for contest in found:
        lengths = sorted((len(contest.one.split()), len(contest.two.split())))
        assert 12 <= lengths[0] <= lengths[1] <= min(150, 1.25 * lengths[0])
        assert ("?" in contest.one) == ("?" in contest.two)
        assert slugs[contest.one] == slugs[contest.two] == contest.group
    assert len({contest.two for contest in found}) == len({contest.one for contest in found}) == len(found)


def test_episodes_take_turns_and_n_is_kept() -> None:
    hosts = [say(f"host{n}", slug=f"e{n % 4}") for n in range(40)]
    guests = [say(f"guest{n}", slug=f"e{n % 4}") for n in range(40)]
    found = pair_with_guests(hosts, guests, rung="small", n=8, seed=0)
    assert sorted(contest.group for contest in found) == sorted(["e0", "e1", "e2", "e3"] * 2)


def test_tuned_answers_meet_the_others_on_the_same_sample() -> None:
    answers = [
        make_answer("tuned 0"), make_answer("tuned 1", sample=1), make_answer("base 0", variant="base"),
        make_answer("Tuned 1!", variant="base", sample=1), make_answer(None, variant="persona"),
    ]  # fmt: skip
    (contest,) = pair_answers(answers, rung="small")
    assert (contest.name, contest.one, contest.two) == ("tuned against base", "tuned 0", "base 0")


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_who_prefers_a_place_is_torn_and_who_knows_is_right() -> None:
    assert {row.verdict for row in judge_contests(contests(3), honest)} == {"one"}
    assert {row.verdict for row in judge_contests(contests(3), always_first)} == {"torn"}


def test_a_coin_is_right_in_both_orders_one_time_in_four() -> None:
    rng = random.Random(0)
    rows = judge_contests(contests(2000), lambda one, two: rng.choice(("A", "B")))
    assert 440 <= sum(row.verdict == "one" for row in rows) <= 560


def test_after_three_failures_in_a_row_the_judge_is_left_alone() -> None:
    asked: list[str] = []

    def fail(one: str, two: str) -> JudgePick | Failed:
        asked.append(one)
        return Failed("status 500")

    rows = judge_contests(contests(10), fail)
    assert len(asked) == 3
    assert {(row.verdict, row.reason) for row in rows} == {("failed", "status 500")}


LETTERS = (
    "A", "a", " **A**.", "Reply A", "Answer: A", "The answer is A.", "A\n\nIt sounds alike.", "Both ask.\n\nA",
    "<think>B?</think>A",
)  # fmt: skip


@pytest.mark.parametrize("text", LETTERS)
def test_a_verdict_is_a_letter_alone(text: str) -> None:
    assert read_verdict(text) == "A"


@pytest.mark.parametrize(
    "text", ["", "C", "A or B", "A reply like this one", "I cannot say.", "<think>A", "AB", "Neither."]
)
def test_anything_else_is_no_verdict(text: str) -> None:
    assert isinstance(read_verdict(text), Failed)


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "torn", "expected"), [(34, 3, 3, True), (33, 0, 7, False), (20, 0, 0, True), (17, 2, 1, True)]
)
def test_the_proof_asks_for_85_per_cent_of_all_pairs_torn_ones_too(
    right: int, wrong: int, torn: int, expected: bool
) -> None:
    proof = score_proof(judged(right, wrong, torn), rung="small")
    assert proof.value == pytest.approx(right / (right + wrong + torn))
    assert is_proved(proof) == expected


def test_too_few_pairs_prove_nothing_and_failures_are_no_pairs() -> None:
    failed = judge_contests(contests(5), lambda one, two: Failed("status 500"))
    proof = score_proof([*judged(19), *failed], rung="small")
    assert (proof.value, proof.n) == (None, 19)
    assert "status 500" in proof.reason


def test_what_an_unproved_judge_says_is_not_scored_and_the_reason_is_told() -> None:
    scores = score_judge([*judged(20, 20), *judged(9, 1, name="tuned against base")], rung="small")
    found = find(scores, "tuned against base")
    assert found.value is None
    assert "right on 50% of 40 real pairs (85% is asked)" in found.reason


def test_a_proved_judge_is_scored_by_question_over_consistent_verdicts() -> None:
    scores = score_judge([*judged(40), *judged(3, 1, 6, name="tuned against base")], rung="small")
    assert scores[0].measure == Measure.JUDGE_PROOF
    assert (find(scores, "tuned against base").value, find(scores, "tuned against base").n) == (0.75, 4)
    assert (find(scores, "tuned against persona").value, find(scores, "tuned against persona").reason) == (
        None, "no answers",
    )  # fmt: skip
