"""What the transcript added goes; what was said stays. The faults of the 2023 cleaning each have a test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.pair import clean_speech


@pytest.mark.parametrize(
    "said",
    [
        "We met at 10:30, read John 3:16, and won 2:1.",
        "1,367,440 loads, P.J. said, for $4.50 a ton.",
        "'So I told them no.' And then--well, 'no.'",
        "I I think, no, no, no.",
        "f*** up, 2 * 3 * 4, and snake_case_names",
        "the array a[0] and f(x)[1], in O[n]",
        "ÉTÉ, naïve, İstanbul, 東京",
        "10:30 in the morning, he said.",
        "10:30",
    ],
)
def test_speech_is_left_alone(said: str) -> None:
    assert clean_speech(said) == said


def test_fault_of_2023_times_and_verses_and_scores_stay() -> None:
    assert (
        clean_speech("\\[12:40\\] It was 10:30. John 3:16. The score, 2:1.")
        == "It was 10:30. John 3:16. The score, 2:1."
    )


def test_fault_of_2023_no_space_is_put_into_numbers_and_initials() -> None:
    assert clean_speech("P.J. counted 1,367,440.") == "P.J. counted 1,367,440."


def test_fault_of_2023_closing_quotes_stay() -> None:
    assert (
        clean_speech("She said, 'Who counted?' So I said, \"I did.\"")
        == "She said, 'Who counted?' So I said, \"I did.\""
    )


def test_fault_of_2023_repeated_words_stay() -> None:
    assert clean_speech("It was very, very slow. No no.") == "It was very, very slow. No no."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\\[12:40\\] Well.", "Well."),
        ("[01:07:39.08] Well.", "Well."),
        ("(12:40) Well.", "Well."),
        ("One.\n12:40\nTwo.", "One. Two."),
        ("78:34Thank you.", "Thank you."),
        ("End.\\[44:09\\]So it went.", "End. So it went."),
    ],
)
def test_time_stamp_standing_alone_goes(text: str, said: str) -> None:
    assert clean_speech(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the [? tallyman] came", "the tallyman came"),
        ("the [?tallyman] came", "the tallyman came"),
        ("the tallyman [? ] came", "the tallyman came"),
        ("the \\[? tally man ?\\] came", "the tally man came"),
    ],
)
def test_doubt_mark_goes_and_its_word_stays(text: str, said: str) -> None:
    assert clean_speech(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes \\[laughs\\]. No.", "Yes. No."),
        ("[laughter]", ""),
        ("So. [laughs[ And then", "So. And then"),
        ("It was \\[unintelligible 00:12:40.02\\] then.", "It was then."),
        ("Yes (laughs), no.", "Yes , no."),
    ],
)
def test_sound_note_goes(text: str, said: str) -> None:
    assert clean_speech(text).replace(" ,", ",") == said.replace(" ,", ",")


def test_gloss_goes_and_the_word_before_it_stays() -> None:
    assert clean_speech("AI [artificial intelligence] ate it.") == "AI ate it."


def test_address_spelled_with_at_is_an_address() -> None:
    assert (
        clean_speech("write to ada \\[at\\] example.org, or look \\[at\\] it")
        == "write to ada@example.org, or look at it"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("*all* of **it**, ***really***", "all of it, really"),
        ("_really_ `slow`", "really slow"),
        ('*"Quoted."*', '"Quoted."'),
        ('*"Opened here.\nand closed there."*', '"Opened here. and closed there."'),
        ("see [the log](https://example.org/a_(b)) now", "see the log now"),
        ("a \\* b \\# c \\_ d \\\\ e", "a * b # c _ d \\ e"),
        ("\\*kept\\*", "*kept*"),
        ("it&#39;s &quot;late&quot; &amp; wet", 'it\'s "late" & wet'),
        ("two<br>lines", "two lines"),
    ],
)
def test_markdown_is_undone(text: str, said: str) -> None:
    assert clean_speech(text) == said


def test_invisible_and_direction_characters_go() -> None:
    assert clean_speech("\ufeffa\u200bb \u202ec\u2066 \x00d\u00ade") == "ab c de"


@given(st.text())
def test_result_is_one_line_without_double_spaces(text: str) -> None:
    cleaned = clean_speech(text)
    assert cleaned == " ".join(cleaned.split())


@given(st.text(alphabet="abc XYZ.,'?!-", max_size=80))
def test_plain_speech_changes_in_spaces_only(text: str) -> None:
    assert clean_speech(text) == " ".join(text.split())


@pytest.mark.parametrize("mark", ["*", "_", "`", "[", "(", "[a](", "\\[", "&#", "<b", " ", "1:", "[? ", "*a "])
def test_hostile_text_ends(mark: str) -> None:
    assert clean_speech(mark * 100_000 + "end").endswith("end")


def test_number_of_thousands_of_digits_is_no_trap() -> None:
    assert clean_speech("&#" + "9" * 5000 + ";").startswith("&#9")
