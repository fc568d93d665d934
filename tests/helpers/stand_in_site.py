"""A web site on this machine that keeps its own log: who asked for what, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import NamedTuple


class Asked(NamedTuple):
    at: float
    path: str
    headers: dict[str, str]


class Said(NamedTuple):
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Script = Said | bytes | Callable[["Handler"], None]


class StandIn:
    """Answers by path; a list answers in turn, its last entry for ever. What is not scripted is 404."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, Script | list[Script]] = {}
        self.log: list[Asked] = []
        self.lock = threading.Lock()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.log if asked.path != "/robots.txt"]

    def gaps(self) -> list[float]:
        times = [asked.at for asked in self.log]
        return [later - earlier for earlier, later in pairwise(times)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    site: StandIn

    def do_GET(self) -> None:
        with self.site.lock:
            self.site.log.append(Asked(time.monotonic(), self.path, {k.lower(): v for k, v in self.headers.items()}))
            script = self.site.pages.get(self.path, Said(404, b"no such page"))
            if isinstance(script, list):
                script = script.pop(0) if len(script) > 1 else script[0]
        if callable(script):
            return script(self)
        said = Said(body=script) if isinstance(script, bytes) else script
        tag = next((value for key, value in said.headers if key.lower() == "etag"), "")
        if tag and self.headers.get("If-None-Match") == tag:
            said = Said(304, b"", said.headers)
        self.send_response(said.status)
        for key, value in said.headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the client hangs up on hostile pages, as it should


@contextmanager
def open_site() -> Iterator[StandIn]:
    handler = type("SiteHandler", (Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site = handler.site = StandIn(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def feed_of(site: StandIn, *items: str, people: str = "") -> str:
    """Put a small feed on the site; an item is `title|link|more`, and its page is there."""
    texts = []
    for item in items:
        title, link, more = (item + "||").split("|")[:3]
        texts.append(f"<item><title>{title}</title><guid>{title}</guid><link>{site.root}{link}</link>{more}</item>")
        site.pages.setdefault(link, f"<p>page of {title}</p>".encode())
    site.pages["/feed.xml"] = (
        '<rss version="2.0" xmlns:podcast="https://podcastindex.org/namespace/1.0"><channel><title>S</title>'
        f"{people}{''.join(texts)}</channel></rss>"
    ).encode()
    return site.root + "/feed.xml"
