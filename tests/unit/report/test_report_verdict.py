"""The verdict says how near, how much copied and how much made up, and no more than scores and gates show."""

from __future__ import annotations

import pytest

from econchatr.records import Gate, Score
from econchatr.report import ReportMaterial, render_html
from econchatr.report.sections.verdict import RungVerdict, give_verdicts
from tests.helpers.report_material import HOST, RUNG
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import gate, make_gates, make_proved_material, score


def judge(*scores: Score, gates: tuple[Gate, ...] = (gate("tuned"),)) -> RungVerdict:
    material = ReportMaterial(
        show_name="s", hosts=(HOST,), rights=None, version="0", made_on=None, scores=scores, gates=gates
    )
    return give_verdicts(material)[0]


def tell(verdict: RungVerdict, title: str) -> str:
    return dict(verdict.points).get(title, "")


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (0.74, 0.6, 0.9, "stands 74% of the way from how the guests talk to how Hester Pellow talks"),
        (0.9, 0.7, 1.1, "In its way of talking smollm2-135m comes as near to Hester Pellow as this measure can tell"),
        (0.8, 0.2, 1.4, "talks more like Hester Pellow than the guests do, but how near it comes is not sure"),
        (0.4, -0.3, 1.2, "The answers are too few to say"),
        (0.1, -0.2, 0.4, "not shown that smollm2-135m talks any more like Hester Pellow than the guests do"),
        (1.6, 1.2, 2.0, "overdoes Hester Pellow"),
    ],
)
def test_nearness_is_told_by_the_interval(value: float, low: float, high: float, told: str) -> None:
    verdict = judge(score("voice", "tuned", value, low, high))
    assert told in verdict.sentence
    assert f"95% interval {low:.2f} to {high:.2f}".replace("-", "\N{MINUS SIGN}") in verdict.sentence


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        ((gate("tuned", "repetition", "fails"),), "cannot be said: it repeats itself."),
        ((gate("tuned"), gate("tuned", "length", "unscored", value=None)), "not checked for answers of another length"),
        ((), "nobody checked whether a trick produced it"),
        ((gate("base"),), "nobody checked whether a trick produced it"),
    ],
)
def test_voice_behind_a_closed_gate_is_no_nearness(gates: tuple[Gate, ...], told: str) -> None:
    verdict = judge(score("voice", "tuned", 0.97, 0.9, 1.04), gates=gates)
    assert verdict.is_greyed
    assert told in verdict.sentence
    assert "0.97" not in verdict.sentence
    assert "Its Voice of 0.97 is greyed out" in tell(verdict, "Greyed out")


def test_gate_in_doubt_is_told_and_greys_nothing() -> None:
    verdict = judge(score("voice", "tuned", 0.9, 0.7, 1.1), gates=(gate("tuned", "length", "in doubt"),))
    assert not verdict.is_greyed
    assert verdict.sentence.endswith("; in doubt: length.")
    assert tell(verdict, "In doubt").startswith("Length is past its limit, but by less than chance can bring")


def test_unscored_voice_gives_its_reason() -> None:
    verdict = judge(score("voice", "tuned", None, n=0, reason="fewer than two held-out episodes"))
    assert verdict.sentence.endswith("is not known: fewer than two held-out episodes.")


def test_what_training_brought_is_not_claimed_where_the_interval_holds_zero() -> None:
    voice = score("voice", "tuned", 0.7, 0.6, 0.8)
    nearer = score("voice, closer to the host by", "tuned minus base", 0.4, 0.2, 0.6)
    unsure = score("voice, closer to the host by", "tuned minus persona", 0.2, -0.1, 0.5)
    told = tell(judge(voice, nearer, unsure), "Training")
    assert "Nearer to the host than the untrained model (0.40 nearer; 95% interval 0.20 to 0.60)." in told
    assert "Not shown to be nearer than a prompt that describes the host" in told


def test_greyed_out_voice_brings_no_claim_about_training() -> None:
    nearer = score("voice, closer to the host by", "tuned minus base", 0.4, 0.2, 0.6)
    verdict = judge(score("voice", "tuned", 0.7, 0.6, 0.8), nearer, gates=(gate("tuned", outcome="fails"),))
    assert tell(verdict, "Training") == ""


def test_copying_stands_beside_the_hosts_own() -> None:
    scores = [score("copied words", "tuned", 0.031), score("copied words", "host", 0.02, rung="other")]
    told = tell(judge(*scores, score("longest copied run", "tuned", 12.0)), "Copied")
    assert told.startswith("3.1% of its words")
    assert "new episodes: 2.0%" in told
    assert "12 words" in told


def test_made_up_rate_stands_with_what_it_could_and_could_not_know() -> None:
    told = tell(give_verdicts(make_proved_material())[0], "Made up")
    assert told == (
        "Asked for names of the show, it got 60% (40% to 80%, n = 40) wrong of those it gave. Where it could not know, "
        "it named somebody 70% of the time. Where it could, it was right 25% of the time."
    )


def test_a_failing_gate_greys_the_page() -> None:
    material = make_proved_material().model_copy(update={"gates": make_gates({"tuned": "repetition"})})
    page = render_html(material)
    assert f"How near {RUNG} comes to {HOST} cannot be said: it repeats itself." in PageReader(page).text
    assert '<p class="sentence greyed">' in page
