"""This machine's training rate, measured once per base and recipe and kept in the cache.

Kept, so that a budget in minutes gives the same selection each time on the same machine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from econchatr.config import Rung
from econchatr.pipeline.forms import base_identity, encode_examples, rung_recipe, rung_weights
from econchatr.pipeline.show import Show
from econchatr.records import Example
from econchatr.tables import hash_settings, write_bytes
from econchatr.train.local import describe_arithmetic
from econchatr.train.rate import measure_rate


def kept_rate(show: Show, rung: Rung) -> float | None:
    """The rate measured last for a rung's base and recipe, without opening the base; `None`: not measured yet."""
    path = _named_path(show, rung)
    return float(json.loads(path.read_text())["tokens_per_second"]) if path.is_file() else None


def measured_rate(show: Show, rung: Rung, examples: Sequence[Example]) -> float:
    """Tokens per second at which this machine trains a rung; measured on the first call, in under a minute.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The base cannot be trained on.
    """
    base, recipe = rung_weights(show, rung), rung_recipe(show, rung)
    settings = [base.sha256, recipe.rank, recipe.batch_examples, describe_arithmetic()]
    path = show.cache / "rates" / f"{hash_settings(settings)}.json"
    if path.is_file():
        write_bytes(_named_path(show, rung), path.read_bytes())
        return float(json.loads(path.read_text())["tokens_per_second"])
    with tempfile.TemporaryDirectory() as folder:
        few = encode_examples(examples[: 8 * recipe.batch_examples], show, rung)
        rate = measure_rate(few, base=base, folder=Path(folder), recipe=recipe)
    for place in (path, _named_path(show, rung)):
        write_bytes(place, json.dumps({"tokens_per_second": rate}).encode())
    return rate


def _named_path(show: Show, rung: Rung) -> Path:
    """Where the rate is kept by what the rung is called, for whoever must not open weights to know it."""
    recipe = rung_recipe(show, rung)
    name = hash_settings([base_identity(rung), show.config.train.weights, recipe.rank, recipe.batch_examples])
    return show.cache / "rates" / f"by-name-{name}.json"
