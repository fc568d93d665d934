"""The post: the write-up of 2023 made anew, labelled, dated, short, and the same in both forms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt

from econchatr.report.page_blocks import Block, Items, Paragraph, QuestionCard, Statement
from econchatr.report.post import lay_out_post, render_post
from tests.helpers.report_material import HOST, QUESTIONS
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import make_proved_material
from tests.unit.report.test_report_hostile import ATTACKS, make_hostile_material

LABEL = f"AI imitation of {HOST}, not {HOST}"
SECTIONS = ("Summary", "Background", "Data", "Training", "The questions, before and after", "Try it", "Notes")


@pytest.fixture(scope="module")
def post() -> dict[str, str]:
    return render_post(make_proved_material())


def list_prose(blocks: tuple[Block, ...]) -> Iterator[str]:
    """Give the sentences beside tables, questions and answers."""
    for block in blocks:
        match block:
            case Paragraph(text=text) | Statement(text=text):
                yield text
            case Items(items=items):
                yield from items
            case QuestionCard():
                continue
        if not isinstance(block, QuestionCard):
            yield from list_prose(getattr(block, "blocks", ()))


def test_both_forms_have_the_sections_in_order(post: dict[str, str]) -> None:
    for text, heads in (
        (post["post.html"], [f">{name}</h2>" for name in SECTIONS]),
        (post["post.md"], [f"\n## {name}\n" for name in SECTIONS]),
    ):
        places = [text.find(head) for head in heads]
        assert -1 not in places
        assert places == sorted(places)


def test_both_forms_have_every_question_tables_and_the_picture(post: dict[str, str]) -> None:
    for text in (PageReader(post["post.html"]).text, post["post.md"]):
        assert all(question.text in text for question in QUESTIONS)
        assert "Size of the kept texts" in text
        assert "What $0.50 per model would buy" in text.replace("\\", "")
    assert "](playground.svg)" in post["post.md"]
    assert post["playground.svg"].strip() in post["post.html"]


def test_a_show_that_paid_for_training_tells_quote_and_bill(post: dict[str, str]) -> None:
    for name in ("post.md", "post.html"):
        assert "Quote and bill of the hosted rungs" in post[name]
        assert "9.41" in post[name]


def test_it_is_labelled_dated_described_and_may_be_found(post: dict[str, str]) -> None:
    page = post["post.html"]
    assert f'<meta name="description" content="{LABEL}. ' in page
    assert '<meta property="article:published_time" content="2024-03-12">' in page
    assert "noindex" not in page
    assert "12 March 2024" in post["post.md"]
    assert post["post.md"].count(LABEL) >= 2 * len(QUESTIONS)


def test_it_is_short_enough_to_post() -> None:
    document = lay_out_post(make_proved_material())
    prose = [text for section in document.sections for text in list_prose(section.blocks)]
    assert 150 < sum(len(text.split()) for text in prose) <= 1200


def test_it_is_well_formed_and_loads_nothing(post: dict[str, str]) -> None:
    seen = PageReader(post["post.html"])
    assert seen.faults == []
    assert seen.loads == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_stay_texts(attack: str) -> None:
    files = render_post(make_hostile_material(attack))
    seen = PageReader(files["post.html"])
    assert seen.faults == []
    assert seen.handlers == []
    assert not {"script", "img", "iframe"} & set(seen.tags)
    assert "<script" not in files["playground.svg"]
    read = PageReader(MarkdownIt("commonmark").render(files["post.md"]))
    assert read.links == []
    assert read.loads == ["img src=playground.svg"]


def test_a_show_that_was_not_asked_yet_has_a_post_without_answers() -> None:
    bare = make_proved_material().model_copy(update={"answers": (), "tuned_models": (), "right": (), "marks": ()})
    seen = PageReader(render_post(bare)["post.html"])
    assert seen.faults == []
    assert seen.quotes == []
