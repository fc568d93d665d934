"""What a new show's feed holds, before a single episode is fetched: how much, from when, and who it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from econchatr.display import show_day
from econchatr.fetch.feed import Feed


def list_hosts(feed: Feed) -> list[str]:
    """The people whom the feed names as hosts of half its episodes or more, those of most episodes first."""
    counts = Counter(name for item in feed.items for name in set(item.hosts))
    return [name for name, n_episodes in counts.most_common() if 2 * n_episodes >= len(feed.items)]


def tell_feed(feed: Feed) -> Iterator[str]:
    """What a feed lists, in sentences."""
    n_all = len(feed.items)
    dates = sorted(item.published for item in feed.items if item.published)
    span = f", {show_day(dates[0])} to {show_day(dates[-1])}" if dates else ""
    undated = f"; {n_all - len(dates):,} without a date" if len(dates) < n_all else ""
    yield f"The feed {feed.title!r} lists {n_all:,} episode{'s' * (n_all != 1)}{span}{undated}."
    n_named = sum(bool(item.transcripts) for item in feed.items)
    n_linked = sum(bool(item.link) and not item.transcripts for item in feed.items)
    n_bare = n_all - n_named - n_linked
    parts = [
        f"{n_named:,} name a transcript" if n_named else "",
        f"{n_linked:,} have a page, which may hold one" if n_linked else "",
        f"{n_bare:,} have neither" if n_bare else "",
    ]
    yield f"Of these {'; '.join(filter(None, parts))}."
    if hosts := list_hosts(feed):
        yield f"It names as host{'s' * (len(hosts) != 1)}: {', '.join(hosts[:5])}."
