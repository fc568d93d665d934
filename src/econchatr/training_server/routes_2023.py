"""The shapes of 2023: `/v1/fine-tunes` with its stream of events, and `/v1/engines/NAME/completions`.

They are the same jobs and the same models under the names of then. Source: the openai package, versions 0.26.4 and
0.27.10, as they call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from econchatr.talk.server.openai_schema import Completion, CompletionRequest
from econchatr.training_server.answer_routes import AnswerRoutes
from econchatr.training_server.file_routes import find_owned, tell_file, whose
from econchatr.training_server.job_desk import JobDesk
from econchatr.training_server.job_routes import ModelRoutes
from econchatr.training_server.job_schema import (
    ENDED,
    BatchSize,
    Deleted,
    EngineObject,
    Epochs,
    EventObject,
    FileObject,
    FineTuneEvent,
    FineTuneObject,
    HyperparameterOrder,
    Identifier,
    JobOrder,
    ListPage,
    Multiplier,
)
from econchatr.training_server.job_store import JobStore, PageAsk, StoredFile, StoredJob

_N_EPOCHS: Final = 4
"""Source: the API reference of 2023, `n_epochs`."""
_STATES: Final = {"validating_files": "pending", "queued": "pending", "paused": "pending"}
"""What was called otherwise then."""
_MAX_EVENTS: Final = 10_000
_LOOK_SECONDS: Final = 0.5
Positive = Annotated[int, Field(ge=1)]


class FineTuneOrder(BaseModel):
    """POST /v1/fine-tunes. What was for classification is passed over: nothing of a training depends on it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    training_file: Identifier
    validation_file: Annotated[str, Field(max_length=200)] | None = None
    model: Identifier = "curie"
    n_epochs: Epochs | None = None
    batch_size: BatchSize | None = None
    learning_rate_multiplier: Multiplier | None = None
    prompt_loss_weight: float | None = None
    suffix: Annotated[str, Field(max_length=40)] | None = None

    def as_order(self) -> JobOrder:
        """The same order in today's shape."""
        chosen = HyperparameterOrder(
            n_epochs=self.n_epochs or _N_EPOCHS,
            batch_size=self.batch_size or "auto",
            learning_rate_multiplier=self.learning_rate_multiplier or "auto",
        )
        return JobOrder(
            model=self.model, training_file=self.training_file, validation_file=self.validation_file or None,
            hyperparameters=chosen, suffix=self.suffix or None,
        )  # fmt: skip


class EngineRequest(CompletionRequest):
    """POST /v1/engines/NAME/completions: the model stands in the path."""

    model: str = ""


class Routes2023:
    """Jobs and engines in the words of 2023."""

    def __init__(self, store: JobStore, desk: JobDesk, models: ModelRoutes, answers: AnswerRoutes) -> None:
        self._store, self._desk, self._models, self._answers = store, desk, models, answers

    def create(self, request: Request, body: FineTuneOrder) -> FineTuneObject:
        """Order a job; the server's settings name the rights, as these orders have no metadata."""
        key = request.headers.get("idempotency-key", "")[:200]
        job = self._desk.order(body.as_order(), whose(request), repeat_key=key)
        if body.prompt_loss_weight:
            told = "prompt_loss_weight is 0 here: only completions are learned."
            self._store.tell(job.id, told, mark="prompt_loss_weight", level="warn")
        return self._tell(job)

    def list_jobs(self, request: Request) -> ListPage[FineTuneObject]:
        """The caller's jobs, the oldest first, without their events."""
        ask = PageAsk(limit=_MAX_EVENTS, is_oldest_first=True)
        jobs = self._store.read_page(StoredJob, whose(request), ask)
        return ListPage[FineTuneObject].of([self._tell(job, has_events=False) for job in jobs])

    def show(self, request: Request, name: str) -> FineTuneObject:
        """One job, with its events."""
        return self._tell(find_owned(self._store, StoredJob, name, whose(request)))

    async def delete(self, request: Request, name: str) -> Deleted:
        """Delete a model, which `openai` 0.26 does under the path of jobs."""
        return await self._models.delete(request, name)

    def cancel(self, request: Request, job_id: str) -> FineTuneObject:
        """End a job."""
        return self._tell(self._desk.cancel(job_id, whose(request)))

    def list_events(self, request: Request, job_id: str, stream: bool = False) -> Any:
        """What happened to a job, the oldest first; with `stream` each as it happens, until the job has ended."""
        job = find_owned(self._store, StoredJob, job_id, whose(request))
        if stream:
            return StreamingResponse(self._stream(job.id), media_type="text/event-stream")
        return ListPage[FineTuneEvent].of(self._read_events(job.id))

    async def _stream(self, job_id: str) -> AsyncIterator[bytes]:
        after: str | None = None
        while True:
            # Asked first: what it told before it ended is then among the events.
            job = await run_in_threadpool(self._store.find, StoredJob, job_id)
            ask = PageAsk(after, _MAX_EVENTS, is_oldest_first=True)
            for event in await run_in_threadpool(self._store.read_events, job_id, ask):
                after = event.id
                yield b"data: " + _tell_event(event).model_dump_json().encode() + b"\n\n"
            if job is None or job.state in ENDED:
                yield b"data: [DONE]\n\n"
                return
            await anyio.sleep(_LOOK_SECONDS)

    def _read_events(self, job_id: str) -> list[FineTuneEvent]:
        ask = PageAsk(limit=_MAX_EVENTS, is_oldest_first=True)
        return [_tell_event(event) for event in self._store.read_events(job_id, ask)]

    def _tell(self, job: StoredJob, *, has_events: bool = True) -> FineTuneObject:
        chosen = {**job.hyperparameters.model_dump(), "prompt_loss_weight": 0.0}
        return FineTuneObject(
            id=job.id, created_at=job.created_at, updated_at=job.finished_at or job.started_at or job.created_at,
            model=job.model, status=_STATES.get(job.state, job.state), hyperparams=chosen,
            fine_tuned_model=job.tuned_model, organization_id=job.owner,
            training_files=self._tell_files(job.training_file),
            validation_files=self._tell_files(job.validation_file or ""),
            result_files=self._tell_files(*job.result_files),
            events=self._read_events(job.id) if has_events else [],
        )  # fmt: skip

    def _tell_files(self, *ids: str) -> list[FileObject]:
        found = (self._store.find(StoredFile, one) for one in ids)
        return [tell_file(file) for file in found if file is not None]

    # --- engines

    def list_engines(self, request: Request) -> ListPage[EngineObject]:
        """The models, under their name of before 2023."""
        return ListPage[EngineObject].of([EngineObject(id=row.id) for row in self._models.list_models(request).data])

    def show_engine(self, request: Request, engine: str) -> EngineObject:
        """One model."""
        return EngineObject(id=self._models.show(request, engine).id)

    async def complete(self, request: Request, engine: str, body: EngineRequest) -> Response:
        """What follows a text."""
        return await self._answers.complete(request, body.model_copy(update={"model": engine}))


def _tell_event(event: EventObject) -> FineTuneEvent:
    return FineTuneEvent(created_at=event.created_at, level=event.level, message=event.message)


def add_routes_2023(app: FastAPI, routes: Routes2023, answers: dict[int | str, dict[str, Any]]) -> None:
    """Put the routes into an application.

    Args:
        answers: Errors that every route may answer with.
    """
    add, one = app.add_api_route, "/v1/fine-tunes/{job_id}"
    add("/v1/fine-tunes", routes.create, methods=["POST"], response_model=FineTuneObject, responses=answers)
    add("/v1/fine-tunes", routes.list_jobs, response_model=ListPage[FineTuneObject], responses=answers)
    add(f"{one}/cancel", routes.cancel, methods=["POST"], response_model=FineTuneObject, responses=answers)
    stream: dict[str, Any] = {"content": {"text/event-stream": {}}}
    events: dict[int | str, dict[str, Any]] = {200: {"model": ListPage[FineTuneEvent], **stream}}
    add(f"{one}/events", routes.list_events, response_model=None, responses={**events, **answers})
    # Last: a model's name may hold slashes.
    add("/v1/fine-tunes/{name:path}", routes.show, response_model=FineTuneObject, responses=answers)
    add("/v1/fine-tunes/{name:path}", routes.delete, methods=["DELETE"], response_model=Deleted, responses=answers)
    add("/v1/engines", routes.list_engines, response_model=ListPage[EngineObject], responses=answers)
    # The longer path first: a model's name may hold slashes.
    said: dict[int | str, dict[str, Any]] = {200: {"model": Completion, **stream}}
    add("/v1/engines/{engine:path}/completions", routes.complete, methods=["POST"], response_model=None,
        responses={**said, **answers})  # fmt: skip
    add("/v1/engines/{engine:path}", routes.show_engine, response_model=EngineObject, responses=answers)
