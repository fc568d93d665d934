"""Write a trained rung in the formats that other programs read, and compare each with the trained model.

An export is written beside its place, compared, and only then moved there. So nobody sees an export that answers
otherwise than the trained model.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from econchatr import __version__
from econchatr.display import label_imitation
from econchatr.errors import InputError, ModelError
from econchatr.models.base_model import free_memory
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.transformers_engine import TransformersModel, open_transformers
from econchatr.models.files.adapters import write_merged_checkpoint
from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.gguf_weights import write_gguf_like
from econchatr.models.files.modelfile import read_marks, render_with, write_modelfile
from econchatr.models.files.weights import EMBEDDED, EMBEDDED_HUB_ID, BaseWeights
from econchatr.models.parity import Agreement, Witness, compare_with, hear_witnesses
from econchatr.pipeline.parse import note_rights
from econchatr.pipeline.report import gather_material
from econchatr.pipeline.run import find_stale
from econchatr.pipeline.show import Ladder, Rung
from econchatr.pipeline.stage import Narrator
from econchatr.prompts import chat_messages, render_chat, system_line, with_line
from econchatr.records import REPEAT_PENALTY, TunedModel
from econchatr.report.card import CardMaterial, render_card
from econchatr.tables import disk_errors, hash_file, write_bytes

_N_QUESTIONS = 3
_N_TOKENS = 24
"""Greedy tokens of each answer that are compared."""
_CHAT = {"temperature": 0.6, "repeat_penalty": REPEAT_PENALTY, "num_predict": 250}
"""How `econchatr chat` draws, in Ollama's words."""


class Proof(NamedTuple):
    """How one exported model compares with the trained model."""

    form: str
    agreement: Agreement
    max_gap_nats: float | None
    """The limit of the greatest difference; `None`: the comparison is told, and no gate."""

    def as_row(self) -> tuple[str, str, str]:
        """Form, number of tokens that agree, greatest difference in nats."""
        found = self.agreement
        return (self.form, f"{found.n_agreeing} of {found.n_tokens}", f"{found.worst_gap_nats:.3f}")


class Export(NamedTuple):
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    """Below the folder."""
    proofs: tuple[Proof, ...]
    notes: tuple[str, ...]
    """What was not written or not compared, and why."""

    def as_dict(self) -> dict[str, object]:
        """The export as `--json` prints it."""
        proofs = [
            {"form": proof.form, **proof.agreement._asdict(), "max_gap_nats": proof.max_gap_nats}
            for proof in self.proofs
        ]
        return {"folder": str(self.folder), "files": self.files, "proofs": proofs, "notes": self.notes}


class _Job:
    """One rung's export under way."""

    def __init__(self, rung: Rung, tuned: TunedModel, base: BaseWeights, work: Path) -> None:
        self.rung, self.tuned, self.base, self.work = rung, tuned, base, work
        self.adapter, self.template, self.voice = rung.folder("train"), rung.template, rung.show.voice
        self.label, self.line = label_imitation((self.voice.host,)), system_line(self.voice)
        self.served_template = with_line(self.template, self.voice)
        """The template that goes with the merged formats."""
        self.questions = [question.text for question in rung.show.questions()[:_N_QUESTIONS]]
        self.proofs: list[Proof] = []
        self.notes: list[str] = []

    @cached_property
    def trained(self) -> TransformersModel:
        return open_transformers(self.base.checkpoint_path, adapter=self.adapter, is_exact=True)

    @cached_property
    def witnesses(self) -> list[Witness]:
        asked = [(question, self.prompt(question)) for question in self.questions]
        return hear_witnesses(self.trained, asked, n_tokens=_N_TOKENS)

    def begin(self, form: str) -> Path:
        """The folder that a format is written to; made if it is not there."""
        folder = self.work / form
        folder.mkdir(exist_ok=True)
        return folder

    def prompt(self, question: str) -> str:
        return render_chat(chat_messages(question, None, system=self.line), self.template)

    def prove(self, form: str, model: Any) -> None:
        """Compare an exported model with the trained model, on the trained model's own answers.

        Raises:
            ModelError: The exported model prefers another token, by more than its format allows.
        """
        limit = next((row.max_gap_nats[form] for row in FORMS.values() if form in row.max_gap_nats), None)
        found = compare_with(model, self.witnesses, decode=self.trained)
        self.proofs.append(Proof(form, found, limit))
        if limit is not None and found.worst_gap_nats > limit:
            raise ModelError(
                f"the exported {form} says something else than the trained model: at {found.worst_at}, it prefers "
                f"another token by {found.worst_gap_nats:.2f} nats, and {limit:g} are allowed.",
                hint="Nothing was exported. Report it with the base model's name.",
            )

    def check_template(self, form: str, apply: Callable[[str], str]) -> None:
        """Check that the exported template gives the prompts of the training.

        Raises:
            ModelError: The exported template gives other prompts.
        """
        for question in self.questions:
            found, wanted = apply(question), self.prompt(question)
            if found != wanted:
                raise ModelError(
                    f"the exported {form} makes another prompt of {question!r}: {found!r} instead of {wanted!r}.",
                    hint="Nothing was exported. Report it with the base model's name.",
                )


def export_rung(rung: Rung, narrator: Narrator, *, forms: Sequence[str], out: Path) -> Export:
    """Write a rung in some formats, each compared with the trained model, into a folder that does not hold them yet.

    Args:
        forms: Names of `FORMS`, or `all`.

    Raises:
        InputError: No such format, no `[rights]`, a format that is there already, or one its base cannot have.
        ShowFolderError: The rung is not trained yet, or the folder cannot be written.
        ModelError: The adapter was changed, or a format answers otherwise; nothing of this call is left.
    """
    tuned = rung.require_tuned()
    for form in forms:
        if form not in (*FORMS, "all"):
            raise InputError(f"no form {form!r}.", hint=f"The forms: {', '.join(FORMS)}, all.")
    wanted = [form for form in FORMS if form in forms or "all" in forms]
    for form in wanted:
        if (out / form).exists():
            raise InputError(f"{out / form} is there already.", hint="Delete it, or choose another --out.")
    base = rung.base.weights()
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=out, prefix=".export."))
    try:
        job = _Job(rung, tuned, base, work)
        _check_adapter(job)
        for form in wanted:
            narrator.note(f"{rung.name}: {form}")
            with disk_errors(out):
                FORMS[form].write(job)
            free_memory()
        with disk_errors(out):
            return _hand_out(job, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_adapter(job: _Job) -> None:
    file = job.adapter / "adapter_model.safetensors"
    if not file.is_file() or hash_file(file) != job.tuned.adapter_sha256:
        raise ModelError(
            f"{file} is missing or was changed since it was trained.", hint=f"econchatr run {job.rung.show.root}"
        )


# --- the forms --------------------------------------------------------------------------------------------------------


def _write_adapter(job: _Job) -> None:
    folder = job.begin("adapter")
    for name in ("adapter_model.safetensors", "adapter_config.json", "adapter.gguf"):
        if (job.adapter / name).is_file():
            shutil.copyfile(job.adapter / name, folder / name)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = _base_id(job)
    write_bytes(folder / "adapter_config.json", json.dumps(config, indent=2).encode() + b"\n")
    job.prove("adapter", open_transformers(job.base.checkpoint_path, adapter=folder, is_exact=True))
    if job.base.gguf_path is not None:
        with open_llamacpp(job.base.gguf_path, adapter=folder / "adapter.gguf") as served:
            job.prove("as chat and serve answer", served)


def _write_checkpoint(job: _Job) -> None:
    folder = _merge(job, "checkpoint")
    model = open_transformers(folder, adapter=None, is_exact=True)
    job.check_template("checkpoint", model.apply_template)
    job.prove("checkpoint", model)


def _write_gguf(job: _Job) -> None:
    like = _find_like(job, "gguf")
    if like is None:
        return
    folder = job.begin("gguf")
    for kind in ("F16", "Q8_0"):
        _write_one_gguf(job, like, folder / f"{job.rung.name}.{kind}.gguf", kind)
    job.notes.append("gguf: F16 and Q8_0 only. The smaller kinds (Q4_K_M ...) need llama.cpp's own llama-quantize.")


def _write_ollama(job: _Job) -> None:
    like = _find_like(job, "ollama")
    if like is None:
        return
    folder, name = job.begin("ollama"), f"{job.rung.name}.Q8_0.gguf"
    marks = read_marks(job.template)
    job.check_template(
        "ollama", lambda question: render_with(marks, list(chat_messages(question, None, system=job.line)))
    )
    made = job.work / "gguf" / name
    if not made.is_file():
        _write_one_gguf(job, like, folder / name, "Q8_0")
    else:
        try:
            os.link(made, folder / name)
        except OSError:  # the disk has no links
            shutil.copyfile(made, folder / name)
    adds_bos = read_gguf_file(like).metadata.get("tokenizer.ggml.add_bos_token") is True
    text = write_modelfile(
        job.template, gguf_name=name, line=job.line, label=job.label, settings=_CHAT, adds_bos=adds_bos
    )
    write_bytes(folder / "Modelfile", text.encode())
    job.notes.append("ollama: its GGUF file was asked through llama.cpp and its template compared; Ollama was not run.")


def _write_training(job: _Job) -> None:
    folder = job.begin("training")
    for file in sorted(job.rung.folder("select").glob("*.jsonl")):
        shutil.copyfile(file, folder / file.name)
    recipe = {"tuned": job.tuned.model_dump(mode="json"), "train": job.rung.show.config.train.model_dump(mode="json")}
    write_bytes(folder / "recipe.json", json.dumps(recipe, indent=2, ensure_ascii=False).encode() + b"\n")


def _merge(job: _Job, place: str) -> Path:
    """The merged checkpoint, written once per export."""
    folder = job.work / place
    if not folder.is_dir():
        folder.mkdir()
        write_merged_checkpoint(job.base.checkpoint_path, job.adapter, folder, template=job.served_template)
    return folder


def _find_like(job: _Job, form: str) -> Path | None:
    """The base's GGUF file, whose metadata the exported one copies; `None`, with a note, where there is none."""
    if job.base.gguf_path is None:
        job.notes.append(f"{form}: not written, because the base is no GGUF file whose metadata it could take over.")
    return job.base.gguf_path


def _write_one_gguf(job: _Job, like: Path, out: Path, kind: Any) -> None:
    merged = _merge(job, "checkpoint" if (job.work / "checkpoint").is_dir() else ".merged")
    texts = {
        "tokenizer.chat_template": job.served_template.template,
        "econchatr.label": job.label,
        "econchatr.adapter_sha256": job.tuned.adapter_sha256,
    }
    write_gguf_like(merged, like=like, out=out, kind=kind, texts=texts)
    with open_llamacpp(out, adapter=None) as served:
        job.check_template(f"gguf {kind}", served.apply_template)
        for witness in job.witnesses:
            if tuple(served.tokenize(witness.prompt)) != witness.prompt_ids:
                raise ModelError(
                    f"the exported GGUF file cuts {witness.question!r} into other tokens than the training.",
                    hint="Nothing was exported. Report it with the base model's name.",
                )
        job.prove(f"gguf {kind}", served)


class _Form(NamedTuple):
    """A format: the function that writes it, and its limits."""

    write: Callable[[_Job], None]
    max_gap_nats: Mapping[str, float] = {}
    """By name of a comparison, how much more the export may prefer another token than the trained model's."""


FORMS = {
    "adapter": _Form(_write_adapter, {"adapter": 0.01}),
    "checkpoint": _Form(_write_checkpoint, {"checkpoint": 0.05}),
    "gguf": _Form(_write_gguf, {"gguf F16": 0.1, "gguf Q8_0": 0.3}),
    "ollama": _Form(_write_ollama),  # its model file is a GGUF file, and compared as one
    "training": _Form(_write_training),
}
"""Every format, in the order of writing. Source of the limits: docs/exporting.md, measured."""


# --- handing out ------------------------------------------------------------------------------------------------------


def _hand_out(job: _Job, out: Path) -> Export:
    """Put the card into every form and move the forms to their places."""
    made = [folder for form in FORMS if (folder := job.work / form).is_dir()]
    if not made:
        raise InputError(f"nothing could be exported: {' '.join(job.notes)}", hint="Choose another form with --to.")
    if models := [folder for folder in made if folder.name != "training"]:
        card = make_card(
            job.rung, job.tuned, base_id=_base_id(job), proofs=tuple(proof.as_row() for proof in job.proofs)
        )
        if card.unmeasured:
            job.notes.append(f"card: no figures. {card.unmeasured}")
        for folder in models:
            write_bytes(folder / "README.md", render_card(card).encode())
    files = [f"{folder.name}/{file.name}" for folder in made for file in sorted(folder.iterdir())]
    for folder in made:
        folder.rename(out / folder.name)
    return Export(out, tuple(files), tuple(job.proofs), tuple(job.notes))


def _base_id(job: _Job) -> str:
    """The base's name on the hub or in words; never a path of this machine."""
    return EMBEDDED_HUB_ID if job.rung.config.base == EMBEDDED else job.base.name


_MEASURING = ("ask", "score")
_SHOWN = ("parse", "pair", "select", "train")
"""Stages whose tables stand beside the card's figures."""


def make_card(rung: Rung, tuned: TunedModel, *, base_id: str, proofs: tuple[tuple[str, ...], ...]) -> CardMaterial:
    """Make the material for the model card of a rung's export.

    Raises:
        ShowFolderError: A table of the show is broken.
    """
    show, unmeasured = rung.show, _tell_unmeasured(rung)
    rights = note_rights(show)
    assert rights is not None, "a show without rights is not exported"  # noqa: S101
    return CardMaterial(
        label=label_imitation((show.voice.host,)),
        host=show.voice.host,
        show_name=show.voice.show,
        line=system_line(show.voice),
        rights=rights,
        tuned=tuned,
        base_id=base_id,
        scores=() if unmeasured else tuple(rung.scores()),
        proofs=proofs,
        version=__version__,
        report=None if unmeasured else gather_material(Ladder(show, (rung,))),
        unmeasured=unmeasured,
    )


def _tell_unmeasured(rung: Rung) -> str:
    """Why the card has no figures for the model in a rung's folder, in a sentence; empty: it has them.

    What the model was trained on may have changed since: the figures still describe the model. What the model was asked
    and measured with may not have changed.
    """
    if not rung.is_done("score"):
        return "It was not measured."
    lacking = [stage for stage in _SHOWN if not (rung if stage == "train" else rung.show).made(stage)]
    if lacking:
        return f"What was measured of it is not told here: {', '.join(lacking)} is not finished any more."
    if stale := find_stale(rung, stages=_MEASURING):
        return f"What was measured before is out of date ({stale}), so no figure is told here."
    return ""
