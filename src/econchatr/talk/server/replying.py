"""From a request to replies: which model, which prompt, how drawn; each reply logged and counted.

This module knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from econchatr import __version__
from econchatr.ask.asker import GenerationLog
from econchatr.ask.best_of import Chooser
from econchatr.ask.exam import GROUNDED_FORM, GROUNDED_VARIANTS, TUNED_VARIANTS
from econchatr.display import strip_controls
from econchatr.errors import BusyError, EconChatRError, InputError, ModelError, UnknownModelError
from econchatr.models.engines.llama_server import N_CTX, Chance, ReplyPiece, ServedModel, SlotRequest, SlotServer
from econchatr.models.engines.llamacpp import N_TOGETHER
from econchatr.prompts import (
    Frame,
    Voice,
    conversation,
    cue_2023,
    exchange_messages,
    render_chat,
    render_continuation,
    without_question,
)
from econchatr.records import Message, Pair, Reply
from econchatr.talk.server.openai_schema import ChatRequest, CompletionRequest, DrawRequest
from econchatr.talk.server.parting import part_replies
from econchatr.talk.session import RealTurns, TalkSettings

_DEFAULTS = TalkSettings()
_MAX_SHOWN_CHARS = 80
_SEEDS = 2**31
_MAX_SEED = 2**63
"""A whole number may have thousands of digits, more than can be written down again; seeds beyond this count from 0."""
_NOTHING = ReplyPiece("", stop="end")


class Telling(NamedTuple):
    """One reply to come."""

    model: ServedModel
    prompt: str
    draw: SlotRequest
    said: str
    """What the caller said, for the log."""
    lead: str = ""
    """What stands before the reply."""
    excerpts: tuple[Pair, ...] | None = None
    """Real turns in the prompt, as the model is given them; `None`: it is asked without any."""
    frame: Frame = Frame()
    """What the model writes around its reply; nothing where a text is continued as it is."""
    is_chosen: bool = True
    """Whether it is the best of several draws, where the model's answers are."""
    bare: str | None = None
    """The prompt without the last question, to compare draws with; `None`: nothing was said before the question."""


@dataclass
class Told:
    """A reply that has come."""

    text: str = ""
    chances: list[Chance] = field(default_factory=list)
    last: ReplyPiece = _NOTHING

    def add(self, piece: ReplyPiece) -> None:
        """Take in the next piece."""
        self.text += piece.text
        self.chances += piece.chances
        self.last = piece


class Answerer:
    """Every served model, with what all of them share."""

    def __init__(
        self, models: Sequence[ServedModel], voice: Voice | None, *, log: GenerationLog, gauges: Gauges,
        real_turns: RealTurns | None = None, choosers: Mapping[str, Chooser] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """Take the models, open.

        Args:
            choosers: By rung, what chooses among several draws of its tuned model.
            voice: Whose line stands before every conversation; `None`: messages and texts reach a model as they come.
        """
        self.models: Mapping[str, ServedModel] = {model.name: model for model in models}
        self.gauges = gauges
        self._voice, self._log, self._real_turns, self._choosers = voice, log, real_turns, choosers

    def find(self, name: str) -> ServedModel:
        """Give a model by its name.

        Raises:
            UnknownModelError: There is none of that name.
        """
        if name in self.models:
            return self.models[name]
        shown = strip_controls(name[:_MAX_SHOWN_CHARS], keeps_lines=False)
        raise UnknownModelError(f"there is no model {shown!r} here.", hint=f"There are: {', '.join(self.models)}.")

    async def chat(self, request: ChatRequest) -> list[Telling]:
        """The replies that a chat request asks for.

        Raises:
            UnknownModelError: There is no such model.
            InputError: The model's template does not take such a conversation.
            ShowFolderError: The real turns for it cannot be looked up.
        """
        model = self.find(request.model)
        messages = [
            Message(role="system" if message.role == "developer" else message.role, content=_whole(message.text))
            for message in request.messages
        ]
        asked = next((message.content for message in reversed(messages) if message.role == "user"), "")
        excerpts = await self._look_up(model, asked)
        try:
            prompt = self._render([*exchange_messages(excerpts or ()), *messages], model)
            bare = self._render(without_question(messages), model)
        except ModelError as exc:
            raise InputError(exc.message, hint="Let user and assistant speak in turn.") from exc
        n_alternatives = (request.top_logprobs or 0) if request.logprobs else None
        max_tokens = request.max_completion_tokens or request.max_tokens
        return [
            Telling(model, prompt, draw, said=messages[-1].content, excerpts=excerpts, frame=model.frame, bare=bare)
            for draw in _draws(request, max_tokens=max_tokens, n_alternatives=n_alternatives)
        ]

    def _render(self, messages: Sequence[Message], model: ServedModel) -> str:
        return render_chat(conversation(messages, self._voice) if self._voice else messages, model.template)

    async def complete(self, request: CompletionRequest) -> list[Telling]:
        """The replies that a completion request asks for: all of the first prompt, then all of the next.

        Raises:
            UnknownModelError: There is no such model.
            InputError: The model's template does not work.
            ShowFolderError: The real turns for it cannot be looked up.
        """
        model = self.find(request.model)
        draws = _draws(request, max_tokens=request.max_tokens, n_alternatives=request.logprobs)
        tellings = []
        prompts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        for text in map(_whole, prompts):
            question = cue_2023(text, self._voice) if self._voice else None
            excerpts = await self._look_up(model, question or "")
            try:
                prompt, lead = render_continuation(text, self._voice, model.template, earlier=excerpts or ())
            except ModelError as exc:
                raise InputError(exc.message, hint="Ask through the chat instead.") from exc
            # A text that is continued as it is holds no question that could explain an answer.
            is_answer = bool(lead)
            telling = Telling(
                model, prompt, draws[0], said=text, lead=text + lead if request.echo else lead, excerpts=excerpts,
                frame=model.frame if is_answer else Frame(), is_chosen=is_answer,
            )  # fmt: skip
            tellings += [telling._replace(draw=draw) for draw in draws]
        return tellings

    async def _look_up(self, model: ServedModel, question: str) -> tuple[Pair, ...] | None:
        """The real turns for a question, in a thread of their own; `None`: the model is asked without any."""
        if model.variant not in GROUNDED_VARIANTS or self._real_turns is None:
            return None
        # What is longer leaves no room in the context; a megabyte is not looked up word by word.
        asked = question[-_DEFAULTS.max_history_chars :]
        return await asyncio.to_thread(self._real_turns.find, model.rung, asked)

    async def tell(self, tellings: Sequence[Telling]) -> AsyncGenerator[tuple[int, ReplyPiece], None]:
        """Pieces of all the replies as they come, each with the place of its reply; logged before the last one.

        A reader who is slow does not hold a slot; one who stops reading ends every generation.

        Raises:
            EconChatRError: Whatever one of the replies raises; the others then end.
        """
        pieces: asyncio.Queue[tuple[int, ReplyPiece] | asyncio.Task[None]] = asyncio.Queue()

        # Turns go by request: only so many replies of one request stand in line together as leave a slot to others.
        # Replies that must have all slots to themselves stand there one at a time.
        are_alone = any(telling.draw.is_repeatable for telling in tellings)
        n_slots = min((telling.model.slots.turns.n_places for telling in tellings), default=1)
        own_turns = asyncio.Semaphore(1 if are_alone else max(1, n_slots - 1))

        async def pass_on(place: int, telling: Telling) -> None:
            chooser = self._find_chooser(telling)
            told = self._tell_best(telling, chooser) if chooser else self._tell_one(telling)
            async with own_turns, aclosing(told) as stream:
                async for piece in stream:
                    pieces.put_nowait((place, piece))

        tasks = [asyncio.create_task(pass_on(place, telling)) for place, telling in enumerate(tellings)]
        for task in tasks:
            task.add_done_callback(pieces.put_nowait)
        n_open = len(tasks)
        try:
            while n_open:
                item = await pieces.get()
                if isinstance(item, tuple):
                    yield item
                else:
                    n_open -= 1
                    item.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def tell_whole(self, tellings: Sequence[Telling]) -> list[Told]:
        """All the replies, when all have come.

        Raises:
            EconChatRError: Whatever one of the replies raises.
        """
        told = [Told(text=telling.lead) for telling in tellings]
        async with aclosing(self.tell(tellings)) as stream:
            async for place, piece in stream:
                told[place].add(piece)
        return told

    def _find_chooser(self, telling: Telling) -> Chooser | None:
        """What chooses among draws of a reply; `None`: it is drawn once, and comes piece by piece."""
        draw, model = telling.draw, telling.model
        if not telling.is_chosen or model.variant not in TUNED_VARIANTS:
            return None
        chooser = self._choosers.get(model.rung)
        # At temperature 0 all draws are one; likelihoods by token are told as they come.
        if chooser is None or not draw.temperature or draw.n_alternatives is not None:
            return None
        return chooser if telling.bare is None else chooser._replace(bare=telling.bare)

    async def _tell_best(self, telling: Telling, chooser: Chooser) -> AsyncGenerator[ReplyPiece, None]:
        """The best of several draws, in one piece; every draw is logged."""
        seeds, slots = chooser.list_seeds(telling.draw.seed), telling.model.slots
        n_lot = min(N_TOGETHER, slots.turns.n_places)
        drawn: list[Told] = []
        for start in range(0, len(seeds), n_lot):
            lot = [telling._replace(draw=telling.draw._replace(seed=seed)) for seed in seeds[start : start + n_lot]]
            said = slots.say_often(telling.prompt, _request_of(lot[0]), len(lot), adapter=telling.model.adapter)
            async with part_replies(said, len(lot)) as streams:
                heard = [asyncio.create_task(self._hear(*one)) for one in zip(lot, streams, strict=True)]
                try:
                    drawn += await asyncio.gather(*heard)
                finally:  # where one fails, the others would wait for pieces that nobody passes on any more
                    for task in heard:
                        task.cancel()
        best = drawn[await asyncio.to_thread(chooser.choose, telling.prompt, [one.text for one in drawn])]
        yield best.last._replace(text=best.text)

    async def _hear(self, telling: Telling, stream: AsyncGenerator[ReplyPiece, None]) -> Told:
        """A whole draw, from pieces that come anyway."""
        told = Told()
        async with aclosing(self._tell_one(telling, stream)) as pieces:
            async for piece in pieces:
                told.text += piece.text
                told.last = piece
        return told

    async def _tell_one(
        self, telling: Telling, stream: AsyncGenerator[ReplyPiece, None] | None = None
    ) -> AsyncGenerator[ReplyPiece, None]:
        """A reply piece by piece, counted and logged; of the stream given, else of one of its own."""
        start, text, ending, last = time.monotonic(), "", "hung up", _NOTHING
        model, n_pieces, frame = telling.model, 0, telling.frame
        try:
            stream = stream or model.slots.say(telling.prompt, _request_of(telling), adapter=model.adapter)
            async with aclosing(stream):
                async for piece in stream:
                    if frame.lead and not text:
                        piece = piece._replace(text=piece.text.lstrip())
                    if not n_pieces:
                        self.gauges.count_first(model.name, time.monotonic() - start)
                    n_pieces, text = n_pieces + 1, text + piece.text
                    if piece.stop:
                        await asyncio.to_thread(self._keep, telling, text, piece)
                        ending, last = piece.stop, piece
                    yield piece
        except EconChatRError as exc:
            ending = "refused" if isinstance(exc, InputError | BusyError) else "failed"
            raise
        finally:
            if text and ending in ("hung up", "failed"):
                self._log.add("", {**_row(telling), "reply": None, "error": ending, "text": text})
            self.gauges.count_reply(
                model.name, ending, seconds=time.monotonic() - start,
                n_prompt_tokens=last.n_prompt_tokens, n_reply_tokens=last.n_reply_tokens,
            )  # fmt: skip

    def _keep(self, telling: Telling, text: str, last: ReplyPiece) -> None:
        reply = Reply(
            text=text,
            stop="length" if last.stop == "length" else "end",
            n_prompt_tokens=last.n_prompt_tokens,
            n_reply_tokens=last.n_reply_tokens,
        )
        self._log.add("", {**_row(telling), "reply": reply.model_dump()})


def _request_of(telling: Telling) -> SlotRequest:
    """What a slot is asked for: the reply ends where its form says, too."""
    return telling.draw._replace(stop=(*telling.draw.stop, *telling.frame.stop))


def _row(telling: Telling) -> dict[str, object]:
    """What the log says of every reply, however it ended."""
    model, excerpts = telling.model, telling.excerpts
    variant = model.variant if excerpts is None else GROUNDED_FORM.get(model.variant, model.variant)
    made = {"variant": variant, "rung": model.rung, "model_sha256": model.identify(variant)}
    given = {} if excerpts is None else {"excerpts": [pair.pair_id for pair in excerpts]}
    return {**made, "seed": telling.draw.seed, "cue": telling.said, **given}


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can hold and no file."""
    return text.encode("utf-8", errors="replace").decode()


def _draws(request: DrawRequest, *, max_tokens: int | None, n_alternatives: int | None) -> list[SlotRequest]:
    """One per choice, with seeds that follow each other."""
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    first = secrets.randbelow(_SEEDS) if request.seed is None else request.seed % _MAX_SEED
    common = SlotRequest(
        seed=first,
        is_repeatable=request.seed is not None,
        max_tokens=min(max_tokens or _DEFAULTS.max_tokens, N_CTX),
        temperature=_or(request.temperature, _DEFAULTS.temperature),
        top_p=_or(request.top_p, 1.0),
        top_k=request.top_k or 0,
        min_p=request.min_p or 0.0,
        repeat_penalty=_or(request.repeat_penalty, _DEFAULTS.repeat_penalty),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        stop=tuple(stop),
        logit_bias=tuple((int(token), bias) for token, bias in (request.logit_bias or {}).items()),
        n_alternatives=n_alternatives,
    )
    return [common._replace(seed=first + n) for n in range(request.n or 1)]


def _or(given: float | None, default: float) -> float:
    return default if given is None else given


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60)


class Gauges:
    """The counters of one server."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._registry = CollectorRegistry()
        Gauge("econchatr_build", "The version that runs.", ["version"], registry=self._registry).labels(
            version=__version__
        ).set(1)
        self._responses = Counter(
            "econchatr_responses", "Responses by path and status.", ["path", "status"], registry=self._registry
        )
        self._replies = Counter(
            "econchatr_replies", "Replies by model and how they ended.", ["model", "ending"], registry=self._registry
        )
        self._tokens = Counter(
            "econchatr_tokens", "Tokens read and written, by model.", ["model", "kind"], registry=self._registry
        )
        self._first = Histogram(
            "econchatr_first_token_seconds", "From the request to the first token, waiting included.",
            ["model"], buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._whole = Histogram(
            "econchatr_reply_seconds", "From the request to the last token.",
            ["model"], buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._watch(list({id(model.slots): model.slots for model in models}.values()))

    def _watch(self, servers: list[SlotServer]) -> None:
        busy = Gauge("econchatr_busy_slots", "Replies being written now.", registry=self._registry)
        busy.set_function(lambda: sum(server.turns.n_busy for server in servers))
        waiting = Gauge("econchatr_waiting_requests", "Requests waiting for a slot.", registry=self._registry)
        waiting.set_function(lambda: sum(server.turns.n_waiting for server in servers))

    def count_response(self, path: str, status: int) -> None:
        """A response has begun; `path` is one of the server's own, or `other`."""
        self._responses.labels(path=path, status=str(status)).inc()

    def count_first(self, model: str, seconds: float) -> None:
        """A reply's first token has come."""
        self._first.labels(model=model).observe(seconds)

    def count_reply(
        self, model: str, ending: str, *, seconds: float, n_prompt_tokens: int = 0, n_reply_tokens: int = 0
    ) -> None:
        """A reply has ended: `end`, `length`, `refused`, `failed` or `hung up`."""
        self._replies.labels(model=model, ending=ending).inc()
        self._whole.labels(model=model).observe(seconds)
        self._tokens.labels(model=model, kind="prompt").inc(n_prompt_tokens)
        self._tokens.labels(model=model, kind="reply").inc(n_reply_tokens)

    def render(self) -> bytes:
        """Give all counts in Prometheus' text form."""
        return bytes(generate_latest(self._registry))
