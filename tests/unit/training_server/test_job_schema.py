"""Orders of jobs: what cannot be kept is refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

pytest.importorskip("fastapi", reason="needs the extra `web`")

from econchatr.training_server.job_schema import JobOrder
from econchatr.training_server.routes_2023 import FineTuneOrder


@pytest.mark.parametrize(
    "more",
    [
        {"integrations": [{"type": "\ud800"}]},
        {"integrations": [{"type": "x" * 20_000}]},
        {"metadata": {"voice": "\ud800"}},
        {"metadata": {str(n): "" for n in range(17)}},
        {"seed": 2**31},
        {"hyperparameters": {"n_epochs": 0}},
        {"hyperparameters": {"learning_rate_multiplier": float("nan")}},
        {"suffix": ""},
        {"unknown": 1},
    ],
)
def test_what_cannot_be_kept_or_done_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JobOrder.model_validate({"model": "m", "training_file": "f", **more})


def test_an_order_of_2023_is_an_order_of_today() -> None:
    order = FineTuneOrder(training_file="f", model="ada", batch_size=3, suffix="").as_order()
    assert order.hyperparameters is not None
    assert order.hyperparameters.model_dump() == {"n_epochs": 4, "batch_size": 3, "learning_rate_multiplier": "auto"}
    assert (order.model, order.suffix) == ("ada", None)
