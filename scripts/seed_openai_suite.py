"""Put the ids that OpenAI's own test suite asks for into a training server's store; `run_openai_suite.py` starts this.

It reads a test's name from each line of stdin, puts every id into the state that the test needs, and writes `done`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from econchatr.talk.server.openai_schema import ChatChoice, ChatCompletion, ChatMessage, ChatReply, Usage
from econchatr.training_server.answer_store import AnswerStore
from econchatr.training_server.job_ends import drop_parts
from econchatr.training_server.job_schema import CheckpointMetrics, Hyperparameters, JobState, StoringChatRequest
from econchatr.training_server.job_store import (
    JobStore,
    KeptCheckpoint,
    StoredFile,
    StoredJob,
    StoredPart,
    StoredPermission,
    StoredUpload,
)
from econchatr.training_server.server_settings import QuotaTable

JOB, MODEL = "ft-AF1WoRqd3aJAHsqc9NY7iL8F", "ft:gpt-4o-mini:acemeco:suffix:abc123"
SHARED_MODEL = "ft:gpt-4o-mini-2024-07-18:org:weather:B7R9VjQd"
PERMISSION, ANSWER = "cp_zc4Q7MP6XxulcVzj4MZdwsAB", "completion_id"
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
    share_model(store, now)
    keep_answer(store, now)


def share_model(store: JobStore, now: int) -> None:
    """Another job with the model that the suite shares; the suite names it by its checkpoint, too."""
    store.add(make_job("succeeded", now, job_id="ftjob-shared", model=SHARED_MODEL, checkpoint=JOB))
    for permission in store.list_owned(StoredPermission, OWNER):
        store.remove(permission)
    permission = StoredPermission(
        id=PERMISSION, owner=OWNER, created_at=now, job_id="ftjob-shared", project_id="project"
    )
    store.add(permission)


def keep_answer(store: JobStore, now: int) -> None:
    """An answer that was kept. Its message is the assistant's: the suite's types know no other role there."""
    said = ChatMessage(role="assistant", content="Rust sleeps.")
    choice = ChatChoice(index=0, message=ChatReply(content="Wind wakes it."), finish_reason="stop")
    answer = ChatCompletion(
        id=ANSWER, created=now, model="tiny", system_fingerprint="", choices=[choice],
        usage=Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2),
    )  # fmt: skip
    AnswerStore(store, QuotaTable()).keep(answer, StoringChatRequest(model="tiny", messages=[said]), OWNER)


def make_job(
    state: JobState, now: int, *, job_id: str = JOB, model: str = MODEL, checkpoint: str = "ftckpt_1"
) -> StoredJob:
    """The suite's job, with a model under the name that the suite deletes."""
    return StoredJob(
        id=job_id, owner=OWNER, created_at=now, model="gpt-4o-mini", base="embedded", training_file="file-abc123",
        validation_file=None, seed=1, suffix=None, metadata=None, integrations=None, voice="Hester Pellow",
        hyperparameters=Hyperparameters(n_epochs=1, batch_size=1, learning_rate_multiplier=1), ground="made up",
        state=state, tuned_model=model,
        checkpoint=KeptCheckpoint(
            id=checkpoint, created_at=now,
            metrics=CheckpointMetrics(step=1, train_loss=1.0, valid_loss=1.0, full_valid_loss=1.0),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    with JobStore(Path(sys.argv[1])) as opened:
        for line in sys.stdin:
            put_in_place(opened, line)
            sys.stdout.write("done\n")
            sys.stdout.flush()
