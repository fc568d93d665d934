"""What training did to the model's surprise is said as the scores show it, and no more."""

from __future__ import annotations

import pytest

from econchatr.records import Score
from econchatr.report import ReportMaterial, render_html
from econchatr.report.sections.replies import Fall, compute_fall, tell_surprise
from tests.helpers.report_material import make_material

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


def make_scored(*scores: tuple[Score, ...]) -> ReportMaterial:
    return ReportMaterial(
        show_name="s",
        hosts=("Hester Pellow",),
        rights=None,
        version="0",
        made_on=None,
        scores=tuple(score for part in scores for score in part),
    )


def judge(*scores: tuple[Score, ...]) -> str:
    return tell_surprise(make_scored(*scores), "small")


def test_fall_is_the_difference_in_percent_of_the_base() -> None:
    fall = compute_fall(make_scored(make_bits(HOST, base=2.0, change=(-0.2, -0.3, -0.1))), "small", HOST)
    assert isinstance(fall, Fall)
    assert (round(fall.percent, 6), round(fall.low or 0, 6), round(fall.high or 0, 6)) == (10.0, 5.0, 15.0)


def test_clear_gain_is_told_with_both_intervals() -> None:
    told = judge(
        make_bits(HOST, base=2.0, change=(-0.2, -0.22, -0.18)), make_bits(GUEST, base=2.0, change=(-0.04, -0.06, -0.02))
    )
    assert told.startswith(
        "Training left small 10.0% less surprised by what Hester Pellow really said in episodes it had never seen "
        "(95% interval 9.0 to 11.0%); by the guests, 2.0% less (1.0 to 3.0%)."
    )
    assert "larger than on the guests" in told


def test_interval_that_holds_zero_is_no_clear_difference() -> None:
    told = judge(make_bits(HOST, base=2.0, change=(-0.02, -0.06, 0.02)))
    assert told.startswith("Training made no clear difference")


def test_loss_is_called_worse() -> None:
    told = judge(make_bits(HOST, base=2.0, change=(0.2, 0.1, 0.3)))
    assert "made small worse: 10.0% more surprised" in told
    assert "(95% interval 5.0 to 15.0%)" in told
    assert "rather than the show" not in told


def test_overlapping_intervals_claim_nothing_about_the_host() -> None:
    told = judge(
        make_bits(HOST, base=2.0, change=(-0.2, -0.3, -0.1)), make_bits(GUEST, base=2.0, change=(-0.15, -0.25, -0.05))
    )
    assert "does not show that the model learned Hester Pellow" in told


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (0.01, 0.05, "Training saves more on"),
        (-0.01, 0.05, "be told from nothing"),
        (-0.09, -0.05, "Training saves less on"),
    ],
)
def test_measured_difference_between_host_and_guests_decides_where_it_is_scored(
    low: float, high: float, judged: str
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
    told = judge(make_bits(HOST, base=2.0, change=(-0.2, -0.3, -0.1)), (share,))
    assert judged in told


def test_guests_who_gained_more_are_named() -> None:
    told = judge(
        make_bits(HOST, base=2.0, change=(-0.1, -0.11, -0.09)), make_bits(GUEST, base=2.0, change=(-0.3, -0.31, -0.29))
    )
    assert "The guests gained more than Hester Pellow" in told


def test_gain_without_an_interval_says_that_it_has_none() -> None:
    told = judge(make_bits(HOST, base=2.0, change=None))
    assert "10.0% less surprised" in told
    assert "without an interval" in told


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
    told = judge((unscored,))
    assert "is not known: the held-out replies are not scored (no held-out reply)" in told


def test_it_stands_on_the_page() -> None:
    assert "Training left smollm2-135m 10.0% less surprised" in render_html(make_material())
