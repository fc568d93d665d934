"""The routes by which a training server's models are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from econchatr.ask.asker import GenerationLog
from econchatr.talk.server.openai_schema import ChatCompletion, ChatRequest, Completion, CompletionRequest, Health
from econchatr.talk.server.replying import CONTENT_TYPE, Answerer, Gauges
from econchatr.talk.server.request_guard import HEALTH_PATH
from econchatr.talk.server.routes import TalkRoutes
from econchatr.training_server.file_routes import whose
from econchatr.training_server.model_shelf import ModelShelf


class AnswerRoutes:
    """Answers of bases and tuned models; messages and texts reach a model as they come, without a line of ours."""

    def __init__(self, shelf: ModelShelf, log: Path) -> None:
        self._shelf, self._gauges = shelf, Gauges([])
        self._log = GenerationLog(log)

    async def _open(self, name: str, owner: str) -> TalkRoutes:
        found = self._shelf.find(name, owner)
        model = await self._shelf.open(found)
        return TalkRoutes(Answerer([model], None, log=self._log, gauges=self._gauges), found.label)

    async def chat(self, request: Request, body: ChatRequest) -> Response:
        """The next message of a conversation."""
        routes = await self._open(body.model, whose(request))
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


def add_answer_routes(app: FastAPI, routes: AnswerRoutes, answers: dict[int | str, dict[str, Any]]) -> None:
    """Put the routes into an application.

    Args:
        answers: Errors that every route may answer with.
    """
    for path, call, kind in (
        ("/v1/chat/completions", routes.chat, ChatCompletion),
        ("/v1/completions", routes.complete, Completion),
    ):
        app.add_api_route(
            path, call, methods=["POST"], response_model=None,
            responses={200: {"model": kind, "content": {"text/event-stream": {}}}, **answers},
        )  # fmt: skip
    app.add_api_route(HEALTH_PATH, routes.health, response_model=None, responses={200: {"model": Health}})
    app.add_api_route("/metrics", routes.metrics, response_class=Response)
