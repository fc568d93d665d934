"""Under each answer stands the nearest thing the host really said, and copied words are marked."""

from __future__ import annotations

import re
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import CopiedSpan
from econchatr.report import ReportMaterial, render_html, render_markdown
from econchatr.report.page_blocks import Box, Paragraph, Part, Passage
from econchatr.report.sections.answered import split_copied
from econchatr.report.sections.replies import replies_section
from tests.helpers.report_material import HOST, RUNG
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import COPIED_RUN, make_proved_material


def span(text: str) -> CopiedSpan:
    return CopiedSpan(
        rung=RUNG, variant="tuned", group="q", sample=0, n_words=len(text.split()), text=text, slug="e",
        published=date(2021, 2, 11), position=1,
    )  # fmt: skip


def find(text: str, words: str) -> list[str]:
    return [piece.text for piece in split_copied(text, span(words)) if piece.is_marked]


def test_copied_words_are_found_whatever_stands_between_them() -> None:
    assert find("So, Who -- counted,\n“really”? Yes.", "who counted really") == ["Who -- counted,\n“really"]
    assert find("It wasn’t the well-known hen.", "wasn't the well-known hen") == ["wasn’t the well-known hen"]


def test_words_inside_other_words_are_not_found() -> None:
    assert find("a whole countedness", "who counted") == []


def test_words_that_are_not_there_mark_nothing() -> None:
    assert [piece.text for piece in split_copied("Well, no.", span("who counted"))] == ["Well, no."]
    assert [piece.text for piece in split_copied("Well, no.", None)] == ["Well, no."]


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_letter_of_an_answer_is_lost_or_added(text: str, words: str) -> None:
    assert "".join(piece.text for piece in split_copied(text, span(words))) == text


def test_page_marks_copied_words_and_names_their_episode() -> None:
    page = render_html(make_proved_material())
    assert f'<mark class="copied">{COPIED_RUN}</mark>' in page
    assert f"8 words in a row are {HOST}’s own: On closing the last stop, 11 February 2021." in PageReader(page).text


def test_every_spoken_answer_has_its_nearest_quote_or_says_that_there_is_none() -> None:
    material = make_proved_material()
    text = " ".join(PageReader(render_html(material)).text.split())
    near = f"Nearest thing {HOST} really said: Right, and who was asked? On closing the last stop, 11 Feb"
    n_spoken = sum(answer.reply is not None for answer in material.answers)
    n_close = text.count(near)
    n_far = text.count(f"Nothing close to it among what {HOST} really said (12% alike).")
    assert n_close
    assert n_far
    assert n_close + n_far == n_spoken


def test_real_words_stand_outside_the_figure_that_the_label_is_of() -> None:
    figures = re.findall(r'<figure class="sample">.*?</figure>', render_html(make_proved_material()), flags=re.DOTALL)
    assert figures
    assert not any("<q" in figure for figure in figures)


def test_answers_with_excerpts_are_shown_apart() -> None:
    page = render_html(make_proved_material())
    assert page.count(f"<summary>With real turns of {HOST} put before the question</summary>") == 12
    assert page.count('<div class="answer grounded"') == page.count('<div class="answer retrieval"') == 12


def test_markdown_tells_of_copies_and_quotes_too() -> None:
    text = render_markdown(make_proved_material())
    assert f"Nearest thing {HOST} really said: Right, and who was asked?" in text
    assert f"8 words in a row are {HOST}’s own" in text


def read_replies(material: ReportMaterial) -> tuple[str, list[Passage], list[Passage]]:
    told, sides = replies_section(material).blocks
    assert isinstance(told, Paragraph)
    assert isinstance(sides, Box)
    parts = {part.title: part.blocks for part in sides.blocks if isinstance(part, Part)}
    best, worst = (
        [reply for reply in parts.get(title, ()) if isinstance(reply, Passage)]
        for title in ("Helped most", "Helped least")
    )
    return told.text, best, worst


def test_best_and_worst_replies_are_those_that_saved_most_and_least_per_byte() -> None:
    told, best, worst = read_replies(make_proved_material())
    numbers = [[reply.stretches[0].text.split()[-1] for reply in side] for side in (best, worst)]
    n = int(told.split()[1])
    assert numbers == [[f"{n - 1}.", f"{n - 2}.", f"{n - 3}."], ["0.", "1.", "2."]]
    assert "bits per byte lost" in worst[0].remark


def test_guests_replies_and_those_without_bytes_are_not_shown() -> None:
    material = make_proved_material()
    guests = tuple(row.model_copy(update={"side": "guest"}) for row in material.replies)
    empty = tuple(row.model_copy(update={"n_bytes": 0}) for row in material.replies)
    broken = tuple(row.model_copy(update={"tuned_bits": float("inf")}) for row in material.replies)
    for replies in (guests, empty, broken):
        _, best, worst = read_replies(material.model_copy(update={"replies": replies}))
        assert best == worst == []
