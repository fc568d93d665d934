"""Answer many callers at once through one llama.cpp server: one base file, every adapter for it, so many slots.

`llamacpp` answers one caller per server, so that an answer depends on nothing beside it; that is what the exam needs.
Here the slots of one server are computed together, which is what many people talking need.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx2

from econchatr.errors import BusyError, ModelError, PromptTooLongError
from econchatr.models.engines.llamacpp import MAX_SEED, ServerSettings, count_usable_cores, start_server, tell_start
from econchatr.models.files.gguf_file import GgufFile, read_gguf_file
from econchatr.prompts import ChatTemplate, Frame, reply_frame
from econchatr.records import Variant

N_CTX = 2048
"""Tokens of prompt and reply together, per slot."""
_N_BATCH = 256
"""Between two pieces of a prompt the other slots get their next token, and a caller who has hung up is noticed."""
_MAX_WAITING = 64
"""Requests that may wait for a slot."""
_NO_CHANCE = -9999.0
"""What the OpenAI API gives as the logarithm of no chance at all."""


class SlotRequest(NamedTuple):
    """How one reply is drawn."""

    max_tokens: int
    temperature: float
    seed: int
    is_repeatable: bool = True
    """Whether the same seed must give the same words: then nothing else is computed beside it, and nothing that was
    computed for an earlier prompt is used again. Both save time, but change the last bits, and now and then a word."""
    top_p: float = 1.0
    top_k: int = 0
    """0 is off, like 0 for `min_p`."""
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    """Texts before which the reply ends."""
    logit_bias: tuple[tuple[int, float], ...] = ()
    """What to add to the chances of which token."""
    n_alternatives: int | None = None
    """How many of the likeliest tokens to give beside each token; `None`: no chances at all."""


class Chance(NamedTuple):
    """A token and how likely it was."""

    text: str
    raw: bytes
    logprob: float
    """Natural logarithm, before temperature and the like."""
    alternatives: tuple[Chance, ...] = ()


class ReplyPiece(NamedTuple):
    """A piece of a reply as it comes; the last one has `stop`."""

    text: str
    chances: tuple[Chance, ...] = ()
    stop: Literal["end", "length"] | None = None
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0
    """Both known with the last piece."""


class SlotServer:
    """One base file and its adapters, open to be spoken to from one event loop."""

    def __init__(self, server: Any, *, key: str, base: GgufFile, n_adapters: int, n_slots: int) -> None:
        self._server, self._name, self._n_adapters, self._start = server, base.path.name, n_adapters, tell_start(base)
        self._longest_token = max(map(len, base.texts("tokenizer.ggml.tokens")), default=1)
        self._address = str(server.listening_address)
        self.turns = Turns(n_slots, max_waiting=_MAX_WAITING)
        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,  # a proxy of the user's must not come between
            timeout=None,  # a prompt may take its time; whoever hangs up ends the wait
            # A connection kept open may be closed by the other side in the moment of its next use.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def say(self, prompt: str, draw: SlotRequest, *, adapter: int | None) -> AsyncGenerator[ReplyPiece, None]:
        """Give what the model says after a rendered prompt, piece by piece.

        Whoever stops listening (closes the iterator, or is cancelled) ends the generation and frees its slot.

        Args:
            prompt: Its special tokens are read as such; none is added in front that it already has.
            adapter: Which of the adapters takes part; `None`: the base answers.

        Raises:
            BusyError: Too many are waiting already.
            PromptTooLongError: The prompt leaves no room in the context.
            ModelError: llama.cpp fails.
        """
        # A group of its own, whose like nobody else can have, has all slots to itself.
        group = object() if draw.is_repeatable else adapter
        async with aclosing(self._tell(prompt, draw, adapter, n_replies=1, group=group)) as told:
            async for _place, piece in told:
                yield piece

    async def say_often(
        self, prompt: str, draw: SlotRequest, n_replies: int, *, adapter: int | None
    ) -> AsyncGenerator[tuple[int, ReplyPiece], None]:
        """Give several replies to one prompt, computed together: pieces as they come, each with the place of its reply.

        No other request is computed beside them, so that the same arguments give the same replies.

        Args:
            draw: Its seed is that of the first reply; the next ones have the seeds that follow.
            n_replies: At most as many as there are slots.

        Raises:
            EconChatRError: As `say` does.
        """
        alone = draw._replace(is_repeatable=True)
        async with aclosing(self._tell(prompt, alone, adapter, n_replies=n_replies, group=object())) as told:
            async for place, piece in told:
                yield place, piece

    async def _tell(
        self, prompt: str, draw: SlotRequest, adapter: int | None, *, n_replies: int, group: Hashable
    ) -> AsyncGenerator[tuple[int, ReplyPiece], None]:
        # What cannot fit, whatever its tokens are, is refused before a megabyte is cut into them.
        at_least = -(-len(prompt) // self._longest_token)
        if at_least >= N_CTX:
            raise _too_long(f"at least {at_least:,}")
        async with self.turns.take(group):
            request = self._request(prompt, draw, adapter, n_replies)  # not while it waits: 64 of them may be long
            try:
                async with self._client.stream("POST", f"{self._address}/completion", content=request) as response:
                    if response.status_code != httpx2.codes.OK:
                        raise self._refusal(await response.aread())
                    async for told in self._read_pieces(response, n_replies):
                        yield told
            except httpx2.HTTPError as exc:
                raise ModelError(f"{self._name}: llama.cpp broke off its answer ({exc}).", hint="Try again.") from exc

    async def is_well(self) -> bool:
        """Tell whether llama.cpp answers."""
        try:
            response = await self._client.get(f"{self._address}/health", timeout=5)
        except httpx2.HTTPError:
            return False
        return bool(response.status_code == httpx2.codes.OK)

    def _request(self, prompt: str, draw: SlotRequest, adapter: int | None, n_replies: int) -> bytes:
        request: dict[str, Any] = {
            "prompt": prompt.removeprefix(self._start),  # llama.cpp puts it there
            "stream": True,
            "n": n_replies,
            "n_predict": draw.max_tokens,
            "seed": draw.seed % MAX_SEED,
            "cache_prompt": not draw.is_repeatable,
            "lora": [{"id": n, "scale": float(n == adapter)} for n in range(self._n_adapters)],
            "logit_bias": draw.logit_bias,
        }
        same = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty")
        request |= {name: getattr(draw, name) for name in same} | {"stop": list(draw.stop)}
        if draw.n_alternatives is not None:
            request["n_probs"] = max(1, draw.n_alternatives)
        # A lone half of a surrogate pair is no text: it becomes the sign for what cannot be read.
        return json.dumps(request, ensure_ascii=False).encode("utf-8", errors="replace")

    async def _read_pieces(self, response: httpx2.Response, n_replies: int) -> AsyncIterator[tuple[int, ReplyPiece]]:
        n_open = n_replies
        async for line in _read_lines(response):
            if line.startswith((b"error: ", b'data: {"error"')):
                raise self._refusal(line.partition(b": ")[2])
            if line.startswith(b"data: {"):
                told = json.loads(line.removeprefix(b"data: "))
                piece = _read_piece(told)
                yield int(told.get("index") or 0), piece
                n_open -= bool(piece.stop)
                if not n_open:
                    return
        raise ModelError(f"{self._name}: llama.cpp broke off its answer.", hint="Try again.")

    def _refusal(self, body: bytes) -> Exception:
        try:
            told = json.loads(body)
            told = told.get("error", told)
            if told.get("type") == "exceed_context_size_error":
                return _too_long(f"{int(told['n_prompt_tokens']):,}")
            message = str(told.get("message"))
        except (ValueError, KeyError, AttributeError):
            message = "no reason given"
        return ModelError(f"{self._name}: llama.cpp refuses: {message}.", hint="Change the request.")


class ServedModel(NamedTuple):
    """A name under which a slot server answers."""

    name: str
    rung: str
    variant: Variant
    slots: SlotServer
    adapter: int | None
    template: ChatTemplate
    identify: Callable[[Variant], str]
    """Gives the hash that an answer of a variant carries: a model may be given real turns with some questions only."""
    weights: str
    """Which weights these are, in words."""

    @property
    def frame(self) -> Frame:
        """What its form writes around a reply."""
        return reply_frame(self.template)

    @property
    def sha256(self) -> str:
        """The hash of the model as it is served."""
        return self.identify(self.variant)


@contextmanager
def open_slots(gguf: Path, *, adapters: Sequence[Path], n_slots: int, n_batch: int = _N_BATCH) -> Iterator[SlotServer]:
    """Open a GGUF file, with adapters made for it, until the block ends.

    Args:
        n_batch: Prompt tokens computed at once. The last bits of an answer to a longer prompt depend on it.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: A file is missing, damaged, or not for this base.
    """
    base, key = read_gguf_file(gguf), secrets.token_urlsafe(32)
    settings = ServerSettings(n_ctx=N_CTX, n_threads=count_usable_cores(), n_slots=n_slots, n_batch=n_batch)
    server = start_server(gguf, adapters, settings=settings, key=key)
    yield SlotServer(server, key=key, base=base, n_adapters=len(adapters), n_slots=n_slots)


async def _read_lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Lines as this protocol has them. httpx2's own also end at signs that stand unescaped in a reply's JSON."""
    rest = b""
    async for chunk in response.aiter_raw():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _too_long(n_tokens: str) -> PromptTooLongError:
    return PromptTooLongError(
        f"This model's maximum context length is {N_CTX:,} tokens; the prompt has {n_tokens}.",
        hint="Say it in fewer words, or leave out the oldest messages.",
    )


def _read_piece(told: dict[str, Any]) -> ReplyPiece:
    chances = tuple(_read_chance(item) for item in told.get("completion_probabilities") or ())
    piece = ReplyPiece(str(told.get("content") or ""), chances)
    if not told.get("stop"):
        return piece
    return piece._replace(
        stop="length" if told.get("stop_type") == "limit" else "end",
        n_prompt_tokens=int(told.get("tokens_evaluated") or 0),
        n_reply_tokens=int(told.get("tokens_predicted") or 0),
    )


def _read_chance(told: dict[str, Any]) -> Chance:
    logprob = told.get("logprob")
    return Chance(
        text=str(told.get("token") or ""),
        raw=bytes(told.get("bytes") or ()),
        logprob=_NO_CHANCE if logprob is None else max(float(logprob), _NO_CHANCE),
        alternatives=tuple(_read_chance(item) for item in told.get("top_logprobs") or ()),
    )


class _Waiting(NamedTuple):
    group: Hashable
    called: asyncio.Future[None]


class Turns:
    """So many places, given to one group at a time. For one event loop."""

    def __init__(self, n_places: int, *, max_waiting: int) -> None:
        self.n_places, self._max_waiting = n_places, max_waiting
        self._line: deque[_Waiting] = deque()
        self._group: Hashable = None
        self.n_busy = 0

    @property
    def n_waiting(self) -> int:
        """How many stand in the line."""
        return len(self._line)

    @asynccontextmanager
    async def take(self, group: Hashable) -> AsyncIterator[None]:
        """Hold a place until the block ends.

        Raises:
            BusyError: As many wait already as may wait.
        """
        await self._wait(group)
        try:
            yield
        finally:
            self.n_busy -= 1
            self._call()

    async def _wait(self, group: Hashable) -> None:
        waiting = _Waiting(group, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        self._call()
        if len(self._line) > self._max_waiting:
            self._line.remove(waiting)
            raise BusyError(f"{len(self._line)} requests are waiting already.", hint="Ask again in a moment.")
        try:
            await waiting.called
        except asyncio.CancelledError:
            if not waiting.called.cancelled():
                self.n_busy -= 1  # the place was given in the same moment: hand it back
            self._call()
            raise

    def _call(self) -> None:
        """Let in whoever's turn it is."""
        # Whoever gave up a moment ago may not have come to leave the line yet.
        self._line = deque(waiting for waiting in self._line if not waiting.called.cancelled())
        if self.n_busy == 0 and self._line:
            self._group = self._line[0].group
            for waiting in [waiting for waiting in self._line if waiting.group == self._group][: self.n_places]:
                self._let_in(waiting)
        while self._line and self.n_busy < self.n_places and self._line[0].group == self._group:
            self._let_in(self._line[0])

    def _let_in(self, waiting: _Waiting) -> None:
        self._line.remove(waiting)
        self.n_busy += 1
        waiting.called.set_result(None)
