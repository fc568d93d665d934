"""A stranger's checkpoint with sizes no model has is one line, before anything is computed from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from econchatr.errors import ModelError
from econchatr.models.trainable.memory_plan import TrainingPlan, read_sizes
from econchatr.models.trainable.trainable_model import AdapterShape, open_trainable
from tests.helpers.tiny_bases import make_tiny_examples, write_tiny_base

FAMILY = "llama3.2"
PLAN = TrainingPlan(device="cpu", dtype="float32", n_pack_tokens=1024)


@pytest.fixture(scope="module", params=["packed", "through transformers"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_base(FAMILY, tmp_path_factory.mktemp("base") / "tiny")
    if request.param == "packed":  # which knows plain positions only
        config = json.loads((folder / "config.json").read_text())
        config["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def open_changed(base: Path, folder: Path, key: str, value: object) -> None:
    """Plan, open and ask a checkpoint whose config.json says something else; `...` takes the key out."""
    folder.mkdir()
    for file in base.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((base / "config.json").read_text())
    config = {name: old for name, old in config.items() if name != key} | ({} if value is ... else {key: value})
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    read_sizes(folder)
    model = open_trainable(folder, plan=PLAN, shape=AdapterShape(rank=4, alpha=8, seed=0), n_positions=256)
    model.measure_nats(make_tiny_examples(base, FAMILY, n=1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_size", 0), ("hidden_size", 10**9), ("hidden_size", ...), ("num_attention_heads", 0),
        ("num_attention_heads", 7), ("num_hidden_layers", -1), ("num_hidden_layers", 10**9), ("rms_norm_eps", "x"),
        ("vocab_size", "many"), ("intermediate_size", 7),
    ],
)  # fmt: skip
def test_a_size_no_model_has_is_a_model_error(base: Path, tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(ModelError, match=r"config\.json|tiny|strange"):
        open_changed(base, tmp_path / "strange", key, value)


def test_the_checkpoint_as_it_was_is_opened(base: Path, tmp_path: Path) -> None:
    open_changed(base, tmp_path / "strange", "architectures", ["LlamaForCausalLM"])
