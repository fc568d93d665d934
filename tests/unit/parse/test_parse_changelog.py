"""A real show of 518 files: what its bold labels say, found by other means, is what was parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from econchatr.parse import SpeakerTable, parse_file
from tests.helpers.real_transcripts import list_changelog, needs_changelog

SHOW = SpeakerTable(hosts=("Adam Stacoviak", "Jerod Santo"))

# A line that begins, but for marks of a block or one slipped digit, with a bold name and a colon inside or behind it.
LABELLED = re.compile(r"^[ \t>#-]*\d?\*{2,3}([^*\n]+?)(?::[ \t]*\*\*|\*\*[ \t]?:)(.*)$", re.MULTILINE)
NOBODY = {"Break", "Outro", "Jingle", "Song extract", "Extract begins", "Extract ends", "Recording", "Recording ends",
          "Sample", "Sound Sample"}  # fmt: skip


class Said(NamedTuple):
    label: str
    words: str
    """The rest of the label's line up to the next bold word, without white space and times."""


def squash(text: str) -> str:
    return re.sub(r"\\?\[\\*[\d:.]+\\*\]|\s|\*", "", text)


def list_said(text: str) -> Iterator[Said]:
    for label, rest in LABELLED.findall(text):
        # The slip `Name: Name`.
        name = label.partition(":")[0].strip()
        if name not in NOBODY:
            yield Said(name, squash(rest.partition("**")[0]))


def compare(path: Path) -> tuple[list[Said], list[str], list[Said]]:
    """What a file's labels say, the labels nobody of the turns has, and what is under a label but not in its turns."""
    said = list(list_said(path.read_text(encoding="utf-8")))
    spoken = dict[str, str]()
    for turn in parse_file(path.read_bytes(), location=path.name, show=SHOW).turns:
        spoken[turn.speaker] = spoken.get(turn.speaker, "") + squash(turn.text)
    position, misplaced = dict.fromkeys(spoken, 0), list[Said]()
    for one in said:
        found = spoken.get(one.label, "").find(one.words, position.get(one.label, 0))
        if found < 0:
            misplaced.append(one)
        else:
            position[one.label] = found + len(one.words)
    return said, sorted({one.label for one in said} - spoken.keys()), misplaced


@pytest.mark.slow
@needs_changelog
def test_no_true_speaker_of_a_real_show_is_lost_nor_a_word_given_to_another() -> None:
    n_said, labels, lost, misplaced = 0, set[tuple[str, str]](), list[tuple[str, str]](), list[tuple[str, Said]]()
    for path in list_changelog():
        said, missing, elsewhere = compare(path)
        n_said += len(said)
        labels |= {(path.name, one.label) for one in said}
        lost += [(path.name, label) for label in missing]
        misplaced += [(path.name, one) for one in elsewhere]
    assert (lost, misplaced) == ([], [])
    # The test itself must see the labels: so many there are, in so many files.
    assert len({name for name, _ in labels}) == len(list_changelog()) > 500
    assert len(labels) > 3 * 500
    assert n_said > 100_000
    print(f"{len(list_changelog())} files, {len(labels):,} labels, {n_said:,} labelled lines, nothing lost")
