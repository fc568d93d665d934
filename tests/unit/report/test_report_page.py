"""The HTML report: what a reader, a browser and a screen reader may rely on."""

from __future__ import annotations

import re

import pytest

from econchatr.records import Answer, Mark, Question, Reply, Score
from econchatr.report import ReportMaterial, render_html
from tests.helpers.report_material import HOST, QUESTIONS, make_material
from tests.helpers.report_page_reader import PageReader

CHARTS = ("bits", "lengths", "episodes", "roles", "speakers", "turns", "curve-1", "dropped", "flags")
LABEL = f"AI imitation of {HOST}, not {HOST}"


@pytest.fixture(scope="module")
def page() -> str:
    return render_html(make_material())


@pytest.fixture(scope="module")
def seen(page: str) -> PageReader:
    return PageReader(page)


def make_bare_material() -> ReportMaterial:
    return ReportMaterial(show_name="Nothing Yet", hosts=(HOST,), rights=None, version="0.1.0", made_on=None)


def test_page_is_well_formed(seen: PageReader) -> None:
    assert seen.faults == []


def test_page_of_a_show_with_nothing_done_is_well_formed_and_says_so() -> None:
    seen = PageReader(render_html(make_bare_material()))
    assert seen.faults == []
    assert "Nothing has been scored yet" in seen.text
    assert "The show states no rights." in seen.text


def test_every_question_and_its_expected_answer_appear(seen: PageReader) -> None:
    for question in QUESTIONS:
        assert question.text in seen.text
        assert question.expected is None or f"A right answer holds: {question.expected}" in seen.text


def test_every_spoken_answer_is_quoted_once_and_those_of_the_first_screen_once_more(seen: PageReader) -> None:
    answers = [answer for answer in make_material().answers if answer.reply is not None]
    first = [one for one in answers if (one.question_id, one.sample) == (QUESTIONS[0].question_id, 0)]
    shown = [one for one in first if one.variant in ("base", "tuned")]
    assert sorted(seen.quotes) == sorted(one.reply.text for one in (*answers, *shown) if one.reply)


def test_failed_answer_is_shown_as_an_error_and_never_as_speech(seen: PageReader) -> None:
    failure = "the server gave no answer within 120 seconds"
    assert failure in seen.text
    assert not any(failure in quote for quote in seen.quotes)
    assert "1 of 144 answers failed" in seen.text


def test_answer_with_both_a_reply_and_an_error_is_an_error() -> None:
    reply = Reply(text="half a thought", stop="end", n_prompt_tokens=1, n_reply_tokens=3)
    answer = Answer(
        question_id="surveys", rung="r", variant="tuned", model_sha256="0", sample=0, seed=1, reply=reply, error="lost"
    )
    material = make_bare_material().model_copy(update={"questions": QUESTIONS[:1], "answers": (answer,)})
    seen = PageReader(render_html(material))
    assert seen.quotes == []
    assert "Error: lost" in seen.text


def test_empty_answer_is_not_shown_as_speech() -> None:
    reply = Reply(text=" \n", stop="end", n_prompt_tokens=1, n_reply_tokens=1)
    answer = Answer(
        question_id="surveys", rung="r", variant="base", model_sha256="0", sample=0, seed=1, reply=reply, error=None
    )
    material = make_bare_material().model_copy(update={"questions": QUESTIONS[:1], "answers": (answer,)})
    seen = PageReader(render_html(material))
    assert seen.quotes == []
    assert "the model returned no words" in seen.text


def test_answers_to_questions_no_longer_asked_are_counted() -> None:
    material = make_material()
    seen = PageReader(render_html(material.model_copy(update={"questions": QUESTIONS[1:]})))
    assert "12 answers to questions that are no longer asked: not shown." in seen.text


def test_label_stands_first_and_under_every_spoken_answer(page: str, seen: PageReader) -> None:
    assert page.index(f"<p>{LABEL}</p>") < page.index("<h1>")
    figures = re.findall(r'<figure class="sample">.*?</figure>', page, flags=re.DOTALL)
    assert len(figures) == len(seen.quotes) == 143 + 2  # the first screen shows two once more
    assert all(LABEL in figure for figure in figures)


def test_unscored_measure_shows_its_reason_and_no_zero(seen: PageReader) -> None:
    assert "fewer than 30 held-out turns: " in " ".join(seen.text.split())


def test_value_that_is_no_finite_number_is_unscored_and_the_page_still_drawn() -> None:
    material = make_material()
    scores = tuple(
        score.model_copy(update={"value": float("nan"), "low": None, "high": float("inf")}) for score in material.scores
    )
    curve = tuple(point.model_copy(update={"train_loss": float("inf")}) for point in material.curve)
    seen = PageReader(render_html(material.model_copy(update={"scores": scores, "curve": curve})))
    assert seen.faults == []
    assert "is not known: the held-out replies are not scored" in seen.text
    assert "is not a finite number" in seen.text


def test_measure_the_page_does_not_know_is_listed(seen: PageReader) -> None:
    assert "kettles held" in seen.text
    assert "per thousand words" in seen.text


def test_page_loads_nothing(page: str, seen: PageReader) -> None:
    assert seen.loads == []
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(seen.tags)
    assert "@import" not in page
    assert "url(" not in page


def test_only_price_sources_are_outside_links(seen: PageReader) -> None:
    outside = {link for link in seen.links if not link.startswith("#")}
    assert outside == {"https://prices.example/2023"}


def test_links_and_labels_lead_to_something_on_the_page(seen: PageReader) -> None:
    targets = [link[1:] for link in seen.links if link.startswith("#")] + seen.labelled_by
    assert set(targets) <= set(seen.ids)


def test_same_material_gives_the_same_bytes(page: str) -> None:
    assert render_html(make_material()) == page


def test_page_carries_no_date_but_the_one_given() -> None:
    assert "made" not in PageReader(render_html(make_bare_material())).text.split("Nothing Yet")[0]


def test_each_chart_has_a_title_a_description_and_a_table(page: str, seen: PageReader) -> None:
    keys = re.findall(r'<svg class="chart" role="img" aria-labelledby="(\S+)-title \S+-desc"', page)
    assert keys == [f"fig-{name}" for name in CHARTS]
    for key in keys:
        assert {f"{key}-title", f"{key}-desc", f"{key}-table-caption"} <= set(seen.ids)


def test_the_best_step_is_the_last_that_was_the_best_so_far(seen: PageReader) -> None:
    assert "best 3.180 at step 200" in seen.text
    assert [line.strip() for line in seen.text.splitlines() if "(best)" in line] == ["200 (best)"]


def test_there_is_one_main_heading_and_the_language_is_named(page: str, seen: PageReader) -> None:
    assert seen.tags.count("h1") == 1
    assert seen.tags.count("main") == 1
    assert '<html lang="en">' in page


def test_every_table_has_a_caption_and_scoped_headings(page: str, seen: PageReader) -> None:
    assert seen.tags.count("caption") == seen.tags.count("table")
    assert not re.search(r"<th(?! scope=)[ >]", page)


def test_several_rungs_are_kept_apart() -> None:
    material = make_material()
    more = tuple(score.model_copy(update={"rung": "larger"}) for score in material.scores)
    answers = tuple(answer.model_copy(update={"rung": "larger"}) for answer in material.answers)
    both = material.model_copy(update={"scores": material.scores + more, "answers": material.answers + answers})
    seen = PageReader(render_html(both))
    assert seen.faults == []
    assert "Training left larger 10.0% less surprised" in seen.text
    assert len(seen.quotes) == 2 * 143 + 2


def test_selection_that_made_another_model_is_named() -> None:
    material = make_material()
    other = tuple(chosen.model_copy(update={"sha256": "0" * 64}) for chosen in material.selections)
    seen = PageReader(render_html(material.model_copy(update={"selections": other})))
    assert "but the selection shown here is 000000000000" in seen.text


@pytest.mark.parametrize(
    ("grade", "more", "told"),
    [
        ("exact", {"likeness": 1.0}, "The expected words, word for word."),
        ("near", {"likeness": 0.857}, "Nearly the expected words (86% alike)."),
        ("wrong", {"likeness": 0.2}, "Not the expected words (20% alike)."),
        ("unmarked", {"reason": "nothing is expected"}, "Not marked: nothing is expected."),
        ("wrong", {"n_true": 2}, "Names nobody (2 guests asked for)."),
        (
            "near",
            {"n_true": 1, "named": ("Ada Quill",), "invented": ("Zed <b>Bold</b>",)},
            "Names given: right: Ada Quill; never a guest: Zed <b>Bold</b> (1 guest asked for).",
        ),
    ],
)
def test_how_an_answer_was_marked_stands_under_it(grade: str, more: dict[str, object], told: str) -> None:
    question = Question(question_id="q", kind="fact", text="Who?")
    place = {"question_id": "q", "rung": "r", "variant": "tuned", "sample": 0, "wording": 0}
    reply = Reply(text="Somebody.", stop="end", n_prompt_tokens=1, n_reply_tokens=3)
    answer = Answer(
        question_id="q", rung="r", variant="tuned", model_sha256="0", sample=0, seed=1, reply=reply, error=None
    )
    mark = Mark.model_validate(place | {"grade": grade} | more)
    update = {"questions": (question,), "answers": (answer,), "marks": (mark,)}
    seen = PageReader(render_html(make_bare_material().model_copy(update=update)))
    assert told in seen.text
    assert seen.faults == []
    assert "b" not in seen.tags


def people_score(measure: str, value: float | None, **more: object) -> Score:
    fields = {"rung": "r", "variant": "tuned", "subject": "answers", "n": 12, "unit": "share"}
    return Score.model_validate(fields | {"measure": measure, "value": value} | more)


def read_people(*scores: Score) -> str:
    bits = people_score("bits per byte", 1.0)
    update = {"questions": QUESTIONS[:1], "scores": (bits, *scores)}
    return PageReader(render_html(make_bare_material().model_copy(update=update))).text


def test_marks_by_hand_stand_with_their_agreement() -> None:
    agreement = people_score("agreement between scorers", 0.71, rung="", variant="all")
    marks = [people_score("hand mark", 0.5, variant="base"), people_score("hand mark", 0.79, low=0.6, high=0.9)]
    told = read_people(*marks, agreement)
    assert "r: base model 6 of 12; tuned model 9.48 of 12." in told
    assert "alpha = 0.71" in told


def test_one_scorer_is_said_to_be_one() -> None:
    lone = people_score("agreement between scorers", None, rung="", variant="all", reason="one scorer only")
    assert "not known: one scorer only" in read_people(people_score("hand mark", 0.5), lone)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.3, 0.8, "so they can tell"),
        (0.05, 0.4, "it is not shown that they can tell"),
        (0.0, 0.1, "take the model for"),
    ],
)
def test_the_blind_test_is_held_against_chance(low: float, high: float, verdict: str) -> None:
    score = people_score("blind picks of the real host", 0.1, low=low, high=high, subject="held-out cues (test)")
    assert verdict in read_people(score)


def test_nobody_asked_nothing_said() -> None:
    assert "Blind test" not in read_people()
