"""Strategies compared by real fine-tunes on a tiny show: once each, kept, and shown in the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from econchatr.errors import InputError
from econchatr.pipeline import Silent, open_show
from econchatr.tables import read_lines
from econchatr.tools.compare_strategies import Plan, compare_selections, list_trials, read_plan
from tests.functional.conftest import Run

PLAN = Plan(("random",), (0.03, 0.06), n_random=1, max_replies=3)


@pytest.mark.slow
def test_trials_are_made_once_and_stand_in_the_report(
    finished_show: Path, tmp_path: Path, cache: Path, econchatr: Run
) -> None:
    folder = Path(shutil.copytree(finished_show, tmp_path / "show"))
    show = open_show(folder, cache=cache)
    first = compare_selections(show.rung(), PLAN, Silent())
    trials = read_lines(folder / "select" / "trials.jsonl")
    assert compare_selections(show.rung(), PLAN, Silent()) == first
    assert read_lines(folder / "select" / "trials.jsonl") == trials
    assert [(row.share, row.n_trials) for row in first] == [(0.03, 1), (0.06, 1)]
    assert first[0].mean_tokens < first[1].mean_tokens
    econchatr("run", folder)
    assert "Does the choice of pairs beat chance?" in (folder / "report" / "index.html").read_text()


def test_a_comparison_without_time_begins_no_trial(finished_show: Path, tmp_path: Path, cache: Path) -> None:
    folder = Path(shutil.copytree(finished_show, tmp_path / "show"))
    show, clock = open_show(folder, cache=cache), iter(range(10))
    assert compare_selections(show.rung(), PLAN, Silent(), clock=lambda: next(clock), max_seconds=0.5) == []


def test_rounds_hold_one_trial_of_each_kind() -> None:
    found = list_trials(Plan(("random", "recent", "all"), (0.1, 0.2), n_random=3, n_train_seeds=2))
    assert len(found) == 2 * 3 + 2 * 2 + 2
    assert [(one.strategy, one.share) for one in found[:5]] == [
        ("random", 0.1), ("recent", 0.1), ("all", 1.0), ("random", 0.2), ("recent", 0.2),
    ]  # fmt: skip


@pytest.mark.parametrize(("names", "shares"), [("best", "5"), ("random", "0"), ("random", "x"), ("random", "200")])
def test_a_plan_that_makes_no_sense_is_refused(names: str, shares: str) -> None:
    with pytest.raises(InputError):
        read_plan(names, shares)
