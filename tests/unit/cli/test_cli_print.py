"""What the terminal shows of scores."""

from __future__ import annotations

import json

import pytest

from econchatr.cli.running import print_scores
from econchatr.records import Score


def make_score(variant: str, value: float | None, reason: str = "") -> Score:
    return Score(
        measure="voice", rung="small", variant=variant, subject="answers", value=value, n=3, unit="", reason=reason
    )


def test_what_is_unscored_stands_last_once_for_each_reason(capsys: pytest.CaptureFixture[str]) -> None:
    unscored = [make_score(variant, None, "no words") for variant in ("base", "persona")]
    print_scores([*unscored, make_score("tuned", 0.5)], as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "small  voice  tuned  answers: 0.5000  n=3",
        "unscored: voice (answers): no words",
    ]


def test_as_json_every_score_has_its_own_reason(capsys: pytest.CaptureFixture[str]) -> None:
    print_scores([make_score("base", None, "no words"), make_score("persona", None, "no words")], as_json=True)
    assert [row["reason"] for row in json.loads(capsys.readouterr().out)] == ["no words", "no words"]
