"""EconTalk pages of every era: who speaks, what is left out, and what the page is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from econchatr.errors import TranscriptError
from econchatr.parse import ParsedFile, SpeakerTable, parse_file
from econchatr.parse.readers.econtalk import read_guests

PAGES = Path(__file__).parents[2] / "fixtures" / "pages"
SHOW = SpeakerTable(hosts=("Orla Quill",), aliases={"Orla": "Orla Quill", "Quill": "Orla Quill"})


def read(name: str) -> ParsedFile:
    return parse_file((PAGES / name).read_bytes(), location=name, show=SHOW)


def speak(name: str) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.role) for turn in read(name).turns]


def test_page_of_thin_timed_rows_is_notes() -> None:
    parsed = read("notes.html")
    assert parsed.episode.kind == "notes"
    assert [turn.start_seconds for turn in parsed.turns] == [36, 552, 1865, 3738]
    assert {turn.role for turn in parsed.turns} == {"other"}


def test_running_text_without_labels_is_unlabelled() -> None:
    parsed = read("unlabelled.html")
    assert parsed.episode.kind == "unlabelled"
    assert (parsed.episode.published, parsed.episode.precision) == (date(2011, 8, 1), "month")
    assert parsed.episode.title == "Corin Vale on Toll Bridges"


def test_inline_labels_are_the_hosts_aliases_guest_and_names_of_the_title() -> None:
    assert speak("inline.html") == [
        ("Orla Quill", "host"),
        ("Dara Finch", "guest"),
        ("Orla Quill", "host"),
        ("Dara Finch", "guest"),
        ("Orla Quill", "host"),
        ("Dara Finch", "guest"),
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Orla: So it was the Guest: No. Orla: I see.", ["So it was the", "No.", "I see."]),
        ("Guest: It went down and Orla: Down? Guest: Yes.", ["It went down and", "Down?", "Yes."]),
        ("Orla: We met at Google Guest: We did.", ["We met at Google", "We did."]),
        ("Guest: I said to Orla: Leave it. Orla: Did you?", ["I said to Orla: Leave it.", "Did you?"]),
        ("Orla: I asked Dara: Why? Guest: Because.", ["I asked Dara: Why?", "Because."]),
        ("Orla: Fine. Guest: I told Quill: leave it there.", ["Fine.", "I told Quill: leave it there."]),
        (
            "Orla: That was Spider-Man: Into. Guest: It was.",
            ["That was Spider-Man: Into.", "It was."],
        ),
    ],
)
def test_label_after_speech_that_broke_off_is_told_from_a_name_in_speech(said: str, expected: list[str]) -> None:
    page = f"<title>Dara Finch on Wells</title><div class='audio-highlight'><p>{said}</p></div>"
    parsed = parse_file(page.encode(), location="a.html", show=SHOW)
    assert [turn.text for turn in parsed.turns] == expected


def test_stray_label_does_not_make_a_page_of_running_text_a_dialogue() -> None:
    running = ["Wells are deep, and " + "the rope is long, " * 20, "<i>Note:</i> he read this out.", "They end."]
    page = f"<div class='audio-highlight'>{''.join(f'<p>{text}</p>' for text in running)}</div>"
    parsed = parse_file(page.encode(), location="a.html", show=SHOW)
    assert (parsed.episode.kind, parsed.episode.n_unplaced_chars) == ("unlabelled", 0)
    assert parsed.turns[0].text.startswith("Wells are deep")


def test_colons_in_speech_do_not_make_speakers() -> None:
    turns = read("inline.html").turns
    assert "at 10:30 each night" in turns[1].text
    assert "Luke 3:16" in turns[2].text
    assert turns[3].text.endswith("I said to Orla: leave it there.")


def test_row_time_past_the_hour_is_the_start_of_its_turns() -> None:
    assert [turn.start_seconds for turn in read("inline.html").turns] == [33, 33, 33, 33, 3639, 3639]


def test_label_in_its_own_element_may_have_an_initial_in_the_middle() -> None:
    assert speak("elements.html") == [
        ("Orla Quill", "host"),
        ("Lawrence H. Pell", "guest"),
        ("Orla Quill", "host"),
    ]


def test_label_repeated_at_a_row_and_unlabelled_paragraphs_continue_the_turn() -> None:
    text = read("elements.html").turns[1].text
    assert text.startswith("Thank you, Orla.\nI have a second paragraph, too.\nAs I said: the boat was late & wet.")


def test_entities_come_out_as_their_characters() -> None:
    assert "P.J.'s ferry" in read("elements.html").turns[0].text


def test_page_around_the_box_is_left_out() -> None:
    spoken = " ".join(turn.text for name in ("notes", "inline", "elements") for turn in read(f"{name}.html").turns)
    assert not any(
        words in spoken for words in ("teaser", "comment", "fake turn", "READER", "Highlights", "not speech")
    )


def test_labels_with_accents_apostrophes_and_line_breaks_are_read() -> None:
    assert speak("several-guests.html") == [
        ("Orla Quill", "host"),
        ("Ines O'Dell", "guest"),
        ("Björn Söder", "guest"),
        ("Audience Member", "other"),
        ("Orla Quill", "host"),
    ]


def test_recording_date_is_the_episodes_date() -> None:
    dates = [read(f"{name}.html").episode.published for name in ("notes", "inline", "elements", "several-guests")]
    assert dates == [date(2008, 7, 1), date(2014, 3, 13), date(2023, 9, 5), date(2022, 12, 20)]


def test_everything_in_the_box_is_placed() -> None:
    names = ("notes", "unlabelled", "inline", "elements", "several-guests")
    assert {name: read(f"{name}.html").episode.unplaced for name in names} == dict.fromkeys(names, ())


def test_words_before_the_first_label_are_reported_as_unplaced() -> None:
    page = "<div class=audio-highlight><p>Lost words.</p><p><b>Orla Quill:</b> Found words.</p></div>"
    parsed = parse_file(page.encode(), location="a.html", show=SHOW)
    assert parsed.episode.unplaced == ("Lost words.",)
    assert parsed.episode.n_unplaced_chars == len("Lostwords.")


def test_one_bold_note_does_not_cost_the_inline_labels() -> None:
    page = (
        (PAGES / "inline.html")
        .read_text(encoding="utf-8")
        .replace("<td>(1:00:39)", "<td><b>Note:</b> noisy</td><td>(1:00:39)")
    )
    parsed = parse_file(page.encode(), location="a.html", show=SHOW)
    assert [turn.speaker for turn in parsed.turns] == ["Orla Quill", "Dara Finch"] * 3


def test_all_boxes_of_a_page_are_read() -> None:
    box = "<div class='audio-highlight'><p><b>{}:</b> Words.</p></div>"
    page = box.format("Orla Quill") + "<p>between</p>" + box.format("Dara Finch")
    parsed = parse_file(page.encode(), location="a.html", show=SHOW)
    assert [turn.speaker for turn in parsed.turns] == ["Orla Quill", "Dara Finch"]


def test_table_with_the_headings_words_is_a_box_without_a_known_container() -> None:
    page = (PAGES / "elements.html").read_text(encoding="utf-8").replace('class="wrap audio-highlight"', "")
    assert len(parse_file(page.encode(), location="a.html", show=SHOW).turns) == 3


def test_page_without_a_box_is_refused_with_its_name() -> None:
    with pytest.raises(TranscriptError, match=r"extra\.html: the web page has no transcript box"):
        read("extra.html")


@pytest.mark.parametrize(
    ("title", "guests"),
    [
        ("Dara Finch on Lighthouses", ("Dara Finch",)),
        ("Dara Finch and Corin Vale on Toll Roads, Tides, and Time", ("Dara Finch", "Corin Vale")),
        ("Dara Finch, P.J. O'Vale, and Orla Quill on Weirs", ("Dara Finch", "P.J. O'Vale")),
        ("Orla Quill (and Dara Finch) on Truth", ("Dara Finch",)),
        ("Grab Bag: Corin Vale and Orla Quill on Peat", ("Corin Vale",)),
        ("An Interview with Dara Finch", ("Dara Finch",)),
        ("Orla Quill on the Crisis", ()),
        ("The Economy of Weirs", ()),
    ],
)
def test_guests_are_named_in_the_title(title: str, guests: tuple[str, ...]) -> None:
    assert read_guests(title, SHOW) == guests


def test_page_that_ends_inside_its_transcript_is_doubtful_and_what_is_there_is_read() -> None:
    page = (PAGES / "elements.html").read_text(encoding="utf-8")
    parsed = parse_file(page[: page.index("second paragraph")].encode(), location="a.html", show=SHOW)
    assert "cut off" in parsed.episode.doubt
    assert [turn.speaker for turn in parsed.turns] == ["Orla Quill", "Lawrence H. Pell"]
    names = ("notes", "unlabelled", "inline", "elements", "several-guests")
    assert {read(f"{name}.html").episode.doubt for name in names} == {""}
