"""A conversation, and the text as which the browser keeps it: a page that is loaded anew goes on where it was.

What the browser gives back may be anything: what is no conversation begins a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from econchatr.records import Message
from econchatr.talk.playground.answering import Answering, stop_rows

_MAX_KEPT: Final = 50
"""Exchanges."""
_MAX_CHARS: Final = 2_000_000


@dataclass(frozen=True)
class Exchange:
    """What was said, and what was answered."""

    said: str
    answer: Answering


class Talk(NamedTuple):
    """A conversation."""

    exchanges: tuple[Exchange, ...] = ()
    is_editing: bool = False
    """Whether what is sent next replaces the last exchange."""

    def before_next(self) -> Talk:
        """What stands before the question that is sent next."""
        return Talk(self.exchanges[:-1] if self.is_editing else self.exchanges)

    def add(self, said: str, answer: Answering) -> Talk:
        """The conversation with one exchange more."""
        return Talk((*self.exchanges, Exchange(said, answer)))

    def messages(self) -> list[Message]:
        """The conversation as a model reads it: a failure is never speech."""
        return [
            message
            for exchange in self.exchanges
            if exchange.answer.text.strip() and not exchange.answer.error
            for message in (
                Message(role="user", content=exchange.said),
                Message(role="assistant", content=exchange.answer.text),
            )
        ]


_EXCHANGES: Final = TypeAdapter(tuple[Exchange, ...])


def save_talk(talk: Talk) -> str:
    """The latest exchanges as JSON, without what is looked up anew: what the host really said."""
    return _EXCHANGES.dump_json(tuple(map(_without_evidence, talk.exchanges[-_MAX_KEPT:]))).decode()


def read_talk(saved: str) -> Talk:
    """The conversation of a saved text; an empty one where the text is none.

    >>> read_talk("[{}]"), read_talk("<script>")
    (Talk(exchanges=(), is_editing=False), Talk(exchanges=(), is_editing=False))
    """
    if not isinstance(saved, str) or len(saved) > _MAX_CHARS:
        return Talk()
    try:
        exchanges = _EXCHANGES.validate_json(saved or "[]")
    except ValidationError:
        return Talk()
    bare = tuple(map(_without_evidence, exchanges))
    answers = stop_rows([one.answer for one in bare])
    return Talk(tuple(replace(one, answer=answer) for one, answer in zip(bare, answers, strict=True)))


def _without_evidence(one: Exchange) -> Exchange:
    return replace(one, answer=replace(one.answer, evidence=None))
