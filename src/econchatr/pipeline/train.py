"""The stage `train`: an adapter for each rung, checked to answer alike through both engines."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from econchatr.ask.exam import render_question
from econchatr.errors import ModelError
from econchatr.models.base_model import free_memory
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import BaseWeights
from econchatr.models.parity import ParityResult, check_parity
from econchatr.pipeline.select import hash_rules
from econchatr.pipeline.show import Rung
from econchatr.pipeline.stage import Made, Narrator, Stage
from econchatr.prompts import EncodedExample, name_frame
from econchatr.records import CurvePoint, Split, TunedModel
from econchatr.records.base import Record
from econchatr.tables import disk_errors, hash_file, write_bytes
from econchatr.train.local import help_train, plan_lora, spread_examples, train_lora
from econchatr.train.recipe import TrainOutcome, TrainProgress
from econchatr.train.tracker import track

_KNOWN_NAME = "known.json"
"""Beside the stage's outputs and none of them: a finished training stays one without it."""

_PARITY_TOKENS = 16
"""Of the trained model's answer to each question: so many llama.cpp must find as likely as transformers."""

_MIN_PARITY_SHARE = 0.75
"""Below this share of agreeing questions a training is refused: 9 of 12."""


def _train(rung: Rung, narrator: Narrator) -> Made:
    folder, base = rung.folder("train"), rung.base.weights()
    narrator.note(f"{rung.name}: trains on {base.weights}; {rung.base.describe().tell()}")
    examples, known = rung.encode(rung.examples("train")), _list_known(rung)
    dev = list_dev(rung, examples)
    plan = plan_lora([*examples, *dev], base=base, folder=folder / "work", recipe=rung.recipe)
    narrator.note(f"{rung.name}: {plan.tell()}")
    with _listen(rung, narrator) as listen:
        outcome = train_lora(examples, dev, base=base, folder=folder / "work", recipe=rung.recipe, on_progress=listen)
    names = _keep_adapter(outcome.adapter_folder, folder, base=base)
    free_memory()
    agreement = check_engines_agree(rung, base=base, folder=folder)
    tuned = _record(rung, base, outcome, agreement)
    curve = [CurvePoint(rung=rung.name, **asdict(point)) for point in outcome.curve]
    known = known.model_copy(update={"adapter_sha256": tuned.adapter_sha256})
    write_bytes(folder / _KNOWN_NAME, known.model_dump_json().encode() + b"\n")
    shutil.rmtree(folder / "work", ignore_errors=True)
    counts = {"examples": len(examples), "tokens": outcome.n_trained_tokens, "steps": outcome.n_steps}
    return Made({"tuned": [tuned], "curve": curve}, tuple(names), counts)


def help_train_rung(rung: Rung) -> None:
    """Take this process's share of the rung's training, which another process of the team leads as its stage.

    Raises:
        InputError: The examples or show.toml are wrong.
        MissingExtraError: torch is not installed.
        ModelError: The base cannot be trained on.
        ShowFolderError: The rung's examples are not selected yet.
        TeammateLostError: The team's other processes have ended.
    """
    examples, folder = rung.encode(rung.examples("train")), rung.folder("train") / "work"
    help_train(examples, list_dev(rung, examples), base=rung.base.weights(), folder=folder, recipe=rung.recipe)


class KnownEpisodes(Record):
    """What a show held when a rung was trained."""

    rules: str
    """As `hash_rules` gave it."""
    splits: dict[str, Split]
    """Of each episode with kept pairs, by its slug."""
    files: dict[str, str]
    """The sha256 of each episode's file, by its slug."""
    adapter_sha256: str = ""
    """Of what was trained."""


def _list_known(rung: Rung) -> KnownEpisodes:
    show = rung.show
    splits: dict[str, Split] = {pair.slug: pair.split for pair in show.pairs(kept=True)}
    return KnownEpisodes(rules=hash_rules(show), splits=splits, files={one.slug: one.sha256 for one in show.episodes()})


def read_known(rung: Rung) -> KnownEpisodes | None:
    """What the show held when the rung was trained; `None`: it is not trained, or that was not written down."""
    try:
        return KnownEpisodes.model_validate_json((rung.folder("train") / _KNOWN_NAME).read_bytes())
    except (OSError, ValueError):
        return None


def list_dev(rung: Rung, examples: Sequence[EncodedExample]) -> list[EncodedExample]:
    """The development examples that a training on these examples reads its loss on, evenly spread."""
    n_most = rung.recipe.count_dev_tokens(sum(len(example.ids) for example in examples))
    return spread_examples(
        rung.encode(rung.examples("dev")), max_tokens=min(n_most, rung.show.config.train.max_dev_tokens)
    )


@contextmanager
def _listen(rung: Rung, narrator: Narrator) -> Iterator[Callable[[TrainProgress], None]]:
    """Tell the user, and the tracker of show.toml, where a training stands."""
    settings, run = rung.recipe.model_dump(), f"{rung.show.root.name}/{rung.name}"
    tracker = rung.show.config.train.tracker
    with track(tracker, run=run, folder=rung.folder("train") / "tensorboard", settings=settings) as send:

        def listen(progress: TrainProgress) -> None:
            narrator.progress(progress.n_seen_tokens, progress.n_all_tokens, "tokens")
            send(progress)

        yield listen


def _record(rung: Rung, base: BaseWeights, outcome: TrainOutcome, agreement: ParityResult | None) -> TunedModel:
    """The tuned model, tied by hashes to its base, its selection and its adapter."""
    adapter, gguf = (rung.folder("train") / name for name in ("adapter_model.safetensors", "adapter.gguf"))
    root = rung.show.root
    return TunedModel(
        rung=rung.name,
        base_model=base.name,
        base_sha256=base.sha256,
        weights=base.weights,
        selection_sha256=rung.selection().sha256,
        adapter_path=adapter.relative_to(root).as_posix(),
        adapter_sha256=hash_file(adapter),
        gguf_path=gguf.relative_to(root).as_posix() if base.gguf_path else None,
        gguf_sha256=hash_file(gguf) if base.gguf_path else None,
        n_steps=outcome.n_steps,
        best_step=outcome.best_step,
        n_trained_tokens=outcome.n_trained_tokens,
        dtype=outcome.dtype,
        n_agreeing_questions=agreement.n_agreeing if agreement else None,
        n_checked_questions=agreement.n_checked if agreement else 0,
        licence=base.licence,
        base_commit=base.commit,
        form=name_frame(rung.template),
    )


def _keep_adapter(adapter: Path, folder: Path, *, base: BaseWeights) -> list[str]:
    """Put the best adapter into the stage's folder, as safetensors and, for llama.cpp, as GGUF."""
    names = ["adapter_model.safetensors", "adapter_config.json"]
    with disk_errors(folder):
        for name in names:
            (adapter / name).replace(folder / name)
    if base.gguf_path is None:
        return names
    write_gguf_adapter(folder, base_gguf=base.gguf_path, out=folder / "adapter.gguf")
    return [*names, "adapter.gguf"]


def check_engines_agree(rung: Rung, *, base: BaseWeights, folder: Path) -> ParityResult | None:
    """Ask the exam's questions greedily through both engines; `None`: the base is no GGUF, so there is one engine.

    Args:
        folder: Holds the adapter in both forms.

    Raises:
        ModelError: They answer differently: the adapter was not exported as it was trained.
    """
    if base.gguf_path is None:
        return None
    show, template = rung.show, rung.template
    prompts = [render_question(question.text, "tuned", show.voice, template) for question in show.questions()]
    result = check_parity(
        prompts, base=base, adapter_folder=folder, gguf_adapter=folder / "adapter.gguf", n_tokens=_PARITY_TOKENS
    )
    free_memory()
    if result.n_agreeing < _MIN_PARITY_SHARE * result.n_checked:
        raise ModelError(
            f"{rung.name}: transformers and llama.cpp agree on {result.n_agreeing} of {result.n_checked} questions.",
            hint="This is a fault of the export; report it with the base model's name.",
        )
    return result


def _inputs(rung: Rung) -> dict[str, str]:
    folder = rung.folder("select")
    files = {name: folder / f"{name}.chat.jsonl" for name in ("train", "dev")}
    hashes = {f"{name} examples": hash_file(path) if path.is_file() else "" for name, path in files.items()}
    return {**hashes, "base weights": rung.base.identity()}


TRAIN = Stage[Rung](
    "train",
    version=1,
    settings={
        # Where the curve is sent changes no adapter.
        "train": lambda rung: rung.show.config.train.model_dump(exclude={"tracker"}),
        "base": lambda rung: rung.config.base,
        "n_epochs": lambda rung: rung.n_epochs,
        "form": lambda rung: rung.form_version,
    },
    inputs=_inputs,
    reads=("select", "the base model"),
    writes={"tuned": TunedModel, "curve": CurvePoint},
    do=_train,
)
