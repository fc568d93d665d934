"""The first screen weighs people above the judge and the judge above Voice, and counts cases as cases."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from econchatr.records import Gate, ReportedMarks
from econchatr.report import ReportMaterial, render_html, render_markdown
from econchatr.report.habits import find_sayings, measure_habits
from econchatr.report.page_blocks import ModelAnswer, Stretch
from econchatr.report.score_table import tabulate_gates, tell_why_closed
from econchatr.report.sections.answered import tell_draws
from econchatr.report.sections.first_screen import (
    count_found,
    measure_all_habits,
    tell_cost,
    tell_readers,
    weigh,
    weigh_guesses,
)
from econchatr.speech_acts import Act
from tests.helpers.browser import CHROMIUM, run_page
from tests.helpers.make_records import make_pair
from tests.helpers.report_material import HOST, RUNG
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import gate, make_proved_material, make_right_counts


def make_unread() -> ReportMaterial:
    """Give the made-up show before anybody guessed; a rule marked its answers."""
    proved = make_proved_material()
    scores = tuple(one for one in proved.scores if one.measure != "blind picks of the real host")
    return proved.model_copy(update={"scores": scores})


def mark_by(marker: str, n_right: float) -> ReportMaterial:
    fields = {"marker": marker, "variant": "tuned", "n_right": n_right, "n_marked": 12, "reason": ""}
    own = make_right_counts()[1].model_copy(update=fields)
    return make_unread().model_copy(update={"right": (*make_right_counts(), own)})


def test_guesses_in_the_playground_outrank_the_voice() -> None:
    material = make_unread().model_copy(update={"guesses": ((RUNG, True),) * 7})
    assert count_found(material, RUNG) == (7, 7)
    assert tell_readers(material, RUNG).startswith("Readers found the real one 7 of 7;")
    assert weigh(material, RUNG).startswith(f"Readers tell {RUNG} from ")


def test_one_guess_of_one_is_a_case_and_shows_nothing() -> None:
    told = weigh(make_unread().model_copy(update={"guesses": ((RUNG, True),)}), RUNG)
    assert "1 of 1 times, which does not show that they can tell" in told
    assert "%" not in told


def test_people_outrank_the_judge_and_the_judge_the_rule() -> None:
    assert "9.5 of 12 questions right, as people mark them" in weigh(mark_by("people", 9.5), RUNG)
    assert "3 of 12 questions right, as the LLM judge marks them" in weigh(mark_by("judge", 3), RUNG)
    assert "4.5 of 11 questions right, and before training 0 of 11, by the exam’s own rules" in weigh(
        make_unread(), RUNG
    )


def test_with_neither_people_nor_judge_it_says_that_nobody_marked_yet() -> None:
    assert weigh(make_unread(), RUNG).endswith(f"nobody has marked its answers or tried to tell it from {HOST} yet.")


def test_nothing_on_the_page_cannot_be_told_from_the_host() -> None:
    assert "cannot be told from" not in render_html(make_proved_material())


def test_first_screen_stands_in_the_order_of_the_issue() -> None:
    text = render_markdown(make_proved_material()).split("## How near it comes")[0]
    parts = (
        f"{HOST}, really",
        "census of the nosy",
        "Before: base model",
        "After: tuned model",
        "Right of 12, by rule",
    )
    parts += ("best of 4 tries: 6", "Can readers tell", "What it did learn", "What it cost", "**Readers ")
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_people_who_have_not_marked_yet_are_told_how() -> None:
    assert "Right of 12, by people: not marked yet: econchatr mark." in render_markdown(make_proved_material())


def test_cost_is_told_in_dollars_minutes_and_steps() -> None:
    assert tell_cost(make_proved_material(), RUNG) == "$0.00 for 240 steps of training, at home in 3 minutes."


def test_answers_have_ticks_and_crosses_with_words() -> None:
    page = render_html(make_proved_material())
    assert '<span class="tick" aria-hidden="true">✗</span> Wrong by rule.' in page
    assert "✗ Wrong by rule." in render_markdown(make_proved_material())


def test_a_void_gate_is_not_scored_there_and_never_doubts_the_host() -> None:
    reason = "not checked: the host himself does not pass it here"
    void = gate("host", "sense", "unscored", value=None, limit=None, reason=reason, is_void=True)
    table = tabulate_gates(make_proved_material().model_copy(update={"gates": (void,)}))
    assert table is not None
    assert "not scored there" in table.rows[0]
    assert reason in table.rows[0]
    assert tell_why_closed((void,)) == ""
    assert isinstance(void, Gate)


def test_a_long_answer_is_whole_behind_its_first_sentences() -> None:
    text = "One two three four. " * 30
    shown, rest = ModelAnswer((Stretch(text),), "AI", "").split_long()
    assert "".join(one.text for one in (*shown, *rest)) == text
    assert shown[-1].text.endswith("four.")
    assert len(shown[-1].text.split()) == 60


@pytest.mark.parametrize("n_words", [1, 60, 75])
def test_a_short_answer_is_shown_whole(n_words: int) -> None:
    answer = ModelAnswer((Stretch("word " * n_words),), "AI", "")
    assert answer.split_long() == (answer.stretches, ())


def test_pairs_that_were_taken_say_who_asked_or_what_made_their_question() -> None:
    text = PageReader(render_html(make_proved_material())).text
    assert "What do you make of kettles?" in text
    assert "made by rule 1" in text
    assert "asked by Mirela Dunne" in text


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_folded_page_has_at_most_eight_screens(tmp_path: Path) -> None:
    act = "return document.documentElement.scrollHeight / 800;"
    told = run_page(render_html(make_proved_material()), act, tmp_path, flags=("--window-size=1280,800",))
    assert 1 < float(told) <= 8


def test_a_saying_is_said_in_three_episodes() -> None:
    sayings = find_sayings((slug, "Well, who counted the bottles?") for slug in "abc")
    found = measure_habits(["But who counted the bottles then?", "They do."], sayings)
    assert found is not None
    assert (found.n, found.n_ask_back, found.n_with_saying) == (2, 1, 1)


def test_a_ladder_shows_one_question_and_the_reported_marks_once() -> None:
    proved = make_proved_material()
    larger = tuple(answer.model_copy(update={"rung": "larger"}) for answer in proved.answers)
    reported = ReportedMarks(right_before=6, right_after=9.5, n_questions=12, how="by hand", source="its write-up")
    material = proved.model_copy(update={"answers": (*proved.answers, *larger), "reported": reported})
    text = render_markdown(material).split("## How near it comes")[0]
    assert text.count("Kind: ") == text.count("6 of 12 right before training, 9.5 of 12 after") == 1
    assert text.count("What it cost") == 2


def test_answers_that_say_the_opposite_of_the_host_are_told_at_once() -> None:
    material = make_unread()
    marks = tuple(mark.model_copy(update={"says_opposite": True}) for mark in material.marks)
    assert f"to 1 of the questions it says the opposite of {HOST};" in weigh(
        material.model_copy(update={"marks": marks}), RUNG
    )


def test_of_a_ladder_the_page_says_whose_answers_are_the_best_of_several_draws() -> None:
    answers = [one for one in make_proved_material().answers if one.variant == "tuned"]
    large = [one.model_copy(update={"rung": "large"}) for one in answers]
    small = [one.model_copy(update={"best_of": 8}) for one in answers]
    assert tell_draws([*small, *large])[0].startswith(f"Each answer of the tuned {RUNG} is the best of 8 draws")
    assert tell_draws(large) == ()


def test_thousands_of_guesses_are_weighed_and_told_in_whole_numbers() -> None:
    guesses = ((RUNG, True), (RUNG, False)) * 1500
    material = make_proved_material().model_copy(update={"guesses": guesses})
    assert "found the real one 1,506 of 3,012 times" in weigh(material, RUNG)


def test_the_host_asks_back_only_where_he_was_really_asked() -> None:
    material, n = make_proved_material(), 30
    asked = [
        make_pair(place, cue="Who counted?", reply="The board did.", split="test", cue_act=Act.ASKS)
        for place in range(n)
    ]
    cue = "I asked him, is it open? It had been closed for years. So we walked home."
    told = [make_pair(n + place, cue=cue, reply="Why?", split="test", cue_act=Act.BOTH) for place in range(n)]
    habits = measure_all_habits(material.model_copy(update={"pairs": (*asked, *told)}), RUNG)
    assert (habits["host"].n, habits["host"].n_ask_back) == (n, 0)


def test_the_page_says_that_a_tuned_answer_is_the_best_of_several_draws_and_the_bases_is_not() -> None:
    proved = make_proved_material()
    best = tuple(one.model_copy(update={"best_of": 8 if one.variant == "tuned" else 1}) for one in proved.answers)
    page = render_html(proved.model_copy(update={"answers": best}))
    told = "is the best of 8 draws, as the untuned model chooses; every other answer is drawn once."
    assert page.count(told) == 2
    assert "best of 8 draws \N{MIDDLE DOT}" in page
    assert "draws" not in render_html(proved)


@given(st.integers(1, 3000), st.data())
def test_the_tail_of_guesses_is_that_of_the_binomial_distribution_however_many_there_are(
    n: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, n))
    assert weigh_guesses(hits, n) == pytest.approx(stats.binom.sf(hits - 1, n, 0.2), rel=1e-6, abs=1e-12)
