"""The stages in their order, and the runner: do every step that is not yet done, and say which those are.

`STAGES` is the documentation: name, version, settings, what is read and written, and the function that does the work.
The table in docs/architecture.md is made from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from filelock import FileLock, Timeout

from econchatr.errors import InputError, ShowFolderError
from econchatr.models.base_model import free_memory
from econchatr.pipeline.ask import ASK
from econchatr.pipeline.fetch import FETCH, gather_feed
from econchatr.pipeline.hosted_training import HOSTED_TRAIN, list_bought, order_trainings, tell_unbought
from econchatr.pipeline.pair import ANSWERS, GUESTS, PAIR
from econchatr.pipeline.parse import PARSE
from econchatr.pipeline.quotes import Approve, approve_quote, list_charged
from econchatr.pipeline.report import REPORT
from econchatr.pipeline.score import SCORE
from econchatr.pipeline.select import SELECT
from econchatr.pipeline.show import Ladder, Rung, Show
from econchatr.pipeline.show_folder import STAGE_NAMES
from econchatr.pipeline.stage import Made, Narrator, Stage, Step, narrated
from econchatr.pipeline.train import TRAIN
from econchatr.tables import (
    MANIFEST_NAME,
    NOT_DONE,
    disk_errors,
    find_damage,
    find_staleness,
    find_table_fault,
    finish_stage,
    hash_settings,
    lock_folder,
    refuse_newer,
    write_frame,
    write_table,
)

_SHOW_STAGES: Final[tuple[Stage[Show], ...]] = (FETCH, PARSE, PAIR, GUESTS, ANSWERS, SELECT)
"""Once per show."""
_RUNG_STAGES: Final[tuple[Stage[Rung], ...]] = (TRAIN, ASK, SCORE)
"""Once per rung that is trained at home; a served rung is not trained, and else treated alike."""
_LADDER_STAGES: Final[tuple[Stage[Ladder], ...]] = (REPORT,)
"""Once, over those rungs."""
STAGES: Final[tuple[Stage[Any], ...]] = (*_SHOW_STAGES, HOSTED_TRAIN, *_RUNG_STAGES, *_LADDER_STAGES)


PREPARING: Final = STAGE_NAMES[: STAGE_NAMES.index("train")]
"""The stages that need no model and cost nothing."""
_PAIRING: Final = STAGE_NAMES[: STAGE_NAMES.index("select")]
"""Those of them that make the pairs."""

GoesOn = Callable[[], bool]
"""Says whether a run whose pairs are made goes on; the run holds the show's folder."""


def _always() -> bool:
    return True


class RunResult(NamedTuple):
    """Names of the steps a run did, and of those it found done."""

    done: tuple[str, ...]
    fresh: tuple[str, ...]


class StepState(NamedTuple):
    """A step and why it must be done; `why` is empty when it is fresh."""

    name: str
    why: str


def list_steps(show: Show, *, until: str = "report", rung: str = "") -> list[Step]:
    """The steps up to and including a stage, in order; for one rung, or for every rung that can be asked.

    Raises:
        InputError: No such stage or rung.
    """
    if until not in STAGE_NAMES:
        raise InputError(f"no stage {until!r}.", hint=f"The stages: {', '.join(STAGE_NAMES)}.")
    ladder = show.asked_ladder(rung)
    steps = [
        *(Step(stage, show) for stage in _SHOW_STAGES),
        *(Step(HOSTED_TRAIN, one) for one in list_bought(show, rung)),
        *(Step(stage, one) for stage in _RUNG_STAGES for one in ladder.rungs if _has_stage(one, stage)),
        *(Step(stage, ladder) for stage in _LADDER_STAGES),
    ]
    last = STAGE_NAMES.index(until)
    return [step for step in steps if STAGE_NAMES.index(step.stage.name) <= last]


def _has_stage(rung: Rung, stage: Stage[Rung]) -> bool:
    """Whether a rung goes through a stage here: all that can be asked do, but only those at home are trained."""
    return rung.is_asked and (rung.is_local or stage is not TRAIN)


def run_show(
    show: Show,
    narrator: Narrator,
    *,
    until: str = "report",
    rung: str = "",
    ask_again: bool = False,
    refresh: bool = False,
    approve: Approve | None = None,
    goes_on: GoesOn = _always,
) -> RunResult:
    """Do what is not yet done; nothing finished is done again.

    A feed that was fetched to its end is not asked for anything new unless `ask_again`, nor for what is there unless
    `refresh`. Where hosted rungs would be charged, `approve` is shown their quote once everything is counted, and
    nothing goes on without its yes. `goes_on` is asked once the pairs are made; after its no, the run ends there.

    Raises:
        InputError: The show may not be trained on (no `[rights]`), or its questions are missing; before any work.
        BudgetError: The quote exceeds the budget, or was not approved.
        EconChatRError: Whatever a stage raises; what was finished before stays.
    """
    check_run(show, until=until, rung=rung)
    with lock_folder(show.root):
        gather_feed(show, narrator, ask_again=ask_again, refresh=refresh)
        return run_held(show, narrator, until=until, rung=rung, approve=approve, goes_on=goes_on)


def check_run(show: Show, *, until: str = "report", rung: str = "") -> None:
    """Refuse before any work what a run would refuse later.

    Raises:
        InputError: The show may not be trained on (no `[rights]`), or its questions are missing.
        ShowFolderError: A later version of this program wrote into the folder.
    """
    _refuse_newer(list_steps(show))
    _check_before(show, list_steps(show, until=until, rung=rung))


def run_held(
    show: Show,
    narrator: Narrator,
    *,
    until: str = "report",
    rung: str = "",
    approve: Approve | None = None,
    goes_on: GoesOn = _always,
) -> RunResult:
    """Do what is not yet done in a show that the caller has checked and locked, and whose feed was asked.

    Raises:
        EconChatRError: As `run_show`.
    """
    steps = list_steps(show, until=until, rung=rung)
    n_pairing = sum(step.stage.name in _PAIRING for step in steps)
    paired = do_steps(steps[:n_pairing], narrator)
    if not goes_on():
        return paired
    free = [step for step in steps[n_pairing:] if step.stage.name in PREPARING]
    left = steps[n_pairing + len(free) :]
    if not left or not list_charged(show, rung):
        return _join(paired, do_steps([*free, *left], narrator))
    before = _join(paired, do_steps(free, narrator))
    approve_quote(show, narrator, approve, today=datetime.now(UTC).date())
    return _join(before, _run_bought(show, rung, left, narrator))


def _join(first: RunResult, then: RunResult) -> RunResult:
    return RunResult(first.done + then.done, first.fresh + then.fresh)


def _run_bought(show: Show, rung: str, steps: Sequence[Step], narrator: Narrator) -> RunResult:
    """Buy what is to be bought, all of it side by side; what one service fails keeps no other step from being done."""
    for line in tell_unbought(show, rung):
        narrator.note(line)
    wanted = [step for step in steps if step.stage is HOSTED_TRAIN and _staleness(step)]
    for step in wanted:
        _keep_training(step, _staleness(step))
    failed = order_trainings(show, [step.target for step in wanted if isinstance(step.target, Rung)], narrator)
    left = [step for step in steps if not (isinstance(step.target, Rung) and step.target.name in failed)]
    result = do_steps(left, narrator)
    for error in failed.values():
        raise error
    return result


def run_alone(show: Show, steps: Sequence[Step], narrator: Narrator) -> RunResult:
    """Do steps that no run does by itself, each unless it is fresh.

    Raises:
        InputError: The show has no `[rights]`.
        EconChatRError: Whatever a step raises.
    """
    show.require_rights()
    _refuse_newer([*list_steps(show), *steps])
    with lock_folder(show.root):
        return do_steps(steps, narrator)


def status_of(show: Show, *, rung: str = "") -> list[StepState]:
    """Every step and its state; a step that reads what a stale one makes is stale too."""
    states: list[StepState] = []
    stale: list[Step] = []
    for step in list_steps(show, rung=rung):
        waits_for = next((one.name for one in stale if _reads(step, one)), "")
        why = f"waits for {waits_for}" if waits_for else _staleness(step)
        states.append(StepState(step.name, why))
        stale += [step] if why else []
    return states


def is_running(show: Show) -> bool:
    """Whether another command holds the show's folder now; a folder that none ever held is left as it is."""
    path = show.root / ".lock"
    try:
        if path.is_file():
            with FileLock(path, timeout=0):
                return False
    except Timeout:
        return True
    except OSError:  # a folder that nobody may write
        return False
    return False


def _reads(step: Step, other: Step) -> bool:
    """Whether a step reads what another one makes: of a stage it reads, and of its own rung where both have one."""
    is_own = not (isinstance(step.target, Rung) and isinstance(other.target, Rung)) or step.target == other.target
    return is_own and other.stage.key in step.stage.reads


def find_stale(rung: Rung, *, stages: Sequence[str]) -> str:
    """Why some stages of a rung do not fit what lies in the show's folder now; empty: they do.

    Only these are asked: a stage before them that must be done again has not changed anything yet.
    """
    for step in list_steps(rung.show, rung=rung.name):
        if step.stage.name in stages and (why := _staleness(step)):
            return f"{step.name}: {why}"
    return ""


def _refuse_newer(steps: Iterable[Step]) -> None:
    for step in steps:
        refuse_newer(step.folder, version=step.stage.version)


def _check_before(show: Show, steps: Iterable[Step]) -> None:
    if any(step.stage.name == "train" for step in steps):
        show.require_rights()
        show.questions()


def do_steps(steps: Sequence[Step], narrator: Narrator) -> RunResult:
    """Do these steps in their order, each unless it is fresh; the caller holds the show's folder.

    Raises:
        EconChatRError: Whatever a step raises; what was finished before stays.
    """
    done: list[str] = []
    fresh: list[str] = []
    for step in steps:
        inputs = step.stage.inputs(step.target)
        why = _staleness(step, inputs)
        if why:
            _keep_training(step, why)
            _do(step, inputs, narrator, why)
            if step is not steps[-1]:
                _tell_chat(step, narrator)
        (done if why else fresh).append(step.name)
    return RunResult(tuple(done), tuple(fresh))


def _tell_chat(step: Step, narrator: Narrator) -> None:
    """After a training at home: what takes longest is still to come, and nobody need wait for it."""
    if isinstance(step.target, Rung) and step.stage.name == "train" and step.target.is_local:
        show, name = step.target.show, step.target.name
        rung = "" if show.rung().name == name else f" --rung {name}"
        narrator.note(f"You can talk to it already, in another terminal: econchatr chat {show.root}{rung}")


def _do(step: Step, inputs: dict[str, str], narrator: Narrator, why: str) -> None:
    with narrated(narrator, step.name, "starts" if why == NOT_DONE else why) as told:
        start = time.monotonic()
        with disk_errors(step.folder):
            step.folder.mkdir(parents=True, exist_ok=True)
            # From here to the new manifest the step counts as not done, whatever becomes of this process.
            (step.folder / MANIFEST_NAME).unlink(missing_ok=True)
        made = make_tables(step, narrator)
        finish_stage(
            step.folder,
            stage=step.name,
            version=step.stage.version,
            settings_sha256=hash_settings(step.settings),
            inputs=inputs,
            outputs=(*(f"{name}.parquet" for name in step.stage.writes), *made.files),
            counts=made.counts,
            seconds=time.monotonic() - start,
        )
        step.show.forget_tables()
        told.update(made.counts)


def make_tables(step: Step, narrator: Narrator) -> Made:
    """Do a step's work and write its tables, but not the manifest that declares the step done.

    Raises:
        EconChatRError: Whatever the stage raises.
    """
    made = step.stage.do(step.target, narrator)
    if isinstance(step.target, Rung):
        free_memory()  # of the models that were open, before the next step opens its own
    for name, kind in step.stage.writes.items():
        rows = made.tables[name]
        path = step.folder / f"{name}.parquet"
        write_table(path, rows, kind) if isinstance(rows, Sequence) else write_frame(path, rows, kind)
    return made


def _keep_training(step: Step, why: str) -> None:
    """Refuse to do a finished training again only because its files were damaged.

    Training takes hours or money. A change of settings or of the selection asks for a new one; damage does not.

    Raises:
        ShowFolderError: It would be.
    """
    if step.stage.name == "train" and why in (find_damage(step.folder), _find_table_faults(step)):
        raise ShowFolderError(
            f"{step.folder}: {why}; a finished training is not done again for that.",
            hint=f"Put the file back as it was; or move {step.folder} away and run again to train anew.",
        )


def _find_table_faults(step: Step) -> str:
    """Why a table of a step that is done cannot be read by this version; empty when all can."""
    paths = ((step.folder / f"{name}.parquet", kind) for name, kind in step.stage.writes.items())
    return next(filter(None, (find_table_fault(path, kind) for path, kind in paths if path.is_file())), "")


def _staleness(step: Step, inputs: dict[str, str] | None = None) -> str:
    stale = find_staleness(
        step.folder,
        version=step.stage.version,
        settings_sha256=hash_settings(step.settings),
        inputs=step.stage.inputs(step.target) if inputs is None else inputs,
    )
    return stale or _find_table_faults(step)
