"""A feed's items -> what to ask for: per item the addresses to try, and which items share one.

It asks nobody, and does not know what was fetched before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

from econchatr.fetch.feed import FeedItem

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
    for item in sorted(items, key=lambda item: not _fits_title(item.link, item.title)):
        for address in _list_addresses(item, prefer)[:1]:
            taken.setdefault(address, item)
    follows_titles = 2 * sum(_fits_title(item.link, item.title) for item in items) >= len(items)
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
    guess = _guess_link(item.link, item.title) if follows_titles and item.link else ""
    guesses = tuple(dict.fromkeys((*rest, guess))) if guess and guess not in taken else rest
    reason = "" if guesses else f"the feed gives it the link of {owner.name!r}: {addresses[0]}."
    return Wanted(item, guesses, reason, is_shared=True)


def _list_addresses(item: FeedItem, prefer: Prefer) -> tuple[str, ...]:
    pages = repair_link(item.link)
    transcripts = tuple(address for link in item.transcripts for address in repair_link(link.address)[:1])
    both = transcripts + pages if prefer == "transcript" else pages + transcripts
    return tuple(dict.fromkeys(both))


_PARTS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)(.*)", re.DOTALL)
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9_~-]|%[0-9A-Fa-f]{2})*")
_FILE_SUFFIX: Final = re.compile(r"\.[A-Za-z]{2,5}$|\.(?:mp3|mp4|m4a|html5)$")
_SAFE: Final = "/%:@!$&'()*+,;=~-._"


def repair_link(link: str) -> tuple[str, ...]:
    """The addresses a link may mean, likeliest first; none where it is no web address.

    First the link with what is not allowed escaped, taking a `#` or `?` in the middle of the path for part of the path;
    then, where a segment looks like a title, the form blog software gives such a title.
    """
    matched = _PARTS.fullmatch(link.strip())
    if matched is None or not link.strip().isprintable():
        return ()
    site, rest = matched[1], matched[2]
    path, query = _split_path(rest)
    literal = site + quote(_STRAY_PERCENT.sub("%25", path), safe=_SAFE) + query
    segments = path.split("/")
    slugs = "/".join(one if _is_plain(one) else make_slug(one) for one in segments)
    return tuple(dict.fromkeys((literal, site + slugs + query))) if slugs.strip("/") else (literal,)


def _split_path(rest: str) -> tuple[str, str]:
    """The path and the query; a `#...` that is a real fragment is dropped."""
    before, mark, fragment = rest.partition("#")
    if mark and "/" in fragment and "=" not in fragment and fragment[0] not in "/!":
        # The `#` stands in the middle of a title: `.../on-#republic/`.
        path, _, query = before.partition("?")
        return (rest, "") if not query else (before, "")
    path, mark, query = before.partition("?")
    if mark and query in ("", "/"):
        return before, ""
    return path, f"?{quote(_STRAY_PERCENT.sub('%25', query), safe=_SAFE + '?')}" if query else ""


def _is_plain(segment: str) -> bool:
    return _PLAIN_SEGMENT.fullmatch(segment) is not None or _FILE_SUFFIX.search(segment) is not None


def make_slug(title: str) -> str:
    """A title as blog software puts it into an address: lower case, hyphens, no marks.

    Source: WordPress, `sanitize_title_with_dashes`, `remove_accents`.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    plain = plain.replace(".", "-").replace("/", "-")
    return re.sub(r"-+", "-", re.sub(r"\s+", "-", re.sub(r"[^a-z0-9\s_-]", "", plain))).strip("-")


def _guess_link(link: str, title: str) -> str:
    """The address an item would have if its own title made it, beside `link`; empty where that cannot be said."""
    slug = make_slug(title)
    stem, mark, last = link.rstrip("/").rpartition("/")
    return f"{stem}/{slug}/" if slug and mark and last and not stem.endswith("/") else ""


def _fits_title(link: str, title: str) -> bool:
    """Whether the last part of a link is its item's title."""
    return bool(title) and make_slug(link.rstrip("/").rpartition("/")[2]) == make_slug(title)
