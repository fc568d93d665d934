"""The table of rows leaves no row out, and believes no Voice that a gate closed."""

from __future__ import annotations

from econchatr.report import ReportMaterial, render_html
from econchatr.report.page_blocks import Figure, Table
from econchatr.report.score_table import explain_columns, tabulate_gates, tabulate_rows, tell_why_closed
from econchatr.report.sections.measured import chart_voices
from tests.helpers.report_material import HOST, RUNG
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import VOICES, gate, make_gates, make_proved_material


def read_row(table: Table, name: str) -> dict[str, Figure]:
    row = next(row for row in table.rows if row[0] == name)
    cells = zip(table.columns[1:], row[1:], strict=True)
    return {column.title: cell for column, cell in cells if isinstance(cell, Figure)}


def make_table(**update: object) -> Table:
    return tabulate_rows(make_proved_material().model_copy(update=update))[0]


def test_ceiling_floor_and_every_form_are_rows() -> None:
    names = [row[0] for row in make_table().rows]
    assert names[:2] == [f"{HOST}, really", "the guests"]
    assert len(names) == len(VOICES)


def test_each_value_stands_with_its_interval_and_n() -> None:
    row = read_row(make_table(), "tuned model")
    assert row["Voice"] == Figure("0.74", "0.61 to 0.87, n 48")
    assert row["True reply of twenty"] == Figure("19%", "12% to 26%, n 48")
    assert row["Host bits saved"].value == "0.083"
    assert row["Copied words"].context == "0.0% to 5.0%, n 48; longest run 8 words"
    assert row["Blind pick"].context == "30% to 70%, n 12"
    assert "names somebody it cannot know 70%, n 40; right where it could be 25%, n 40" in row["Made up"].context


def test_closed_gate_greys_the_voice_out_with_its_reason() -> None:
    row = read_row(make_table(gates=make_gates({"tuned": "length"})), "tuned model")
    assert row["Voice"].is_greyed
    assert row["Voice"].context.startswith("greyed out: its answers are not of the host’s length")


def test_the_parrot_is_greyed_out_for_copying_and_not_ranked() -> None:
    table = make_table()
    assert read_row(table, "retrieval parrot")["Voice"].context.startswith("greyed out: it copies")
    assert "retrieval parrot" not in table.note
    assert table.note.startswith(
        "Nearest to the host, greyed-out rows left out: tuned model with real excerpts (0.21 away), then tuned model"
    )


def test_without_gates_no_voice_is_believed() -> None:
    table = make_table(gates=())
    assert all(cells["Voice"].is_greyed for name in ("tuned model", "base model") if (cells := read_row(table, name)))


def test_unscored_cell_gives_its_reason_and_no_number() -> None:
    assert read_row(make_table(), "base model")["Made up"] == Figure("not scored", "no name was given")


def test_measure_nobody_took_is_a_dash() -> None:
    assert read_row(make_table(), "the guests")["Blind pick"] == Figure("\N{EN DASH}")


def test_every_column_is_explained_on_the_page() -> None:
    material = make_proved_material()
    explained, text = explain_columns(material).entries, PageReader(render_html(material)).text
    assert [column.title for column in make_table().columns[1:]] == [title for title, _ in explained]
    assert all(sentence in text for _, sentence in explained)


def test_gates_of_a_reference_may_stand_under_another_rung() -> None:
    gates = (gate("host", rung="other"), gate("tuned", rung="other"))
    material = make_proved_material().model_copy(update={"gates": gates})
    assert tell_why_closed(material.find_gates(RUNG, "host")) == ""
    assert material.find_gates(RUNG, "tuned") == ()


def test_chart_draws_what_is_greyed_out_and_says_so() -> None:
    chart = chart_voices(make_proved_material())
    assert chart is not None
    assert chart.drawing.parts.count('<circle class="dot') == len(VOICES)
    assert chart.drawing.parts.count('<circle class="dot k-base k-greyed"') == 1
    assert "(1.09)" in chart.drawing.parts
    assert any(row[0] == "retrieval parrot" and row[-1] == "it copies" for row in chart.table.rows)


def test_gate_without_a_finite_value_is_listed_without_one() -> None:
    table = tabulate_gates(make_proved_material().model_copy(update={"gates": (gate("tuned", value=float("nan")),)}))
    assert table is not None
    assert table.rows[0][4:6] == ("\N{EN DASH}", "6.0%")


def test_what_is_in_doubt_is_told_in_the_table_and_in_that_of_the_chart() -> None:
    gates = tuple(
        one.model_copy(update={"outcome": "in doubt"})
        if (one.variant, one.gate) == ("tuned", "on the question")
        else one
        for one in make_gates()
    )
    material = make_proved_material().model_copy(update={"gates": gates})
    chart = chart_voices(material)
    assert chart is not None
    assert any(row[0] == "tuned" and row[-1] == "in doubt: keeping to the question" for row in chart.table.rows)
    row = read_row(tabulate_rows(material)[0], "tuned model")
    assert row["Voice"].context.endswith("; in doubt: keeping to the question")


def test_no_voice_no_chart_and_no_rows() -> None:
    bare = ReportMaterial(show_name="s", hosts=(HOST,), rights=None, version="0", made_on=None)
    assert chart_voices(bare) is None
    assert tabulate_rows(bare) == ()
