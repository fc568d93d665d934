"""What every request passes before it is read, and the label that every response carries.

A page in the user's browser can send requests to this machine, and can make its own name point here. So the Host must
be one of this server's, an Origin must be the server's own, and beyond loopback a key is wanted. Which paths need none
is told by its settings.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LABEL_HEADER = "x-ai-imitation"
HEALTH_PATH = "/health"
_MAX_BODY_BYTES = 4_000_000
"""More than any prompt that fits a model; of a longer body nothing is kept."""
_MAX_DRAINED_BYTES = 64_000_000
"""So much of a body that is too long is read and thrown away: a client that still sends would not see the refusal."""
MAX_BODY_SECONDS = 30.0
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class OpenPath(NamedTuple):
    """A path for callers who have no key."""

    path: str
    max_body_bytes: int = 0


class GuardSettings(NamedTuple):
    """Who may ask."""

    label: str
    """What every response carries: whom the models imitate."""
    key: str
    """What a caller must show; empty: nothing."""
    is_public: bool
    """Whether the server can be reached from beyond this machine."""
    hosts: tuple[str, ...] = ()
    """Further names under which it is reached, in small letters."""
    callers: tuple[tuple[str, str], ...] = ()
    """Names and keys of callers who are told apart; the name stands in the request's state as `caller`."""
    uploads: tuple[str, ...] = ()
    """Beginnings of the paths whose bodies are files: these are handed on piece by piece."""
    max_upload_bytes: int = 0
    open_paths: tuple[OpenPath, ...] = (OpenPath(HEALTH_PATH),)
    """They need no key; Host and Origin are looked at all the same."""


class BodyError(Exception):
    """A file's body is too long or does not come to its end; raised where the application reads it."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class _Refusal(NamedTuple):
    status: HTTPStatus
    message: str
    code: str


class Guard:
    """The ASGI application around the one that answers."""

    def __init__(self, app: ASGIApp, settings: GuardSettings, on_response: Callable[[str, int], None]) -> None:
        self._app, self._settings, self._on_response = app, settings, on_response
        self._open = dict(settings.open_paths)
        # A header holds plain characters only; a name may hold any.
        self.label_header = (_LABEL_HEADER.encode(), quote(settings.label, safe=_PLAIN).encode("ascii"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_labelled(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self.label_header]
                self._on_response(scope["path"], message["status"])
            await send(message)

        refusal = self._find_refusal(scope)
        if refusal is None and self._settings.uploads and scope["path"].startswith(self._settings.uploads):
            await self._app(scope, _limit_body(receive, self._settings.max_upload_bytes), send_labelled)
            return
        if refusal is None:
            body = await _read_body(receive, self._open.get(scope["path"], _MAX_BODY_BYTES))
            if isinstance(body, bytes):
                await self._app(scope, replay_body(body, receive), send_labelled)
                return
            refusal = body
        await _refuse(refusal, send_labelled)

    def _find_refusal(self, scope: Scope) -> _Refusal | None:
        headers = _read_headers(scope)
        host = headers.get(b"host", [])
        if len(host) != 1 or not self._is_own(host[0]):
            return _Refusal(HTTPStatus.FORBIDDEN, "This server does not go by that Host.", "foreign_host")
        for origin in headers.get(b"origin", []):
            if not self._is_same(origin, host[0]):
                return _Refusal(HTTPStatus.FORBIDDEN, "Pages from elsewhere may not ask here.", "foreign_origin")
        if scope["path"] in self._open:
            return None
        caller = self._find_caller(headers)
        if caller is None:
            return _Refusal(HTTPStatus.UNAUTHORIZED, "Incorrect API key provided.", "invalid_api_key")
        scope.setdefault("state", {})["caller"] = caller
        return None

    def _is_own(self, host: str) -> bool:
        """An address is never a name that was made to point here, so any will do where the server is public."""
        name = _host_name(host)
        if is_loopback(name) or name in self._settings.hosts:
            return True
        if not self._settings.is_public:
            return False
        return _is_address(name) or name in (socket.gethostname().lower(), socket.getfqdn().lower())

    def _is_same(self, origin: str, host: str) -> bool:
        try:
            return urlsplit(origin).netloc.lower() == host.lower() and urlsplit(origin).scheme in ("http", "https")
        except ValueError:
            return False

    def _find_caller(self, headers: dict[bytes, list[str]]) -> str | None:
        """The name of whoever's key was shown, empty where none has one; `None`: a key is wanted, and none fits."""
        callers = (("", self._settings.key), *self._settings.callers) if self._settings.key else self._settings.callers
        found = None if callers else ""
        for shown in headers.get(b"authorization", []):
            scheme, _, key = shown.partition(" ")
            given = key.strip().encode("latin-1", "replace")
            for name, wanted in callers:  # every one of them, so that the time taken tells nothing
                if hmac.compare_digest(given, wanted.encode()) and scheme.lower() == "bearer":
                    found = name
        return found


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_headers(scope: Scope) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.lower(), []).append(value.decode("latin-1"))
    return found


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; empty where it makes no sense."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _read_body(receive: Receive, max_bytes: int) -> bytes | _Refusal:
    """The whole body, as long as it is neither too long nor too slow."""
    parts: list[bytes] = []
    n_bytes = 0
    try:
        async with asyncio.timeout(MAX_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return _Refusal(HTTPStatus.BAD_REQUEST, "The request broke off.", "broken_off")
                part = message.get("body", b"")
                n_bytes += len(part)
                if n_bytes <= max_bytes:
                    parts.append(part)
                if not message.get("more_body") or n_bytes > _MAX_DRAINED_BYTES:
                    break
    except TimeoutError:
        return _Refusal(HTTPStatus.REQUEST_TIMEOUT, "The request did not come to its end.", "timeout")
    if n_bytes > max_bytes:
        text = f"A request may have {max_bytes:,} bytes."
        return _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, "request_too_large")
    return b"".join(parts)


def _limit_body(receive: Receive, max_bytes: int) -> Receive:
    """A body that goes on as it comes, as long as it is neither too long nor pauses for too long."""
    n_bytes, is_whole = 0, False

    async def read() -> Message:
        nonlocal n_bytes, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout(MAX_BODY_SECONDS):
                message = await receive()
        except TimeoutError as exc:
            raise BodyError(HTTPStatus.REQUEST_TIMEOUT, "The request did not come to its end.") from exc
        n_bytes += len(message.get("body", b""))
        if n_bytes > max_bytes:
            raise BodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A file may have {max_bytes:,} bytes.")
        is_whole = not message.get("more_body")
        return message

    return read


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, and then whatever comes after it."""
    waiting = [body]

    async def read() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return read


async def _refuse(refusal: _Refusal, send: Send) -> None:
    error: dict[str, Any] = {
        "message": refusal.message, "type": "invalid_request_error", "param": None, "code": refusal.code,
    }  # fmt: skip
    body = json.dumps({"error": error}).encode()
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # What is left of a body that was not read must not be taken for the next request.
        (b"connection", b"close"),
    ]
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers = [*headers, (b"www-authenticate", b"Bearer")]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
