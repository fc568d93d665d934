"""The verdict says what the scores show, and no more."""

from __future__ import annotations

import pytest

from econchatr.records import Score
from econchatr.report import ReportMaterial, render_html
from econchatr.report.scorebook import Fall, compute_fall
from econchatr.report.verdict import Verdict, give_verdicts
from tests.unit.report_material import make_material

HOST, GUEST = "host replies (test)", "guest replies (test)"


def make_bits(subject: str, *, base: float, change: tuple[float, float, float] | None) -> tuple[Score, ...]:
    def make(variant: str, value: float, low: float | None = None, high: float | None = None) -> Score:
        return Score(
            measure="bits per byte",
            rung="small",
            variant=variant,
            subject=subject,
            value=value,
            low=low,
            high=high,
            n=9,
            unit="bits per byte",
        )

    if change is None:
        return make("base", base), make("tuned", base * 0.9)
    return make("base", base), make("tuned", base + change[0]), make("tuned minus base", *change)


def judge(*scores: tuple[Score, ...]) -> Verdict:
    material = ReportMaterial(
        show_name="s",
        hosts=("Hester Pellow",),
        rights=None,
        version="0",
        made_on=None,
        scores=tuple(score for part in scores for score in part),
    )
    return give_verdicts(material)[0]


def test_fall_is_the_difference_in_percent_of_the_base() -> None:
    fall = compute_fall(make_bits(HOST, base=2.0, change=(-0.2, -0.3, -0.1)), rung="small", subject=HOST)
    assert isinstance(fall, Fall)
    assert (round(fall.percent, 6), round(fall.low or 0, 6), round(fall.high or 0, 6)) == (10.0, 5.0, 15.0)


def test_clear_gain_is_told_with_both_intervals() -> None:
    verdict = judge(
        make_bits(HOST, base=2.0, change=(-0.2, -0.22, -0.18)), make_bits(GUEST, base=2.0, change=(-0.04, -0.06, -0.02))
    )
    assert verdict.sentence == (
        "Training left small 10.0% less surprised by what Hester Pellow really said in episodes it had never seen "
        "(95% interval 9.0 to 11.0%); by the guests, 2.0% less (1.0 to 3.0%)."
    )
    assert "larger than on the guests" in verdict.remarks[0]


def test_interval_that_holds_zero_is_no_clear_difference() -> None:
    verdict = judge(make_bits(HOST, base=2.0, change=(-0.02, -0.06, 0.02)))
    assert verdict.sentence.startswith("Training made no clear difference")


def test_loss_is_called_worse() -> None:
    verdict = judge(make_bits(HOST, base=2.0, change=(0.2, 0.1, 0.3)))
    assert "made small worse: 10.0% more surprised" in verdict.sentence
    assert "(95% interval 5.0 to 15.0%)" in verdict.sentence
    assert verdict.remarks == ()


def test_overlapping_intervals_claim_nothing_about_the_host() -> None:
    verdict = judge(
        make_bits(HOST, base=2.0, change=(-0.2, -0.3, -0.1)), make_bits(GUEST, base=2.0, change=(-0.15, -0.25, -0.05))
    )
    assert "does not show that the model learned Hester Pellow" in verdict.remarks[0]


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.01, 0.05, "Training saves more on"),
        (-0.01, 0.05, "be told from nothing"),
        (-0.09, -0.05, "Training saves less on"),
    ],
)
def test_measured_difference_between_host_and_guests_decides_where_it_is_scored(
    low: float, high: float, told: str
) -> None:
    share = Score(
        measure="host bits saved",
        rung="small",
        variant="tuned minus base",
        subject="host minus guest (test)",
        value=(low + high) / 2,
        low=low,
        high=high,
        n=9,
        unit="bits",
    )
    verdict = judge(make_bits(HOST, base=2.0, change=(-0.2, -0.3, -0.1)), (share,))
    assert told in verdict.remarks[0]


def test_guests_who_gained_more_are_named() -> None:
    verdict = judge(
        make_bits(HOST, base=2.0, change=(-0.1, -0.11, -0.09)), make_bits(GUEST, base=2.0, change=(-0.3, -0.31, -0.29))
    )
    assert verdict.remarks[0].startswith("The guests gained more than Hester Pellow")


def test_gain_without_an_interval_says_that_it_has_none() -> None:
    verdict = judge(make_bits(HOST, base=2.0, change=None))
    assert "10.0% less surprised" in verdict.sentence
    assert "without an interval" in verdict.sentence


def test_unscored_bits_give_the_reason_in_the_verdict() -> None:
    unscored = Score(
        measure="bits per byte",
        rung="small",
        variant="base",
        subject=HOST,
        value=None,
        n=0,
        unit="",
        reason="no held-out reply",
    )
    verdict = judge((unscored,))
    assert "is not known: the held-out replies are not scored (no held-out reply)" in verdict.sentence
    assert verdict.figures[0].value == "not scored"


def test_host_reference_stands_under_any_rung() -> None:
    material = make_material()
    moved = tuple(
        score.model_copy(update={"rung": ""}) if score.variant == "host" else score for score in material.scores
    )
    verdicts = give_verdicts(material.model_copy(update={"scores": moved}))
    assert [verdict.rung for verdict in verdicts] == ["smollm2-135m"]
    assert "Hester Pellow 47" in verdicts[0].figures[1].context


def test_verdict_stands_on_the_page() -> None:
    assert "Training left smollm2-135m 10.0% less surprised" in render_html(make_material())
