"""What the server counts, for Prometheus.

No text and no name of a caller is counted, and a label takes only values that are known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from econchatr import __version__
from econchatr.models.slots import ServedModel, SlotServer

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
