"""What may happen to a show's folder from outside: noticed, mended or told in one line; nothing in it is lost."""

from __future__ import annotations

import os
from pathlib import Path

from econchatr.pipeline import Silent, open_show, run_show
from econchatr.records import SourceFile
from econchatr.tables import hash_file, read_table
from tests.functional.conftest import Run, edit_show


class Notes(Silent):
    """A narrator that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def parse(show: Path) -> tuple[tuple[str, ...], list[str]]:
    notes = Notes()
    return run_show(open_show(show), notes, until="parse").done, notes.notes


def raw_files(show: Path) -> list[Path]:
    files = read_table(show / "fetch" / "files.parquet", SourceFile)
    return [show / "fetch" / "raw" / file.sha256 for file in files]


def add_alias(show: Path) -> None:
    edit_show(show, "[rights]", '[show.aliases]\nX = "Hester Pellow"\n\n[rights]')


def test_a_name_that_is_not_utf8_is_one_line_and_the_rest_goes_on(tiny_show: Path, econchatr: Run) -> None:
    talk = next((tiny_show / "transcripts").iterdir())
    talk.rename(talk.with_name(os.fsdecode(b"bad\xff.md")))
    told = econchatr("parse", tiny_show).stderr
    assert told.count("bad\\xff.md: the file's name is not UTF-8. Rename it.") == 1
    assert "5 episodes, 1 quarantined" in told


def test_what_is_left_aside_is_told_and_nothing_behind_fetch_is_done_again(tiny_show: Path) -> None:
    parse(tiny_show)
    (tiny_show / "transcripts" / "more.pdf").write_bytes(b"%PDF-1.7")
    done, notes = parse(tiny_show)
    assert done == ("fetch",)
    assert notes == ["left aside, not read: 1 .pdf"]


def test_a_show_whose_transcripts_lie_beside_its_own_files_stays_done(tiny_show: Path) -> None:
    for path in (tiny_show / "transcripts").iterdir():
        path.rename(tiny_show / path.name)
    edit_show(tiny_show, "[rights]", '[fetch]\nfolder = "."\n\n[rights]')
    assert parse(tiny_show)[0] == ("fetch", "parse")
    (tiny_show / "report").mkdir()
    (tiny_show / "report" / "report.md").write_text("**Hester Pellow:** This is a report.\n")
    assert parse(tiny_show)[0] == ()


def test_a_kept_copy_that_is_gone_is_copied_again_when_it_is_needed(tiny_show: Path) -> None:
    parse(tiny_show)
    raw_files(tiny_show)[0].unlink()
    assert parse(tiny_show)[0] == ()
    add_alias(tiny_show)
    assert parse(tiny_show)[0] == ("parse",)
    assert raw_files(tiny_show)[0].is_file()


def test_a_kept_copy_that_was_changed_is_told_and_copied_again_before_it_is_read(tiny_show: Path) -> None:
    parse(tiny_show)
    kept = raw_files(tiny_show)[0]
    whole = hash_file(tiny_show / "parse" / "turns.parquet")
    kept.write_bytes(kept.read_bytes().replace(b"Hester", b"Nobody"))
    add_alias(tiny_show)
    _, notes = parse(tiny_show)
    assert [note for note in notes if f"{kept} was changed; it is copied again from" in note]
    assert hash_file(kept) == kept.name
    assert hash_file(tiny_show / "parse" / "turns.parquet") == whole
