"""A saved web page -> its text line by line, as Markdown marks it; whichever reader knows that text reads it.

The part of the page that holds most of its words is the transcript's; menus, headers, footers and scripts are left out.
What stands outside that part comes apart from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from econchatr.parse.dates import read_date
from econchatr.parse.front_matter import Front
from econchatr.parse.readers.html_text import Piece, decode_words, stream_html

_PAGE: Final = re.compile(
    r"\s{0,200}(?:<\?xml[^>]{0,200}>\s{0,80})?(?:<!--.{0,500}?-->\s{0,80})?"
    r"<(?:!doctype html|html|head|body|article|main|section|div|p|dl|table|h[1-6]|strong|b)\b",
    re.IGNORECASE | re.DOTALL,
)
_MARKED: Final = frozenset({"b", "strong"})
_HEADINGS: Final = {f"h{level}": f"{'#' * level} " for level in range(1, 7)} | {"dt": "### "}
_APART: Final = re.compile(
    r"</?(?:time|cite)\b|<span[^>]{0,200}class=[^>]{0,80}(?:time|stamp|speaker|name)", re.IGNORECASE
)
_LEFT_OUT: Final = frozenset({"nav", "header", "footer", "aside", "form", "noscript", "button", "select", "figure"})
_BLOCKS: Final = frozenset({
    "address", "article", "blockquote", "body", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "hr", "html",
    "li", "main", "ol", "p", "pre", "section", "table", "tbody", "td", "th", "thead", "tr", "ul", "head", "title",
    *_HEADINGS, *_LEFT_OUT,
})  # fmt: skip
_VOID: Final = frozenset({"br", "hr", "img", "input", "meta", "link", "wbr", "source"})
_META: Final = re.compile(r"<(?:meta|time)\b[^>]{0,600}>", re.IGNORECASE)
_DATE_NAME: Final = re.compile(
    r"article:published_time|datepublished|pubdate|publish_date|dc\.date|name=[\"']date[\"']|<time\b", re.IGNORECASE
)
_VALUE: Final = re.compile(r"(?:content|datetime)\s{0,8}=\s{0,8}[\"']([^\"']{4,60})", re.IGNORECASE)
_JSON_DATE: Final = re.compile(r"\"datePublished\"\s{0,8}:\s{0,8}\"([^\"]{4,60})\"")
_MAIN_SHARE: Final = 0.75
_MAX_DEPTH: Final = 200
_MIN_LINES: Final = 4


class PageText(NamedTuple):
    """A page's text, and what is known of it by its head."""

    text: str
    aside: str
    """Text outside the part that holds the transcript."""
    front: Front


@dataclass
class _Line:
    path: tuple[int, ...]
    """The open elements it stands in, by number."""
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        words = " ".join("".join(self.parts).split())
        return words.replace("****", "").replace("** **", " ")


def is_page(text: str) -> bool:
    """Say whether a text is a web page, or a piece of one."""
    return _PAGE.match(text) is not None


def read_page_text(text: str) -> PageText:
    """Get the page's text: a block a line, headings and bold words marked as in Markdown, a term of a list in bold."""
    lines, title = _list_lines(text)
    path = _find_main(lines)
    inside = [line for line in lines if line.path[: len(path)] == path]
    outside = [line for line in lines if line.path[: len(path)] != path]
    published, precision = read_date(_find_date(text))
    front = Front(title=title, published=published, precision=precision)
    return PageText(_join(inside), _join(outside), front)


def _join(lines: list[_Line]) -> str:
    return "\n".join(line.text for line in lines)


def _list_lines(text: str) -> tuple[list[_Line], str]:
    """Get the lines that a browser shows, and the page's title: its main heading, else what its head says."""
    lines, open_elements = [_Line(())], list[tuple[str, int]]()
    titles, number = dict[str, str](), 0
    for piece in stream_html(text):
        if piece.kind == "words":
            _take_words(piece, lines, open_elements, titles)
            continue
        if piece.name in _BLOCKS:
            number += 1
            _follow(piece, open_elements, number)
            lines.append(_Line(tuple(place for _, place in open_elements)))
            if piece.kind == "open":
                lines[-1].parts.append(_HEADINGS.get(piece.name, ""))
        elif piece.name in _MARKED or _APART.match(piece.raw):
            lines[-1].parts.append("**" if piece.name in _MARKED else " ")
    shown = [line for line in lines if line.text.strip("*# ")]
    return shown, " ".join((titles.get("h1") or titles.get("title") or "").split())[:300]


def _follow(piece: Piece, open_elements: list[tuple[str, int]], number: int) -> None:
    if piece.name in _VOID:
        return
    if piece.kind == "open":
        if len(open_elements) < _MAX_DEPTH:
            open_elements.append((piece.name, number))
        return
    for place in range(len(open_elements) - 1, -1, -1):
        if open_elements[place][0] == piece.name:
            del open_elements[place:]
            return


def _take_words(piece: Piece, lines: list[_Line], open_elements: list[tuple[str, int]], titles: dict[str, str]) -> None:
    names = {name for name, _ in open_elements}
    words = decode_words(piece.raw)
    for name in ("h1", "title"):
        if name in names and len(titles.get(name, "")) < 300:
            titles[name] = titles.get(name, "") + words
    if not names & (_LEFT_OUT | {"head", "title"}):
        lines[-1].parts.append(words)


def _find_main(lines: list[_Line]) -> tuple[int, ...]:
    """Get the innermost element that holds three quarters of all words."""
    n_all = sum(len(line.text) for line in lines)
    path: tuple[int, ...] = ()
    while True:
        sizes, counts = Counter[int](), Counter[int]()
        for line in lines:
            if len(line.path) > len(path) and line.path[: len(path)] == path:
                sizes[line.path[len(path)]] += len(line.text)
                counts[line.path[len(path)]] += 1
        best = max(sizes, key=lambda one: sizes[one], default=-1)
        if sizes[best] < max(1, _MAIN_SHARE * n_all) or counts[best] < _MIN_LINES:
            return path
        path = (*path, best)


def _find_date(text: str) -> str:
    return next(_list_dates(text), "")


def _list_dates(text: str) -> Iterator[str]:
    for tag in _META.finditer(text):
        value = _VALUE.search(tag[0]) if _DATE_NAME.search(tag[0]) else None
        if value:
            yield value[1]
    for found in _JSON_DATE.finditer(text):
        yield found[1]
