from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from econchatr.errors import ShowFolderError
from econchatr.records import Answer, Episode, Example, Message, Pair, SourceFile
from econchatr.tables import (
    find_newer,
    find_staleness,
    find_table_fault,
    finish_stage,
    hash_file,
    hash_settings,
    lock_folder,
    outputs_sha256,
    read_table,
    replace_path,
    write_bytes,
    write_table,
)
from tests.helpers.make_records import make_answer, make_episode, make_pair

TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_a_table_gives_back_the_records_it_was_given(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    pairs = [make_pair(n, cue=cue, reply=reply) for n, (cue, reply) in enumerate(rows)]
    write_table(tmp_path / "pairs.parquet", pairs, Pair)
    assert read_table(tmp_path / "pairs.parquet", Pair) == pairs


def test_nested_records_and_missing_values_survive_a_table(tmp_path: Path) -> None:
    answers = [make_answer("Who counted?"), make_answer(None)]
    write_table(tmp_path / "answers.parquet", answers, Answer)
    assert read_table(tmp_path / "answers.parquet", Answer) == answers


def test_lists_inside_records_survive_a_table(tmp_path: Path) -> None:
    example = Example(
        pair_id="a#1", rung="small", split="train", messages=(Message(role="user", content="Hm"),), n_billed_tokens=3,
        n_learned_tokens=1,
    )  # fmt: skip
    episodes = [make_episode(unplaced=("a line", "another"))]
    write_table(tmp_path / "examples.parquet", [example], Example)
    write_table(tmp_path / "episodes.parquet", episodes, Episode)
    assert read_table(tmp_path / "examples.parquet", Example) == [example]
    assert read_table(tmp_path / "episodes.parquet", Episode) == episodes


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_table(tmp_path / name, [make_pair(1), make_pair(2)], Pair)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "answers.parquet", [], Answer)
    assert read_table(tmp_path / "answers.parquet", Answer) == []


def test_a_broken_table_is_our_error_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "pairs.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(ShowFolderError, match=r"pairs\.parquet") as caught:
        read_table(tmp_path / "pairs.parquet", Pair)
    assert "run again" in caught.value.hint


def test_a_table_of_another_record_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "pairs.parquet", [make_pair()], Pair)
    with pytest.raises(ShowFolderError):
        read_table(tmp_path / "pairs.parquet", Answer)


def finish(folder: Path, **more: object) -> None:
    arguments = {"version": 1, "settings_sha256": "s", "inputs": {"a": "1"}} | more
    finish_stage(folder, stage="pair", outputs=["out"], counts={}, seconds=0, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({}, ""),
        ({"version": 2}, "made by another version"),
        ({"settings_sha256": "t"}, "settings changed"),
        ({"inputs": {"a": "2"}}, "a changed"),
        ({"inputs": {"a": "1", "b": "1"}}, "b changed"),
    ],
)
def test_a_stage_is_stale_when_what_made_it_differs(tmp_path: Path, now: dict[str, object], why: str) -> None:
    write_bytes(tmp_path / "out", b"x")
    finish(tmp_path)
    arguments = {"version": 1, "settings_sha256": "s", "inputs": {"a": "1"}} | now
    assert find_staleness(tmp_path, **arguments) == why  # type: ignore[arg-type]


def test_a_stage_without_manifest_or_with_changed_output_is_stale(tmp_path: Path) -> None:
    same = {"version": 1, "settings_sha256": "s", "inputs": {"a": "1"}}
    assert find_staleness(tmp_path, **same) == "not done yet"  # type: ignore[arg-type]
    write_bytes(tmp_path / "out", b"x")
    finish(tmp_path)
    (tmp_path / "out").write_bytes(b"y")
    assert find_staleness(tmp_path, **same) == "out is missing or was changed"  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"other": 1}', b"[" * 200_000])
def test_a_damaged_manifest_is_told_as_damage_and_not_as_newer(tmp_path: Path, data: bytes) -> None:
    write_bytes(tmp_path / "manifest.json", data)
    assert find_newer(tmp_path, version=1) == ""
    assert find_staleness(tmp_path, version=1, settings_sha256="s", inputs={}) == "manifest.json is damaged"


def test_a_column_that_is_missing_gets_the_default_of_the_record(tmp_path: Path) -> None:
    file = SourceFile(location="a.md", sha256="0", n_bytes=1)
    write_table(tmp_path / "files.parquet", [file], SourceFile)
    pl.read_parquet(tmp_path / "files.parquet").drop("title", "hosts").write_parquet(tmp_path / "files.parquet")
    assert read_table(tmp_path / "files.parquet", SourceFile) == [file]


def test_a_column_that_is_missing_and_has_no_default_is_named(tmp_path: Path) -> None:
    write_table(tmp_path / "pairs.parquet", [make_pair()], Pair)
    pl.read_parquet(tmp_path / "pairs.parquet").drop("reply").write_parquet(tmp_path / "pairs.parquet")
    with pytest.raises(ShowFolderError, match=r"pairs\.parquet has no column 'reply'"):
        read_table(tmp_path / "pairs.parquet", Pair)
    assert find_table_fault(tmp_path / "pairs.parquet", Pair) == "pairs.parquet has no column 'reply'"


def test_outputs_hash_depends_on_outputs_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_bytes(tmp_path / name / "out", b"x")
        finish(tmp_path / name, inputs={"a": name})
    assert outputs_sha256(tmp_path / "one") == outputs_sha256(tmp_path / "two") != ""


def test_settings_hash_ignores_the_order_of_keys() -> None:
    assert hash_settings({"a": 1, "b": 2}) == hash_settings({"b": 2, "a": 1}) != hash_settings({"a": 2, "b": 1})


@pytest.mark.parametrize("write", ["write_bytes(path, b'x' * 5000)", "write_table(path, rows, Failure)"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, write: str) -> None:
    """A process that may write 1,000 bytes only stands for a full disk."""
    write_bytes(tmp_path / "file", b"old")
    program = (
        "import random\nfrom econchatr.records import Failure\nfrom econchatr.tables import write_table\n"
        "text = ''.join(chr(random.randrange(32, 1000)) for _ in range(9000))\n"
        "rows = [Failure(stage='s', item='i', error='e', message=text)]\n"
        "import resource, sys; from pathlib import Path; from econchatr.tables import write_bytes\n"
        "from econchatr.errors import ShowFolderError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "path = Path(sys.argv[1]) / 'file'\n"
        f"try: {write}\n"
        "except ShowFolderError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_held_by_one_run_at_a_time(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        program = (
            "import sys; from pathlib import Path; from econchatr.tables import lock_folder\n"
            "with lock_folder(Path(sys.argv[1])): pass"
        )
        other = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert "another run is working" in other.stderr
    with lock_folder(tmp_path):
        pass


def test_file_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert hash_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_files_are_flushed_through_handles_that_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to flush a handle that was opened for reading only."""
    import fcntl

    from econchatr.models.files.weights import _make_folder

    def flush(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "fsync", flush)
    with replace_path(tmp_path / "one") as beside:
        beside.write_bytes(b"1")
    _make_folder(tmp_path / "folder", lambda folder: (folder / "converted.json").write_text("{}"))
    assert (tmp_path / "folder" / "converted.json").is_file()
