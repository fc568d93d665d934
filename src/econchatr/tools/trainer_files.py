"""Write what was chosen as other trainers want it: the pairs, and a configuration that runs as it stands.

Each trainer reads the base's own chat template from the base and learns the reply alone, as the training here does.

Source: TRL 1.16, run; for the others the fields of axolotl's utils/schemas, of LLaMA-Factory's data/README.md and
hparams, and of mlx-lm's examples/lora_config.yaml, read and not run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from econchatr.errors import InputError
from econchatr.models.files.weights import EMBEDDED, EMBEDDED_HUB_ID
from econchatr.pipeline.show import Rung
from econchatr.tables import write_bytes
from econchatr.train.recipe import LoraRecipe

Rows = tuple[dict[str, Any], ...]
"""Examples as stored: each has `messages`, the last of which is the reply."""


class TrainerMaterial(NamedTuple):
    """What is handed to another trainer."""

    label: str
    line: str
    """The system message that every example begins with."""
    base: str
    """Its name on the hub, or the folder of its checkpoint."""
    recipe: LoraRecipe
    max_tokens: int
    """Of an example."""
    train: Rows
    dev: Rows

    @property
    def n_steps(self) -> int:
        """Optimizer steps of the whole training."""
        return -(-len(self.train) // self.recipe.batch_examples) * self.recipe.n_epochs

    @property
    def n_warmup_steps(self) -> int:
        """The first of them, in which the learning rate rises."""
        return math.ceil(self.n_steps * self.recipe.warmup_share)


class Trainer(NamedTuple):
    """One other trainer."""

    command: str
    """What starts the training, in the folder written."""
    files: Callable[[TrainerMaterial], dict[str, str]]
    """The files beside the README, by name."""


def gather_for_trainers(rung: Rung, *, label: str, line: str) -> TrainerMaterial:
    """Give what a rung's training is made of.

    Raises:
        InputError: The base is a GGUF file.
        ShowFolderError: Nothing is selected yet.
    """
    return TrainerMaterial(
        label=label,
        line=line,
        base=_name_base(rung.config.base),
        recipe=rung.recipe,
        max_tokens=rung.show.config.train.max_example_tokens,
        train=_read_rows(rung, "train"),
        dev=_read_rows(rung, "dev"),
    )


def _name_base(name: str) -> str:
    """The base as another trainer opens it: by its name on the hub, or by the folder of its checkpoint."""
    if name == EMBEDDED:
        return EMBEDDED_HUB_ID
    path = Path(name).expanduser()
    if path.is_file():
        raise InputError(f"{name}: other trainers read no GGUF file.", hint="Name the model's checkpoint as base.")
    return str(path.resolve()) if path.is_dir() else name.partition("@")[0]


def _read_rows(rung: Rung, split: Literal["train", "dev"]) -> Rows:
    return tuple(example.model_dump(mode="json", include={"messages"}) for example in rung.examples(split))


def write_trainer_files(name: str, material: TrainerMaterial, folder: Path) -> None:
    """Write one trainer's data and configuration into an existing folder.

    Args:
        name: A key of `TRAINERS`.

    Raises:
        ShowFolderError: The folder cannot be written.
    """
    trainer = TRAINERS[name]
    for file, text in {**trainer.files(material), "README.md": _readme(name, trainer, material)}.items():
        write_bytes(folder / file, text.encode("utf-8"))


def _readme(name: str, trainer: Trainer, material: TrainerMaterial) -> str:
    return (
        f"# {material.label}: files to train with {name}\n\n"
        f"{len(material.train):,} examples, {len(material.dev):,} to watch the loss on, base `{material.base}`. "
        f"Start the training in this folder:\n\n```sh\n{trainer.command}\n```\n\n"
        "What comes of it must be labelled as above wherever its words are shown. Every example begins with this "
        f"system message; ask the model with it too:\n\n> {material.line}\n"
    )


def _lines(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _yaml(fields: Mapping[str, Any]) -> str:
    """Settings as YAML: each value as JSON, which YAML reads; small numbers in full, because 1e-05 would be a text."""
    return "".join(f"{name}: {_value(value)}\n" for name, value in fields.items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".") if value else "0.0"
    return json.dumps(value, ensure_ascii=False)


def _axolotl(material: TrainerMaterial) -> dict[str, str]:
    recipe = material.recipe
    data: dict[str, Any] = {"ds_type": "json", "type": "chat_template", "field_messages": "messages", "split": "train"}
    data |= {"roles_to_train": ["assistant"], "train_on_eos": "turn"}
    fields = {
        "base_model": material.base,
        "chat_template": "tokenizer_default",
        "datasets": [{"path": "train.jsonl", **data}],
        "test_datasets": [{"path": "dev.jsonl", **data}],
        "adapter": "lora",
        "lora_r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "lora_target_linear": True,
        "sequence_len": material.max_tokens,
        "sample_packing": True,
        "micro_batch_size": 1,
        "gradient_accumulation_steps": recipe.batch_examples,
        "num_epochs": recipe.n_epochs,
        "optimizer": "adamw_torch",
        "lr_scheduler": "linear",
        "learning_rate": recipe.learning_rate,
        "warmup_steps": material.n_warmup_steps,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_gradient_norm,
        "bf16": "auto",
        "seed": recipe.seed,
        "output_dir": "trained",
    }
    return {"config.yaml": _yaml(fields), "train.jsonl": _lines(material.train), "dev.jsonl": _lines(material.dev)}


def _llamafactory(material: TrainerMaterial) -> dict[str, str]:
    recipe = material.recipe
    tags = {f"{role}_tag": role for role in ("role", "content", "user", "assistant", "system")}
    shape = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    described = {name: {"file_name": f"{name}.jsonl", **shape} for name in ("train", "dev")}
    fields = {
        "model_name_or_path": material.base,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": recipe.dropout,
        "lora_target": "all",
        "dataset_dir": ".",
        "dataset": "train",
        "eval_dataset": "dev",
        "cutoff_len": material.max_tokens,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": recipe.batch_examples,
        "num_train_epochs": recipe.n_epochs,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": material.n_warmup_steps,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_gradient_norm,
        "bf16": True,
        "seed": recipe.seed,
        "report_to": "none",
        "output_dir": "trained",
    }
    comment = "# No `template`: the base's own is read. For a model that thinks aloud, name its _nothink one.\n"
    return {
        "config.yaml": comment + _yaml(fields),
        "dataset_info.json": json.dumps(described, indent=2) + "\n",
        "train.jsonl": _lines(material.train),
        "dev.jsonl": _lines(material.dev),
    }


def _mlx(material: TrainerMaterial) -> dict[str, str]:
    recipe = material.recipe
    lora = {"rank": recipe.rank, "scale": recipe.alpha / recipe.rank, "dropout": recipe.dropout}
    fields = {
        "model": material.base,
        "train": True,
        "data": ".",
        "fine_tune_type": "lora",
        "num_layers": -1,
        "lora_parameters": lora,
        "mask_prompt": True,
        "batch_size": min(recipe.batch_examples, len(material.train), len(material.dev)),
        "iters": material.n_steps,
        "learning_rate": recipe.learning_rate,
        "max_seq_length": material.max_tokens,
        "val_batches": -1,
        "seed": recipe.seed,
        "adapter_path": "trained",
    }
    return {"config.yaml": _yaml(fields), "train.jsonl": _lines(material.train), "valid.jsonl": _lines(material.dev)}


def _trl(material: TrainerMaterial) -> dict[str, str]:
    recipe = material.recipe
    lora = {"r": recipe.rank, "lora_alpha": recipe.alpha, "lora_dropout": recipe.dropout}
    settings = {
        "output_dir": "trained",
        "model_init_kwargs": {"dtype": "auto"},
        "max_length": material.max_tokens,
        "completion_only_loss": True,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": recipe.batch_examples,
        "num_train_epochs": recipe.n_epochs,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": material.n_warmup_steps,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_gradient_norm,
        "eval_strategy": "epoch",
        "seed": recipe.seed,
        "report_to": "none",
    }

    def split(rows: Rows) -> str:
        return _lines(tuple({"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows))

    script = _TRL_SCRIPT.format(base=material.base, lora=lora, settings=settings)
    return {"train.py": script, "train.jsonl": split(material.train), "dev.jsonl": split(material.dev)}


_TRL_SCRIPT = '''"""Train an adapter with TRL on the examples beside this file: python train.py [--max-steps 1]"""

import argparse

import torch
from datasets import load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

parser = argparse.ArgumentParser()
parser.add_argument("--max-steps", type=int, default=-1, help="Stop after so many steps.")
arguments = parser.parse_args()

lora = LoraConfig(**{lora!r}, target_modules="all-linear", task_type="CAUSAL_LM")
settings = SFTConfig(**{settings!r}, max_steps=arguments.max_steps, bf16=torch.cuda.is_available())
data = load_dataset("json", data_files={{"train": "train.jsonl", "dev": "dev.jsonl"}})
trainer = SFTTrainer(
    model={base!r}, args=settings, train_dataset=data["train"], eval_dataset=data["dev"], peft_config=lora
)
trainer.train()
trainer.save_model()
'''

TRAINERS: Mapping[str, Trainer] = {
    "axolotl": Trainer("axolotl train config.yaml", _axolotl),
    "llamafactory": Trainer("llamafactory-cli train config.yaml", _llamafactory),
    "mlx": Trainer("mlx_lm.lora --config config.yaml", _mlx),
    "trl": Trainer("python train.py", _trl),
}
"""By the name that `export --to` takes."""
