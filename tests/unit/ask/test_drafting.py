from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.ask.drafting import DraftedExam, draft_exam, write_exam
from econchatr.ask.statements import HostSentence, find_sayings
from econchatr.config import load_questions
from econchatr.demo import write_demo_show
from econchatr.pipeline import Show, Silent, open_show, run_show
from econchatr.records import Episode, Turn
from econchatr.select.overlap import measure_overlaps


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Show:
    root = tmp_path_factory.mktemp("drafts") / "demo"
    write_demo_show(root)
    show = open_show(root)
    run_show(show, Silent(), until="parse")
    return show


def draft(show: Show) -> DraftedExam:
    return draft_exam(show.turns(), show.episodes(), show=show.config.show.name)


def make_show(*speech: str, n_episodes: int = 3, role: str = "host") -> tuple[list[Turn], list[Episode]]:
    """A show whose host says the same in every episode, after a guest's few words."""
    turns, episodes = [], []
    for number in range(n_episodes):
        slug = f"e{number}"
        for position, text in enumerate(speech):
            turns.append(Turn(slug=slug, position=position, speaker="Ada Host", role=role, text=text))
        episodes.append(
            Episode.model_construct(slug=slug, title=slug, published=None, language="en")  # the rest is not asked for
        )
    return turns, episodes


def test_the_bundled_show_gives_twelve_questions_in_four_kinds_about_different_things(demo: Show) -> None:
    drafted = draft(demo)
    assert len(drafted.questions) == 12
    assert drafted.lacks == ""
    assert {one.question.kind for one in drafted.questions} >= {"belief", "quotation", "idea", "fact"}
    assert len({one.question.question_id for one in drafted.questions}) == 12


def test_every_question_says_what_a_right_answer_holds_and_shows_where_it_was_said(demo: Show) -> None:
    said = {(turn.slug, turn.position): turn.text for turn in demo.turns()}
    for one in draft(demo).questions:
        assert one.question.expected or one.question.guests_of
        assert one.passages
        for passage in one.passages:
            assert passage.text.split()[-1].strip("'") in said[passage.slug, passage.position].replace("’", "'")


def test_a_saying_is_a_sentence_to_be_finished(demo: Show) -> None:
    texts = {one.question.text: one.question.expected for one in draft(demo).questions}
    assert texts["Finish the following sentence: \"You can't plant"] == "an old orchard"


def say_on_three_days(*turns: str) -> list[str]:
    """The texts of what the host is found to like to say."""
    said = [HostSentence(day, n, text) for day in "abc" for n, turn in enumerate(turns) for text in turn.split(" / ")]
    return [one.text for one in find_sayings(said, min_episodes=3)]


def test_a_passage_that_is_played_again_is_no_saying() -> None:
    clip = (
        "the kettle in the hall was always the first to boil over that winter / "
        "nobody at the mill ever asked me about the second lock on the gate"
    )
    assert say_on_three_days(clip, "a door is only a slow wall") == ["a door is only a slow wall"]


def test_two_short_sentences_that_always_come_together_are_sayings() -> None:
    assert len(say_on_three_days("a door is only a slow wall / ask it what it wants")) == 2


def test_the_same_transcripts_give_the_same_draft(demo: Show) -> None:
    assert draft(demo) == draft(demo)


def test_the_file_can_be_read_back_and_shows_the_passages(demo: Show, tmp_path: Path) -> None:
    drafted = draft(demo)
    path = tmp_path / "questions.toml"
    path.write_text(text := write_exam(drafted, host="Hester Pellow"), encoding="utf-8")
    assert list(load_questions(path)) == [one.question for one in drafted.questions]
    assert sum(line.startswith("# 20") for line in text.splitlines()) >= 12


def test_what_the_host_says_of_a_subject_is_asked_with_its_opposite() -> None:
    turns, episodes = make_show("I think averages never tell you about the person in front of the counter.")
    (one,) = draft_exam(turns, episodes, show="Made Up").questions
    assert "averages" in one.question.text
    assert one.question.expected == "never tell you about the person in front of the counter"
    assert one.question.opposite == "always tell you about the person in front of the counter"


def test_a_host_who_only_asks_gives_no_question_and_the_reason() -> None:
    drafted = draft_exam(*make_show("And what do averages tell you about the person?"), show="Made Up")
    assert drafted.questions == ()
    assert "0 statements" in drafted.lacks


def test_two_episodes_are_too_few_to_say_something_often() -> None:
    speech = "I think averages never tell you about the person in front of the counter."
    drafted = draft_exam(*make_show(speech, n_episodes=2), show="Made Up")
    assert drafted.questions == ()
    assert "3 episodes" in drafted.lacks


def test_another_language_is_said_and_nothing_is_drafted() -> None:
    turns, episodes = make_show("Ich glaube, dass der Durchschnitt nichts über den Menschen sagt, der vor uns steht.")
    drafted = draft_exam(turns, [one.model_copy(update={"language": "de"}) for one in episodes], show="Made Up")
    assert drafted == DraftedExam((), drafted.lacks)
    assert "another language (de)" in drafted.lacks
    assert draft_exam(turns, [], show="Made Up").questions == ()


def test_a_monologue_has_no_question_about_guests() -> None:
    speech = "I think averages never tell you about the person in front of the counter."
    kinds = [one.question.kind for one in draft_exam(*make_show(speech), show="Made Up").questions]
    assert "fact" not in kinds


def test_hostile_words_stay_inside_their_line() -> None:
    speech = 'Averages never tell\u202e you about "the person" \x07 in front of the counter.'
    turns, episodes = make_show("Averages never tell you about the person in front of the counter.", speech)
    text = write_exam(draft_exam(turns, episodes, show='A "b"\n[[question]]'), host="Ada\n[x]")
    assert "\x07" not in text
    assert all(line.startswith(("#", "[[question]]", "")) for line in text.splitlines())
    assert text.count("\n[[question]]\n") == text.count("question_id = ")


def test_the_words_of_drafted_questions_are_looked_for_in_the_selection(demo: Show) -> None:
    exam = [text for one in draft(demo).questions for text in (one.question.text, one.question.expected or "")]
    pool = ["Nobody planted the orchard.", *["The boat was late again that day."] * 60]
    (overlap,) = measure_overlaps(exam, pool, {"small": [0]})
    assert overlap.words == ("orchard",)
