"""The table that `econchatr score` prints: few lines, and never wider than a terminal."""

from __future__ import annotations

import pytest

from econchatr.cli.score_summary import sum_up_scores
from econchatr.records.measures import Measure
from tests.helpers.report_material import RUNG
from tests.helpers.report_proof_material import gate, make_gates, make_proof_scores, score


def test_the_table_of_the_made_up_show_has_at_most_20_lines_of_80_characters() -> None:
    lines = sum_up_scores(make_proof_scores(), make_gates({"tuned": "repetition"}))
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:2] == [RUNG, "before"]
    assert lines[1].split() == ["gates", "all", "pass", "fails", "repetition", "all", "pass"]
    assert "voice: 1 is the host     0.26 (0.15 to 0.36)   0.74 (0.61 to 0.87)   0.98" in lines
    assert lines[-1] == "`--all` gives everything: n, the other rows, 1 unscored with the reason."


@pytest.mark.parametrize("n_rungs", [1, 2, 4, 9])
def test_every_measure_of_many_models_still_has_at_most_20_lines(n_rungs: int) -> None:
    variants = ("base", "tuned", "host", "tuned minus base", "tuned against base")
    scores = [
        score(measure.value, variant, 0.5, 0.25, 0.75, rung=f"rung-{n}", subject=subject)
        for n in range(n_rungs)
        for measure in Measure
        for variant in variants
        for subject in ("answers", "closed questions", "host replies (test)")
    ]
    lines = sum_up_scores(scores, [gate("tuned", rung=f"rung-{n}") for n in range(n_rungs)])
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert f"{n_rungs - 6} more models" in lines[-1] or n_rungs <= 6


def test_a_name_that_is_long_or_hostile_keeps_to_its_column() -> None:
    lines = sum_up_scores([score("voice", "base", 0.5, rung="x\x1b[31m\n" * 20)], [])
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) <= 80


def test_a_measure_nobody_took_has_no_line() -> None:
    lines = sum_up_scores([score("voice", "base", None), score("copied words", "base", 0.02)], [])
    assert [line.split("  ")[0] for line in lines[:-1]] == [RUNG, "copied words"]


def test_host_bits_saved_on_all_speech_and_on_statements_are_two_lines() -> None:
    subjects = {"host minus guest (test)": 0.05, "host minus guest, statements (test)": 0.04}
    scores = [score("host bits saved", "tuned minus base", value, subject=name) for name, value in subjects.items()]
    lines = sum_up_scores(scores, [])
    assert [line.split() for line in lines[1:3]] == [
        ["host", "bits", "saved", "0.050"],
        ["...", "on", "statements", "0.040"],
    ]


def test_a_gate_in_doubt_is_not_told_as_passed() -> None:
    lines = sum_up_scores([score("voice", "tuned", 1.0)], [gate("tuned", outcome="in doubt")])
    assert lines[1].split() == ["gates", "in", "doubt:", "copying"]
