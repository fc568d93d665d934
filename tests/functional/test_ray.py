"""`econchatr run` over a folder of shows, here and on a real Ray cluster of several nodes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars
import pytest

from tests.functional.conftest import Run, edit_show, write_tiny_show
from tests.helpers.ray_cluster_of_nodes import TOKEN, RayNodes, run_nodes, surround

pytest.importorskip("ray")

_TIMED = ("manifest.json", "generations.jsonl", "index.html", "report.md", ".lock")
"""Files that hold times: the report says how long the training took."""


def write_micro_show(root: Path) -> Path:
    """The tiny show with one question, two steps and as little measured as may be."""
    write_tiny_show(root)
    edit_show(root, "max_tokens = 1200", "max_tokens = 500")
    edit_show(root, "max_dev_tokens = 300", "max_dev_tokens = 100")
    edit_show(root, "max_tokens = 8\nmax_probes = 3", "max_tokens = 4\nmax_probes = 0\nretrieval = false")
    edit_show(root, "max_replies = 2", "max_replies = 1\nmax_answers = 0\nmax_choices = 0")
    questions = root / "questions.toml"
    questions.write_text("[[question]]" + questions.read_text().split("[[question]]")[1])
    return root


def write_shows(folder: Path) -> Path:
    """Two shows that are whole and one that is broken between them."""
    for name in ("a", "b", "c"):
        write_micro_show(folder / name)
    edit_show(folder / "b", 'hosts = ["Hester Pellow"]', "hosts = []")
    return folder


def read_made(show: Path) -> dict[str, bytes]:
    """Everything the stages made, by path, but what holds times."""
    paths = (path for path in sorted(show.rglob("*")) if path.is_file() and not path.name.startswith(_TIMED))
    return {path.relative_to(show).as_posix(): path.read_bytes() for path in paths}


@contextmanager
def run_on(cluster: RayNodes, folder: Path, *, more: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a folder on a cluster, which gets time to answer: the machine of the tests may be busy.

    Args:
        more: Lines of cluster.toml.
    """
    config = folder.parent / "config"
    config.mkdir()
    (config / "cluster.toml").write_text(f'address = "{cluster.address}"\nwait_seconds = 300\n{more}')
    command = [sys.executable, "-m", "econchatr", "run", str(folder), "--engine", "ray"]
    pipe = subprocess.PIPE
    env = surround() | {"ECONCHATR_CONFIG": str(config)}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


# --- without a cluster ------------------------------------------------------------------------------------------------


def test_a_folder_of_shows_gives_one_table_and_a_broken_show_stops_only_itself(
    finished_show: Path, tmp_path: Path, econchatr: Run
) -> None:
    for name in ("a", "c"):
        shutil.copytree(finished_show, tmp_path / name)
    write_tiny_show(tmp_path / "b")
    edit_show(tmp_path / "b", 'hosts = ["Hester Pellow"]', "hosts = []")
    told = econchatr("run", tmp_path, check=2)
    assert "3 shows, 1 failed" in told.stdout
    assert [line.split()[:2] for line in told.stdout.splitlines()[2:]] == [["a", "was"], ["b", "failed"], ["c", "was"]]
    assert "show.toml, line" in told.stderr


def test_a_folder_of_shows_is_told_as_json_too(finished_show: Path, tmp_path: Path, econchatr: Run) -> None:
    shutil.copytree(finished_show, tmp_path / "a")
    (told,) = json.loads(econchatr("run", tmp_path, "--json").stdout)
    assert (told["status"], told["done"], told["usd"], told["error"]) == ("was done", [], "0", None)


def test_a_dead_address_is_refused_within_seconds(tiny_show: Path, econchatr: Run) -> None:
    start = time.monotonic()
    told = econchatr("run", tiny_show, "--engine", "ray", "--address", "127.0.0.1:9", check=8)
    assert "no Ray cluster answers at 127.0.0.1:9" in told.stderr
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--engine", "dask"), "no engine 'dask'"),
        (("--address", "auto"), "--address is of a Ray cluster"),
        (("--engine", "ray", "--address", "ray://head:10001"), "address of Ray Client"),
        (("--engine", "ray", "--address", "head"), "'head' is no address"),
    ],
)
def test_what_is_no_engine_or_no_address_is_refused(
    tiny_show: Path, econchatr: Run, options: tuple[str, ...], reason: str
) -> None:
    assert reason in econchatr("run", tiny_show, *options, check=2).stderr


def test_plan_and_post_are_of_one_show(finished_show: Path, tmp_path: Path, econchatr: Run) -> None:
    shutil.copytree(finished_show, tmp_path / "a")
    assert "holds 1 shows" in econchatr("run", tmp_path, "--plan", check=2).stderr


# --- with a cluster ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayNodes]:
    with run_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def plain(shared: Path, econchatr_process: Run) -> Path:
    """The micro show after a run on this machine alone, with one thread as the nodes have: two round otherwise."""
    root = shared / "plain"
    if not (root / "report" / "index.html").is_file():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            econchatr_process("run", write_micro_show(root))
    return root


@pytest.mark.slow
def test_shows_on_three_nodes_are_as_on_one_machine_and_a_broken_one_stops_only_itself(
    cluster: RayNodes, plain: Path, tmp_path: Path
) -> None:
    folder = write_shows(tmp_path / "shows")
    with run_on(cluster, folder) as process:
        told, heard = process.communicate()
    assert process.returncode == 2, heard
    assert [line.split()[:2] for line in told.splitlines()[2:]] == [["a", "done"], ["b", "failed"], ["c", "done"]]
    assert read_made(folder / "a") == read_made(folder / "c") == read_made(plain)
    assert TOKEN not in told + heard
    assert not [path for path in folder.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_node_that_dies_in_the_middle_of_a_step_costs_only_what_it_was_doing(
    cluster: RayNodes, plain: Path, tmp_path: Path
) -> None:
    show = write_micro_show(tmp_path / "plain")
    with run_on(cluster, show) as process:
        for step in ("fetch", "train-tiny", "ask-tiny", "score-tiny", "report"):
            cluster.kill_node_of(show / f".lock-{step}", process)
        _, heard = process.communicate()
    assert process.returncode == 0, heard
    assert read_made(show) == read_made(plain)


@pytest.mark.slow
def test_two_workers_train_a_rung_together_also_when_one_of_their_nodes_dies(plain: Path, tmp_path: Path) -> None:
    show = write_micro_show(tmp_path / "show")
    with run_nodes() as nodes, run_on(nodes, show, more="workers = 2\n") as process:
        nodes.kill_node_of(show / ".lock-train-tiny", process)
        _, heard = process.communicate()
    assert process.returncode == 0, heard
    assert "2 workers train a model together" in heard
    (curve, losses), (plain_curve, plain_losses) = read_curve(show), read_curve(plain)
    assert curve == plain_curve
    assert losses == pytest.approx(plain_losses, abs=1e-3)
    assert (show / "report" / "index.html").is_file()


def read_curve(show: Path) -> tuple[list[tuple[int, int]], list[float]]:
    """A training's readings: steps with the tokens until then, and the losses."""
    rows = polars.read_parquet(show / "train" / "tiny" / "curve.parquet").to_dicts()
    return [(row["step"], row["n_seen_tokens"]) for row in rows], [row["dev_loss"] for row in rows]


@pytest.mark.slow
def test_a_node_with_another_version_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "other" / "econchatr").mkdir(parents=True)
    (tmp_path / "other" / "econchatr" / "__init__.py").write_text('__version__ = "0.0.9"\n')
    show = write_micro_show(tmp_path / "show")
    with run_nodes(1) as nodes:
        nodes.order(f"add PYTHONPATH={tmp_path / 'other'}")
        with run_on(nodes, show) as process:
            _, heard = process.communicate()
    assert process.returncode == 8
    assert "0.0.9" in heard
    assert not (show / "parse").exists()
