"""The Markdown report tells what the page tells."""

from __future__ import annotations

from econchatr.display import quote_markdown
from econchatr.report import ReportMaterial, render_markdown
from econchatr.report.markdown_writer import write_table
from econchatr.report.page_blocks import Table, name_columns
from tests.helpers.report_material import HOST, QUESTIONS, make_material

LABEL = f"AI imitation of {HOST}, not {HOST}"


def test_label_stands_at_the_top_and_under_every_spoken_answer() -> None:
    text = render_markdown(make_material())
    assert text.startswith(f"# The Slow Answer\n\n**{LABEL}**\n")
    assert text.count(f"*{LABEL}*, sample") == 143


def test_every_question_has_its_heading() -> None:
    text = render_markdown(make_material())
    for number, question in enumerate(QUESTIONS, start=1):
        assert f"### {number}. {question.text}\n" in text


def test_failed_answer_is_an_error_outside_any_quotation() -> None:
    text = render_markdown(make_material())
    assert "**No answer.** Error: ModelError: the server gave no answer within 120 seconds\n" in text
    assert not any("120 seconds" in line for line in text.splitlines() if line.startswith(">"))


def test_markdown_is_the_same_each_time() -> None:
    assert render_markdown(make_material()) == render_markdown(make_material())


def test_markdown_of_a_show_with_nothing_done_says_so() -> None:
    text = render_markdown(
        ReportMaterial(show_name="Nothing Yet", hosts=(), rights=None, version="0.1.0", made_on=None)
    )
    assert "No question has been asked." in text
    assert "AI imitation of the host, not the host" in text


def test_table_keeps_its_columns_whatever_its_cells_hold() -> None:
    table = Table("k", "Two|bars", name_columns("a", "#b"), (("x|y", "1\n2"),), note="*so*")
    assert write_table(table).split("\n") == [
        "**Two\\|bars**",
        "",
        "| a | b |",
        "| --- | ---: |",
        "| x\\|y | 1 2 |",
        "",
        "\\*so\\*",
    ]


def test_quotation_keeps_lines_and_paragraphs() -> None:
    assert quote_markdown("one\ntwo\n\n# three") == "> one\\\n> two\n>\n> \\# three"
