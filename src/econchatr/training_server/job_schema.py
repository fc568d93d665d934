"""What is asked and answered about files and jobs: the shapes of OpenAI's API, and how a request is refused.

Source: the openai package's types, version 3.54.0; the word `paused` from OpenAI's API reference (decision 23).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from econchatr.errors import InputError
from econchatr.talk.server.openai_schema import WHOLE, ChatCompletion, ChatRequest, ModelObject, TextPart

JobState = Literal["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
ENDED: tuple[JobState, ...] = ("succeeded", "failed", "cancelled")
FilePurpose = Literal["assistants", "batch", "evals", "fine-tune", "user_data", "vision"]
"""What a caller may upload a file for; a training reads those for `fine-tune` only."""
MAX_SEED = 2**31 - 1
_MAX_INTEGRATIONS_BYTES = 10_000


class CallError(InputError):
    """A request is refused, with the status and the code of OpenAI's API."""

    def __init__(
        self, message: str, *, hint: str = "", status: int = 400, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.code, self.param = status, code, param


# --- asked ------------------------------------------------------------------------------------------------------------

_Auto = Literal["auto"]
Identifier = Annotated[str, Field(min_length=1, max_length=200)]
"""Of a file, a part or a model."""
Epochs = Annotated[int, Field(ge=1, le=50), WHOLE]
BatchSize = Annotated[int, Field(ge=1, le=256), WHOLE]
Multiplier = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Beta = Annotated[float, Field(gt=0, le=2, allow_inf_nan=False)]
_MetaKey = Annotated[str, Field(min_length=1, max_length=64)]
_MetaValue = Annotated[str, Field(max_length=512)]
Metadata = Annotated[dict[_MetaKey, _MetaValue], Field(max_length=16)]
CALLER_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"
ProjectId = Annotated[str, Field(pattern=CALLER_NAME)]
"""A project is a caller."""


class _Ordered(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class HyperparameterOrder(_Ordered):
    """How to train; what is left out or "auto" is the server's choice, and is written out in the job."""

    n_epochs: _Auto | Epochs = "auto"
    batch_size: _Auto | BatchSize = "auto"
    learning_rate_multiplier: _Auto | Multiplier = "auto"


class SupervisedOrder(_Ordered):
    """The settings of the method `supervised`."""

    hyperparameters: HyperparameterOrder | None = None


class DpoHyperparameterOrder(HyperparameterOrder):
    """How to train on preferences."""

    beta: _Auto | Beta = "auto"
    """How dear it is to move away from the model that the training begins with."""


class DpoOrder(_Ordered):
    """The settings of the method `dpo`."""

    hyperparameters: DpoHyperparameterOrder | None = None


class MethodOrder(BaseModel):
    """Which kind of training; the settings of the other kinds are passed over, as they take no part."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: SupervisedOrder | None = None
    dpo: DpoOrder | None = None


class JobOrder(_Ordered):
    """POST /v1/fine_tuning/jobs."""

    model: Identifier
    training_file: Identifier
    validation_file: Identifier | None = None
    method: MethodOrder | None = None
    hyperparameters: HyperparameterOrder | None = None
    """The old place of the method's own."""
    suffix: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), WHOLE] | None = None
    metadata: Metadata | None = None
    integrations: Annotated[list[dict[str, Any]], Field(max_length=5)] | None = None
    """Kept and told, and nothing is sent anywhere."""

    @field_validator("integrations")
    @classmethod
    def _check_text(cls, integrations: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        # JSON can hold half a character, and no file can.
        try:
            n_bytes = len(json.dumps(integrations, ensure_ascii=False).encode())
        except UnicodeEncodeError as exc:
            raise ValueError("half a character") from exc
        if n_bytes > _MAX_INTEGRATIONS_BYTES:
            raise ValueError(f"{_MAX_INTEGRATIONS_BYTES:,} bytes are the most")
        return integrations


class FileExpiry(_Ordered):
    """When a file goes away by itself."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000), WHOLE]


class UploadOrder(_Ordered):
    """POST /v1/uploads."""

    bytes: Annotated[int, Field(ge=0), WHOLE]
    filename: Annotated[str, Field(min_length=1, max_length=255)]
    mime_type: Annotated[str, Field(max_length=200)]
    purpose: FilePurpose
    expires_after: FileExpiry | None = None


class UploadEnd(_Ordered):
    """POST /v1/uploads/ID/complete."""

    part_ids: Annotated[list[Identifier], Field(max_length=10_000)]
    md5: Annotated[str, Field(max_length=32)] | None = None


class StoringChatRequest(ChatRequest):
    """POST /v1/chat/completions, of a server that can keep its answers."""

    store: bool | None = None
    """Whether the answer is kept to be read again."""
    metadata: Metadata | None = None
    """Of an answer that is kept."""


class MetadataOrder(_Ordered):
    """POST /v1/chat/completions/ID: null takes the metadata away."""

    metadata: Metadata | None


class PermissionOrder(_Ordered):
    """POST /v1/fine_tuning/checkpoints/ID/permissions."""

    project_ids: Annotated[list[ProjectId], Field(min_length=1, max_length=100)]


# --- answered ---------------------------------------------------------------------------------------------------------


class FileObject(BaseModel):
    """A stored file."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"] = "processed"
    expires_at: int | None = None
    status_details: str | None = None


class UploadObject(BaseModel):
    """A file that comes in parts."""

    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: FileObject | None = None


class PartObject(BaseModel):
    """A part of such a file."""

    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: str


class JobFault(BaseModel):
    """Why a job failed."""

    code: str
    message: str
    param: str | None = None


class Hyperparameters(BaseModel):
    """As they are used: never "auto"."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float


class DpoHyperparameters(Hyperparameters):
    """Those of `dpo`, as they are used."""

    beta: float


class SupervisedMethod(BaseModel):
    """The settings of the method."""

    hyperparameters: Hyperparameters


class DpoMethod(BaseModel):
    """The settings of the method."""

    hyperparameters: DpoHyperparameters


class JobMethod(BaseModel):
    """How a job is trained; the settings are those of its type."""

    type: Literal["supervised", "dpo"] = "supervised"
    supervised: SupervisedMethod | None = None
    dpo: DpoMethod | None = None


class JobObject(BaseModel):
    """A fine-tuning job."""

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    error: JobFault | None
    fine_tuned_model: str | None
    finished_at: int | None
    hyperparameters: Hyperparameters
    method: JobMethod
    model: str
    organization_id: str
    """The caller's name."""
    result_files: list[str]
    seed: int
    status: JobState
    trained_tokens: int | None
    """All tokens of all epochs; known at the end."""
    training_file: str
    validation_file: str | None
    estimated_finish: int | None
    integrations: list[dict[str, Any]] | None
    metadata: dict[str, str] | None
    user_provided_suffix: str | None


class EventObject(BaseModel):
    """What happened to a job."""

    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, Any] | None


class CheckpointMetrics(BaseModel):
    """Losses at a checkpoint, in nats per learned token."""

    step: int
    train_loss: float | None
    valid_loss: float | None
    full_valid_loss: float | None


class CheckpointObject(BaseModel):
    """The adapter that a job kept."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: CheckpointMetrics


class EngineObject(BaseModel):
    """A model under its name of before 2023."""

    id: str
    object: Literal["engine"] = "engine"
    owner: Literal["econchatr"] = "econchatr"
    ready: Literal[True] = True


class FineTuneEvent(BaseModel):
    """What happened to a job, as it was told in 2023."""

    object: Literal["fine-tune-event"] = "fine-tune-event"
    created_at: int
    level: str
    message: str


class FineTuneObject(BaseModel):
    """A job as it was told in 2023."""

    id: str
    object: Literal["fine-tune"] = "fine-tune"
    created_at: int
    updated_at: int
    model: str
    status: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    hyperparams: dict[str, int | float]
    fine_tuned_model: str | None
    organization_id: str
    training_files: list[FileObject]
    validation_files: list[FileObject]
    result_files: list[FileObject]
    events: list[FineTuneEvent]


class StoredCompletion(ChatCompletion):
    """An answer that is kept."""

    metadata: dict[str, str] | None


class StoredMessage(BaseModel):
    """A message that was sent for such an answer."""

    id: str
    role: str
    content: str
    content_parts: list[TextPart] | None
    """Its pieces, where it came in pieces."""
    refusal: None = None
    name: None = None


class PermissionObject(BaseModel):
    """Another caller may ask a tuned model."""

    id: str
    object: Literal["checkpoint.permission"] = "checkpoint.permission"
    created_at: int
    project_id: str
    """The caller's name."""


Row = TypeVar(
    "Row", FileObject, JobObject, EventObject, CheckpointObject, ModelObject, EngineObject, FineTuneObject,
    FineTuneEvent, StoredCompletion, StoredMessage, PermissionObject,
)  # fmt: skip


class ListPage(BaseModel, Generic[Row]):
    """Some rows of a list, in order."""

    object: Literal["list"] = "list"
    data: list[Row]
    has_more: bool
    """Whether rows follow, which `after=` the last row's id asks for."""
    first_id: str | None
    last_id: str | None

    @classmethod
    def of(cls, rows: list[Row], *, has_more: bool = False) -> Self:
        """A page with these rows."""
        ids = [getattr(row, "id", None) for row in (*rows[:1], *rows[-1:])] or [None, None]
        return cls(data=rows, has_more=has_more, first_id=ids[0], last_id=ids[-1])


class Deleted(BaseModel):
    """Something is gone."""

    id: str
    object: Literal["file", "model", "chat.completion.deleted", "checkpoint.permission"]
    deleted: Literal[True] = True
