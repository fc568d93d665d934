"""Put the ids that OpenAI's own test suite asks for into a training server's store; `run_openai_suite.py` starts this.

It reads a test's name from each line of stdin, puts every id into the state that the test needs, and writes `done`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from econchatr.training_server.job_ends import drop_parts
from econchatr.training_server.job_schema import CheckpointMetrics, Hyperparameters, JobState
from econchatr.training_server.job_store import (
    JobStore,
    KeptCheckpoint,
    StoredFile,
    StoredJob,
    StoredPart,
    StoredUpload,
)

JOB, MODEL = "ft-AF1WoRqd3aJAHsqc9NY7iL8F", "ft:gpt-4o-mini:acemeco:suffix:abc123"
UPLOAD, PART, BYTES = "upload_abc123", "string", b"Example data"
OWNER = "local"
UNTRAINABLE = b"No line to train on: orders of the suite end early.\n"


def put_in_place(store: JobStore, test: str) -> None:
    """Give every id the state that a test needs."""
    now = int(time.time())
    for file_id in ("file-abc123", "file_id"):
        store.place(file_id).write_bytes(UNTRAINABLE)
        n_bytes = len(UNTRAINABLE)
        store.add(
            StoredFile(id=file_id, owner=OWNER, created_at=now, n_bytes=n_bytes, filename="a", purpose="fine-tune")
        )
    drop_parts(store, UPLOAD)
    store.place(PART).write_bytes(BYTES)
    store.add(StoredPart(id=PART, owner=OWNER, created_at=now, upload_id=UPLOAD, n_bytes=len(BYTES)))
    store.add(
        StoredUpload(
            id=UPLOAD, owner=OWNER, created_at=now, n_bytes=len(BYTES), filename="a", purpose="fine-tune",
            expires_at=now + 3600,
        )
    )  # fmt: skip
    # Only what rests can be resumed and only what has not ended can be cancelled; a job that rests does both.
    store.add(make_job("paused" if "resume" in test or "cancel" in test else "succeeded", now))
    for n in range(3):
        store.tell(JOB, f"Event {n}", mark=f"event {n}")


def make_job(state: JobState, now: int) -> StoredJob:
    """The suite's job, with a model under the name that the suite deletes."""
    return StoredJob(
        id=JOB, owner=OWNER, created_at=now, model="gpt-4o-mini", base="embedded", training_file="file-abc123",
        validation_file=None, seed=1, suffix=None, metadata=None, integrations=None, voice="Hester Pellow",
        hyperparameters=Hyperparameters(n_epochs=1, batch_size=1, learning_rate_multiplier=1), ground="made up",
        state=state, tuned_model=MODEL,
        checkpoint=KeptCheckpoint(
            id="ftckpt_1", created_at=now,
            metrics=CheckpointMetrics(step=1, train_loss=1.0, valid_loss=1.0, full_valid_loss=1.0),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    with JobStore(Path(sys.argv[1])) as opened:
        for line in sys.stdin:
            put_in_place(opened, line)
            sys.stdout.write("done\n")
            sys.stdout.flush()
