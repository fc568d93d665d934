from __future__ import annotations

import os
from pathlib import Path

import pytest

from econchatr.errors import ShowFolderError, SourceError
from econchatr.fetch import folder as fetch_folder
from econchatr.fetch.folder import keep_files, list_files, read_kept, tell_left
from econchatr.tables import hash_bytes


def test_files_are_listed_in_order_whatever_their_depth(tmp_path: Path) -> None:
    for name in ("b.md", "a.html", "sub/c.txt", ".hidden.md", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    files, failures, _ = list_files(tmp_path)
    assert [file.location for file in files] == ["a.html", "b.md", "sub/c.txt"]
    assert failures == []


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "show").mkdir()
    (tmp_path / "show" / "own.md").write_text("own")
    (tmp_path / "show" / "link.md").symlink_to(tmp_path / "secret.md")
    files = list_files(tmp_path / "show").files
    assert [file.location for file in files] == ["own.md"]


def test_a_folder_of_links_alone_says_that_they_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "show").mkdir()
    (tmp_path / "show" / "link.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(SourceError, match="holds no transcript") as error:
        list_files(tmp_path / "show")
    assert "not followed" in str(error.value.hint)


def test_kept_bytes_are_the_received_ones(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xff raw \r\n")
    files = list_files(tmp_path).files
    keep_files(files, folder=tmp_path, raw=tmp_path / "raw")
    assert (tmp_path / "raw" / files[0].sha256).read_bytes() == b"\xff raw \r\n"


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    files = list_files(tmp_path).files
    (tmp_path / "a.md").write_text("two")
    with pytest.raises(SourceError, match="changed"):
        keep_files(files, folder=tmp_path, raw=tmp_path / "raw")


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_missing_or_empty_folder_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError) as caught:
        list_files(tmp_path / name)
    assert caught.value.hint


def test_a_file_too_large_to_be_a_transcript_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_folder, "MAX_FILE_BYTES", 10)
    (tmp_path / "big.md").write_text("x" * 11)
    (tmp_path / "small.md").write_text("x")
    files, failures, _ = list_files(tmp_path)
    assert [file.location for file in files] == ["small.md"]
    assert [failure.item for failure in failures] == ["big.md"]


def test_a_folder_of_nothing_but_too_large_files_says_so(tmp_path: Path) -> None:
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(2 * 1024**3)
    with pytest.raises(SourceError, match=r"big\.json: 2,147,483,648 bytes") as caught:
        list_files(tmp_path)
    assert "Split it" in caught.value.hint


# --- what is left aside, and what cannot be read ----------------------------------------------------------------------


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.fsencode(name))


def test_a_name_that_is_not_utf8_is_one_failure_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(tmp_path, "good.md", os.fsdecode(b"bad\xff.md"), os.fsdecode(b"f\xff/inside.md"))
    listing = list_files(tmp_path)
    assert [file.location for file in listing.files] == ["good.md"]
    assert [failure.item for failure in listing.failures] == ["bad\\xff.md", "f\\xff"]
    assert all("not UTF-8" in failure.message and failure.hint == "Rename it." for failure in listing.failures)


def test_what_is_left_aside_is_counted_by_kind(tmp_path: Path) -> None:
    write(tmp_path, "show/a.md", "show/b.pdf", "show/c.PDF", "show/d.rtf", "show/notes", "show/.hidden.md", "secret.md")
    (tmp_path / "show" / "out.md").symlink_to(tmp_path / "secret.md")
    (tmp_path / "show" / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "show" / "pipe.txt")
    listing = list_files(tmp_path / "show")
    assert [file.location for file in listing.files] == ["a.md"]
    assert listing.n_left == {
        ".pdf": 2, ".rtf": 1, "links that lead out of the folder": 1, "links to folders": 1,
        "pipes, sockets or devices": 1, "without an ending": 1,
    }  # fmt: skip
    assert "2 .pdf" in tell_left(listing.n_left)


def test_a_link_to_nothing_or_in_a_circle_is_a_failure_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "good.md")
    (tmp_path / "gone.md").symlink_to("nothing.md")
    (tmp_path / "round.md").symlink_to("round.md")
    listing = list_files(tmp_path)
    assert [file.location for file in listing.files] == ["good.md"]
    assert [failure.item for failure in listing.failures] == ["gone.md", "round.md"]


def test_a_file_that_may_not_be_read_is_one_failure_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal is put where the bytes are read."""
    write(tmp_path, "good.md", "shut.md")
    whole = fetch_folder.hash_file

    def refuse(path: Path) -> str:
        if path.name == "shut.md":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(fetch_folder, "hash_file", refuse)
    listing = list_files(tmp_path)
    assert [file.location for file in listing.files] == ["good.md"]
    assert [(failure.item, failure.message) for failure in listing.failures] == [
        ("shut.md", "the file cannot be read: Permission denied.")
    ]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "good.md", "shut/inside.md")
    scan = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = list_files(tmp_path)
    assert [file.location for file in listing.files] == ["good.md"]
    assert [failure.item for failure in listing.failures] == ["shut"]


def test_what_the_stages_made_is_not_taken_for_transcripts(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "report/report.md", "sub/report/b.md")
    listing = list_files(tmp_path, apart=[tmp_path / "report"])
    assert [file.location for file in listing.files] == ["a.md", "sub/report/b.md"]


# --- the kept copies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_replaced", [0, 1])
def test_a_kept_copy_that_is_gone_or_changed_is_copied_again(tmp_path: Path, n_replaced: int) -> None:
    write(tmp_path, "a.md")
    files, raw = list_files(tmp_path).files, tmp_path / "raw"
    keep_files(files, folder=tmp_path, raw=raw)
    kept = raw / files[0].sha256
    kept.write_text("b.md") if n_replaced else kept.unlink()
    assert len(keep_files(files, folder=tmp_path, raw=raw)) == n_replaced
    assert kept.read_text() == "a.md"


def test_a_kept_copy_is_read_only_where_it_has_its_hash(tmp_path: Path) -> None:
    sha256 = hash_bytes(b"said")
    with pytest.raises(ShowFolderError, match=rf"{sha256} is gone; it held a\.md"):
        read_kept(tmp_path, sha256, location="a.md")
    (tmp_path / sha256).write_bytes(b"said")
    assert read_kept(tmp_path, sha256, location="a.md") == b"said"
    (tmp_path / sha256).write_bytes(b"lied")
    with pytest.raises(ShowFolderError, match="was changed") as caught:
        read_kept(tmp_path, sha256, location="a.md")
    assert "econchatr fetch" in caught.value.hint
