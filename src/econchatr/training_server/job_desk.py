"""What may become of a job: ordered, paused, resumed, cancelled; its model deleted. It knows nothing of HTTP."""

from __future__ import annotations

import secrets
import shutil
from typing import Final

from econchatr.config import RightsTable
from econchatr.training_server.file_routes import find_owned
from econchatr.training_server.job_ends import clear_work, share_file
from econchatr.training_server.job_runner import JobRunner
from econchatr.training_server.job_schema import (
    ENDED,
    MAX_SEED,
    CallError,
    DpoHyperparameterOrder,
    DpoHyperparameters,
    DpoMethod,
    HyperparameterOrder,
    Hyperparameters,
    JobMethod,
    JobObject,
    JobOrder,
    JobState,
    SupervisedMethod,
)
from econchatr.training_server.job_store import JobStore, StoredFile, StoredJob, StoredPermission
from econchatr.training_server.job_worker import ADAPTER_FILES, ADAPTER_NAME, START_NAME, TRAIN_NAME, VALIDATION_NAME
from econchatr.training_server.model_shelf import NamedModel
from econchatr.training_server.server_settings import TrainingServerSettings

GROUND_KEY: Final = "rights"
"""Key of a job's metadata that names the ground on which the voice may be trained."""
VOICE_KEY: Final = "voice"
"""Key of a job's metadata that names whose voice it is."""
_OPEN: Final[tuple[JobState, ...]] = ("validating_files", "queued", "running", "paused")


class JobDesk:
    """Takes orders for one store's jobs."""

    def __init__(self, store: JobStore, settings: TrainingServerSettings, runner: JobRunner) -> None:
        self._store, self._settings, self._runner = store, settings, runner

    def order(self, body: JobOrder, owner: str, *, repeat_key: str = "") -> StoredJob:
        """Make a job, or give the one that the same order made before.

        Args:
            repeat_key: The caller's mark of the order; empty: an order sent twice is two jobs.

        Raises:
            CallError: The order cannot be taken.
        """
        with self._store.hold():
            if repeat_key:
                for known in self._store.list_owned(StoredJob, owner):
                    if known.repeat_key == repeat_key:
                        return known
            return self._make(body, owner, repeat_key)

    def _make(self, body: JobOrder, owner: str, repeat_key: str) -> StoredJob:
        is_dpo = _is_dpo(body)
        start = self._find_start(body.model, owner) if is_dpo else None
        base = start.base if start else self._settings.bases.get(body.model)
        if base is None:
            known = ", ".join(self._settings.bases)
            raise CallError(f"This model cannot be trained here. There are: {known}.", param="model",
                            code="model_not_available")  # fmt: skip
        voice, ground = find_rights(body.metadata, self._settings.rights)
        if start and start.voice != voice:
            raise CallError(f"{body.model} imitates {start.voice}, and the job's voice is {voice}.", param="metadata",
                            code="other_voice")  # fmt: skip
        train = self._find_file(body.training_file, owner, "training_file")
        validation = self._find_file(body.validation_file, owner, "validation_file") if body.validation_file else None
        if is_dpo and validation:
            raise CallError("The method 'dpo' takes no validation file here. Leave it out.", param="validation_file",
                            code="unsupported_validation_file")  # fmt: skip
        hyperparameters, beta = self._resolve(body)
        self._check_room(owner)
        job = StoredJob(
            id=self._store.draw_id(StoredJob), owner=owner, created_at=self._store.now(), model=body.model, base=base,
            training_file=train.id, validation_file=validation.id if validation else None,
            hyperparameters=hyperparameters, beta=beta, start_base_sha256=start.base_sha256 if start else "",
            seed=secrets.randbelow(MAX_SEED) if body.seed is None else body.seed, suffix=body.suffix,
            metadata=body.metadata, integrations=body.integrations, voice=voice, ground=ground, repeat_key=repeat_key,
        )  # fmt: skip
        folder = self._store.job_folder(job.id)
        share_file(self._store.place(train.id), folder / TRAIN_NAME)
        if validation:
            share_file(self._store.place(validation.id), folder / VALIDATION_NAME)
        if start:
            for name in ADAPTER_FILES:
                share_file(self._store.job_folder(start.id) / ADAPTER_NAME / name, folder / START_NAME / name)
        self._store.add(job)
        self._store.tell(job.id, f"Created fine-tuning job: {job.id}", mark="created")
        self._store.tell(job.id, f"Validating training file: {train.id}", mark="validating")
        if body.integrations:
            self._store.tell(job.id, "This server sends nothing to integrations.", mark="integrations", level="warn")
        self._runner.nudge()
        return job

    def _find_file(self, file_id: str, owner: str, param: str) -> StoredFile:
        file = self._store.find(StoredFile, file_id)
        if file is None or file.owner != owner:
            raise CallError("There is no such file.", param=param, code="file_not_found")
        if file.purpose != "fine-tune":
            raise CallError(f"The file was uploaded for {file.purpose!r}, not for 'fine-tune'.", param=param,
                            code="invalid_file_purpose")  # fmt: skip
        return file

    def _find_start(self, model: str, owner: str) -> StoredJob | None:
        """The caller's job that tuned a model which a training on preferences begins with; `None`: no such model."""
        jobs = self._store.list_owned(StoredJob, owner) if model.startswith("ft:") else []
        return next((job for job in jobs if job.tuned_model == model), None)

    def _resolve(self, body: JobOrder) -> tuple[Hyperparameters, float | None]:
        """What the job is trained with, every value written out, and the beta of `dpo`."""
        method = body.method
        own = (method.dpo if _is_dpo(body) else method.supervised) if method else None
        told = (own.hyperparameters if own else None) or body.hyperparameters or HyperparameterOrder()
        default = self._settings.dpo if _is_dpo(body) else self._settings.train
        multiplier = 1.0 if told.learning_rate_multiplier == "auto" else told.learning_rate_multiplier
        if not 0 < multiplier * default.learning_rate < 1:
            raise CallError(f"A learning rate of {default.learning_rate:g} times {multiplier:g} is none, or too high.",
                            param="learning_rate_multiplier")  # fmt: skip
        chosen = Hyperparameters(
            n_epochs=default.n_epochs if told.n_epochs == "auto" else told.n_epochs,
            batch_size=default.batch_size if told.batch_size == "auto" else told.batch_size,
            learning_rate_multiplier=multiplier,
        )
        if not _is_dpo(body):
            return chosen, None
        beta = told.beta if isinstance(told, DpoHyperparameterOrder) else "auto"
        return chosen, self._settings.dpo.beta if beta == "auto" else beta

    def _check_room(self, owner: str) -> None:
        n_open = sum(job.owner == owner for job in self._store.list_states(StoredJob, _OPEN))
        if n_open >= self._settings.quotas.max_waiting_jobs:
            raise CallError(
                f"{n_open} of your jobs have not ended; {self._settings.quotas.max_waiting_jobs} are the most.",
                hint="Wait for one, or cancel one.", status=429, code="rate_limit_exceeded",
            )  # fmt: skip

    # --- afterwards

    def pause(self, job_id: str, owner: str) -> StoredJob:
        """Let a job rest until it is resumed; what it has learned is kept.

        Raises:
            CallError: It has ended, or there is none.
        """
        return self._stop(job_id, owner, "paused", "The job was paused")

    def cancel(self, job_id: str, owner: str) -> StoredJob:
        """End a job.

        Raises:
            CallError: It has ended already, or there is none.
        """
        return self._stop(job_id, owner, "cancelled", "The job was cancelled")

    def _stop(self, job_id: str, owner: str, state: JobState, message: str) -> StoredJob:
        has_ended = state in ENDED
        end = {"finished_at": self._store.now()} if has_ended else {}
        changed = self._move(job_id, owner, _OPEN, {"state": state, "estimated_finish": None, **end})
        self._store.tell(job_id, message)
        self._runner.stop(job_id)
        if has_ended:
            clear_work(self._store, job_id)
        return changed

    def resume(self, job_id: str, owner: str) -> StoredJob:
        """Put a paused job back into the queue.

        Raises:
            CallError: It is not paused, or there is none.
        """
        changed = self._move(job_id, owner, ("paused",), {"state": "validating_files"})
        self._store.tell(job_id, "The job was resumed")
        self._runner.nudge()
        return changed

    def _move(self, job_id: str, owner: str, states: tuple[JobState, ...], update: dict[str, object]) -> StoredJob:
        def change(job: StoredJob) -> StoredJob:
            if job.state not in states:
                raise CallError(f"The job is {job.state}.", code="invalid_job_state")
            return job.model_copy(update=update)

        job = find_owned(self._store, StoredJob, job_id, owner)
        return self._store.change(StoredJob, job.id, change) or job

    def delete_model(self, model: NamedModel, owner: str) -> None:
        """Take a tuned model away, with its adapter and what permits others to ask it.

        Raises:
            CallError: It is a base, which is everybody's, or another caller's.
        """
        if model.job is None or model.job.owner != owner:
            told = "A base is not deleted." if model.job is None else "Only its owner deletes a model."
            raise CallError(told, status=403, code="not_allowed", param="model")
        for permission in self._store.list_owned(StoredPermission, owner):
            if permission.job_id == model.job.id:
                self._store.remove(permission)
        self._store.change(StoredJob, model.job.id, lambda job: job.model_copy(update={"tuned_model": None}))
        shutil.rmtree(self._store.job_folder(model.job.id) / ADAPTER_NAME, ignore_errors=True)


def find_rights(metadata: dict[str, str] | None, rights: RightsTable | None) -> tuple[str, str]:
    """Whose voice a job trains, and on what ground: as its metadata says, else as the server's settings do.

    Raises:
        CallError: Neither says so.
    """
    told = metadata or {}
    voice = told.get(VOICE_KEY, "").strip() or (rights.voice if rights else "")
    ground = told.get(GROUND_KEY, "").strip() or (rights.ground if rights else "")
    if not voice or not ground:
        lacking = [key for key, value in ((VOICE_KEY, voice), (GROUND_KEY, ground)) if not value]
        raise CallError(
            "The job does not say whose voice it trains and on what ground (consent, licence, own voice). "
            f"Add to its metadata: {' and '.join(lacking)}.",
            param="metadata", code="rights_missing",
        )  # fmt: skip
    return voice, ground


def _is_dpo(body: JobOrder) -> bool:
    """Whether a job learns from preferences.

    Raises:
        CallError: It is trained in neither way that there is.
    """
    kind = body.method.type if body.method else "supervised"
    if kind not in ("supervised", "dpo"):
        raise CallError(f"The method {kind!r} is not trained here; 'supervised' and 'dpo' are.", param="method",
                        code="unsupported_method")  # fmt: skip
    return kind == "dpo"


def _tell_method(job: StoredJob) -> JobMethod:
    if job.beta is None:
        return JobMethod(supervised=SupervisedMethod(hyperparameters=job.hyperparameters))
    chosen = DpoHyperparameters(**job.hyperparameters.model_dump(), beta=job.beta)
    return JobMethod(type="dpo", dpo=DpoMethod(hyperparameters=chosen))


def tell_job(job: StoredJob) -> JobObject:
    """A job as it is answered."""
    return JobObject(
        id=job.id, created_at=job.created_at, error=job.fault, fine_tuned_model=job.tuned_model,
        finished_at=job.finished_at, hyperparameters=job.hyperparameters,
        method=_tell_method(job), model=job.model,
        organization_id=job.owner, result_files=list(job.result_files), seed=job.seed, status=job.state,
        trained_tokens=job.trained_tokens, training_file=job.training_file, validation_file=job.validation_file,
        estimated_finish=job.estimated_finish, integrations=job.integrations, metadata=job.metadata,
        user_provided_suffix=job.suffix,
    )  # fmt: skip
