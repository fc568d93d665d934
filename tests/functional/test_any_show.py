"""Folders as podcasters have them, by the real command: what they hold is used, and what they lack is said."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from econchatr.records import Episode, Pair
from econchatr.tables import read_table
from tests.functional.conftest import Run
from tests.helpers.common_shapes import write_corpus, write_turns

SHOW = '[show]\nname = "Wells"\nhosts = ["Orla Quill"]\n[[ladder]]\nname = "tiny"\nmax_tokens = 1000\n'


def make_show(root: Path) -> Path:
    (root / "transcripts").mkdir(parents=True)
    (root / "show.toml").write_text(SHOW, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, econchatr: Run) -> Path:
    """300 episodes with a YAML head and time blocks, up to `pair`."""
    show = make_show(tmp_path_factory.mktemp("corpus") / "show")
    write_corpus(show / "transcripts")
    econchatr("pair", show)
    return show


def test_every_date_title_and_guest_of_a_corpus_with_heads_is_used(corpus: Path) -> None:
    episodes = read_table(corpus / "parse" / "episodes.parquet", Episode)
    assert len(episodes) == 300
    assert [one.title for one in episodes] == [f"Wells: part {n}" for n in range(300)]
    assert episodes[0].published == date(2015, 1, 1)
    assert {line for one in episodes for line in one.unplaced} <= {"# Wells"}
    pairs = read_table(corpus / "pair" / "pairs.parquet", Pair)
    assert all(re.fullmatch(r"Guest \w+berry", pair.cue_speaker) for pair in pairs)


def test_the_newest_by_date_are_held_out_whatever_their_files_are_called(corpus: Path) -> None:
    pairs = read_table(corpus / "pair" / "pairs.parquet", Pair)
    newest = {
        split: max(pair.published or date.min for pair in pairs if pair.split == split) for split in ("train", "test")
    }
    oldest = min(pair.published or date.max for pair in pairs if pair.split == "test")
    assert newest["train"] < oldest


def test_an_order_by_file_names_is_said_with_the_ways_to_give_dates(tmp_path: Path, econchatr: Run) -> None:
    show = make_show(tmp_path / "show")
    for n in range(6):
        (show / "transcripts" / f"ep{n}.txt").write_text(write_turns("{name}: {words}"), encoding="utf-8")
    told = econchatr("pair", show).stderr
    assert "no episode has a date" in told
    assert "from ep0.txt to ep5.txt" in told
    assert "feed.xml" in told
    assert "held out as the newest, but without a date: ep4.txt, ep5.txt" in told.replace("ep3.txt, ", "")


def test_a_saved_feed_beside_the_transcripts_dates_them_by_title(tmp_path: Path, econchatr: Run) -> None:
    show = make_show(tmp_path / "show")
    items = "".join(
        f"<item><title>{n}. Wells, part {n} of many</title><pubDate>0{9 - n} May 2024 10:00:00 GMT</pubDate></item>"
        for n in range(1, 5)
    )
    feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Wells</title>{items}</channel></rss>'
    (show / "transcripts" / "feed.xml").write_text(feed, encoding="utf-8")
    for n in range(1, 5):
        text = f"# Wells, Part {n} of Many\n\n" + write_turns("**{name}:** {words}")
        (show / "transcripts" / f"ep{n}.md").write_text(text, encoding="utf-8")
    econchatr("parse", show)
    episodes = read_table(show / "parse" / "episodes.parquet", Episode)
    assert [one.published for one in episodes] == [date(2024, 5, day) for day in (5, 6, 7, 8)]


def test_a_folder_of_audio_is_told_the_line_that_transcribes_it(tmp_path: Path, econchatr: Run) -> None:
    show = make_show(tmp_path / "show")
    (show / "transcripts" / "ep1.mp3").write_bytes(b"ID3")
    told = econchatr("parse", show, check=4).stderr
    assert "holds audio and no transcript" in told
    assert "whisperx transcripts/*.mp3 --diarize --output_format json" in told


def test_a_folder_of_documents_that_are_not_read_says_which_are(tmp_path: Path, econchatr: Run) -> None:
    show = make_show(tmp_path / "show")
    (show / "transcripts" / "ep1.pdf").write_bytes(b"%PDF-1.4")
    assert "Save .pdf, .doc and .rtf files as .docx or .txt" in econchatr("parse", show, check=4).stderr


def test_captions_that_name_nobody_are_told_the_three_ways_on(tmp_path: Path, econchatr: Run) -> None:
    show = make_show(tmp_path / "show")
    captions = "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\nWho dug it?\n\n00:00:03.000 --> 00:00:05.000\nMy aunt.\n"
    (show / "transcripts" / "ep1.vtt").write_text(captions, encoding="utf-8")
    told = econchatr("parse", show, check=2).stderr
    assert "names a speaker" in told
    assert all(way in told for way in ("whisperx", "Name: text", "solo = true"))


def test_a_host_who_speaks_alone_gets_pairs_of_his_statements(tmp_path: Path, econchatr: Run) -> None:
    show = make_show(tmp_path / "show")
    (show / "show.toml").write_text(SHOW.replace("[[ladder]]", "solo = true\n[[ladder]]"), encoding="utf-8")
    for n, subject in enumerate(("wells", "bridges", "kettles", "ladders", "clocks", "hedges")):
        text = "\n\n".join(
            f"The village council paid for {subject} in the old days, and {subject} lasted because people near them "
            f"looked after them. Nobody asked what {subject} cost, for everybody could see what they were worth "
            f"in a dry year. I think that is the whole secret of {subject} number {k}, and plans are no part of it."
            for k in range(4)
        )
        (show / "transcripts" / f"ep{n}.txt").write_text(text, encoding="utf-8")
    econchatr("pair", show)
    pairs = [pair for pair in read_table(show / "pair" / "pairs.parquet", Pair) if pair.is_kept]
    assert {pair.split for pair in pairs} == {"train", "dev", "test"}
    assert {(pair.reply_speaker, pair.origin) for pair in pairs} == {("Orla Quill", "made")}
    assert all(pair.cue.endswith("?") for pair in pairs)
