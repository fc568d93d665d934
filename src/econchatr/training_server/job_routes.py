"""The routes for fine-tuning jobs, and for the models that come of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request

from econchatr.talk.server.openai_schema import ModelObject
from econchatr.training_server.file_routes import find_owned, page_of, read_wanted_metadata, whose
from econchatr.training_server.job_desk import JobDesk, tell_job
from econchatr.training_server.job_schema import CheckpointObject, Deleted, EventObject, JobObject, JobOrder, ListPage
from econchatr.training_server.job_store import JobStore, PageAsk, StoredJob
from econchatr.training_server.model_shelf import ModelShelf, NamedModel

_MAX_PAGE = 100
_MAX_EVENTS = 1000
_MAX_LOOKED_AT = 10_000
Limit = Annotated[int, Query(ge=0, le=_MAX_EVENTS)]


class JobRoutes:
    """Jobs of one store."""

    def __init__(self, store: JobStore, desk: JobDesk) -> None:
        self._store, self._desk = store, desk

    def create(self, request: Request, body: JobOrder) -> JobObject:
        """Order a job. An `Idempotency-Key` in the header makes the same order sent twice one job."""
        key = request.headers.get("idempotency-key", "")[:200]
        return tell_job(self._desk.order(body, whose(request), repeat_key=key))

    def list_jobs(self, request: Request, after: str | None = None, limit: Limit = 20) -> ListPage[JobObject]:
        """The caller's jobs, the newest first: all, those with `metadata[k]=v`, or those without any."""
        wanted = read_wanted_metadata(request)
        has_none = request.query_params.get("metadata") == "null"
        limit = min(limit or 20, _MAX_PAGE)
        rows = self._store.read_page(StoredJob, whose(request), PageAsk(after, _MAX_LOOKED_AT))
        found = [
            job for job in rows
            if wanted.items() <= (job.metadata or {}).items() and not (has_none and job.metadata)
        ]  # fmt: skip
        shown, has_more = page_of(found, limit)
        return ListPage[JobObject].of([tell_job(job) for job in shown], has_more=has_more)

    def show(self, request: Request, job_id: str) -> JobObject:
        """One job."""
        return tell_job(find_owned(self._store, StoredJob, job_id, whose(request)))

    def cancel(self, request: Request, job_id: str) -> JobObject:
        """End a job."""
        return tell_job(self._desk.cancel(job_id, whose(request)))

    def pause(self, request: Request, job_id: str) -> JobObject:
        """Let a job rest."""
        return tell_job(self._desk.pause(job_id, whose(request)))

    def resume(self, request: Request, job_id: str) -> JobObject:
        """Let it go on."""
        return tell_job(self._desk.resume(job_id, whose(request)))

    def list_events(
        self, request: Request, job_id: str, after: str | None = None, limit: Limit = 20
    ) -> ListPage[EventObject]:
        """What happened to a job, the newest first."""
        job = find_owned(self._store, StoredJob, job_id, whose(request))
        limit = limit or 20
        rows: list[EventObject] = self._store.read_events(job.id, PageAsk(after, limit + 1))
        return ListPage[EventObject].of(rows[:limit], has_more=len(rows) > limit)

    def list_checkpoints(self, request: Request, job_id: str) -> ListPage[CheckpointObject]:
        """The checkpoint that a job kept: the one with the lowest validation loss."""
        job = find_owned(self._store, StoredJob, job_id, whose(request))
        kept, rows = job.checkpoint, list[CheckpointObject]()
        if kept is not None and job.tuned_model:
            rows.append(
                CheckpointObject(
                    id=kept.id, created_at=kept.created_at, fine_tuned_model_checkpoint=job.tuned_model,
                    fine_tuning_job_id=job.id, step_number=kept.metrics.step, metrics=kept.metrics,
                )
            )  # fmt: skip
        return ListPage[CheckpointObject].of(rows)


class ModelRoutes:
    """The models that a caller may ask."""

    def __init__(self, shelf: ModelShelf, desk: JobDesk) -> None:
        self._shelf, self._desk = shelf, desk

    def list_models(self, request: Request) -> ListPage[ModelObject]:
        """The bases, the caller's own models, and those of others that it may ask."""
        return ListPage[ModelObject].of([_tell_model(model) for model in self._shelf.list_names(whose(request))])

    def show(self, request: Request, model: str) -> ModelObject:
        """One model."""
        return _tell_model(self._shelf.find(model, whose(request)))

    async def delete(self, request: Request, model: str) -> Deleted:
        """Delete a tuned model, with its adapter."""
        found = self._shelf.find(model, whose(request))
        self._desk.delete_model(found, whose(request))
        self._shelf.forget(found)
        return Deleted(id=model, object="model")


def _tell_model(model: NamedModel) -> ModelObject:
    kind = f"tuned from {model.job.model}" if model.job else "a base to train on"
    return ModelObject(id=model.name, created=model.created_at, description=f"{model.label}. {kind}.")


def add_job_routes(
    app: FastAPI, jobs: JobRoutes, models: ModelRoutes, answers: dict[int | str, dict[str, Any]]
) -> None:
    """Put the routes into an application.

    Args:
        answers: Errors that every route may answer with.
    """
    add, one = app.add_api_route, "/v1/fine_tuning/jobs/{job_id}"
    add("/v1/fine_tuning/jobs", jobs.create, methods=["POST"], response_model=JobObject, responses=answers)
    add("/v1/fine_tuning/jobs", jobs.list_jobs, response_model=ListPage[JobObject], responses=answers)
    add(one, jobs.show, response_model=JobObject, responses=answers)
    for name, call in (("cancel", jobs.cancel), ("pause", jobs.pause), ("resume", jobs.resume)):
        add(f"{one}/{name}", call, methods=["POST"], response_model=JobObject, responses=answers)
    add(f"{one}/events", jobs.list_events, response_model=ListPage[EventObject], responses=answers)
    add(f"{one}/checkpoints", jobs.list_checkpoints, response_model=ListPage[CheckpointObject], responses=answers)
    add("/v1/models", models.list_models, response_model=ListPage[ModelObject], responses=answers)
    add("/v1/models/{model:path}", models.show, response_model=ModelObject, responses=answers)
    add("/v1/models/{model:path}", models.delete, methods=["DELETE"], response_model=Deleted, responses=answers)
