"""One round of preference training on top of a tuned model's adapter.

DPO where one reply stands above another, KTO where single replies were called right or wrong. Through TRL, which the
loop of `local` does without: here a round is a few dozen steps, and what counts is that the loss is the published one.
TRL is given token ids, not text, so that a model sees exactly what it saw in its training. torch and TRL are imported
inside the functions that need them.

Source: Rafailov et al., "Direct Preference Optimization" (2023); Ethayarajh et al., "KTO" (2024); as TRL computes them.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic import Field

from econchatr.errors import InputError, MissingExtraError, ModelError
from econchatr.models.engines.transformers_engine import load_model
from econchatr.models.files.weights import BaseWeights
from econchatr.records import Record
from econchatr.tables import disk_errors, hash_file, write_bytes
from econchatr.train.recipe import LoraRecipe, write_peft_config

_SAVE_EVERY_STEPS = 5
"""Steps between two kept states: a minute or two on two cores."""
_FIXED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "lr_scheduler_type": "linear",
        "max_length": None,
        "save_strategy": "steps",
        "save_steps": _SAVE_EVERY_STEPS,
        "save_total_limit": 1,
        "eval_strategy": "no",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
)
"""TRL's settings that no recipe changes."""


class PreferenceRecipe(Record):
    """How a round is trained.

    Source: beta as in the DPO paper; the rest measured on the bundled show, `docs/preferences.md`.
    """

    beta: float = Field(default=0.1, gt=0)
    """How dear it is to move away from the tuned model."""
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    """The highest; it falls to zero in a straight line."""
    batch_examples: int = Field(default=4, ge=1)
    n_epochs: int = Field(default=1, ge=1)
    max_gradient_norm: float = Field(default=1.0, gt=0)
    seed: int = 0


class EncodedPreference(NamedTuple):
    """Two replies to one prompt, as token ids; the first is the better one."""

    prompt_ids: tuple[int, ...]
    better_ids: tuple[int, ...]
    worse_ids: tuple[int, ...]


class EncodedVerdict(NamedTuple):
    """One reply to a prompt, as token ids, and whether it is right."""

    prompt_ids: tuple[int, ...]
    reply_ids: tuple[int, ...]
    is_right: bool


_Rows: TypeAlias = Sequence[EncodedPreference] | Sequence[EncodedVerdict]
"""What a round is trained on: never both kinds."""


class PreferenceProgress(NamedTuple):
    """Where a round stands."""

    step: int
    n_steps: int
    loss: float
    """Of the step: for DPO in nats, 0.69 where the model prefers neither reply."""


@dataclass(frozen=True)
class PreferenceTraining:
    """A finished round."""

    adapter_folder: Path
    """peft's `adapter_model.safetensors` and `adapter_config.json`, after the last step."""
    n_steps: int
    losses: tuple[float, ...] = ()
    """Of every step."""


def train_preferences(
    rows: _Rows,
    *,
    base: BaseWeights,
    adapter: Path,
    folder: Path,
    recipe: PreferenceRecipe,
    on_progress: Callable[[PreferenceProgress], None] | None = None,
) -> PreferenceTraining:
    """Train a copy of the adapter in `adapter` for one round; that one stays as it is, and is what is kept close to.

    Killed and started again with the same arguments it goes on from the last state kept in `folder`.

    Args:
        rows: All preferences (trained by DPO), or all verdicts (by KTO, which needs right ones and wrong ones).
        on_progress: Called after every step.

    Raises:
        InputError: There are no rows, or only right or only wrong ones.
        MissingExtraError: TRL is not installed.
        ModelError: The base or the adapter cannot be opened, or the loss is no number any more.
        ShowFolderError: `folder` cannot be written.
    """
    if not rows:
        raise InputError("there are no preferences to train on.", hint="Rank some answers first.")
    if isinstance(rows[0], EncodedVerdict) and len({row.is_right for row in rows}) < 2:  # type: ignore[union-attr]
        raise InputError("all verdicts are alike.", hint="Call some answers right and some wrong.")
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    made = folder / "adapter"
    with _quiet():
        trainer = _make_trainer(rows, base=base, adapter=adapter, folder=folder, recipe=recipe, report=on_progress)
        with disk_errors(folder):
            result = trainer.train(resume_from_checkpoint=_find_state(Path(trainer.args.output_dir)))
            if not math.isfinite(result.training_loss):
                raise ModelError(f"the loss became {result.training_loss}.", hint="Lower the learning rate.")
            trainer.model.save_pretrained(str(made), selected_adapters=["default"])
            # The same adapter in all but its numbers; peft's own account would name a folder of this machine.
            shutil.copyfile(adapter / "adapter_config.json", made / "adapter_config.json")
    losses = tuple(float(row["loss"]) for row in trainer.state.log_history if "loss" in row)
    return PreferenceTraining(made, trainer.state.global_step, losses)


def write_untrained_adapter(base: BaseWeights, recipe: LoraRecipe, *, out: Path) -> None:
    """Write an adapter that changes nothing yet, for a round that begins with the base; nothing if it is there.

    Args:
        recipe: Says its rank, and the seed of its first values.
        out: Its folder.

    Raises:
        MissingExtraError: torch or peft is not installed.
        ModelError: The base cannot be opened.
        ShowFolderError: `out` cannot be written.
    """
    _, peft, _, _ = _import_trl()
    import torch
    from safetensors.torch import save

    from econchatr.models.trainable.low_rank import find_targets, name_targets

    if (out / "adapter_config.json").is_file():
        return
    with _quiet():
        model = load_model(base.checkpoint_path, adapter=None)
        names = name_targets(model, find_targets(model, model.get_decoder()))
        torch.manual_seed(recipe.seed)
        config = peft.LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=names, task_type="CAUSAL_LM")
        tensors = peft.get_peft_model_state_dict(peft.get_peft_model(model, config))
    kept = {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / "adapter_model.safetensors", save(kept, {"format": "pt"}))
    # Written last: where it is there, the adapter is whole.
    write_bytes(out / "adapter_config.json", write_peft_config(recipe, base=base.name, target_modules=names).encode())


def blend_adapters(tuned: Path, preferred: Path, strength: float, *, out: Path) -> None:
    """Write the adapter that lies so far on the straight line between two; 0 is the first, 1 the second.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models" (2022), who so keep what was there before.

    Raises:
        ShowFolderError: It cannot be written.
    """
    from safetensors.torch import load_file, save

    start, end = load_file(tuned), load_file(preferred)
    between = {name: (tensor + strength * (end[name] - tensor)).contiguous() for name, tensor in start.items()}
    write_bytes(out, save(between, {"format": "pt"}))


def _make_trainer(
    rows: _Rows,
    *,
    base: BaseWeights,
    adapter: Path,
    folder: Path,
    recipe: PreferenceRecipe,
    report: Callable[[PreferenceProgress], None] | None,
) -> Any:
    trl, peft, datasets, transformers = _import_trl()
    from econchatr.models.machine import choose_device, choose_dtype

    device = choose_device()
    is_dpo = isinstance(rows[0], EncodedPreference)
    make_config, make_trainer = (trl.DPOConfig, trl.DPOTrainer) if is_dpo else (trl.KTOConfig, trl.KTOTrainer)
    n_at_once, n_turns = _split_batch(min(recipe.batch_examples, len(rows)), least=1 if is_dpo else 2)
    config = make_config(
        output_dir=str(folder / f"work-{_fingerprint(rows, base, adapter, recipe)[:16]}"),
        beta=recipe.beta,
        learning_rate=recipe.learning_rate,
        num_train_epochs=recipe.n_epochs,
        per_device_train_batch_size=n_at_once,
        gradient_accumulation_steps=n_turns,
        max_grad_norm=recipe.max_gradient_norm,
        seed=recipe.seed,
        data_seed=recipe.seed,
        use_cpu=device == "cpu",
        bf16=str(choose_dtype(device)) == "torch.bfloat16",
        gradient_checkpointing=device != "cpu",
        **_FIXED,
    )

    class Encoded(make_trainer):  # type: ignore[misc, valid-type]
        """TRL's trainer, given token ids: what a model sees is decided in `prompts` and nowhere else."""

        def _prepare_dataset(self, dataset: Any, *_: object, **__: object) -> Any:
            return dataset

    trainer = Encoded(
        model=_open_trainable(peft, base, adapter),
        args=config,
        processing_class=transformers.AutoTokenizer.from_pretrained(str(base.checkpoint_path)),
        callbacks=[_listen(transformers, report)],
        train_dataset=datasets.Dataset.from_list(_columns(rows, n_at_once=n_at_once)),
    )
    # It would print every step's figures on stdout, where results go.
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _split_batch(n_examples: int, *, least: int) -> tuple[int, int]:
    """How many examples go through the model at once, at most four, and how often until the batch is through.

    >>> _split_batch(4, least=1), _split_batch(6, least=1), _split_batch(7, least=1), _split_batch(7, least=2)
    ((4, 1), (3, 2), (1, 7), (4, 1))
    """
    fits = [n for n in range(min(4, n_examples), least - 1, -1) if n_examples % n == 0]
    n_at_once = fits[0] if fits else min(4, n_examples)
    return n_at_once, max(1, n_examples // n_at_once)


def _open_trainable(peft: Any, base: BaseWeights, adapter: Path) -> Any:
    model = load_model(base.checkpoint_path, adapter=None)
    try:
        return peft.PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        raise ModelError(f"{adapter}: no readable adapter ({exc}).", hint="Train the rung again.") from exc


def _find_state(folder: Path) -> str | None:
    """The last state that was kept whole: what says where the round stands is written last."""
    for place in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]), reverse=True):
        try:
            json.loads((place / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return str(place)
    return None


def _columns(rows: _Rows, *, n_at_once: int) -> list[dict[str, list[int] | bool]]:
    """The rows under the names that TRL's collators read.

    KTO measures how far the model has moved by replies to other prompts: within each batch, every prompt gets the reply
    before it. Source: TRL's own preparation, which is left out here.
    """
    columns: list[dict[str, list[int] | bool]] = []
    for place, row in enumerate(rows):
        if isinstance(row, EncodedPreference):
            replies = {"chosen_ids": list(row.better_ids), "rejected_ids": list(row.worse_ids)}
            columns.append({"prompt_ids": list(row.prompt_ids), **replies})
        elif isinstance(row, EncodedVerdict):
            first = place - place % n_at_once
            others = [one for one in rows[first : first + n_at_once] if isinstance(one, EncodedVerdict)]
            replies = {
                "completion_ids": list(row.reply_ids),
                "KL_completion_ids": list(others[place - first - 1].reply_ids),
            }
            columns.append({"prompt_ids": list(row.prompt_ids), **replies, "label": row.is_right})
    return columns


def _listen(transformers: Any, report: Callable[[PreferenceProgress], None] | None) -> Any:
    class Listener(transformers.TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if report and logs and "loss" in logs:
                report(PreferenceProgress(state.global_step, state.max_steps, float(logs["loss"])))

    return Listener()


def _fingerprint(rows: _Rows, base: BaseWeights, adapter: Path, recipe: PreferenceRecipe) -> str:
    """Hash everything that decides the result: a state of another round is not taken up."""
    try:
        adapter_sha256 = hash_file(adapter / "adapter_model.safetensors")
    except OSError as exc:
        raise ModelError(f"{adapter}: no readable adapter ({exc}).", hint="Train the rung again.") from exc
    parts = [recipe.model_dump_json(), base.sha256, adapter_sha256, json.dumps(rows)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _import_trl() -> tuple[Any, Any, Any, Any]:
    try:
        import datasets
        import peft
        import transformers
        import trl
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"training on preferences needs {exc.name}.", extra="local") from exc
    return trl, peft, datasets, transformers


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' notes to programmers off the terminal."""
    try:
        from transformers.utils import logging
    except ModuleNotFoundError as exc:
        raise MissingExtraError(f"training on preferences needs {exc.name}.", extra="local") from exc
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)
