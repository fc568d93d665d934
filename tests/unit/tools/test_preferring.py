from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import InputError
from econchatr.pipeline import Show, Silent
from econchatr.records import JudgedSample, Ranking, Verdict
from econchatr.records.measures import BEFORE_PREFERENCES, PREFERRED
from econchatr.score.gates import BitsChange, Ruling, decide_keeping, list_lost_gates, share_agreeing
from econchatr.score.rows import Yardstick, make_yardstick, measure_row
from econchatr.score.speech import Said
from econchatr.tools.preference_round import RoundRows, list_round
from econchatr.tools.rankings import (
    MIN_JUDGEMENTS,
    Preference,
    RankedText,
    gather_judgements,
    is_kept_out,
    judge_by_majority,
    part_preferences,
    prefer_by_majority,
    save_judgement,
)
from tests.helpers.show_material import demo_show
from tests.unit.tools.test_rankings import ranking, show, verdict

__all__ = ["show"]  # a fixture

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def texts(rows: list[Preference]) -> list[tuple[str, str]]:
    return [(row.better.text, row.worse.text) for row in rows]


def test_an_order_of_three_says_three_things() -> None:
    assert texts(prefer_by_majority([ranking("a", "b", "c")])) == [("a", "b"), ("a", "c"), ("b", "c")]


def test_the_majority_decides_and_a_draw_counts_for_nothing() -> None:
    rows = [ranking("a", "b", scorer="x"), ranking("a", "b", scorer="y"), ranking("b", "a", scorer="z")]
    assert texts(prefer_by_majority(rows)) == [("a", "b")]
    assert prefer_by_majority(rows[1:]) == []


@given(st.lists(st.permutations("abcd"), min_size=1, max_size=5))
def test_nothing_is_better_and_worse_than_the_same(orders: list[list[str]]) -> None:
    found = texts(prefer_by_majority([ranking(*order, scorer=f"s{n}") for n, order in enumerate(orders)]))
    assert not {(worse, better) for better, worse in found} & set(found)


def test_what_one_person_calls_right_stands_above_what_they_call_wrong() -> None:
    said = [verdict("good", is_right=True), verdict("bad", is_right=False)]
    assert texts(prefer_by_majority([], said)) == [("good", "bad")]
    other = said[1].model_copy(update={"scorer": "bo"})
    assert prefer_by_majority([], [said[0], other]) == []


def test_verdicts_go_by_the_majority_too() -> None:
    rows = [verdict("a", is_right=True), verdict("a", is_right=False), verdict("b", is_right=False)]
    assert [(row.reply.text, row.is_right) for row in judge_by_majority(rows)] == [("b", False)]


def test_whole_questions_are_kept_out_and_always_the_same() -> None:
    rows = [
        Preference(f"question {n}", RankedText("a", True), RankedText("b", True)) for n in range(60) for _ in range(2)
    ]
    made = part_preferences("rankings", rows, 1)
    assert made.n_rows + made.n_kept_out == 120
    assert 0 < made.n_kept_out < 60
    assert not {row.question for row in made.preferences} & {row.question for row in made.kept_out_preferences}
    assert all(is_kept_out(row.question) for row in made.kept_out_preferences)


def test_few_preferences_are_all_learned_from() -> None:
    rows = [Preference(f"question {n}", RankedText("a", True), RankedText("b", True)) for n in range(MIN_JUDGEMENTS)]
    assert part_preferences("rankings", rows, 1).n_rows == MIN_JUDGEMENTS


def test_too_few_rankings_are_refused_before_anything_is_opened(show: Show) -> None:
    save_judgement(show, ranking("a", "b"))
    with pytest.raises(InputError, match="1 preferences are too few"):
        gather_judgements(show.rung(), Silent())


@pytest.mark.parametrize(
    ("bits", "lost", "is_kept"),
    [
        (BitsChange(3.0, 2.0, 1.9, -0.2, 0.0), (), True),
        (BitsChange(3.0, 2.0, 2.03, -0.01, 0.07), (), True),
        (BitsChange(3.0, 2.0, 2.03, 0.01, 0.05), (), False),
        (BitsChange(3.0, 2.0, 2.009, 0.008, 0.01), (), True),
        (BitsChange(3.0, 2.0, 2.03, None, None), (), False),
        (BitsChange(3.0, 2.0, 2.2, -0.1, 0.5), (), False),
        (BitsChange(3.0, 2.0, 2.001, None, None), (), True),
        (BitsChange(3.0, 2.0, 2.0, None, None), (), True),
        (BitsChange(2.0, 2.1, 2.11, -0.1, 0.1), (), False),
        (BitsChange(3.0, 2.0, 1.0, -1.1, -0.9), ("copying",), False),
        (None, (), False),
    ],
)
def test_a_round_is_kept_only_if_it_costs_nothing(
    bits: BitsChange | None, lost: tuple[str, ...], is_kept: bool
) -> None:
    kept, reason = decide_keeping(bits, lost)
    assert kept is is_kept
    assert reason.endswith(".")


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    return make_yardstick(demo_show().host, demo_show().guest)


def judge(said: list[Said], yardstick: Yardstick) -> tuple[Ruling, ...]:
    return measure_row(said, yardstick).rulings


def test_a_model_that_begins_to_copy_loses_its_gate(yardstick: Yardstick) -> None:
    pairs = demo_show().host
    fresh = [Said(pair.cue, pair.reply, pair.slug) for pair in pairs if pair.split == "dev"]
    copied = [Said(pair.cue, pair.reply, pair.slug) for pair in pairs if pair.split == "train"][: len(fresh)]
    assert "copying" in list_lost_gates(judge(fresh, yardstick), judge(copied, yardstick))
    assert list_lost_gates(judge(fresh, yardstick), judge(fresh, yardstick)) == ()


def test_a_gate_that_was_lost_before_is_not_lost_again(yardstick: Yardstick) -> None:
    silent = judge([], yardstick)
    loud = judge([Said("Why?", "word " * 400, "q", n) for n in range(4)], yardstick)
    assert list_lost_gates(loud, loud) == list_lost_gates(silent, loud) == ()


def test_the_gate_on_the_question_decides_nothing(yardstick: Yardstick) -> None:
    pairs = [pair for pair in demo_show().host if pair.split == "dev"]
    own = [Said(pair.cue, pair.reply, pair.pair_id) for pair in pairs]
    swapped = [
        Said(pair.cue, other.reply, pair.pair_id) for pair, other in zip(pairs, pairs[5:] + pairs[:5], strict=True)
    ]
    before, after = judge(own, yardstick), judge(swapped, yardstick)
    outcomes = {now.gate: (then.outcome, now.outcome) for then, now in zip(before, after, strict=True)}
    assert outcomes["on the question"] == ("passes", "fails")
    assert list_lost_gates(before, after) == ()


def test_the_report_shows_the_rulings_that_the_decision_goes_by(yardstick: Yardstick, show: Show) -> None:
    """Sixty words of training speech in each answer: the report's gate fails, and the round is lost for it."""
    pairs = demo_show().host
    fresh = [Said(pair.cue, pair.reply, pair.slug) for pair in pairs if pair.split == "dev"]
    stock = next(pair.reply for pair in pairs if pair.split == "train" and len(pair.reply.split()) >= 60)
    measured = RoundRows(
        yardstick, measure_row(fresh, yardstick), measure_row([one._replace(text=stock) for one in fresh], yardstick)
    )
    _, gates = list_round(measured, show.rung())
    shown = {(gate.variant, gate.gate): gate.outcome for gate in gates}
    for gate in list_lost_gates(measured.before.rulings, measured.after.rulings):
        assert shown[BEFORE_PREFERENCES, gate] in ("passes", "in doubt")
        assert shown[PREFERRED, gate] == "fails"
    assert shown[PREFERRED, "copying"] == "fails"


def test_agreement_is_a_share_and_nothing_is_none() -> None:
    assert share_agreeing([1.0, -1.0, 0.0, 2.0]) == 0.5
    assert share_agreeing([]) is None


def test_a_cut_off_answer_says_so() -> None:
    sample = JudgedSample(text="And so we", rung="s", variant="tuned", model_sha256="", seed=1, is_whole=False)
    other = sample.model_copy(update={"text": "No.", "text_sha256": "1" * 64, "is_whole": True})
    order = Ranking(scorer="ada", judged_at=NOON, question="Why?", samples=(sample, other))
    (row,) = prefer_by_majority([order])
    assert (row.better.is_whole, row.worse.is_whole) == (False, True)


def test_later_verdicts_of_others_are_their_own() -> None:
    one = verdict("a", is_right=True)
    two = Verdict.model_validate(one.model_dump() | {"scorer": "bo", "judged_at": NOON + timedelta(days=1)})
    assert [row.is_right for row in judge_by_majority([one, two])] == [True]
