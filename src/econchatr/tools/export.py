"""A trained rung in the forms other programs take, each one asked again before it is handed out.

An export is written beside its place, compared with the trained model, and only then moved there: a form that says
something else is never seen. This module does not know how a form is written.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
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
from econchatr.prompts import ChatTemplate, chat_messages, render_chat, system_line, with_line
from econchatr.records import REPEAT_PENALTY, TunedModel
from econchatr.report.card import CardMaterial, card_from_report, render_card
from econchatr.tables import disk_errors, hash_file, write_bytes

FORMS = ("adapter", "checkpoint", "gguf", "ollama", "training")
N_QUESTIONS = 3
N_TOKENS = 24
"""Greedy tokens of each answer that are compared."""
MAX_GAP_NATS = {"adapter": 0.01, "checkpoint": 0.05, "gguf F16": 0.1, "gguf Q8_0": 0.3}
"""By how much an export may prefer another token than the trained model's. Source: docs/exporting.md, measured."""
_CHAT = {"temperature": 0.6, "repeat_penalty": REPEAT_PENALTY, "num_predict": 250}
"""How `econchatr chat` draws, in Ollama's words."""


class Proof(NamedTuple):
    """What became of asking again."""

    form: str
    agreement: Agreement
    max_gap_nats: float | None
    """What it may be; `None`: a figure to compare with, not a gate."""

    def as_row(self) -> tuple[str, str, str]:
        """Form, tokens that agree, greatest difference."""
        found = self.agreement
        return (self.form, f"{found.n_agreeing} of {found.n_tokens}", f"{found.worst_gap_nats:.3f}")


class Export(NamedTuple):
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    """Below the folder."""
    proofs: tuple[Proof, ...]
    notes: tuple[str, ...]
    """What could not be had, and why."""

    def as_dict(self) -> dict[str, object]:
        """For machines."""
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
        self.questions = [question.text for question in rung.show.questions()[:N_QUESTIONS]]
        self.proofs: list[Proof] = []
        self.notes: list[str] = []
        self._trained: TransformersModel | None = None
        self._witnesses: list[Witness] = []

    @property
    def served_template(self) -> ChatTemplate:
        """The template that goes with the merged forms."""
        return with_line(self.template, self.voice)

    @property
    def label(self) -> str:
        return label_imitation((self.voice.host,))

    def prompt(self, question: str) -> str:
        return render_chat(chat_messages(question, None, system=system_line(self.voice)), self.template)

    def prove(self, form: str, model: Any) -> None:
        """Lay the trained model's answers before an exported one.

        Raises:
            ModelError: It would have said something else.
        """
        trained, witnesses = self._hear()
        limit = MAX_GAP_NATS.get(form)
        found = compare_with(model, witnesses, decode=trained)
        self.proofs.append(Proof(form, found, limit))
        if limit is not None and found.worst_gap_nats > limit:
            raise ModelError(
                f"the exported {form} says something else than the trained model: at {found.worst_at}, it prefers "
                f"another token by {found.worst_gap_nats:.2f} nats, and {limit:g} are allowed.",
                hint="Nothing was exported. Report it with the base model's name.",
            )

    def check_template(self, form: str, apply: Callable[[str], str]) -> None:
        """See that the exported template makes the prompts of the training.

        Raises:
            ModelError: It makes other ones.
        """
        for question in self.questions:
            found, wanted = apply(question), self.prompt(question)
            if found != wanted:
                raise ModelError(
                    f"the exported {form} makes another prompt of {question!r}: {found!r} instead of {wanted!r}.",
                    hint="Nothing was exported. Report it with the base model's name.",
                )

    def _hear(self) -> tuple[TransformersModel, list[Witness]]:
        if self._trained is None:
            self._trained = open_transformers(self.base.checkpoint_path, adapter=self.adapter, is_exact=True)
            asked = [(question, self.prompt(question)) for question in self.questions]
            self._witnesses = hear_witnesses(self._trained, asked, n_tokens=N_TOKENS)
        return self._trained, self._witnesses


def export_rung(rung: Rung, narrator: Narrator, *, forms: Sequence[str], out: Path) -> Export:
    """Write a rung in some forms, each proven, into a folder that does not hold them yet.

    Raises:
        InputError: No such rung or form, no `[rights]`, a form that is there already, or one its base cannot have.
        ShowFolderError: The rung is not trained yet, or the folder cannot be written.
        ModelError: A form says something else than the trained model; nothing of this call is left.
    """
    tuned = rung.require_tuned()
    wanted = _check_forms(forms, out)
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
                _WRITERS[form](job)
            free_memory()
        with disk_errors(out):
            return _hand_out(job, out, is_all="all" in forms)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_forms(forms: Sequence[str], out: Path) -> list[str]:
    for form in forms:
        if form not in (*FORMS, "all"):
            raise InputError(f"no form {form!r}.", hint=f"The forms: {', '.join(FORMS)}, all.")
    wanted = [form for form in FORMS if form in forms or "all" in forms]
    for form in wanted:
        if (out / form).exists():
            raise InputError(f"{out / form} is there already.", hint="Delete it, or choose another --out.")
    return wanted


def _check_adapter(job: _Job) -> None:
    file = job.adapter / "adapter_model.safetensors"
    if not file.is_file() or hash_file(file) != job.tuned.adapter_sha256:
        raise ModelError(
            f"{file} is missing or was changed since it was trained.", hint=f"econchatr run {job.rung.show.root}"
        )


# --- the forms --------------------------------------------------------------------------------------------------------


def _write_adapter(job: _Job) -> None:
    folder = _begin(job, "adapter")
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
    folder = _begin(job, "gguf")
    for kind in ("F16", "Q8_0"):
        _write_one_gguf(job, like, folder / f"{job.rung.name}.{kind}.gguf", kind)
    job.notes.append("gguf: F16 and Q8_0 only. The smaller kinds (Q4_K_M ...) need llama.cpp's own llama-quantize.")


def _write_ollama(job: _Job) -> None:
    like = _find_like(job, "ollama")
    if like is None:
        return
    folder, name = _begin(job, "ollama"), f"{job.rung.name}.Q8_0.gguf"
    marks = read_marks(job.template)
    line = system_line(job.voice)
    job.check_template("ollama", lambda question: render_with(marks, list(chat_messages(question, None, system=line))))
    made = job.work / "gguf" / name
    if made.is_file():
        _link(made, folder / name)
    else:
        _write_one_gguf(job, like, folder / name, "Q8_0")
    adds_bos = read_gguf_file(like).metadata.get("tokenizer.ggml.add_bos_token") is True
    text = write_modelfile(job.template, gguf_name=name, line=line, label=job.label, settings=_CHAT, adds_bos=adds_bos)
    write_bytes(folder / "Modelfile", text.encode())
    job.notes.append("ollama: its GGUF file was asked through llama.cpp and its template compared; Ollama was not run.")


def _write_training(job: _Job) -> None:
    folder = _begin(job, "training")
    for file in sorted(job.rung.folder("select").glob("*.jsonl")):
        shutil.copyfile(file, folder / file.name)
    recipe = {"tuned": job.tuned.model_dump(mode="json"), "train": job.rung.show.config.train.model_dump(mode="json")}
    write_bytes(folder / "recipe.json", json.dumps(recipe, indent=2, ensure_ascii=False).encode() + b"\n")


_WRITERS: dict[str, Callable[[_Job], None]] = {
    "adapter": _write_adapter,
    "checkpoint": _write_checkpoint,
    "gguf": _write_gguf,
    "ollama": _write_ollama,
    "training": _write_training,
}


def _begin(job: _Job, form: str) -> Path:
    folder = job.work / form
    folder.mkdir(exist_ok=True)
    return folder


def _merge(job: _Job, place: str) -> Path:
    """The merged checkpoint, written once per export."""
    folder = job.work / place
    if not folder.is_dir():
        folder.mkdir()
        write_merged_checkpoint(job.base.checkpoint_path, job.adapter, folder, template=job.served_template)
    return folder


def _find_like(job: _Job, form: str) -> Path | None:
    """The base's GGUF file, whose metadata the exported one takes over; `None`, and a note, where there is none."""
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
        for question in job.questions:
            _check_tokens(job, served.tokenize(job.prompt(question)), question)
        job.prove(f"gguf {kind}", served)


def _check_tokens(job: _Job, ids: list[int], question: str) -> None:
    _, witnesses = job._hear()
    wanted = next(witness.prompt_ids for witness in witnesses if witness.question == question)
    if tuple(ids) != wanted:
        raise ModelError(
            f"the exported GGUF file cuts {question!r} into other tokens than the training.",
            hint="Nothing was exported. Report it with the base model's name.",
        )


def _link(file: Path, place: Path) -> None:
    """The same file at another place; a copy where the disk knows no links."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


# --- handing out ------------------------------------------------------------------------------------------------------


def _hand_out(job: _Job, out: Path, *, is_all: bool) -> Export:
    """Put the card into every form and move the forms to their places."""
    made = [folder for form in FORMS if (folder := job.work / form).is_dir()]
    if not made:
        raise InputError(f"nothing could be exported: {' '.join(job.notes)}", hint="Choose another form with --to.")
    models = [folder for folder in made if folder.name != "training"]
    if models:
        _write_card(job, models)
    files = [f"{folder.name}/{file.name}" for folder in made for file in sorted(folder.iterdir())]
    for folder in made:
        folder.rename(out / folder.name)
    return Export(out, tuple(files), tuple(job.proofs), tuple(job.notes))


def _write_card(job: _Job, folders: Sequence[Path]) -> None:
    proofs = tuple(proof.as_row() for proof in job.proofs)
    card = make_card(job.rung, job.tuned, base_id=_base_id(job), proofs=proofs)
    if card.unmeasured:
        job.notes.append(f"card: no figures. {card.unmeasured}")
    for folder in folders:
        write_bytes(folder / "README.md", render_card(card).encode())


def _base_id(job: _Job) -> str:
    """The base's name as another program finds it: never a path of this machine."""
    return EMBEDDED_HUB_ID if job.rung.config.base == EMBEDDED else job.base.name


_MEASURING = ("ask", "score")
_SHOWN = ("parse", "pair", "select", "train")
"""Stages whose tables the card's figures stand beside."""


def make_card(rung: Rung, tuned: TunedModel, *, base_id: str, proofs: tuple[tuple[str, ...], ...]) -> CardMaterial:
    """What the card of a rung's exported model is made from.

    Raises:
        ShowFolderError: A table of the show is broken.
    """
    show = rung.show
    if unmeasured := tell_unmeasured(rung):
        rights = note_rights(show)
        assert rights is not None, "a show without is not exported"  # noqa: S101
        return CardMaterial(
            label=label_imitation((show.voice.host,)),
            host=show.voice.host,
            show_name=show.voice.show,
            line=system_line(show.voice),
            rights=rights,
            tuned=tuned,
            base_id=base_id,
            scores=(),
            proofs=proofs,
            version=__version__,
            unmeasured=unmeasured,
        )
    card = card_from_report(gather_material(Ladder(show, (rung,))), tuned)
    assert card is not None, "a show without rights is not exported"  # noqa: S101
    scores = tuple(rung.scores())
    return card._replace(base_id=base_id, proofs=proofs, scores=scores)


def tell_unmeasured(rung: Rung) -> str:
    """Why no figure can be told of the model that lies in a rung's folder, in a sentence; empty: all can.

    What the model was trained on may have changed since: the figures are of the model, and stay its own. What it was
    asked and measured with may not.
    """
    if not rung.is_done("score"):
        return "It was not measured."
    lacking = [stage for stage in _SHOWN if not (rung if stage == "train" else rung.show).made(stage)]
    if lacking:
        return f"What was measured of it is not told here: {', '.join(lacking)} is not finished any more."
    if stale := find_stale(rung, stages=_MEASURING):
        return f"What was measured before is out of date ({stale}), so no figure is told here."
    return ""
