"""A feed's bytes -> its items, with their transcripts, pages and people.

RSS and Atom by feedparser; the Podcasting 2.0 elements by lxml, for feedparser keeps only the last of several. This
module asks nobody: what an item points to is fetched elsewhere.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

from econchatr.errors import SourceError
from econchatr.records import Record

_MAX_ITEMS: Final = 30_000
"""A daily show of eighty years; a file with more is not a feed."""

_NAMESPACES: Final = frozenset(
    {
        "https://podcastindex.org/namespace/1.0",
        "https://github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md",
    }
)
"""Source: podcast-namespace, README: the second must be read as the first, whatever the prefix."""

_KINDS: Final = (("vtt",), ("json",), ("srt", "subrip"), ("html", "htm"), ("plain", "txt"))
"""Best first: times and voices, then times, then text."""

_MAX_NAME_CHARS: Final = 128  # Source: podcast-namespace, docs/tags/person.md.
_MAX_TITLE_CHARS: Final = 500
_HOST_ROLES: Final = frozenset({"host", "co-host", "guest host"})
_ENTITIES: Final = re.compile(rb"<!DOCTYPE[^>\[]{0,2000}\[", re.IGNORECASE)
_WEB_PAGE: Final = re.compile(rb"<!doctype\s+html|<html[\s>]|<body[\s>]", re.IGNORECASE)


_FEED: Final = re.compile(
    rb"(?:<\?xml[^>]{0,200}>\s*|<\?xml-stylesheet[^>]{0,300}>\s*|<!--.{0,1000}?-->\s*){0,6}<(?:rss|feed)\b", re.DOTALL
)
_WORDS: Final = re.compile(r"[^\W_]+")
_MIN_PART_CHARS: Final = 12
"""A shorter title may stand inside another by chance."""


class TranscriptLink(Record):
    """One `podcast:transcript` of an item."""

    address: str
    media_type: str
    language: str


class FeedItem(Record):
    """One item of a feed."""

    guid: str
    """As the feed has it; empty: none."""
    title: str
    published: date | None
    link: str
    """Of the episode's page, as the feed has it; empty: none."""
    transcripts: tuple[TranscriptLink, ...]
    """In the feed's language first, then the best kind."""
    hosts: tuple[str, ...]
    guests: tuple[str, ...]

    @property
    def name(self) -> str:
        """What to call it when something is said about it."""
        return self.title or self.link or self.guid or "an item without a title"


class Feed(NamedTuple):
    """A feed as it was read."""

    title: str
    items: tuple[FeedItem, ...]


class _Extras(NamedTuple):
    transcripts: tuple[TranscriptLink, ...]
    people: tuple[tuple[str, str], ...]
    """Role and name."""


def read_feed(data: bytes, *, location: str) -> Feed:
    """The feed in `data`, which came from `location`; items in the feed's order.

    Raises:
        SourceError: It is a web page, holds no item, or is built to harm its reader.
    """
    _refuse_harm(data, location)
    import feedparser

    # As a stream: bytes that look like a path or an address would be opened.
    parsed = feedparser.parse(io.BytesIO(data), sanitize_html=False, resolve_relative_uris=False)
    entries: list[Mapping[str, Any]] = list(parsed.entries)
    if not entries:
        raise _explain_emptiness(data, location, is_feed=bool(parsed.get("version")))
    language = _clean(parsed.feed.get("language"), 40)
    of_channel, of_items = _read_extras(data, location, n_items=len(entries), language=language)
    items = tuple(
        _read_item(entry, extras, of_channel, location) for entry, extras in zip(entries, of_items, strict=True)
    )
    return Feed(_clean(parsed.feed.get("title"), _MAX_TITLE_CHARS), items)


def is_feed(data: bytes) -> bool:
    """Whether the bytes begin as RSS or Atom does."""
    return _FEED.match(data[:4000].lstrip(b"\xef\xbb\xbf \t\r\n")) is not None


class TitleIndex:
    """The items of saved feeds, found by an episode's title."""

    def __init__(self, items: Iterable[FeedItem]) -> None:
        self._items = defaultdict[str, list[FeedItem]](list)
        for item in items:
            if folded := _fold_title(item.title):
                self._items[folded].append(item)

    def find(self, *titles: str) -> FeedItem | None:
        """The one item with one of these titles, or whose title has it as a part; `None`: none, or two of them."""
        for title in filter(None, map(_fold_title, titles)):
            found = self._items.get(title, [])
            if not found and len(title) >= _MIN_PART_CHARS:
                found = [item for folded, items in self._items.items() if _is_part(title, folded) for item in items]
            if len(found) == 1:
                return found[0]
        return None


def _fold_title(title: str) -> str:
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKD", title).casefold()))


def _is_part(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= _MIN_PART_CHARS and f" {short} " in f" {long} "


def _refuse_harm(data: bytes, location: str) -> None:
    if _ENTITIES.search(data.replace(b"\0", b"")):
        raise SourceError(f"{location} declares entities of its own; such a feed is not read.", hint=_SAVE)
    if data.count(b"<item") + data.count(b"<entry") > _MAX_ITEMS:
        raise SourceError(f"{location} has more than {_MAX_ITEMS:,} items; that is no show's feed.", hint=_SAVE)


_SAVE: Final = "Save the episodes yourself and set folder = ... under [fetch]."


def _explain_emptiness(data: bytes, location: str, *, is_feed: bool) -> SourceError:
    if _WEB_PAGE.search(data[:100_000]) and not is_feed:
        named = _find_feed_link(data, location)
        hint = f"It names a feed: {named}" if named else "Look for the address of the show's RSS or Atom feed."
        return SourceError(f"{location} is a web page, not a feed.", hint=hint)
    if is_feed:
        return SourceError(f"{location} is a feed without any episode.", hint="Check its address under [fetch].")
    return SourceError(f"{location} is not a feed.", hint="Give the address of the show's RSS or Atom feed.")


def _find_feed_link(data: bytes, location: str) -> str:
    for tag in re.findall(rb"<link\b[^>]{0,1000}>", data[:200_000], re.IGNORECASE):
        if re.search(rb"application/(?:rss|atom)\+xml", tag, re.IGNORECASE):
            address = re.search(rb"href\s*=\s*[\"']?([^\"'\s>]+)", tag, re.IGNORECASE)
            if address:
                return _absolute(address[1].decode("utf-8", "replace"), location)
    return ""


def _read_item(entry: Mapping[str, Any], extras: _Extras, of_channel: _Extras, location: str) -> FeedItem:
    # The item's people wholly replace the channel's. Source: podcast-namespace, docs/tags/person.md.
    people = extras.people or of_channel.people
    return FeedItem(
        guid=_clean(entry.get("id"), 2000),
        title=_clean(entry.get("title"), _MAX_TITLE_CHARS),
        published=_read_day(entry.get("published_parsed") or entry.get("updated_parsed")),
        link=_absolute(str(entry.get("link") or "").strip(), location),
        transcripts=extras.transcripts,
        hosts=tuple(dict.fromkeys(name for role, name in people if role in _HOST_ROLES)),
        guests=tuple(dict.fromkeys(name for role, name in people if role == "guest")),
    )


def _read_day(parsed: Any) -> date | None:
    try:
        return date(*parsed[:3]) if parsed else None
    except (ValueError, TypeError):
        return None


# --- Podcasting 2.0 ---------------------------------------------------------------------------------------------------


def _read_extras(data: bytes, location: str, *, n_items: int, language: str) -> tuple[_Extras, list[_Extras]]:
    """The podcast elements of the channel and of each item, in order; empty ones where the feed is too broken."""
    from lxml import etree

    nothing = _Extras((), ())
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, recover=True, remove_comments=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:
        return nothing, [nothing] * n_items
    items = list(root.iter("{*}item", "{*}entry"))
    channel = next(root.iter("{*}channel"), root)
    of_items = [_read_podcast(node, location, language) for node in items]
    if len(of_items) != n_items:  # The two parsers mended a broken feed differently: nothing may go to a wrong item.
        return nothing, [nothing] * n_items
    return _read_podcast(channel, location, language), of_items


def _read_podcast(node: Any, location: str, language: str) -> _Extras:
    transcripts, people = list[TranscriptLink](), list[tuple[str, str]]()
    for child in node.iterchildren("{*}transcript", "{*}person"):
        namespace, _, name = child.tag[1:].partition("}")
        if namespace.strip().rstrip("/").lower() not in _NAMESPACES:
            continue
        if name == "transcript" and child.get("url", "").strip():
            transcripts.append(
                TranscriptLink(
                    address=_absolute(child.get("url").strip(), location),
                    media_type=_clean(child.get("type"), 100).lower(),
                    language=_clean(child.get("language"), 40),
                )
            )
        elif name == "person" and (who := _clean("".join(child.itertext()), _MAX_NAME_CHARS)):
            people.append((_clean(child.get("role"), 60).lower() or "host", who))
    transcripts.sort(key=lambda link: (_is_foreign(link.language, language), _rank_transcript(link)))
    return _Extras(tuple(transcripts), tuple(people))


def _is_foreign(language: str, own: str) -> bool:
    """Whether a transcript is a translation: the show's own words are wanted."""
    return bool(language and own) and language[:2].lower() != own[:2].lower()


def _rank_transcript(link: TranscriptLink) -> int:
    """0 for the best kind of transcript (WebVTT), by its declared type, else by its name; 5: no known kind."""
    path = link.address.partition("?")[0].lower()
    for text, ends in ((link.media_type, False), (path, True)):
        for rank, words in enumerate(_KINDS):
            if any(text.endswith(f".{word}") if ends else word in text for word in words):
                return rank
    return len(_KINDS)


def _absolute(address: str, location: str) -> str:
    if not address or "://" in address[:12]:
        return address
    try:
        return urljoin(location, address)
    except ValueError:
        return address


def _clean(text: object, n_chars: int) -> str:
    """One line, without control characters."""
    plain = "".join(char if char.isprintable() else " " for char in str(text or "")[: n_chars * 4])
    return " ".join(plain.split())[:n_chars].strip()
