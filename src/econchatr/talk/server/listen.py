"""A socket, and the server on it until somebody stops it.

It knows neither routes nor models.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

import uvicorn
from starlette.types import ASGIApp

from econchatr.errors import InputError
from econchatr.talk.server.request_guard import is_loopback

_BACKLOG = 128
_GRACE_SECONDS = 2
"""How long replies under way may go on when the server is stopped."""


class Place(NamedTuple):
    """Where the server listens."""

    socket: socket.socket
    address: str
    """As a client writes it."""
    is_public: bool


@contextmanager
def take_place(host: str, port: int, *, key: str = "", needs_key: bool = True) -> Iterator[Place]:
    """Hold an address to listen on until the block ends.

    Args:
        port: 0: a free one.
        needs_key: Whether an address that is reached from elsewhere is refused without `key`; else the caller sees to
            that.

    Raises:
        InputError: The address is in use or is none of this machine's, or is reached from elsewhere and has no key.
    """
    is_public = not is_loopback(host)
    if is_public and needs_key and not key:
        raise InputError(
            f"{host} can be reached from other machines, and there is no key.",
            hint="Set ECONCHATR_SERVE_KEY, or leave --host away to serve this machine only.",
        )
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # Dual stack is left to the system: an address means itself.
        listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InputError(f"cannot listen on {host} port {port}: {reason}.", hint="Choose another --port.") from exc
    with listening:
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        yield Place(listening, f"http://{shown}:{listening.getsockname()[1]}", is_public)


def run_server(app: ASGIApp, place: Place) -> None:
    """Serve until the process is told to stop, from the main thread."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, date_header=True, lifespan="on",
        timeout_graceful_shutdown=_GRACE_SECONDS, proxy_headers=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # Ctrl-C before the loop runs would raise in the middle of its being built, where it can be lost.
    before = signal.signal(signal.SIGINT, stop)
    try:
        server.run(sockets=[place.socket])
    finally:
        signal.signal(signal.SIGINT, before)
