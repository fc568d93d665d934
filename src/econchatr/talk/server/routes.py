"""The routes: who is asked what, and how errors are told.

It knows no socket and no process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from econchatr import __version__
from econchatr.ask.asker import GenerationLog
from econchatr.ask.best_of import Chooser
from econchatr.ask.exam import GROUNDED_VARIANTS, TUNED_VARIANTS
from econchatr.display import label_imitation
from econchatr.errors import BusyError, EconChatRError, InputError, PromptTooLongError, UnknownModelError
from econchatr.models.engines.llama_server import ReplyPiece, ServedModel
from econchatr.prompts import Voice
from econchatr.talk.server.openai_responses import ChatForm, CompletionForm, Form
from econchatr.talk.server.openai_schema import (
    ChatCompletion,
    ChatMessage,
    ChatRequest,
    Completion,
    CompletionRequest,
    DrawRequest,
    ErrorBody,
    ErrorDetail,
    Health,
    ModelList,
    ModelObject,
    StreamOptions,
    TextFormat,
    TextPart,
)
from econchatr.talk.server.replying import CONTENT_TYPE, Answerer, Gauges, Telling, Told
from econchatr.talk.server.request_guard import HEALTH_PATH, Guard, GuardSettings, OpenPath
from econchatr.talk.session import Find, RealTurns

T = TypeVar("T")
_Responses: TypeAlias = dict[int | str, dict[str, Any]]

_log = logging.getLogger(__name__)

_PATHS = ("/v1/models", "/v1/chat/completions", "/v1/completions", HEALTH_PATH, "/metrics", "/openapi.json")
TALK_FIELDS = frozenset(
    name
    for asked in (ChatRequest, CompletionRequest, ChatMessage, TextPart, TextFormat, StreamOptions)
    for name in asked.model_fields
)
_EVENT = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
_HUNG_UP = 499
"""Nobody is there to read it; nginx's number for it."""
_ERRORS: tuple[tuple[type[EconChatRError], HTTPStatus, str, str | None], ...] = (
    (PromptTooLongError, HTTPStatus.BAD_REQUEST, "invalid_request_error", "context_length_exceeded"),
    (UnknownModelError, HTTPStatus.NOT_FOUND, "invalid_request_error", "model_not_found"),
    (InputError, HTTPStatus.BAD_REQUEST, "invalid_request_error", None),
    (BusyError, HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded"),
    (EconChatRError, HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", None),
)
"""Our errors as the OpenAI API tells them; the first that fits."""


class _HungUpError(Exception):
    """The caller has gone."""


def create_app(
    models: Sequence[ServedModel], voice: Voice, *, log: GenerationLog, key: str = "", is_public: bool = False,
    hosts: Sequence[str] = (), open_find: Callable[[str], Find] | None = None,
    choosers: Mapping[str, Chooser] = MappingProxyType({}),
    extend: Callable[[FastAPI, Answerer], None] | None = None, open_paths: Sequence[OpenPath] = (),
) -> Guard:  # fmt: skip
    """Give the application that serves `models` in the words of the OpenAI API.

    Args:
        log: Where every generation is kept.
        key: What a caller must show; empty: nothing.
        is_public: Whether it will be reached from beyond this machine.
        hosts: Names under which it is reached, beside this machine's own.
        open_find: By rung, what finds the real turns for models that are given some; called when it is first needed.
        choosers: By rung, what chooses among several draws of its tuned model.
        extend: Gets the application and what answers, to add pages behind the same guard.
        open_paths: Of those pages: what is asked for without the key.
    """
    gauges = Gauges(models)
    real_turns = RealTurns(open_find) if open_find else None
    answerer = Answerer(models, voice, log=log, gauges=gauges, real_turns=real_turns, choosers=choosers)
    label = label_imitation((voice.host,))

    app = FastAPI(
        title="EconChatR", version=__version__, description=f"{label}. In the words of the OpenAI API.",
        docs_url=None, redoc_url=None,  # both load scripts from elsewhere
    )  # fmt: skip
    _add_routes(app, TalkRoutes(answerer, label))
    add_errors(app)
    if extend:
        extend(app, answerer)
    guarded = GuardSettings(
        label, key, is_public, tuple(host.lower() for host in hosts), open_paths=(OpenPath(HEALTH_PATH), *open_paths)
    )
    known = (*_PATHS, *(one.path for one in open_paths))
    return Guard(app, guarded, lambda path, status: gauges.count_response(_known(path, known), status))


class TalkRoutes:
    """What a request to talk is answered by some models."""

    def __init__(self, answerer: Answerer, label: str, *, keep: Callable[[ChatCompletion], None] | None = None) -> None:
        """Take what answers.

        Args:
            keep: Gets each whole answer of a chat before the last of it is sent.
        """
        self._answerer, self._label, self._keep = answerer, label, keep
        self._started = int(time.time())

    async def list_models(self) -> ModelList:
        """Every model that can be asked."""
        return ModelList(data=[self._describe(model) for model in self._answerer.models.values()])

    async def show_model(self, model: str) -> ModelObject:
        """One model."""
        return self._describe(self._answerer.find(model))

    async def chat(self, request: Request, body: ChatRequest) -> Response:
        """The next message of a conversation."""
        tellings = await self._answerer.chat(body)
        return await self._answer(request, body, tellings, ChatForm(tellings, self._label))

    async def complete(self, request: Request, body: CompletionRequest) -> Response:
        """What follows a text; after one that ends in the host's name and "responds:", the host's reply."""
        tellings = await self._answerer.complete(body)
        return await self._answer(request, body, tellings, CompletionForm(tellings, self._label))

    async def health(self) -> Response:
        """Whether the models answer."""
        servers = {id(model.slots): model.slots for model in self._answerer.models.values()}
        is_well = all([await server.is_well() for server in servers.values()])
        health = Health(status="ok" if is_well else "failing")
        return _json(health, HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE)

    async def metrics(self) -> Response:
        """Counts, for Prometheus."""
        return Response(self._answerer.gauges.render(), media_type=CONTENT_TYPE)

    def _describe(self, model: ServedModel) -> ModelObject:
        kind = "trained" if model.variant in TUNED_VARIANTS else "the same before training"
        given = ", given real turns of the host with each question" if model.variant in GROUNDED_VARIANTS else ""
        description = f"{self._label}. {model.weights}, {kind}{given}."
        return ModelObject(id=model.name, created=self._started, description=description)

    async def _answer(self, request: Request, body: DrawRequest, tellings: list[Telling], form: Form) -> Response:
        if not body.stream:
            told = await _unless_hung_up(request, self._answerer.tell_whole(tellings))
            return _json(await self._whole(form, told), HTTPStatus.OK)
        has_usage = bool(body.stream_options and body.stream_options.include_usage)
        pieces = self._answerer.tell(tellings)
        try:
            # An error before the first piece is told as an error, not inside a stream that began well.
            first = await _unless_hung_up(request, anext(pieces))
        except BaseException:
            await pieces.aclose()
            raise
        events = self._events(first, pieces, form, len(tellings), has_usage=has_usage)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            # Runs when the last event is sent, and when the reader has gone: the generation ends with the reader.
            background=BackgroundTask(events.aclose),
        )  # fmt: skip

    async def _whole(self, form: Form, told: list[Told]) -> BaseModel:
        whole = form.whole(told)
        if self._keep and isinstance(whole, ChatCompletion):
            await asyncio.to_thread(self._keep, whole)
        return whole

    async def _events(
        self, first: tuple[int, ReplyPiece], rest: AsyncGenerator[tuple[int, ReplyPiece], None], form: Form,
        n_replies: int, *, has_usage: bool,
    ) -> AsyncGenerator[bytes, None]:  # fmt: skip
        told = [Told() for _ in range(n_replies)]

        def note(place: int, piece: ReplyPiece) -> bytes:
            if self._keep:
                told[place].add(piece)
            told[place].last = piece
            return _event(form.piece(place, piece))

        async with aclosing(rest):
            try:
                for place in range(n_replies):
                    if opening := form.opening(place):
                        yield _event(opening)
                yield note(*first)
                async for place, piece in rest:
                    yield note(place, piece)
                if has_usage:
                    yield _event(form.closing([one.last for one in told]))
                if self._keep:
                    await self._whole(form, told)
                yield b"data: [DONE]\n\n"
            except EconChatRError as exc:
                yield _event(_tell_error(exc)[1])


def _event(content: BaseModel) -> bytes:
    return b"data: " + content.model_dump_json().encode() + b"\n\n"


async def _unless_hung_up(request: Request, work: Awaitable[T]) -> T:
    """What the work gives; it is stopped when the caller goes away.

    Raises:
        _HungUpError: The caller has gone.
    """

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.create_task(watch())
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _HungUpError
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


# --- routes and errors ------------------------------------------------------------------------------------------------


def _add_routes(app: FastAPI, routes: TalkRoutes) -> None:
    asking: _Responses = {
        int(status): {"model": ErrorBody, "description": status.phrase}
        for status in (
            HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
            HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.INTERNAL_SERVER_ERROR,
        )
    }  # fmt: skip
    reading: _Responses = {status: asking[status] for status in (400, 401, 403, 404)}
    events: dict[str, Any] = {"content": {"text/event-stream": {"schema": _EVENT}}}
    failing: _Responses = {503: {"model": Health, "description": "The models do not answer."}}
    app.add_api_route("/v1/models", routes.list_models, response_model=ModelList, responses=reading)
    app.add_api_route("/v1/models/{model:path}", routes.show_model, response_model=ModelObject, responses=reading)
    app.add_api_route("/v1/chat/completions", routes.chat, methods=["POST"], response_model=None,
                      responses={200: {"model": ChatCompletion, **events}, **asking})  # fmt: skip
    app.add_api_route("/v1/completions", routes.complete, methods=["POST"], response_model=None,
                      responses={200: {"model": Completion, **events}, **asking})  # fmt: skip
    app.add_api_route(HEALTH_PATH, routes.health, response_model=None,
                      responses={200: {"model": Health}, **failing, **reading})  # fmt: skip
    counts = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    app.add_api_route("/metrics", routes.metrics, response_class=Response, responses={200: counts, **reading})


def add_errors(app: FastAPI, fields: frozenset[str] = TALK_FIELDS) -> None:
    """Let an application tell every error in the OpenAI API's shape.

    Args:
        fields: Names that an error may repeat; whatever else was sent is not sent back.
    """

    async def ours(_: Request, exc: Exception) -> Response:
        status, body = _tell_error(exc)
        headers = {"Retry-After": "2"} if status == HTTPStatus.TOO_MANY_REQUESTS else None
        return _json(body, status, headers)

    async def misread(_: Request, exc: Exception) -> Response:
        return _json(_tell_misread(exc, fields), HTTPStatus.BAD_REQUEST)

    async def of_http(request: Request, exc: Exception) -> Response:
        status, headers = getattr(exc, "status_code", 500), getattr(exc, "headers", None)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": ", ".join(sorted(_list_methods(app, request)))}
        kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
        return _json(_error(str(getattr(exc, "detail", "")) + ".", kind), status, headers)

    async def gone(_: Request, exc: Exception) -> Response:
        return Response(status_code=_HUNG_UP)

    async def unforeseen(_: Request, exc: Exception) -> Response:
        return _json(_error("The server made a mistake; its console says which.", "server_error"), 500)

    app.add_exception_handler(EconChatRError, ours)
    app.add_exception_handler(RequestValidationError, misread)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(_HungUpError, gone)
    app.add_exception_handler(Exception, unforeseen)


def _list_methods(app: FastAPI, request: Request) -> set[str]:
    """What a path can be asked with: starlette names the methods of the first of its routes only."""
    routes = [route for route in app.routes if isinstance(route, Route)]
    path = next((route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE), "")
    return {method for route in routes if route.path == path for method in route.methods or ()}


def _tell_error(exc: Exception) -> tuple[HTTPStatus, ErrorBody]:
    for kind, status, name, code in _ERRORS:
        if isinstance(exc, kind):
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                # It may name files of this machine, which are nobody's business elsewhere.
                _log.error("%s %s", getattr(exc, "message", ""), getattr(exc, "hint", ""))
                return status, _error("The model failed; the server's console says why.", name)
            return status, _error(f"{exc.message} {exc.hint}".strip(), name, code=code)
    raise exc


def _tell_misread(exc: Exception, fields: frozenset[str]) -> ErrorBody:
    """Name the first fault: which of our fields, what is wrong. What was sent, names included, is not sent back."""
    errors = exc.errors() if isinstance(exc, RequestValidationError) else []
    first: dict[str, Any] = errors[0] if errors else {"loc": (), "msg": "cannot be read"}
    place = ".".join(str(part) for part in first["loc"] if part in fields or isinstance(part, int))
    context = first.get("ctx", {})
    message = "is not supported here" if context.get("max_length") == 0 else str(first["msg"])
    if "expected_tags" in context:
        message = f"its type is none of {context['expected_tags']}"
    if first.get("type") == "json_invalid":
        return _error(f"The body is not JSON: {context.get('error', message)}.", "invalid_request_error")
    return _error(f"{place or 'The body'}: {message}.", "invalid_request_error", param=place or None)


def _error(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> ErrorBody:
    return ErrorBody(error=ErrorDetail(message=message, type=kind, param=param, code=code))


def _json(content: BaseModel, status: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(content.model_dump(), status_code=int(status), headers=headers)


def _known(path: str, paths: Sequence[str]) -> str:
    """A path that may become a label: one of ours, without the model's name."""
    return next(
        (known for known in paths if path == known), "/v1/models" if path.startswith("/v1/models/") else "other"
    )
