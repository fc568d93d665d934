"""HTML -> a stream of tags and words with their places, and the blocks of text inside a transcript's box.

No tree is built: nesting ten thousand deep, or unclosed tags, cost no more than their length.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from econchatr.parse.draft import Account

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


def _read_attributes(tag: str) -> dict[str, str]:
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


# fmt: off
_INLINE: Final = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u",
    "var", "wbr", "img",
})
# fmt: on
# fmt: off
_VOID: Final = frozenset({
    "img", "wbr", "br", "hr", "input", "meta", "link", "source",
})
# fmt: on
_HEADINGS: Final = frozenset({"h1", "title", "h2"})
_HEADER_TEXT: Final = "Podcast Episode Highlights"
_AFTER_BOX: Final = re.compile(r"\s*(?:reader comments|comments\s*\(|comments and sharing)", re.IGNORECASE)
_MAX_TITLE_CHARS: Final = 300
_MAX_RUN_CHARS: Final = 2000
_MAX_ENTITY_CHARS: Final = 34


@dataclass(frozen=True, slots=True)
class Run:
    """Words between two tags; `at` is where they begin in the block's text, `start` in the file."""

    text: str
    raw: str
    at: int
    start: int
    is_own: bool
    """Whether they stand in an inline element of their own, such as `<b>`."""


@dataclass
class Block:
    """One paragraph, cell or line of the box."""

    runs: list[Run] = field(default_factory=list)
    text: str = ""

    def place(self, begin: int, end: int, account: Account) -> None:
        """Claim `text[begin:end]` as placed."""
        for start, stop in self._find_spans(begin, end):
            account.place(start, stop)

    def mark(self, begin: int, end: int, account: Account) -> None:
        """Claim `text[begin:end]` as markup."""
        for start, stop in self._find_spans(begin, end):
            account.mark(start, stop)

    def _find_spans(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        from_run = max(0, bisect_right(self.runs, begin, key=_get_at) - 1)
        for run in self.runs[from_run : bisect_left(self.runs, end, key=_get_at)]:
            first, last = max(begin, run.at), min(end, run.at + len(run.text))
            if first < last:
                start = run.start + find_raw_offset(run.raw, first - run.at)
                yield start, run.start + find_raw_offset(run.raw, last - run.at)


@dataclass(frozen=True)
class Page:
    """What a page has for us: its headings, best first, and the blocks of its transcript."""

    titles: tuple[str, ...]
    blocks: tuple[Block, ...]
    is_whole: bool
    """Whether the last box ends before the page does."""


def read_page(text: str, account: Account) -> Page:
    """Get the page's headings and the transcript's blocks; every tag, and all outside the box, is claimed as markup.

    All boxes of a page are read, one after another: some pages have the transcript in several.
    """
    boxes = set(_find_boxes(text))
    blocks, writer, inside, depth, outside_from = list[Block](), _BlockWriter(), "", 0, 0
    for piece in stream_html(text):
        if not inside:
            if piece.start in boxes and piece.kind == "open":
                account.mark(outside_from, piece.end)
                inside, depth = piece.name, 1
                outside_from = piece.end
            continue
        # Between the last piece and this one may stand a comment or a script.
        account.mark(outside_from, piece.start)
        outside_from = piece.end
        if piece.kind != "words":
            account.mark(piece.start, piece.end)
            depth += (piece.name == inside) * (1 if piece.kind == "open" else -1)
        ends = depth == 0 or (piece.kind == "words" and _AFTER_BOX.match(piece.raw) is not None)
        if ends:
            outside_from, inside = piece.start, ""
        if ends or (piece.kind != "words" and piece.name not in _INLINE):
            blocks.extend(writer.flush())
        elif not ends:
            writer.add(piece)
    if not inside:
        account.mark(outside_from, len(text))
    blocks.extend(writer.flush())
    return Page(_read_titles(text), tuple(blocks), is_whole=not inside)


@dataclass
class _BlockWriter:
    runs: list[Run] = field(default_factory=list)
    n_chars: int = 0
    n_open: int = 0

    def add(self, piece: Piece) -> None:
        if piece.kind == "open" and piece.name not in _VOID:
            self.n_open += 1
        elif piece.kind == "close":
            self.n_open = max(0, self.n_open - 1)
        elif piece.kind == "words":
            for start, raw in _cut_words(piece):
                words = decode_words(raw)
                self.runs.append(Run(words, raw, self.n_chars, start, self.n_open > 0))
                self.n_chars += len(words)

    def flush(self) -> list[Block]:
        block = Block(self.runs, "".join(run.text for run in self.runs))
        self.runs, self.n_chars, self.n_open = [], 0, 0
        return [block] if block.text.strip() else []


def _get_at(run: Run) -> int:
    return run.at


def _cut_words(piece: Piece) -> Iterator[tuple[int, str]]:
    """Cut words into runs of bounded length, never inside an entity: finding a place in a run costs its length."""
    begin = 0
    while begin < len(piece.raw):
        end = begin + _MAX_RUN_CHARS
        entity = piece.raw.rfind("&", end - _MAX_ENTITY_CHARS, end) if end < len(piece.raw) else -1
        end = entity if entity > begin else end
        yield piece.start + begin, piece.raw[begin:end]
        begin = end


def _find_boxes(text: str) -> Iterator[int]:
    """Find where boxes begin; without the known ones, the table that holds the transcript's heading is the box."""
    table, highlights, n_boxes = -1, -1, 0
    for piece in stream_html(text):
        if piece.kind == "open":
            attributes = _read_attributes(piece.raw)
            if "audio-highlight" in attributes.get("class", "").split() or attributes.get("id") == "unique":
                n_boxes += 1
                yield piece.start
            table = piece.start if piece.name == "table" else table
        elif piece.kind == "words" and highlights < 0 and _HEADER_TEXT in piece.raw:
            highlights = table
    if not n_boxes and highlights >= 0:
        yield highlights


def _read_titles(text: str) -> tuple[str, ...]:
    found = dict[str, str]()
    inside = ""
    for piece in stream_html(text):
        if piece.kind == "words":
            if inside:
                found[inside] = (found.get(inside, "") + decode_words(piece.raw))[:_MAX_TITLE_CHARS]
        elif piece.name in _HEADINGS:
            inside = piece.name if piece.kind == "open" and piece.name not in found else ""
    return tuple(found[name] for name in ("h1", "title", "h2") if name in found)
