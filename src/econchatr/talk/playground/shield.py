"""Around the page library: the addresses and events this page uses, and nothing else of what the library can do.

The library reads a file, or fetches an address, for whoever posts a record of one as an event's input. No input of
this page is a record, so no record is passed on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from econchatr.talk.server.request_guard import replay_body

HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store"}
_OPEN = (
    "/assets/", "/static/", "/theme.css", "/config", "/favicon.ico", "/manifest.json", "/gradio_api/info",
    "/gradio_api/queue/", "/gradio_api/heartbeat/", "/gradio_api/startup-events", "/gradio_api/cancel",
    "/gradio_api/reset", "/gradio_api/theme.css",
)  # fmt: skip
"""All of the page library's addresses that this page uses. Others read files, fetch addresses or take uploads."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)
"""What the browser may load: the page library needs inline scripts of its own; nothing may come from elsewhere."""
_REFUSED = "This page takes words, numbers and choices, and no files."


class Shield:
    """The ASGI application around the page library's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not _is_open(scope["path"]):
            await Response("Not found.", status_code=404, media_type="text/plain")(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            event = read_event(await _read_body(receive)) if scope["method"] == "POST" else None
            if event is None:
                refusal = JSONResponse({"detail": _REFUSED}, status_code=HTTPStatus.BAD_REQUEST)
                await refusal(scope, receive, send)
                return
            scope, receive = _with_body(scope, event), replay_body(event, receive)
        await self._app(scope, receive, _shield_answer(send))


def read_event(body: bytes) -> bytes | None:
    """What is passed on of a posted body, written anew; `None`: something in it is refused.

    `data` may hold words, numbers, yes, no, nothing, and lists of these. Of the other fields those of one value are
    passed on; no function of the page reads the rest.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    data = event.get("data", [])
    if not isinstance(data, list) or not all(_is_plain(item) for item in data):
        return None
    single: Mapping[str, Any] = {name: value for name, value in event.items() if not isinstance(value, list | dict)}
    # Written anew, the library cannot read the same bytes in another way than they were read here.
    return json.dumps({**single, "data": data} if "data" in event else single).encode("ascii")


def _is_plain(value: object) -> bool:
    parts = value if isinstance(value, list) else [value]
    return not any(isinstance(part, list | dict) for part in parts)


def _is_open(path: str) -> bool:
    return path == "/" or path.startswith(_OPEN)


async def _read_body(receive: Receive) -> bytes:
    """The whole body; the guard has limited it."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)


def _with_body(scope: Scope, body: bytes) -> Scope:
    told = {b"content-type": b"application/json", b"content-length": str(len(body)).encode()}
    kept = [item for item in scope["headers"] if item[0].lower() not in (*told, b"transfer-encoding")]
    return {**scope, "headers": [*kept, *told.items()]}


def _shield_answer(send: Send) -> Send:
    async def send_shielded(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = {b"content-security-policy": _POLICY.encode(), b"x-frame-options": b"SAMEORIGIN"}
            told |= {name.encode(): value.encode() for name, value in HEADERS.items() if name != "cache-control"}
            kept = [item for item in message.get("headers", ()) if item[0].lower() not in told]
            message["headers"] = [*kept, *told.items()]
        await send(message)

    return send_shielded
