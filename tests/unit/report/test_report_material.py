"""The condensed counts, the tables made of them, and the numbers' dress."""

from __future__ import annotations

from datetime import date

import pytest

from econchatr.display import label_imitation, name_hosts
from econchatr.records import Pair, Turn
from econchatr.report.counts import RoleCount, count_by_role, count_speakers
from econchatr.report.formats import format_decimal, format_interval, format_share, format_usd, format_value
from econchatr.report.material import describe_corpus, label_transcripts
from econchatr.report.sections.chosen import tabulate_epochs, tabulate_prices
from econchatr.report.sections.cost import tabulate_bill
from econchatr.report.sections.left_out import chart_dropped, classify_reason, tabulate_failures, tabulate_unplaced
from econchatr.report.sections.made_of import chart_episodes, tabulate_corpus, tabulate_splits
from econchatr.report.svg import choose_ticks
from tests.helpers.report_material import make_episodes, make_material, make_pairs


def make_pair(*, cue: str, reply: str, n_cue_tokens: int, n_reply_tokens: int, is_kept: bool = True) -> Pair:
    return Pair(
        pair_id="e#1",
        slug="e",
        published=date(2022, 5, 1),
        rank=0,
        split="train",
        cue_speaker="Ann",
        reply_speaker="Hester Pellow",
        cue=cue,
        reply=reply,
        first_turn=0,
        last_turn=1,
        n_cue_tokens=n_cue_tokens,
        n_reply_tokens=n_reply_tokens,
        is_kept=is_kept,
        reason="" if is_kept else "duplicate",
    )


def test_corpus_counts_kept_cues_and_replies_as_texts() -> None:
    kept = make_pair(cue="three bees here", reply="who counted", n_cue_tokens=4, n_reply_tokens=2)
    lost = make_pair(cue="x", reply="y", n_cue_tokens=99, n_reply_tokens=99, is_kept=False)
    corpus = describe_corpus([kept, lost], tokenizer="gpt2")
    assert corpus is not None
    assert (corpus.n_texts, corpus.n_tokens, corpus.n_words, corpus.n_chars) == (2, 6, 5, 26)
    table = tabulate_corpus(corpus)
    assert table is not None
    assert table.rows == (("mean per text", "3.0", "2.5", "13.0"), ("sum", "6", "5", "26"))


def test_corpus_of_no_kept_pair_is_none() -> None:
    assert describe_corpus([], tokenizer="gpt2") is None


def test_silent_role_is_left_out_of_the_count() -> None:
    turns = [
        Turn(slug="e", position=0, speaker="H", role="host", text="Who counted?"),
        Turn(slug="e", position=1, speaker="G", role="guest", text="I did"),
        Turn(slug="e", position=2, speaker="H", role="host", text="Right."),
    ]
    assert count_by_role(count_speakers(turns)) == (
        RoleCount(role="host", n_turns=2, n_words=3),
        RoleCount(role="guest", n_turns=1, n_words=2),
    )


def test_splits_account_for_every_episode() -> None:
    table = tabulate_splits(make_material())
    assert table is not None
    assert [row[1] for row in table.rows] == ["23", "2", "2", "1"]


def test_long_shows_are_drawn_by_year() -> None:
    episodes = make_episodes()
    old = episodes[0].model_copy(update={"published": date(2009, 3, 1), "slug": "old"})
    chart = chart_episodes(make_material().model_copy(update={"episodes": (old, *episodes)}))
    assert chart is not None
    assert [row[0] for row in chart.table.rows] == [str(year) for year in range(2009, 2024)]


def test_undated_episodes_are_counted_beside_the_chart() -> None:
    episodes = make_episodes()
    undated = episodes[0].model_copy(update={"published": None})
    chart = chart_episodes(make_material().model_copy(update={"episodes": (undated, *episodes[1:])}))
    assert chart is not None
    assert chart.note == "1 undated episode not drawn."


def test_dropped_pairs_are_grouped_by_class_of_reason() -> None:
    chart = chart_dropped(make_material())
    assert chart is not None
    dropped = [pair for pair in make_pairs(make_episodes()) if not pair.is_kept]
    n_short = sum(pair.reason.startswith("reply has") for pair in dropped)
    assert chart.table.rows[0][:2] == ("reply: gentle keeps more than 12 tokens", str(n_short))
    assert sum(int(str(row[1])) for row in chart.table.rows) == len(make_pairs(make_episodes()))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("reply has 12 tokens, 2023 keeps more than 20", "reply: 2023 keeps more than 20 tokens"),
        ("cue is spoken by Ann, not by a guest", "cue is not spoken by a guest"),
        ("duplicate of 2021-02-11-bees#3", "duplicate"),
        ("too odd: 2,400", "too odd"),
        ("", "no reason recorded"),
    ],
)
def test_reason_class_leaves_out_counts_and_names(reason: str, kind: str) -> None:
    assert classify_reason(reason) == kind


def test_quarantined_file_is_listed_with_its_message() -> None:
    table = tabulate_failures(make_material())
    assert table is not None
    assert table.rows[0][0] == "2022-06-02-on-tides.md"
    assert "not UTF-8" in str(table.rows[0][3])


def test_unplaced_lines_are_listed() -> None:
    table = tabulate_unplaced(make_material())
    assert table is not None
    assert table.caption == "Unplaced: 4 lines"
    assert len(table.rows) == 4


def test_price_source_that_is_no_address_is_plain_text() -> None:
    history = make_material().history
    assert history is not None
    row = history.prices[0].model_copy(update={"source": "javascript:alert(1)"})
    assert tabulate_prices((row,))[0].rows[0][-1] == "javascript:alert(1)"


def test_hosts_are_named_as_read_aloud() -> None:
    assert name_hosts(("A",)) == "A"
    assert name_hosts(("A", "B", "C")) == "A, B and C"
    assert label_imitation(("A", "B")) == "AI imitation of A and B, not A and B"
    assert label_imitation(("A", "B")) in label_transcripts(("A", "B"))


def test_none_is_never_shown_as_zero() -> None:
    assert {format_decimal(None, 2), format_share(None), format_value(None), format_interval(0.0, None, 1)} == {
        "\N{EN DASH}"
    }


def test_numbers_carry_true_minus_and_no_negative_zero() -> None:
    assert format_decimal(-1234.5, 1) == "\N{MINUS SIGN}1,234.5"
    assert format_decimal(-0.001, 1) == "0.0"


def test_small_share_is_not_rounded_to_nothing() -> None:
    assert format_share(0.0004) == "under 1%"
    assert format_share(0.0) == "0%"


def test_dollars_keep_their_places() -> None:
    assert format_usd("10") == "$10.00"
    assert format_usd("0.0004") == "$0.0004"
    assert format_usd("free") == "free"


def test_ticks_are_round_and_inside() -> None:
    assert choose_ticks(1.02, 1.27) == [1.1, 1.2]
    assert choose_ticks(0, 4, n_wanted=3) == [0, 2, 4]
    assert choose_ticks(2, 2) == [2]


def test_the_bill_sums_up_what_was_quoted_charged_and_given_back() -> None:
    table = tabulate_bill(make_material().bill)
    assert table is not None
    assert table.rows[-1][:6] == ("all", "", "$9.99", "$9.41", "$0.41", "$0.12")
    assert table.rows[1][2] == "\N{EN DASH}"
    assert tabulate_bill(()) is None


def test_the_drafts_amounts_stand_beside_ours_with_the_tokens_they_imply() -> None:
    history = make_material().history
    assert history is not None
    table = tabulate_epochs(history)
    assert table is not None
    assert table.rows[0][1] == "$2.41"
    assert table.rows[0][5] == "6,025,000, 5,925,000"
    assert "not one count" in table.note
