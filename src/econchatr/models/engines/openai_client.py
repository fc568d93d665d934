"""A chat model behind any address that speaks OpenAI's `/chat/completions`: one message list in, one reply out.

No redirect is followed, so a key goes nowhere but to the address given; nothing is stored, and no message holds the
key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx2

from econchatr import __version__
from econchatr.display import hide_key
from econchatr.errors import InputError, ModelError
from econchatr.records import Message, Reply

_PASSING: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_BYTES: Final = 2_000_000
_MAX_WAIT_SECONDS: Final = 30.0


class ServedAddress(NamedTuple):
    """Where a served model answers, and how it is asked."""

    base_url: str
    """Up to and with `/v1`, or whatever stands before `/chat/completions`."""
    model: str
    key: str
    """Sent as a bearer token; empty: none is."""
    timeout_seconds: float = 60.0
    """For one whole answer."""
    n_tries: int = 3


def find_key(name: str, environment: Mapping[str, str]) -> str:
    """The key in the environment variable of that name; empty where no variable is named.

    Raises:
        InputError: The variable is not set.
    """
    key = environment.get(name, "").strip() if name else ""
    if name and not key:
        raise InputError(f"${name} is not set.", hint=f"export {name}=... with the service's key.")
    return key


class RemoteModel:
    """An open line to a served model."""

    def __init__(
        self,
        address: ServedAddress,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_served_address(address)
        self._address, self._sleep, self._clock = address, sleep, clock
        headers = {"User-Agent": f"econchatr/{__version__}", "Accept-Encoding": "identity"}
        if address.key:
            headers["Authorization"] = f"Bearer {address.key}"
        self._client = httpx2.Client(headers=headers, timeout=address.timeout_seconds, trust_env=False)
        self._target = address.base_url.rstrip("/") + "/chat/completions"

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def reply(self, messages: Sequence[Message], *, temperature: float, max_tokens: int, seed: int) -> Reply:
        """What the model says; a passing failure is tried again.

        Raises:
            ModelError: The address cannot be reached, is too slow, refuses, or answers something else than a reply.
        """
        body = {
            "model": self._address.model,
            "messages": [message.model_dump() for message in messages],
            "temperature": temperature,
            "max_tokens": max_tokens,
            "seed": seed,
        }
        for n_left in range(self._address.n_tries - 1, -1, -1):
            try:
                status, wait_seconds, text = self._post(body)
            except (httpx2.TransportError, httpx2.InvalidURL) as exc:
                fault, wait_seconds = f"cannot be reached: {type(exc).__name__}: {exc}", 0.0
            else:
                if status == 200:
                    return self._read(text)
                fault = f"answers with status {status}: {_read_fault(hide_key(text, self._address.key))}"
                if status not in _PASSING:
                    raise self._error(fault)
            if n_left:
                self._sleep(min(_MAX_WAIT_SECONDS, max(wait_seconds, 2.0 ** (self._address.n_tries - 1 - n_left))))
        raise self._error(f"{fault} (asked {self._address.n_tries} times)")

    def _post(self, body: object) -> tuple[int, float, str]:
        """Status, pause the server asks for in seconds, and text; never more than fits, never longer than allowed."""
        end, received = self._clock() + self._address.timeout_seconds, bytearray()
        with self._client.stream("POST", self._target, json=body) as response:
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > _MAX_BYTES:
                    raise self._error(f"answers with more than {_MAX_BYTES:,} bytes")
                if self._clock() > end:
                    raise httpx2.ReadTimeout(f"no whole answer within {self._address.timeout_seconds:g} seconds")
            wait = response.headers.get("retry-after", "")
            return response.status_code, float(wait) if wait.isdecimal() else 0.0, received.decode("utf-8", "replace")

    def _read(self, text: str) -> Reply:
        try:
            answer = json.loads(text)
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            said = choice["message"]["content"]
            if not isinstance(said, str):
                refusal = choice["message"].get("refusal")
                raise self._error(f"gives no text{f', but refuses: {refusal}' if isinstance(refusal, str) else ''}")
            return Reply(
                text=said,
                stop="length" if choice.get("finish_reason") == "length" else "end",
                n_prompt_tokens=int(usage.get("prompt_tokens") or 0),
                n_reply_tokens=int(usage.get("completion_tokens") or 0),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as exc:
            shown = hide_key(text, self._address.key)[:120]  # hidden first: half a key tells half a key
            raise self._error(f"answers something else than a chat completion: {shown!r}") from exc

    def _error(self, fault: str) -> ModelError:
        told = hide_key(f"{self._address.model} at {self._address.base_url} {fault}", self._address.key)
        return ModelError(
            "".join(char if char.isprintable() else " " for char in told)[:600].rstrip(".") + ".",
            hint="Check the address, the model's name and the key, or try again later.",
        )


def check_served_address(address: ServedAddress) -> None:
    """Refuse an address that is none, or that would give the key away.

    Raises:
        InputError: It is so.
    """
    try:
        parts = urlsplit(address.base_url)
        host = parts.hostname or ""
    except ValueError as exc:
        raise InputError(f"{address.base_url!r} is no address: {exc}.", hint="Like https://host/v1.") from exc
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise InputError(f"{address.base_url!r} is no address of a model.", hint="Like https://host/v1, and no more.")
    if parts.scheme == "http" and address.key and host not in _LOOPBACK:
        raise InputError(
            f"{address.base_url} would send the key unencrypted.", hint="Use https, or an address on this machine."
        )
    if not address.key.isascii() or not (address.key or "x").isprintable() or " " in address.key:
        raise InputError("the key holds characters no key has.", hint="Look at what the variable was set to.")


def _read_fault(text: str) -> str:
    """What a server says went wrong, as far as it can be made out."""
    try:
        fault = json.loads(text)["error"]
        return str(fault["message"] if isinstance(fault, dict) else fault)[:300]
    except (ValueError, KeyError, TypeError, RecursionError):
        return repr(text[:120])
