"""Train an adapter on this machine.

A plain loop over a `TrainableModel` instead of TRL's trainer: on a CPU every part that costs time (batches, masks,
loss, dropout, casts) would have had to be replaced, and a state that can be taken up bit for bit after kill -9 is
simpler without it (`docs/decisions/0007-training-loop.md`). The adapter is in peft's format.

torch is imported inside the functions that need it.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from econchatr.errors import InputError, MissingExtraError, ModelError
from econchatr.models.files.weights import BaseWeights
from econchatr.models.trainable.memory_plan import TrainingPlan, plan_training
from econchatr.models.trainable.trainable_model import AdapterShape, check_tokens, cut_packs, open_trainable
from econchatr.prompts import EncodedExample
from econchatr.tables import disk_errors, hash_settings, write_bytes
from econchatr.train.recipe import LoraRecipe, LossPoint, TrainOutcome, TrainProgress, write_peft_config
from econchatr.train.state import (
    Standing,
    read_best,
    read_plan,
    read_state,
    write_best,
    write_plan,
    write_state,
)
from econchatr.train.team import find_team

if TYPE_CHECKING:
    from torch import Tensor


_STATE_EVERY_SECONDS = 30.0
"""After so long the state is kept when a step ends, 60 MB; so it is at every reading."""


def describe_arithmetic() -> str:
    """Say in words how this machine would train.

    Raises:
        MissingExtraError: torch is not installed.
    """
    _require_torch()
    import torch

    from econchatr.models import machine

    device = machine.choose_device()
    dtype = machine.name_dtype(machine.choose_dtype(device))
    note = "" if dtype == "bfloat16" else " (no native bfloat16: about half as fast)"
    return f"{dtype} on {machine.name_device(device)}{note}, torch {torch.__version__}"


def train_lora(
    examples: Sequence[EncodedExample],
    dev_examples: Sequence[EncodedExample],
    *,
    base: BaseWeights,
    folder: Path,
    recipe: LoraRecipe,
    on_progress: Callable[[TrainProgress], None] | None = None,
) -> TrainOutcome:
    """Train an adapter and give it as it was when the development loss was lowest.

    The same arguments give the same adapter, bit for bit on one machine, also when the process was killed and started
    again: it goes on from the last state kept in `folder`. Without development examples the last step counts as best.
    Where a process group is open (`econchatr.train.team`), this process leads; each of the others calls `help_train`.

    Args:
        folder: For the state, and the adapter at the end. The state stays, so that a caller who fails afterwards gets
            the same adapter again at once; whoever is done with it deletes the folder.

    Raises:
        InputError: There are no examples.
        MissingExtraError: torch is not installed.
        ModelError: The base cannot be trained on, or the loss is no number any more.
        ShowFolderError: `folder` cannot be written.
        TeammateLostError: Another process of the team has ended.
    """
    if not examples:
        raise InputError("there are no examples to train on.", hint="Raise the rung's budget.")
    _require_torch()
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.part"):
            left.unlink(missing_ok=True)
    return _Training(examples, dev_examples, base=base, folder=folder, recipe=recipe, on_progress=on_progress).run()


def help_train(
    examples: Sequence[EncodedExample],
    dev_examples: Sequence[EncodedExample],
    *,
    base: BaseWeights,
    folder: Path,
    recipe: LoraRecipe,
) -> None:
    """Take this process's share of a training that another process of the team leads with the same arguments.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: The base cannot be trained on, or the loss is no number any more.
        TeammateLostError: The team's other processes have ended.
    """
    _require_torch()
    _Training(examples, dev_examples, base=base, folder=folder, recipe=recipe, on_progress=None).help()


def plan_lora(
    examples: Sequence[EncodedExample], *, base: BaseWeights, folder: Path, recipe: LoraRecipe
) -> TrainingPlan:
    """Give the way in which `train_lora` will train, kept in `folder`: taken up again, a training stays with it.

    Args:
        examples: Those to train on and those of development.

    Raises:
        InputError: There are no examples.
        MissingExtraError: torch is not installed.
        ModelError: The free memory suffices for no way, or the base cannot be read.
        ShowFolderError: `folder` cannot be written.
    """
    _require_torch()
    from econchatr.models.machine import look_at_machine

    if not examples:
        raise InputError("there are no examples to train on.", hint="Raise the rung's budget.")
    machine, n_longest = look_at_machine(), max(len(example.ids) for example in examples)
    settings = [base.sha256, recipe.rank, n_longest, machine.device, machine.dtype]
    of = hash_settings(settings)
    kept = read_plan(folder, of)
    if kept is None:
        kept = plan_training(base.checkpoint_path, rank=recipe.rank, n_longest=n_longest, machine=machine)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_plan(folder, kept, of)
    return kept


class _Training:
    """One training from its first step, or its last kept one, to its adapter."""

    def __init__(
        self,
        examples: Sequence[EncodedExample],
        dev_examples: Sequence[EncodedExample],
        *,
        base: BaseWeights,
        folder: Path,
        recipe: LoraRecipe,
        on_progress: Callable[[TrainProgress], None] | None,
    ) -> None:
        self._examples, self._dev = list(examples), sorted(dev_examples, key=lambda example: len(example.ids))
        self._base, self._folder, self._recipe, self._report = base, folder, recipe, on_progress
        self._steps_per_epoch = math.ceil(len(examples) / recipe.batch_examples)
        self._n_steps = self._steps_per_epoch * recipe.n_epochs
        self._n_all_tokens = recipe.n_epochs * sum(len(example.ids) for example in examples)
        self._evaluations = evaluation_steps(self._steps_per_epoch, recipe)
        self._kept_at = time.monotonic()
        self._team = find_team()

    def help(self) -> None:
        """Take every step with the lead, who reads, keeps and writes."""
        self._open()
        while self._standing.step < self._n_steps:
            self._take_step()

    def run(self) -> TrainOutcome:
        self._open()
        if not self._standing.curve:
            self._evaluate()
            self._keep()
        while self._standing.step < self._n_steps:
            nats_per_token = self._take_step()
            step = self._standing.step
            if step in self._evaluations:
                self._evaluate()
            if self._report:
                seen, dev_loss = self._standing.n_seen_tokens, self._standing.curve[-1].dev_loss
                self._report(TrainProgress(step, self._n_steps, seen, self._n_all_tokens, nats_per_token, dev_loss))
            if step in self._evaluations or time.monotonic() - self._kept_at >= _STATE_EVERY_SECONDS:
                self._keep()
        return self._finish()

    def _open(self) -> None:
        import torch

        recipe, rows = self._recipe, (*self._examples, *self._dev)
        self._plan = self._team.hand_out(
            lambda: plan_lora(rows, base=self._base, folder=self._folder, recipe=recipe),
        )
        self._model = open_trainable(
            self._base.checkpoint_path,
            plan=self._plan,
            shape=AdapterShape(recipe.rank, recipe.alpha, recipe.seed),
            n_positions=max(len(example.ids) for example in rows),
        )
        check_tokens(self._model, rows, name=self._base.name)
        self._parameters = dict(self._model.parameters)
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(),
            lr=recipe.learning_rate,
            betas=(0.9, 0.999),
            eps=1e-8,
            weight_decay=recipe.weight_decay,
            fused=self._plan.device != "mps",
        )
        self._standing, tensors = self._find_standing()
        if tensors:
            self._restore(tensors)

    def _find_standing(self) -> tuple[Standing, dict[str, Tensor]]:
        """Give where the training stands, and the tensors it had there: none at the beginning."""
        fingerprint = self._fingerprint()
        standing, tensors = self._team.hand_out(
            lambda: read_state(self._folder, fingerprint) or (Standing(fingerprint), {})
        )
        if standing.fingerprint != fingerprint:
            raise ModelError(
                f"{self._base.name}: this node sees other examples, or another base, than the first worker does.",
                hint="Every node must see the same folder of shows, and have the same base.",
            )
        return standing, tensors

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        import torch

        for name, parameter in self._parameters.items():
            parameter.data.copy_(tensors[name])
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(self._standing.step), device=parameter.device),
                "exp_avg": tensors[f"exp_avg.{name}"].to(parameter.device),
                "exp_avg_sq": tensors[f"exp_avg_sq.{name}"].to(parameter.device),
            }
        self._model.refresh()

    def _take_step(self) -> float:
        """Learn from one batch; give its mean loss per learned token."""
        step, recipe = self._standing.step, self._recipe
        epoch, place = divmod(step, self._steps_per_epoch)
        order = list(range(len(self._examples)))
        random.Random(f"{recipe.seed}/{epoch}").shuffle(order)
        first = place * recipe.batch_examples
        batch = [self._examples[n] for n in order[first : first + recipe.batch_examples]]
        n_learned = sum(example.n_reply for example in batch)
        # Seeded by the step, so that a training taken up again drops the same features.
        self._model.refresh(dropout=recipe.dropout, seed=recipe.seed * 1_000_003 + step)
        nats = 0.0
        for pack in cut_packs(self._team.take_share(batch), max_tokens=self._plan.n_pack_tokens):
            nats += self._model.learn(pack, weight=1 / n_learned)
        nats = self._team.sum_up(list(self._parameters.values()), nats)
        self._update(nats)
        self._standing.step += 1
        self._standing.n_seen_tokens += sum(len(example.ids) for example in batch)
        self._standing.nats += nats
        self._standing.n_learned += n_learned
        return nats / n_learned

    def _update(self, nats: float) -> None:
        import torch

        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._recipe.max_gradient_norm))
        if not (math.isfinite(nats) and math.isfinite(norm)):
            raise ModelError(
                f"{self._base.name}: loss {nats} and gradient {norm} at step {self._standing.step + 1}.",
                hint="Lower train.learning_rate.",
            )
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate_at(self._standing.step, self._n_steps, self._recipe)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=False)

    def _evaluate(self) -> None:
        now = self._standing
        dev_loss = self._measure_dev()
        best = now.best
        # The untrained adapter is read, but never kept: a tuned model that is its base would tell nobody anything.
        is_best = now.step > 0 and (best is None or dev_loss is None or dev_loss < (best.dev_loss or math.inf))
        train_loss = now.nats / now.n_learned if now.n_learned else None
        now.curve.append(LossPoint(now.step, now.n_seen_tokens, train_loss, dev_loss, is_best))
        now.nats, now.n_learned = 0.0, 0
        if is_best:
            write_best(self._folder, now.step, self._parameters)

    def _measure_dev(self) -> float | None:
        if not self._dev:
            return None
        self._model.refresh()
        packs = cut_packs(self._dev, max_tokens=self._plan.n_pack_tokens // 2)
        nats = math.fsum(value for pack in packs for value in self._model.measure_nats(pack))
        if not math.isfinite(nats):
            raise ModelError(
                f"{self._base.name}: the development loss at step {self._standing.step} is no number.",
                hint="Lower train.learning_rate.",
            )
        return nats / sum(example.n_reply for example in self._dev)

    def _keep(self) -> None:
        tensors: dict[str, Tensor] = dict(self._parameters)
        for name, parameter in self._parameters.items():
            state = self._optimizer.state.get(parameter)
            for part in ("exp_avg", "exp_avg_sq"):
                tensors[f"{part}.{name}"] = state[part] if state else parameter.detach().clone().zero_()
        write_state(self._folder, self._standing, tensors)
        self._kept_at = time.monotonic()

    def _finish(self) -> TrainOutcome:
        from safetensors.torch import save

        now, best = self._standing, self._standing.best
        assert best is not None  # noqa: S101 - the last step is always read, and the first reading after 0 is a best
        adapter = self._folder / "adapter"
        with disk_errors(adapter):
            adapter.mkdir(exist_ok=True)
        config = write_peft_config(self._recipe, base=self._base.name, target_modules=self._model.target_modules)
        write_bytes(adapter / "adapter_config.json", config.encode())
        tensors = read_best(self._folder, best.step)
        write_bytes(adapter / "adapter_model.safetensors", save(tensors, {"format": "pt"}))
        return TrainOutcome(
            adapter_folder=adapter,
            curve=tuple(now.curve),
            n_steps=self._n_steps,
            best_step=best.step,
            n_trained_tokens=now.n_seen_tokens,
            dtype=self._plan.dtype + (", base in 4 bits" if self._plan.is_4bit else ""),
        )

    def _fingerprint(self) -> str:
        """Hash everything that decides the adapter."""
        parts = [
            self._recipe.model_dump_json(),
            self._base.sha256,
            *self._plan.tell_numbers(),
            *([f"{self._team.size} processes"] if self._team.size > 1 else []),
            json.dumps([[(example.ids, example.n_prompt) for example in rows] for rows in (self._examples, self._dev)]),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def spread_examples(examples: list[EncodedExample], *, max_tokens: int) -> list[EncodedExample]:
    """As many examples, evenly spread, as hold about `max_tokens`."""
    total = sum(len(example.ids) for example in examples)
    if total <= max_tokens:
        return examples
    n = max(1, len(examples) * max_tokens // total)
    return [examples[i * len(examples) // n] for i in range(n)]


def evaluation_steps(steps_per_epoch: int, recipe: LoraRecipe) -> frozenset[int]:
    """Give the steps after which the development loss is read, besides step 0.

    >>> sorted(evaluation_steps(8, LoraRecipe(n_epochs=1)))
    [4, 8]
    """
    n_readings = math.ceil(recipe.n_epochs / recipe.eval_every_share)
    n_steps = steps_per_epoch * recipe.n_epochs
    steps = {round(n * recipe.eval_every_share * steps_per_epoch) for n in range(1, n_readings)}
    return frozenset({step for step in steps if 0 < step < n_steps} | {n_steps})


def learning_rate_at(step: int, n_steps: int, recipe: LoraRecipe) -> float:
    """Give the learning rate of the step after `step` steps: a straight rise, then a straight fall to zero."""
    n_warmup = math.ceil(recipe.warmup_share * n_steps)
    if step < n_warmup:
        return recipe.learning_rate * (step + 1) / n_warmup
    return recipe.learning_rate * (n_steps - step) / max(1, n_steps - n_warmup)


def _require_torch() -> None:
    for package in ("torch", "safetensors"):
        if find_spec(package) is None:
            raise MissingExtraError(f"training needs {package}.", extra="local")


def measure_rate(examples: Sequence[EncodedExample], *, base: BaseWeights, folder: Path, recipe: LoraRecipe) -> float:
    """Tokens per second of training with this recipe, prompts included.

    Args:
        folder: An empty folder for the state; its contents are worthless afterwards.

    Raises:
        InputError: There are no examples.
        MissingExtraError: torch is not installed.
        ModelError: The base cannot be trained on.
    """
    marks: list[tuple[float, int]] = []

    def mark(progress: TrainProgress) -> None:
        marks.append((time.monotonic(), progress.n_seen_tokens))

    # The first step warms caches up and is not counted; three more are steady within a few per cent.
    few = examples[: 4 * recipe.batch_examples]
    train_lora(few, [], base=base, folder=folder, recipe=recipe.model_copy(update={"n_epochs": 1}), on_progress=mark)
    (start, first), (end, last) = marks[0], marks[-1]
    return (last - first) / (end - start) if len(marks) > 1 else last / max(end - start, 1e-3)
