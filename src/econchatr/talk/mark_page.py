"""The page on which a person marks answers: its routes, behind the same guard as the other servers.

It knows neither shows nor models: it gets a deck of answers, and something that keeps marks.
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Protocol

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from econchatr.display import disarm, label_imitation
from econchatr.errors import EconChatRError
from econchatr.records import HandMark
from econchatr.report.pages import AnswerCard, MarkingDeck, render_marking_page
from econchatr.score.raters.filled_sheets import SentMark, tidy_name
from econchatr.talk.server.request_guard import Guard, GuardSettings

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
}


class MarkStore(Protocol):
    """What keeps marks."""

    def save(self, mark: HandMark) -> None:
        """Store a mark; it is on the disk when this returns."""

    def find(self, scorer: str) -> dict[str, float]:
        """Answer -> the mark this person gave it."""


def create_marking_app(deck: MarkingDeck, keeper: MarkStore, *, name: str = "") -> Guard:
    """Give the application that serves the page and takes its marks.

    Args:
        deck: What is shown.
        keeper: Where marks go.
        name: Of the person who marks; empty: the page asks.
    """
    known, page = {card.key for card in deck.cards}, render_marking_page(deck, name=" ".join(name.split()))

    def show_page(request: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    def list_answers(request: Request) -> Response:
        try:
            marks = keeper.find(tidy_name(request.query_params.get("scorer", "")))
        except ValueError as exc:
            return _refuse(HTTPStatus.BAD_REQUEST, str(exc))
        return _json([_harmless(card) | {"mark": marks.get(card.key)} for card in deck.cards])

    async def take_mark(request: Request) -> Response:
        try:
            sent = SentMark.model_validate_json(await request.body())
        except ValidationError as exc:
            return _refuse(HTTPStatus.BAD_REQUEST, str(exc.errors()[0]["msg"]))
        if sent.key not in known:
            return _refuse(HTTPStatus.NOT_FOUND, "no such answer: the models were asked anew, so load the page again")
        try:
            keeper.save(HandMark(key=sent.key, scorer=sent.scorer, value=float(sent.value)))
        except EconChatRError as exc:
            return _refuse(HTTPStatus.INTERNAL_SERVER_ERROR, exc.message)
        return _json({"saved": True})

    routes = [
        Route("/", show_page),
        Route("/answers", list_answers),
        Route("/marks", take_mark, methods=["POST"]),
    ]
    guarded = GuardSettings(label_imitation((deck.host,)), key="", is_public=False)
    return Guard(Starlette(routes=routes), guarded, lambda path, status: None)


def _harmless(card: AnswerCard) -> dict[str, object]:
    shown = {name: disarm(value) if isinstance(value, str) else value for name, value in asdict(card).items()}
    return shown | {"real": [disarm(text) for text in card.real]}


def _json(content: object) -> Response:
    return JSONResponse(content, headers=_HEADERS)


def _refuse(status: HTTPStatus, reason: str) -> Response:
    return JSONResponse({"reason": disarm(reason)}, status_code=status, headers=_HEADERS)
