"""A show's folder of version 0.1, of a newer version, or with other columns: opened, made anew, or refused in one line.

`tests/data/show-0.1` was made by version 0.1 itself; see `tests/data/make_show_0_1.py`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from econchatr.errors import ModelError, ShowFolderError
from econchatr.pipeline import Silent, list_steps, open_show, run_show, status_of
from econchatr.records import HandMark, Pair, TunedModel
from econchatr.tables import MANIFEST_NAME, hash_file, read_manifest, read_table, write_manifest
from tests.functional.conftest import Run, edit_show

MADE_BY_0_1 = Path(__file__).parents[1] / "data" / "show-0.1"
DONE_BY_0_1 = ("fetch", "parse", "pair", "select", "train/small")


@pytest.fixture
def old_show(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE_BY_0_1, tmp_path / "show"))


@pytest.fixture
def updated_show(old_show: Path) -> Path:
    """The old show after a run of this version: only its training is as version 0.1 left it."""
    run_show(open_show(old_show), Silent(), until="select")
    return old_show


def hash_folder(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): hash_file(path) for path in sorted(root.rglob("*")) if path.is_file()}


def edit_manifest(folder: Path, **values: object) -> None:
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def edit_table(path: Path, *, drop: str = "", add: str = "") -> None:
    """Change the columns of a table, and the manifest with it, as if the step had been finished so."""
    frame = pl.read_parquet(path)
    frame = frame.drop(drop) if drop else frame.with_columns(pl.lit("new").alias(add))
    frame.write_parquet(path)
    manifest = read_manifest(path.parent)
    assert manifest is not None
    outputs = {**manifest.outputs, path.name: hash_file(path)}
    write_manifest(path.parent, manifest.model_copy(update={"outputs": outputs}))


# --- of version 0.1 ---------------------------------------------------------------------------------------------------


def test_of_a_show_of_version_0_1_every_step_whose_code_is_the_same_is_done(old_show: Path) -> None:
    show = open_show(old_show)
    raised = [
        step.name for step in list_steps(show, until="train")
        if (manifest := read_manifest(step.folder)) is None or manifest.version != step.stage.version
    ]  # fmt: skip
    states = {state.name: state.why for state in status_of(show)}
    assert raised or [states[name] for name in DONE_BY_0_1] == [""] * 5
    assert states["train/small"] == "" or states["train/small"].startswith("waits for")


def test_a_training_of_version_0_1_is_kept_by_a_run(old_show: Path) -> None:
    trained = hash_folder(old_show / "train")
    assert "train/small" in run_show(open_show(old_show), Silent(), until="train").fresh
    assert hash_folder(old_show / "train") == trained


def test_a_training_of_version_0_1_is_kept_though_all_before_it_is_done_again(old_show: Path) -> None:
    for stage in ("fetch", "parse", "pair", "select"):
        (old_show / stage / MANIFEST_NAME).unlink()
    result = run_show(open_show(old_show), Silent(), until="train")
    done = ("fetch", "parse", "pair", "pair/guests", "pair/answers", "select")
    assert (result.done, result.fresh) == (done, ("train/small",))


def test_a_manifest_is_written_as_version_0_1_reads_it(old_show: Path) -> None:
    path = old_show / "train" / "small" / MANIFEST_NAME
    manifest, before = read_manifest(path.parent), path.read_bytes()
    assert manifest is not None
    write_manifest(path.parent, manifest)
    assert path.read_bytes() == before


# --- of a newer version -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "newer", "told"),
    [
        ("train/small", {"format": 2}, "it has format 2, and 1 is the newest this one knows"),
        ("pair", {"format": 2}, "it has format 2"),
        ("train/small", {"tool": "x"}, "it has the key 'tool'"),
        ("train/small", {"version": 99}, "it has version 99"),
        ("parse", {"version": 99}, "it has version 99"),
    ],
)
def test_a_newer_folder_is_refused_in_one_line_before_anything_in_it_is_changed(
    old_show: Path, econchatr: Run, stage: str, newer: dict[str, object], told: str
) -> None:
    edit_manifest(old_show / stage, **newer)
    edit_show(old_show, "[rights]", '[show.aliases]\nX = "Ottilie Brack"\n\n[rights]')
    before = hash_folder(old_show)
    done = econchatr("run", old_show, check=3)
    assert f"{old_show / stage / MANIFEST_NAME} was written by a newer version of econchatr" in done.stderr
    assert told in done.stderr
    assert "Hint: Update econchatr" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert hash_folder(old_show) == before


def test_status_says_which_step_a_newer_version_made(updated_show: Path) -> None:
    edit_manifest(updated_show / "pair", version=99)
    states = {state.name: state.why for state in status_of(open_show(updated_show))}
    assert states["pair"] == "made by a newer version of econchatr"


# --- a column more or less --------------------------------------------------------------------------------------------


def test_a_step_whose_table_lacks_a_column_is_done_again(updated_show: Path) -> None:
    before = read_table(updated_show / "pair" / "pairs.parquet", Pair)
    edit_table(updated_show / "pair" / "pairs.parquet", drop="reply")
    states = {state.name: state.why for state in status_of(open_show(updated_show))}
    assert states["pair"] == "pairs.parquet has no column 'reply'"
    result = run_show(open_show(updated_show), Silent(), until="train")
    assert "pair" in result.done
    assert "train/small" in result.fresh
    assert read_table(updated_show / "pair" / "pairs.parquet", Pair) == before


def test_a_column_more_is_left_unread_and_stays(old_show: Path) -> None:
    path = old_show / "train" / "small" / "tuned.parquet"
    before = read_table(path, TunedModel)
    edit_table(path, add="colour")
    assert "train/small" in run_show(open_show(old_show), Silent(), until="train").fresh
    assert read_table(path, TunedModel) == before
    assert "colour" in pl.read_parquet_schema(path)


def test_a_column_more_is_refused_where_the_table_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "marks.parquet"
    pl.DataFrame({"colour": ["green"]}).write_parquet(path)
    with pytest.raises(ShowFolderError, match=r"marks\.parquet has the column 'colour'") as caught:
        read_table(path, HandMark, is_rewritten=True)
    assert "Update econchatr" in caught.value.hint


# --- a finished training ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["column", "adapter gone", "table changed", "manifest damaged"])
def test_a_finished_training_that_was_damaged_is_told_and_not_thrown_away(
    old_show: Path, econchatr: Run, damage: str
) -> None:
    folder = old_show / "train" / "small"
    if damage == "column":
        edit_table(folder / "tuned.parquet", drop="dtype")
    elif damage == "adapter gone":
        (folder / "adapter_model.safetensors").unlink()
    else:
        (folder / ("tuned.parquet" if damage == "table changed" else MANIFEST_NAME)).write_bytes(b"{")
    before = hash_folder(folder)
    told = econchatr("train", old_show, check=3).stderr
    assert f"Error: {folder}: " in told
    assert "a finished training is not done again for that" in told
    assert f"move {folder} away" in told
    assert hash_folder(folder) == before


@pytest.mark.slow
def test_settings_that_ask_for_a_new_training_get_one_though_the_old_was_damaged(old_show: Path) -> None:
    """The base of this show is a model that nobody has, so a training that begins ends there."""
    (old_show / "train" / "small" / "adapter_config.json").unlink()
    edit_show(old_show, "[pair]", "[train]\nrank = 8\n\n[pair]")
    with pytest.raises(ModelError, match="nobody/no-model"):
        run_show(open_show(old_show), Silent(), until="train")


# --- hints that work --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"PAR1 nothing", None])
def test_status_says_that_the_selection_is_damaged(updated_show: Path, econchatr: Run, damage: bytes | None) -> None:
    path = updated_show / "select" / "selections.parquet"
    path.unlink() if damage is None else path.write_bytes(damage)
    told = econchatr("status", updated_show).stdout
    assert "selections.parquet is missing or was changed" in told
    assert "train/small" in told


def test_where_no_pair_is_left_the_pairs_can_be_looked_at(old_show: Path, econchatr: Run) -> None:
    for path in (old_show / "transcripts").iterdir():
        path.write_text("**Jory Pell:** Did it?\n\n**Ottilie Brack:** Yes.\n\n**Jory Pell:** Oh.\n")
    refused = econchatr("select", old_show, check=2).stderr
    assert "none of them left to train on" in refused
    assert f"econchatr pair {old_show} --show 20" in refused
    assert "dropped: " in econchatr("pair", old_show, "--show", 20).stdout
