from __future__ import annotations

import doctest
from datetime import date

import pytest

from econchatr.records import Probe, Score
from econchatr.score.grading import names
from econchatr.score.grading.closed_questions import (
    GAP,
    ProbeResult,
    ask_questions,
    ask_years,
    compute_f05u,
    cut_name,
    judge_answers,
    judge_text,
    make_probes,
    score_facts,
)
from econchatr.score.grading.names import NameBook, list_guests, make_name_book
from tests.helpers.make_records import make_answer, make_episode, make_pair
from tests.helpers.show_material import ShowMaterial, demo_show

GUESTS = {"Tobias Renn", "Amara Voss", "Ruben van Castell", "Grace Barr"}
SMALL = frozenset({"well", "the", "it", "was", "grace", "i", "think", "perhaps", "name", "york", "said"} - {"york"})


def make_book() -> NameBook:
    meanings: dict[tuple[str, ...], frozenset[str]] = {}
    for name in GUESTS:
        folded = names.fold_name(name)
        for form in (folded, folded[:1], folded[-1:]):
            meanings[form] = meanings.get(form, frozenset()) | {name}
    return NameBook(meanings, SMALL)


def make_probe(number: int = 1, **more: object) -> Probe:
    fields: dict[str, object] = {
        "probe_id": f"guest-of-{number}",
        "kind": "guests by year",
        "text": "Name one guest who was on The Slow Answer in 2021.",
        "is_answerable": True,
        "right": ("Tobias Renn", "Amara Voss"),
    }
    return Probe.model_validate(fields | more)


CLOZE = {"kind": "name cloze", "right": ("Tobias Renn",), "text": f"Whose is it?\n\nWell, {GAP}, hold the kettle."}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Tobias Renn.", "right"),
        ("I think it was Dr. Tobias Renn, perhaps.", "right"),
        ("Well, TOBIAS RENN", "right"),
        ("Renn", "right"),
        ("Tobias Renn and Amara Voss.", "right"),
        ("Ruben van Castell", "another guest"),
        ("Tobias Renn, or Ruben van Castell.", "another guest"),
        ("John Smith.", "never a guest"),
        ("Perhaps Tobias Renn or John Smith", "never a guest"),
        ("I don't know.", "abstained"),
        ("On The Slow Answer? I do not know.", "abstained"),  # the question's own words
        ("As an AI, I can't say.", "abstained"),
        ("", "abstained"),
        ("彼女の名前は知りません。", "abstained"),
    ],
)
def test_an_answer_about_a_year_is_judged_by_whom_it_names(text: str, outcome: str) -> None:
    assert judge_text(text, make_probe(), make_book()).outcome == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Tobias", "right"),
        ("[NAME] is Tobias.", "right"),
        ("Amara.", "another guest"),
        ("Sarah.", "never a guest"),
        ("It was Sarah who said it.", "never a guest"),
        ("It was the guest.", "abstained"),
        ("I'm not sure.", "abstained"),
    ],
)
def test_one_name_fills_a_gap(text: str, outcome: str) -> None:
    assert judge_text(text, make_probe(**CLOZE), make_book()).outcome == outcome


def test_each_name_counts_once_and_made_up_ones_are_counted() -> None:
    told = judge_text("Tobias Renn, Tobias Renn, John Smith and Mary Jones.", make_probe(), make_book())
    assert told.names == ("Tobias Renn", "John Smith", "Mary Jones")
    assert told.n_made_up == 2


def test_failed_answers_and_other_questions_are_not_judged() -> None:
    answers = [make_answer(None, question_id="guest-of-1"), make_answer("Tobias Renn", question_id="other")]
    assert judge_answers(answers, [make_probe()], make_book(), variant="tuned") == []


# --- scores -----------------------------------------------------------------------------------------------------------


def tell(*texts: str, n_new: int = 0) -> list[ProbeResult]:
    """One probe each; the last `n_new` of them unanswerable."""
    first_new = len(texts) - n_new
    return [
        judge_text(text, make_probe(number, is_answerable=number < first_new), make_book())
        for number, text in enumerate(texts)
    ]


def find(scores: list[Score], measure: str, subject: str = "guests by year") -> Score:
    (score,) = [score for score in scores if (score.measure, score.subject) == (measure, subject)]
    return score


def test_the_measures_by_hand() -> None:
    """Four answerable: right, wrong, two names of which one is invented, open. Two new: named, open."""
    told = tell("Renn", "Castell", "Voss, John Smith", "No idea.", "John Smith", "Who knows?", n_new=2)
    scores = score_facts(told, rung="r", variant="tuned")
    assert find(scores, "made-up rate").value == pytest.approx(3 / 5, abs=1e-6)
    assert find(scores, "made-up rate").n == 5
    assert find(scores, "confabulation").value == pytest.approx(1 / 2, abs=1e-6)
    assert find(scores, "coverage").value == pytest.approx(1 / 4, abs=1e-6)
    assert find(scores, "F0.5u").value == pytest.approx(1.25 / (1.25 + 0.25 + 3), abs=1e-6)
    assert find(scores, "coverage", "closed questions").value == pytest.approx(1 / 4)


def test_one_who_always_abstains_makes_nothing_up_and_covers_nothing() -> None:
    scores = score_facts(tell("No idea.", "Hm.", "Who knows?", n_new=1), rung="r", variant="tuned")
    assert (find(scores, "made-up rate").value, find(scores, "made-up rate").reason) == (None, "no name was given")
    assert find(scores, "confabulation").value == 0
    assert find(scores, "coverage").value == 0
    assert find(scores, "F0.5u").value == 0


def test_where_nothing_is_right_there_is_no_interval_of_no_width() -> None:
    score = find(score_facts(tell("No idea.", "Who knows?", "I forget."), rung="r", variant="tuned"), "F0.5u")
    assert (score.value, score.low, score.high) == (0, None, None)


def test_one_who_always_names_somebody_confabulates() -> None:
    scores = score_facts(tell("Renn", "John Smith", "John Smith", n_new=1), rung="r", variant="tuned")
    assert find(scores, "confabulation").value == 1
    assert find(scores, "coverage").value == 0.5


def test_leaving_a_question_open_costs_less_than_a_wrong_answer() -> None:
    left_open, wrong = compute_f05u(tell("Renn", "No idea.")), compute_f05u(tell("Renn", "Castell"))
    assert left_open == pytest.approx(1.25 / 1.5)
    assert wrong == pytest.approx(1.25 / 2.25)


def test_what_cannot_be_asked_is_unscored_with_its_reason() -> None:
    reasons = {"guests by year": "no episode has a date"}
    scores = score_facts([], rung="r", variant="tuned", reasons=reasons)
    assert find(scores, "coverage").reason == "no episode has a date"
    assert all(score.value is None and score.reason for score in scores)


def test_without_unanswerable_questions_confabulation_alone_is_unscored() -> None:
    scores = score_facts(tell("Renn", "Castell"), rung="r", variant="tuned")
    assert find(scores, "confabulation").reason == "every question has its answer in training episodes"
    assert find(scores, "coverage").value == 0.5


# --- probes -----------------------------------------------------------------------------------------------------------


def probes_of(show: ShowMaterial) -> list[Probe]:
    made = make_probes(
        show.episodes, list_guests(show.turns), show.host, make_name_book(show.turns), show="The Slow Answer"
    )
    assert made.reasons == {}
    return list(made.probes)


def test_the_bundled_show_is_asked_for_each_of_its_years() -> None:
    years = {probe.probe_id: probe for probe in probes_of(demo_show()) if probe.kind == "guests by year"}
    assert list(years) == ["guest-of-2021", "guest-of-2022", "guest-of-2023"]
    assert "Tobias Renn" in years["guest-of-2021"].right
    assert years["guest-of-2021"].is_answerable


def test_gaps_are_cut_from_training_and_held_out_episodes_and_do_not_tell_the_name() -> None:
    gaps = [probe for probe in probes_of(demo_show()) if probe.kind == "name cloze"]
    assert {probe.is_answerable for probe in gaps} == {True, False}
    for probe in gaps:
        words = names.fold_name(probe.text)
        assert probe.text.count(GAP) == 2  # once in the question, once in the passage
        assert not set(names.fold_name(probe.right[0])) & set(words)


def test_the_true_answer_to_every_probe_of_the_show_is_right() -> None:
    book = make_name_book(demo_show().turns)
    for probe in probes_of(demo_show()):
        for name in probe.right:
            assert judge_text(f"It was {name}.", probe, book).outcome == "right"


def test_probes_are_asked_as_questions() -> None:
    probes = probes_of(demo_show())
    assert [question.text for question in ask_questions(probes)] == [probe.text for probe in probes]


def test_a_year_of_held_out_episodes_alone_cannot_be_answered() -> None:
    episodes = [make_episode(n, published=date(2020 + n, 1, 1)) for n in range(2)]
    guests = {"episode-0": ("Ada Voss",), "episode-1": ("Ida Renn",)}
    probes = ask_years(episodes, guests, {"episode-0": "train", "episode-1": "test"}, show="It")
    assert [(probe.probe_id, probe.is_answerable) for probe in probes] == [
        ("guest-of-2020", True),
        ("guest-of-2021", False),
    ]


def test_a_show_without_dates_or_names_says_so() -> None:
    made = make_probes([make_episode()], {}, [make_pair()], make_book(), show="It")
    assert made.probes == ()
    assert made.reasons["guests by year"] == "no episode has a date"
    assert "name cloze" in made.reasons


LONG = "So tell me now what you were really doing up there on that bridge the whole of that winter, {}, all alone"


def test_a_name_said_once_is_cut_with_its_comma_left() -> None:
    passage = cut_name(LONG.format("Tobias"), "Tobias Renn", make_book())
    assert passage is not None
    assert f"winter, {GAP}, all alone" in passage


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (LONG.format("Tobias and Tobias"), "Tobias Renn"),
        (LONG.format("Tobias, of the Renn bridge"), "Tobias Renn"),
        (LONG.format("Grace"), "Grace Barr"),  # a common word as well
        ("Well, Tobias?", "Tobias Renn"),
        (LONG.format("my friend"), "Tobias Renn"),
    ],
)
def test_a_name_is_not_cut_where_the_passage_would_tell_it_or_says_too_little(text: str, name: str) -> None:
    assert cut_name(text, name, make_book()) is None


def test_a_guest_of_training_and_held_out_episodes_is_not_asked_for() -> None:
    pairs = [make_pair(n, reply=LONG.format("Tobias"), split=split) for n, split in enumerate(("train", "test"))]
    guests = {pair.slug: ("Tobias Renn",) for pair in pairs}
    assert make_probes([], guests, pairs, make_book(), show="It").probes == ()


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(names).failed == 0
