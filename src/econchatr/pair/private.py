"""Text -> the same text with what is private replaced: addresses of every kind, phone, card and account numbers, keys.

It knows written forms only. Spoken forms ("ada at example dot org", numbers in words) are not handled, and names stay:
they are what an interview is about.
"""

from __future__ import annotations

import re
from typing import Final

from econchatr.pair.secrets import hide_secrets

_EMAIL: Final = re.compile(
    r"(?<![\w.@+*-])[\w.%+*-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,12}(?![\w@])", re.IGNORECASE
)
_URL: Final = re.compile(r"(?<!\w)(?:https?://|ftp://|www\.)[^\s<>\"“”\[\]]{1,2000}", re.IGNORECASE)
# Lower-case endings only: `ASP.NET` is no address. Endings that are also words or file types (`.io`, `.ai`, `.js`)
# count only before a path.
_DOMAIN: Final = re.compile(
    r"(?<![\w.@/-])(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,4}"
    r"(?:(?:com|org|net|edu|gov|info)(?:\.[a-z]{2})?(?:/[^\s<>\"“”\[\]]{0,2000})?|[a-z]{2,12}/[A-Za-z0-9~][^\s<>\"“”\[\]]{0,2000})"
    r"(?![\w@-])"
)
_PHONE: Final = re.compile(
    r"(?<![\w.,:/$€£#+-])(?:"
    r"(?:\+?1[-. ]?)?\(\d{3}\) ?\d{3}[-. ]\d{4}"
    r"|(?:\+?1[-. ])?\d{3}([-.])\d{3}\1\d{4}"
    r"|\+1 \d{3} \d{3} \d{4}"
    r"|\+(?!1 )[1-9]\d{0,2}(?:[ .-]\(?\d{1,4}\)?){2,5}"
    r")(?![\w/]|[-.,:]\d)"
)
# A firm that is named after its address (`Booking.com`) is spoken of, not linked to.
_FIRM: Final = re.compile(r"[A-Z][a-z0-9]+\.[a-z]+")
_DOT_INSIDE: Final = re.compile(r"\.[a-z]")
_DIGITS: Final = re.compile(r"\d\d[-. )]|\+\d")
_TRAILING: Final = ".,;:!?)'’…"


def hide_private(text: str) -> str:
    """Get the text with `[email]`, `[link]`, `[phone]` and what `hide_secrets` writes in place of what is private."""
    # First: a key or a card has parts that look like something else.
    text = hide_secrets(text)
    # Most speech has none; these cheap looks spare it the patterns.
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if "://" in text or "www." in text.lower():
        text = _URL.sub(_keep_trailing, text)
    if _DOT_INSIDE.search(text):
        text = _DOMAIN.sub(_hide_domain, text)
    return _PHONE.sub("[phone]", text) if _DIGITS.search(text) else text


def _hide_domain(match: re.Match[str]) -> str:
    return match[0] if _FIRM.fullmatch(match[0]) else _keep_trailing(match)


def _keep_trailing(match: re.Match[str]) -> str:
    address = match[0].rstrip(_TRAILING)
    return "[link]" + match[0][len(address) :]
