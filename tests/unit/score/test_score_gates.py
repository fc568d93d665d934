"""Each gate's limit and value, recomputed by hand from counts."""

from __future__ import annotations

from statistics import median

import pytest

from econchatr.score.gates import judge_copying, judge_length, judge_repetition, judge_topic
from econchatr.score.length_and_repetition import measure_host, measure_length, measure_repetition
from econchatr.score.quoting.copying import index_speech, measure_copying
from econchatr.score.speech import Said
from econchatr.score.topic import measure_topic
from tests.helpers.make_records import make_pair
from tests.unit.score.test_score_nearest import demo_subjects

SPEECH = [make_pair(0, reply=" ".join(f"w{n}" for n in range(40)))]


def said(*texts: str) -> list[Said]:
    return [Said("Why?", text, f"q{n}") for n, text in enumerate(texts)]


def words(prefix: str, n: int) -> str:
    return " ".join(f"{prefix}{place}" for place in range(n))


def test_copying_is_compared_with_twice_the_hosts_share() -> None:
    """Of the host's 30 words 9 stand in training speech, of the row's 20 words 12: 0.6 against a limit of 0.6."""
    index = index_speech(SPEECH)
    host = measure_copying(said(words("w", 9) + " " + words("x", 21)), index)
    row = measure_copying(said(words("w", 12) + " " + words("y", 8)), index)
    ruling = judge_copying(row, host)
    assert (ruling.value, ruling.limit) == pytest.approx((12 / 20, 2 * 9 / 30), abs=1e-6)
    assert ruling.outcome == "passes"
    more = measure_copying(said(words("w", 13) + " " + words("y", 7)), index)
    assert judge_copying(more, host).outcome == "fails", "one group has no interval to doubt by"


def test_repetition_is_compared_with_three_times_the_hosts_at_as_many_words() -> None:
    """a b c d a b c d e f: seven sequences of four, six different; the host, at ten words, repeats the same."""
    text = "a b c d a b c d e f"
    row, host = measure_repetition(said(text)), measure_host([text], 10)
    ruling = judge_repetition(row, host, n=1)
    assert (ruling.value, ruling.limit) == pytest.approx((1 / 7, 3 / 7), abs=1e-6)
    assert ruling.outcome == "passes"
    assert judge_repetition(row, 0.04, n=1).outcome == "fails"


def test_topic_is_compared_with_four_fifths_of_the_hosts() -> None:
    """Two cues: one of the host's two replies matches its own, the other matches neither and gets a half."""
    cues = ("Who counted marmalade?", "Which lighthouse leans?")
    host = [Said(cues[0], "Marmalade, mostly.", "a"), Said(cues[1], "Nobody knows.", "b")]
    row = [Said(cues[0], "The lighthouse leans.", "a"), Said(cues[1], "The lighthouse leans.", "b")]
    ruling = judge_topic(*(measure_topic(ones, demo_subjects()) for ones in (row, host)))
    assert (ruling.value, ruling.limit) == pytest.approx((1 / 2, 0.8 * 3 / 4), abs=1e-6)
    assert ruling.outcome in ("in doubt", "fails")


@pytest.mark.parametrize(("n_words", "outcome"), [(3, "fails"), (4, "passes"), (16, "passes"), (17, "fails")])
def test_length_passes_between_half_and_twice_the_hosts(n_words: int, outcome: str) -> None:
    host = measure_length(said(words("a", 6), words("a", 8), words("a", 30)))
    row = measure_length([Said("Why?", words("b", n_words), "only")])
    ruling = judge_length(row, host)
    assert ruling.value == pytest.approx(n_words / median((6, 8, 30)), abs=1e-6)
    assert ruling.outcome == outcome
