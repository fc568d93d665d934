"""Calls of a training service that never repeat by themselves: what came back, or what went wrong in plain words.

The openai package sends them, to services of other shapes too. It repeats a POST whose answer is lost, and so makes two
jobs. It takes a page of HTML for an answer, and a cut one for an error of its own. So it only sends here; repeating and
reading are done by this module.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from econchatr.display import hide_key
from econchatr.errors import InputError, MissingExtraError, ModelError, RefusedError
from econchatr.hosted.profiles import Profile
from econchatr.models.engines.openai_client import ServedAddress, check_served_address
from econchatr.tables import replace_file

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

Request = Callable[["OpenAI"], Any]
"""Sends one request through the SDK and gives its raw response."""

_N_TRIES: Final = 5
_MAX_WAIT_SECONDS: Final = 60.0
_MAX_PAGES: Final = 200
_MAX_DOWNLOAD_BYTES: Final = 20_000_000_000
_MIN_KEY_CHARS: Final = 16
"""What is shorter is a word that stands for no key, like `none`, and may be a word of the answer too."""
_PASSING: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_CERTAIN: Final = frozenset({429, 503})
"""Passing failures after which it is certain that nothing was made."""
_HINTS: Final = {
    401: "Look at the key in ${key_env}.",
    402: "Pay there, or raise the limit of the account, and run again.",
    403: "This account may not do that there{open_to}.",
    404: "Look at the model's name and at base_url in profiles.toml.",
    410: "The service no longer offers this: take the rung off the ladder, or name another service.",
}


class CallFault(NamedTuple):
    """Why a request gave no answer."""

    status: int | None
    """`None`: there was no whole answer."""
    told: str
    is_passing: bool
    """Whether the same request may succeed later."""
    may_have_arrived: bool
    """Whether the service may have done what it was asked."""
    wait_seconds: float = 0.0
    body: str = ""
    """The refusal as it came, cut to 2,000 characters."""


def plain_request(
    verb: Literal["GET", "POST", "DELETE"],
    path: str,
    *,
    body: Any = None,
    file: tuple[str, bytes] | None = None,
    is_form: bool = False,
    params: dict[str, Any] | None = None,
) -> Request:
    """A request of no shape that the SDK knows.

    Args:
        path: Below the profile's address: `/fine-tunes`; or a whole address.
        body: Sent as JSON, or as a form's fields.
        file: Name and content of the form's field `file`.
    """

    def send(client: Any) -> Any:
        import httpx2

        options: dict[str, Any] = {"params": params or {}}
        if verb == "POST":
            if is_form or file:
                options["headers"] = {"Content-Type": "multipart/form-data"}
            files = {"file": file} if file else None
            return client.post(path, cast_to=httpx2.Response, body=body, files=files, options=options)
        return (client.get if verb == "GET" else client.delete)(path, cast_to=httpx2.Response, options=options)

    return send


class ServiceCalls:
    """An open line to one service."""

    def __init__(
        self,
        profile: Profile,
        key: str,
        *,
        today: date,
        timeout_seconds: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        check_served_address(ServedAddress(profile.base_url, "", key))
        self.profile, self.sleep, self.today = profile, sleep, today
        self._key, self._timeout = key, timeout_seconds

    def check_open(self) -> None:
        """Look whether the service still takes new training.

        Raises:
            InputError: It does not.
        """
        until = self.profile.jobs_until
        if until is not None and until <= self.today:
            raise InputError(
                f"{self.profile.provider} takes no new training since {until}. Nothing was uploaded.",
                hint="Take the rung off the ladder, or name another service.",
            )

    def send(self, request: Request) -> httpx2.Response | CallFault:
        """Send once; any answer that is no error, a redirect too, or what went wrong."""
        client = self._client
        import openai

        try:
            raw = request(client)
        except openai.APIConnectionError as exc:
            told = "gave no answer in time" if isinstance(exc, openai.APITimeoutError) else "cannot be reached"
            return CallFault(None, f"{told}: {exc.__cause__ or exc}", is_passing=True, may_have_arrived=True)
        except openai.APIStatusError as exc:
            if exc.status_code < 400:
                return exc.response
            text = self._hide(exc.response.text)
            return _read_fault(exc.status_code, text, exc.response.headers.get("retry-after", ""))
        except openai.OpenAIError as exc:
            return CallFault(None, str(exc), is_passing=False, may_have_arrived=True)
        return cast("httpx2.Response", getattr(raw, "http_response", raw))

    def attempt(self, request: Request) -> dict[str, Any] | CallFault:
        """Send once; the answer's fields, or what went wrong."""
        sent = self.send(request)
        if isinstance(sent, CallFault):
            return sent
        text = self._hide(sent.text)
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict) and not isinstance(answer.get("error"), str):
            return answer
        told = f"answered something else than JSON of its API: {text[:80]!r}"
        return CallFault(None, told, is_passing=True, may_have_arrived=True)

    def read(self, what: str, request: Request) -> dict[str, Any]:
        """The answer to a request that may be repeated, which is then repeated while its failure is a passing one.

        Raises:
            ModelError: The service fails, or cannot be reached.
            RefusedError: It refuses.
        """
        for n_tried in range(1, _N_TRIES + 1):
            answer = self.attempt(request)
            if isinstance(answer, dict):
                return answer
            fault = answer
            if not fault.is_passing or n_tried == _N_TRIES:
                break
            self.wait(fault, n_tried)
        raise self.error(what, fault)

    def pages(self, what: str, request: Callable[[OpenAI, dict[str, Any]], Any]) -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page.

        Raises:
            ModelError: The service fails, or its pages have no end.
        """
        after: dict[str, Any] = {}
        for _ in range(_MAX_PAGES):
            page = self.read(what, lambda client, after=after: request(client, after))  # type: ignore[misc]
            rows = [row for row in page.get("data") or () if isinstance(row, dict)]
            yield from rows
            last = rows[-1].get("id") if rows else None
            if not page.get("has_more") or not isinstance(last, str) or after.get("after") == last:
                return
            after = {"after": last}
        raise self.error(what, CallFault(None, "lists pages without end", is_passing=False, may_have_arrived=False))

    def wait(self, fault: CallFault, n_tried: int) -> None:
        """Pause before the next try: as long as the service asks for, within a minute, or ever longer."""
        self.sleep(min(_MAX_WAIT_SECONDS, max(fault.wait_seconds, 2.0 ** (n_tried - 1))))

    def error(self, what: str, fault: CallFault) -> ModelError:
        """The error to raise for a fault; it never holds the key."""
        profile = self.profile
        open_to = f": it is open to {profile.open_to}" if profile.open_to else ""
        hint = _HINTS.get(fault.status or 0, "Try again later; nothing that is paid is ordered twice.")
        status = f"status {fault.status}: " if fault.status else ""
        kind = ModelError if fault.is_passing or fault.may_have_arrived else RefusedError
        return kind(
            self.clean(f"{profile.provider or profile.name}, {what}: {status}{fault.told}")[:600].rstrip(".") + ".",
            hint=hint.format(key_env=profile.key_env, open_to=open_to),
        )

    def odd_job(self, outside_id: str, row: dict[str, Any]) -> ModelError:
        """The error to raise for a job's row that is of no job, or of another."""
        told = f"answered for job {outside_id} with something else: {json.dumps(row)[:80]}"
        return self.error("a job", CallFault(None, told, is_passing=True, may_have_arrived=True))

    def words(self, value: object) -> str:
        """A text of the service's, clean and cut to 500 characters; empty: the value is no text."""
        return self.clean(value)[:500] if isinstance(value, str) else ""

    def clean(self, text: str) -> str:
        """A service's words without the key and without control characters."""
        return "".join(char if char.isprintable() else " " for char in hide_key(text, self._key))

    def _hide(self, text: str) -> str:
        """An answer without the key, before anything of the answer is cut, kept or told."""
        return hide_key(text, self._key) if len(self._key) >= _MIN_KEY_CHARS else text

    def fetch(self, path: str, target: Path, *, params: dict[str, str] | None = None) -> None:
        """Write what stands at a path below the service's address into a file, whole or not at all.

        Raises:
            ModelError: The service fails, refuses, or sends without end.
        """
        import httpx2

        url, headers = self.profile.base_url.rstrip("/") + path, {"Authorization": f"Bearer {self._key}"}
        try:
            with replace_file(target) as file, self._line.stream("GET", url, params=params, headers=headers) as answer:
                answer.raise_for_status()
                n_bytes = 0
                for chunk in answer.iter_bytes():
                    n_bytes += len(chunk)
                    if n_bytes > _MAX_DOWNLOAD_BYTES:
                        raise ModelError(f"{path} has no end.", hint="Download it by hand.")
                    file.write(chunk)
        except httpx2.HTTPError as exc:
            message = self.clean(f"{path} cannot be downloaded: {exc}")
            raise ModelError(f"{message[:400]}.", hint="Run again: what is paid is not paid twice.") from exc

    @cached_property
    def _line(self) -> httpx2.Client:
        import httpx2

        # No redirect is followed, so the key goes nowhere but to the address given. No connection is kept: polls are
        # far apart, and a kept one is closed by the service in between.
        limits = httpx2.Limits(max_keepalive_connections=0)
        return httpx2.Client(timeout=self._timeout, trust_env=False, follow_redirects=False, limits=limits)

    @cached_property
    def _client(self) -> OpenAI:
        try:
            from openai import OpenAI
        except ImportError as exc:
            raise MissingExtraError("training at a service needs the openai package.", extra="hosted") from exc
        return OpenAI(
            api_key=self._key or "none",
            base_url=self.profile.base_url,
            max_retries=0,
            timeout=self._timeout,
            http_client=self._line,
        )


def _read_fault(status: int, text: str, retry_after: str) -> CallFault:
    """What a refusal says, as far as it can be made out."""
    code = ""
    try:
        fault = json.loads(text)["error"]
        told = str(fault["message"] if isinstance(fault, dict) else fault)
        code = str(fault.get("code") or "") if isinstance(fault, dict) else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        told = repr(text[:120])
    is_passing = status in _PASSING and code != "insufficient_quota"
    wait = float(retry_after) if retry_after.isdecimal() else 0.0
    return CallFault(status, told, is_passing, is_passing and status not in _CERTAIN, wait, text[:2000])


def read_time(value: object) -> int | None:
    """Seconds since 1970 of a time as services write it (ISO 8601); `None`: it is none."""
    try:
        return int(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def need_key(profile: Profile, environment: dict[str, str]) -> str:
    """The key of a service from the environment.

    Raises:
        InputError: The variable is not set.
    """
    key = environment.get(profile.key_env, "").strip()
    if not key:
        raise InputError(
            f"${profile.key_env} is not set: {profile.provider or profile.name} needs a key. Nothing was uploaded.",
            hint=f"export {profile.key_env}=... with the key.",
        )
    return key
