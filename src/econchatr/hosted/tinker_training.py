"""The back end for Tinker, and for any server of the same protocol: our own loop, as a job that can be asked after.

The service knows sessions and saved states, and no jobs. A job's id is our mark. What it did is in a journal in the
show's folder, and its newest weights are at the service, under names that hold the mark.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2

from econchatr.errors import InputError, ModelError, RefusedError
from econchatr.hosted.loop_journal import JournalFile, LoopJournal
from econchatr.hosted.loop_plan import LoopStep, complete_hyperparameters, plan_steps
from econchatr.hosted.own_loop import LoopWork
from econchatr.hosted.protocol import HostedJob, JobEvent, TrainingRequest
from econchatr.hosted.service_calls import ServiceCalls
from econchatr.hosted.tinker_line import TinkerLine, open_tinker
from econchatr.hosted.tinker_loop import LoopPlan, TinkerLoop
from econchatr.models.engines.openai_client import ServedAddress
from econchatr.tables import replace_file

_MAX_BARREN: Final = 3
"""Starts in a row that save nothing new before the loop is left to the next run."""
_LEAVE_SECONDS: Final = 90.0
_FETCH_SECONDS: Final = 600.0
_TENTHS: Final = 10


class TinkerTraining:
    """Tinker, by its profile."""

    def __init__(self, calls: ServiceCalls, key: str, work: LoopWork, line: TinkerLine | None = None) -> None:
        self._calls, self._key, self._work = calls, key, work
        self._line = line or TinkerLine(calls, key)
        self._request: TrainingRequest | None = None
        self._steps: list[LoopStep] = []
        self._loop: TinkerLoop | None = None
        self._began, self._is_elsewhere = 0.0, False
        self._n_barren, self._n_told = 0, -1

    # --- before a cent

    def probe(self, model: str) -> Sequence[str]:
        """Ask for key and model, and hold the longest example against what the model reads; see `TrainingService`."""
        self._calls.check_open()
        complete_hyperparameters(self._calls.profile.hyperparameters)
        open_tinker()
        try:
            offered = self._line.find_model(model)
        except RefusedError as exc:
            raise InputError(f"{exc.message} Nothing was sent.", hint=exc.hint) from exc
        longest = max((len(one.ids) for one in self._work.encode()), default=0)
        if offered.max_tokens is not None and longest > offered.max_tokens:
            raise InputError(
                f"{offered.name} reads {offered.max_tokens:,} tokens, and the longest example has {longest:,}. "
                "Nothing was sent.",
                hint="Lower max_example_tokens under [train] in show.toml.",
            )
        return []

    def estimate(self, request: TrainingRequest) -> Decimal | None:
        """What the training costs by the tokens that will be sent, counted by the base's own tokenizer."""
        self.know(request)
        price = self._work.usd_per_token
        plan = self._plan(request)
        return None if price is None else price * plan.count_tokens(0, len(plan.steps))

    def upload(self, path: Path) -> str:
        """Send nothing: the examples go with the steps."""
        return path.name

    # --- the job

    def know(self, request: TrainingRequest) -> None:
        """Take the request of the job that is to be trained; without it a job is only asked after; see `OwnLoop`."""
        if self._request != request:
            self._request, self._steps = request, []

    def create(self, request: TrainingRequest, train_id: str, validation_id: str | None) -> str:
        """Write the job down; the loop begins when it is first asked after. Gives our mark."""
        self.know(request)
        self._file(request.mark).write(self._draft(request))
        return request.mark

    def find(self, mark: str) -> str | None:
        """Our mark, where a journal has it, or the service has a state of it though the journal is lost."""
        if self._file(mark).read() is not None:
            return mark
        return mark if self._line.list_states(mark) else None

    def poll(self, outside_id: str) -> HostedJob:
        """The job as it stands; begins the loop, or goes on with it, where none runs.

        Raises:
            RefusedError: It has to be mended first; what is trained is kept.
        """
        journal = self._read(outside_id)
        self._tell_events(journal)
        self._look_at_loop(journal)
        if not journal.is_ended and self._loop is None and self._request is not None:
            self._loop = TinkerLoop(self._line, self._file(outside_id), self._plan(self._request))
            self._began = time.time()
            self._loop.start()
        return self._describe(journal)

    def _look_at_loop(self, journal: LoopJournal) -> None:
        """Tell once why the last start of the loop ended early; the next poll then starts it again.

        Raises:
            ModelError: Its fault.
            RefusedError: Nor would it help to start again.
        """
        loop = self._loop
        if loop is None or loop.is_alive:
            return
        self._loop, self._is_elsewhere = None, loop.is_elsewhere
        if journal.is_ended or loop.is_elsewhere or (self._read(journal.mark).is_ended and not loop.fault):
            return
        fault = loop.fault or ModelError("the training loop ended without a word.", hint="Run with --debug.")
        self._n_barren = 0 if loop.has_saved else self._n_barren + 1
        if not isinstance(fault, RefusedError) and self._n_barren < _MAX_BARREN:
            raise fault
        times = "" if isinstance(fault, RefusedError) else f" {self._n_barren} starts in a row got no further."
        raise RefusedError(
            f"{fault.message}{times} The training stands still; what was saved is kept.",
            hint=f"{fault.hint} Run again to go on from the last save.",
        )

    def _tell_events(self, journal: LoopJournal) -> None:
        first = len(journal.events) if self._n_told < 0 else self._n_told
        for _, message in journal.events[first:]:
            self._work.tell(f"job {journal.mark}: {message}")
        self._n_told = len(journal.events)

    def count_to_pay(self, outside_id: str) -> int:
        """Tokens that the job will have sent when it is done; see `OwnLoop`."""
        journal = self._read(outside_id)
        if journal.is_ended or self._request is None:
            return journal.n_sent_tokens
        if self._loop is not None and self._loop.is_alive:
            return journal.n_planned_tokens + journal.n_repeated_tokens
        steps = self._plan(self._request).steps[journal.saved_step :]
        return journal.n_sent_tokens + sum(step.n_tokens for step in steps)

    def leave(self, outside_id: str) -> str:
        """Stop the loop after its step, with its state saved; see `OwnLoop`."""
        loop, journal = self._loop, self._read(outside_id)
        if loop is None or loop.is_elsewhere:
            return f"job {outside_id} is kept as it is; step {journal.saved_step} of {journal.n_steps} is saved"
        has_ended = loop.stop(_LEAVE_SECONDS)
        journal = self._read(outside_id)
        told = f"job {outside_id} is stopped; step {journal.saved_step} of {journal.n_steps} is saved"
        if not has_ended or journal.step > journal.saved_step:
            told += "; what was trained after it will be trained and paid again"
        return told

    def events(self, outside_id: str) -> Sequence[JobEvent]:
        """What happened, oldest first."""
        return self._read(outside_id).told()

    def cancel(self, outside_id: str) -> HostedJob:
        """Give a job up; what was sent so far is charged.

        Raises:
            ModelError: Another run of this program trains it.
        """
        file = self._file(outside_id)
        with file.claim() as is_mine:
            if not is_mine:
                raise ModelError(
                    f"job {outside_id} is trained by another run of this program.",
                    hint="Stop that one with Ctrl-C first.",
                )
            journal = self._read(outside_id)
            if not journal.is_ended:
                journal = journal.model_copy(update={"state": "cancelled"})
                file.write(journal)
        self._wipe(journal)
        return self._describe(journal)

    # --- afterwards

    def address(self, model: str) -> ServedAddress:
        """Where a base or tuned model is asked; by Tinker's own calls, not by OpenAI's."""
        return ServedAddress(self._calls.profile.base_url, model, self._key)

    def download(self, job: HostedJob, folder: Path) -> Sequence[Path]:
        """Fetch the adapter of a finished job, each file whole or not at all."""
        paths = []
        for weights in job.result_files:
            for name, url in self._line.list_weights(weights).items():
                paths.append(folder / _flatten(name))
                if not paths[-1].is_file():
                    self._fetch(url, paths[-1])
        return paths

    def _fetch(self, url: str, target: Path) -> None:
        """Write what stands at a signed address into a file; it gets no key."""
        schemes = {"https", urlsplit(self._calls.profile.base_url).scheme}
        if urlsplit(url).scheme not in schemes or not urlsplit(url).hostname:
            raise ModelError(f"the service names no address to fetch {target.name} from.", hint="Run again later.")
        try:
            with (
                httpx2.Client(timeout=_FETCH_SECONDS, trust_env=False, follow_redirects=False) as client,
                client.stream("GET", url) as answer,
                replace_file(target) as file,
            ):
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    file.write(chunk)
        except httpx2.HTTPError as exc:
            raise ModelError(
                f"{target.name} cannot be downloaded: {type(exc).__name__}.",
                hint="Run again: what is paid is not paid twice.",
            ) from exc

    def tear_down(self, job: HostedJob) -> None:
        """Take saved states, and what was downloaded, away; the tuned model stays, to be asked."""
        journal = self._file(job.outside_id).read()
        if journal is not None:
            self._wipe(journal)
        for weights in job.result_files:
            self._line.delete(weights)

    def _wipe(self, journal: LoopJournal) -> None:
        try:
            states = self._line.list_states(journal.mark)
        except ModelError:
            return  # they expire by themselves
        for state in states:
            self._line.delete(state.path)

    # --- what it is made of

    def _file(self, mark: str) -> JournalFile:
        return JournalFile(self._work.folder, mark)

    def _read(self, mark: str) -> LoopJournal:
        journal = self._file(mark).read()
        if journal is None and self._request is not None and self._request.mark == mark:
            journal = self._rebuild(self._request)
        if journal is None:
            raise ModelError(f"nothing is written down of job {mark}.", hint="`econchatr run` asks the service for it.")
        return journal

    def _rebuild(self, request: TrainingRequest) -> LoopJournal:
        """The journal of a job whose file is lost, by what the service has saved of it."""
        states, draft = self._line.list_states(request.mark), self._draft(request)
        reached = states[0].step if states else 0
        sent = sum(step.n_tokens for step in self._plan(request).steps[:reached])
        journal = draft.model_copy(update={"step": reached, "saved_step": reached, "n_sent_tokens": sent})
        self._file(request.mark).write(journal)
        return journal

    def _draft(self, request: TrainingRequest) -> LoopJournal:
        """A journal of which nothing is done, with everything written out that decides the result."""
        plan = self._plan(request)
        recorded = {
            **plan.hyperparameters,
            "loss": "cross_entropy, the mean over the reply tokens of a batch",
            "n_steps": len(plan.steps),
            "optimizer": "adamw",
            "package": f"tinker {open_tinker().__version__}",
            "save_every": plan.save_every,
            "seed": request.seed,
        }
        return LoopJournal(
            mark=request.mark,
            model=request.model,
            n_steps=len(plan.steps),
            n_planned_tokens=plan.count_tokens(0, len(plan.steps)),
            hyperparameters=json.dumps(recorded, sort_keys=True),
        )

    def _plan(self, request: TrainingRequest) -> LoopPlan:
        whole, profile = complete_hyperparameters(request.hyperparameters), self._calls.profile
        if not self._steps:
            self._steps = plan_steps(self._work.encode(), whole, request.seed)
        return LoopPlan(request.model, self._steps, whole, request.seed, profile.save_every, profile.downloads)

    def _describe(self, journal: LoopJournal) -> HostedJob:
        tenth = journal.step * _TENTHS // max(1, journal.n_steps) * (100 // _TENTHS)
        word = {"waiting": "starting", "running": f"trained from here, {tenth}%"}.get(journal.state, journal.state)
        if self._is_elsewhere:
            word = "trained by another run of this program"
        resolved = json.loads(journal.hyperparameters or "{}")
        resolved |= {"runs": journal.runs, "losses": journal.losses, "n_repeated_tokens": journal.n_repeated_tokens}
        return HostedJob(
            outside_id=journal.mark,
            state=journal.state,
            word=word,
            tuned_model=journal.tuned_model or None,
            n_trained_tokens=journal.n_sent_tokens,
            hyperparameters=json.dumps(resolved, sort_keys=True),
            error=journal.error,
            result_files=(journal.weights_path,) if journal.weights_path else (),
            uploaded_files=(),
            # The deadline is for this run's wait: a job may have stood still for days before.
            created_at=int(self._began or journal.started_at) or None,
        )


def _flatten(name: str) -> str:
    """The name of a downloaded file inside one folder."""
    kept = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "__".join(kept) or "unnamed"
