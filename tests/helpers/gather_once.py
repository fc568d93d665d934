"""Fetch from a stand-in site in a process of its own, so that a test can kill it.

`python -m tests.helpers.gather_once FEED FOLDER DELAY [refresh]`
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from econchatr.fetch.address_guard import GuardedTransport
from econchatr.fetch.client import PoliteClient, user_agent
from econchatr.fetch.http_answers import Manners
from econchatr.fetch.journal import Journal, Visit
from econchatr.fetch.plan import FeedSource
from econchatr.fetch.site import Gathered, Gatherer, list_gathered


def now_utc() -> datetime:
    return datetime.now(UTC)


def gather(
    feed: str,
    folder: Path,
    *,
    delay_seconds: float = 0.0,
    now: Callable[[], datetime] = now_utc,
    note: Callable[[str], None] = lambda text: None,
    refresh: bool = False,
    is_checked: bool = False,
) -> tuple[Gathered, Journal]:
    """Ask the site for what is not there yet, and list what is."""
    journal = Journal(folder / "journal.jsonl")
    if is_checked:
        journal.forget_changed()
    manners = Manners(delay_seconds=delay_seconds, max_bytes=4_000_000, timeout_seconds=5, n_tries=3)
    transport = GuardedTransport(clock=time.monotonic, page_seconds=20, allow_hosts=["127.0.0.1"])
    client = PoliteClient(
        agent=user_agent(""), transport=transport, clock=time.monotonic, now=now,
        sleep=time.sleep, random=Random(0), manners=manners, allow_hosts=["127.0.0.1"],
        is_resuming=not journal.is_empty, waits=journal.waits, note=note,
        on_wait=lambda host, until: journal.add(Visit(kind="wait", at=now(), host=host, until=until)),
    )  # fmt: skip
    source = FeedSource(feed)
    try:
        Gatherer(source, journal, client, now, note=note).gather(refresh=refresh)
    finally:
        client.close()
    return list_gathered(source, journal), journal


if __name__ == "__main__":
    gather(sys.argv[1], Path(sys.argv[2]), delay_seconds=float(sys.argv[3]), refresh="refresh" in sys.argv)
