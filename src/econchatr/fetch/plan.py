"""A feed's items -> what to ask for: per item the addresses to try, and which items share one.

It asks nobody, and does not know what was fetched before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from econchatr.fetch.feed import FeedItem
from econchatr.fetch.links import fits_title, guess_link, repair_link

Prefer = Literal["transcript", "page"]


class FeedSource(NamedTuple):
    """Where a show's episodes are listed."""

    feed: str
    """Address, or the path of a saved feed."""
    prefer: Prefer = "transcript"


class Wanted(NamedTuple):
    """One item and where its transcript may be."""

    item: FeedItem
    addresses: tuple[str, ...]
    """To try in order, until one gives a page; empty: there is none, see `reason`."""
    reason: str
    """Why there is none; empty otherwise."""
    is_shared: bool
    """Whether the feed gives this item a link that is another item's."""


def plan_items(items: Sequence[FeedItem], *, prefer: Prefer = "transcript") -> list[Wanted]:
    """What to ask for, per item and in the feed's order; nothing is left out silently.

    Where two items have one link, it belongs to the one whose title it is made of. The other's is guessed from its
    title if the feed's links are mostly made so; else it is only said that it is missing.
    """
    taken: dict[str, FeedItem] = {}
    for item in sorted(items, key=lambda item: not fits_title(item.link, item.title)):
        for address in _list_addresses(item, prefer)[:1]:
            taken.setdefault(address, item)
    follows_titles = 2 * sum(fits_title(item.link, item.title) for item in items) >= len(items)
    return [_plan_item(item, taken, prefer, follows_titles=follows_titles) for item in items]


def _plan_item(item: FeedItem, taken: dict[str, FeedItem], prefer: Prefer, *, follows_titles: bool) -> Wanted:
    addresses = _list_addresses(item, prefer)
    if not addresses:
        found = f"its link {item.link[:200]!r} is no web address" if item.link else "it has no link and no transcript"
        return Wanted(item, (), f"{found}.", is_shared=False)
    owner = taken[addresses[0]]
    if owner is item:
        return Wanted(item, addresses, "", is_shared=False)
    rest = tuple(address for address in addresses[1:] if address not in taken)
    guess = guess_link(item.link, item.title) if follows_titles and item.link else ""
    guesses = tuple(dict.fromkeys((*rest, guess))) if guess and guess not in taken else rest
    reason = "" if guesses else f"the feed gives it the link of {owner.name!r}: {addresses[0]}."
    return Wanted(item, guesses, reason, is_shared=True)


def _list_addresses(item: FeedItem, prefer: Prefer) -> tuple[str, ...]:
    pages = repair_link(item.link)
    transcripts = tuple(address for link in item.transcripts for address in repair_link(link.address)[:1])
    both = transcripts + pages if prefer == "transcript" else pages + transcripts
    return tuple(dict.fromkeys(both))
