"""Train random bases of 0.6 and 8 billion parameters on a GPU, beside TRL; print speed, share of the peak, memory.

python benchmarks/gpu_training.py FOLDER [--base qwen3-0.6b qwen3-8b] [--way ours trl qlora] [--steps 12] [--tiny]

FOLDER keeps the bases, which are made from their configurations: 1.2 GB and 16 GB. Each way runs in a process of its
own, one after the other. The ways:

    ours     what `econchatr train` does; the plan by free memory is printed
    trl      TRL's SFTTrainer with what makes it fastest: bfloat16, examples packed without padding, FlashAttention or
             the kernels of the hub where they are installed, no gradient checkpointing
    qlora    what `econchatr train` does with 4 bits, as if 24 GB were free

All learn rank 16 on all linear layers, 8 examples a step, replies only, the same random examples of 150 to 500 tokens.
The first two steps are not counted. The share of the peak counts 4 operations per number of the base and token
(forward, and backward to the inputs: the base itself has no gradient), the head for reply tokens only.

`--tiny` trains a base of 100,000 parameters on whatever device there is: it tells that the script works, nothing else.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from random_bases import SIZES, open_random_base

from econchatr.models.files.weights import BaseWeights
from econchatr.models.machine import look_at_machine
from econchatr.models.trainable.memory_plan import plan_training, read_sizes
from econchatr.prompts import EncodedExample
from econchatr.train.local import plan_lora, train_lora
from econchatr.train.recipe import LoraRecipe, TrainProgress

BATCH, WARM_STEPS = 8, 2
RECIPE = LoraRecipe(batch_examples=BATCH, n_epochs=1, eval_every_share=1.0, learning_rate=1e-4)
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L40": 181, "4090": 165, "L4": 121, "3090": 71}
"""Dense bfloat16 of a card by a word of its name. Source: NVIDIA's data sheets."""
QLORA_BYTES = 24 * 10**9


def main() -> None:
    """Run every way on every base, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", nargs="+", choices=SIZES, default=["qwen3-0.6b", "qwen3-8b"])
    parser.add_argument("--way", nargs="+", choices=("ours", "trl", "qlora"), default=["ours", "trl", "qlora"])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    bases = ["tiny"] if given.tiny else given.base
    runs = [(base, way) for base in bases for way in given.way]
    if len(runs) == 1:
        print(measure(*runs[0], folder=given.folder, n_steps=given.steps), flush=True)
        return
    for base, way in runs:
        own = [str(given.folder), "--base", base, "--way", way, "--steps", str(given.steps)]
        done = subprocess.run([sys.executable, __file__, *own], check=False)
        if done.returncode:
            print(f"{base} {way}: failed with {done.returncode}", flush=True)


def measure(name: str, way: str, *, folder: Path, n_steps: int) -> str:
    """Train some steps and say in one line what came of it."""
    base = open_random_base(name, folder)
    examples = make_examples(n_steps, n_tokens=SIZES[name][1]["vocab_size"])
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    marks = train_trl(examples, base) if way == "trl" else train_ours(examples, base, is_4bit=way == "qlora")
    seconds = marks[-1][0] - marks[WARM_STEPS - 1][0]
    counted = examples[WARM_STEPS * BATCH : len(marks) * BATCH]
    n_tokens = sum(len(example.ids) for example in counted)
    told = f"{name} {way}: {n_tokens / seconds:,.0f} tokens/s, loss {marks[0][1]:.2f} to {marks[-1][1]:.2f}"
    if torch.cuda.is_available():
        told += f", {torch.cuda.max_memory_allocated() / 1e9:.1f} GB, {tell_share(base, counted, seconds)}"
    return told


def make_examples(n_steps: int, *, n_tokens: int) -> list[EncodedExample]:
    """Random tokens in the lengths of a show's pairs, with a beginning that all share."""
    drawn = random.Random(0)
    start = tuple(drawn.randrange(n_tokens) for _ in range(40))
    examples = []
    for _ in range(n_steps * BATCH):
        n_cue, n_reply = drawn.randrange(30, 200), drawn.randrange(80, 260)
        ids = (*start, *(drawn.randrange(n_tokens) for _ in range(n_cue + n_reply)))
        examples.append(EncodedExample(ids, len(start) + n_cue))
    return examples


def train_ours(examples: Sequence[EncodedExample], base: BaseWeights, *, is_4bit: bool) -> list[tuple[float, float]]:
    """Train as `econchatr train` does; give each step's end and loss."""
    marks: list[tuple[float, float]] = []

    def mark(progress: TrainProgress) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        marks.append((time.perf_counter(), progress.train_loss or 0.0))

    with tempfile.TemporaryDirectory() as work:
        plan = plan_lora(examples, base=base, folder=Path(work), recipe=RECIPE)
        if is_4bit:
            plan = force_4bit(examples, base, Path(work))
        print(f"{base.name}: {plan.tell()}", flush=True)
        train_lora(examples, [], base=base, folder=Path(work), recipe=RECIPE, on_progress=mark)
    return marks


def force_4bit(examples: Sequence[EncodedExample], base: BaseWeights, work: Path) -> object:
    """Put the plan of a card with 24 GB, in 4 bits, in place of this card's."""
    card = replace(look_at_machine(), free_bytes=QLORA_BYTES, total_bytes=QLORA_BYTES, n_gpus=1, has_4bit=True)
    n_longest = max(len(example.ids) for example in examples)
    plan = replace(plan_training(base.checkpoint_path, rank=16, n_longest=n_longest, machine=card), is_4bit=True)
    content = json.loads((work / "plan.json").read_text())
    (work / "plan.json").write_text(json.dumps(content | {"plan": asdict(plan)}))
    return plan


def train_trl(examples: Sequence[EncodedExample], base: BaseWeights) -> list[tuple[float, float]]:
    """Train with TRL at its fastest; give each step's end and loss."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from transformers.utils import is_flash_attn_2_available, is_kernels_available
    from trl import SFTConfig, SFTTrainer

    marks: list[tuple[float, float]] = []

    class Marker(TrainerCallback):
        def on_log(self, args: object, state: object, control: object, logs: dict[str, float], **_: object) -> None:
            if "loss" in logs:
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                marks.append((time.perf_counter(), logs["loss"]))

    on_gpu = torch.cuda.is_available()
    opened: dict[str, object] = {"dtype": "bfloat16"}
    if on_gpu and is_flash_attn_2_available():
        opened["attn_implementation"] = "flash_attention_2"
    if on_gpu and is_kernels_available():
        opened["use_kernels"] = True
    rows = [{"input_ids": list(one.ids), "completion_mask": [0] * one.n_prompt + [1] * one.n_reply} for one in examples]
    with tempfile.TemporaryDirectory() as work:
        config = SFTConfig(
            output_dir=work, num_train_epochs=1, learning_rate=1e-4, weight_decay=0.0, logging_steps=1,
            save_strategy="no", report_to="none", max_length=None, padding_free=True, use_cpu=not on_gpu, bf16=on_gpu,
            gradient_checkpointing=False, per_device_train_batch_size=BATCH, disable_tqdm=True, shuffle_dataset=False,
            train_sampling_strategy="sequential", completion_only_loss=True, model_init_kwargs=opened,
            dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        SFTTrainer(
            model=str(base.checkpoint_path), args=config, train_dataset=Dataset.from_list(rows), callbacks=[Marker()],
            processing_class=make_tokenizer(),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        ).train()  # fmt: skip
    return marks


def make_tokenizer() -> object:
    """A tokenizer for TRL to hold, which asks for one and has no text to read here."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<eos>")


def tell_share(base: BaseWeights, examples: Sequence[EncodedExample], seconds: float) -> str:
    """Which share of the card's bfloat16 peak was used, in words."""
    name = torch.cuda.get_device_name()
    peak = next((peak for word, peak in PEAK_TFLOPS.items() if word in name), None)
    sizes = read_sizes(base.checkpoint_path)
    n_tokens, n_reply = sum(len(one.ids) for one in examples), sum(one.n_reply for one in examples)
    done = 4 * (sizes.n_layer_numbers * n_tokens + sizes.width * sizes.n_vocabulary * n_reply) / seconds / 1e12
    share = f", {done / peak:.0%} of the peak of {name}" if peak else f" on {name}, whose peak is not known here"
    return f"{done:.0f} TFLOPS{share}"


if __name__ == "__main__":
    main()
