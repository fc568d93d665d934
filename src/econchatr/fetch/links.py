"""Links as feeds really have them -> addresses to try, in order.

Feeds build links from titles and forget that `#`, `?` and `%` mean something in an address. This module does not ask
anybody: it only says what may have been meant.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

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


def guess_link(link: str, title: str) -> str:
    """The address an item would have if its own title made it, beside `link`; empty where that cannot be said."""
    slug = make_slug(title)
    stem, mark, last = link.rstrip("/").rpartition("/")
    return f"{stem}/{slug}/" if slug and mark and last and not stem.endswith("/") else ""


def fits_title(link: str, title: str) -> bool:
    """Whether the last part of a link is its item's title."""
    return bool(title) and make_slug(link.rstrip("/").rpartition("/")[2]) == make_slug(title)
