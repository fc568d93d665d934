"""What is done on a node: no error leaves it but in the result, and nothing is done behind one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from econchatr.errors import InputError, MissingExtraError, ShowFolderError
from econchatr.pipeline import Silent
from econchatr.shows import ray_tasks
from econchatr.shows.outcomes import NamedNarrator, foresee_nothing
from econchatr.shows.ray_tasks import (
    Notebook,
    PartResult,
    ShowPart,
    _train_here,
    do_part,
    prepare_row,
    tell_again,
)
from econchatr.train.team import Team, TeammateLostError


def test_an_error_comes_back_as_a_result_and_not_as_an_exception(tmp_path: Path) -> None:
    result = do_part(ShowPart(str(tmp_path / "none"), ("fetch",)))
    assert isinstance(result.error, ShowFolderError)
    assert result.done == ()


def test_nothing_is_done_behind_a_step_that_failed(tmp_path: Path) -> None:
    before = PartResult("node", 1.0, error=InputError("wrong"))
    assert do_part(ShowPart(str(tmp_path / "none"), ("ask/tiny",)), before).error is None


def test_a_row_of_a_data_set_keeps_its_number(tmp_path: Path) -> None:
    row = prepare_row({"n": 3, "part": pickle.dumps(ShowPart(str(tmp_path), ("fetch",)))})
    assert row["n"] == 3
    assert isinstance(pickle.loads(row["result"]).error, ShowFolderError)


def test_an_error_crosses_to_another_process_with_its_hint() -> None:
    sent = MissingExtraError("no torch", extra="local")
    assert pickle.loads(pickle.dumps(sent)).hint == sent.hint


def test_what_was_told_on_a_node_is_told_again_with_the_show_before_it() -> None:
    notebook, heard = Notebook(), Notebook()
    notebook.begin("parse", "not done yet")
    notebook.end("parse", {"turns": 3}, 0.5)
    tell_again(notebook.told, NamedNarrator(heard, "a"))
    assert [one.values[0] for one in heard.told] == ["a: parse", "a: parse"]


def test_what_nobody_foresaw_tells_its_place_in_the_code() -> None:
    try:
        NamedNarrator(Silent(), "a").nothing  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError as exc:
        error = foresee_nothing(exc)
    assert "AttributeError in test_ray_tasks.py, line" in error.message


# --- one worker of several --------------------------------------------------------------------------------------------


def work(root: Path, rank: int, monkeypatch: pytest.MonkeyPatch, fault: Exception | None = None) -> PartResult | None:
    """What a worker of two gives, whose part ends in this error or well; `None`: the first worker's result counts."""

    def end(*_: Any) -> PartResult:
        if fault:
            raise fault
        return PartResult("node", 1.0, done=("train/tiny",))

    monkeypatch.setattr(ray_tasks, "find_team", lambda: Team(rank, 2))
    monkeypatch.setattr(ray_tasks, "do_part", end)
    if fault is None:
        monkeypatch.setattr(ray_tasks, "_help", end)
    part = pickle.dumps(ShowPart(str(root / "none"), ("train/tiny",)))
    given = _train_here({"part": part, "storage": str(root)})
    return pickle.loads(given) if given else None


def test_the_first_workers_result_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert work(tmp_path, 1, monkeypatch) is None
    result = work(tmp_path, 0, monkeypatch)
    assert result is not None
    assert result.done == ("train/tiny",)


def test_where_a_worker_failed_its_error_is_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = TeammateLostError("connection closed")
    assert work(tmp_path, 1, monkeypatch, fault=lost) is None  # its own show is not there
    result = work(tmp_path, 0, monkeypatch, fault=lost)
    assert result is not None
    assert isinstance(result.error, ShowFolderError)


def test_where_a_worker_died_without_a_word_ray_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeammateLostError):
        work(tmp_path, 0, monkeypatch, fault=TeammateLostError("connection closed"))
