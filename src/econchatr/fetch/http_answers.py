"""One request and what comes of it: an answer or a fault, within limits of size and time.

This module does not wait, retry or follow: it asks when it is told to.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import httpx2

from econchatr.fetch.address_guard import UnsafeAddressError

LATER: Final = "Check the address and your connection, and run the same command again later; it goes on where it was."

FaultKind = Literal["refused", "missing", "forbidden", "unreachable", "busy", "unsafe", "large", "broken"]


@dataclass(frozen=True)
class Manners:
    """How gently a site is asked, and how much is taken from it."""

    delay_seconds: float = 3.0
    """From the end of one request to a host to the start of the next; robots.txt can only lengthen it."""
    timeout_seconds: float = 30.0
    """For one wait: to connect, or for the next bytes."""
    page_seconds: float = 120.0
    """For a whole page."""
    max_bytes: int = 32_000_000
    """Of a page, unpacked."""
    n_tries: int = 4
    max_wait_seconds: float = 900.0
    """A site that asks for a longer pause is left alone until the next run."""
    max_redirects: int = 5
    max_crawl_delay_seconds: float = 300.0


class FetchedPage(NamedTuple):
    """What came back, unpacked, with its headers."""

    address: str
    """As it was asked for."""
    location: str
    """Where it was found, after redirects."""
    status: int
    """200, or 304: not changed since."""
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of that name; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class Fault(NamedTuple):
    """Why there is no page."""

    kind: FaultKind
    message: str
    hint: str = ""


class HttpAnswer(NamedTuple):
    """One answer of a server; the body is there only with status 200."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of that name; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def ask_once(
    client: httpx2.Client, target: str, headers: Mapping[str, str], *, manners: Manners, clock: Callable[[], float]
) -> HttpAnswer | Fault:
    """What a host answers to one request; redirects are not followed, no cookie is kept."""
    try:
        with client.stream("GET", target, headers=dict(headers)) as response:
            # Only what is wanted is read: an error page's body is not.
            body = _read_body(target, response, manners, clock) if response.status_code == 200 else b""
            if isinstance(body, Fault):
                return body
            found = tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in response.headers.raw)
            return HttpAnswer(response.status_code, found, body)
    except UnsafeAddressError as exc:
        return Fault("unsafe", f"{show_address(target)} is not asked: {exc.message}", exc.hint)
    except httpx2.TimeoutException as exc:
        return Fault("unreachable", f"{show_address(target)} did not answer in time ({exc}).", LATER)
    except (httpx2.TransportError, httpx2.InvalidURL) as exc:
        return Fault("unreachable", f"{show_address(target)} cannot be reached: {exc}.", LATER)
    finally:
        client.cookies.clear()


def _read_body(target: str, response: httpx2.Response, manners: Manners, clock: Callable[[], float]) -> bytes | Fault:
    """The body, unpacked here: a packed one may be small and its content endless."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        return Fault("broken", f"{show_address(target)} came packed as {encoding[:40]!r}, which was not asked for.")
    limit = manners.max_bytes
    unpack = zlib.decompressobj(wbits=31) if encoding.endswith("gzip") else None
    body, n_received = bytearray(), 0
    end = clock() + manners.page_seconds
    for chunk in response.iter_raw():
        n_received += len(chunk)
        try:
            body += unpack.decompress(chunk, limit + 1 - len(body)) if unpack else chunk
        except zlib.error as exc:
            return Fault("broken", f"{show_address(target)} cannot be unpacked ({exc}).")
        if len(body) > limit or n_received > limit:
            return Fault("large", f"{show_address(target)} has more than {limit:,} bytes; no transcript has.")
        if clock() > end:
            return Fault("large", f"{show_address(target)} took more than {manners.page_seconds:g} seconds.")
    if unpack and not unpack.eof and n_received:
        return Fault("broken", f"{show_address(target)} ended in the middle.")
    return bytes(body)


def show_address(address: str) -> str:
    """An address as a message may hold it: not too long, nothing that steers a terminal."""
    return repr(address[:200]) if not address.isprintable() else address[:200]
