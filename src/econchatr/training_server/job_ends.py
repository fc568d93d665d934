"""What becomes of a job at its end: its model's name, its checkpoint, its files; and what time takes away."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Final

from econchatr.tables import disk_errors, hash_bytes, write_bytes
from econchatr.training_server.job_schema import CheckpointMetrics
from econchatr.training_server.job_store import (
    JobStore,
    KeptCheckpoint,
    StoredFile,
    StoredJob,
    StoredPart,
    StoredUpload,
)
from econchatr.training_server.job_worker import ADAPTER_NAME, START_NAME, TRAIN_NAME, VALIDATION_NAME, WorkDone

RESULTS_PURPOSE: Final = "fine-tune-results"


def name_model(job: StoredJob) -> str:
    """The name under which a job's model is asked: `ft:BASE:CALLER:SUFFIX:ID`."""
    suffix = re.sub(r"[^A-Za-z0-9._-]", "-", job.suffix or "")
    base = job.model.removeprefix("ft:").partition(":")[0]
    return f"ft:{base}:{job.owner}:{suffix}:{job.id.removeprefix(job.prefix)[:8]}"


def end_well(store: JobStore, job_id: str, done: WorkDone) -> None:
    """Give a trained job its model, its checkpoint and its result files; one stopped meanwhile stays as it is."""
    with store.hold():
        job = store.find(StoredJob, job_id)
        if job is not None and job.state == "running":
            _end_well(store, job, done)


def _end_well(store: JobStore, job: StoredJob, done: WorkDone) -> None:
    name, now, job_id = name_model(job), store.now(), job.id
    best = next(point for point in done.curve if point.step == done.best_step)
    metrics = CheckpointMetrics(
        step=best.step, train_loss=best.train_loss, valid_loss=best.dev_loss, full_valid_loss=best.dev_loss
    )
    result = {
        "state": "succeeded",
        "finished_at": now,
        "estimated_finish": None,
        "trained_tokens": done.n_trained_tokens,
        "tuned_model": name,
        "checkpoint": KeptCheckpoint(id=f"ftckpt_{secrets.token_hex(12)}", created_at=now, metrics=metrics),
        "adapter_sha256": done.adapter_sha256,
        "base_sha256": done.base_sha256,
        "weights": done.weights,
        "result_files": tuple(_keep_results(store, job, done)),
    }
    store.change(StoredJob, job_id, lambda one: one.model_copy(update=result))
    store.tell(job_id, f"Checkpoint of step {best.step} kept: {name}", mark="checkpoint")
    store.tell(job_id, f"New fine-tuned model created: {name}", mark="model")
    store.tell(job_id, "The job has successfully completed", mark="done")
    clear_work(store, job_id)


def clear_work(store: JobStore, job_id: str) -> None:
    """Take away what only a training that goes on needs."""
    folder = store.job_folder(job_id)
    for name in ("work", START_NAME):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (TRAIN_NAME, VALIDATION_NAME):
        (folder / name).unlink(missing_ok=True)


def _keep_results(store: JobStore, job: StoredJob, done: WorkDone) -> list[str]:
    """The learning curve as CSV, and the adapter in peft's and in llama.cpp's form, as files of the caller's."""
    lines = ["step,train_loss,valid_loss"]
    lines += [f"{one.step},{_tell(one.train_loss)},{_tell(one.dev_loss)}" for one in done.curve]
    folder = store.job_folder(job.id)
    write_bytes(folder / "step_metrics.csv", "\n".join([*lines, ""]).encode())
    adapter = folder / ADAPTER_NAME
    return [_keep(store, job, path) for path in (folder / "step_metrics.csv", *sorted(adapter.iterdir()))]


def _tell(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.5f}"


def _keep(store: JobStore, job: StoredJob, path: Path) -> str:
    # An id that follows from the job: an end that was cut off by a kill leaves no second copy.
    file_id = StoredFile.prefix + hash_bytes(f"{job.id}/{path.name}".encode())[:24]
    file = StoredFile(
        id=file_id, owner=job.owner, created_at=store.now(), n_bytes=path.stat().st_size,
        filename=path.name, purpose=RESULTS_PURPOSE,
    )  # fmt: skip
    share_file(path, store.place(file.id))
    return store.add(file).id


def share_file(path: Path, other: Path) -> None:
    """Give a file a second name, which stays when the first goes; a copy where the disk has no such names.

    Raises:
        ShowFolderError: The disk is full.
    """
    with disk_errors(other):
        other.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, other)
        except FileExistsError:
            return
        except OSError:
            shutil.copyfile(path, other)


def sweep_expired(store: JobStore) -> None:
    """Take away files whose time is over, and uploads that nobody completed in time, with their parts."""
    for file in store.list_states(StoredFile, ["expiring"]):
        if file.expires_at is not None and file.expires_at <= store.now():
            store.remove(file)
    for upload in store.list_states(StoredUpload, ["pending"]):
        if upload.expires_at <= store.now():
            store.change(StoredUpload, upload.id, lambda one: one.model_copy(update={"state": "expired"}))
            drop_parts(store, upload.id)


def drop_parts(store: JobStore, upload_id: str) -> None:
    """Forget the parts of an upload."""
    for part in store.list_states(StoredPart, [upload_id]):
        store.remove(part)
