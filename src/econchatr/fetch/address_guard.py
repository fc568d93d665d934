"""Keep requests away from addresses that a stranger's feed must not reach, and from connections that never end.

The check is made twice: on the address as written, and on the numeric address that is really connected to, so that a
name which resolves to something else the second time gains nothing. This module does not know why a page is wanted.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, TypeVar

import httpcore2
import httpx2

from econchatr.errors import SourceError

_MAX_ADDRESS_CHARS: Final = 2000
_PORTS: Final = frozenset({80, 443})
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # Source: RFC 6052, section 2.1.

Resolve = Callable[[str, int], list[str]]
E = TypeVar("E", bound=Exception)


class UnsafeAddressError(SourceError):
    """A name leads to loopback, to a private network, or to another place no feed may point to."""


def check_address(address: str, *, allow_hosts: Collection[str] = ()) -> str:
    """Why an address must not be asked, in words; empty when it may.

    Only http and https, without user name and password, on the usual ports; a host the user named in `allow_hosts` may
    have any port and any number.
    """
    if not address or len(address) > _MAX_ADDRESS_CHARS:
        return f"an address has 1 to {_MAX_ADDRESS_CHARS:,} characters, this one {len(address):,}"
    if not address.isprintable() or " " in address:
        return "it holds a blank or a control character"
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as exc:
        return f"it is no address ({exc})"
    if url.scheme not in ("http", "https"):
        return f"only http and https are asked, not {url.scheme or 'an address without a scheme'!r}"
    if not url.host:
        return "it names no host"
    if url.userinfo:
        return "it carries a user name or a password"
    host = url.raw_host.decode("ascii", "replace")
    if not _HOST.fullmatch(host):
        return f"{host[:80]!r} is no host"
    if is_named(host, allow_hosts):
        return ""
    if url.port not in (None, *_PORTS):
        return f"port {url.port} is not a web site's"
    return "" if is_public(host, if_name=True) else f"{host} is a private or reserved address"


def is_named(host: str, allow_hosts: Collection[str]) -> bool:
    """Whether the user's own config names this host."""
    return _fold(host) in {_fold(name) for name in allow_hosts}


def is_public(host: str, *, if_name: bool = False) -> bool:
    """Whether a numeric address is one of the open internet; `if_name` is the answer for a name."""
    try:
        ip = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return if_name
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
        if ip.ipv4_mapped:
            return True
    inward = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_unspecified
    return ip.is_global and not (inward or ip.is_reserved or ip.is_multicast)


def _fold(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()


def _resolve_name(host: str, port: int) -> list[str]:
    """The numeric addresses of a host, as this machine resolves it (decimal and octal forms included).

    Raises:
        OSError: The name is not known.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Deadline:
    """When the request now running must be over, headers and body together."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end: float | None = None

    def start(self, seconds: float) -> None:
        """Let a request begin that may take so long."""
        self._end = self._clock() + seconds

    def left(self, timeout: float | None, error: type[E]) -> float | None:
        """The smaller of `timeout` and the seconds left.

        Raises:
            Exception: `error`, when none are left.
        """
        if self._end is None:
            return timeout
        seconds = self._end - self._clock()
        if seconds <= 0:
            raise error("it took too long altogether")
        return seconds if timeout is None else min(seconds, timeout)


class _TimedStream(httpcore2.NetworkStream):
    """A connection on which each wait ends at the request's deadline: a server that drips cannot hold us."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        self._stream.write(buffer, self._deadline.left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Go on encrypted."""
        left = self._deadline.left(timeout, httpcore2.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._stream.get_extra_info(info)


class _GuardedBackend(httpcore2.NetworkBackend):
    """Resolves a name once, checks every number it got, and connects to one of those numbers."""

    def __init__(self, allow_hosts: Collection[str], resolve: Resolve, deadline: Deadline) -> None:
        self._allow_hosts = allow_hosts
        self._resolve = resolve
        self._deadline = deadline
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to a checked address.

        Raises:
            UnsafeAddressError: One of the host's addresses is not of the open internet.
        """
        numbers = self._numbers(host, port)
        for place, number in enumerate(numbers, start=1):
            left = self._deadline.left(timeout, httpcore2.ConnectTimeout)
            try:
                stream = self._plain.connect_tcp(number, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if place == len(numbers):
                    raise
            else:
                return _TimedStream(stream, self._deadline)
        raise httpcore2.ConnectError(f"{host} has no address")

    def _numbers(self, host: str, port: int) -> list[str]:
        try:
            numbers = self._resolve(host, port)
        except (OSError, UnicodeError) as exc:
            raise httpcore2.ConnectError(f"the name {host} is not known") from exc
        if not is_named(host, self._allow_hosts):
            for number in numbers:
                if not is_public(number):
                    raise UnsafeAddressError(
                        f"{host} leads to {number}, a private or reserved address.",
                        hint=f"If that host is yours, add {host!r} to allow_hosts under [fetch].",
                    )
        return numbers


class GuardedTransport(httpx2.BaseTransport):
    """The real network, for `PoliteClient`: no proxy, no cookie, no address that was not checked."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        page_seconds: float,
        allow_hosts: Collection[str] = (),
        resolve: Resolve = _resolve_name,
    ) -> None:
        self._deadline = Deadline(clock)
        self._page_seconds = page_seconds
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=1,
            network_backend=_GuardedBackend(allow_hosts, resolve, self._deadline),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask once.

        Raises:
            UnsafeAddressError: The host leads where no feed may point to.
        """
        url = httpcore2.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        asked = httpcore2.Request(
            request.method, url, headers=request.headers.raw, content=request.read(), extensions=request.extensions
        )
        self._deadline.start(self._page_seconds)
        try:
            answer = self._pool.handle_request(asked)
        except _NETWORK_ERRORS as exc:
            raise _translate(exc) from exc
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        """Hang up."""
        self._pool.close()


_NETWORK_ERRORS: Final = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


def _translate(error: Exception) -> httpx2.TransportError:
    if isinstance(error, httpcore2.TimeoutException):
        return httpx2.ReadTimeout(str(error))
    if isinstance(error, httpcore2.NetworkError):
        return httpx2.NetworkError(str(error))
    return httpx2.ProtocolError(str(error))


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_stream()
        except _NETWORK_ERRORS as exc:
            raise _translate(exc) from exc

    def close(self) -> None:
        self._answer.close()
