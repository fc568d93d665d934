"""WebVTT and SRT: who speaks, what rolls by twice, and what is no speech."""

from __future__ import annotations

import pytest

from tests.helpers.read_text import read, said

VTT = """WEBVTT

00:00:00.000 --> 00:00:05.000
<v Orla Quill>Who dug the &amp; well?

00:05.500 --> 00:08.000
And when?

NOTE nobody says this
nor this

3
00:00:08.000 --> 00:00:12.000
<v.loud Dara Finch>My aunt did.</v> <v Orla Quill>Alone?</v>
"""


def test_voice_goes_on_until_it_changes_even_within_a_cue() -> None:
    assert said(read(VTT)) == [
        ("Orla Quill", "Who dug the & well? And when?"),
        ("Dara Finch", "My aunt did."),
        ("Orla Quill", "Alone?"),
    ]


def test_webvtt_leaves_nothing_unplaced_and_knows_its_times() -> None:
    parsed = read(VTT)
    assert (parsed.episode.reader, parsed.episode.n_unplaced_chars) == ("webvtt", 0)
    assert [turn.start_seconds for turn in parsed.turns] == [0, 8, 8]


def test_windows_line_ends_and_style_blocks_are_read() -> None:
    text = "WEBVTT Kind: captions\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\n" + VTT[8:].replace("\n", "\r\n")
    assert said(read(text)) == said(read(VTT))


def test_emphasis_inside_a_word_does_not_part_it() -> None:
    text = "WEBVTT\n\n00:00.000 --> 00:05.000\n<v Orla Quill>It is <i>un</i>believable.\n"
    assert said(read(text)) == [("Orla Quill", "It is unbelievable.")]


ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.000 align:start position:0%
 
the<00:00:00.400><c> well</c><00:00:00.900><c> is</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
the well is
 

00:00:02.010 --> 00:00:04.000 align:start position:0%
the well is
nine<00:00:02.400><c> feet</c><00:00:03.000><c> deep</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
nine feet deep
 

00:00:04.010 --> 00:00:06.000 align:start position:0%
nine feet deep
&gt;&gt; really<00:00:04.400><c> now</c>

00:00:06.000 --> 00:00:08.000 align:start position:0%
[Music]
"""  # noqa: W293 - the rolling captions' own empty lines hold a space


def test_rolling_captions_are_read_once() -> None:
    parsed = read(ROLLING)
    assert [turn.text for turn in parsed.turns] == ["the well is nine feet deep", "really now [Music]"]
    assert (parsed.episode.kind, parsed.episode.n_unplaced_chars) == ("unlabelled", 0)


SRT = """1
00:00:00,000 --> 00:00:02,760
Orla Quill: Good morning. It
could be: a surprise.

2
00:00:03.000 --> 00:00:05.000
Dara Finch: It was

00:00:05,000 --> 00:00:07,000
one, at 10:30
exactly.
"""


def test_srt_name_stands_only_where_the_speaker_changes() -> None:
    assert said(read(SRT)) == [
        ("Orla Quill", "Good morning. It could be: a surprise."),
        ("Dara Finch", "It was one, at 10:30 exactly."),
    ]
    assert (read(SRT).episode.reader, read(SRT).episode.n_unplaced_chars) == ("srt", 0)


def test_srt_without_empty_lines_drops_only_the_numbers() -> None:
    text = "1\n00:00:00,000 --> 00:00:01,000\nOrla Quill: One.\n2\n00:00:01,000 --> 00:00:02,000\nTwo.\n"
    assert said(read(text)) == [("Orla Quill", "One. Two.")]


def test_recogniser_labels_in_brackets_are_labels() -> None:
    text = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n[SPEAKER_0{n % 2}]: word {n}\n\n" for n in range(4))
    assert [speaker for speaker, _ in said(read(text))] == ["SPEAKER_00", "SPEAKER_01"] * 2


def test_dashes_in_one_cue_are_two_voices_nobody_named() -> None:
    text = "1\n00:00:00,000 --> 00:00:02,000\n- Did it hold?\n- It held.\n\n2\n00:02,000 --> 00:03,000\n-40 degrees\n"
    assert [turn.text for turn in read(text).turns] == ["Did it hold?", "It held. -40 degrees"]


def test_subtitle_file_cut_off_in_the_middle_keeps_what_it_has() -> None:
    parsed = read(SRT[: SRT.index("one, at") + 3])
    assert said(parsed)[-1] == ("Dara Finch", "It was one")


def test_file_cut_off_inside_a_character_is_still_utf8() -> None:
    parsed = read("WEBVTT\n\n00:00.000 --> 00:01.000\n<v Orla Quill>naïve façade é".encode()[:-1])
    assert parsed.turns[0].text.startswith("naïve façade")


@pytest.mark.parametrize("tag", ["\u200b", "\u202e", "\ufeff", "\u2066"])
def test_unseen_mark_in_a_name_makes_no_second_person(tag: str) -> None:
    cues = f"00:00.000 --> 00:01.000\n<v {tag}Orla Quill>One.\n\n00:01.000 --> 00:02.000\n<v Orla{tag} Quill>Two."
    text = f"WEBVTT\n\n{cues}"
    assert {turn.speaker for turn in read(text).turns} == {"Orla Quill"}


# --- cut off ----------------------------------------------------------------------------------------------------------

SRT_TALK = "".join(
    f"{n}\n00:00:{n:02},000 --> 00:00:{n + 1:02},000\nOrla Quill: Well {n} is deep, and\nit has been dug by hand.\n\n"
    for n in range(1, 9)
)
VTT_TALK = "WEBVTT\n\n" + "".join(
    f"00:{n:02}.000 --> 00:{n + 1:02}.000\n<v Orla Quill>Well {n} is deep, and it has been dug.</v>\n\n"
    for n in range(1, 9)
)


@pytest.mark.parametrize("text", [SRT_TALK, VTT_TALK], ids=["srt", "webvtt"])
def test_subtitles_cut_off_anywhere_are_doubtful_but_for_ends_that_look_whole(text: str) -> None:
    start, unnoticed = text.index("-->", len(text) // 2), list[str]()
    for end in range(start, len(text)):
        parsed = read(text[:end])
        assert parsed.turns
        if not parsed.episode.doubt:
            unnoticed.append(text[:end].splitlines()[-1] if text[end - 1] != "\n" else "\n")
    # After a whole line or a whole sentence nothing tells a cut from an end.
    assert all(line == "\n" or line.rstrip("</v>").endswith(".") for line in unnoticed)
    assert len(unnoticed) < 0.15 * (len(text) - start)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("00:00:41,000 --> 00:00:4", "the times of a cue"),
        ("00:00:41,000 --> 00:00:42,000\n", "the times of a cue"),
        ("9\n", "the number of a cue"),
        ("9\n00:00:41,000 --> 00:00:42,000\nOrla Quill: And th", "in the middle of a sentence"),
        ("9\n00:00:41,000 --> 00:00:42,000\n<v Orla", "inside a tag"),
    ],
)
def test_doubt_says_how_a_file_ends_and_what_to_do(end: str, reason: str) -> None:
    doubt = read(SRT_TALK + end).episode.doubt
    assert reason in doubt
    assert doubt.endswith("Fetch or export it again.")


@pytest.mark.parametrize(
    "text",
    [
        SRT_TALK, SRT_TALK.rstrip(), VTT_TALK, VTT, ROLLING, SRT_TALK + "9\n00:00:41,000 --> 00:00:42,000\n[music]",
        SRT_TALK + "9\n00:00:41,000 --> 00:00:42,000\nIn the year of\n1984\n", SRT_TALK.replace(".", "").rstrip(),
    ],
)  # fmt: skip
def test_whole_subtitles_are_not_doubtful(text: str) -> None:
    assert read(text).episode.doubt == ""
