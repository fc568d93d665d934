"""Word documents: their text as any other, what stands apart from it, and bombs."""

from __future__ import annotations

import io
import zipfile

import pytest

from econchatr.errors import TranscriptError
from econchatr.parse import open_text
from tests.helpers.read_text import read, said

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pack(body: str, *, head: str = "", **parts: str) -> bytes:
    names = {"document": f"{head}<w:document xmlns:w='{W}'><w:body>{body}</w:body></w:document>"} | parts
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in names.items():
            archive.writestr(f"word/{name}.xml", xml)
    return out.getvalue()


def p(*runs: str) -> str:
    return "<w:p>" + "".join(f"<w:r><w:t xml:space='preserve'>{run}</w:t></w:r>" for run in runs) + "</w:p>"


def test_paragraphs_are_lines_and_a_label_may_be_split_over_runs() -> None:
    parsed = read(pack(p("Wells, a talk") + p("Orla ", "Quill", ": Who dug &amp; why?") + p("") + p("Dara Finch: I.")))
    assert said(parsed) == [("Orla Quill", "Who dug & why?"), ("Dara Finch", "I.")]
    assert (parsed.episode.reader, parsed.loss.unplaced) == ("docx/plain", ("Wells, a talk",))


def test_table_row_is_a_name_and_what_it_said() -> None:
    rows = [("Orla Quill", "Who dug?"), ("Dara Finch", "I did.")]
    cells = "".join("<w:tr>" + "".join(f"<w:tc>{p(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in rows)
    assert said(read(pack(f"<w:tbl>{cells}</w:tbl>"))) == rows


def test_timed_blocks_are_read_as_in_any_text() -> None:
    parsed = read(pack(p("Orla Quill (00:36):") + p("Who dug?") + p("Dara Finch (00:40):") + p("I did.")))
    assert (parsed.episode.reader, parsed.turns[1].start_seconds) == ("docx/stamped", 40)


def test_deleted_words_headers_and_comments_are_counted_not_spoken() -> None:
    deleted = f"<w:p><w:del><w:r><w:delText>Gone: x.</w:delText></w:r></w:del></w:p>{p('Orla Quill: One. Two.')}"
    header = f"<w:hdr xmlns:w='{W}'>{p('Page of wells')}</w:hdr>"
    parsed = read(pack(deleted + p("Dara Finch: Three."), header1=header))
    assert [text for _, text in said(parsed)] == ["One. Two.", "Three."]
    assert parsed.loss.unplaced == ("Gone: x.", "Page of wells")


def test_text_as_opened_has_what_stands_apart_too() -> None:
    header = f"<w:hdr xmlns:w='{W}'>{p('Page of wells')}</w:hdr>"
    text = open_text(pack(p("Orla Quill: One."), header1=header), location="talk.docx")
    assert [line for line in text.splitlines() if line] == ["Orla Quill: One.", "Page of wells"]


def test_entity_bomb_is_refused_before_it_grows() -> None:
    bomb = "<!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '" + "&a;" * 1000 + "'>]>"
    with pytest.raises(TranscriptError, match="declares entities"):
        read(pack(p("&b;"), head=bomb))


def test_zip_bomb_is_refused_at_its_bound() -> None:
    with pytest.raises(TranscriptError, match="unpacks to more"):
        read(pack(p("a" * 40_000_000)))


def test_nested_tables_end() -> None:
    data = pack(
        "<w:tbl><w:tr><w:tc>" * 20_000
        + p("Orla Quill: deep")
        + p("Dara Finch: down")
        + "</w:tc></w:tr></w:tbl>" * 20_000
    )
    assert len(read(data).turns) == 2


GOOD = pack(p("Orla Quill: Who dug?") + p("Dara Finch: I did."))


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:60],
        GOOD[:-30],
        GOOD[:40] + b"\x00" * 40 + GOOD[80:],
        pack("<w:p>"),
        pack("", head="\ud7ff"),
        b"PK\x03\x04" + b"\x00" * 100,
        GOOD.replace(b"document", b"dokument"),
    ],
    ids=range(7),
)
def test_broken_archive_is_refused(data: bytes) -> None:
    with pytest.raises(TranscriptError) as caught:
        read(data)
    assert caught.value.hint
