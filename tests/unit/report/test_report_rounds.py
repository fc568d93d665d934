"""A round on preferences stands in the report as its own row, with what it learned from, what it changed and why."""

from __future__ import annotations

import re

import pytest

from econchatr.records import PreferenceOutcome
from econchatr.report import ReportMaterial
from econchatr.report.card import card_from_report, render_card
from econchatr.report.page_blocks import Facts, Figure, Table
from econchatr.report.pages import render_html, render_markdown
from econchatr.report.score_table import tabulate_rows
from econchatr.report.sections.measured import chart_voices
from econchatr.report.sections.preferences_told import preferences_section, tell_round
from econchatr.report.sections.verdict import give_verdicts
from tests.helpers.report_material import make_material
from tests.helpers.report_round_material import REASON, make_outcome, make_round

ROW = "tuned model after a round on preferences"


def rows_of(material: object) -> dict[str, tuple[object, ...]]:
    (table,) = tabulate_rows(material)  # type: ignore[arg-type]
    return {str(row[0]): row[1:] for row in table.rows}


def read_round(material: ReportMaterial) -> tuple[dict[str, str], *tuple[Table, ...]]:
    """Give the facts of the one round of a show, and its tables."""
    section = preferences_section(material)
    assert section is not None
    _, facts, *tables = section.blocks
    assert isinstance(facts, Facts)
    return dict(facts.entries), *(table for table in tables if isinstance(table, Table))


def test_a_show_without_a_round_says_nothing_of_one() -> None:
    material = make_material()
    assert preferences_section(material) is None
    assert "preferences" not in render_html(material)
    assert "preferences" not in render_markdown(material)


def test_the_round_is_a_row_of_the_table_with_its_voice_and_interval() -> None:
    rows = rows_of(make_round())
    voice = rows[ROW][0]
    assert voice == Figure("0.72", "0.40 to 1.04, n 12")
    assert list(rows).index(ROW) > list(rows).index("tuned model")
    drawn = chart_voices(make_round())
    assert drawn is not None
    assert "preferred" in {row[0] for row in drawn.table.rows}


def test_one_that_was_not_kept_is_told_and_neither_ranked_nor_drawn() -> None:
    material = make_round(is_kept=False)
    assert f"{ROW}, not kept" in rows_of(material)
    (table,) = tabulate_rows(material)
    assert ROW not in table.note
    assert ROW in tabulate_rows(make_round())[0].note
    drawn = chart_voices(material)
    assert drawn is None or "preferred" not in {row[0] for row in drawn.table.rows}


def test_a_voice_behind_a_closed_gate_is_greyed_out_here_too() -> None:
    voice = rows_of(make_round(outcome="fails", is_kept=False))[f"{ROW}, not kept"][0]
    assert isinstance(voice, Figure)
    assert voice.is_greyed


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "13 comparisons of two answers by 2 people"),
        ({"source": "verdicts", "method": "kto", "n_scorers": 1}, "13 answers called right or wrong by 1 person"),
        ({"source": "host replies", "n_scorers": 0}, "13 pairs of the host’s own reply above the model’s answer"),
    ],
)
def test_it_says_what_was_learned_from_and_from_whom(changes: dict[str, object], told: str) -> None:
    outcome = make_outcome(**changes)
    facts, *_ = read_round(make_round(**changes))
    assert facts["learned from"].startswith(told)
    assert told in tell_round(outcome)


def test_measures_stand_before_and_after_with_intervals_and_change() -> None:
    _, measures = read_round(make_round())[:2]
    rows = {row[0]: row[1:] for row in measures.rows}
    bits = rows["bits per byte of the host’s development replies"]
    assert bits[0] == Figure("1.0920", "1.0490 to 1.1380, n 37")
    assert bits[2] == Figure("−0.0020", "−0.0031 to −0.0009, n 37")
    assert rows["Voice"][2] == Figure("0.11", "nearer to the host; −0.08 to 0.30, n 12")
    assert rows["words of an answer, median"][:2] == (Figure("65", "51 to 80, n 12"), Figure("48", "40 to 57, n 12"))


def test_a_round_of_an_earlier_version_shows_what_it_kept() -> None:
    """It kept no scores and checked no engine; nothing is made up for it."""
    fields = make_outcome().model_dump(exclude={"n_agreeing_questions", "n_checked_questions"})
    material = make_material().model_copy(update={"rounds": (PreferenceOutcome.model_validate(fields),)})
    facts, measures, *gates = read_round(material)
    rows = {row[0]: row[1:] for row in measures.rows}
    assert rows["copied words"][:2] == (
        Figure("1.1%", "no interval was kept"),
        Figure("1.2%", "no interval was kept"),
    )
    assert rows["Voice"][:2] == (Figure("–"), Figure("–"))
    assert facts["questions answered alike by transformers and llama.cpp"] == "not checked"
    assert gates == []
    assert render_html(material)


def test_the_gates_that_were_lost_say_so() -> None:
    _, _, gates = read_round(make_round(outcome="fails", gates_lost=("copying",), is_kept=False))
    by_gate = {row[0]: row for row in gates.rows}
    assert by_gate["copying"][1:3] == ("passes", "fails")
    assert str(by_gate["copying"][5]).startswith("The round is lost by it.")
    assert by_gate["length"][5] == "length told."


@pytest.mark.parametrize("is_kept", [True, False])
def test_page_markdown_card_and_first_screen_say_whether_it_was_kept_and_why(is_kept: bool) -> None:
    material = make_round(is_kept=is_kept)
    html, told = render_html(material), "Kept" if is_kept else "Not kept"
    section = html[html.index('id="preferences"') :]
    assert f"{told}. The host&#39;s development replies take" in section
    assert f"{told}\\. {REASON[:20]}".replace("\\", "") in render_markdown(material).replace("\\", "")
    (verdict,) = give_verdicts(material)
    point = dict(verdict.points)["Preferences"]
    assert REASON in point
    assert ("It was kept beside the tuned model." in point) is is_kept
    card = card_from_report(material, material.tuned_models[0])
    assert card is not None
    assert "13 comparisons" in render_card(card)


def test_what_people_call_themselves_or_a_rung_is_called_is_no_markup() -> None:
    html = render_html(make_round(reason="<script>alert(1)</script> & so on."))
    assert "<script>alert" not in html
    assert len(re.findall(r'id="preferences"', html)) == 1
