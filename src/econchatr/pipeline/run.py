"""Do every step that is not yet done, in order; say which those are.

This module does not know what a step does: it compares hashes, runs, and writes the manifest last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from econchatr.config import Rung
from econchatr.errors import InputError, ShowFolderError
from econchatr.pipeline.approval import Approve, approve_quote, list_charged
from econchatr.pipeline.feeds import gather_feed
from econchatr.pipeline.learn import learn_steps
from econchatr.pipeline.prepare import prepare_steps
from econchatr.pipeline.publish import publish_steps
from econchatr.pipeline.show import STAGES, Narrator, Show, Step
from econchatr.records import (
    Answer,
    CopiedSpan,
    CurvePoint,
    Episode,
    Example,
    Failure,
    Gate,
    HeldOutReply,
    Mark,
    NearQuote,
    Pair,
    PreferenceOutcome,
    Probe,
    Reason,
    Record,
    Score,
    Selection,
    SourceFile,
    TunedModel,
    Turn,
)
from econchatr.tables import (
    MANIFEST_NAME,
    disk_errors,
    find_damage,
    find_staleness,
    find_table_fault,
    finish_stage,
    hash_settings,
    lock_folder,
    refuse_newer,
)

TABLE_KINDS: dict[str, dict[str, type[Record]]] = {
    "fetch": {"files.parquet": SourceFile, "failures.parquet": Failure},
    "parse": {"episodes.parquet": Episode, "turns.parquet": Turn, "failures.parquet": Failure},
    "pair": {"pairs.parquet": Pair},
    "select": {"selections.parquet": Selection, "examples.parquet": Example, "reasons.parquet": Reason},
    "train": {
        "tuned.parquet": TunedModel, "curve.parquet": CurvePoint, "outcome.parquet": PreferenceOutcome,
        "answers.parquet": Answer, "scores.parquet": Score, "gates.parquet": Gate,
    },
    "ask": {
        "answers.parquet": Answer, "paraphrased.parquet": Answer, "probes.parquet": Answer,
        "probe_questions.parquet": Probe,
    },
    "score": {
        "scores.parquet": Score, "gates.parquet": Gate, "spans.parquet": CopiedSpan, "nearest.parquet": NearQuote,
        "replies.parquet": HeldOutReply, "marks.parquet": Mark,
    },
}  # fmt: skip
"""Stage -> table -> what its rows are. A step whose table lacks a column counts as not done."""


class RunResult(NamedTuple):
    """Names of the steps a run did, and of those it found done."""

    done: tuple[str, ...]
    fresh: tuple[str, ...]


class StepState(NamedTuple):
    """A step and why it must be done; `why` is empty when it is fresh."""

    name: str
    why: str


def list_steps(show: Show, *, until: str = "report", rung: str = "") -> list[Step]:
    """The steps up to and including a stage, in order; for one rung, or for every rung trained at home.

    Raises:
        InputError: No such stage or rung.
    """
    if until not in STAGES:
        raise InputError(f"no stage {until!r}.", hint=f"The stages: {', '.join(STAGES)}.")
    rungs = [show.rung(rung)] if rung else [item for item in show.config.ladder if item.where == "local"]
    steps = [*prepare_steps(show), *learn_steps(show, rungs), *publish_steps(show, rungs)]
    last = STAGES.index(until)
    return [step for step in steps if STAGES.index(step.stage) <= last]


def run_show(
    show: Show,
    narrator: Narrator,
    *,
    until: str = "report",
    rung: str = "",
    ask_again: bool = False,
    refresh: bool = False,
    approve: Approve | None = None,
) -> RunResult:
    """Do what is not yet done; nothing finished is done again.

    A feed that was fetched to its end is not asked for anything new unless `ask_again`, nor for what is there unless
    `refresh`. Where hosted rungs would be charged, `approve` is shown their quote once everything is counted, and
    nothing goes on without its yes.

    Raises:
        InputError: The show may not be trained on (no `[rights]`), or its questions are missing; before any work.
        BudgetError: The quote exceeds the budget, or was not approved.
        EconChatRError: Whatever a stage raises; what was finished before stays.
    """
    steps = list_steps(show, until=until, rung=rung)
    _refuse_newer(list_steps(show))
    _check_before(show, steps)
    with lock_folder(show.root):
        gather_feed(show, narrator, ask_again=ask_again, refresh=refresh)
        free = [step for step in steps if STAGES.index(step.stage) <= STAGES.index("select")]
        if len(free) == len(steps) or not list_charged(show, rung):
            return _run_steps(steps, narrator)
        before = _run_steps(free, narrator)
        approve_quote(show, narrator, approve, today=datetime.now(UTC).date())
        after = _run_steps(steps[len(free) :], narrator)
        return RunResult(before.done + after.done, before.fresh + after.fresh)


def run_alone(show: Show, steps: Sequence[Step], narrator: Narrator) -> RunResult:
    """Do steps that no run does by itself, each unless it is fresh.

    Raises:
        InputError: The show has no `[rights]`.
        EconChatRError: Whatever a step raises.
    """
    show.require_rights()
    _refuse_newer([*list_steps(show), *steps])
    with lock_folder(show.root):
        return _run_steps(steps, narrator)


def status_of(show: Show, *, rung: str = "") -> list[StepState]:
    """Every step and its state; a step behind a stale one is stale too."""
    states: list[StepState] = []
    stale = ""
    for step in list_steps(show, rung=rung):
        why = _staleness(step, step.inputs()) if not stale else f"waits for {stale}"
        states.append(StepState(step.name, why))
        stale = stale or (step.name if why else "")
    return states


def find_stale(show: Show, rung: Rung, *, stages: Sequence[str]) -> str:
    """Why some stages of a rung do not fit what lies in the show's folder now; empty: they do.

    Only these are asked: a stage before them that must be done again has not changed anything yet.
    """
    for step in list_steps(show, rung=rung.name):
        if step.stage in stages and (why := _staleness(step, step.inputs())):
            return f"{step.name}: {why}"
    return ""


def _refuse_newer(steps: Iterable[Step]) -> None:
    for step in steps:
        refuse_newer(step.folder, version=step.version)


def _check_before(show: Show, steps: Iterable[Step]) -> None:
    stages = {step.stage for step in steps}
    if "train" not in stages:
        return
    show.require_rights()
    show.questions()


def _run_steps(steps: Sequence[Step], narrator: Narrator) -> RunResult:
    done, fresh = [], []
    for step in steps:
        inputs = step.inputs()
        why = _staleness(step, inputs)
        if not why:
            fresh.append(step.name)
            continue
        _keep_training(step, why)
        narrator.begin(step.name, why)
        start = time.monotonic()
        with disk_errors(step.folder):
            step.folder.mkdir(parents=True, exist_ok=True)
            # From here to the new manifest the step counts as not done, whatever becomes of this process.
            (step.folder / MANIFEST_NAME).unlink(missing_ok=True)
        outcome = step.work(narrator)
        manifest = finish_stage(
            step.folder,
            stage=step.name,
            version=step.version,
            settings_sha256=hash_settings(step.settings),
            inputs=inputs,
            outputs=outcome.outputs,
            counts=outcome.counts,
            seconds=time.monotonic() - start,
        )
        narrator.end(step.name, outcome.counts, manifest.seconds)
        done.append(step.name)
    return RunResult(tuple(done), tuple(fresh))


def _staleness(step: Step, inputs: dict[str, str]) -> str:
    stale = find_staleness(
        step.folder, version=step.version, settings_sha256=hash_settings(step.settings), inputs=inputs
    )
    return stale or _find_table_faults(step)


def _find_table_faults(step: Step) -> str:
    """Why a table of a step that is done cannot be read by this version; empty when all can."""
    kinds = TABLE_KINDS.get(step.stage, {})
    paths = ((step.folder / name, kind) for name, kind in kinds.items() if (step.folder / name).is_file())
    return next(filter(None, (find_table_fault(path, kind) for path, kind in paths)), "")


def _keep_training(step: Step, why: str) -> None:
    """Nothing, unless a finished training would be done again only because its files were damaged.

    Training takes hours or money. A change of settings or of the selection asks for a new one; damage does not.

    Raises:
        ShowFolderError: It would be.
    """
    if step.stage == "train" and why in (find_damage(step.folder), _find_table_faults(step)):
        raise ShowFolderError(
            f"{step.folder}: {why}; a finished training is not done again for that.",
            hint=f"Put the file back as it was; or move {step.folder} away and run again to train anew.",
        )
