"""What a folder of transcripts tells before there is a show."""

from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.errors import SourceError
from econchatr.pipeline import Silent
from econchatr.tools.survey import Survey, choose_aliases, survey_folder, tell_survey, warn_of_size

TALK = "{host}: Why do they {verb} so early, do you think, in a year as dry as this one was?\n\n"
REPLY = "{guest}: Because the ground is warm by then, and nobody wants to wait for the second frost of May.\n\n"


def write_talks(folder: Path, *talks: tuple[str, str]) -> Path:
    """A folder with one episode for each host's label and guest."""
    folder.mkdir()
    for number, (host, guest) in enumerate(talks, start=1):
        turns = "".join(
            TALK.format(host=host, verb=verb) + REPLY.format(guest=guest) for verb in ("sow", "reap", "graft", "prune")
        )
        (folder / f"2020-0{number}-01-talk.txt").write_text(turns, encoding="utf-8")
    return folder


def survey(folder: Path, most_files: int | None = None) -> Survey:
    return survey_folder(folder, Silent(), most_files=most_files)


def test_the_host_is_who_is_heard_in_most_episodes_with_all_spellings(tmp_path: Path) -> None:
    labels = ("Ada Host", "Ada Q. Host, PhD", "ADA HOST", "Ada", "Ada Host")
    guests = ("Bo Guest", "Cy Guest", "Di Guest", "Ed Guest", "Flo Guest")
    found = survey(write_talks(tmp_path / "t", *zip(labels, guests, strict=True)))
    assert [one.name for one in found.hosts] == ["Ada Host"]
    assert found.is_plain
    assert found.hosts[0].n_episodes == 5
    assert found.hosts[0].ask_share == 1.0
    assert choose_aliases(found, ["Ada Host"]) == {"Ada": "Ada Host"}


def test_a_host_is_named_without_a_degree(tmp_path: Path) -> None:
    found = survey(write_talks(tmp_path / "t", ("Ada Host, PhD", "Bo Guest"), ("Ada Host, PhD", "Cy Guest")))
    assert found.hosts[0].name == "Ada Host"
    assert choose_aliases(found, ["Ada Host"]) == {}


def test_a_first_name_in_the_same_episode_is_somebody_else(tmp_path: Path) -> None:
    found = survey(write_talks(tmp_path / "t", ("Ada Host", "Ada"), ("Ada Host", "Cy Guest")))
    assert found.find("Ada Host").spellings == ()  # type: ignore[union-attr]


def test_two_hosts_are_both_told_and_none_is_taken(tmp_path: Path) -> None:
    found = survey(write_talks(tmp_path / "t", ("Ada Host", "Bo Host"), ("Ada Host", "Bo Host")))
    assert {one.name for one in found.hosts} == {"Ada Host", "Bo Host"}
    assert not found.is_plain


def test_dates_words_formats_and_what_is_set_aside_are_told(tmp_path: Path) -> None:
    folder = write_talks(tmp_path / "t", ("Ada Host", "Bo Guest"), ("Ada Host", "Cy Guest"))
    (folder / "notes.txt").write_text("Milk, bread, two dozen nails.\n")
    (folder / "sound.mp3").write_bytes(b"ID3")
    told = "\n".join(tell_survey(survey(folder)))
    assert "3 files" in told
    assert "2 episodes read (2 plain)" in told
    assert "episodes of 2020-01-01 to 2020-02-01" in told
    assert "set aside notes.txt" in told
    assert "mp3" in told


def test_of_many_files_some_are_looked_at_and_that_is_said(tmp_path: Path) -> None:
    found = survey(write_talks(tmp_path / "t", *[("Ada Host", f"Guest {name}") for name in "ABCDEF"]), most_files=3)
    assert (found.n_all_files, found.n_files, found.hosts[0].n_episodes) == (6, 3, 3)
    assert "3 of them looked at" in "\n".join(tell_survey(found))


def test_too_few_words_of_the_host_are_warned_of(tmp_path: Path) -> None:
    assert "are little" in warn_of_size(survey(write_talks(tmp_path / "t", ("Ada Host", "Bo Guest"))), "Ada Host")


def test_a_folder_without_transcripts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        survey(tmp_path)
