"""Reader for Podcasting 2.0 HTML: `<cite>Name:</cite><time>0:00</time><p>text</p>`, again and again.

Several paragraphs may follow one name, the time may be missing, the colon may stand apart.
"""

from __future__ import annotations

import re
from typing import Final

from econchatr.parse.draft import STAMP, Account, Draft, Reader, TurnWriter, read_seconds
from econchatr.parse.people import SpeakerTable, tidy_label
from econchatr.parse.readers.html_text import Piece, decode_words, stream_html

_CITE: Final = re.compile(r"<cite\b[^<>]{0,200}>", re.IGNORECASE)
_STAMP: Final = re.compile(rf"\s*[(\[]?({STAMP})[)\]]?\s*")
# Their words are shown on no page.
_HEAD: Final = frozenset({"head", "title"})
_BLOCKS: Final = frozenset(
    {"p", "div", "li", "blockquote", "br", "cite", "time", "h1", "h2", "h3", "section", "article"}
)
_MAX_LABEL_CHARS: Final = 128


def _score_podcast_html(text: str) -> float:
    """Get how surely the text is Podcasting 2.0 HTML: by two or more `cite` elements and a paragraph."""
    if "<" not in text[:2000]:
        return 0.0
    n_cites = len(_CITE.findall(text[:50_000]))
    return 0.9 if n_cites >= 2 else 0.5 * n_cites


def _read_podcast_html(text: str, show: SpeakerTable) -> Draft:
    """Get the turns under the `cite` names; words before the first name stay unplaced.

    So do words outside paragraphs, in a page that has paragraphs.

    Source: https://github.com/Podcastindex-org/podcast-namespace/blob/main/transcripts/transcripts.md
    """
    account, writer, place = Account(text), TurnWriter(), _Place()
    has_paragraphs = re.search(r"<p[\s>]", text, re.IGNORECASE) is not None
    position = 0
    for piece in stream_html(text):
        # What the stream leaves out (comments, scripts) is markup, as tags are.
        account.mark(position, piece.start)
        position = piece.end
        if piece.kind != "words":
            account.mark(piece.start, piece.end)
            place.enter(piece, writer)
        elif place.head:
            account.mark(piece.start, piece.end)
        elif place.element == "cite":
            account.place(piece.start, piece.end)
            place.cite += decode_words(piece.raw)
        elif place.element == "time" and (stamp := _STAMP.fullmatch(piece.raw)):
            account.place(piece.start, piece.end)
            place.seconds = read_seconds(stamp[1])
        elif writer.label is not None and (place.is_paragraph or not has_paragraphs):
            account.place(piece.start, piece.end)
            place.words.append(decode_words(piece.raw))
    account.mark(position, len(text))
    place.flush(writer)
    writer.close()
    return Draft("verbatim", tuple(writer.turns), account)


PODCAST_HTML: Final = Reader("podcast-html", _score_podcast_html, _read_podcast_html)


class _Place:
    """Where in the page the stream is, and the words of the open paragraph."""

    def __init__(self) -> None:
        self.element, self.head, self.cite, self.is_paragraph = "", "", "", False
        self.seconds: int | None = None
        self.words = list[str]()

    def enter(self, piece: Piece, writer: TurnWriter) -> None:
        is_open = piece.kind == "open"
        if piece.name in _HEAD or piece.name in _BLOCKS:
            # A head that nothing closes must not swallow the page.
            self.head = piece.name if piece.name in _HEAD and is_open else ""
        if piece.name not in _BLOCKS:
            return
        # A paragraph that nothing closes ends where the next block begins.
        self.flush(writer)
        if piece.name == "cite" and not is_open:
            if name := tidy_label(self.cite[:_MAX_LABEL_CHARS]):
                writer.open(name)
            self.cite, self.seconds = "", None
        if piece.name in ("cite", "time"):
            self.element = piece.name if is_open else ""
        elif piece.name != "br":
            self.is_paragraph = is_open and piece.name in ("p", "li", "blockquote")

    def flush(self, writer: TurnWriter) -> None:
        writer.say(" ".join("".join(self.words).split()), start_seconds=self.seconds)
        self.words = []
