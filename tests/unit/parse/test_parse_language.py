"""Which language a transcript is in, and what becomes of one that is in another than its show."""

from __future__ import annotations

from importlib import resources

import pytest

from econchatr.parse import LANGUAGES, Language, SpeakerTable, choose_language, explain_foreign, parse_file
from econchatr.parse.language import MIN_WORDS, tell_language
from econchatr.records import Turn
from tests.helpers.language_samples import TALKS
from tests.helpers.real_transcripts import list_changelog, needs_changelog


def tell(text: str) -> Language:
    return tell_language([Turn(slug="a", position=0, speaker="", role="guest", text=text)])


def talk(code: str, n_words: int = 2 * MIN_WORDS) -> str:
    return " ".join([TALKS[code]] * (1 + n_words // len(TALKS[code].split())))


@pytest.mark.parametrize("code", TALKS)
def test_language_is_told_by_its_small_words_or_its_letters(code: str) -> None:
    expected = {"da", "no"} if code in ("da", "no") else {code}
    assert tell(talk(code)).code in expected


def test_every_language_has_a_sample() -> None:
    assert TALKS.keys() == LANGUAGES.keys()


@pytest.mark.parametrize("code", TALKS)
def test_transcript_in_another_language_says_which_and_one_in_the_shows_says_nothing(code: str) -> None:
    language = tell(talk(code))
    assert explain_foreign(language, code) == ""
    other = "de" if code == "en" else "en"
    assert explain_foreign(language, other) == f"it is in {LANGUAGES[language.code]}, the show in {LANGUAGES[other]}"


def test_danish_and_norwegian_are_not_told_apart() -> None:
    assert explain_foreign(tell(talk("da")), "no") == explain_foreign(tell(talk("no")), "da") == ""


def test_language_that_is_not_known_is_still_not_the_shows() -> None:
    made_up = " ".join(f"{first}olu {second}atus meri" for first in "bdfghjklmprtv" for second in "bdfghjklmprtv")
    assert tell(made_up).code == ""
    assert explain_foreign(tell(made_up), "en").startswith("only 0% of its words are among the small words of English")


@pytest.mark.parametrize("text", ["", "Ja.", "Was macht man, wenn er trocken ist? " * 3, "10:30 " * 900, "🪣 " * 900])
def test_of_too_few_words_nothing_is_said(text: str) -> None:
    assert explain_foreign(tell(text), "en") == ""


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_english_talk_with_passages_in_another_language_is_english(share: float) -> None:
    n_foreign = int(1000 * share)
    mixed = talk("en", 1000 - n_foreign) + " " + talk("fr", n_foreign)
    assert explain_foreign(tell(mixed), "en") == ""


def test_language_of_a_show_is_that_of_two_thirds_of_its_transcripts() -> None:
    english, german, unknown = tell(talk("en")), tell(talk("de")), tell("Ja.")
    assert choose_language([english, english, german, unknown]) == "en"
    assert choose_language([english, german]) == ""
    assert choose_language([unknown]) == choose_language([]) == ""
    assert explain_foreign(german, choose_language([english, german])) == ""


def test_parsed_file_knows_its_language() -> None:
    parsed = parse_file(f"**Orla Quill:** {talk('it')}\n".encode(), location="a.md", show=SpeakerTable(hosts=()))
    assert parsed.episode.language == "it"


def test_every_episode_of_the_bundled_show_is_english() -> None:
    files = [
        one for one in resources.files("econchatr.demo").joinpath("episodes").iterdir() if one.name.endswith(".md")
    ]
    parsed = [parse_file(one.read_bytes(), location=one.name, show=SpeakerTable(hosts=())) for one in files]
    assert len(parsed) > 20
    assert {one.episode.language for one in parsed} == {"en"}


@pytest.mark.slow
@needs_changelog
def test_no_file_of_a_real_show_is_taken_for_foreign_not_even_by_a_short_piece() -> None:
    n_pieces = 0
    for path in list_changelog():
        turns = parse_file(path.read_bytes(), location=path.name, show=SpeakerTable(hosts=())).turns
        assert tell_language(turns).code == "en", path.name
        words = " ".join(turn.text for turn in turns).split()
        for start in range(0, len(words) - 250, 2500):
            n_pieces += 1
            assert explain_foreign(tell(" ".join(words[start : start + 250])), "en") == "", path.name
    assert n_pieces > 2000
