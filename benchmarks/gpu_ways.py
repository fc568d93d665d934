"""What gpu_training.py measures: each function does one thing with one program, and gives what came of it."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from econchatr.models.engines.transformers_engine import open_transformers
from econchatr.models.files.weights import BaseWeights
from econchatr.models.llama.meter import open_meter
from econchatr.models.machine import look_at_machine
from econchatr.models.trainable.memory_plan import TrainingPlan, plan_training, read_sizes
from econchatr.prompts import EncodedExample
from econchatr.records import Sampling
from econchatr.train.local import plan_lora, train_lora
from econchatr.train.recipe import LoraRecipe, TrainProgress

BATCH, WARM_STEPS = 8, 2
RECIPE = LoraRecipe(batch_examples=BATCH, n_epochs=1, eval_every_share=1.0, learning_rate=1e-4)
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L40": 181, "4090": 165, "L4": 121, "3090": 71}
"""Dense bfloat16 of a card by a word of its name. Source: NVIDIA's data sheets."""
QLORA_BYTES = 24 * 10**9
N_ASKED, N_REPLY_TOKENS = 64, 128
"""Prompts that are asked, and the tokens of each reply: as in an exam of 16 questions and 4 samples."""
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
Marks = list[tuple[float, float]]
"""Each step's end and loss."""
Ran = tuple[Marks, str]
"""A training's marks, and how it was done."""
Found = dict[str, Any]


def train(base: BaseWeights, examples: Sequence[EncodedExample], run: Callable[..., Ran]) -> Found:
    """Tokens a second of a way of training, its losses, and the share of the card's peak."""
    marks, how = run(examples, base)
    seconds = marks[-1][0] - marks[WARM_STEPS - 1][0]
    counted = examples[WARM_STEPS * BATCH : len(marks) * BATCH]
    told = f"{how}; loss {marks[0][1]:.2f} to {marks[-1][1]:.2f}"
    if torch.cuda.is_available():
        told += f", {tell_share(base, counted, seconds)}"
    return {"rate": sum(len(example.ids) for example in counted) / seconds, "note": told}


def ask_ours(base: BaseWeights, examples: Sequence[EncodedExample]) -> Found:
    """Ask as `econchatr ask` does a base that is no GGUF file: in batches through transformers."""
    make_tokenizer().save_pretrained(base.checkpoint_path)  # type: ignore[attr-defined]
    model = open_transformers(base.checkpoint_path, adapter=None)
    prompts = [list(one.ids[: one.n_prompt]) for one in examples[:N_ASKED]]
    sampling = Sampling(0, 0.6, N_REPLY_TOKENS)
    model._generate(prompts[: model.n_together], sampling._replace(max_tokens=4), range(model.n_together))
    begin, n_tokens = time.perf_counter(), 0
    for start in range(0, len(prompts), model.n_together):
        lot = prompts[start : start + model.n_together]
        n_tokens += sum(map(len, model._generate(lot, sampling, range(len(lot)))))
    return {"rate": n_tokens / (time.perf_counter() - begin), "note": f"{model.n_together} at once"}


def ask_vllm(base: BaseWeights, examples: Sequence[EncodedExample]) -> Found:
    """Ask vLLM the same, all at once."""
    llm, settings = open_vllm(base)
    sampling = settings(temperature=0.6, max_tokens=N_REPLY_TOKENS, ignore_eos=True, detokenize=False)
    prompts = [{"prompt_token_ids": list(one.ids[: one.n_prompt])} for one in examples[:N_ASKED]]
    llm.generate(prompts[:BATCH], sampling, use_tqdm=False)
    begin = time.perf_counter()
    said = llm.generate(prompts, sampling, use_tqdm=False)
    n_tokens = sum(len(one.outputs[0].token_ids) for one in said)
    return {"rate": n_tokens / (time.perf_counter() - begin), "note": f"{len(prompts)} at once"}


def score_ours(base: BaseWeights, examples: Sequence[EncodedExample]) -> Found:
    """How likely the base finds replies, as `econchatr score` measures it."""
    meter = open_meter(base.checkpoint_path, adapter=None, n_positions=max(len(one.ids) for one in examples))
    meter.measure(examples[:BATCH], tuned=False)
    begin = time.perf_counter()
    nats = sum(meter.measure(examples, tuned=False))
    return tell_scored(examples, nats, time.perf_counter() - begin)


def score_vllm(base: BaseWeights, examples: Sequence[EncodedExample]) -> Found:
    """The same with vLLM, which tells the log-probability of each token of a prompt."""
    llm, settings = open_vllm(base)
    sampling = settings(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
    prompts = [{"prompt_token_ids": list(one.ids)} for one in examples]
    llm.generate(prompts[:BATCH], sampling, use_tqdm=False)
    begin, nats = time.perf_counter(), 0.0
    for one, said in zip(examples, llm.generate(prompts, sampling, use_tqdm=False), strict=True):
        places = range(one.n_prompt, len(one.ids))
        nats -= sum(said.prompt_logprobs[place][one.ids[place]].logprob for place in places)
    return tell_scored(examples, nats, time.perf_counter() - begin)


def tell_scored(examples: Sequence[EncodedExample], nats: float, seconds: float) -> Found:
    """Tokens a second, prompts among them, and the mean, which must be the same for all."""
    n_tokens, n_reply = sum(len(one.ids) for one in examples), sum(one.n_reply for one in examples)
    return {"rate": n_tokens / seconds, "note": f"{nats / n_reply:.4f} nats a token"}


def open_vllm(base: BaseWeights) -> tuple[Any, Any]:
    """Give vLLM with the base, and its class for how to draw."""
    from vllm import LLM, SamplingParams

    opened = {"dtype": "bfloat16", "max_model_len": 2048, "gpu_memory_utilization": 0.8}
    return LLM(model=str(base.checkpoint_path), skip_tokenizer_init=True, **opened), SamplingParams


def train_unsloth(examples: Sequence[EncodedExample], base: BaseWeights, *, is_4bit: bool = False) -> Ran:
    """Train with Unsloth under TRL's trainer, as its introduction does."""
    from unsloth import FastLanguageModel  # before trl, whose classes it changes

    make_tokenizer().save_pretrained(base.checkpoint_path)  # type: ignore[attr-defined]
    model, _ = FastLanguageModel.from_pretrained(
        str(base.checkpoint_path), max_seq_length=2048, dtype=torch.bfloat16, load_in_4bit=is_4bit
    )
    model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32, lora_dropout=0, target_modules=LINEARS)
    return train_trl(examples, base, model=model)


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


def train_ours(examples: Sequence[EncodedExample], base: BaseWeights, *, is_4bit: bool = False) -> Ran:
    """Train as `econchatr train` does."""
    marks: Marks = []

    def mark(progress: TrainProgress) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        marks.append((time.perf_counter(), progress.train_loss or 0.0))

    with tempfile.TemporaryDirectory() as work:
        plan = plan_lora(examples, base=base, folder=Path(work), recipe=RECIPE)
        if is_4bit:
            plan = force_4bit(examples, base, Path(work))
        train_lora(examples, [], base=base, folder=Path(work), recipe=RECIPE, on_progress=mark)
    return marks, plan.tell()


def force_4bit(examples: Sequence[EncodedExample], base: BaseWeights, work: Path) -> TrainingPlan:
    """Put the plan of a card with 24 GB, in 4 bits, in place of this card's."""
    card = replace(look_at_machine(), free_bytes=QLORA_BYTES, total_bytes=QLORA_BYTES, n_gpus=1, has_4bit=True)
    n_longest = max(len(example.ids) for example in examples)
    plan = replace(plan_training(base.checkpoint_path, rank=16, n_longest=n_longest, machine=card), is_4bit=True)
    content = json.loads((work / "plan.json").read_text())
    (work / "plan.json").write_text(json.dumps(content | {"plan": asdict(plan)}))
    return plan


def train_trl(examples: Sequence[EncodedExample], base: BaseWeights, *, model: Any = None) -> Ran:
    """Train with TRL at its fastest, or with a model that has its adapter."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from transformers.utils import is_flash_attn_2_available, is_kernels_available
    from trl import SFTConfig, SFTTrainer

    marks: Marks = []

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
    rows = [
        {"input_ids": list(one.ids), "labels": [-100] * one.n_prompt + list(one.ids[one.n_prompt :])}
        for one in examples
    ]
    with tempfile.TemporaryDirectory() as work:
        config = SFTConfig(
            output_dir=work, num_train_epochs=1, learning_rate=1e-4, weight_decay=0.0, logging_steps=1,
            save_strategy="no", report_to="none", max_length=None, padding_free=True, use_cpu=not on_gpu, bf16=on_gpu,
            gradient_checkpointing=False, per_device_train_batch_size=BATCH, disable_tqdm=True, shuffle_dataset=False,
            train_sampling_strategy="sequential", completion_only_loss=True,
            model_init_kwargs=None if model is not None else opened,
            dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        SFTTrainer(
            model=str(base.checkpoint_path) if model is None else model, args=config, callbacks=[Marker()],
            train_dataset=Dataset.from_list(rows), processing_class=make_tokenizer(),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
            if model is None else None,
        ).train()  # fmt: skip
    return marks, ", ".join(f"{name} {value}" for name, value in opened.items()) if model is None else "Unsloth's model"


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
