"""A stranger's checkpoint with sizes no model has is one line, before anything is computed from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from econchatr.errors import ModelError
from econchatr.models.llama.checkpoint import is_packable, read_config
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
        ("vocab_size", "many"), ("vocab_size", True), ("intermediate_size", [64, 64]),
    ],
)  # fmt: skip
def test_a_size_no_model_has_is_a_model_error(base: Path, tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(ModelError, match=key):
        open_changed(base, tmp_path / "changed", key, value)


def test_a_size_that_the_weights_do_not_have_is_a_model_error(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json|ignore_mismatched_sizes"):
        open_changed(base, tmp_path / "changed", "intermediate_size", 7)


@pytest.mark.parametrize(("sizes", "is_right"), [([16384] * 3, True), ([16384, 0], False), ([16384, True], False)])
def test_one_size_for_each_layer_is_read_as_gemma_3n_has_them(
    tmp_path: Path, sizes: list[object], is_right: bool
) -> None:
    text = {"model_type": "gemma3n_text", "hidden_size": 2048, "intermediate_size": sizes}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3n", "text_config": text}))
    if is_right:
        assert read_config(tmp_path)["text_config"] == text
    else:
        with pytest.raises(ModelError, match="intermediate_size"):
            read_config(tmp_path)


def test_the_checkpoint_as_it_was_is_opened(base: Path, tmp_path: Path) -> None:
    open_changed(base, tmp_path / "changed", "architectures", ["LlamaForCausalLM"])


@pytest.mark.parametrize("scaling", [{"type": "linear", "factor": 4.0}, {"type": "dynamic", "factor": 2.0}, "linear"])
def test_scaled_positions_in_the_form_of_older_files_are_not_taken_for_plain_ones(
    tmp_path: Path, scaling: object
) -> None:
    folder = write_tiny_base(FAMILY, tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text())
    del config["rope_parameters"]
    (folder / "config.json").write_text(json.dumps(config))
    assert is_packable(folder)
    (folder / "config.json").write_text(json.dumps(config | {"rope_scaling": scaling}))
    assert not is_packable(folder)
