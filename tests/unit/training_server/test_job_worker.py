"""The process of one job: how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("torch", reason="needs the extra `local`")

from econchatr.training_server.job_schema import Hyperparameters
from econchatr.training_server.job_worker import ORDER_NAME, WorkOrder
from econchatr.training_server.server_settings import RecipeTable


def test_a_process_that_has_told_its_end_ends_well_while_the_server_still_holds_its_line(tmp_path: Path) -> None:
    chosen = Hyperparameters(n_epochs=1, batch_size=1, learning_rate_multiplier=1)
    recipe = RecipeTable().recipe(chosen, seed=1)
    order = WorkOrder(base=str(tmp_path / "none"), cache=tmp_path, settings=None, asks_hub=False, recipe=recipe,
                      max_dev_tokens=100)  # fmt: skip
    (tmp_path / ORDER_NAME).write_bytes(order.model_dump_json().encode())
    command = [sys.executable, "-m", "econchatr.training_server.job_worker", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told, errors = process.stdout.read(), process.stderr.read()
        assert process.wait(timeout=60) == 0, errors
    assert (json.loads(told)["kind"], errors) == ("failed", b"")
