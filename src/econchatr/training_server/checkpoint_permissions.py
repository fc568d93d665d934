"""Permissions: a caller lets other callers ask one of its tuned models, and nothing else of it.

What OpenAI calls a project is a caller here. A permission for a name that no caller has yet is kept: who else has a key
is told nobody, and it holds from the day on which somebody of that name has one.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import FastAPI, Query, Request

from econchatr.training_server.file_routes import find_owned, page_of, whose
from econchatr.training_server.job_schema import CallError, Deleted, ListPage, PermissionObject, PermissionOrder
from econchatr.training_server.job_store import JobStore, PageAsk, StoredJob, StoredPermission
from econchatr.training_server.server_settings import QuotaTable

_PAGE: Final = 10
_MAX_PAGE: Final = 100
_ALL: Final = 1_000_000
_Limit = Annotated[int, Query(ge=0, le=_MAX_PAGE)]


class PermissionRoutes:
    """Permissions of one store."""

    def __init__(self, store: JobStore, quotas: QuotaTable) -> None:
        self._store, self._quotas = store, quotas

    def create(self, request: Request, checkpoint: str, body: PermissionOrder) -> ListPage[PermissionObject]:
        """Let callers ask a model; who may already keeps the permission there is."""
        owner = whose(request)
        if owner in body.project_ids:
            raise CallError(f"The model is {owner}'s own.", param="project_ids", code="own_model")
        with self._store.hold():
            job = self._find_job(checkpoint, owner)
            every = list(self._store.list_owned(StoredPermission, owner))
            given = {one.project_id: one for one in every if one.job_id == job.id}
            missing = dict.fromkeys(name for name in body.project_ids if name not in given)
            if len(every) + len(missing) > self._quotas.max_permissions:
                raise CallError(
                    f"{len(every)} permissions are given and {len(missing)} asked for; "
                    f"{self._quotas.max_permissions} are the most.", hint="Ask for fewer, or delete some first.",
                    status=429, code="insufficient_quota", param="project_ids",
                )  # fmt: skip
            for name in missing:
                given[name] = self._store.add(
                    StoredPermission(
                        id=self._store.draw_id(StoredPermission), owner=owner, created_at=self._store.now(),
                        job_id=job.id, project_id=name,
                    )
                )  # fmt: skip
        rows = [_tell(given[name]) for name in dict.fromkeys(body.project_ids)]
        return ListPage[PermissionObject].of(rows)

    def list_permissions(
        self, request: Request, checkpoint: str, after: str | None = None, limit: _Limit = _PAGE,
        order: Literal["ascending", "descending"] = "descending", project_id: str | None = None,
    ) -> ListPage[PermissionObject]:  # fmt: skip
        """Who may ask a model, the newest first."""
        job = self._find_job(checkpoint, whose(request))
        rows = self._store.read_page(StoredPermission, job.owner, PageAsk(after, _ALL, order == "ascending"))
        found = [one for one in rows if one.job_id == job.id and project_id in (None, one.project_id)]
        shown, has_more = page_of(found, limit or _PAGE)
        return ListPage[PermissionObject].of([_tell(one) for one in shown], has_more=has_more)

    def delete(self, request: Request, checkpoint: str, permission_id: str) -> Deleted:
        """End a permission, at once."""
        job = self._find_job(checkpoint, whose(request))
        permission = find_owned(self._store, StoredPermission, permission_id, job.owner)
        if permission.job_id != job.id:
            raise CallError("No such permission.", status=404, code="not_found", param="id")
        self._store.remove(permission)
        return Deleted(id=permission_id, object="checkpoint.permission")

    def _find_job(self, checkpoint: str, owner: str) -> StoredJob:
        """The caller's job whose model or kept checkpoint has that name."""
        for job in self._store.list_owned(StoredJob, owner):
            if job.tuned_model and checkpoint in (job.tuned_model, job.checkpoint.id if job.checkpoint else None):
                return job
        raise CallError("You have no such model.", hint="GET /v1/models lists yours.", status=404, code="not_found")


def _tell(permission: StoredPermission) -> PermissionObject:
    return PermissionObject(id=permission.id, created_at=permission.created_at, project_id=permission.project_id)


def add_permission_routes(app: FastAPI, routes: PermissionRoutes, answers: dict[int | str, dict[str, Any]]) -> None:
    """Put the routes into an application.

    Args:
        answers: Errors that every route may answer with.
    """
    add = app.add_api_route
    every = "/v1/fine_tuning/checkpoints/{checkpoint:path}/permissions"  # a model's name may hold slashes
    page = ListPage[PermissionObject]
    add(every, routes.create, methods=["POST"], response_model=page, responses=answers)
    add(every, routes.list_permissions, response_model=page, responses=answers)
    add(f"{every}/{{permission_id}}", routes.delete, methods=["DELETE"], response_model=Deleted, responses=answers)
