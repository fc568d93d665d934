"""The steps that need a model, one rung at a time: train, ask, score.

This module does not know how a model learns or answers: it opens one, hands it records, and keeps what comes back. How
an answer is scored is `proving`'s.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from econchatr.ask.exam import (
    Ask,
    ExamSettings,
    answer_one,
    plan_exam,
    plan_grounded,
    plan_paraphrases,
    recall_one,
)
from econchatr.ask.log import GenerationLog
from econchatr.config import QUESTIONS_NAME, Rung
from econchatr.errors import ModelError
from econchatr.models.examples import EncodedExample
from econchatr.models.gguf_adapter import write_gguf_adapter
from econchatr.models.llamacpp import count_usable_cores
from econchatr.models.memory import free_memory
from econchatr.models.weights import BaseWeights
from econchatr.pipeline.forms import (
    base_identity,
    encode_examples,
    rung_epochs,
    rung_recipe,
    rung_template,
    rung_weights,
)
from econchatr.pipeline.grounding import open_grounding
from econchatr.pipeline.parity import check_rung_parity
from econchatr.pipeline.probing import PROBE_QUESTIONS_NAME, PROBES_NAME, make_show_probes, plan_probes, read_parsed
from econchatr.pipeline.proving import score_step
from econchatr.pipeline.rungs import model_identity, open_speaker
from econchatr.pipeline.show import Narrator, Outcome, Show, Step
from econchatr.prompts import FORM_VERSION
from econchatr.records import (
    Answer,
    CurvePoint,
    Example,
    Pair,
    Probe,
    Selection,
    TunedModel,
)
from econchatr.score.names import make_name_book
from econchatr.tables import disk_errors, hash_file, hash_settings, read_table, write_table
from econchatr.train.local import train_lora

MAX_AT_ONCE = 4
"""Answers asked for side by side, where there are as many cores. Source: docs/performance.md, measured on two."""

PARAPHRASED_NAME = "paraphrased.parquet"
"""Answers to the questions in other words, apart from the exam's own, so that nothing takes them for samples of it."""

_VERSIONS = {"train": 1, "ask": 4}


def learn_steps(show: Show, rungs: Sequence[Rung]) -> list[Step]:
    """train, ask, score: each for every rung, stage by stage."""
    makers = (_train_step, _ask_step, partial(score_step, paraphrased_name=PARAPHRASED_NAME))
    return [make(show, rung) for make in makers for rung in rungs]


# --- train ------------------------------------------------------------------------------------------------------------


def _train_step(show: Show, rung: Rung) -> Step:
    settings = {
        "train": show.config.train.model_dump(),
        "base": rung.base,
        "n_epochs": rung_epochs(show, rung),
        "form": FORM_VERSION,
    }

    def inputs() -> dict[str, str]:
        folder = show.folder("select", rung.name)
        files = {name: folder / f"{name}.chat.jsonl" for name in ("train", "dev")}
        hashes = {f"{name} examples": hash_file(path) if path.is_file() else "" for name, path in files.items()}
        return {**hashes, "base weights": base_identity(rung)}

    return Step("train", rung.name, show.folder("train", rung.name), _VERSIONS["train"], settings, inputs,
                lambda narrator: _train(show, rung, narrator))  # fmt: skip


def _train(show: Show, rung: Rung, narrator: Narrator) -> Outcome:
    folder = show.folder("train", rung.name)
    base = rung_weights(show, rung)
    narrator.note(f"{rung.name}: trains on {base.weights}")
    selection = _selection(show, rung)
    examples = encode_examples(_examples(show, rung, "train"), show, rung)
    dev = _spread(
        encode_examples(_examples(show, rung, "dev"), show, rung), max_tokens=show.config.train.max_dev_tokens
    )
    outcome = train_lora(
        examples, dev, base=base, folder=folder / "work", recipe=rung_recipe(show, rung),
        on_progress=lambda progress: narrator.progress(progress.n_seen_tokens, progress.n_all_tokens, "tokens"),
    )  # fmt: skip
    names = _keep_adapter(outcome.adapter_folder, folder, base=base)
    free_memory()
    agreement = check_rung_parity(show, rung, base=base, folder=folder)
    tuned = TunedModel(
        rung=rung.name,
        base_model=base.name,
        base_sha256=base.sha256,
        weights=base.weights,
        selection_sha256=selection.sha256,
        adapter_path=(folder / "adapter_model.safetensors").relative_to(show.root).as_posix(),
        adapter_sha256=hash_file(folder / "adapter_model.safetensors"),
        gguf_path=(folder / "adapter.gguf").relative_to(show.root).as_posix() if base.gguf_path else None,
        gguf_sha256=hash_file(folder / "adapter.gguf") if base.gguf_path else None,
        n_steps=outcome.n_steps,
        best_step=outcome.best_step,
        n_trained_tokens=outcome.n_trained_tokens,
        dtype=outcome.dtype,
        n_agreeing_questions=agreement.n_agreeing if agreement else None,
        n_checked_questions=agreement.n_checked if agreement else 0,
    )
    curve = [
        CurvePoint(rung=rung.name, step=p.step, n_seen_tokens=p.n_seen_tokens, train_loss=p.train_loss,
                   dev_loss=p.dev_loss, is_best=p.is_best)
        for p in outcome.curve
    ]  # fmt: skip
    write_table(folder / "tuned.parquet", [tuned], TunedModel)
    write_table(folder / "curve.parquet", curve, CurvePoint)
    shutil.rmtree(folder / "work", ignore_errors=True)
    counts = {"examples": len(examples), "tokens": outcome.n_trained_tokens, "steps": outcome.n_steps}
    return Outcome((*names, "tuned.parquet", "curve.parquet"), counts)


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


# --- ask --------------------------------------------------------------------------------------------------------------


def _ask_step(show: Show, rung: Rung) -> Step:
    def inputs() -> dict[str, str]:
        asked = {"tuned model": show.made("train", rung.name), "questions": hash_file(show.root / QUESTIONS_NAME)}
        # The closed questions are made of what was said, and by whom; what stands before a question, of pairs.
        said = {"transcripts": show.made("parse")} if show.config.ask.max_probes else {}
        given = {"pairs": show.made("pair")} if said or show.config.ask.retrieval else {}
        return asked | said | given

    settings = {"ask": show.config.ask.model_dump(), "voice": show.voice, "form": FORM_VERSION}
    return Step("ask", rung.name, show.folder("ask", rung.name), _VERSIONS["ask"], settings, inputs,
                lambda narrator: _ask(show, rung, narrator))  # fmt: skip


def _ask(show: Show, rung: Rung, narrator: Narrator) -> Outcome:
    folder, base, tuned = show.folder("ask", rung.name), rung_weights(show, rung), _tuned(show, rung)
    settings = ExamSettings(**show.config.ask.model_dump(include=set(ExamSettings._fields)))
    asks = _plan_asks(show, rung, settings)
    episodes, turns = read_parsed(show)
    host = read_table(show.folder("pair") / "pairs.parquet", Pair)
    probes = make_show_probes(show, episodes, turns, host, make_name_book(turns)).probes
    brief = list(plan_probes(probes, settings))
    log = GenerationLog(folder / "generations.jsonl")
    template = rung_template(rung)

    def answer(ask: Ask, settings: ExamSettings = settings) -> Answer:
        model_sha256 = model_identity(tuned, ask.variant)
        asked = [model_sha256, ask.text, ask.variant, ask.seed, settings, show.voice]
        key = hash_settings([*asked, *((pair.pair_id, pair.cue, pair.reply) for pair in ask.excerpts)])
        if known := log.find(key):
            return recall_one(ask, known, rung=rung.name, model_sha256=model_sha256)
        answered = answer_one(
            ask, rung=rung.name, model_sha256=model_sha256, speaker=speaker, voice=show.voice, template=template,
            settings=settings,
        )  # fmt: skip
        log.add(key, answered.model_dump())
        return answered

    answers: list[Answer] = []
    n_at_once = min(count_usable_cores(), MAX_AT_ONCE)
    with (
        open_speaker(base, folder=show.folder("train", rung.name), n_at_once=n_at_once) as speaker,
        ThreadPoolExecutor(speaker.n_at_once) as pool,
    ):
        for answered in pool.map(answer, asks):
            answers.append(answered)
            narrator.progress(len(answers), len(asks) + len(brief), "answers")
        told: list[Answer] = []
        for answered in pool.map(lambda job: answer(*job), brief):
            told.append(answered)
            narrator.progress(len(answers) + len(told), len(asks) + len(brief), "answers")
    failed = [answer for answer in answers if answer.error]
    if len(failed) == len(answers):
        raise ModelError(
            f"{rung.name}: no question was answered; the first error: {failed[0].error}",
            hint="`econchatr doctor` looks for the cause.",
        )
    write_table(folder / "answers.parquet", [answer for answer in answers if not answer.wording], Answer)
    write_table(folder / PARAPHRASED_NAME, [answer for answer in answers if answer.wording], Answer)
    write_table(folder / PROBES_NAME, told, Answer)
    write_table(folder / PROBE_QUESTIONS_NAME, probes, Probe)
    counts = {"answers": len(answers) - len(failed), "failed": len(failed), "closed questions": len(told)}
    return Outcome(("answers.parquet", PARAPHRASED_NAME, PROBES_NAME, PROBE_QUESTIONS_NAME), counts)


def _plan_asks(show: Show, rung: Rung, settings: ExamSettings) -> list[Ask]:
    """The exam, and beside it what the config wants asked too."""
    asked, questions = show.config.ask, show.questions()
    asks = list(plan_exam(questions, settings))
    if asked.retrieval:
        asks += plan_grounded(
            questions, settings, open_grounding(show, rung).find,
            n_samples=asked.retrieval_samples, n_questions=asked.retrieval_questions,
        )  # fmt: skip
    if asked.paraphrases:
        asks += plan_paraphrases(questions, settings)
    return asks


# --- shared by train and ask ------------------------------------------------------------------------------------------


def _selection(show: Show, rung: Rung) -> Selection:
    rows = read_table(show.folder("select") / "selections.parquet", Selection)
    return next(row for row in rows if row.rung == rung.name)


def _tuned(show: Show, rung: Rung) -> TunedModel:
    return read_table(show.folder("train", rung.name) / "tuned.parquet", TunedModel)[0]


def _examples(show: Show, rung: Rung, split: str) -> list[Example]:
    rows = read_table(show.folder("select") / "examples.parquet", Example)
    return [row for row in rows if row.rung == rung.name and row.split == split]


def _spread(examples: list[EncodedExample], *, max_tokens: int) -> list[EncodedExample]:
    """As many examples, evenly spread, as hold about `max_tokens`."""
    total = sum(len(example.ids) for example in examples)
    if total <= max_tokens:
        return examples
    n = max(1, len(examples) * max_tokens // total)
    return [examples[i * len(examples) // n] for i in range(n)]
