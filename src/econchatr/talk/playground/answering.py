"""Answers while they are written: several models side by side, each with its time, its tokens and its price.

A failure is shown as one and never as speech; one model's failure does not end the others. This module knows no page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, NamedTuple

from econchatr.errors import EconChatRError, InputError
from econchatr.models.engines.llama_server import N_CTX, ReplyPiece, ServedModel, SlotRequest
from econchatr.prompts import Voice, conversation, exchange_messages, persona_line, render_chat, without_question
from econchatr.records import Message, Pair, Variant
from econchatr.talk.playground.lookups import Evidence, Given, Library
from econchatr.talk.server.replying import Answerer, Telling
from econchatr.talk.session import TalkSettings, keep_recent

DEFAULTS = TalkSettings()
MAX_TOKENS = 1000
_TICK_SECONDS = 0.1
_SEEDS = 2**31

State = Literal["waiting", "writing", "done", "stopped", "failed"]


class DrawSettings(NamedTuple):
    """How a person wants answers drawn."""

    temperature: float = DEFAULTS.temperature
    max_tokens: int = DEFAULTS.max_tokens
    seed: int = 0

    def with_seed(self, seed: int) -> DrawSettings:
        """The same with another seed."""
        return self._replace(seed=seed % _SEEDS)


@dataclass(frozen=True)
class Answering:
    """One answer, as far as it has come."""

    model: str
    rung: str
    variant: Variant
    model_sha256: str
    seed: int
    prompt: str
    state: State = "waiting"
    text: str = ""
    error: str = ""
    first_seconds: float | None = None
    """Until its first token."""
    seconds: float | None = None
    """Until its last."""
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0
    is_cut: bool = False
    """Whether it reached the limit of tokens before it ended."""
    usd: Decimal | None = None
    given: tuple[Given, ...] = ()
    """Real turns that stood before the question."""
    evidence: Evidence | None = None
    """`None`: not looked up yet."""


def read_drawing(temperature: float | None, max_tokens: float | None, seed: float | None) -> DrawSettings:
    """What the page's fields say; a field left empty or far out is brought back to what is possible."""
    return DrawSettings(
        temperature=min(2.0, max(0.0, DEFAULTS.temperature if temperature is None else float(temperature))),
        max_tokens=int(min(MAX_TOKENS, max(1, DEFAULTS.max_tokens if max_tokens is None else max_tokens))),
        seed=int(seed or 0) % _SEEDS,
    )


def check_question(text: str) -> str:
    """The question without what surrounds it.

    Raises:
        InputError: Nothing was said, or far too much.
    """
    said = text.encode("utf-8", errors="replace").decode().strip()
    if not said:
        raise InputError("nothing was said.", hint="Type a question.")
    if len(said) > DEFAULTS.max_history_chars:
        raise InputError(
            f"{len(said):,} characters are too many for this model.",
            hint=f"Say it in at most {DEFAULTS.max_history_chars:,}.",
        )
    return said


class Planned(NamedTuple):
    """An answer to come."""

    telling: Telling
    given: tuple[Given, ...] = ()


def plan_answer(
    model: ServedModel, voice: Voice, said: str, drawing: DrawSettings, *, history: Sequence[Message] = (),
    real: Sequence[Pair] | None = None, given: Sequence[Given] = (), is_persona: bool = False, is_chosen: bool = True,
) -> Planned:  # fmt: skip
    """What is asked of a model: real turns, the latest exchanges that fit, then what is said now.

    Args:
        real: Real turns to put before it all, as in training; `None`: it is asked without any.
        given: The same as they are shown.
        is_persona: It is told in words how to speak, as the exam's reference row is.
        is_chosen: Whether it is the best of several draws, where the model's answers are; else it is the first draw.

    Raises:
        ModelError: The model's template does not work.
    """
    last = Message(role="user", content=said)
    before = exchange_messages(real or ())
    recent = keep_recent(history, [*before, last], max_chars=DEFAULTS.max_history_chars)
    messages = conversation([*before, *recent, last], voice)
    if is_persona:
        messages = (Message(role="system", content=persona_line(voice)), *messages[1:])
    draw = SlotRequest(
        max_tokens=min(drawing.max_tokens, N_CTX), temperature=drawing.temperature, seed=drawing.seed,
        repeat_penalty=DEFAULTS.repeat_penalty,
    )  # fmt: skip
    excerpts = None if real is None else tuple(real)
    telling = Telling(
        model, render_chat(messages, model.template), draw, said=said, excerpts=excerpts, frame=model.frame,
        is_chosen=is_chosen, bare=render_chat(without_question(conversation([*recent, last], voice)), model.template),
    )  # fmt: skip
    return Planned(telling, tuple(given))


def begin(planned: Planned) -> Answering:
    """An answer of which nothing has come yet."""
    telling = planned.telling
    model = telling.model
    return Answering(
        model=model.name, rung=model.rung, variant=model.variant, model_sha256=model.sha256, seed=telling.draw.seed,
        prompt=telling.prompt, given=planned.given,
    )  # fmt: skip


class Halt:
    """Ends the answers that one tab of one page is having written.

    The one who writes them shows how they end. So no late piece can show an answer as being written that was stopped.
    """

    def __init__(self) -> None:
        self.is_wanted = self.is_ending = False
        self._changed: asyncio.Event | None = None
        self._ended: asyncio.Event | None = None
        self._freed: asyncio.Event | None = None

    async def claim(self) -> bool:
        """Begin a question; False: one is being answered, and no other is answered beside it.

        Where the end of the last one is on its way to the page, or there already, it waits for the rest.
        """
        while self._freed is not None and not self._freed.is_set():
            if not self.is_ending:
                return False
            await self._freed.wait()
        self._freed, self.is_ending = asyncio.Event(), False
        return True

    def release(self) -> None:
        """End the question that was begun."""
        if self._freed is not None:
            self._freed.set()

    @contextmanager
    def watch(self, changed: asyncio.Event) -> Iterator[None]:
        """Answers are written until the block ends; `changed` is set when they are to end."""
        self.is_wanted = self.is_ending = False
        self._changed, self._ended = changed, (ended := asyncio.Event())
        try:
            yield
        finally:
            ended.set()

    async def stop(self) -> None:
        """End what is written, and wait until the last of it was shown; nothing where nothing is written."""
        if self._changed is not None and self._ended is not None and not self._ended.is_set():
            self.is_wanted = True
            self._changed.set()
            await self._ended.wait()


class Teller:
    """Writes answers, and looks up what the host said to each."""

    def __init__(self, answerer: Answerer, library: Library, usd_per_hour: dict[str, Decimal | None]) -> None:
        self._answerer, self._library, self._usd_per_hour = answerer, library, usd_per_hour
        # A repeatable answer has its server to itself in any case: in this line its time begins when its turn comes.
        self._lines: dict[int, asyncio.Lock] = {}

    async def plan(
        self, model: ServedModel, voice: Voice, said: str, drawing: DrawSettings, *, history: Sequence[Message] = (),
        grounds: bool, is_persona: bool = False,
    ) -> Planned:  # fmt: skip
        """What is asked of a model; where it is to be grounded, with the host's real turns before it.

        Raises:
            EconChatRError: The real turns cannot be looked up, or the model's template does not work.
        """
        real = await asyncio.to_thread(self._library.find_real, model.rung, said) if grounds else None
        given = [self._library.cite(pair) for pair in real or ()]
        return plan_answer(model, voice, said, drawing, history=history, real=real, given=given, is_persona=is_persona)

    async def find_nearest(self, rung: str, said: str) -> Given | None:
        """What the host really said that is nearest to a question; `None`: nothing shares a word with it.

        Raises:
            EconChatRError: It cannot be looked up.
        """
        return await asyncio.to_thread(self._library.find_nearest, rung, said)

    async def look_up(self, said: str, row: Answering) -> Answering:
        """An answer with the nearest thing the host really said."""
        if not row.text:
            return row
        return replace(row, evidence=await asyncio.to_thread(self._library.look_up, row.text, prompt=said))

    async def tell(self, planned: Sequence[Planned], halt: Halt | None = None) -> AsyncGenerator[list[Answering], None]:
        """All answers so far, again and again until all have come; whoever stops listening ends every one of them.

        Args:
            halt: What ends them before: then they come once more, as they were when they were stopped.
        """
        rows = [begin(one) for one in planned]
        changed = asyncio.Event()

        async def follow(place: int) -> None:
            try:
                async for row in self._follow(planned[place]):
                    rows[place] = row
                    changed.set()
            finally:
                changed.set()

        tasks = [asyncio.create_task(follow(place)) for place in range(len(planned))]
        halt = halt or Halt()
        try:
            with halt.watch(changed):
                yield list(rows)
                while not (all(task.done() for task in tasks) or halt.is_wanted):
                    await changed.wait()
                    changed.clear()
                    if not all(task.done() for task in tasks):  # the last piece comes below, once
                        yield list(rows)
                        await asyncio.sleep(_TICK_SECONDS)
                halt.is_ending = True
                yield stop_rows(rows) if halt.is_wanted else list(rows)
            for task in tasks if not halt.is_wanted else ():
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, planned: Planned) -> AsyncGenerator[Answering, None]:
        row, telling = begin(planned), planned.telling
        line = self._lines.setdefault(id(telling.model.slots), asyncio.Lock())
        try:
            async with line, aclosing(self._answerer.tell([telling])) as stream:
                start = time.monotonic()
                async for _, piece in stream:
                    row = self._add(row, piece, time.monotonic() - start)
                    yield row
        except EconChatRError as exc:
            yield replace(row, state="failed", error=f"{exc.message} {exc.hint}".strip())
            return
        yield replace(await self.look_up(telling.said, row), state="done")

    def _add(self, row: Answering, piece: ReplyPiece, seconds: float) -> Answering:
        row = replace(
            row, state="writing", text=row.text + piece.text,
            first_seconds=seconds if row.first_seconds is None else row.first_seconds,
        )  # fmt: skip
        if not piece.stop:
            return row
        per_hour = self._usd_per_hour.get(row.rung)
        return replace(
            row, seconds=seconds, n_prompt_tokens=piece.n_prompt_tokens, n_reply_tokens=piece.n_reply_tokens,
            is_cut=piece.stop == "length",
            usd=None if per_hour is None else per_hour * Decimal(str(round(seconds, 3))) / 3600,
        )  # fmt: skip


def stop_rows(rows: Sequence[Answering]) -> list[Answering]:
    """The answers of a generation that was stopped: each stays as it is; one whose last token had come is done."""
    return [
        replace(row, state="stopped" if row.seconds is None else "done") if row.state in ("waiting", "writing") else row
        for row in rows
    ]
