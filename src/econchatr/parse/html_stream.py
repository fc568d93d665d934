"""HTML text -> a stream of tags and words with their places in the file.

It builds no tree: nesting ten thousand deep, or unclosed formatting tags that a tree builder would copy into every
paragraph, cost no more than their length. It knows no page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

_NAME: Final = re.compile(r"</?([a-zA-Z][^\s/>]{0,60})")
_TAG: Final = re.compile(r"""</?[a-zA-Z](?:[^>"']|"[^"]*"|'[^']*')*>""")
_ATTRIBUTE: Final = re.compile(r"""\b(class|id)\s{0,8}=\s{0,8}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});?")
# Their content is not words; a browser reads it to the closing tag, or to the end of the file.
_RAW: Final = {
    name: re.compile(rf"</{name}", re.IGNORECASE)
    for name in ("script", "style", "textarea", "iframe", "noembed", "xmp", "noframes", "template", "svg")
}
_MAX_TAG_CHARS: Final = 8192


@dataclass(frozen=True, slots=True)
class Piece:
    """A tag or a run of words; `name` is the tag's, in lower case; `raw` is what the file has."""

    kind: Literal["open", "close", "words"]
    name: str
    raw: str
    start: int
    end: int


def stream_html(text: str) -> Iterator[Piece]:
    """Get the tags and the words of a page in order; comments, scripts and declarations are left out."""
    position, n_chars = 0, len(text)
    while position < n_chars:
        begin = text.find("<", position)
        begin = n_chars if begin < 0 else begin
        if begin > position:
            yield Piece("words", "", text[position:begin], position, begin)
        if begin == n_chars:
            return
        name = _NAME.match(text, begin)
        if name:
            end = _find_tag_end(text, begin)
            kind: Literal["open", "close"] = "close" if text[begin + 1] == "/" else "open"
            yield Piece(kind, name[1].lower(), text[begin:end], begin, end)
            position = _skip_raw(text, name[1].lower(), end) if kind == "open" else end
        elif text.startswith("<!--", begin):
            position = _find_after(text, "-->", begin + 4)
        elif text.startswith(("<!", "<?", "</"), begin):
            position = _find_after(text, ">", begin)
        else:
            yield Piece("words", "", "<", begin, begin + 1)
            position = begin + 1


def read_attributes(tag: str) -> dict[str, str]:
    """Get a tag's `class` and `id`, as far as it has them."""
    found = dict[str, str]()
    for match in _ATTRIBUTE.finditer(tag):
        found.setdefault(match[1].lower(), match[2] or match[3] or match[4] or "")
    return found


def decode_words(raw: str) -> str:
    """Get the words with their entities resolved, once; what an entity means is never read as markup."""
    return _ENTITY.sub(lambda match: html.unescape(match[0]), raw) if "&" in raw else raw


def find_raw_offset(raw: str, n_chars: int) -> int:
    """Get where in `raw` the first `n_chars` decoded characters end."""
    n_decoded, position = 0, 0
    for entity in _ENTITY.finditer(raw) if "&" in raw else ():
        if html.unescape(entity[0]) == entity[0]:
            continue
        literal = entity.start() - position
        if n_decoded + literal >= n_chars:
            break
        n_decoded += literal + len(html.unescape(entity[0]))
        position = entity.end()
    return min(len(raw), position + max(0, n_chars - n_decoded))


def _find_tag_end(text: str, begin: int) -> int:
    # A quote that is never closed must not swallow the page: within the window quotes count, beyond it they do not.
    tag = _TAG.match(text, begin, begin + _MAX_TAG_CHARS)
    return tag.end() if tag else _find_after(text, ">", begin)


def _find_after(text: str, mark: str, begin: int) -> int:
    found = text.find(mark, begin)
    return len(text) if found < 0 else found + len(mark)


def _skip_raw(text: str, name: str, position: int) -> int:
    closing = _RAW.get(name)
    if closing is None:
        return position
    found = closing.search(text, position)
    return found.start() if found else len(text)
