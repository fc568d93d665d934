"""Seconds from a prepared show to a given held-out loss of the host's answers: TRL as it comes, then our own loop.

python benchmarks/time_to_voice.py SHOW [--rung NAME] [--tokens 100000] [--trl-rate 2e-5] [--work FOLDER] [--write]

SHOW is a folder that `econchatr select` has filled, with a plain Llama as its base. With `--work` a run that was
stopped goes on behind its last whole part, and so is no longer one run. Each part runs in a process of its own, one
after the other, on the same examples:

    trl      TRL's SFTTrainer with its defaults, but for the number of epochs, our adapter (rank 16 on all linear
             layers), and the loss on replies only. Its adapter is kept at a quarter, half, three quarters and the end
    ours     what `econchatr train` does, readings and kept states among it; the clock is read when its development
             loss is TRL's last, and at the end
    same     our loop with TRL's batch and learning rate over the same tokens: rate and loss side by side with TRL's,
             and the share of the product limit, which is measured before and after with the model's own shapes
    profile  a few steps of ours under torch's profiler

Every loss is measured afterwards by the same code, in nats per token of the reply: on the development examples, and on
the test episodes, which choose nothing. What TRL takes to keep an adapter is not counted; what ours takes to read the
loss and to keep its state is. Seconds count from the start of the process, imports and all.

TRL's default learning rate is low for an adapter. `--trl-rate 1e-3` gives TRL ours: then it learns as much as ours does
from the same tokens, and what is left of the lead is speed alone. That table has a block of its own.

TRL multiplies in bfloat16 by default. A processor without bfloat16 emulates that: more than five minutes for sixteen
examples. There TRL trains in float32, as ours does, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, see econchatr.cli.app

from step_costs import count_work, measure_limit, profile_steps, time_methods
from training_speed import BATCH, Clock, run_trl
from written_tables import add_write, has_bfloat16, lay_out, peak_gb, publish, run_part, tell_machine

from econchatr.models.llama.meter import open_meter
from econchatr.pipeline.show import Rung, open_show
from econchatr.pipeline.train import list_dev
from econchatr.prompts import EncodedExample
from econchatr.select.examples import build_example
from econchatr.tables import hash_settings
from econchatr.train import local
from econchatr.train.recipe import LoraRecipe, TrainProgress, write_peft_config
from econchatr.train.state import read_best

TRL_RATE: Final = 2e-5
"""TRL's default learning rate, which falls to zero in a straight line, without a warm-up."""
TEST_TOKENS: Final = 12_000
PROFILED_STEPS: Final = 6
N_POINTS: Final = 4
LOADS: Final = 2
"""Times that the limit is measured: before and after."""


def main() -> None:
    """Run every part, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("show", type=Path)
    parser.add_argument("--rung", default="")
    parser.add_argument("--tokens", type=int, default=100_000, help="of all epochs together")
    parser.add_argument("--trl-rate", type=float, default=TRL_RATE, help="TRL's learning rate")
    add_write(parser)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help="keep adapters and results here; what is there is not run again")
    parser.add_argument("--target", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--begun", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        found = PARTS[given.part](Material(given), given)
        given.out.write_text(json.dumps(found | {"peak_gb": peak_gb()}), encoding="utf-8")
        return
    machine = tell_machine()
    with tempfile.TemporaryDirectory() as work:
        found = run_parts(given, given.work or Path(work))
    text = write_tables(found, given, machine)
    if given.trl_rate == TRL_RATE:
        publish("time_to_voice", text, is_written=given.write)
    else:
        publish("time_to_voice_at_our_rate", text, is_written=given.write)


def run_parts(given: argparse.Namespace, work: Path) -> dict[str, dict[str, Any]]:
    """Run the parts in their order: what ours must reach is known after TRL."""
    words = [given.show, "--rung", given.rung, "--tokens", given.tokens, "--trl-rate", given.trl_rate, "--work", work]

    work.mkdir(parents=True, exist_ok=True)

    def run(part: str, target: float = 0.0) -> dict[str, Any]:
        kept = work / f"{part}-{hash_settings([*map(str, words), target])[:8]}.json"
        if not kept.exists():
            # The clock of all processes of a machine is the same.
            more = ["--target", target, "--begun", time.perf_counter(), "--part", part]
            kept.write_text(json.dumps(run_part(__file__, *words, *more)), encoding="utf-8")
        return dict(json.loads(kept.read_text(encoding="utf-8")))

    found = {"trl": run("trl")}
    target = run("target")["dev"]
    return found | {part: run(part, target) for part in ("ours", "same", "profile", "losses")}


class Material:
    """The examples of every part."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.rung: Rung = open_show(given.show).rung(given.rung)
        self.recipe = self.rung.recipe
        self.base = self.rung.base.weights()
        self.train = take(self.rung.encode(self.rung.examples("train")), given.tokens // self.recipe.n_epochs)
        self.dev = list_dev(self.rung, self.train)
        self.n_test = min(TEST_TOKENS, given.tokens)

    def test(self) -> list[EncodedExample]:
        """Replies of the test episodes, evenly spread."""
        pairs = self.rung.show.pairs(split="test", kept=True)
        rows = self.rung.encode(build_example(pair, self.rung.form) for pair in pairs)
        return local.spread_examples(rows, max_tokens=self.n_test)


def take(examples: Sequence[EncodedExample], n_tokens: int) -> list[EncodedExample]:
    """Examples until the next one does not fit; a try on fewer tokens than were selected takes every so manieth."""
    return local.spread_examples(list(examples), max_tokens=n_tokens)


def train_trl(material: Material, given: argparse.Namespace) -> dict[str, Any]:
    """TRL as it comes; the adapter is kept at each of the points."""
    clock, kept, n_epochs = Clock(), [0.0], material.recipe.n_epochs
    n_steps = n_epochs * -(-len(material.train) // BATCH)
    if n_steps < N_POINTS:
        raise SystemExit(f"{n_steps} steps are too few to tell anything: give more --tokens.")
    points = {n_steps * n // N_POINTS: n for n in range(1, N_POINTS + 1)}

    def keep(loss: float, model: Any) -> None:
        clock.tick(loss)
        clock.ends[-1] -= kept[0]
        begin = time.perf_counter()
        if len(clock.ends) in points:
            model.save_pretrained(given.work / f"trl-{points[len(clock.ends)]}")
        kept[0] += time.perf_counter() - begin

    settings = {"num_train_epochs": n_epochs, "learning_rate": given.trl_rate}
    if not has_bfloat16():
        settings["bf16"] = False
    run_trl(material.train, str(material.base.checkpoint_path), [keep], **settings)
    return tell_clock(clock, material, n_epochs, given.begun)


def train_ours(material: Material, given: argparse.Namespace) -> dict[str, Any]:
    """Our loop as `econchatr train` runs it; when its development loss is the one wanted, the adapter is kept."""
    clock, folder, reached = Clock(), start_anew(given.work / "ours-work"), dict[str, float]()

    def tick(progress: TrainProgress) -> None:
        clock.tick(progress.train_loss or 0.0)
        is_low = progress.dev_loss is not None and progress.dev_loss <= given.target
        if is_low and not reached and any(folder.glob("best-*.safetensors")):
            seconds = clock.ends[-1] - given.begun
            reached.update(seconds=seconds, processor=clock.used[-1], n_tokens=progress.n_seen_tokens)
            keep_best(folder, given.work / "ours", material)

    with time_methods(local._Training, ("_evaluate", "_keep")) as spent:
        local.train_lora(
            material.train, material.dev, base=material.base, folder=folder, recipe=material.recipe, on_progress=tick
        )
    keep_best(folder, given.work / "whole", material)
    return tell_clock(clock, material, material.recipe.n_epochs, given.begun) | {"reached": reached, "spent": spent}


def train_same(material: Material, given: argparse.Namespace) -> dict[str, Any]:
    """Our loop with TRL's recipe, without readings, between two measurements of the limit."""
    clock, folder = Clock(), start_anew(given.work / "same-work")
    n_epochs = material.recipe.n_epochs
    recipe = LoraRecipe(
        learning_rate=given.trl_rate, warmup_share=0.0, batch_examples=BATCH, n_epochs=n_epochs, eval_every_share=1.0
    )
    plan = local.plan_lora(material.train, base=material.base, folder=folder, recipe=recipe)
    limits = [measure_limit(material.base.checkpoint_path, plan)]
    with count_work() as work:
        local.train_lora(
            material.train, (), base=material.base, folder=folder, recipe=recipe,
            on_progress=lambda progress: clock.tick(progress.train_loss or 0.0),
        )  # fmt: skip
    limits.append(measure_limit(material.base.checkpoint_path, plan))
    keep_best(folder, given.work / "same", material, recipe)
    told = tell_clock(clock, material, n_epochs, given.begun)
    return told | {"work": work.tell(), "limits": limits, "dtype": plan.dtype, "n_pack": plan.n_pack_tokens}


def profile_ours(material: Material, given: argparse.Namespace) -> dict[str, Any]:
    """Where the time of a step goes."""
    few = material.train[: PROFILED_STEPS * BATCH]
    recipe = material.recipe.model_copy(update={"n_epochs": 1, "eval_every_share": 1.0})
    # The first time, oneDNN makes a program for each shape; that is no part of a step.
    local.train_lora(few, (), base=material.base, folder=start_anew(given.work / "warm-work"), recipe=recipe)
    with profile_steps() as shares:
        local.train_lora(few, (), base=material.base, folder=start_anew(given.work / "profile-work"), recipe=recipe)
    return {"shares": shares}


def measure_target(material: Material, given: argparse.Namespace) -> dict[str, Any]:
    """The development loss at the end of TRL's training."""
    return {"dev": measure(material, given.work / f"trl-{N_POINTS}", material.dev)}


def measure_losses(material: Material, given: argparse.Namespace) -> dict[str, Any]:
    """The held-out losses of the base and of every adapter that is there."""
    sets = {"dev": material.dev, "test": material.test()}
    adapters = sorted(path.parent for path in given.work.glob("*/adapter_config.json"))
    return {
        adapter.name if adapter else "base": {name: measure(material, adapter, rows) for name, rows in sets.items()}
        for adapter in (None, *adapters)
    }


def measure(material: Material, adapter: Path | None, examples: Sequence[EncodedExample]) -> float:
    """Nats per token of the replies."""
    n_positions = max(len(one.ids) for one in examples)
    meter = open_meter(material.base.checkpoint_path, adapter=adapter, n_positions=n_positions)
    return sum(meter.measure(examples, tuned=adapter is not None)) / sum(one.n_reply for one in examples)


PARTS = {
    "trl": train_trl,
    "ours": train_ours,
    "same": train_same,
    "profile": profile_ours,
    "target": measure_target,
    "losses": measure_losses,
}


def keep_best(folder: Path, out: Path, material: Material, recipe: LoraRecipe | None = None) -> None:
    """Put the best adapter of a training, which may have been stopped, into a folder of peft's form."""
    from safetensors.torch import save_file

    step = max(int(path.stem.rpartition("-")[2]) for path in folder.glob("best-*.safetensors"))
    out.mkdir(exist_ok=True)
    save_file(read_best(folder, step), out / "adapter_model.safetensors", {"format": "pt"})
    config = write_peft_config(recipe or material.recipe, base=material.base.name, target_modules="all-linear")
    (out / "adapter_config.json").write_text(config, encoding="utf-8")


def start_anew(folder: Path) -> Path:
    """A training's folder, without the state of one that was stopped: the clock counts whole trainings only."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def tell_clock(clock: Clock, material: Material, n_epochs: int, begun: float) -> dict[str, Any]:
    """What the clock says: seconds from the start of the process, and the rate after the first step."""
    examples = material.train * n_epochs
    counted = sum(len(one.ids) for one in examples[BATCH : len(clock.ends) * BATCH])
    return {
        "opened": clock.ends[0] - begun,
        "seconds": clock.ends[-1] - begun,
        "processor": clock.used[-1],
        "rate": counted / max(1e-9, clock.ends[-1] - clock.ends[0]),
        "processor_rate": counted / max(1e-9, clock.used[-1] - clock.used[0]),
        "n_tokens": sum(len(one.ids) for one in examples),
        "n_steps": len(clock.ends),
        "step_seconds": clock.ends[-1] - clock.ends[0],
    }


def write_tables(found: dict[str, dict[str, Any]], given: argparse.Namespace, machine: str) -> str:
    """The page's block."""
    trl, ours, same, losses = (found[name] for name in ("trl", "ours", "same", "losses"))
    rate = "" if given.trl_rate == TRL_RATE else f" --trl-rate {given.trl_rate:g}"
    command = f"`python benchmarks/time_to_voice.py SHOW --tokens {given.tokens}{rate}`"
    told = f"TRL, learning rate {given.trl_rate:g}" if rate else "TRL as it comes"
    told += "" if has_bfloat16() else ", but in float32"
    return "\n\n".join((
        f"{command}, {trl['n_tokens']:,} tokens in {trl['n_steps']} steps. {machine}.",
        lay_out(("", told, "ours to that loss", "ours to the end"), tell_race(trl, ours, losses)),
        lay_out(("the same recipe over the same tokens", told, "ours"), tell_same(trl, same, losses)),
        tell_points(losses),
        tell_work(same),
        lay_out(("where a step's time goes", "share"), tell_shares(found["profile"]["shares"])),
    ))  # fmt: skip


def tell_shares(shares: Sequence[tuple[str, float]]) -> list[tuple[str, str]]:
    """Rows: each part of a step with its share; those below a half per cent are one."""
    large = [(name, share) for name, share in shares if share >= 0.005]
    rest = 1.0 - sum(share for _, share in large)
    return [*((name, f"{share:.0%}") for name, share in large), ("everything else", f"{max(0.0, rest):.1%}")]


def tell_race(trl: dict[str, Any], ours: dict[str, Any], losses: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows: how long each took to the loss, and what ours reaches at its end."""
    reached = ours["reached"]
    at, found = (reached, losses["ours"]) if reached else (ours, losses["whole"])
    share = at["seconds"] / trl["seconds"]
    apart = (ours["spent"]["_evaluate"] + ours["spent"]["_keep"]) / ours["seconds"]
    end, last, whole = "" if reached else " (**not reached**)", losses[f"trl-{N_POINTS}"], losses["whole"]
    return [
        ("held-out loss (development)", f"{last['dev']:.4f}", f"{found['dev']:.4f}{end}", f"{whole['dev']:.4f}"),
        ("loss on the test episodes", f"{last['test']:.4f}", f"{found['test']:.4f}", f"{whole['test']:.4f}"),
        ("tokens to get there", f"{trl['n_tokens']:,}", f"{at['n_tokens']:,}", f"{ours['n_tokens']:,}"),
        (
            "**seconds to get there**",
            f"{trl['seconds']:,.0f}",
            f"{at['seconds']:,.0f} ({share:.3f} of TRL's)",
            f"{ours['seconds']:,.0f}",
        ),
        ("of them until the first step is done", f"{trl['opened']:.0f}", f"{ours['opened']:.0f}", ""),
        ("seconds of processor", f"{trl['processor']:,.0f}", f"{at['processor']:,.0f}", f"{ours['processor']:,.0f}"),
        ("share of readings and kept states", "", "", f"{apart:.0%}"),
        ("most memory", f"{trl['peak_gb']:.2f} GB", "", f"{ours['peak_gb']:.2f} GB"),
    ]


def tell_same(trl: dict[str, Any], same: dict[str, Any], losses: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Rows: both with the same recipe over the same tokens."""
    times = same["rate"] / trl["rate"], same["processor_rate"] / trl["processor_rate"]
    apart = losses["same"]["dev"] - losses["trl-4"]["dev"]
    return [
        ("tokens a second", f"{trl['rate']:.0f}", f"{same['rate']:.0f} ({times[0]:.1f} times)"),
        ("of processor", f"{trl['processor_rate']:.0f}", f"{same['processor_rate']:.0f} ({times[1]:.1f} times)"),
        ("held-out loss (development)", f"{losses['trl-4']['dev']:.4f}", f"{losses['same']['dev']:.4f} ({apart:+.4f})"),
        ("loss on the test episodes", f"{losses['trl-4']['test']:.4f}", f"{losses['same']['test']:.4f}"),
        ("most memory", f"{trl['peak_gb']:.2f} GB", f"{same['peak_gb']:.2f} GB"),
    ]  # fmt: skip


def tell_points(losses: dict[str, Any]) -> str:
    """TRL's held-out loss as its training went on."""
    points = [losses["base"]["dev"], *(losses[f"trl-{n}"]["dev"] for n in range(1, N_POINTS + 1))]
    shares = [f"{n / N_POINTS:.0%}" for n in range(N_POINTS + 1)]
    told = ", ".join(f"{loss:.4f} at {share}" for loss, share in zip(points, shares, strict=True))
    return f"TRL's development loss: {told} of the tokens."


def tell_work(same: dict[str, Any]) -> str:
    """The share of the product limit, and how both were counted."""
    work, limits = same["work"], same["limits"]
    done = work["flops"] / same["n_steps"] * (same["n_steps"] - 1) / same["step_seconds"] / 1e9
    limit = sum(one["shapes"] for one in limits) / LOADS
    square = max(one["square"] for one in limits)
    told = ", ".join(f"{one['shapes']:.0f}" for one in limits)
    n_flops, n_rows = work["flops"] / same["n_tokens"] / 1e6, work["n_rows"] / same["n_tokens"]
    return (
        f"**Share of the {same['dtype']} product limit: {done / limit:.0%}.** {n_flops:.0f} million operations a "
        f"token, {done:.0f} GFLOP/s. The limit is what products of the model's own shapes reach alone, "
        f"{same['n_pack']} rows at a time, before and after the training: {told} GFLOP/s (large square matrices: "
        f"{square:.0f}). Operations are those that a training cannot do without. Of each row that is computed "
        f"(the beginning all prompts share counts once a pass; {n_rows:.2f} rows a token): 4 for each number of the "
        "layers (2 forward, 2 back to the input; the base has no gradient), 6 for each of the adapter's (2 forward, "
        "4 back), 12 x layers x heads x head width for each row it attends to. Of each learned token: 4 for each "
        "number of the head."
    )


if __name__ == "__main__":
    main()
