"""Write a trained rung in the formats that other programs read, and compare each with the trained model.

An export is written beside its place, compared, and only then moved there. So nobody sees an export that answers
otherwise than the trained model; one that does is named with its figure, and takes no other with it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from econchatr import __version__
from econchatr.display import label_imitation
from econchatr.errors import InputError, ModelError
from econchatr.models.base_model import free_memory
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.transformers_engine import TransformersModel, open_transformers
from econchatr.models.files.adapters import copy_tokenizer, write_merged_checkpoint
from econchatr.models.files.checkpoint_gguf import tell_obstacle, write_checkpoint_gguf
from econchatr.models.files.modelfile import read_marks, render_with, with_line, write_modelfile
from econchatr.models.files.weights import EMBEDDED, EMBEDDED_HUB_ID, BaseWeights
from econchatr.models.parity import LIMITS, Agreement, Limit, Witness, compare_with, hear_witnesses
from econchatr.pipeline.parse import note_rights
from econchatr.pipeline.report import gather_material
from econchatr.pipeline.run import find_stale
from econchatr.pipeline.show import Ladder, Rung
from econchatr.pipeline.stage import Narrator
from econchatr.prompts import chat_messages, render_chat, system_line
from econchatr.records import REPEAT_PENALTY, TunedModel
from econchatr.report.card import CardMaterial, render_card
from econchatr.tables import disk_errors, hash_file, write_bytes
from econchatr.tools.trainer_files import TRAINERS, gather_for_trainers, write_trainer_files

_N_QUESTIONS = 12
"""Questions of the show that are asked; the first ones."""
_N_TOKENS = 16
"""Greedy tokens of each answer that are compared."""
_CHAT = {"temperature": 0.6, "repeat_penalty": REPEAT_PENALTY, "num_predict": 250}
"""How `econchatr chat` draws, in Ollama's words."""
_REPORT = "Report it with the base model's name."


class Proof(NamedTuple):
    """How one exported model compares with the trained model."""

    form: str
    agreement: Agreement
    limit: Limit | None
    """`None`: the comparison is told, and no gate."""

    def as_row(self) -> tuple[str, ...]:
        """Form, tokens that agree, mean and greatest difference in nats."""
        found = self.agreement
        agreeing = f"{found.n_agreeing} of {found.n_tokens}"
        return (self.form, agreeing, f"{found.mean_nats:.4f}", f"{found.worst_nats:.3f}")


class Refusal(NamedTuple):
    """What was not handed out, because it answers otherwise."""

    form: str
    reason: str
    """In a sentence, with the figure."""


class Export(NamedTuple):
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    """Below the folder."""
    proofs: tuple[Proof, ...]
    failures: tuple[Refusal, ...]
    notes: tuple[str, ...]
    """What was not written or not compared, and why."""

    def as_dict(self) -> dict[str, object]:
        """The export as `--json` prints it."""
        proofs = [
            {"form": proof.form, **proof.agreement._asdict(), "limit": proof.limit and proof.limit._asdict()}
            for proof in self.proofs
        ]
        failures = [failure._asdict() for failure in self.failures]
        told: dict[str, object] = {
            "folder": str(self.folder),
            "files": self.files,
            "proofs": proofs,
            "notes": self.notes,
        }
        return {**told, "failures": failures}

    def require_whole(self) -> None:
        """Check that nothing failed.

        Raises:
            ModelError: Something did; what passed its proof was handed out.
        """
        if self.failures:
            told = "; ".join(f"{failure.form}: {failure.reason.rstrip('.')}" for failure in self.failures)
            raise ModelError(f"not handed out: {told}.", hint=_REPORT)


class _Job:
    """One rung's export under way."""

    def __init__(self, rung: Rung, work: Path) -> None:
        self.rung, self.work = rung, work
        self.adapter, self.template, self.voice = rung.folder("train"), rung.template, rung.show.voice
        self.label, self.line = label_imitation((self.voice.host,)), system_line(self.voice)
        self.served_template = with_line(self.template, self.voice)
        """The template that goes with the merged formats."""
        self.questions = [question.text for question in rung.show.questions()[:_N_QUESTIONS]]
        self.proofs: list[Proof] = []
        self.failures: list[Refusal] = []
        self.notes: list[str] = []

    @cached_property
    def tuned(self) -> TunedModel:
        return self.rung.require_tuned()

    @cached_property
    def base(self) -> BaseWeights:
        return self.rung.base.weights()

    @property
    def base_id(self) -> str:
        """The base's name on the hub or in words; never a path of this machine."""
        return EMBEDDED_HUB_ID if self.rung.config.base == EMBEDDED else self.base.name

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
            ModelError: The exported model differs by more than its format allows.
        """
        found, limit = compare_with(model, self.witnesses), LIMITS.get(form)
        self.proofs.append(Proof(form, found, limit))
        if limit is not None and (breach := limit.tell_breach(found)):
            raise ModelError(f"the exported {form} answers otherwise than the trained model: {breach}.", hint=_REPORT)

    def attempt(self, form: str, write: Callable[[], None], *, place: Path) -> bool:
        """Write one thing and prove it; what fails is deleted and its reason kept. Tells whether it passed."""
        try:
            write()
        except ModelError as exc:
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
            self.failures.append(Refusal(form, exc.message))
            return False
        return True

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
                    hint=_REPORT,
                )


def export_rung(rung: Rung, narrator: Narrator, *, forms: Sequence[str], out: Path) -> Export:
    """Write a rung in some formats, each compared with the trained model, into a folder that does not hold them yet.

    A format that answers otherwise is not handed out and stands in the export's failures; the others are.

    Args:
        forms: Names of `FORMS`, or `all`.

    Raises:
        InputError: No such format, no `[rights]`, a format that is there already, or one its base cannot have.
        ShowFolderError: The rung is not trained yet, or the folder cannot be written.
        ModelError: The adapter was changed, or no format passed; nothing of this call is left.
    """
    for form in forms:
        if form not in (*FORMS, "all"):
            raise InputError(f"no form {form!r}.", hint=f"The forms: {', '.join(FORMS)}, all.")
    wanted = [form for form in FORMS if form in forms or ("all" in forms and form not in ASKED_FOR)]
    for form in wanted:
        if (out / form).exists():
            raise InputError(f"{out / form} is there already.", hint="Delete it, or choose another --out.")
    if needs_model := bool({*wanted} - {*TRAINERS}):
        rung.require_tuned()
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=out, prefix=".export."))
    try:
        job = _Job(rung, work)
        if needs_model:
            _check_adapter(job)
        for form in wanted:
            narrator.note(f"{rung.name}: {form}")
            with disk_errors(out):
                job.attempt(form, partial(FORMS[form], job), place=work / form)
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
    _copy_adapter(job, folder)
    if (job.adapter / "adapter.gguf").is_file():
        shutil.copyfile(job.adapter / "adapter.gguf", folder / "adapter.gguf")
    if job.base.gguf_path is not None and (folder / "adapter.gguf").is_file():
        with open_llamacpp(job.base.gguf_path, adapter=folder / "adapter.gguf") as served:
            job.prove("as chat and serve answer", served)


def _copy_adapter(job: _Job, folder: Path) -> None:
    """The adapter as peft reads it, with the base's own name in it, compared."""
    shutil.copyfile(job.adapter / "adapter_model.safetensors", folder / "adapter_model.safetensors")
    config = json.loads((job.adapter / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = job.base_id
    write_bytes(folder / "adapter_config.json", json.dumps(config, indent=2).encode() + b"\n")
    if not any(proof.form == "adapter" for proof in job.proofs):
        job.prove("adapter", open_transformers(job.base.checkpoint_path, adapter=folder, is_exact=True))


def _write_hub(job: _Job) -> None:
    folder = job.begin("hub")
    _copy_adapter(job, folder)
    copy_tokenizer(job.base.checkpoint_path, folder, template=job.served_template)


def _write_checkpoint(job: _Job) -> None:
    _merge(job, "checkpoint")


def _write_gguf(job: _Job) -> None:
    if not _has_map(job, "gguf"):
        return
    folder = job.begin("gguf")
    for kind in ("F16", "Q8_0"):
        out = folder / f"{job.rung.name}.{kind}.gguf"
        job.attempt(f"gguf {kind}", partial(_write_one_gguf, job, out, kind), place=out)
    if not any(folder.iterdir()):
        folder.rmdir()
    job.notes.append("gguf: F16 and Q8_0 only. The smaller kinds (Q4_K_M ...) need llama.cpp's own llama-quantize.")


def _write_ollama(job: _Job) -> None:
    if not _has_map(job, "ollama"):
        return
    marks = read_marks(job.template)
    job.check_template(
        "ollama", lambda question: render_with(marks, list(chat_messages(question, None, system=job.line)))
    )
    folder = job.begin("ollama")
    made = _find_served(job) or folder / f"{job.rung.name}.Q8_0.gguf"
    if made.parent == folder:
        _write_one_gguf(job, made, "Q8_0")
    else:
        try:
            os.link(made, folder / made.name)
        except OSError:  # the disk has no links
            shutil.copyfile(made, folder / made.name)
    text = write_modelfile(
        job.template, gguf_name=made.name, line=job.line, label=job.label, settings=_CHAT, adds_bos=False
    )
    write_bytes(folder / "Modelfile", text.encode())
    job.notes.append("ollama: its GGUF file was asked through llama.cpp and its template compared; Ollama was not run.")


def _find_served(job: _Job) -> Path | None:
    """The smallest GGUF file that passed in this call; `None`: none was asked for, or none passed."""
    made = (job.work / "gguf" / f"{job.rung.name}.{kind}.gguf" for kind in ("Q8_0", "F16"))
    return next((path for path in made if path.is_file()), None)


def _write_training(job: _Job) -> None:
    folder = job.begin("training")
    for file in sorted(job.rung.folder("select").glob("*.jsonl")):
        shutil.copyfile(file, folder / file.name)
    recipe = {"tuned": job.tuned.model_dump(mode="json"), "train": job.rung.show.config.train.model_dump(mode="json")}
    write_bytes(folder / "recipe.json", json.dumps(recipe, indent=2, ensure_ascii=False).encode() + b"\n")


def _write_for(trainer: str, job: _Job) -> None:
    """What another trainer needs; no model is looked at."""
    material = gather_for_trainers(job.rung, label=job.label, line=job.line)
    write_trainer_files(trainer, material, job.begin(trainer))


def _merge(job: _Job, place: str) -> Path:
    """The merged checkpoint, written and compared once per export.

    Raises:
        ModelError: It answers otherwise.
    """
    folder = job.work / place
    if not folder.is_dir():
        folder.mkdir()
        write_merged_checkpoint(job.base.checkpoint_path, job.adapter, folder, template=job.served_template)
        model = open_transformers(folder, adapter=None, is_exact=True)
        job.check_template("checkpoint", model.apply_template)
        job.prove("checkpoint", model)
    return folder


def _has_map(job: _Job, form: str) -> bool:
    """Whether the base can be written as GGUF; where it cannot, the reason is noted."""
    obstacle = tell_obstacle(job.base.checkpoint_path)
    if obstacle:
        job.notes.append(f"{form}: not written. {obstacle}")
    return not obstacle


def _write_one_gguf(job: _Job, out: Path, kind: Any) -> None:
    merged = _merge(job, "checkpoint" if (job.work / "checkpoint").is_dir() else ".merged")
    texts = {
        "tokenizer.chat_template": job.served_template.template,
        "econchatr.label": job.label,
        "econchatr.adapter_sha256": job.tuned.adapter_sha256,
    }
    write_checkpoint_gguf(merged, out=out, name=f"{job.base.name} {job.rung.name}", kind=kind, texts=texts)
    with open_llamacpp(out, adapter=None) as served:
        job.check_template(f"gguf {kind}", served.apply_template)
        for witness in job.witnesses:
            if tuple(served.tokenize(witness.prompt)) != witness.prompt_ids:
                raise ModelError(
                    f"the exported GGUF file cuts {witness.question!r} into other tokens than the training.",
                    hint=_REPORT,
                )
        job.prove(f"gguf {kind}", served)


FORMS: Mapping[str, Callable[[_Job], None]] = {
    "adapter": _write_adapter,
    "checkpoint": _write_checkpoint,
    "gguf": _write_gguf,
    "ollama": _write_ollama,
    "hub": _write_hub,
    "training": _write_training,
    **{trainer: partial(_write_for, trainer) for trainer in TRAINERS},
}
"""Every format, with the function that writes it, in the order of writing."""
ASKED_FOR = ("hub", *TRAINERS)
"""Formats that `all` leaves out."""
_WITHOUT_MODEL = ("training", *TRAINERS)


# --- handing out ------------------------------------------------------------------------------------------------------


def _hand_out(job: _Job, out: Path) -> Export:
    """Put the card into every form and move the forms to their places."""
    made = [folder for form in FORMS if (folder := job.work / form).is_dir()]
    if not made and job.failures:
        raise ModelError(f"nothing was exported: {job.failures[0].reason}", hint=_REPORT)
    if not made:
        raise InputError(f"nothing could be exported: {' '.join(job.notes)}", hint="Choose another form with --to.")
    if models := [folder for folder in made if folder.name not in _WITHOUT_MODEL]:
        card = make_card(job.rung, job.tuned, base_id=job.base_id, proofs=tuple(proof.as_row() for proof in job.proofs))
        if card.unmeasured:
            job.notes.append(f"card: no figures. {card.unmeasured}")
        for folder in models:
            write_bytes(folder / "README.md", render_card(card).encode())
    files = [f"{folder.name}/{file.name}" for folder in made for file in sorted(folder.iterdir())]
    for folder in made:
        folder.rename(out / folder.name)
    return Export(out, tuple(files), tuple(job.proofs), tuple(job.failures), tuple(job.notes))


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
