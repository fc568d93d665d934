"""What is done on a node: no error leaves it but in the result, and nothing is done behind one."""

from __future__ import annotations

import pickle
from pathlib import Path

from econchatr.errors import InputError, MissingExtraError, ShowFolderError
from econchatr.pipeline import Silent
from econchatr.shows.outcomes import NamedNarrator, foresee_nothing
from econchatr.shows.ray_tasks import Notebook, PartResult, ShowPart, do_part, prepare_row, tell_again


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
