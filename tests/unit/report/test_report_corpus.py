"""The page to look at the transcripts: its counts add up, its links lead to words, and it stays small."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.records import Flag, Turn
from econchatr.report import ReportMaterial, render_corpus, render_html, render_markdown
from econchatr.report.counts import (
    MOST_SAID_CHARS,
    classify_flag,
    count_by_role,
    count_flags,
    count_speakers,
    cut_excerpt,
    drop_middle,
    find_lines,
    merge_spans,
    spread,
)
from econchatr.report.formats import format_clock
from econchatr.report.material import ParsedMaterial, label_transcripts
from econchatr.report.sections.left_out import chart_flags, tabulate_failures, tabulate_reasons
from econchatr.report.sections.made_of import chart_speakers, chart_turns
from econchatr.report.sections.transcripts import chart_order, tabulate_episodes, tabulate_unnamed
from tests.helpers.report_corpus_material import EFFECTS, HOST_TEXT, make_parsed, make_turns
from tests.helpers.report_material import HOST, make_episodes, make_material
from tests.helpers.report_page_reader import PageReader

WORDS = st.lists(st.sampled_from(["who", "counted", "the", "bees?", "\n"]), max_size=12).map(" ".join)
KINDS = st.sampled_from(["intro", "quotation", "unclear"])
SPANS = st.one_of(st.none(), st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted))


@st.composite
def flags(draw: st.DrawFn) -> str:
    span = draw(SPANS)
    where = () if span is None else tuple(span)
    return str(Flag(draw(KINDS), f"{draw(st.integers(0, 99))} words", *where))


@st.composite
def shows(draw: st.DrawFn) -> list[Turn]:
    """Turns of up to three episodes, each with flags of any kind anywhere."""
    turns = []
    for slug in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        for position in range(draw(st.integers(0, 4))):
            speaker, role = draw(st.sampled_from([("Ada", "host"), ("Speaker 1", "guest"), ("", "other")]))
            marks = tuple(draw(st.lists(flags(), max_size=4)))
            turns.append(Turn(slug=slug, position=position, speaker=speaker, role=role, text=draw(WORDS), flags=marks))
    return turns


def count(turns: list[Turn], *, n_excerpts: int = 3):  # type: ignore[no-untyped-def]
    return count_flags(turns, ranks={"a": 2, "b": 1, "c": 0}, effects=EFFECTS, n_excerpts=n_excerpts)


def make_turn(text: str, *marks: Flag, position: int = 0, speaker: str = "Ada") -> Turn:
    return Turn(
        slug="a", position=position, speaker=speaker, role="host", text=text, flags=tuple(str(mark) for mark in marks)
    )


@pytest.fixture(scope="module")
def page() -> str:
    return render_corpus(make_material())


@pytest.fixture(scope="module")
def seen(page: str) -> PageReader:
    return PageReader(page)


@given(shows())
def test_speakers_share_every_turn_and_every_word(turns: list[Turn]) -> None:
    speakers = count_speakers(turns, unnamed={"Speaker 1"})
    assert sum(one.n_turns for one in speakers) == len(turns)
    assert sum(one.n_words for one in speakers) == sum(len(turn.text.split()) for turn in turns)
    assert sum(one.n_words for one in count_by_role(speakers)) == sum(one.n_words for one in speakers)
    assert all(one.speaker != "Speaker 1" for one in speakers)


@given(shows())
def test_flags_add_up_by_kind_by_reason_and_by_episode(turns: list[Turn]) -> None:
    counted, n_flags = count(turns), sum(len(turn.flags) for turn in turns)
    assert counted.n_flags == n_flags
    assert all(sum(one.n_flags for one in kind.reasons) == kind.n_flags for kind in counted.kinds)
    assert sum(n for episode in counted.episodes for _, n in episode.kinds) == n_flags
    assert counted.n_turns == sum(bool(turn.flags) for turn in turns)


@pytest.mark.parametrize(
    ("marks", "n_words"),
    [
        ([Flag("intro", "a", 0, 7), Flag("intro", "b", 4, 13)], 3),
        ([Flag("intro", "a", 0, 3), Flag("outro", "b", 8, 13)], 2),
        ([Flag("intro", "a", 0, 7), Flag("unclear", "b")], 4),
        ([Flag("intro", "a", 0, 5), Flag("outro", "b", 5, 7)], 2),
    ],
)
def test_no_word_is_counted_twice_under_several_flags(marks: list[Flag], n_words: int) -> None:
    assert count([make_turn("one two three four", *marks)]).n_words == n_words


@given(shows(), st.integers(0, 5))
def test_excerpts_are_words_of_their_turns_and_no_more_than_asked_for(turns: list[Turn], n: int) -> None:
    texts = {(turn.slug, turn.position): turn.text for turn in turns}
    for kind in count(turns, n_excerpts=n).kinds:
        assert len(kind.excerpts) == min(n, kind.n_flags)
        for one in kind.excerpts:
            assert one.before + one.said + one.after == texts[one.slug, one.position]


@given(WORDS, st.lists(SPANS, max_size=5))
def test_merged_stretches_stand_apart_and_in_order(text: str, spans: list[list[int] | None]) -> None:
    merged = merge_spans(text, [Flag("k", "r", *(span or ())) for span in spans])
    assert all(before[1] < after[0] for before, after in pairwise(merged))
    covered = {place for span in spans for place in range(*(span or (0, len(text))))}
    assert {place for start, end in merged for place in range(start, end)} == covered


def test_kinds_are_ordered_by_the_show_and_not_by_the_table() -> None:
    late, early = make_turn("Late."), make_turn("Early.").model_copy(update={"slug": "b"})
    flagged = [turn.model_copy(update={"flags": ("intro: greets",)}) for turn in (late, early)]
    assert [one.said for one in count(flagged).kinds[0].excerpts] == ["Early.", "Late."]


@given(st.integers(0, 30), st.integers(1, 12))
def test_spread_gives_distinct_items_in_order_from_the_first(n_items: int, n: int) -> None:
    some = spread(range(n_items), n)
    assert len(some) == min(n, n_items)
    assert some == sorted(set(some))
    assert not some or some[0] == 0


def test_stretch_at_the_edge_of_its_turn_shows_who_spoke_before_and_after() -> None:
    turns = [make_turn("Well?", speaker="Bo"), make_turn("Yes. No."), make_turn("Fine.", speaker="Cy")]
    first = cut_excerpt(turns, 1, Flag("intro", "greets", 0, 4))
    assert (first.previous and first.previous.speaker, first.following) == ("Bo", None)
    whole = cut_excerpt(turns, 1, Flag("unclear", "mumbled"))
    assert whole.said == "Yes. No."
    assert whole.following is not None
    assert whole.following.text == "Fine."


def test_flag_beyond_the_text_shows_nothing_and_breaks_nothing() -> None:
    assert cut_excerpt([make_turn("Yes.")], 0, Flag("intro", "greets", 40, 90)).said == ""


def test_long_stretch_loses_its_middle_and_says_how_much() -> None:
    text = "bees and more of them " * 200
    shown = drop_middle(text, MOST_SAID_CHARS)
    told = re.fullmatch(r"(.*) … \[([\d,]+) characters left out\] … (.*)", shown)
    assert told is not None
    assert len(told[1]) + int(told[2].replace(",", "")) + len(told[3]) == len(text)
    assert text.startswith(told[1])
    assert text.endswith(told[3])


def test_private_data_is_hidden_in_every_piece_of_an_excerpt() -> None:
    turns = [make_turn(f"{part}: 7") for part in ("before", "said", "after")]
    excerpt = cut_excerpt(turns, 1, Flag("unclear", "mumbled"), hide=lambda text: text.replace("7", "[number]"))
    assert "7" not in excerpt.model_dump_json(include={"said", "before", "after", "previous", "following"})


def test_unplaced_lines_are_found_in_their_order_with_what_stands_around_them() -> None:
    text = "Ada: Hm.\n* * *\nBo: No.\n* * *\nAda: Yes."
    first, second, gone = find_lines("a", ["* * *", "* * *", "not there"], text, n=3)
    assert (first.before, first.after[:8]) == ("Ada: Hm.\n", "\nBo: No.")
    assert second.after == "\nAda: Yes."
    assert (gone.line, gone.before, gone.after) == ("not there", "", "")


def test_reasons_that_differ_in_numbers_only_are_one() -> None:
    assert classify_flag("word for word in 1,204 episodes") == classify_flag("word for word in 3 episodes")
    assert classify_flag("") == "no reason recorded"


def test_shares_of_words_sum_to_one_in_the_table() -> None:
    chart = chart_speakers(make_material().parsed.speakers)
    assert chart is not None
    shares = [float(str(row[-1]).removesuffix("%")) for row in chart.table.rows]
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares))


def test_speakers_beyond_the_table_are_summed_in_its_last_row() -> None:
    turns = [make_turn("one two three", speaker=f"Guest {n}", position=n) for n in range(230)]
    chart = chart_speakers(count_speakers(turns))
    assert chart is not None
    assert len(chart.table.rows) == 201
    assert chart.table.rows[-1] == ("30 other speakers", "", "", "30", "90", "13.0%")


def test_flags_table_says_what_pairs_do_and_how_many_are_shown() -> None:
    chart = chart_flags(make_parsed(make_episodes()).flagged)
    assert chart is not None
    rows = {str(row[0]): row for row in chart.table.rows}
    assert [str(cell) for cell in rows["intro"][1:6]] == ["27", "27", "27", "135", "is cut out of pairs"]
    assert rows["unclear"][6].text == "7 of 27"
    assert rows["unclear"][5] == "stays in pairs"


def test_rare_reasons_are_summed_and_shares_stay_whole() -> None:
    reasons = [Flag("unclear", f"heard by {chr(97 + n)}") for n in range(12)]
    table = tabulate_reasons(count([make_turn("Hm.", *reasons)]))
    assert table is not None
    assert table.rows[-1][1:3] == ("4 other reasons", "4")
    assert sum(int(str(row[2])) for row in table.rows) == 12


def test_every_episode_is_listed_and_counted_in_one_bin() -> None:
    material = make_material()
    listing, turns = tabulate_episodes(material), chart_turns(material.episodes)
    assert listing is not None
    assert turns is not None
    assert len(listing.rows) == len(listing.anchors) == len(material.episodes)
    assert sum(int(str(row[1])) for row in turns.table.rows) == len(material.episodes)


def test_show_without_dates_is_drawn_in_its_order() -> None:
    episodes = [one.model_copy(update={"published": None}) for one in make_episodes(n_episodes=90)]
    chart = chart_order(episodes)
    assert chart is not None
    assert [row[0] for row in chart.table.rows][::29] == ["1 to 3", "88 to 90"]
    seen = PageReader(render_corpus(make_material().model_copy(update={"episodes": tuple(episodes)})))
    assert "No episode is dated" in seen.text


def test_clock_is_empty_where_the_transcript_does_not_say() -> None:
    assert [format_clock(None), format_clock(61), format_clock(3723)] == ["", "1:01", "1:02:03"]


def test_page_is_well_formed_and_loads_nothing(seen: PageReader) -> None:
    assert seen.faults == seen.loads == seen.handlers == []
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(seen.tags)


def test_page_of_a_show_with_nothing_parsed_says_so() -> None:
    bare = ReportMaterial(show_name="Nothing Yet", hosts=(HOST,), rights=None, version="0.1.0", made_on=None)
    seen = PageReader(render_corpus(bare))
    assert seen.faults == []
    for told in ("No episode was read.", "Nobody speaks.", "Nothing was flagged.", "Nothing was quarantined."):
        assert told in seen.text


def test_every_link_of_the_page_leads_to_a_place_on_it(seen: PageReader) -> None:
    assert all(link.startswith("#") for link in seen.links)
    assert {link[1:] for link in seen.links} | set(seen.labelled_by) <= set(seen.ids)


def test_flagged_stretch_quarantined_file_and_unplaced_line_are_linked_to_their_words(
    page: str, seen: PageReader
) -> None:
    assert {"#flag-1", "#flag-1-1", "#opening-1", "#line-1", "#episode-3"} <= set(seen.links)
    first = page[page.index('id="flag-1-1"') :].split("</figure>")[0]
    assert "<mark>Welcome to The Slow Answer.</mark> You wrote that half a bridge" in first
    assert "Why: <bdi>greets</bdi>" in first
    assert HOST_TEXT in seen.excerpts
    assert "PK and then nothing" in seen.excerpts
    assert any(text.startswith("Quite.\n(the tape runs out here") for text in seen.excerpts)


def test_page_is_labelled_and_shows_no_answer_of_a_model(page: str, seen: PageReader) -> None:
    assert page.index(f"<p>{label_transcripts((HOST,))}</p>") < page.index("<h1>")
    assert f"AI imitation of {HOST}, not {HOST}" in seen.text
    assert seen.quotes == []


def test_page_has_one_main_heading_captions_and_tables_for_its_charts(page: str, seen: PageReader) -> None:
    assert seen.tags.count("h1") == seen.tags.count("main") == 1
    assert seen.tags.count("caption") == seen.tags.count("table")
    keys = re.findall(r'<svg class="chart" role="img" aria-labelledby="(\S+)-title \S+-desc"', page)
    assert keys == ["fig-episodes", "fig-turns", "fig-speakers", "fig-flags"]
    assert {f"{key}-table-caption" for key in keys} <= set(seen.ids)


def test_same_material_gives_the_same_page(page: str) -> None:
    assert render_corpus(make_material()) == page


def test_report_shows_the_same_flags_with_words_that_no_model_made() -> None:
    seen = PageReader(render_html(make_material()))
    text = render_markdown(make_material())
    assert seen.faults == []
    assert HOST_TEXT in seen.excerpts
    assert HOST_TEXT in " ".join(text.replace("\n> ", " ").split())
    for told in ("Flagged stretches by kind", "Share of words per speaker", "no model made them"):
        assert told in seen.text
        assert told in text


def test_failure_without_a_kept_file_has_no_dead_link() -> None:
    material = make_material().model_copy(update={"parsed": ParsedMaterial()})
    table = tabulate_failures(material)
    assert table is not None
    assert table.rows[0][-1] == "not shown"


def test_unnamed_voices_are_listed_with_the_key_that_names_them() -> None:
    table = tabulate_unnamed(make_material().parsed.unnamed)
    assert table is not None
    assert str(table.rows[0][0]).endswith("/Speaker 1")


def test_page_of_a_thousand_episodes_with_long_stretches_stays_under_five_megabytes() -> None:
    episodes = make_episodes(n_episodes=1000)
    turns = [
        turn.model_copy(
            update={
                "text": "half a bridge is a very expensive pier " * 60,
                "flags": tuple(f"kind-{n}: half of it" for n in range(12)),
            }
        )
        for turn in make_turns(episodes)[:120]
    ]
    flagged = count_flags(turns, ranks={}, effects={}, n_excerpts=100)
    parsed = make_parsed(episodes).model_copy(update={"flagged": flagged})
    page = render_corpus(make_material().model_copy(update={"episodes": episodes, "parsed": parsed}))
    assert page.count('class="excerpt"') > 12 * 100
    assert len(page.encode()) < 5_000_000
