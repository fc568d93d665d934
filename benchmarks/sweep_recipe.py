"""Train one adapter per recipe at equal trained tokens, and print the development loss each reaches.

python benchmarks/sweep_recipe.py SHOW OUT.jsonl TOKENS key=value,key=value ...

SHOW is a folder that `econchatr pair` has filled. Each further word is a recipe: fields of `LoraRecipe` that are not
as by default (`learning_rate=2e-3,batch_examples=4`). TOKENS are those of all epochs: with more epochs there are fewer
examples. Recipes already in OUT.jsonl are passed over, so a stopped sweep goes on where it was.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from econchatr.models.files.weights import open_base
from econchatr.pipeline.show import Show, open_show
from econchatr.prompts import EncodedExample
from econchatr.records import Pair
from econchatr.select.examples import build_example
from econchatr.select.strategies import shuffle_pairs
from econchatr.tables import read_table
from econchatr.train.local import train_lora
from econchatr.train.recipe import LoraRecipe

DEV_TOKENS = 12_000


def main() -> None:
    """Train and print."""
    show, out, n_tokens = open_show(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    pool, dev = (encode_split(show, split) for split in ("train", "dev"))
    dev = list(take(dev[:: max(1, sum(map(count, dev)) // DEV_TOKENS)], DEV_TOKENS))
    for told in sys.argv[4:]:
        if not any((row["recipe"], row["tokens"]) == (told, n_tokens) for row in done):
            row = {"recipe": told, "tokens": n_tokens, **measure(show, pool, dev, told, n_tokens)}
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)


def measure(
    show: Show, pool: list[EncodedExample], dev: list[EncodedExample], told: str, n_tokens: int
) -> dict[str, object]:
    """Train by one recipe."""
    # Read at the ends of epochs only: the readings would take as long as the training.
    fields = {"eval_every_share": "1", **dict(part.split("=") for part in told.split(",") if part)}
    recipe = LoraRecipe.model_validate(fields, strict=False)
    examples = list(take(pool, n_tokens // recipe.n_epochs))
    base, begin = open_base(show.config.ladder[0].base, cache=show.cache, hub="never"), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = train_lora(examples, dev, base=base, folder=Path(folder), recipe=recipe)
    losses = [point.dev_loss for point in outcome.curve if point.dev_loss is not None]
    return {
        "examples": len(examples),
        "steps": outcome.n_steps,
        "best_step": outcome.best_step,
        "before": round(losses[0], 4),
        "best": round(min(losses), 4),
        "last": round(losses[-1], 4),
        "seconds": round(time.monotonic() - begin),
    }


def encode_split(show: Show, split: str) -> list[EncodedExample]:
    """Get a split's examples: those to train on in the random order of the show's selection."""
    rung = show.rung()
    rows = read_table(show.folder("pair") / "pairs.parquet", Pair)
    pairs = [pair for pair in rows if pair.is_kept and pair.split == split]
    pairs = shuffle_pairs(pairs, 0) if split == "train" else pairs
    form = rung.form
    return rung.encode(build_example(pair, form) for pair in pairs)


def take(examples: Iterable[EncodedExample], n_tokens: int) -> Iterable[EncodedExample]:
    """Give examples until the next one does not fit."""
    for example in examples:
        n_tokens -= count(example)
        if n_tokens < 0:
            return
        yield example


def count(example: EncodedExample) -> int:
    """Give an example's tokens."""
    return len(example.ids)


if __name__ == "__main__":
    main()
