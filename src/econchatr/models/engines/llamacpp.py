"""Answer through llama.cpp, inside this process: one base file, with the adapter switched on or off per request.

The server that runs inside listens on loopback only and wants a key that is drawn anew each time, so that no page in
the user's browser can speak to it.
"""

from __future__ import annotations

import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from econchatr.errors import MissingExtraError, ModelError
from econchatr.models.files.gguf_file import GgufFile, read_gguf_file
from econchatr.records import Reply, Sampling

_SPIN_COUNT = "1000"
"""Turns a waiting OpenMP thread makes before it sleeps."""
_SILENT = -1
"""llama.cpp's log level at which nothing reaches the terminal."""
_POST_SECONDS = 120
MAX_SEED = 0xFFFFFFFF
"""llama.cpp's sign for "draw a seed"; so seeds are taken modulo this number."""
_N_LIKELIEST = 50
N_TOGETHER = 4
"""Replies to one prompt drawn together: on two cores eight are no faster. Source: docs/experiments.md, "How many
draws"."""
_CERTAIN = 1000.0
"""What is added to a token's logit so that no other is drawn."""


class ServerSettings(NamedTuple):
    """How one llama.cpp server is set up."""

    n_ctx: int
    """Tokens of prompt and reply together, per slot."""
    n_threads: int
    n_slots: int = 1
    """Requests it computes together."""
    n_batch: int = 512
    """Prompt tokens it computes at once."""


class LlamaCpp:
    """A base model and its adapter, open to be spoken to by as many callers at once as there are servers."""

    def __init__(self, servers: Sequence[Any], *, key: str, name: str, has_adapter: bool, n_together: int = 1) -> None:
        self._key, self._name, self._has_adapter, self._n_lot = key, name, has_adapter, n_together
        self._free = SimpleQueue[Any]()
        for server in servers:
            self._free.put(server)
        self.n_at_once = len(servers)

    def close(self) -> None:
        """Stop every server: each stops when its last reference goes. No request may be under way."""
        while not self._free.empty():
            self._free.get()

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        """Give what the model says after a rendered prompt; the same arguments give the same text.

        Args:
            prompt: Special tokens written in the prompt are read as such; none is added.
            tuned: Whether the adapter takes part.
            on_text: Gets each piece of text as it comes.

        Raises:
            ModelError: The prompt is too long for the context, or llama.cpp fails.
        """
        request = self._request(prompt, sampling, tuned=tuned) | {"stream": on_text is not None}
        with self._take_server() as server:
            return _read_reply(self._ask(server, request, on_text), self._name)

    def reply_often(
        self,
        prompt: str,
        sampling: Sampling,
        n_replies: int,
        *,
        tuned: bool,
        on_text: Callable[[str], None] | None = None,
    ) -> list[Reply]:
        """Give several replies to one prompt, computed together; the same arguments give the same texts.

        The prompt is computed once, and each pass over the weights serves all replies. What is computed together rounds
        otherwise than what is computed alone, so a reply may differ from that of `reply` with the same seed.

        Args:
            sampling: Its seed is that of the first reply; the next ones have the seeds that follow.
            n_replies: More than the `n_together` that the model was opened with come in lots of so many.
            on_text: Gets each piece of text of any reply as it comes, so that a caller can stop all by raising.

        Raises:
            ModelError: The prompt is too long for the context, or llama.cpp fails.
        """
        request = self._request(prompt, sampling, tuned=tuned) | {"stream": True}
        replies = list[Reply]()
        with self._take_server() as server:
            for start in range(0, n_replies, self._n_lot):
                n_lot = min(self._n_lot, n_replies - start)
                pieces = self._ask(server, request | {"seed": sampling.seed + start, "n": n_lot}, on_text)
                replies += self._read_lot(pieces, n_lot)
        return replies

    def _read_lot(self, pieces: Sequence[dict[str, Any]], n_replies: int) -> list[Reply]:
        """Several replies from the pieces that llama.cpp gave."""
        faults = [piece for piece in pieces if not piece.get("choices")]
        return [
            _read_reply([*(one for one in pieces if _place_of(one) == place), *faults], self._name)
            for place in range(n_replies)
        ]

    def _request(self, prompt: str, sampling: Sampling, *, tuned: bool) -> dict[str, Any]:
        """What llama.cpp is asked for a reply."""
        if tuned and not self._has_adapter:
            raise ModelError(f"{self._name}: was opened without an adapter.", hint="Open it with the adapter.")
        request: dict[str, Any] = {
            "prompt": self.tokenize(prompt),
            "n_predict": sampling.max_tokens,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed % MAX_SEED,
            "temperature": sampling.temperature,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "repeat_penalty": sampling.repeat_penalty,
            "stop": list(sampling.stop),
            # What was computed for the prompt before could differ in the last bits with the length of the batch.
            "cache_prompt": False,
            "stream_options": {"include_usage": True},
        }
        return request | ({"lora": [{"id": 0, "scale": float(tuned)}]} if self._has_adapter else {})

    def tokenize(self, text: str) -> list[int]:
        """Give the token ids of a rendered prompt, as `reply` reads it.

        Raises:
            ModelError: llama.cpp fails.
        """
        told = self._post("tokenize", {"content": text, "add_special": False, "parse_special": True})
        return [int(token) for token in told["tokens"]]

    def weigh_tokens(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> list[tuple[float, float]]:
        """Give, for each of the tokens that follow a prompt, its log-probability and that of the likeliest there.

        The adapter takes part. A token that is not among the `_N_LIKELIEST` counts as the least likely of those.

        Raises:
            ModelError: llama.cpp fails.
        """
        # The server tells nothing of a token that is no whole character or ends the reply. So it has to say an `a`, and
        # tells how likely each token was before that was asked of it.
        forced = {"n_predict": 1, "temperature": 0, "logit_bias": [[self.tokenize("a")[-1], _CERTAIN]]}
        weighed = []
        for place, token in enumerate(ids):
            request = {"prompt": [*prompt_ids, *ids[:place]], "n_probs": _N_LIKELIEST, **forced}
            likeliest = self._post("completion", request)["completion_probabilities"][0]["top_logprobs"]
            logprobs = {int(item["id"]): float(item["logprob"]) for item in likeliest}
            weighed.append((logprobs.get(token, min(logprobs.values())), max(logprobs.values())))
        return weighed

    def apply_template(self, text: str) -> str:
        """Give what the file's own chat template makes of one question.

        Raises:
            ModelError: llama.cpp fails.
        """
        return str(self._post("apply-template", {"messages": [{"role": "user", "content": text}]})["prompt"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What one of the server's own addresses answers."""
        with self._take_server() as server:
            address = f"{server.listening_address}/{path}"
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            request = urllib.request.Request(address, json.dumps(body).encode(), headers)
            try:
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                with opener.open(request, timeout=_POST_SECONDS) as response:
                    told: dict[str, Any] = json.load(response)
                    return told
            except (OSError, ValueError) as exc:
                raise ModelError(f"{self._name}: llama.cpp refuses {path} ({exc}).", hint="Try again.") from exc

    @contextmanager
    def _take_server(self) -> Iterator[Any]:
        server = self._free.get()
        try:
            yield server
        finally:
            self._free.put(server)

    def _ask(self, server: Any, request: dict[str, Any], on_text: Callable[[str], None] | None) -> list[dict[str, Any]]:
        """Every piece that llama.cpp answers, parsed."""
        pieces: list[dict[str, Any]] = []
        failed: list[BaseException] = []

        def receive(text: str) -> bool:
            """Give True to stop: an exception must not pass through llama.cpp."""
            try:
                pieces.append(json.loads(text))
                if on_text and (said := _text_of(pieces[-1])):
                    on_text(said)
            except BaseException as exc:  # noqa: BLE001 - raised again below
                failed.append(exc)
                return True
            return False

        try:
            server.handle_completions(json.dumps(request), receive)
        except (RuntimeError, ValueError, TypeError) as exc:
            raise ModelError(f"{self._name}: llama.cpp failed ({exc}).", hint="Try again.") from exc
        if failed:
            raise failed[0]
        return pieces


@contextmanager
def open_llamacpp(
    gguf: Path, *, adapter: Path | None, n_ctx: int = 2048, n_at_once: int = 1, n_together: int = 1
) -> Iterator[LlamaCpp]:
    """Open a GGUF file, with an adapter beside it or not, until the block ends.

    Args:
        adapter: A GGUF adapter made for this base.
        n_ctx: Tokens of prompt and reply together.
        n_at_once: Requests to answer side by side, each with a server and its share of the cores: what a request gets
            does not depend on what is asked beside it, as it would within one server's batch.
        n_together: Replies to one prompt that a server computes together. Each has a context of its own in memory.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: A file is missing, damaged, or not for this base.
    """
    adapters = (adapter,) if adapter else ()
    key = secrets.token_urlsafe(32)
    n_threads = max(1, count_usable_cores() // n_at_once)
    settings = ServerSettings(n_ctx=n_ctx, n_threads=n_threads, n_slots=n_together)
    servers = [start_server(gguf, adapters, settings=settings, key=key) for _ in range(n_at_once)]
    model = LlamaCpp(servers, key=key, name=gguf.name, has_adapter=adapter is not None, n_together=n_together)
    try:
        yield model
    finally:
        model.close()


def start_server(gguf: Path, adapters: Sequence[Path], *, settings: ServerSettings, key: str) -> Any:
    """Give llama.cpp's server for a base and its adapters: inside this process, on loopback, for those with the key.

    It stops when its last reference goes.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: A file is missing, damaged, or not for this base.
    """
    for path in (gguf, *adapters):
        read_gguf_file(path)
    xllamacpp = _import_xllamacpp()
    loras = [xllamacpp.CommonAdapterLoraInfo() for _ in adapters]
    for lora, adapter in zip(loras, adapters, strict=True):
        lora.path, lora.scale = str(adapter), 1.0
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel = settings.n_slots
    params.n_ctx = settings.n_ctx * settings.n_slots
    params.n_batch = params.n_ubatch = settings.n_batch
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.n_threads
    params.cache_ram_mib = 0  # prompts of the past are not kept
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.cors_origins = "null"
    params.ui = False
    params.endpoint_slots = False
    params.warmup = False
    params.verbosity = _SILENT
    params.lora_adapters = loras
    try:
        server = xllamacpp.Server(params)
        # Stopped before its loop has begun, it would wait for that for ever: so it answers once before anybody has it.
        server.handle_completions(json.dumps({"prompt": "a", "n_predict": 1, "cache_prompt": False}), lambda _: False)
        return server
    except (RuntimeError, ValueError) as exc:
        beside = f" with {', '.join(adapter.name for adapter in adapters)}" if adapters else ""
        raise ModelError(
            f"{gguf}: llama.cpp cannot open it{beside} ({exc}).", hint="Check that the adapter is for this base."
        ) from exc


def tell_start(base: GgufFile) -> str:
    """Give the token that llama.cpp itself puts before every text, as text; empty: none.

    Source: llama.cpp/src/llama-vocab.cpp, `add_bos`, for files that do not say.
    """
    by_kind = base.text("tokenizer.ggml.model") == "llama" or base.text("tokenizer.ggml.pre") == "llama-bpe"
    tokens, place = base.texts("tokenizer.ggml.tokens"), base.number("tokenizer.ggml.bos_token_id")
    if base.metadata.get("tokenizer.ggml.add_bos_token", by_kind) is not True or place is None:
        return ""
    return tokens[int(place)] if 0 <= place < len(tokens) else ""


def _import_xllamacpp() -> Any:
    """Import it with OpenMP told to spin only briefly while it waits, which it reads once, when it is loaded.

    Left alone, a thread spins for milliseconds at every layer for the others. On a machine that is busy with anything
    else one token then takes seconds. Told not to spin at all, it is half as fast. Source: docs/experiments.md.
    """
    before = os.environ.get("GOMP_SPINCOUNT")
    os.environ["GOMP_SPINCOUNT"] = before or _SPIN_COUNT
    try:
        import xllamacpp
    except ModuleNotFoundError as exc:
        raise MissingExtraError("answering needs xllamacpp.", extra="local") from exc
    finally:
        if before is None:
            del os.environ["GOMP_SPINCOUNT"]
    return xllamacpp


def count_usable_cores() -> int:
    """Give how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text_of(piece: dict[str, Any]) -> str:
    return "".join(str(choice.get("text") or "") for choice in piece.get("choices", ()))


def _place_of(piece: dict[str, Any]) -> int | None:
    """Which of several replies a piece belongs to; `None`: it belongs to none."""
    return next((int(choice["index"]) for choice in piece.get("choices", ())), None)


def _read_reply(pieces: list[dict[str, Any]], name: str) -> Reply:
    for piece in pieces:
        if "error" in piece or "code" in piece:
            told = piece.get("error", piece)
            message = told.get("message") if isinstance(told, dict) else told
            raise ModelError(f"{name}: llama.cpp refuses: {message}.", hint="Shorten the question.")
    reasons = [choice.get("finish_reason") for piece in pieces for choice in piece.get("choices", ())]
    usage = next((piece["usage"] for piece in reversed(pieces) if piece.get("usage")), None)
    reason = next((reason for reason in reversed(reasons) if reason), None)
    if usage is None or reason is None:
        raise ModelError(f"{name}: llama.cpp broke off its answer.", hint="Try again.")
    return Reply(
        text="".join(_text_of(piece) for piece in pieces),
        stop="length" if reason == "length" else "end",
        n_prompt_tokens=int(usage["prompt_tokens"]),
        n_reply_tokens=int(usage["completion_tokens"]),
    )
