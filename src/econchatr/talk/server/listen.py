"""A socket, and the server on it until somebody stops it.

It knows neither routes nor models.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NamedTuple

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from econchatr.errors import InputError
from econchatr.talk.server.request_guard import Guard, is_loopback

_BACKLOG = 128
_GRACE_SECONDS = 2
"""How long replies under way may go on when the server is stopped."""

_HEAP_SETTINGS: Final = {
    "MALLOC_TRIM_THRESHOLD_": (-1, 131_072),
    "MALLOC_MMAP_THRESHOLD_": (-3, 131_072),
    "MALLOC_ARENA_MAX": (-8, 1),
}
"""Names in the environment, numbers in malloc.h, and values, the first two in bytes. Source: mallopt(3) of glibc."""


def keep_memory_small() -> None:
    """Let the C library hand freed blocks back, and keep one heap for all threads to come.

    As it is, it keeps what was freed, in a heap for each few threads: a server that runs for days grows by that. What
    the environment sets stays.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # not glibc: its allocator decides for itself
    for name, (number, value) in _HEAP_SETTINGS.items():
        if name not in os.environ:
            mallopt(number, value)


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


def make_server(app: Guard) -> uvicorn.Server:
    """The server of an application, which does not run yet; every response of its own carries the label too."""
    config = uvicorn.Config(
        app, http=_label_protocol(app.label_header), log_level="warning", access_log=False, server_header=False,
        date_header=True, lifespan="on", timeout_graceful_shutdown=_GRACE_SECONDS, proxy_headers=False, ws="none",
    )  # fmt: skip
    return uvicorn.Server(config)


def _label_protocol(label: tuple[bytes, bytes]) -> type[H11Protocol]:
    class Labelled(H11Protocol):
        """What is no HTTP reaches no application: the protocol refuses it by itself."""

        def send_400_response(self, msg: str) -> None:
            body = msg.encode("ascii")
            headers = [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                label,
            ]
            start = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
            self.transport.close()

    return Labelled


def run_server(app: Guard, place: Place, announce: Callable[[], None]) -> None:
    """Serve until the process is told to stop, from the main thread.

    Args:
        announce: Tells the user where; whoever then stops the process is heeded.
    """
    server = make_server(app)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # Ctrl-C before the loop runs would raise in the middle of whatever runs then, where it can be lost.
    before = signal.signal(signal.SIGINT, stop)
    try:
        announce()
        server.run(sockets=[place.socket])
    finally:
        signal.signal(signal.SIGINT, before)
