"""Text -> the same text with what is private replaced: addresses of every kind, phone, card and account numbers, keys.

It knows written forms only. Spoken forms ("ada at example dot org", numbers in words) are not handled, and names stay:
they are what an interview is about.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

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
    """Get the text with `[email]`, `[link]`, `[phone]` and the marks for keys in place of what is private."""
    # First: a key or a card has parts that look like something else.
    text = _hide_secrets(text)
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


_STREET: Final = re.compile(
    r"(?<![\w.,:/$€£#-])\d{1,5}[A-Za-z]?,? (?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\.? )?"
    r"(?:[A-Z][a-z'’]{1,20} |\d{1,3}(?:st|nd|rd|th) ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Terrace|Parkway|Pkwy|Crescent|Close)\b\.?"
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|#)\.? ?[A-Z]?\d{1,5}[A-Z]?\b)?"
    r"(?:, [A-Z][a-z]{1,20}(?: [A-Z][a-z]{1,20})?,? [A-Z]{2},? \d{5}(?:-\d{4})?\b)?"
)
_PO_BOX: Final = re.compile(r"\bP\.?O\.? Box \d{1,6}\b")
_FAMOUS: Final = frozenset({"10 downing street", "1600 pennsylvania avenue", "221b baker street", "42nd street"})
_BEFORE_YEAR: Final = re.compile(
    r"\b(?:in|since|by|of|from|until|till|to|before|after|around|the|early|late|mid) $", re.IGNORECASE
)
_IPV4: Final = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\w-]|\.\d)")
_EVERYBODYS: Final = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9"})
_VERSION: Final = re.compile(r"(?:\bv|\bver|\bversion|\brelease|\bbuild)\.? ?$", re.IGNORECASE)
_IPV6: Final = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])")
_MAC: Final = re.compile(
    r"(?<![\w:-])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![\w:])|(?<![\w:-])(?:[0-9a-fA-F]{2}-){5}[0-9a-fA-F]{2}(?![\w-])"
)
_CARD: Final = re.compile(
    r"(?<![\w.,$€£-])(?:[2-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{1,7}|3[47]\d{2}([ -]?)\d{6}\2\d{5})(?![\w,-]|\.\d)"
)
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
_KEY: Final = re.compile(
    r"(?<![\w-])(?:"
    r"sk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{20,200}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,120}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30,100}|github_pat_[A-Za-z0-9_]{30,100}|glpat-[A-Za-z0-9_-]{20,60}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,200}"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,200}"
    r"|eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,1000}"
    r")(?![\w-])"
)
_PEM: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\s]{0,10000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_KEY_SEEDS: Final = (
    "sk-", "_live_", "_test_", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "AIza", "hf_", "npm_", "pypi-", "eyJ",
)  # fmt: skip
_DIGIT: Final = re.compile(r"\d")
_LONG_NUMBER: Final = re.compile(r"\d[\d -]{11}")
_THREE_DOTS: Final = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")
_HEX_COLONS: Final = re.compile(
    r"[0-9a-fA-F]?::?[0-9a-fA-F]{1,4}:|[0-9a-fA-F]{2}-[0-9a-fA-F]{2}-[0-9a-fA-F]{2}-|::[0-9a-fA-F]"
)
_NUMBER_WORD: Final = re.compile(r"\d[A-Za-z]?,? (?:[A-Z]|\d)|Box \d")


def _hide_secrets(text: str) -> str:
    """Get the text with `[address]`, `[card]`, `[account]` and `[key]` in place of what it gives away.

    Source: Luhn (ISO/IEC 7812-1) for cards, modulo 97 (ISO 13616) for accounts; the prefixes services publish for keys.
    """
    # Most speech has none; these cheap looks spare it the patterns.
    if any(seed in text for seed in _KEY_SEEDS):
        text = _KEY.sub(_hide_key, text)
    if "PRIVATE KEY" in text:
        text = _PEM.sub("[key]", text)
    has_digits = _DIGIT.search(text) is not None
    if has_digits and _LONG_NUMBER.search(text):
        text = _CARD.sub(_hide_card, text)
    if has_digits:
        text = _IBAN.sub(_hide_account, text)
    if has_digits and _THREE_DOTS.search(text):
        text = _IPV4.sub(_hide_network, text)
    if (":" in text or text.count("-") > 2) and _HEX_COLONS.search(text):
        text = _IPV6.sub(_hide_network, _MAC.sub("[address]", text))
    if has_digits and _NUMBER_WORD.search(text):
        text = _PO_BOX.sub("[address]", _STREET.sub(_hide_street, text))
    return text


def _hide_key(match: re.Match[str]) -> str:
    # A key is drawn at random: it has digits. `sk-learn-compatible-estimators` has none.
    return "[key]" if sum(map(str.isdigit, match[0])) >= 2 else match[0]


def _hide_card(match: re.Match[str]) -> str:
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2])
    return "[card]" if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1 else match[0]


def _hide_account(match: re.Match[str]) -> str:
    plain = match[0].replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return match[0]
    number = "".join(str(int(char, 36)) for char in plain[4:] + plain[:4])
    return "[account]" if int(number) % 97 == 1 else match[0]


def _hide_network(match: re.Match[str]) -> str:
    if _VERSION.search(match.string, max(0, match.start() - 12), match.start()):
        return match[0]
    # `a::b` is an address by the letter, and a scope in a program by the meaning.
    if ":" in match[0] and (len(list(filter(None, match[0].split(":")))) < 3 or not any(map(str.isdigit, match[0]))):
        return match[0]
    try:
        address = ipaddress.ip_address(match[0].partition("/")[0])
    except ValueError:
        return match[0]
    return "[address]" if address.is_global and match[0] not in _EVERYBODYS else match[0]


def _hide_street(match: re.Match[str]) -> str:
    plain = match[0].lower().rstrip(".")
    is_year = plain[:4].isdigit() and 1900 <= int(plain[:4]) < 2100 and not plain[4:5].isdigit()
    if is_year and _BEFORE_YEAR.search(match.string, max(0, match.start() - 10), match.start()):
        return match[0]
    return match[0] if any(plain.startswith(famous) for famous in _FAMOUS) else "[address]"
