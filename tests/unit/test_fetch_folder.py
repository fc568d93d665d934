from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.errors import SourceError
from econchatr.fetch import folder as fetch_folder
from econchatr.fetch.folder import keep_files, list_files


def test_files_are_listed_in_order_whatever_their_depth(tmp_path: Path) -> None:
    for name in ("b.md", "a.html", "sub/c.txt", ".hidden.md", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    files, failures = list_files(tmp_path)
    assert [file.location for file in files] == ["a.html", "b.md", "sub/c.txt"]
    assert failures == []


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "show").mkdir()
    (tmp_path / "show" / "own.md").write_text("own")
    (tmp_path / "show" / "link.md").symlink_to(tmp_path / "secret.md")
    files, _ = list_files(tmp_path / "show")
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
    files, _ = list_files(tmp_path)
    keep_files(files, folder=tmp_path, raw=tmp_path / "raw")
    assert (tmp_path / "raw" / files[0].sha256).read_bytes() == b"\xff raw \r\n"


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    files, _ = list_files(tmp_path)
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
    files, failures = list_files(tmp_path)
    assert [file.location for file in files] == ["small.md"]
    assert [failure.item for failure in failures] == ["big.md"]


def test_a_folder_of_nothing_but_too_large_files_says_so(tmp_path: Path) -> None:
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(2 * 1024**3)
    with pytest.raises(SourceError, match=r"big\.json has 2,147,483,648 bytes") as caught:
        list_files(tmp_path)
    assert "Split it" in caught.value.hint
