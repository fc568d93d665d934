"""The stage `ask`: put the exam, and closed questions about the show, to the base and to the tuned model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Final

from econchatr.ask.asker import Asker, GenerationLog
from econchatr.ask.exam import (
    SERVED_TEMPLATE,
    TUNED_VARIANTS,
    Ask,
    Draw,
    Examinee,
    ExamSettings,
    model_identity,
    plan_exam,
    plan_grounded,
    plan_paraphrases,
)
from econchatr.ask.grounding import INDEX_VERSION, Grounding, Room, TurnIndex
from econchatr.errors import ModelError
from econchatr.pipeline.choosing import answer_best_of
from econchatr.pipeline.served import HOSTED_PART, identify_served, open_served_model
from econchatr.pipeline.show import Rung, Show
from econchatr.pipeline.stage import Made, Narrator, Stage
from econchatr.records import Answer, Pair, Probe, Reply, TunedModel, Variant
from econchatr.score.grading.closed_questions import Probes, ask_questions, make_probes
from econchatr.score.grading.names import list_guests, make_name_book
from econchatr.tables import disk_errors, hash_settings, outputs_sha256


def _ask(rung: Rung, narrator: Narrator) -> Made:
    settings = rung.show.exam_settings
    asks = _plan_asks(rung, settings, open_grounding(rung).find if rung.show.config.ask.retrieval else None)
    probes = _make_show_probes(rung.show).probes
    jobs = [
        *((ask, settings) for ask in asks),
        *_plan_probes(probes, settings, MODELS[:1] if rung.is_served else MODELS),
    ]
    log = GenerationLog(rung.folder("ask") / "generations.jsonl")
    examinee = _local_examinee(rung) if rung.is_local else _served_examinee(rung)
    draws = [examinee.draw(ask, settings) for ask, settings in jobs]
    opened = rung.speak(rung.folder("train")) if rung.is_local else open_served_model(rung, draws, log)
    with opened as speaker:
        speaker = answer_best_of(rung, speaker)
        answered = Asker(speaker, log).ask_all(draws, lambda n, n_all: narrator.progress(n, n_all, "answers"))
    answers, told = answered[: len(asks)], answered[len(asks) :]
    failed = _check_answered(rung, answers)
    tables = {
        "answers": [answer for answer in answers if not answer.wording],
        "paraphrased": [answer for answer in answers if answer.wording],
        "probes": told,
        "probe_questions": probes,
    }
    counts = {"answers": len(answers) - len(failed), "failed": len(failed), "closed questions": len(told)}
    return Made(tables, counts=counts)


def examinee_of(rung: Rung, tuned: TunedModel) -> Examinee:
    """A rung's base and a tuned model, as the exam is put to them."""
    return Examinee(rung.name, rung.show.voice, rung.template, lambda variant: model_identity(tuned, variant))


def _local_examinee(rung: Rung) -> Examinee:
    """A rung's base and its tuned model, which gives the best of several draws where `[ask] best_of` says so."""
    return examinee_of(rung, rung.tuned())._replace(best_of=rung.n_draws)


def _served_examinee(rung: Rung) -> Examinee:
    """A rung whose models answer at an address, as the exam is put to them."""
    return Examinee(rung.name, rung.show.voice, SERVED_TEMPLATE, partial(identify_served, rung))


def plan_reply(
    tuned: TunedModel, question_id: str, prompt: str, key: str, settings: ExamSettings, *, sample: int = 0
) -> Draw:
    """What has to be drawn to get a tuned model's reply to a rendered prompt; the seed is the exam's plus `sample`."""
    seed = settings.seed + sample

    def record(reply: Reply | None, error: str | None) -> Answer:
        return Answer(
            question_id=question_id,
            rung=tuned.rung,
            variant="tuned",
            model_sha256=model_identity(tuned, "tuned"),
            sample=sample,
            seed=seed,
            reply=reply,
            error=error,
        )

    return Draw(key, lambda: prompt, is_tuned=True, seed=seed, settings=settings, record=record)


def _check_answered(rung: Rung, answers: Sequence[Answer]) -> list[Answer]:
    """The answers that failed; all of them may not have."""
    failed = [answer for answer in answers if answer.error]
    if len(failed) == len(answers):
        raise ModelError(
            f"{rung.name}: no question was answered; the first error: {failed[0].error}",
            hint="`econchatr doctor` looks for the cause.",
        )
    return failed


Find = Callable[[str], tuple[Pair, ...]]
"""Finds the host's real turns that stand before a question."""


def plan_answers(rung: Rung, find: Find) -> list[tuple[Ask, ExamSettings]]:
    """Everything that the stage puts to a rung's models, closed questions too, so that it can be priced before.

    Args:
        find: Stands for the real turns that will be found when the questions are asked.
    """
    settings = rung.show.exam_settings
    asks = _plan_asks(rung, settings, find if rung.show.config.ask.retrieval else None)
    probes = _make_show_probes(rung.show).probes if rung.show.config.ask.max_probes else ()
    return [
        *((ask, settings) for ask in asks),
        *_plan_probes(probes, settings, MODELS[:1] if rung.is_served else MODELS),
    ]


def _plan_asks(rung: Rung, settings: ExamSettings, find: Find | None) -> list[Ask]:
    """The exam, and beside it what the config wants asked too; with real turns unless `find` is `None`."""
    asked, questions = rung.show.config.ask, rung.show.questions()
    asks = list(plan_exam(questions, settings))
    if find is not None:
        asks += plan_grounded(
            questions,
            settings,
            find,
            n_samples=asked.retrieval_samples,
            n_questions=asked.retrieval_questions,
        )
    if asked.paraphrases:
        asks += plan_paraphrases(questions, settings)
    return [ask for ask in asks if not (rung.is_served and ask.variant in TUNED_VARIANTS)]


def _inputs(rung: Rung) -> dict[str, str]:
    show = rung.show
    asked = {"questions": show.questions_sha256()}
    if rung.is_served:
        asked["served model"] = identify_served(rung, "base")
    else:
        asked["tuned model"] = (
            rung.made("train") if rung.is_local else outputs_sha256(rung.folder("train") / HOSTED_PART)
        )
    # The closed questions are made of what was said, and by whom; what stands before a question, of pairs.
    said = {"transcripts": show.made("parse")} if show.config.ask.max_probes else {}
    given = {"pairs": show.made("pair")} if said or show.config.ask.retrieval else {}
    return asked | said | given


ASK = Stage[Rung](
    "ask",
    version=4,
    settings={"ask": "ask", "voice": lambda rung: rung.show.voice, "form": lambda rung: rung.form_version},
    inputs=_inputs,
    reads=("parse", "pair", "train", "questions.toml"),
    writes={"answers": Answer, "paraphrased": Answer, "probes": Answer, "probe_questions": Probe},
    do=_ask,
)
"""`paraphrased` holds the answers to the questions in other words, `probes` those to the closed questions: apart from
the exam's own, so that nothing takes them for samples of it."""


# --- real turns of the host, to be put before a question --------------------------------------------------------------

_INDEX_FOLDER: Final = "turns"


def open_grounding(rung: Rung) -> Grounding:
    """What finds the host's real turns for a question to a rung's models; nothing held out is among them.

    Raises:
        ShowFolderError: The show is not paired yet, or its folder cannot be written.
    """
    show = rung.show
    index = _open_turn_index(show, show.pairs(split="train", kept=True))
    return Grounding(index, rung.tokenizer, Room(show.config.ask.excerpts))


def _open_turn_index(show: Show, pairs: Sequence[Pair]) -> TurnIndex:
    """The index of these pairs: the one kept in the show's folder, or a new one, which is then kept there.

    Raises:
        ShowFolderError: The folder cannot be written.
    """
    key = hash_settings([INDEX_VERSION, show.made("pair"), len(pairs)])[:16]
    folder = show.folder("ask") / _INDEX_FOLDER / key
    if kept := TurnIndex.load(folder, pairs):
        return kept
    made = TurnIndex.build(pairs)
    _keep(made, folder)
    return made


def _keep(index: TurnIndex, folder: Path) -> None:
    """Write an index beside its place and rename it, so that one with its name is whole; drop older ones.

    A chat may do so beside a run: neither touches what the other is writing, and who comes second keeps nothing.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for old in folder.parent.iterdir():
            if not old.name.startswith("."):
                shutil.rmtree(old, ignore_errors=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix="."))
        try:
            index.save(beside)
            if any(beside.iterdir()):
                _take_place(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _take_place(beside: Path, folder: Path) -> None:
    try:
        beside.rename(folder)
    except OSError:
        # Somebody else was first; theirs is the same.
        if not folder.exists():
            raise


# --- closed questions: guests of a year, and names to fill into gaps --------------------------------------------------

_ANSWER_TOKENS: Final = 32
"""A name needs no more; who has not given one by then is taken at what was said."""

MODELS: Final[tuple[Variant, ...]] = ("base", "tuned")


def _make_show_probes(show: Show) -> Probes:
    """Make the closed questions of a show that there is time for, and say what cannot be asked, and why."""
    turns, episodes, pairs = show.turns(), show.episodes(), show.pairs(kept=True)
    made = make_probes(episodes, list_guests(turns), pairs, make_name_book(turns), show=show.voice.show)
    return made._replace(probes=tuple(thin_probes(made.probes, show.config.ask.max_probes)))


def thin_probes(probes: Sequence[Probe], n: int) -> list[Probe]:
    """Take at most `n`, of each sort in turn: years, gaps that training episodes fill, gaps that only others do."""
    sorts: dict[tuple[str, bool], list[Probe]] = {}
    for probe in probes:
        sorts.setdefault((probe.kind, probe.is_answerable), []).append(probe)
    in_turn = [probe for lot in zip_longest(*sorts.values()) for probe in lot if probe is not None]
    taken = {probe.probe_id for probe in in_turn[:n]}
    return [probe for probe in probes if probe.probe_id in taken]


def _plan_probes(
    probes: Sequence[Probe], settings: ExamSettings, models: Sequence[Variant] = MODELS
) -> Iterator[tuple[Ask, ExamSettings]]:
    """Each closed question, once to each model, with the exam's first seed."""
    brief = settings._replace(max_tokens=min(_ANSWER_TOKENS, settings.max_tokens))
    for model in models:
        for question in ask_questions(probes):
            yield Ask(question, model, 0, settings.seed), brief
