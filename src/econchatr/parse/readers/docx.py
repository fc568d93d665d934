"""A DOCX file's bytes -> its text, line by line; whichever reader knows that text reads it.

It opens the archive with bounds on every size and streams the XML without building a tree, so that a bomb of either
kind costs no more than its bounds. What is no part of the body (headers, notes, comments, deleted words, text
boxes) comes apart from it.

Source: ECMA-376 (word/document.xml: w:p, w:t, w:tab, w:br, w:tbl, w:tr, w:tc, w:del).
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import Final
from xml.parsers import expat

from econchatr.errors import TranscriptError

_MAX_PART_BYTES: Final = 32 * 1024 * 1024
"""Of one XML part, unpacked; a four-hour transcript with a tag around every word has about ten million."""

_MAX_TEXT_CHARS: Final = 8 * 1024 * 1024
_MAX_PARTS: Final = 2000
_BODY: Final = "word/document.xml"
_ASIDE: Final = re.compile(r"word/(?:header|footer|footnotes|endnotes|comments)\d{0,3}\.xml")
_W: Final = re.compile(
    r"http://(?:schemas\.openxmlformats\.org/wordprocessingml/2006|purl\.oclc\.org/ooxml/wordprocessingml)/main "
)
_BREAKS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_APART: Final = frozenset({"txbxContent", "del", "moveFrom"})


def is_zip(data: bytes) -> bool:
    """Say whether the bytes begin as an archive does."""
    return data.startswith(b"PK\x03\x04")


def read_docx(data: bytes, *, location: str) -> tuple[str, str]:
    """Get the document's text, one paragraph or table row a line, and the text that stands apart from it.

    Raises:
        TranscriptError: the archive is broken, is no Word document, or unpacks to more than a transcript may have.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if _BODY not in names:
                raise TranscriptError(
                    f"{location} is an archive without {_BODY}, so no Word document",
                    hint="Unpack it, or save the transcript as text.",
                )
            if len(names) > _MAX_PARTS:
                raise TranscriptError(
                    f"{location} has {len(names):,} parts; a document may have {_MAX_PARTS:,}",
                    hint="Save the transcript as text.",
                )
            body = _read_part(archive, _BODY, location)
            asides = [_read_part(archive, name, location) for name in sorted(set(names)) if _ASIDE.fullmatch(name)]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as exc:
        raise TranscriptError(
            f"{location} is a broken archive ({exc})", hint="Download it again; it may be cut off."
        ) from exc
    aside = "\n".join(text for part in (body, *asides) for text in (part.aside, part.text * (part is not body)) if text)
    return body.text, aside


class _Part:
    """Collects one part's text while its XML streams by."""

    def __init__(self) -> None:
        self.lines = list[str]()
        self.apart = list[str]()
        self.n_chars = 0
        self._is_text, self._n_apart, self._n_fallback, self._n_rows = False, 0, 0, 0
        self._is_pending = False

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def aside(self) -> str:
        return "".join(self.apart)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        kind = _W.sub("", name)
        self._is_text = kind in ("t", "delText")
        self._n_apart += kind in _APART
        self._n_fallback += name.endswith(" Fallback")
        self._n_rows += kind == "tr"
        if kind in _BREAKS:
            self._add(_BREAKS[kind])

    def end(self, name: str) -> None:
        kind = _W.sub("", name)
        self._is_text = False
        self._n_apart -= kind in _APART
        self._n_fallback -= name.endswith(" Fallback")
        self._n_rows -= kind == "tr"
        # A row is one line, so that a name in one cell labels the speech in the next; but a cell may hold a whole talk.
        if kind == "tc":
            self._is_pending = False
            self._add("\t")
        elif kind == "p" and self._n_rows:
            self._is_pending = True
        elif kind in ("p", "tr"):
            self._add("\n")

    def words(self, text: str) -> None:
        if self._is_text:
            self._add(text)

    def _add(self, text: str) -> None:
        # The fallback says once more what its choice has said.
        if self._n_fallback > 0:
            return
        if self._is_pending:
            self._is_pending, text = False, f"\n{text}"
        self.n_chars += len(text)
        if self.n_chars > _MAX_TEXT_CHARS:
            raise _TooLongError
        (self.apart if self._n_apart > 0 else self.lines).append(text)


class _TooLongError(Exception):
    """Stops the stream; never leaves this module."""


class _DoctypeError(Exception):
    """Stops the stream; never leaves this module."""


def _read_part(archive: zipfile.ZipFile, name: str, location: str) -> _Part:
    with archive.open(name) as stream:
        xml = stream.read(_MAX_PART_BYTES + 1)
    if len(xml) > _MAX_PART_BYTES:
        raise TranscriptError(
            f"{location}: {name} unpacks to more than {_MAX_PART_BYTES:,} bytes", hint="Save the transcript as text."
        )
    part = _Part()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = part.start, part.end
    parser.CharacterDataHandler = part.words
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(xml, True)
    except _TooLongError as exc:
        raise TranscriptError(
            f"{location}: {name} has more than {_MAX_TEXT_CHARS:,} characters",
            hint="Split it into one file per episode.",
        ) from exc
    except _DoctypeError as exc:
        raise TranscriptError(
            f"{location}: {name} declares entities, which no Word document does", hint="Save the transcript as text."
        ) from exc
    except expat.ExpatError as exc:
        raise TranscriptError(
            f"{location}: {name} is broken XML ({exc})", hint="Open and save the document again, or save it as text."
        ) from exc
    return part


def _refuse_doctype(*_declaration: object) -> None:
    raise _DoctypeError
