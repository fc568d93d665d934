"""Do every step that is not yet done, in order; say which those are.

This module does not know what a step does: it compares hashes, runs, and writes the manifest last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from econchatr.config import Rung
from econchatr.errors import InputError
from econchatr.pipeline.approval import Approve, approve_quote, list_charged
from econchatr.pipeline.feeds import gather_feed
from econchatr.pipeline.learn import learn_steps
from econchatr.pipeline.prepare import prepare_steps
from econchatr.pipeline.publish import publish_steps
from econchatr.pipeline.show import STAGES, Narrator, Show, Step
from econchatr.tables import MANIFEST_NAME, disk_errors, find_staleness, finish_stage, hash_settings, lock_folder


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
    with lock_folder(show.root):
        return _run_steps(steps, narrator)


def status_of(show: Show, *, rung: str = "") -> list[StepState]:
    """Every step and its state; a step that waits for a stale one is stale too."""
    states: list[StepState] = []
    stale: list[Step] = []
    for step in list_steps(show, rung=rung):
        awaited = next((item.name for item in stale if step.stage in item.read_by), "")
        why = f"waits for {awaited}" if awaited else _staleness(step, step.inputs())
        states.append(StepState(step.name, why))
        if why:
            stale.append(step)
    return states


def find_stale(show: Show, rung: Rung, *, stages: Sequence[str]) -> str:
    """Why some stages of a rung do not fit what lies in the show's folder now; empty: they do.

    Only these are asked: a stage before them that must be done again has not changed anything yet.
    """
    for step in list_steps(show, rung=rung.name):
        if step.stage in stages and (why := _staleness(step, step.inputs())):
            return f"{step.name}: {why}"
    return ""


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
    return find_staleness(
        step.folder, version=step.version, settings_sha256=hash_settings(step.settings), inputs=inputs
    )
