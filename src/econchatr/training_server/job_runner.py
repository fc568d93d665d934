"""The queue: what looks at the files of new jobs, and what trains one job after the other, each in its own process.

It takes turns by caller: of the callers with a job in the queue it is the turn of the one whose last turn is longest
ago. So nobody's many jobs keep another's one job waiting for more than one training.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from econchatr.errors import EconChatRError
from econchatr.tables import write_bytes
from econchatr.training_server.answer_store import AnswerStore
from econchatr.training_server.job_ends import end_well, sweep_expired
from econchatr.training_server.job_schema import JobFault, JobState
from econchatr.training_server.job_store import JobStore, StoredJob
from econchatr.training_server.job_worker import (
    NEWS,
    ORDER_NAME,
    TRAIN_NAME,
    VALIDATION_NAME,
    WorkDone,
    WorkFailed,
    WorkNews,
    WorkOrder,
    WorkProgress,
)
from econchatr.training_server.server_settings import TrainingServerSettings
from econchatr.training_server.training_rows import DPO, SUPERVISED, RowEncoder, judge_file

_log = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.5
_MAX_FAILURES: Final = 3
_END_SECONDS: Final = 30.0
_N_METRIC_EVENTS: Final = 200
"""Of one job, at most about so many."""


class JobRunner:
    """Works off a store's jobs in two threads."""

    def __init__(self, store: JobStore, settings: TrainingServerSettings, *, cache: Path, terms: Path | None) -> None:
        self._store, self._settings, self._cache, self._terms = store, settings, cache, terms
        self._answers = AnswerStore(store, settings.quotas)
        self._is_stopping, self._nudged = threading.Event(), threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._running = ""
        self._last_turns: dict[str, int] = {}
        self._n_turns = 0

    @contextmanager
    def run(self) -> Iterator[None]:
        """Work until the block ends; a running training stops then and goes on at the next start."""
        self._take_up()
        threads = [threading.Thread(target=one, name=one.__name__) for one in (self._judge_all, self._train_all)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_stopping.set()
            self.stop(self._running)
            self.nudge()
            for thread in threads:
                thread.join()

    def nudge(self) -> None:
        """Look again at once: there is something new to do."""
        with self._nudged:
            self._nudged.notify_all()

    def stop(self, job_id: str) -> None:
        """End the process of a job that was paused or cancelled, if it has one."""
        if job_id == self._running:
            _close(self._process)

    def _take_up(self) -> None:
        """Put jobs that ran when the server ended back into the queue."""
        for job in self._store.list_states(StoredJob, ["running"]):
            self._move(job.id, "running", "queued")
            self._store.tell(job.id, "The server was started again; the job goes on from its last state.")

    def _wait(self) -> None:
        with self._nudged:
            if not self._is_stopping.is_set():
                self._nudged.wait(_PAUSE_SECONDS)

    def _move(self, job_id: str, old: JobState, new: JobState) -> StoredJob | None:
        """Bring a job from one state into another; `None`: it was in a third."""
        return self._store.change(
            StoredJob, job_id, lambda job: job.model_copy(update={"state": new}) if job.state == old else None
        )

    def _fail(self, job_id: str, code: str, message: str, param: str | None = None) -> None:
        fault, now = JobFault(code=code, message=message, param=param), self._store.now()
        changed = self._store.change(
            StoredJob, job_id,
            lambda job: job.model_copy(update={"state": "failed", "fault": fault, "finished_at": now})
            if job.state in ("validating_files", "running") else None,
        )  # fmt: skip
        if changed:
            self._store.tell(job_id, f"The job failed: {message}", level="error")

    # --- files

    def _judge_all(self) -> None:
        while not self._is_stopping.is_set():
            sweep_expired(self._store)
            self._answers.sweep()
            for job in self._store.list_states(StoredJob, ["validating_files"]):
                if not self._is_stopping.is_set():
                    self._judge(job)
            self._wait()

    def _judge(self, job: StoredJob) -> None:
        """Look at every line of a job's files, and put the job into the queue or end it."""
        folder, param, quotas = self._store.job_folder(job.id), "training_file", self._settings.quotas
        try:
            base = self._order(job).open_base()
            encoder = RowEncoder(base.template, base.tokenizer().encode)
            for param, name in (("training_file", TRAIN_NAME), ("validation_file", VALIDATION_NAME)):
                if (folder / name).is_file():
                    facts = judge_file(
                        folder / name, encoder, max_examples=quotas.max_examples,
                        max_example_tokens=quotas.max_example_tokens, wanted=SUPERVISED if job.beta is None else DPO,
                    )  # fmt: skip
                    told = f"{facts.n_examples:,} examples with {facts.n_tokens:,} tokens"
                    self._store.tell(job.id, f"The {param.replace('_', ' ')} holds {told}.", mark=param)
        except EconChatRError as exc:
            self._fail(job.id, "invalid_" + param, f"{exc.message} {exc.hint}".strip(), param)
            return
        except Exception:  # noqa: BLE001 - one job's fault must not end the thread of all
            _log.exception("job %s", job.id)
            self._fail(job.id, "server_error", "The server made a mistake; its console says which.")
            return
        if self._move(job.id, "validating_files", "queued"):
            self._store.tell(job.id, "Files validated, moving job to queued state", mark="validated")
            self.nudge()

    # --- training

    def _train_all(self) -> None:
        while not self._is_stopping.is_set():
            job = self._choose()
            if job is None:
                self._wait()
                continue
            try:
                self._train(job)
            except Exception:  # noqa: BLE001 - one job's fault must not end the thread of all
                _log.exception("job %s", job.id)
                self._fail(job.id, "server_error", "The server made a mistake; its console says which.")

    def _choose(self) -> StoredJob | None:
        """The next job: one that had begun, else the oldest of the caller whose last turn is longest ago."""
        queued = self._store.list_states(StoredJob, ["queued"])
        return min(queued, key=lambda job: (job.started_at is None, self._last_turns.get(job.owner, 0)), default=None)

    def _train(self, job: StoredJob) -> None:
        now = self._store.now()
        begun = self._store.change(
            StoredJob, job.id,
            lambda one: one.model_copy(update={"state": "running", "started_at": one.started_at or now})
            if one.state == "queued" else None,
        )  # fmt: skip
        if begun is None:
            return
        self._n_turns += 1
        self._last_turns[job.owner] = self._n_turns
        self._store.tell(job.id, "Fine-tuning job started", mark="started")
        folder = self._store.job_folder(job.id)
        write_bytes(folder / ORDER_NAME, self._order(job).model_dump_json().encode())
        end = self._follow(job, folder, now)
        if isinstance(end, WorkDone):
            end_well(self._store, job.id, end)
        elif isinstance(end, WorkFailed):
            self._fail(job.id, "training_failed", end.message)
        elif not self._is_stopping.is_set():
            self._try_again(job.id)

    def _order(self, job: StoredJob) -> WorkOrder:
        chosen, train = job.hyperparameters, self._settings.train
        return WorkOrder(
            base=job.base, cache=self._cache, settings=self._terms, asks_hub=self._settings.asks_hub,
            recipe=train.recipe(chosen, seed=job.seed), max_dev_tokens=train.max_dev_tokens,
            preferences=None if job.beta is None else self._settings.dpo.recipe(chosen, beta=job.beta, seed=job.seed),
            start_base_sha256=job.start_base_sha256,
        )  # fmt: skip

    def _follow(self, job: StoredJob, folder: Path, now: int) -> WorkDone | WorkFailed | None:
        """Let a process train the job; `None`: it ended without a word."""
        secret = {caller.key_env for caller in self._settings.caller} | {"ECONCHATR_SERVE_KEY"}
        environment = {name: value for name, value in os.environ.items() if name not in secret}
        command = [sys.executable, "-m", "econchatr.training_server.job_worker", str(folder)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment,
        )  # fmt: skip
        self._process, self._running = process, job.id
        try:
            if self._is_stopping.is_set() or not self._is_running(job.id):
                _close(process)  # stopped in the moment before there was a process to stop
            for news in _read_news(process):
                if not isinstance(news, WorkProgress):
                    return news
                self._tell_progress(job.id, news, now)
            return None
        finally:
            self._process, self._running = None, ""
            _end(process)

    def _is_running(self, job_id: str) -> bool:
        job = self._store.find(StoredJob, job_id)
        return job is not None and job.state == "running"

    def _tell_progress(self, job_id: str, news: WorkProgress, now: int) -> None:
        every = max(1, news.n_steps // _N_METRIC_EVENTS)
        if news.step % every and news.step != news.n_steps:
            return
        data: dict[str, object] = {"step": news.step, "total_steps": news.n_steps, "train_loss": news.train_loss}
        if news.dev_loss is not None:
            data["valid_loss"] = news.dev_loss
        loss = f"{news.train_loss:.2f}" if news.train_loss is not None else "?"
        message = f"Step {news.step}/{news.n_steps}: training loss={loss}"
        self._store.tell(job_id, message, mark=f"step {news.step}", data=data)
        seconds = (self._store.now() - now) * news.n_all_tokens / max(1, news.n_seen_tokens)
        self._store.change(
            StoredJob, job_id, lambda job: job.model_copy(update={"estimated_finish": now + round(seconds)})
        )

    def _try_again(self, job_id: str) -> None:
        """Put a job whose process ended without a word back into the queue, a few times, unless it was stopped."""
        job = self._store.find(StoredJob, job_id)
        if job is None or job.state != "running":
            return
        if job.n_failures + 1 >= _MAX_FAILURES:
            told = f"Its process ended {_MAX_FAILURES} times without a word; perhaps the memory does not suffice."
            self._fail(job_id, "training_failed", told)
            return
        self._store.change(
            StoredJob, job_id, lambda one: one.model_copy(update={"state": "queued", "n_failures": one.n_failures + 1})
        )
        self._store.tell(job_id, "The training broke off; it goes on from its last state.", level="warn")


def _close(process: subprocess.Popen[str] | None) -> None:
    """Let a process end: it does when its stdin does."""
    if process is not None and process.stdin is not None:
        try:
            process.stdin.close()
        except OSError:
            process.kill()


def _end(process: subprocess.Popen[str]) -> None:
    """Wait until a process has ended."""
    _close(process)
    try:
        process.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _read_news(process: subprocess.Popen[str]) -> Iterator[WorkNews]:
    """What a process tells, until it says no more."""
    if process.stdout is None:
        return
    for line in process.stdout:
        try:
            yield NEWS.validate_json(line)
        except ValueError:
            return  # cut off by its end
