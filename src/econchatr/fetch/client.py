"""A polite client: one request at a time, never faster than the site wants, and honest about who asks.

It gives a page or the fault, never a guess. It does not know what the pages are for. Clock, sleep, network and
randomness are arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx2
from protego import Protego

from econchatr import __version__
from econchatr.fetch.address_guard import check_address, is_named
from econchatr.fetch.http_answers import LATER, Fault, FetchedPage, HttpAnswer, Manners, ask_once, show_address

_BRING_PAGES: Final = "Ask the site's owner, or save the pages yourself and set folder = ... under [fetch]."

_MIN_DELAY_SECONDS: Final = 1.0
"""Nobody else's host is asked faster. Source: W3C wiki, "Write Web Crawler"."""

_NOTED_SECONDS: Final = 5.0
"""A longer pause than this is told, so that nobody thinks the program hangs."""

_AFTER_THAT: Final = "Run the same command again after that; it goes on where it was."

_MAX_ASKED_SECONDS: Final = 30 * 24 * 3600.0
"""A longer pause is taken for this: it is a mistake of the site's, or malice."""

_ABOUT: Final = "https://github.com/econchatr/econchatr"
_REFUSALS: Final = frozenset({401, 403, 407, 451})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_OVERRUN: Final = frozenset({429, 503})


def user_agent(contact: str) -> str:
    """Who asks: program, version and where to complain."""
    return f"econchatr/{__version__} (+{contact or _ABOUT})"


class PoliteClient:
    """Fetches pages from hosts it does not own."""

    def __init__(
        self,
        *,
        agent: str,
        transport: httpx2.BaseTransport,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
        random: Random,
        manners: Manners | None = None,
        allow_hosts: Collection[str] = (),
        is_resuming: bool = False,
        waits: Mapping[str, datetime] | None = None,
        on_wait: Callable[[str, datetime], None] = lambda host, until: None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Hold what a process before this one was told: `waits` says until when a host is not to be asked.

        `on_wait` is told of each such wish before anything else is done, so that it outlives this process.
        """
        self.manners = manners or Manners()
        self._clock, self._now, self._sleep, self._random = clock, now, sleep, random
        self._allow_hosts, self._note = allow_hosts, note
        headers = {"User-Agent": agent, "Accept": "*/*", "Accept-Encoding": "gzip"}
        self._client = httpx2.Client(
            transport=transport, headers=headers, trust_env=False, timeout=self.manners.timeout_seconds
        )
        # The process before this one may have asked a moment ago.
        self._first = clock() + self.manners.delay_seconds if is_resuming else clock()
        self._next: dict[str, float] = {}
        self._delay: dict[str, float] = {}
        self._rules: dict[str, tuple[Rules | Fault, float]] = {}
        self._stopped: dict[str, Fault] = {}
        self._waits, self._on_wait = dict(waits or {}), on_wait

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def stopped(self, address: str) -> Fault | None:
        """Why the host of an address is not asked any more; `None`: it is."""
        return self._stopped.get(host_of(address))

    def get(self, address: str, *, etag: str = "", last_modified: str = "") -> FetchedPage | Fault:
        """The page at an address, or why there is none; waits its turn first.

        With the `etag` or `last_modified` of a copy at hand, the page comes back with status 304 and no body if that
        copy is still right.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in conditions.items() if value and _is_plain(value)}
        target, seen = address, {address}
        while True:
            fault = self._check(target, came_from="" if target == address else address)
            answer = fault or self._ask(target, headers)
            if isinstance(answer, Fault):
                return answer
            if answer.status not in _REDIRECTS or not answer.header("location"):
                return self._judge(address, target, answer, is_conditional=bool(headers))
            target = _join(target, answer.header("location"))
            if target in seen or len(seen) > self.manners.max_redirects:
                return Fault("broken", f"{address} redirects in a circle or too often (last to {target[:200]}).")
            seen.add(target)

    # --- before asking ------------------------------------------------------------------------------------------------

    def _check(self, target: str, *, came_from: str = "") -> Fault | None:
        unsafe = self._check_safety(target, came_from=came_from)
        if unsafe:
            return unsafe
        if stopped := self.stopped(target):
            return stopped
        rules, host = self._read_robots(target), host_of(target)
        if stopped := self.stopped(target):
            return stopped
        if isinstance(rules, Fault):
            if rules.kind == "unsafe":
                return rules
            message = f"{host} is not asked: its robots.txt cannot be read ({rules.message.rstrip('.')})."
            return self._stop(target, Fault("unreachable", message, rules.hint))
        if rules.reason:
            return self._stop(target, Fault("unreachable", f"{host} is not asked: {rules.reason}.", _BRING_PAGES))
        if not rules.allows(target):
            source = f"{came_from} leads to {target}" if came_from else target
            return Fault("forbidden", f"{source}, which the robots.txt of {host} forbids.", _BRING_PAGES)
        if rules.delay_seconds > self.manners.max_crawl_delay_seconds:
            message = f"{host} wants {rules.delay_seconds:,.0f} seconds between two requests."
            return self._stop(target, Fault("busy", message, _BRING_PAGES))
        self._delay[host] = max(self._delay.get(host, 0.0), rules.delay_seconds)
        return None

    def _check_safety(self, target: str, *, came_from: str = "") -> Fault | None:
        unsafe = check_address(target, allow_hosts=self._allow_hosts)
        if not unsafe:
            return None
        source = f"{came_from} redirects to {show_address(target)}" if came_from else show_address(target)
        return Fault("unsafe", f"{source}, which is not asked: {unsafe}.", _ALLOW)

    def _read_robots(self, target: str) -> Rules | Fault:
        origin = _origin(target)
        rules, until = self._rules.get(origin, (None, 0.0))
        if rules is None or self._clock() > until:
            rules = self._ask_robots(origin + "/robots.txt")
            self._rules[origin] = (rules, self._clock() + _MAX_AGE_SECONDS)
        return rules

    def _ask_robots(self, address: str) -> Rules | Fault:
        target = address
        for _ in range(self.manners.max_redirects + 1):
            fault = self._check_safety(target)
            answer = fault or self._ask(target, {})
            if isinstance(answer, Fault):
                return answer
            if answer.status not in _REDIRECTS or not answer.header("location"):
                return _read_rules(answer.status, answer.body)
            target = _join(target, answer.header("location"))
        return Rules(None, "")  # Source: RFC 9309, section 2.3.1.2: after five redirects it counts as not there.

    # --- asking -------------------------------------------------------------------------------------------------------

    def _ask(self, target: str, headers: Mapping[str, str]) -> HttpAnswer | Fault:
        """Ask, and ask again where the trouble may pass; the last trouble is the answer."""
        if fault := self._keep_waiting(target):
            return fault
        for n_tried in range(1, self.manners.n_tries + 1):
            self._wait_turn(target)
            answer = ask_once(self._client, target, headers, manners=self.manners, clock=self._clock)
            self._next[host_of(target)] = self._clock() + self._pause(target)
            if isinstance(answer, Fault) and answer.kind != "unreachable":
                return answer
            if isinstance(answer, HttpAnswer) and answer.status not in _PASSING:
                return answer
            if fault := self._step_back(target, answer, n_tried):
                return fault
        return answer

    def _keep_waiting(self, target: str) -> Fault | None:
        """Wait until the time a process before this one was told, if that is near; else stop asking the host."""
        host = host_of(target)
        until = self._waits.pop(host, None)
        left = 0.0 if until is None else (until - self._now()).total_seconds()
        if until is None or left <= 0:
            return None
        told = f"{host} asked to be left alone until {_tell_time(until)}"
        if left > self.manners.max_wait_seconds:
            return self._stop(target, Fault("busy", f"{told}.", _AFTER_THAT))
        self._note(f"{told}; waiting {left:,.0f} seconds")
        self._next[host] = max(self._next.get(host, self._first), self._clock() + left)
        return None

    def _step_back(self, target: str, answer: HttpAnswer | Fault, n_tried: int) -> Fault | None:
        """Put off the next try: as long as the site asks for, else longer each time."""
        host = host_of(target)
        asked = read_retry_after(answer.header("retry-after"), self._now()) if isinstance(answer, HttpAnswer) else None
        if asked is None:
            wait = self.manners.delay_seconds * 2**n_tried * self._random.uniform(0.5, 1.0)
            wait = min(wait, self.manners.max_wait_seconds)
        else:
            wait = min(asked, _MAX_ASKED_SECONDS)
        until = self._now() + timedelta(seconds=wait)
        if asked:
            self._on_wait(host, until)
        if wait > self.manners.max_wait_seconds:
            message = f"{host} asks to be left alone for {wait:,.0f} seconds, until {_tell_time(until)}."
            return self._stop(target, Fault("busy", message, _AFTER_THAT))
        if n_tried < self.manners.n_tries and wait >= _NOTED_SECONDS:
            trouble = answer.message if isinstance(answer, Fault) else f"{target} answered with {answer.status}"
            self._note(f"{trouble.rstrip('.')}; asked again in {wait:,.0f} seconds")
        jitter = self._random.uniform(0, min(1.0, self.manners.delay_seconds))
        self._next[host] = max(self._next[host], self._clock() + wait + jitter)
        return None

    def _pause(self, target: str) -> float:
        host = host_of(target)
        floor = 0.0 if is_named(host, self._allow_hosts) else _MIN_DELAY_SECONDS
        return max(self.manners.delay_seconds, self._delay.get(host, 0.0), floor)

    def _wait_turn(self, target: str) -> None:
        due = self._next.get(host_of(target), self._first)
        while (left := due - self._clock()) > 0:
            self._sleep(left)

    # --- after the answer ---------------------------------------------------------------------------------------------

    def _judge(self, address: str, target: str, answer: HttpAnswer, *, is_conditional: bool) -> FetchedPage | Fault:
        status, host = answer.status, host_of(target)
        if status == 200 or (status == 304 and is_conditional):
            return FetchedPage(address, target, status, answer.headers, answer.body)
        if status in _REFUSALS:
            fault = Fault("refused", f"{host} refuses to be read by a program (status {status}).", _BRING_PAGES)
            return self._stop(target, fault)
        if status in _OVERRUN:
            message = f"{host} is overrun (status {status}, asked {self.manners.n_tries} times)."
            return self._stop(target, Fault("busy", message, LATER))
        if status in (404, 410):
            return Fault("missing", f"{show_address(target)} is not there (status {status}).")
        if status in _PASSING:
            return Fault(
                "unreachable", f"{show_address(target)} failed {self.manners.n_tries} times (status {status}).", LATER
            )
        return Fault("broken", f"{show_address(target)} answered with status {status}.")

    def _stop(self, target: str, fault: Fault) -> Fault:
        self._stopped[host_of(target)] = fault
        return fault


_ALLOW: Final = "If that host is yours, name it in allow_hosts under [fetch]."


def read_retry_after(value: str, now: datetime) -> float | None:
    """Seconds a site asks to wait, from a number or a date; `None`: it does not say, or not so that it can be read.

    Source: RFC 9110, section 10.2.3.
    """
    value = value.strip()[:100]
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


def _tell_time(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def host_of(address: str) -> str:
    """The host of an address, in small letters; empty: it has none, or is no address."""
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _origin(address: str) -> str:
    url = httpx2.URL(address)
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


def _join(base: str, location: str) -> str:
    try:
        joined = urljoin(base, location.strip())
    except ValueError:
        return location
    return joined.partition("#")[0]


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= 1000


_TOKEN: Final = "econchatr"
"""The name that robots.txt files may address us by."""

_MAX_AGE_SECONDS: Final = 24 * 3600.0
"""Source: RFC 9309, section 2.4: a copy should not be used for more than 24 hours."""

_MAX_CHARS: Final = 512_000
"""Source: RFC 9309, section 2.5: at least 500 kibibytes must be read."""


class Rules(NamedTuple):
    """One site's rules."""

    parsed: Protego | None
    """`None`: nothing is known, see `reason`."""
    reason: str
    """Why nothing may be asked at all; empty where the rules decide, or where there are none."""

    def allows(self, address: str) -> bool:
        """Whether the site lets us ask for this address."""
        if self.reason:
            return False
        return self.parsed is None or self.parsed.can_fetch(address, _TOKEN)

    @property
    def delay_seconds(self) -> float:
        """The pause the site asks for between two requests; 0 where it asks for none."""
        if self.parsed is None:
            return 0.0
        delay = self.parsed.crawl_delay(_TOKEN) or 0.0
        rate = self.parsed.request_rate(_TOKEN)
        if rate is not None and rate.requests > 0:
            delay = max(delay, rate.seconds / rate.requests)
        return delay if math.isfinite(delay) and delay > 0 else 0.0


def _read_rules(status: int, body: bytes) -> Rules:
    """The rules in an answer to `/robots.txt`.

    Source: RFC 9309, section 2.3.1: 4xx means there are no rules; a server error means everything is forbidden. 429
    says that the server is overrun, so it counts as a server error here.
    """
    if 200 <= status < 300:
        return Rules(Protego.parse(body.decode("utf-8", "replace").lstrip("\ufeff")[:_MAX_CHARS]), "")
    if 400 <= status < 500 and status != 429:
        return Rules(None, "")
    return Rules(None, f"its robots.txt could not be read (status {status}), and then everything counts as forbidden")
