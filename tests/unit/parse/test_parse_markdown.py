"""Markdown transcripts, with every oddity seen in a real corpus."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.parse import ParsedFile, SpeakerTable, parse_file
from econchatr.parse.readers.markdown import read_markdown

SHOW = SpeakerTable(hosts=("Orla Quill",))
LABELLED = "**Orla Quill:** Who counted?\n\n**Dara Finch:** I did.\n\n"


def read(text: str, *, location: str = "a.md") -> ParsedFile:
    return parse_file(text.encode(), location=location, show=SHOW)


def speak(text: str) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in read(text).turns]


def test_paragraph_without_label_continues_the_turn() -> None:
    assert speak("**Orla Quill:** One.\n\nTwo.\n") == [("Orla Quill", "One.\nTwo.")]


def test_label_alone_on_its_line_takes_the_next_paragraph() -> None:
    assert speak("**Orla Quill:**\n\nOne.\n") == [("Orla Quill", "One.")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("**Orla Quill**: Well.", ("Orla Quill", "Well.")),
        ("**Orla Quill:**...well.", ("Orla Quill", "...well.")),
        ("**Orla Quill: Orla Quill:** Well.", ("Orla Quill", "Well.")),
        ("***Orla Quill:** Well.*", ("Orla Quill", "Well.")),
        ("# **Orla Quill:** Well.", ("Orla Quill", "Well.")),
        ("> **Orla Quill:** Well.", ("Orla Quill", "Well.")),
        ("1**Orla Quill:** Well.", ("Orla Quill", "Well.")),
        ("__Orla Quill:__ Well.", ("Orla Quill", "Well.")),
        ('**Orla Quill: "**Well.', ("Orla Quill", '"\nWell.')),
        ("**Björn Söder-O'Dell:** Well.", ("Björn Söder-O'Dell", "Well.")),
        ("**Mira B. Reed, Psy.D:** Well.", ("Mira B. Reed, Psy.D", "Well.")),
        ("**VM (Vick) Lark:** Well.", ("VM (Vick) Lark", "Well.")),
        ("**$HANDLE:** Well.", ("$HANDLE", "Well.")),
    ],
)
def test_odd_label_is_read(line: str, expected: tuple[str, str]) -> None:
    assert speak(line + "\n") == [expected]


def test_label_without_colon_is_one_only_if_the_file_knows_it() -> None:
    assert speak(LABELLED + "**Orla Quill** Sure?\n")[-1] == ("Orla Quill", "Sure?")
    assert speak(LABELLED + "**Surely** not.\n")[-1] == ("Dara Finch", "I did.\n**Surely** not.")


def test_second_label_inside_a_line_begins_a_turn() -> None:
    assert speak(LABELLED + "**Orla Quill:** Really? **Dara Finch:** Yes.\n")[2:] == [
        ("Orla Quill", "Really?"),
        ("Dara Finch", "Yes."),
    ]


def test_bold_words_inside_a_turn_are_speech() -> None:
    assert speak("**Orla Quill:** It is **very: late** now.\n") == [("Orla Quill", "It is **very: late** now.")]


@pytest.mark.parametrize(
    "line",
    [
        r"**Break:** \[25:59\] to \[27:11\]",
        r"# **Break:** \[42:03\]",
        r"**Outro**: \[01:31:56.19\]",
        r"**Break:** \[\\00:22:22.11\]",
        r"**Break:** **\[18:05\]**",
        "**Break:**",
        r"Break: \[19:00\]",
        r"\[27:32\] COMMERCIAL BREAK \[28:04\]",
    ],
)
def test_break_is_no_turn_and_nothing_of_it_is_lost(line: str) -> None:
    parsed = read(LABELLED + line + "\n\nAnd I would again.\n")
    assert [turn.text for turn in parsed.turns] == ["Who counted?", "I did.\nAnd I would again."]
    assert parsed.episode.n_unplaced_chars == 0


def test_words_of_a_clip_are_not_the_speakers() -> None:
    parsed = read(LABELLED + "**Song:** \\[04:47\\]\n\nLa, la.\n\n**Orla Quill:** Lovely.\n")
    assert [(turn.speaker, turn.role) for turn in parsed.turns[2:]] == [("Song", "other"), ("Orla Quill", "host")]


def test_quotes_and_lists_stay_in_the_turn_without_their_marks() -> None:
    text = LABELLED + "> One quoted.\n\n- two\n- three -- four\n\n+\n"
    assert speak(text)[-1] == ("Dara Finch", "I did.\nOne quoted.\ntwo\nthree -- four")


def test_time_stamp_at_the_start_is_the_turns_start() -> None:
    turns = read("**Orla Quill:** \\[01:07:39.08\\] So.\n\n**Dara Finch:** No \\[12:40\\] yes.\n").turns
    assert [(turn.start_seconds, turn.text) for turn in turns] == [(4059, "So."), (None, "No \\[12:40\\] yes.")]


def test_name_before_a_colon_is_a_label_if_the_file_knows_or_announced_it() -> None:
    text = LABELLED + "Dara: Still me.\n\n**Orla Quill:** Now our listener, Rowan Ash.\n\nRowan: Hello.\n"
    assert speak(text)[-2:] == [("Orla Quill", "Now our listener, Rowan Ash."), ("Rowan", "Hello.")]
    assert speak(text)[1] == ("Dara Finch", "I did.\nStill me.")


def test_word_before_a_colon_is_speech() -> None:
    assert len(speak(LABELLED + "Question: who paid?\n\nReact: it is late.\n")) == 2


def test_neighbouring_turns_of_one_speaker_are_one_turn() -> None:
    assert speak("**Orla Quill:** One.\n\n**ORLA QUILL:** Two.\n") == [("Orla Quill", "One.\nTwo.")]


def test_front_matter_gives_title_date_and_guest() -> None:
    front = "---\ntitle: Dara Finch on Tides\ndate: 2022-05-04\nguest: Dara Finch\n---\n\n"
    parsed = read(front + "**Orla Quill:** Hello.\n\n**Guest:** Hello.\n")
    assert (parsed.episode.title, parsed.episode.published) == ("Dara Finch on Tides", date(2022, 5, 4))
    assert [turn.speaker for turn in parsed.turns] == ["Orla Quill", "Dara Finch"]


def test_date_comes_from_the_files_name_if_nowhere_else() -> None:
    assert read(LABELLED, location="x/2021-02-03-tides.md").episode.published == date(2021, 2, 3)


def test_words_before_the_first_label_are_reported() -> None:
    parsed = read("Some words.\n\n" + LABELLED)
    assert (parsed.episode.unplaced, parsed.episode.n_unplaced_lines) == (("Some words.",), 1)


# fmt: off
MARKDOWN = st.lists(
    st.sampled_from([
        "**Orla Quill:** ", "**Dara:**", "***", "**", "\n", "\n\n", "> ", "- ", "# ", "---\n", "word ", "Break: ", "1",
        "\\[12:40\\]", "&amp;", "\u200b", "**Break:** ", "title: x\n", ":", "\r\n", "\x85",
    ]),
    max_size=40,
).map("".join)
# fmt: on


@given(MARKDOWN)
def test_account_adds_up_to_every_character(text: str) -> None:
    loss = read_markdown(text, SHOW).account.settle()
    total = loss.n_placed_chars + loss.n_unplaced_chars + loss.n_markup_chars + loss.n_white_chars
    assert total == len(text)


NAMES = st.sampled_from(["Orla Quill", "Dara Finch", "Björn Söder", "Ines O'Dell", "Mira B. Reed, Psy.D"])
PARAGRAPHS = st.lists(
    st.text(alphabet="abc XYZ.,'?-", min_size=1, max_size=20).map(lambda text: f"So {text.strip()}"), min_size=1
)


@given(st.lists(st.tuples(NAMES, PARAGRAPHS), min_size=1, max_size=8))
def test_what_is_written_is_read_back(talk: list[tuple[str, list[str]]]) -> None:
    text = "\n\n".join(f"**{name}:** " + "\n\n".join(paragraphs) for name, paragraphs in talk)
    parsed = read(text)
    expected = [(name, " ".join("\n".join(paragraphs).split())) for name, paragraphs in talk]
    joined = [(turn.speaker, " ".join(turn.text.split())) for turn in parsed.turns]
    assert " ".join(said for _, said in joined) == " ".join(said for _, said in expected)
    assert [name for name, _ in joined] == [
        name for place, (name, _) in enumerate(talk) if talk[place - 1][0] != name or not place
    ]
    assert parsed.episode.n_unplaced_chars == 0
