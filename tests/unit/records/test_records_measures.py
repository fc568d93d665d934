"""Measures are named in one table, and what an earlier version measured stays readable."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import econchatr
from econchatr.records import Score
from econchatr.records.measures import Measure, keep_listed
from econchatr.score.likelihood import N_CANDIDATES
from econchatr.score.raters.blind_test import N_SAMPLES
from econchatr.tables import read_table, write_table

SRC = Path(econchatr.__file__).parent
TREES = {str(path.relative_to(SRC)): ast.parse(path.read_text()) for path in SRC.rglob("*.py")}
ORDINARY_WORDS = {Measure.VOICE, Measure.COVERAGE}
"""Names that are words of the settings too: a voice, the strategy `coverage`."""


def make_score(measure: str) -> Score:
    return Score(measure=measure, rung="small", variant="tuned", subject="answers", value=0.5, n=1, unit="share")


def list_calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield path, node


def test_every_score_is_made_of_a_measure_in_the_table() -> None:
    """One function makes scores, it takes a `Measure`, and no `Measure` is made outside the table."""
    assert {path for path, _ in list_calls("Score")} == {"score/statistics.py"}
    assert not list(list_calls("Measure"))


def test_no_other_module_spells_the_name_of_a_measure() -> None:
    names = {measure.value for measure in Measure} - ORDINARY_WORDS
    spelt = [
        (path, node.lineno, node.value)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if path != "records/measures.py" and isinstance(node, ast.Constant) and node.value in names
    ]
    assert spelt == []


@pytest.mark.parametrize("measure", sorted(ORDINARY_WORDS))
def test_score_and_report_spell_no_measure_at_all(measure: Measure) -> None:
    folders = ("score/", "report/")
    nodes = (node for path, tree in TREES.items() if path.startswith(folders) for node in ast.walk(tree))
    assert not [node for node in nodes if isinstance(node, ast.Constant) and node.value == measure.value]


@pytest.mark.parametrize("measure", Measure)
def test_every_measure_says_what_it_tells(measure: Measure) -> None:
    assert measure.unit
    assert measure.sentence.endswith(".")
    assert str(measure) == measure.value == measure


def test_chance_in_the_units_is_that_of_the_measures() -> None:
    assert Measure.TRUE_REPLY.unit == f"share, chance {1 / N_CANDIDATES:.2f}"
    assert Measure.BLIND_PICKS.unit == f"share, by chance {1 / (N_SAMPLES + 1):g}"


def test_every_measure_stands_in_the_docs_as_in_the_table() -> None:
    told = (Path(__file__).parents[3] / "docs" / "measures.md").read_text().partition("## Every measure by name")[2]
    rows = [line for line in told.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{one}` | {one.unit} | {one.better} | {one.sentence} |" for one in Measure]


def test_scores_of_a_measure_that_is_gone_are_read_and_not_shown(tmp_path: Path) -> None:
    stored = [make_score("gain of the best of 3, voice"), make_score("voice"), make_score("repetition")]
    write_table(tmp_path / "scores.parquet", stored, Score)
    read = read_table(tmp_path / "scores.parquet", Score)
    assert read == stored
    assert [score.measure for score in keep_listed(read)] == ["voice"]
