"""From replies to responses: the two forms of the OpenAI API, whole and piece by piece.

This module asks no model and sends nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel

from econchatr.models.engines.llama_server import Chance, ReplyPiece
from econchatr.records import Pair
from econchatr.talk.server.openai_schema import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatLogprobs,
    ChatReply,
    CitedExcerpt,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    TokenLogprob,
    TopToken,
    Usage,
)
from econchatr.talk.server.replying import Telling, Told


class Form(Protocol):
    """How an answer is written down."""

    def whole(self, told: Sequence[Told]) -> BaseModel:
        """The answer at once."""

    def opening(self, place: int) -> BaseModel | None:
        """What is sent before the first piece of a reply, if anything."""

    def piece(self, place: int, piece: ReplyPiece) -> BaseModel:
        """A piece of a reply."""

    def closing(self, lasts: Sequence[ReplyPiece]) -> BaseModel:
        """What is sent last where the caller wants the usage: it, and no choice."""


class _Form:
    _prefix = ""

    def __init__(self, tellings: Sequence[Telling], fingerprint: str) -> None:
        self._tellings = tellings
        self._model = tellings[0].model.name
        self._fingerprint = f"{fingerprint}; {tellings[0].model.sha256[:16]}"
        self._id = self._prefix + secrets.token_hex(12)
        self._created = int(time.time())

    def _n_alternatives(self, place: int) -> int | None:
        return self._tellings[place].draw.n_alternatives

    def _excerpts(self, place: int) -> list[CitedExcerpt] | None:
        """The real turns that a reply was given, beside its words and never among them."""
        excerpts = self._tellings[place].excerpts
        return None if excerpts is None else [_cite(pair) for pair in excerpts]

    def _usage(self, lasts: Iterable[ReplyPiece]) -> Usage:
        """A prompt asked several times counts once."""
        read: dict[str, int] = {}
        n_written = 0
        for telling, last in zip(self._tellings, lasts, strict=True):
            read[telling.prompt] = last.n_prompt_tokens
            n_written += last.n_reply_tokens
        n_read = sum(read.values())
        return Usage(prompt_tokens=n_read, completion_tokens=n_written, total_tokens=n_read + n_written)


class ChatForm(_Form):
    """Messages."""

    _prefix = "chatcmpl-"

    def whole(self, told: Sequence[Told]) -> ChatCompletion:
        """The answer at once."""
        choices = [
            ChatChoice(
                index=place, message=ChatReply(content=item.text), finish_reason=_reason(item.last),
                logprobs=_chat_logprobs(item.chances, self._n_alternatives(place)), excerpts=self._excerpts(place),
            )
            for place, item in enumerate(told)
        ]  # fmt: skip
        return ChatCompletion(
            id=self._id, created=self._created, model=self._model, system_fingerprint=self._fingerprint,
            choices=choices, usage=self._usage(item.last for item in told),
        )  # fmt: skip

    def opening(self, place: int) -> ChatChunk:
        """Who speaks."""
        return self._chunk([ChatChunkChoice(index=place, delta={"role": "assistant", "content": ""})])

    def piece(self, place: int, piece: ReplyPiece) -> ChatChunk:
        """A piece of a reply."""
        logprobs = _chat_logprobs(piece.chances, self._n_alternatives(place)) if piece.chances else None
        return self._chunk(
            [
                ChatChunkChoice(
                    index=place, delta={"content": piece.text} if piece.text else {}, logprobs=logprobs,
                    finish_reason=_reason(piece) if piece.stop else None,
                    excerpts=self._excerpts(place) if piece.stop else None,
                )
            ]
        )  # fmt: skip

    def closing(self, lasts: Sequence[ReplyPiece]) -> ChatChunk:
        """The usage."""
        return self._chunk([]).model_copy(update={"usage": self._usage(lasts)})

    def _chunk(self, choices: list[ChatChunkChoice]) -> ChatChunk:
        return ChatChunk(
            id=self._id, created=self._created, model=self._model, system_fingerprint=self._fingerprint,
            choices=choices,
        )  # fmt: skip


class CompletionForm(_Form):
    """Bare text, the form of 2023."""

    _prefix = "cmpl-"

    def whole(self, told: Sequence[Told]) -> Completion:
        """The answer at once."""
        choices = [
            CompletionChoice(
                index=place, text=item.text, finish_reason=_reason(item.last),
                logprobs=_logprobs(item.chances, self._n_alternatives(place), len(self._tellings[place].lead)),
                excerpts=self._excerpts(place),
            )
            for place, item in enumerate(told)
        ]  # fmt: skip
        return self._completion(choices, self._usage(item.last for item in told))

    def opening(self, place: int) -> Completion | None:
        """What stands before the reply."""
        lead = self._tellings[place].lead
        return self._completion([CompletionChoice(index=place, text=lead, finish_reason=None)]) if lead else None

    def piece(self, place: int, piece: ReplyPiece) -> Completion:
        """A piece of a completion."""
        logprobs = _logprobs(piece.chances, self._n_alternatives(place), 0) if piece.chances else None
        reason, excerpts = (_reason(piece), self._excerpts(place)) if piece.stop else (None, None)
        choice = CompletionChoice(
            index=place, text=piece.text, finish_reason=reason, logprobs=logprobs, excerpts=excerpts
        )
        return self._completion([choice])

    def closing(self, lasts: Sequence[ReplyPiece]) -> Completion:
        """The usage."""
        return self._completion([], self._usage(lasts))

    def _completion(self, choices: list[CompletionChoice], usage: Usage | None = None) -> Completion:
        return Completion(
            id=self._id, created=self._created, model=self._model, system_fingerprint=self._fingerprint,
            choices=choices, usage=usage,
        )  # fmt: skip


def _cite(pair: Pair) -> CitedExcerpt:
    return CitedExcerpt(
        pair_id=pair.pair_id, episode=pair.slug, published=pair.published.isoformat() if pair.published else None,
        turn=int(pair.pair_id.rpartition("#")[2]), speaker=pair.reply_speaker, cue=pair.cue, text=pair.reply,
    )  # fmt: skip


def _reason(last: ReplyPiece) -> Literal["stop", "length"]:
    return "length" if last.stop == "length" else "stop"


def _chat_logprobs(chances: Iterable[Chance], n_alternatives: int | None) -> ChatLogprobs | None:
    if n_alternatives is None:
        return None
    return ChatLogprobs(
        content=[
            TokenLogprob(
                token=chance.text, logprob=chance.logprob, bytes=list(chance.raw),
                top_logprobs=[
                    TopToken(token=other.text, logprob=other.logprob, bytes=list(other.raw))
                    for other in chance.alternatives[:n_alternatives]
                ],
            )
            for chance in chances
        ]
    )  # fmt: skip


def _logprobs(chances: Sequence[Chance], n_alternatives: int | None, offset: int) -> CompletionLogprobs | None:
    if n_alternatives is None:
        return None
    offsets = []
    for chance in chances:
        offsets.append(offset)
        offset += len(chance.text)
    return CompletionLogprobs(
        tokens=[chance.text for chance in chances],
        token_logprobs=[chance.logprob for chance in chances],
        top_logprobs=[
            {other.text: other.logprob for other in chance.alternatives[:n_alternatives]} for chance in chances
        ],
        text_offset=offsets,
    )
