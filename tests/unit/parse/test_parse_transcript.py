"""One file to records: choice of reader, slugs, order, account, and hostile input."""

from __future__ import annotations

from datetime import date
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from econchatr.errors import TranscriptError
from econchatr.fetch.feed import read_feed
from econchatr.fetch.plan import plan_items
from econchatr.parse import READERS, SpeakerTable, list_slugs, make_slug, parse_file, rank_episodes
from econchatr.parse.readers.html_text import decode_words, find_raw_offset, stream_html
from econchatr.parse.transcript import read_stem
from econchatr.records import Episode

REAL_FEED = Path(__file__).parents[4] / "shared" / "data" / "econtalk" / "feed.xml"
SHOW = SpeakerTable(hosts=("Orla Quill",))
TALK = "**Orla Quill:** Who counted?\n\n**Dara Finch:** I did — twice.\n"


def survive(data: bytes) -> None:
    """Read the bytes; ours is the only error there may be, and it says something."""
    try:
        parse_file(data, location="a", show=SHOW)
    except TranscriptError as exc:
        if not (exc.message and exc.hint):
            raise ValueError("an error without a word") from exc


def parse(data: bytes, location: str = "a.md") -> list[str]:
    return [turn.text for turn in parse_file(data, location=location, show=SHOW).turns]


def slug_of(location: str) -> str:
    return parse_file(TALK.encode(), location=location, show=SHOW).episode.slug


def make_episode(location: str, *, published: date | None = None) -> Episode:
    episode = parse_file(TALK.encode(), location=location, show=SHOW).episode
    return episode.model_copy(update={"published": published})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encoding_is_told_by_the_bytes(encoding: str) -> None:
    assert parse(TALK.encode(encoding)) == ["Who counted?", "I did — twice."]


def test_reader_is_chosen_by_content_not_by_name() -> None:
    assert parse(TALK.encode(), "page.html") == ["Who counted?", "I did — twice."]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        b"PK\x03\x04" + b"\x00" * 200,
        b"just words",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_transcript_is_refused(data: bytes) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse(data)
    assert caught.value.hint
    assert "a.md" in caught.value.message


def test_label_without_a_word_is_no_transcript() -> None:
    with pytest.raises(TranscriptError, match="holds no turn"):
        parse(b"**Orla Quill:**\n")


@pytest.mark.parametrize("location", ["x/Ünder the_Sea (2).md", "under-the-sea-2.html", "../under the sea 2"])
def test_slug_is_safe_and_made_of_the_files_name(location: str) -> None:
    assert parse_file(TALK.encode(), location=location, show=SHOW).episode.slug == "under-the-sea-2"


@pytest.mark.parametrize(
    ("link", "slug"),
    [
        ("a.j.-finch-on-thanks-a-thousand/", "a-j-finch-on-thanks-a-thousand"),
        ("dara-oak-p.j.-ovale-and-cor-elm-on-peat/", "dara-oak-p-j-ovale-and-cor-elm-on-peat"),
        ("ada-on-u.s.-ferry-markets", "ada-on-u-s-ferry-markets"),
        ("ferry-vs.-bridge/", "ferry-vs-bridge"),
        ("ada-on-tides-3.0/", "ada-on-tides-3-0"),
        ("how-a-fair-(and-the-poor)/", "how-a-fair-and-the-poor"),
        ("ada-on-%23republic/", "ada-on-republic"),
        ("ada-on-the-top-1%25/", "ada-on-the-top-1"),
        ("explosive:-a-malady%3F/", "explosive-a-malady"),
        ("s%C3%B6der-on-tides/", "soder-on-tides"),
        ("archives/2006/03/ada_finch_on_ti.html", "ada-finch-on-ti"),
        ("ada.vtt?token=1", "ada"),
        ("show.php?id=7", "show-id-7"),
        ("?p=17", "p-17"),
        ("", "pages-example"),
    ],
)
def test_slug_of_an_address_is_its_whole_title(link: str, slug: str) -> None:
    assert slug_of(f"https://pages.example/{link}") == slug


def test_title_of_a_page_without_one_is_the_whole_of_its_address() -> None:
    location = "https://pages.example/a.j.-finch-on-%23weirs/"
    assert parse_file(TALK.encode(), location=location, show=SHOW).episode.title == "a.j.-finch-on-#weirs"


SUFFIXES = [".md", ".markdown", ".html", ".htm", ".txt", ".vtt", ".srt", ".json", ".docx", ".xml", ".MD"]


@given(st.text(alphabet="aB1.-_ é%#?", min_size=1, max_size=20), st.sampled_from(SUFFIXES))
def test_name_of_a_file_is_what_stands_before_its_kind(stem: str, suffix: str) -> None:
    assert read_stem(f"folder/{stem}{suffix}") == PurePosixPath(f"{stem}{suffix}").stem


@pytest.mark.skipif(not REAL_FEED.exists(), reason="the real feed is not on this machine")
def test_an_odd_address_of_the_real_feed_has_the_slug_of_its_plain_form() -> None:
    plans = plan_items(read_feed(REAL_FEED.read_bytes(), location="https://feeds.example/feed").items)
    odd = [plan.addresses for plan in plans if len(plan.addresses) > 1]
    assert len(odd) == 24
    assert all(slug_of(first) == slug_of(plain) for first, plain in odd)


def test_slug_already_taken_gets_a_number() -> None:
    assert make_slug("b/a.md", {"a", "a-2"}) == "a-3"
    assert list(list_slugs(["a.md", "b.md", "b/a.md", "c/a.md", "a-2.md"])) == ["a", "b", "a-2", "a-3", "a-2-2"]


def test_a_slug_that_is_given_is_that_of_the_episode_and_its_turns() -> None:
    parsed = parse_file(TALK.encode(), location="b/a.md", show=SHOW, slug="a-3")
    assert {parsed.episode.slug, *(turn.slug for turn in parsed.turns)} == {"a-3"}


def test_dated_episodes_rank_by_date() -> None:
    episodes = [make_episode("a.md", published=date(2022, 1, 1)), make_episode("b.md", published=date(2021, 1, 1))]
    assert [(one.slug, one.rank) for one in rank_episodes(episodes)] == [("b", 0), ("a", 1)]


def test_undated_episodes_rank_by_the_numbers_in_their_names() -> None:
    episodes = [make_episode(f"talk-{number}.md") for number in (38, 7, 101)]
    assert [one.slug for one in rank_episodes(episodes)] == ["talk-7", "talk-38", "talk-101"]


def test_undated_episode_follows_the_one_before_it_in_name() -> None:
    episodes = [
        make_episode("talk-1.md", published=date(2021, 1, 1)),
        make_episode("talk-2.md"),
        make_episode("talk-3.md", published=date(2022, 1, 1)),
    ]
    assert [one.slug for one in rank_episodes(episodes)] == ["talk-1", "talk-2", "talk-3"]


def test_counts_are_those_of_the_turns() -> None:
    episode = parse_file(TALK.encode(), location="a.md", show=SHOW).episode
    assert (episode.n_turns, episode.n_words, episode.n_chars) == (2, 6, len(TALK))
    assert (episode.n_placed_chars, episode.n_unplaced_chars) == (len("".join(TALK.split())), 0)


# fmt: off
PIECES = st.sampled_from([
    "<", ">", "</", "<b>", "</b>", "<p>", "<td>", "<tr>", "<!--", "-->", "<script>", "</script", '"', "'", "&amp;",
    "&#", "&", "Orla Quill:", " Guest: ", "0:33", "10:30", "[Recording date: ", "]", "words ", "\n", "\x00", "\u202e",
    "**A:** ",
    "<div class='audio-highlight'>", "</div>", "<table>", "Podcast Episode Highlights", "<title>", "A on B",
])
# fmt: on


@given(st.lists(PIECES, max_size=60).map("".join))
@example("<div class='audio-highlight'>&#x110000;<p>Orla Quill: &#9999999; words</p>")
def test_page_in_pieces_is_read_or_refused_and_its_account_adds_up(text: str) -> None:
    for reader in READERS:
        try:
            loss = reader.read(text, SHOW).account.settle()
        except TranscriptError:
            continue
        total = loss.n_placed_chars + loss.n_unplaced_chars + loss.n_markup_chars + loss.n_white_chars
        assert total == len(text)


@given(st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    survive(data)


@given(
    st.lists(st.sampled_from(["&amp;", "&", "a", "&#39;", "<", "&lt;"]), max_size=12).map("".join), st.integers(0, 12)
)
def test_place_of_a_decoded_character_is_found_in_the_file(raw: str, n_chars: int) -> None:
    n_chars = min(n_chars, len(decode_words(raw)))
    assert decode_words(raw[: find_raw_offset(raw, n_chars)]) == decode_words(raw)[:n_chars]


@given(st.lists(PIECES, max_size=30).map("".join))
def test_pieces_of_a_page_are_in_order_and_quote_it(text: str) -> None:
    position = 0
    for piece in stream_html(text):
        assert piece.start >= position
        assert text[piece.start : piece.end] == piece.raw
        position = piece.end


@pytest.mark.parametrize(
    "text",
    [
        "<div class='audio-highlight'>" + "<b>" * 10_000 + "Orla Quill: deep" + "</b>" * 10_000,
        "<div class='audio-highlight'><p>Orla Quill: " + "word " * 200_000,
        "<div class='audio-highlight'>" + "<b>Orla Quill:</b> x " * 20_000,
        "<div class='audio-highlight'>" + "Guest: x. &amp; " * 50_000,
        "<div class='audio-highlight'>" + '<a "' * 100_000,
        "<div class='audio-highlight'>" + "<!--" * 100_000,
        "<div class='audio-highlight'><p>Orla Quill: " + " " * 500_000 + "[" * 100_000,
        "**Orla Quill:** " + "*" * 500_000,
        "**Break:** " + "*" * 200_000 + "\n\n**Orla Quill:** x",
        "**Orla Quill:** x\n" * 50_000,
        "**Orla Quill:** " + "[" * 200_000 + "\\[" * 100_000,
        "---\n" * 100_000 + "**A:** x",
        "WEBVTT\n\n" + "00:00.000 --> 00:01.000\n" * 50_000,
        "WEBVTT\n\n00:00.000 --> 00:01.000\n" + "<v A>" * 200_000,
        "WEBVTT\n\n00:00.000 --> 00:01.000\n" + "<" * 500_000,
        "WEBVTT\n" + "x\n" * 300_000,
        "1\n00:00:00,000 --> 00:00:01,000\n" + "word: " * 200_000,
        "Ada Moss (00:01):\n" * 50_000 + "x",
        "(" * 1_000_000 + "Ada Moss (00:01):\nx",
        "Ada Moss  0:01\n" + " " * 1_000_000 + "x",
        "Ada Moss: x\n" * 2 + "a" * 1_000_000 + ":" * 1_000_000,
        "Ada Moss" * 200_000 + ": x\n\u202e\u200b" * 3,
        "<cite>Ada Moss:</cite>" * 50_000 + "<p>" * 100_000 + "x",
        '{"segments": [' + '{"speaker": "A", "body": "x"},' * 100_000 + '{"body": "y"}]}',
        '{"segments": [{"body": "' + "\\n" * 1_000_000 + '"}]}',
    ],
    ids=range(25),
)
def test_hostile_input_ends(text: str) -> None:
    survive(text.encode())


def test_every_reader_stands_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "readers.md").read_text(encoding="utf-8")
    assert [reader.name for reader in READERS if f"| `{reader.name}` |" not in text] == []
