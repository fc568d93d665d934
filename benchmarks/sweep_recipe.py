"""Train one adapter per recipe on as many tokens; choose on one show, confirm on another; print held-out loss by time.

python benchmarks/sweep_recipe.py SHOW OTHER_SHOW --out sweep.jsonl [--tokens 100000] [--best 3] [--recipes ...]

Both are folders that `econchatr select` has filled, with twice TOKENS as the rung's budget (`max_tokens`), so that one
epoch has enough. Every recipe is tried on the first show; the best of them, and the recipe as it is, on the second.
What is in sweep.jsonl is passed over, so a sweep that was stopped goes on where it was. Seconds are those of opening
the model and of training; the readings of the loss, which are the same for all, are left out.

A recipe is `key=value,key=value`; `as-it-is` changes nothing. The keys are the fields of `LoraRecipe` (alpha is twice
the rank unless given), and what the product has not, tried here:

    optimizer   adamw, or muon: torch's, whose step is an orthogonal matrix, scaled to the size of AdamW's
    init        peft: as it is. orthogonal: the downward matrices with orthogonal rows. gradient: their rows span what
                the first examples' gradient of the whole weight spans most (two passes), the upward ones are zero
    up_rate     times that the upward matrices' learning rate is the downward ones' (LoRA+)
    beta2       AdamW's memory of the gradients' squares
    first       how many examples `gradient` looks at

Source: Jordan et al., "Muon" (2024); Wang et al., "LoRA-GA" (2024); Hayou et al., "LoRA+" (2024).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import torch
from step_costs import time_methods
from written_tables import add_write, lay_out, publish, tell_machine

from econchatr.models.trainable.trainable_model import TrainableModel, cut_packs, open_trainable
from econchatr.pipeline.show import Rung, open_show
from econchatr.prompts import EncodedExample
from econchatr.train import local
from econchatr.train.recipe import LoraRecipe, TrainProgress

AS_IT_IS: Final = "as-it-is"
RECIPES: Final = (
    AS_IT_IS,
    "learning_rate=5e-4", "learning_rate=2e-3", "learning_rate=4e-3",
    "batch_examples=4", "batch_examples=4,learning_rate=5e-4",
    "batch_examples=16", "batch_examples=16,learning_rate=2e-3",
    "n_epochs=1", "n_epochs=3",
    "rank=8", "rank=32", "rank=64",
    "warmup_share=0", "warmup_share=0.2",
    "optimizer=muon,learning_rate=5e-3", "optimizer=muon,learning_rate=1e-2", "optimizer=muon,learning_rate=2e-2",
    "init=orthogonal", "init=gradient", "init=gradient,learning_rate=2e-3", "init=gradient,rank=8",
    "up_rate=4,learning_rate=5e-4", "up_rate=16,learning_rate=2.5e-4", "beta2=0.95",
)  # fmt: skip
"""One thing changed at a time, and what is usually changed with it."""
DEV_TOKENS: Final = 12_000
ROW_LENGTH: Final = 3**-0.5
"""Of a row of the downward matrix as peft draws it, uniform within one over the root of its numbers."""


@dataclass(frozen=True)
class Tried:
    """A recipe, and what is tried beside its fields."""

    recipe: LoraRecipe
    optimizer: str = "adamw"
    init: str = "peft"
    up_rate: float = 1.0
    beta2: float = 0.999
    first: int = 32

    @classmethod
    def read(cls, told: str, like: LoraRecipe) -> Tried:
        """What `key=value,...` says; the other fields are those of the show's own recipe."""
        given = dict(part.split("=") for part in told.split(",") if part != AS_IT_IS)
        kinds = {"optimizer": str, "init": str, "up_rate": float, "beta2": float, "first": int}
        own = {name: kind(given.pop(name)) for name, kind in kinds.items() if name in given}
        if "rank" in given:
            given.setdefault("alpha", str(2 * int(given["rank"])))
        return cls(LoraRecipe.model_validate({**like.model_dump(), **given}, strict=False), **own)


def main() -> None:
    """Choose, confirm, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", type=Path, help="to choose on")
    parser.add_argument("other", type=Path, help="to confirm on")
    parser.add_argument("--out", type=Path, default=Path("sweep.jsonl"))
    parser.add_argument("--tokens", type=int, default=100_000, help="of all epochs together")
    parser.add_argument("--best", type=int, default=3, help="recipes to confirm")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    add_write(parser)
    given = parser.parse_args()
    machine = tell_machine()
    chosen_on = sweep(given.show, [AS_IT_IS, *given.recipes], given)
    best = sorted(chosen_on, key=lambda row: row["best"])[: given.best]
    confirmed_on = sweep(given.other, [AS_IT_IS, *(row["recipe"] for row in best)], given)
    text = write_table(chosen_on, confirmed_on, given, machine)
    publish("sweep_recipe", text, is_written=given.write)


def sweep(show: Path, recipes: Sequence[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each recipe, in their order."""
    rows, material = [], None
    for told in dict.fromkeys(recipes):
        row = find_row(given.out, show.name, told, given.tokens)
        if row is None:
            material = material or Material(open_show(show).rung())
            row = {"show": show.name, "recipe": told, "tokens": given.tokens, **material.measure(told, given.tokens)}
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
        rows.append(row)
    return rows


def find_row(out: Path, show: str, told: str, n_tokens: int) -> dict[str, Any] | None:
    """What was measured before."""
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []
    wanted = (show, told, n_tokens)
    return next((row for row in rows if (row["show"], row["recipe"], row["tokens"]) == wanted), None)


class Material:
    """One show's examples."""

    def __init__(self, rung: Rung) -> None:
        self.rung, self.base = rung, rung.base.weights()
        self.train = rung.encode(rung.examples("train"))
        random.Random(0).shuffle(self.train)
        self.dev = local.spread_examples(rung.encode(rung.examples("dev")), max_tokens=DEV_TOKENS)

    def measure(self, told: str, n_tokens: int) -> dict[str, Any]:
        """Train by one recipe."""
        tried = Tried.read(told, self.rung.recipe)
        examples = self.take(n_tokens // tried.recipe.n_epochs)
        begin, used = time.perf_counter(), time.process_time()
        readings: list[tuple[float, float, float]] = []

        def hear(progress: TrainProgress) -> None:
            if progress.dev_loss is not None and (not readings or readings[-1][2] != progress.dev_loss):
                clock = time.perf_counter() - begin - spent["_evaluate"]
                processor = time.process_time() - used - spent["_evaluate, processor"]
                readings.append((clock, processor, progress.dev_loss))

        with (
            tempfile.TemporaryDirectory() as folder,
            put_in_place(tried, examples),
            time_methods(local._Training, ("_evaluate",)) as spent,
        ):
            outcome = local.train_lora(
                examples, self.dev, base=self.base, folder=Path(folder), recipe=tried.recipe, on_progress=hear
            )
        losses = [point.dev_loss for point in outcome.curve if point.dev_loss is not None]
        return {
            "examples": len(examples), "steps": outcome.n_steps, "before": losses[0], "best": min(losses[1:]),
            "last": losses[-1], "seconds": readings[-1][0], "processor": readings[-1][1], "readings": readings,
        }  # fmt: skip

    def take(self, n_tokens: int) -> list[EncodedExample]:
        """The first examples that hold so many tokens."""
        taken: list[EncodedExample] = []
        for example in self.train:
            n_tokens -= len(example.ids)
            if n_tokens < 0:
                return taken
            taken.append(example)
        raise SystemExit(f"{self.rung.show.root}: {n_tokens:,} tokens too few; raise max_tokens and select again.")


@contextmanager
def put_in_place(tried: Tried, examples: Sequence[EncodedExample]) -> Iterator[None]:
    """Let the loop train with what is tried: its optimizer, its first matrices; and keep no state to go on from."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch.optim, "AdamW", partial(make_optimizer, tried, torch.optim.AdamW)))
        stack.enter_context(patch.object(local._Training, "_keep", lambda _: None))
        begin = partial(open_begun, tried, examples[: tried.first], open_trainable)
        stack.enter_context(patch.object(local, "open_trainable", begin))
        yield


def make_optimizer(tried: Tried, adamw: type[torch.optim.Optimizer], parameters: Any, **given: Any) -> Any:
    """The optimizer that is tried; the loop sets each group's rate before each step, so `times` is applied there."""
    every = list(parameters)  # down and up in turn, as peft names them
    groups = [{"params": every[0::2], "times": 1.0}, {"params": every[1::2], "times": tried.up_rate}]
    kind, settings = adamw, given | {"betas": (0.9, tried.beta2)}
    if tried.optimizer == "muon":
        kind = torch.optim.Muon
        settings = {"lr": given["lr"], "weight_decay": given["weight_decay"], "adjust_lr_fn": "match_rms_adamw"}

    class Rated(kind):  # type: ignore[misc,valid-type]
        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                group["lr"] *= group["times"]
            return super().step(closure)

    return Rated(groups, **settings)


def open_begun(
    tried: Tried, first: Sequence[EncodedExample], open_trainable: Any, *args: Any, **given: Any
) -> TrainableModel:
    """The model with the first matrices that are tried."""
    model: TrainableModel = open_trainable(*args, **given)
    downs, ups = (list(model.parameters.values())[start::2] for start in (0, 1))
    if tried.init == "orthogonal":
        for down in downs:
            down.data.copy_(spread_rows(down.data))
    if tried.init == "gradient":
        follow_gradient(model, downs, ups, first)
    model.refresh()
    return model


def follow_gradient(
    model: TrainableModel, downs: Sequence[Any], ups: Sequence[Any], examples: Sequence[EncodedExample]
) -> None:
    """Let the downward matrices span what the whole weight's gradient spans most: its rows, found by two passes.

    With `up` zero the gradient of `up` is the weight's gradient times random rows; with orthogonal columns of that in
    `up`, and `down` zero, the gradient of `down` is what those columns see of the weight's. In both the model is its
    base. Source: Halko et al., "Finding structure with randomness" (2011), the range finder.
    """
    for towards in (ups, downs):
        learn_once(model, examples)
        for down, up in zip(downs, ups, strict=True):
            if towards is ups:
                up.data.copy_(torch.linalg.qr(up.grad)[0])
                down.data.zero_()
            else:
                down.data.copy_(spread_rows(down.grad))
                up.data.zero_()
            down.grad = up.grad = None
        model.refresh()


def learn_once(model: TrainableModel, examples: Sequence[EncodedExample]) -> None:
    """Add the gradient of some examples."""
    n_learned = sum(example.n_reply for example in examples)
    for pack in cut_packs(examples, max_tokens=model.plan.n_pack_tokens):
        model.learn(pack, weight=1 / n_learned)


def spread_rows(matrix: torch.Tensor) -> torch.Tensor:
    """Orthogonal rows that span the same, of the length that peft's rows have."""
    return torch.linalg.qr(matrix.t())[0].t() * ROW_LENGTH


def write_table(
    chosen_on: Sequence[dict[str, Any]], confirmed_on: Sequence[dict[str, Any]], given: argparse.Namespace, machine: str
) -> str:
    """The page's block: both shows, each recipe with the time it took to the loss of the recipe as it is."""
    head = ("recipe", "steps", "held-out loss: before", "best", "last", "seconds", "of processor",
            f"seconds (of processor) to the best of `{AS_IT_IS}`")  # fmt: skip
    parts = [f"`python benchmarks/sweep_recipe.py SHOW OTHER_SHOW --tokens {given.tokens}`. {machine}."]
    for told, rows in (("Chosen on", chosen_on), ("Confirmed on", confirmed_on)):
        wanted = next(row["best"] for row in rows if row["recipe"] == AS_IT_IS)
        ordered = sorted(rows, key=lambda row: row["best"])
        parts += [f"{told} {rows[0]['show']}:", lay_out(head, [tell_row(row, wanted) for row in ordered])]
    return "\n\n".join(parts)


def tell_row(row: dict[str, Any], wanted: float) -> list[str]:
    """One recipe's cells."""
    reached = next(((clock, used) for clock, used, loss in row["readings"] if loss <= wanted), None)
    losses = (f"{row[name]:.4f}" for name in ("before", "best", "last"))
    times = (f"{row[name]:,.0f}" for name in ("seconds", "processor"))
    told = f"{reached[0]:,.0f} ({reached[1]:,.0f})" if reached else "not reached"
    return [f"`{row['recipe']}`", str(row["steps"]), *losses, *times, told]


if __name__ == "__main__":
    main()
