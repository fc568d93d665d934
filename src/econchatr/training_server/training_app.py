"""The whole application of a training server: files, jobs, models and answers, behind the guard of `talk.server`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from econchatr import __version__
from econchatr.display import label_imitation
from econchatr.errors import InputError
from econchatr.tables import disk_errors, lock_folder
from econchatr.talk.server.openai_schema import (
    ErrorBody,
    ErrorDetail,
)
from econchatr.talk.server.request_guard import BodyError, Guard, GuardSettings
from econchatr.talk.server.routes import TALK_FIELDS, add_errors
from econchatr.training_server.answer_routes import AnswerRoutes, add_answer_routes
from econchatr.training_server.answer_store import AnswerStore
from econchatr.training_server.checkpoint_permissions import PermissionRoutes, add_permission_routes
from econchatr.training_server.file_routes import FileRoutes, add_file_routes
from econchatr.training_server.graders import (
    GraderRun,
    GraderValidation,
    StringCheck,
    TextSimilarity,
    add_grader_routes,
)
from econchatr.training_server.job_desk import JobDesk
from econchatr.training_server.job_routes import JobRoutes, ModelRoutes, add_job_routes
from econchatr.training_server.job_runner import JobRunner
from econchatr.training_server.job_schema import (
    CallError,
    DpoHyperparameterOrder,
    DpoOrder,
    JobOrder,
    MethodOrder,
    PermissionOrder,
    StoringChatRequest,
    SupervisedOrder,
    UploadEnd,
    UploadOrder,
)
from econchatr.training_server.job_store import JobStore
from econchatr.training_server.model_shelf import ModelShelf
from econchatr.training_server.routes_2023 import FineTuneOrder, Routes2023, add_routes_2023
from econchatr.training_server.server_settings import TrainingServerSettings, read_server_settings

_MIXED_LABEL = "AI imitation: every answer's system_fingerprint says of whom"
_UPLOADS = ("/v1/files", "/v1/uploads/")
_FORM_BYTES = 100_000
"""What a form may have beside its file."""
_FIELDS = TALK_FIELDS.union(
    *(
        kind.model_fields
        for kind in (
            FineTuneOrder,
            JobOrder,
            DpoHyperparameterOrder,
            MethodOrder,
            SupervisedOrder,
            DpoOrder,
            UploadOrder,
            UploadEnd,
            StoringChatRequest,
            PermissionOrder,
            GraderValidation,
            GraderRun,
            StringCheck,
            TextSimilarity,
        )
    ),
    ("limit", "after", "order"),
)


class Access(NamedTuple):
    """How a server is reached."""

    is_public: bool
    """Whether it can be reached from beyond this machine."""
    key: str = ""
    """Of the one caller, where `server.toml` names none; empty: no key is wanted."""
    hosts: Sequence[str] = ()
    """Names under which it is reached, beside this machine's own."""


class OpenServer(NamedTuple):
    """A training server that works off its jobs."""

    app: Guard
    models: tuple[str, ...]
    """Names of the bases."""


@contextmanager
def open_training_server(
    folder: Path, access: Access, *, cache: Path, terms: Path | None, environment: Mapping[str, str]
) -> Iterator[OpenServer]:
    """The application over a server's folder; its jobs are worked off until the block ends.

    Args:
        cache: Where converted weights are kept.
        terms: Where the user's acceptance of makers' terms is kept.
        environment: Holds the callers' keys.

    Raises:
        InputError: `server.toml` is wrong, a key is missing, or the server is public and has no caller.
        ShowFolderError: The folder cannot be written, or another server works in it.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    settings = read_server_settings(folder)
    callers = settings.find_keys(environment)
    if access.is_public and not (callers or access.key):
        raise InputError(
            "the server can be reached from other machines, and no caller has a key.",
            hint="Add a [[caller]] to server.toml, or leave --host away to serve this machine only.",
        )
    with lock_folder(folder), JobStore(folder) as store:
        runner = JobRunner(store, settings, cache=cache, terms=terms)
        shelf = ModelShelf(store, settings, cache=cache, terms=terms, started_at=store.now())
        app = _create_app(store, settings, runner, shelf)
        label = label_imitation((settings.rights.voice,)) if settings.rights else _MIXED_LABEL
        guarded = GuardSettings(
            label, "" if callers else access.key, access.is_public, tuple(name.lower() for name in access.hosts),
            callers, _UPLOADS, settings.quotas.max_file_mb * 1_000_000 + _FORM_BYTES,
        )  # fmt: skip
        with runner.run():
            yield OpenServer(Guard(app, guarded, lambda path, status: None), tuple(settings.bases))


def _create_app(store: JobStore, settings: TrainingServerSettings, runner: JobRunner, shelf: ModelShelf) -> FastAPI:
    app = FastAPI(
        title="EconChatR training", version=__version__, description="Fine-tuning in the words of the OpenAI API.",
        docs_url=None, redoc_url=None,  # both load scripts from elsewhere
    )  # fmt: skip
    answers: dict[int | str, dict[str, Any]] = {
        int(status): {"model": ErrorBody, "description": status.phrase}
        for status in (
            HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
            HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    }  # fmt: skip
    desk = JobDesk(store, settings, runner)
    add_file_routes(app, FileRoutes(store, settings.quotas), answers)
    kept = AnswerStore(store, settings.quotas)
    models, talk = ModelRoutes(shelf, desk), AnswerRoutes(shelf, store.folder / "generations.jsonl", kept)
    add_job_routes(app, JobRoutes(store, desk), models, answers)
    add_permission_routes(app, PermissionRoutes(store, settings.quotas), answers)
    add_grader_routes(app, answers)
    add_answer_routes(app, talk, answers)
    add_routes_2023(app, Routes2023(store, desk, models, talk), answers)
    add_errors(app, _FIELDS)
    app.add_exception_handler(CallError, _tell_refusal)
    app.add_exception_handler(BodyError, _tell_body_error)
    return app


async def _tell_refusal(_: Request, exc: Exception) -> Response:
    if not isinstance(exc, CallError):
        raise exc
    kind = "rate_limit_error" if exc.status == HTTPStatus.TOO_MANY_REQUESTS else "invalid_request_error"
    headers = {"Retry-After": "10"} if exc.code == "rate_limit_exceeded" else {}
    if exc.code == "insufficient_quota":
        headers["x-should-retry"] = "false"  # OpenAI's own clients would ask twice more
    detail = ErrorDetail(message=f"{exc.message} {exc.hint}".strip(), type=kind, param=exc.param, code=exc.code)
    return JSONResponse(ErrorBody(error=detail).model_dump(), status_code=exc.status, headers=headers)


async def _tell_body_error(_: Request, exc: Exception) -> Response:
    if not isinstance(exc, BodyError):
        raise exc
    # What is left of a body that was not read must not be taken for the next request.
    detail = ErrorDetail(message=exc.message, type="invalid_request_error", code="request_too_large")
    return JSONResponse(ErrorBody(error=detail).model_dump(), int(exc.status), headers={"Connection": "close"})
