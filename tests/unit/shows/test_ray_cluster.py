"""What a step takes of a node, and what Ray says, made fit to be shown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from econchatr.errors import ClusterError, InputError
from econchatr.shows import ray_run
from econchatr.shows.ray_cluster import Node, choose_claim, require_room, unwrap
from econchatr.shows.ray_settings import RaySettings, load_ray_settings
from econchatr.shows.ray_tasks import Claim, Notebook

GB = 1_000_000_000
HEAD = Node("0", "head", {"memory": 4 * GB})
SMALL = Node("1", "small", {"CPU": 4.0, "memory": 8 * GB})
LARGE = Node("2", "large", {"CPU": 16.0, "memory": 64 * GB})
WITH_GPUS = Node("3", "gpus", {"CPU": 32.0, "GPU": 4.0, "memory": 200 * GB})


def test_a_model_gets_all_processors_of_the_smallest_node_that_has_any() -> None:
    claim = choose_claim([HEAD, SMALL, LARGE], RaySettings(), memory=3 * GB)
    assert claim == Claim(4, 0, 3 * GB)
    assert require_room([HEAD, SMALL, LARGE], claim) == 5


def test_where_there_are_gpus_a_model_gets_one_and_its_share_of_the_processors() -> None:
    claim = choose_claim([SMALL, WITH_GPUS], RaySettings(), memory=3 * GB)
    assert claim == Claim(8, 1, 0)
    assert require_room([SMALL, WITH_GPUS], claim) == 4


def test_more_memory_than_any_node_has_is_not_waited_for() -> None:
    assert choose_claim([SMALL], RaySettings(), memory=90 * GB).memory == 8 * GB


def test_what_no_node_has_is_refused_with_what_there_is() -> None:
    claim = choose_claim([SMALL, LARGE], RaySettings(cpus=64), memory=0)
    with pytest.raises(ClusterError, match=r"no node of the cluster has 64 processors: 2 nodes, 16 processors at most"):
        require_room([SMALL, LARGE], claim)


def test_a_training_by_several_workers_takes_as_many_places() -> None:
    claim = Claim(4, 0, 0)
    assert require_room([SMALL, LARGE], claim, n_workers=2) == 2
    with pytest.raises(ClusterError, match="room for 5 workers with 4 processors, and a training takes 6"):
        require_room([SMALL, LARGE], claim, n_workers=6)


def test_a_training_is_given_up_where_the_nodes_left_have_no_room_for_all_its_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ray")
    run, clock = ray_run._Run(RaySettings(workers=2, wait_seconds=60), Notebook(), "", None), iter([1.0, 30.0, 62.0])
    run._claim, run._trainings = Claim(4, 0, 0), [object()]
    monkeypatch.setattr(ray_run, "list_nodes", lambda: [SMALL])
    monkeypatch.setattr(ray_run, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    run._watch_nodes()
    assert run._trainings
    run._watch_nodes()
    assert not run._trainings


def test_gpus_that_are_not_there_are_refused() -> None:
    claim = choose_claim([SMALL], RaySettings(gpus=2), memory=0)
    with pytest.raises(ClusterError, match="no GPU"):
        require_room([SMALL], claim)


def test_the_token_is_taken_out_of_what_ray_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "hush-hush-hush")
    assert unwrap(RuntimeError("\x1b[31mBearer hush-hush-hush\nwas\trefused")) == "[31mBearer *** was refused"


def test_cluster_toml_names_the_key_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text('adress = "head:6379"\n')
    with pytest.raises(InputError, match=r"cluster\.toml, line 1: unknown key 'adress'"):
        load_ray_settings(tmp_path)


def test_without_cluster_toml_the_defaults_hold(tmp_path: Path) -> None:
    assert load_ray_settings(tmp_path) == RaySettings()
