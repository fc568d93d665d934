"""What this machine computes with, and the plan that follows from its memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from econchatr.errors import ModelError
from econchatr.models.trainable.memory_plan import TrainingPlan, plan_training, read_sizes
from tests.helpers.tiny_training import open_tiny_base


def write_headers(folder: Path, *, n_layers: int, width: int, inner: int, n_words: int) -> Path:
    """A checkpoint of which there is only what a plan reads: the configuration, and the header of the weights."""
    shapes = {"model.embed_tokens.weight": [n_words, width], "lm_head.weight": [n_words, width]}
    for n in range(n_layers):
        sides = {"q": (width, width), "k": (width // 4, width), "v": (width // 4, width), "o": (width, width)}
        shapes |= {f"model.layers.{n}.self_attn.{side}_proj.weight": list(shape) for side, shape in sides.items()}
        shapes |= {f"model.layers.{n}.mlp.{side}_proj.weight": [inner, width] for side in ("gate", "up")}
        shapes[f"model.layers.{n}.mlp.down_proj.weight"] = [width, inner]
    tensors = {name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    header = json.dumps(tensors).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    config = {"model_type": "qwen3", "num_hidden_layers": n_layers, "hidden_size": width, "vocab_size": n_words}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_8b(folder: Path) -> Path:
    """The sizes of Qwen3-8B."""
    return write_headers(folder, n_layers=36, width=4096, inner=12288, n_words=151_936)


def make_machine(free_gb: float, **given: object):
    from econchatr.models.machine import Machine

    free = int(free_gb * 1e9)
    return Machine(**({"device": "cuda", "dtype": "bfloat16", "free_bytes": free, "total_bytes": free} | given))


def plan(folder: Path, free_gb: float, **given: object) -> TrainingPlan:
    return plan_training(folder, rank=16, n_longest=400, machine=make_machine(free_gb, **given))


def test_more_memory_is_never_answered_by_a_slower_way(tmp_path: Path) -> None:
    folder = write_8b(tmp_path)
    ways = [plan(folder, free, has_4bit=True) for free in (12, 16, 24, 40, 80, 140)]
    assert [way.is_4bit for way in ways] == sorted((way.is_4bit for way in ways), reverse=True)
    assert not ways[-1].is_4bit
    assert not ways[-1].is_checkpointed
    assert all(way.needed_bytes <= way.free_bytes for way in ways)


def test_8b_parameters_fit_16_gb_in_4_bits(tmp_path: Path) -> None:
    assert read_sizes(write_8b(tmp_path)).n_parameters == pytest.approx(8.2e9, rel=0.02)
    way = plan(tmp_path, 16, has_4bit=True)
    assert way.is_4bit
    assert "4 bits (QLoRA)" in way.tell()


def test_a_base_that_fits_two_gpus_is_spread_before_it_is_made_coarser(tmp_path: Path) -> None:
    way = plan(write_8b(tmp_path), 14, n_gpus=2, all_free_bytes=28 * 10**9, has_4bit=True)
    assert way.is_split
    assert not way.is_4bit
    assert "spread over all GPUs" in way.tell()


def test_too_little_memory_is_told_with_the_figure(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"needs about 1\d\.\d GB on the GPU; 12\.0 GB are free\.") as told:
        plan(write_8b(tmp_path), 12)
    assert "qlora" in told.value.hint
    with pytest.raises(ModelError, match=r"needs about \d\.\d GB on the GPU; 4\.0 GB are free\.") as told:
        plan(tmp_path, 4, has_4bit=True)
    assert "smaller base" in told.value.hint


def test_a_gpu_full_of_other_work_is_told_apart_from_one_too_small(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"2\.0 GB are free of 80\.0\.") as told:
        plan(write_8b(tmp_path), 2, total_bytes=80 * 10**9)
    assert "Close the programs" in told.value.hint


def test_the_longest_example_fits_one_pass_of_every_plan(tmp_path: Path) -> None:
    folder = write_8b(tmp_path)
    ways = [
        plan_training(folder, rank=16, n_longest=n, machine=make_machine(free, has_4bit=True))
        for n in (200, 4000)
        for free in (20, 40, 140)
    ]
    assert all(way.n_pack_tokens >= n for way, n in zip(ways, (200,) * 3 + (4000,) * 3, strict=True))


def test_towers_for_images_count_as_weights_and_not_as_layers(cache: Path) -> None:
    with_tower, text = (
        read_sizes(open_tiny_base(name, cache).checkpoint_path) for name in ("gemma3-conditional", "gemma3")
    )
    assert with_tower.n_parameters > text.n_parameters
    assert replace(with_tower, n_parameters=0) == replace(text, n_parameters=0)


@pytest.mark.parametrize("damage", ["no weights", "not safetensors", "no sizes"])
def test_a_damaged_checkpoint_is_one_line(damage: str, tmp_path: Path) -> None:
    write_8b(tmp_path)
    if damage == "no weights":
        (tmp_path / "model.safetensors").unlink()
    elif damage == "not safetensors":
        (tmp_path / "model.safetensors").write_bytes(b"PK\x03\x04" * 99)
    else:
        (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(ModelError):
        plan(tmp_path, 80)


def test_a_build_of_torch_without_onednn_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from econchatr.models.machine import choose_dtype

    class Bare:
        """The namespace as torch for Apple's chips has it: the question is not registered."""

    monkeypatch.setattr(torch.ops, "mkldnn", Bare())
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"arm_bf16": True}, raising=False)
    assert choose_dtype("cpu") is torch.float32
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert choose_dtype("cpu") is torch.float32


def test_a_mac_trains_on_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from econchatr.models import machine

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert machine.choose_device() == "mps"
    # Here there is no such device, as there is no bfloat16 on one before macOS 14.
    assert machine.choose_dtype("mps") is torch.float32
    assert machine.name_device("mps") == "Apple's GPU"


def test_memory_is_free_on_this_machine() -> None:
    from econchatr.models.machine import look_at_machine

    here = look_at_machine()
    assert 0 < here.free_bytes <= here.total_bytes
