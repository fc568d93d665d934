"""What is written for other trainers: data as they want them, and a configuration that says what the recipe says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from econchatr.tools.trainer_files import TRAINERS, TrainerMaterial, write_trainer_files
from econchatr.train.recipe import LoraRecipe
from tests.helpers.tiny_bases import write_tiny_base

RECIPE = LoraRecipe(learning_rate=0.00005, batch_examples=4, n_epochs=3, seed=7)


def make_rows(n: int) -> tuple[dict[str, Any], ...]:
    said = [("system", "AI imitation of Ada."), ("user", "Why?"), ("assistant", "Because — “so”.")]
    return ({"messages": [{"role": role, "content": content} for role, content in said]},) * n


def make_files(trainer: str, folder: Path, base: str = "owner/base") -> Path:
    material = TrainerMaterial(
        label="AI imitation of Ada", line="AI imitation of Ada.", base=base, recipe=RECIPE, max_tokens=512,
        train=make_rows(10), dev=make_rows(3),
    )  # fmt: skip
    write_trainer_files(trainer, material, folder)
    return folder


def read_rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("trainer", "wanted"),
    [
        ("axolotl", {"base_model": "owner/base", "adapter": "lora", "lora_r": 16, "lora_alpha": 32, "num_epochs": 3,
                     "gradient_accumulation_steps": 4, "sequence_len": 512, "learning_rate": 0.00005, "seed": 7}),
        ("llamafactory", {"model_name_or_path": "owner/base", "stage": "sft", "lora_rank": 16, "num_train_epochs": 3,
                          "cutoff_len": 512, "dataset": "train", "learning_rate": 0.00005}),
        ("mlx", {"model": "owner/base", "iters": 9, "batch_size": 3, "mask_prompt": True, "num_layers": -1,
                 "lora_parameters": {"rank": 16, "scale": 2.0, "dropout": 0.0}, "learning_rate": 0.00005}),
    ],
)  # fmt: skip
def test_a_configuration_says_what_the_recipe_says(trainer: str, wanted: dict[str, Any], tmp_path: Path) -> None:
    found = yaml.safe_load((make_files(trainer, tmp_path) / "config.yaml").read_text(encoding="utf-8"))
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_example_is_there_with_its_reply_apart_or_last(trainer: str, tmp_path: Path) -> None:
    folder = make_files(trainer, tmp_path)
    rows = read_rows(folder / "train.jsonl")
    assert len(rows) == 10
    messages = rows[0].get("messages") or rows[0]["prompt"] + rows[0]["completion"]
    assert messages == make_rows(1)[0]["messages"]
    assert len(read_rows(folder / ("valid.jsonl" if trainer == "mlx" else "dev.jsonl"))) == 3
    assert TRAINERS[trainer].command in (folder / "README.md").read_text(encoding="utf-8")


def test_data_are_described_where_the_trainer_asks_for_it(tmp_path: Path) -> None:
    described = json.loads((make_files("llamafactory", tmp_path) / "dataset_info.json").read_text())
    assert {name: row["file_name"] for name, row in described.items()} == {"train": "train.jsonl", "dev": "dev.jsonl"}
    axolotl = tmp_path / "axolotl"
    axolotl.mkdir()
    data = yaml.safe_load((make_files("axolotl", axolotl) / "config.yaml").read_text())["datasets"]
    assert (data[0]["type"], data[0]["roles_to_train"]) == ("chat_template", ["assistant"])


@pytest.mark.slow
def test_trls_script_trains(tmp_path: Path) -> None:
    folder = tmp_path / "trl"
    folder.mkdir()
    make_files("trl", folder, base=str(write_tiny_base("qwen2.5", tmp_path / "base")))
    command = [sys.executable, "train.py", "--max-steps", "1"]
    surroundings = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((folder / "trained" / "adapter_config.json").read_text())["r"] == 16
    assert (folder / "trained" / "adapter_model.safetensors").is_file()
