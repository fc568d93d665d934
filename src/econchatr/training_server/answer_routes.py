"""The routes by which a training server's models are asked, and by which answers that were kept are read again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from econchatr.ask.asker import GenerationLog
from econchatr.talk.server.openai_schema import ChatCompletion, Completion, CompletionRequest, Health
from econchatr.talk.server.replying import CONTENT_TYPE, Answerer, Gauges
from econchatr.talk.server.request_guard import HEALTH_PATH
from econchatr.talk.server.routes import TalkRoutes
from econchatr.training_server.answer_store import AnswerStore
from econchatr.training_server.file_routes import page_of, read_wanted_metadata, whose
from econchatr.training_server.job_schema import (
    Deleted,
    ListPage,
    MetadataOrder,
    StoredCompletion,
    StoredMessage,
    StoringChatRequest,
)
from econchatr.training_server.job_store import PageAsk
from econchatr.training_server.model_shelf import ModelShelf

_PAGE = 20
_MAX_PAGE = 100
_Limit = Annotated[int, Query(ge=0, le=_MAX_PAGE)]
_Order = Literal["asc", "desc"]


class AnswerRoutes:
    """Answers of bases and tuned models; messages and texts reach a model as they come, without a line of ours."""

    def __init__(self, shelf: ModelShelf, log: Path, answers: AnswerStore) -> None:
        self._shelf, self._gauges, self._answers = shelf, Gauges([]), answers
        self._log = GenerationLog(log)

    async def _open(self, name: str, owner: str, asked: StoringChatRequest | None = None) -> TalkRoutes:
        found = self._shelf.find(name, owner)
        model = await self._shelf.open(found)
        keep = partial(self._answers.keep, asked=asked, owner=owner) if asked else None
        return TalkRoutes(Answerer([model], None, log=self._log, gauges=self._gauges), found.label, keep=keep)

    async def chat(self, request: Request, body: StoringChatRequest) -> Response:
        """The next message of a conversation; with `store` it is kept."""
        owner = whose(request)
        if body.store:
            await run_in_threadpool(self._answers.check_room, owner)
        routes = await self._open(body.model, owner, body if body.store else None)
        return await routes.chat(request, body)

    async def complete(self, request: Request, body: CompletionRequest) -> Response:
        """What follows a text."""
        routes = await self._open(body.model, whose(request))
        return await routes.complete(request, body)

    async def health(self) -> Response:
        """Whether the open models answer."""
        is_well = await self._shelf.is_well()
        return JSONResponse({"status": "ok" if is_well else "failing"}, status_code=200 if is_well else 503)

    async def metrics(self) -> Response:
        """Counts, for Prometheus."""
        return Response(self._gauges.render(), media_type=CONTENT_TYPE)

    # --- kept answers

    def list_answers(
        self, request: Request, after: str | None = None, limit: _Limit = _PAGE, model: str | None = None,
        order: _Order = "asc",
    ) -> ListPage[StoredCompletion]:  # fmt: skip
        """The caller's kept answers, the oldest first: all, a model's, or those with `metadata[k]=v`."""
        rows, has_more = self._answers.read_page(
            whose(request), PageAsk(after, limit or _PAGE, is_oldest_first=order == "asc"),
            model=model, metadata=read_wanted_metadata(request),
        )  # fmt: skip
        return ListPage[StoredCompletion].of(rows, has_more=has_more)

    def show_answer(self, request: Request, completion_id: str) -> StoredCompletion:
        """A kept answer."""
        return self._answers.find(completion_id, whose(request))

    def change_answer(self, request: Request, completion_id: str, body: MetadataOrder) -> StoredCompletion:
        """Give a kept answer other metadata."""
        return self._answers.change_metadata(completion_id, whose(request), body.metadata)

    def delete_answer(self, request: Request, completion_id: str) -> Deleted:
        """Forget a kept answer, and what was asked."""
        self._answers.remove(completion_id, whose(request))
        return Deleted(id=completion_id, object="chat.completion.deleted")

    def list_messages(
        self, request: Request, completion_id: str, after: str | None = None, limit: _Limit = _PAGE,
        order: _Order = "asc",
    ) -> ListPage[StoredMessage]:  # fmt: skip
        """The messages that were sent for a kept answer."""
        rows = self._answers.list_messages(completion_id, whose(request))
        if order == "desc":
            rows.reverse()
        if after is not None:
            places = [place for place, row in enumerate(rows) if row.id == after]
            rows = rows[places[0] + 1 :] if places else []
        shown, has_more = page_of(rows, limit or _PAGE)
        return ListPage[StoredMessage].of(shown, has_more=has_more)


def add_answer_routes(app: FastAPI, routes: AnswerRoutes, answers: dict[int | str, dict[str, Any]]) -> None:
    """Put the routes into an application.

    Args:
        answers: Errors that every route may answer with.
    """
    add, kept, one = app.add_api_route, "/v1/chat/completions", "/v1/chat/completions/{completion_id}"
    for path, call, kind in ((kept, routes.chat, ChatCompletion), ("/v1/completions", routes.complete, Completion)):
        add(
            path, call, methods=["POST"], response_model=None,
            responses={200: {"model": kind, "content": {"text/event-stream": {}}}, **answers},
        )  # fmt: skip
    add(kept, routes.list_answers, response_model=ListPage[StoredCompletion], responses=answers)
    add(one, routes.show_answer, response_model=StoredCompletion, responses=answers)
    add(one, routes.change_answer, methods=["POST"], response_model=StoredCompletion, responses=answers)
    add(one, routes.delete_answer, methods=["DELETE"], response_model=Deleted, responses=answers)
    add(f"{one}/messages", routes.list_messages, response_model=ListPage[StoredMessage], responses=answers)
    add(HEALTH_PATH, routes.health, response_model=None, responses={200: {"model": Health}})
    add("/metrics", routes.metrics, response_class=Response)
