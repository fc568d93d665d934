"""Train a few steps on a show's own selection, in one of five ways, and print tokens per second and the loss reached.

python benchmarks/training_speed.py SHOW WAY [--rung NAME | --random gemma3-270m] [--steps 8] [--keep-denormals]

SHOW is a folder that `econchatr select` has filled. The ways:

    packed        what `econchatr train` does
    plain         transformers and peft in a plain loop, batches padded to the longest, all logits
    peft          transformers and peft in a plain loop, one example at a time, bfloat16, logits at reply positions only
    trl           TRL's SFTTrainer: batches of 8, padded, float32 adapters over a bfloat16 base
    trl-tuned     the same with bfloat16 adapters, matmul attention, one example at a time and so no padding

A processor without bfloat16 emulates it at a fiftieth of the speed: there all are in float32, and the line says so.

`--random` takes a base of a real one's sizes with random numbers instead of the rung's, on the same token ids. Tokens a
second of processor are told beside those on the clock: on a machine that others use, only they compare.

All learn rank 16 on all linear layers, on the same examples (packed shuffles them), the loss on replies only, 8
examples a step. The first step is not counted. The losses tell that a way learns, not which way is better.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, see econchatr.cli.app

import torch
from random_bases import SIZES, open_random_base
from written_tables import has_bfloat16

from econchatr.models.files.weights import BaseWeights
from econchatr.pipeline.show import open_show
from econchatr.prompts import EncodedExample
from econchatr.records import Example
from econchatr.tables import read_table
from econchatr.train.local import train_lora
from econchatr.train.recipe import LoraRecipe, TrainProgress

BATCH = 8
DTYPE = torch.bfloat16 if has_bfloat16() else torch.float32
"""Of the libraries' models. Ours chooses by itself, and chooses the same."""
DTYPE_NAME = str(DTYPE).removeprefix("torch.")
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


@dataclass
class Clock:
    """When each step ended, and its loss."""

    ends: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    """Seconds of processor, over all threads."""

    def tick(self, loss: float, _model: object = None) -> None:
        """End a step."""
        self.ends.append(time.perf_counter())
        self.losses.append(loss)
        self.used.append(time.process_time())


def main() -> None:
    """Measure one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", type=Path)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--rung", default="")
    parser.add_argument("--random", choices=SIZES)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--keep-denormals", action="store_true")
    given = parser.parse_args()
    if given.steps < 2:
        parser.error("--steps must be 2 or more: the first is not timed")
    show = open_show(given.show)
    rung = show.rung(given.rung)
    base = open_random_base(given.random, show.cache / "random") if given.random else rung.base.weights()
    rows = read_table(show.folder("select") / "examples.parquet", Example)
    rows = [row for row in rows if row.rung == rung.name and row.split == "train"]
    examples = rung.encode(rows)[: given.steps * BATCH]
    torch.set_flush_denormal(not given.keep_denormals)
    clock = Clock()
    WAYS[given.way](examples, base, clock)
    n_tokens = sum(len(example.ids) for example in examples[BATCH : len(clock.ends) * BATCH])
    seconds, processor = clock.ends[-1] - clock.ends[0], clock.used[-1] - clock.used[0]
    denormals = "kept" if given.keep_denormals else "flushed"
    print(
        f"{given.way}, {DTYPE_NAME}, denormals {denormals}: {n_tokens / seconds:.0f} tokens/s "
        f"({n_tokens / processor:.0f} a second of processor) over {n_tokens} tokens, "
        f"loss {clock.losses[0]:.3f} to {clock.losses[-1]:.3f}"
    )


def train_packed(examples: Sequence[EncodedExample], base: BaseWeights, clock: Clock) -> None:
    """Train as `econchatr train` does, but in the given order's tokens and without a development set."""

    def tick(progress: TrainProgress) -> None:
        clock.tick(progress.train_loss or 0.0)

    recipe = LoraRecipe(batch_examples=BATCH, n_epochs=1, eval_every_share=1.0)
    with tempfile.TemporaryDirectory() as folder:
        train_lora(examples, (), base=base, folder=Path(folder), recipe=recipe, on_progress=tick)


def train_plain(examples: Sequence[EncodedExample], base: BaseWeights, clock: Clock) -> None:
    """Train as the libraries' introductions do."""
    model = _peft_model(base, attention="sdpa")
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-3, weight_decay=0.0)
    for first in range(0, len(examples), BATCH):
        batch = examples[first : first + BATCH]
        n_longest = max(len(example.ids) for example in batch)
        rows = [(example, [0] * (n_longest - len(example.ids))) for example in batch]
        loss = model(
            input_ids=torch.tensor([[*one.ids, *rest] for one, rest in rows]),
            attention_mask=torch.tensor([[1] * len(one.ids) + rest for one, rest in rows]),
            labels=torch.tensor(
                [[-100] * one.n_prompt + list(one.ids[one.n_prompt :]) + [-100] * len(rest) for one, rest in rows]
            ),
        ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(float(loss.detach()))


def train_peft(examples: Sequence[EncodedExample], base: BaseWeights, clock: Clock) -> None:
    """Train with transformers and peft, nothing else."""
    model = _peft_model(base)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-3, weight_decay=0.0)
    for first in range(0, len(examples), BATCH):
        batch = examples[first : first + BATCH]
        n_learned, nats = sum(example.n_reply for example in batch), 0.0
        for example in batch:
            ids = torch.tensor([example.ids])
            logits = model(input_ids=ids, logits_to_keep=example.n_reply + 1).logits[0, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits, ids[0, example.n_prompt :], reduction="sum")
            (loss / n_learned).backward()
            nats += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick(nats / n_learned)


def _peft_model(base: BaseWeights, *, attention: str = "eager") -> torch.nn.Module:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base.checkpoint_path, dtype=DTYPE, attn_implementation=attention)
    return get_peft_model(model, LoraConfig(**LORA), autocast_adapter_dtype=False)


def train_trl(examples: Sequence[EncodedExample], base: BaseWeights, clock: Clock) -> None:
    """Train with TRL, at a learning rate like ours."""
    opened = {"dtype": DTYPE_NAME}
    run_trl(examples, str(base.checkpoint_path), [clock.tick], **LIKE_OURS, model_init_kwargs=opened)


def train_trl_tuned(examples: Sequence[EncodedExample], base: BaseWeights, clock: Clock) -> None:
    """Train with TRL, with what makes it faster on a CPU without replacing its parts."""
    run_trl(
        examples, _peft_model(base), [clock.tick], **LIKE_OURS,
        per_device_train_batch_size=1, gradient_accumulation_steps=BATCH, gradient_checkpointing=False,
    )  # fmt: skip


LIKE_OURS = {
    "learning_rate": 1e-3, "num_train_epochs": 1, "bf16": False, "max_length": None, "shuffle_dataset": False,
    "train_sampling_strategy": "sequential",
}  # fmt: skip
"""Settings of TRL's with which it trains on the examples in their order, as the other ways do."""


def run_trl(
    examples: Sequence[EncodedExample],
    model: Any,
    after_step: Sequence[Callable[[float, Any], None]],
    **settings: object,
) -> Any:
    """Train with TRL's SFTTrainer, on replies only; give the model.

    Args:
        model: A checkpoint's path, which gets our adapter, or a model with one.
        after_step: Called after each step with its loss, which is logged for that, and the model.
        settings: What is not as TRL has it by default.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Teller(TrainerCallback):
        def on_log(self, args: object, state: object, control: object, logs: dict[str, float], **given: Any) -> None:
            for tell in after_step if "loss" in logs else ():
                tell(logs["loss"], given["model"])

    rows = [{"input_ids": list(one.ids), "completion_mask": [0] * one.n_prompt + [1] * one.n_reply} for one in examples]
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
            completion_only_loss=True, **settings,
        )  # fmt: skip
        trainer = SFTTrainer(
            model=model, args=config, train_dataset=Dataset.from_list(rows), callbacks=[Teller()],
            peft_config=LoraConfig(**LORA) if isinstance(model, str) else None,
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)  # this script tells the result in one line
        trainer.train()
        return trainer.model


WAYS: dict[str, Callable[[Sequence[EncodedExample], BaseWeights, Clock], None]] = {
    "packed": train_packed,
    "plain": train_plain,
    "peft": train_peft,
    "trl": train_trl,
    "trl-tuned": train_trl_tuned,
}

if __name__ == "__main__":
    main()
