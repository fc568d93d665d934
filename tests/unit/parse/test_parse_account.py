"""Placed, flagged, unplaced, markup and white space: together everything that came in, of every format."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr.parse import (
    READERS,
    ParsedFile,
    SpeakerTable,
    account_flags,
    count_flagged,
    explain_file,
    flag_turns,
    make_slug,
    parse_file,
    unify_speakers,
)
from econchatr.records import Episode, Flag, Turn
from tests.helpers.real_transcripts import list_changelog, needs_changelog
from tests.helpers.write_formats import FORMATS, Talk

SHOW = SpeakerTable(hosts=("Orla Quill",))
NAMES = ("Orla Quill", "Dara Finch", "Ines O'Dell")
PIECES = (
    "Welcome to the well.", "This episode is brought to you by Ropeworks.", "Thanks for listening.", "go to ropes.com",
    "at 10:30", "it's", "café", "R&D", "a < b", "“so”", "[inaudible 00:12]", "use code WELL", "3 > 2", "\U0001f4a7",
)  # fmt: skip


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Talks of four turns or more; each text begins with a word that stands nowhere else."""
    said = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(PIECES), max_size=4)), min_size=2))
    said = [(NAMES[0], []), (NAMES[1], []), *said[:12]]
    return [(name, " ".join([f"Word{n}", *pieces, f"end{n}."])) for n, (name, pieces) in enumerate(said)]


def count_ink(text: str) -> int:
    return sum(not char.isspace() for char in text)


def sum_up(episode: Episode) -> int:
    return (
        episode.n_placed_chars
        + episode.n_flagged_chars
        + episode.n_unplaced_chars
        + episode.n_markup_chars
        + episode.n_white_chars
    )


def check_account(parsed: ParsedFile, turns: list[Turn], text: str | None) -> Episode:
    """Hold an episode's account, with its flags, to what was counted by other means; `None`: no text to count."""
    episode = account_flags(parsed.episode, turns)
    assert sum_up(parsed.episode) == sum_up(episode) == episode.n_chars
    assert 0 <= episode.n_flagged_chars <= sum(count_ink(turn.text) for turn in turns)
    # What is in the turns was placed: nothing is said twice or made up.
    assert sum(count_ink(turn.text) for turn in turns) <= parsed.episode.n_placed_chars
    if text is not None:
        assert episode.n_chars == len(text)
        assert episode.n_white_chars == len(text) - count_ink(text)
    return episode


# --- made-up files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(talk=talks())
def test_account_adds_up_and_no_word_is_lost_in_any_format(name: str, talk: Talk) -> None:
    data = FORMATS[name](talk)
    parsed = parse_file(data, location="talk", show=SHOW)
    assert parsed.episode.reader == name
    turns = flag_turns(parsed.turns, hosts=SHOW.hosts)
    episode = check_account(parsed, turns, None if name.startswith("docx") else data.decode())
    assert re.findall(r"Word\d+|end\d+", " ".join(turn.text for turn in turns)) == [
        word for n in range(len(talk)) for word in (f"Word{n}", f"end{n}")
    ]
    assert episode.n_unplaced_chars == 0


def test_every_reader_has_a_made_up_file() -> None:
    assert {reader.name for reader in READERS} == {name.rpartition("/")[2] for name in FORMATS}


# --- flags ------------------------------------------------------------------------------------------------------------


def make_turn(text: str, *flags: Flag, slug: str = "a") -> Turn:
    return Turn(slug=slug, position=0, speaker="A", role="guest", text=text, flags=tuple(map(str, flags)))


def test_a_character_under_two_flags_counts_once_and_once_for_each_kind() -> None:
    turn = make_turn("ab cd ef", Flag("intro", "x", 0, 5), Flag("phrase", "y", 3, 8), Flag("phrase", "z", 6, 8))
    flagged = count_flagged([turn])
    assert (flagged.n_chars, flagged.by_kind) == (6, {"intro": 4, "phrase": 4})


def test_a_flag_without_a_stretch_is_on_the_whole_turn() -> None:
    assert count_flagged([make_turn("ab cd", Flag("cold-open", "x")), make_turn("ef")]).n_chars == 4


spans = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)


@given(st.text(alphabet="ab \n", max_size=12), st.lists(spans, max_size=5))
def test_flagged_characters_are_those_of_a_mask(text: str, found: list[list[int]]) -> None:
    turn = make_turn(text, *(Flag("intro", "x", start, end) for start, end in found))
    under = {n for start, end in found for n in range(start, min(end, len(text)))}
    assert count_flagged([turn]).n_chars == sum(not text[n].isspace() for n in under)


def test_flags_set_anew_replace_those_before() -> None:
    data = FORMATS["markdown"]([("Orla Quill", "Welcome to the well."), ("Dara Finch", "It is deep.")])
    parsed = parse_file(data, location="talk", show=SHOW)
    once = account_flags(parsed.episode, flag_turns(parsed.turns))
    assert once.n_flagged_chars == count_ink("Welcome to the well.")
    assert account_flags(once, parsed.turns) == parsed.episode


# --- what is shown ----------------------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(FORMATS)), talks(), st.binary(max_size=3))
def test_explanation_accounts_for_every_character_of_a_whole_or_broken_file(name: str, talk: Talk, cut: bytes) -> None:
    data = FORMATS[name](talk)
    text = data[: len(data) - len(cut)].decode(errors="replace") if not name.startswith("docx") else ""
    told = explain_file(text.encode() or data, location="talk", show=SHOW)
    characters = json.loads(json.dumps(told.as_dict()))["characters"]
    ends = ("placed", "flagged", "unplaced", "markup", "white")
    assert sum(characters[f"n_{end}_chars"] for end in ends) == characters["n_chars"]
    assert not text or characters["n_chars"] == len(text)


def test_of_a_file_that_is_not_read_everything_is_unplaced() -> None:
    told = explain_file(b"words and no more", location="talk", show=SHOW)
    assert told.count_chars() == {"placed": 0, "flagged": 0, "unplaced": 14, "markup": 0, "white": 3}
    assert told.loss.unplaced == ("words and no more",)


# --- a real corpus ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_changelog
@pytest.mark.parametrize("folder", ["founderstalk", "podcast"])
def test_account_of_a_whole_real_show_adds_up_file_by_file(folder: str) -> None:
    files, taken = dict[str, tuple[ParsedFile, str]](), set[str]()
    show = SpeakerTable(hosts=("Adam Stacoviak", "Jerod Santo"))
    for path in list_changelog(folder):
        parsed = parse_file(path.read_bytes(), location=path.name, show=show, slug=make_slug(path.name, taken))
        taken.add(parsed.episode.slug)
        files[parsed.episode.slug] = parsed, path.read_text(encoding="utf-8")
    turns = dict[str, list[Turn]]((slug, []) for slug in files)
    everybody = [turn for parsed, _ in files.values() for turn in parsed.turns]
    for turn in flag_turns(unify_speakers(everybody, show), hosts=show.hosts):
        turns[turn.slug].append(turn)
    episodes = [check_account(parsed, turns[slug], text) for slug, (parsed, text) in files.items()]
    assert len(episodes) == len(list_changelog(folder))
    assert sum(episode.n_flagged_chars for episode in episodes) > 0
    assert sum(episode.n_unplaced_chars for episode in episodes) == 0
