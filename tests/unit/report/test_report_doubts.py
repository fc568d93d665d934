"""What is doubtful about a file, its language, and what to do about what was set aside, stand on the pages."""

from __future__ import annotations

from econchatr.report import render_corpus, render_html, render_markdown
from econchatr.report.sections.chosen import tell_choice
from econchatr.report.sections.left_out import tabulate_doubts, tabulate_failures
from tests.helpers.report_page_reader import PageReader
from tests.helpers.report_proof_material import make_proved_material


def test_doubtful_episode_is_listed_on_both_pages() -> None:
    material = make_proved_material()
    for render in (render_html, render_corpus, render_markdown):
        assert "the file ends in the middle" in render(material)


def test_episode_in_another_language_than_most_is_listed() -> None:
    material = make_proved_material()
    codes = ["en", "en", "en", "de"]
    episodes = tuple(
        episode.model_copy(update={"language": code, "doubt": ""})
        for episode, code in zip(material.episodes, codes, strict=False)
    )
    table = tabulate_doubts(material.model_copy(update={"episodes": episodes}))
    assert table is not None
    assert [row[1:] for row in table.rows] == [("de", "in another language than most (en)")]


def test_languages_that_nobody_told_make_no_column_and_no_doubt() -> None:
    material = make_proved_material()
    plain = tuple(one.model_copy(update={"language": "", "doubt": ""}) for one in material.episodes)
    material = material.model_copy(update={"episodes": plain})
    assert tabulate_doubts(material) is None
    assert '<th scope="col">language</th>' not in render_corpus(material)


def test_what_to_do_about_a_failure_is_told() -> None:
    table = tabulate_failures(make_proved_material())
    assert table is not None
    place = [column.title for column in table.columns].index("what to do")
    assert [row[place] for row in table.rows] == ["\N{EN DASH}", "Ask its owner."]


def test_how_good_the_choice_is_stands_on_the_page() -> None:
    material = make_proved_material()
    update = {"certificate": 0.714, "random_share": 0.9, "n_pinned": 1, "n_banned": 2}
    selections = tuple(one.model_copy(update=update) for one in material.selections)
    material = material.model_copy(update={"selections": selections})
    (told,) = [tell_choice(material, chosen) for chosen in material.selections]
    assert dict(told)["by hand"] == "1 pair pinned, 2 banned."
    text = PageReader(render_html(material)).text
    assert (
        "at least 71% of the best possible cover at this cost; random choices cover 90% of what this one does." in text
    )
    assert "20.0% of its replies hold a subject word of the exam" in text
