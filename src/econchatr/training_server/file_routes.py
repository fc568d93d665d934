"""The routes for files and for uploads in parts."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from econchatr.tables import disk_errors, replace_file
from econchatr.training_server.job_ends import RESULTS_PURPOSE, drop_parts
from econchatr.training_server.job_schema import (
    CallError,
    Deleted,
    FileExpiry,
    FileObject,
    FilePurpose,
    ListPage,
    PartObject,
    UploadEnd,
    UploadObject,
    UploadOrder,
)
from econchatr.training_server.job_store import JobStore, PageAsk, StoredFile, StoredPart, StoredUpload, Thing
from econchatr.training_server.server_settings import QuotaTable

T = TypeVar("T", bound=Thing)
Row = TypeVar("Row")

MAX_PAGE = 10_000
_UPLOAD_SECONDS = 3600
_N_COPY_BYTES = 1 << 20
_PURPOSE = TypeAdapter(FilePurpose)
_MB = 1_000_000


def whose(request: Request) -> str:
    """The name of the caller, `local` where no keys are given out."""
    return str(getattr(request.state, "caller", "") or "local")


def read_wanted_metadata(request: Request) -> dict[str, str]:
    """The `metadata[k]=v` of a query: what the rows of a list must hold."""
    return {name[9:-1]: value for name, value in request.query_params.items() if name.startswith("metadata[")}


def find_owned(store: JobStore, kind: type[T], thing_id: str, owner: str) -> T:
    """A caller's own row.

    Raises:
        CallError: There is none of that id, or it is somebody else's, which nobody is told.
    """
    found = store.find(kind, thing_id)
    if found is None or found.owner != owner:
        raise CallError(f"No such {kind.kind}.", status=404, code="not_found", param="id")
    return found


def page_of(rows: list[Row], limit: int) -> tuple[list[Row], bool]:
    """The rows of a page, and whether more follow; one row more was asked for than is shown."""
    return rows[:limit], len(rows) > limit


def tell_file(file: StoredFile) -> FileObject:
    """A file as it is answered."""
    return FileObject(
        id=file.id, bytes=file.n_bytes, created_at=file.created_at, filename=file.filename, purpose=file.purpose,
        expires_at=file.expires_at,
    )  # fmt: skip


class FileRoutes:
    """Files and uploads of one store."""

    def __init__(self, store: JobStore, quotas: QuotaTable) -> None:
        self._store, self._quotas = store, quotas

    # --- files

    async def create(self, request: Request) -> FileObject:
        """Keep a file; what it is called decides nothing."""
        async with request.form(max_files=1, max_fields=8) as form:
            part, purpose = form.get("file"), form.get("purpose")
            if not isinstance(part, UploadFile):
                raise CallError("There is no file in the form.", param="file")
            try:
                wanted = _PURPOSE.validate_python(purpose)
            except ValidationError as exc:
                raise CallError("Choose 'fine-tune' as the purpose.", param="purpose") from exc
            seconds = _read_expiry(form)
            name = (part.filename or "file")[:255].encode(errors="replace").decode()
            return await run_in_threadpool(self._keep, part, whose(request), name, str(wanted), seconds)

    def _keep(self, part: UploadFile, owner: str, name: str, purpose: str, seconds: int | None) -> FileObject:
        n_bytes = part.file.seek(0, os.SEEK_END)
        part.file.seek(0)
        now, file_id = self._store.now(), self._store.draw_id(StoredFile)
        file = StoredFile(
            id=file_id, owner=owner, created_at=now, n_bytes=n_bytes, filename=name, purpose=purpose,
            expires_at=None if seconds is None else now + seconds,
        )  # fmt: skip
        with self._store.hold():
            self._check_room(owner, n_bytes)
            with disk_errors(self._store.folder), replace_file(self._store.place(file_id)) as out:
                shutil.copyfileobj(part.file, out, _N_COPY_BYTES)
            return tell_file(self._store.add(file))

    def _check_room(self, owner: str, n_bytes: int) -> None:
        """Refuse what would go beyond the caller's quotas."""
        quotas = self._quotas
        if n_bytes > quotas.max_file_mb * _MB:
            raise CallError(
                f"The file has {n_bytes:,} bytes; {quotas.max_file_mb} MB are the most.", status=413, param="file",
                code="file_too_large",
            )  # fmt: skip
        files = [one for one in self._store.list_owned(StoredFile, owner) if one.purpose != RESULTS_PURPOSE]
        n_stored = sum(one.n_bytes for one in files)
        n_stored += sum(one.n_bytes for one in self._store.list_owned(StoredPart, owner))
        if len(files) >= quotas.max_files or n_stored + n_bytes > quotas.max_stored_mb * _MB:
            told = f"{len(files)} files with {n_stored:,} bytes are stored"
            raise CallError(
                f"{told}; {quotas.max_files} files and {quotas.max_stored_mb} MB are the most. Delete some first.",
                status=429, code="insufficient_quota",
            )  # fmt: skip

    def list_files(
        self, request: Request, after: str | None = None, limit: Annotated[int, Query(ge=0, le=MAX_PAGE)] = MAX_PAGE,
        order: str = "desc", purpose: str | None = None,
    ) -> ListPage[FileObject]:  # fmt: skip
        """The caller's files, the newest first."""
        ask = PageAsk(after, MAX_PAGE + 1, is_oldest_first=order == "asc")
        found = self._store.read_page(StoredFile, whose(request), ask)
        rows, has_more = page_of([one for one in found if purpose in (None, one.purpose)], limit or MAX_PAGE)
        return ListPage[FileObject].of([tell_file(one) for one in rows], has_more=has_more)

    def show(self, request: Request, file_id: str) -> FileObject:
        """One file."""
        return tell_file(find_owned(self._store, StoredFile, file_id, whose(request)))

    def content(self, request: Request, file_id: str) -> FileResponse:
        """The bytes of a file, as they came."""
        file = find_owned(self._store, StoredFile, file_id, whose(request))
        return FileResponse(self._store.place(file.id), media_type="application/octet-stream")

    def delete(self, request: Request, file_id: str) -> Deleted:
        """Delete a file; jobs that were made with it keep what they need of it."""
        self._store.remove(find_owned(self._store, StoredFile, file_id, whose(request)))
        return Deleted(id=file_id, object="file")

    # --- uploads

    def create_upload(self, request: Request, body: UploadOrder) -> UploadObject:
        """Begin a file that comes in parts; it has an hour."""
        self._check_room(whose(request), body.bytes)
        now = self._store.now()
        upload = StoredUpload(
            id=self._store.draw_id(StoredUpload), owner=whose(request), created_at=now, n_bytes=body.bytes,
            filename=body.filename, purpose=body.purpose, expires_at=now + _UPLOAD_SECONDS,
            file_seconds=body.expires_after.seconds if body.expires_after else None,
        )  # fmt: skip
        return self._tell(self._store.add(upload))

    async def add_part(self, request: Request, upload_id: str) -> PartObject:
        """Keep a part of it."""
        async with request.form(max_files=1, max_fields=8) as form:
            part = form.get("data")
            if not isinstance(part, UploadFile):
                raise CallError("There is no data in the form.", param="data")
            return await run_in_threadpool(self._keep_part, part, upload_id, whose(request))

    def _keep_part(self, part: UploadFile, upload_id: str, owner: str) -> PartObject:
        n_bytes, part_id = part.file.seek(0, os.SEEK_END), self._store.draw_id(StoredPart)
        part.file.seek(0)
        with self._store.hold():
            upload = self._find_pending(upload_id, owner)
            self._check_room(owner, n_bytes)
            with disk_errors(self._store.folder), replace_file(self._store.place(part_id)) as out:
                shutil.copyfileobj(part.file, out, _N_COPY_BYTES)
            now = self._store.now()
            self._store.add(StoredPart(id=part_id, owner=owner, created_at=now, upload_id=upload.id, n_bytes=n_bytes))
        return PartObject(id=part_id, created_at=now, upload_id=upload.id)

    def complete(self, request: Request, upload_id: str, body: UploadEnd) -> UploadObject:
        """Put the parts together in the order that is given."""
        with self._store.hold():
            upload = self._find_pending(upload_id, whose(request))
            parts = [find_owned(self._store, StoredPart, one, upload.owner) for one in body.part_ids]
            n_bytes = sum(part.n_bytes for part in parts)
            if any(part.upload_id != upload.id for part in parts) or len(set(body.part_ids)) < len(parts):
                raise CallError("A part is of another upload, or stands twice.", param="part_ids")
            if n_bytes != upload.n_bytes:
                raise CallError(f"The parts have {n_bytes:,} bytes; {upload.n_bytes:,} were announced.", param="bytes")
            file = self._join(upload, [self._store.place(part.id) for part in parts], body.md5)
            done = self._store.change(
                StoredUpload, upload.id, lambda one: one.model_copy(update={"state": "completed", "file_id": file.id})
            )
            drop_parts(self._store, upload.id)
        return self._tell(done or upload)

    def _join(self, upload: StoredUpload, parts: list[Path], md5: str | None) -> StoredFile:
        now, digest = self._store.now(), hashlib.md5(usedforsecurity=False)
        file = StoredFile(
            id=self._store.draw_id(StoredFile), owner=upload.owner, created_at=now, n_bytes=upload.n_bytes,
            filename=upload.filename, purpose=upload.purpose,
            expires_at=None if upload.file_seconds is None else now + upload.file_seconds,
        )  # fmt: skip
        with disk_errors(self._store.folder), replace_file(self._store.place(file.id)) as out:
            for path in parts:
                with path.open("rb") as part:
                    while block := part.read(_N_COPY_BYTES):
                        digest.update(block)
                        out.write(block)
            if md5 and md5.lower() != digest.hexdigest():
                raise CallError("The md5 is another than that of the parts together.", param="md5")
        return self._store.add(file)

    def cancel(self, request: Request, upload_id: str) -> UploadObject:
        """End an upload, and forget its parts."""
        with self._store.hold():
            upload = self._find_pending(upload_id, whose(request))
            done = self._store.change(
                StoredUpload, upload.id, lambda one: one.model_copy(update={"state": "cancelled"})
            )
            drop_parts(self._store, upload.id)
        return self._tell(done or upload)

    def _find_pending(self, upload_id: str, owner: str) -> StoredUpload:
        upload = find_owned(self._store, StoredUpload, upload_id, owner)
        if upload.state != "pending" or upload.expires_at <= self._store.now():
            raise CallError(f"The upload is {upload.state}, or its hour is over.", code="upload_ended")
        return upload

    def _tell(self, upload: StoredUpload) -> UploadObject:
        file = self._store.find(StoredFile, upload.file_id) if upload.file_id else None
        return UploadObject(
            id=upload.id, bytes=upload.n_bytes, created_at=upload.created_at, expires_at=upload.expires_at,
            filename=upload.filename, purpose=upload.purpose, status=upload.state,
            file=tell_file(file) if file else None,
        )  # fmt: skip


def _read_expiry(form: Any) -> int | None:
    """Seconds that a file is to stay; `None`: until it is deleted."""
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    try:
        return FileExpiry.model_validate({"anchor": anchor, "seconds": int(str(seconds))}).seconds
    except ValueError as exc:
        raise CallError(
            "expires_after takes anchor=created_at and 3600 to 2592000 seconds.", param="expires_after"
        ) from exc


_BYTES: dict[str, Any] = {"type": "string", "format": "binary"}


def _describe_form(**fields: dict[str, Any]) -> dict[str, Any]:
    """A form in the OpenAPI, as its fields are read by hand; all of these are wanted, and others may stand there."""
    form = {"type": "object", "properties": fields, "required": sorted(fields)}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def add_file_routes(app: FastAPI, routes: FileRoutes, answers: dict[int | str, dict[str, Any]]) -> None:
    """Put the routes into an application.

    Args:
        answers: Errors that every route may answer with.
    """
    add, purpose = app.add_api_route, _PURPOSE.json_schema()
    add("/v1/files", routes.create, methods=["POST"], response_model=FileObject, responses=answers,
        openapi_extra=_describe_form(file=_BYTES, purpose=purpose))  # fmt: skip
    add("/v1/files", routes.list_files, response_model=ListPage[FileObject], responses=answers)
    add("/v1/files/{file_id}", routes.show, response_model=FileObject, responses=answers)
    add("/v1/files/{file_id}", routes.delete, methods=["DELETE"], response_model=Deleted, responses=answers)
    add("/v1/files/{file_id}/content", routes.content, response_class=FileResponse, responses=answers)
    add("/v1/uploads", routes.create_upload, methods=["POST"], response_model=UploadObject, responses=answers)
    add("/v1/uploads/{upload_id}/parts", routes.add_part, methods=["POST"], response_model=PartObject,
        responses=answers, openapi_extra=_describe_form(data=_BYTES))  # fmt: skip
    for name, call in (("complete", routes.complete), ("cancel", routes.cancel)):
        add(f"/v1/uploads/{{upload_id}}/{name}", call, methods=["POST"], response_model=UploadObject,
            responses=answers)  # fmt: skip
