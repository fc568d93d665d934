"""The blind page on the server, for visitors without a key: it is handed out, and the filled sheets come back.

It knows neither shows nor cues: it gets something that has the page and takes sheets.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from econchatr.display import disarm
from econchatr.errors import BusyError, EconChatRError, InputError
from econchatr.talk.server.replying import Answerer
from econchatr.talk.server.request_guard import OpenPath

PAGE_PATH: Final = "/blind"
_SHEETS_PATH: Final = "/blind/guesses"
POST_TO: Final = "blind/guesses"
"""As the page names it: beside itself, so that it is found behind a proxy that serves all this under another path."""
_MAX_SHEET_BYTES: Final = 100_000
"""A sheet of 200 cues, the most there can be, has 15,000."""
OPEN_PATHS: Final = (OpenPath(PAGE_PATH), OpenPath(_SHEETS_PATH, _MAX_SHEET_BYTES))
SHEETS_PER_MINUTE: Final = 60
"""From all visitors together: behind a proxy they all come from one address."""
_MINUTE: Final = 60.0
_MAX_REASON: Final = 300
"""Characters: a reason may repeat what was sent."""
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
}

_log = logging.getLogger(__name__)


class SheetTaker(Protocol):
    """What has the page, and keeps what visitors send."""

    def page(self) -> str:
        """The page as it is handed out."""

    def take(self, data: bytes) -> None:
        """Keep a filled sheet; it is on the disk when this returns."""


def add_blind_page(taker: SheetTaker) -> Callable[[FastAPI, Answerer], None]:
    """Give what adds the page and the taking of sheets to the server; `OPEN_PATHS` says what needs no key."""
    taken_at: deque[float] = deque(maxlen=SHEETS_PER_MINUTE)

    async def show_page() -> Response:
        return HTMLResponse(await run_in_threadpool(taker.page), headers=_HEADERS)

    async def take_sheet(request: Request) -> Response:
        _take_turn(taken_at)
        try:
            await run_in_threadpool(taker.take, await request.body())
        except InputError as exc:
            raise HTTPException(HTTPStatus.BAD_REQUEST, _tell(exc), headers=_HEADERS) from exc
        except BusyError as exc:
            raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, _tell(exc), headers=_HEADERS) from exc
        except EconChatRError as exc:
            # It names files of this machine, which are nobody's business elsewhere.
            _log.error("a sheet was not kept: %s %s", exc.message, exc.hint)
            why = "the server could not keep it"
            raise HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, why, headers=_HEADERS) from exc
        return JSONResponse({"kept": True}, headers=_HEADERS)

    def add(app: FastAPI, answerer: Answerer) -> None:
        # Not in the description for programs: these two are the page's own affair.
        app.add_api_route(PAGE_PATH, show_page, response_class=HTMLResponse, include_in_schema=False)
        app.add_api_route(
            _SHEETS_PATH, take_sheet, methods=["POST"], response_class=JSONResponse, include_in_schema=False
        )

    return add


def _take_turn(taken_at: deque[float]) -> None:
    """Count one more sheet, good or bad, unless as many came within the last minute as may."""
    now = time.monotonic()
    if len(taken_at) == SHEETS_PER_MINUTE and (wait := taken_at[0] + _MINUTE - now) > 0:
        seconds = math.ceil(wait)
        headers = {**_HEADERS, "Retry-After": str(seconds)}
        raise HTTPException(
            HTTPStatus.TOO_MANY_REQUESTS, f"too many guesses at once; try again in {seconds} seconds", headers=headers
        )
    taken_at.append(now)


def _tell(exc: EconChatRError) -> str:
    return disarm(exc.message)[:_MAX_REASON].rstrip(".")
