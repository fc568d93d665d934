"""What a second process knows of the first: the pages it has, and until when a host is not to be asked."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from econchatr.errors import SourceError
from econchatr.fetch.journal import Journal
from tests.helpers.gather_once import gather, now_utc
from tests.helpers.stand_in_site import Said, StandIn, feed_of, open_site
from tests.helpers.waiting import wait_until


@pytest.fixture
def site() -> Iterator[StandIn]:
    with open_site() as opened:
        yield opened


# --- a host that asked to be left alone -------------------------------------------------------------------------------


def later(**time: float) -> Callable[[], datetime]:
    return lambda: now_utc() + timedelta(**time)


def ask_for_pause(site: StandIn, path: str, seconds: str) -> None:
    """Let a page answer `429` with Retry-After once, and be there from then on."""
    site.pages[path] = [Said(429, b"", (("Retry-After", seconds),)), site.pages[path]]  # type: ignore[list-item]


def test_a_site_that_asks_to_be_left_alone_stops_the_fetch_which_goes_on_later(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/", "C|/c/")
    ask_for_pause(site, "/b/", "86400")
    with pytest.raises(SourceError, match=r"left alone for 86,400 seconds, until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"):
        gather(feed, tmp_path)
    assert not Journal(tmp_path / "journal.jsonl").is_finished
    gathered, _ = gather(feed, tmp_path, now=later(hours=24, seconds=1))
    assert len(gathered.files) == 3
    assert Counter(site.paths())["/a/"] == 1


def test_the_next_process_asks_nothing_before_the_time_a_site_gave(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    ask_for_pause(site, "/a/", "7200")
    for _ in range(2):
        with pytest.raises(SourceError, match="left alone"):
            gather(feed, tmp_path)
    n_asked = len(site.log)
    with pytest.raises(SourceError, match=r"asked to be left alone until .* UTC") as caught:
        gather(feed, tmp_path, now=later(minutes=100))
    assert "after that" in caught.value.hint
    assert len(site.log) == n_asked
    gather(feed, tmp_path, now=later(minutes=121))


def test_a_process_killed_while_it_waits_is_followed_by_one_that_waits_on(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    ask_for_pause(site, "/a/", "3")
    command = [sys.executable, "-m", "tests.helpers.gather_once", feed, str(tmp_path), "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert wait_until(lambda: bool(Journal(tmp_path / "journal.jsonl").waits))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    told: list[str] = []
    gathered, _ = gather(feed, tmp_path, note=told.append)
    (first, *_, again) = [asked.at for asked in site.log if asked.path == "/a/"]
    assert again - first >= 3
    assert site.paths() == ["/feed.xml", "/a/", "/feed.xml", "/a/", "/b/"]
    assert min(asked.at for asked in site.log if asked.at > first) >= first + 2.9
    assert len(gathered.files) == 2
    assert any("asked to be left alone until" in text for text in told)


def test_a_pause_a_site_asked_for_does_not_undo_a_finished_fetch(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/")
    gather(feed, tmp_path)
    ask_for_pause(site, "/feed.xml", "7200")
    with pytest.raises(SourceError, match="left alone"):
        gather(feed, tmp_path)
    journal = Journal(tmp_path / "journal.jsonl")
    assert (journal.is_finished, list(journal.waits)) == (True, ["127.0.0.1"])


# --- everything again -------------------------------------------------------------------------------------------------


def tagged(site: StandIn, path: str, body: bytes, tag: str) -> None:
    site.pages[path] = Said(200, body, (("ETag", f'"{tag}"'), ("Last-Modified", "Mon, 05 May 2031 10:00:00 GMT")))


def test_a_refresh_asks_for_every_page_and_what_has_not_changed_is_not_sent(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    tagged(site, "/a/", b"page a", "1")
    first, _ = gather(feed, tmp_path)
    site.log.clear()
    gathered, journal = gather(feed, tmp_path, refresh=True)
    assert site.paths() == ["/feed.xml", "/a/", "/b/"]
    asked = next(one.headers for one in site.log if one.path == "/a/")
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"1"', "Mon, 05 May 2031 10:00:00 GMT")
    assert gathered.files == first.files
    assert (journal.n_new, journal.n_changed, journal.n_same, journal.kept) == (0, 0, 2, {})
    gather(feed, tmp_path)
    assert site.paths()[3:] == ["/feed.xml"]


def test_a_refresh_fetches_what_has_changed_and_keeps_what_was(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    before, old = gather(feed, tmp_path)
    site.pages["/b/"] = b"<p>corrected</p>"
    gathered, journal = gather(feed, tmp_path, refresh=True)
    assert [file.title for file in gathered.files] == ["A", "B"]
    assert gathered.files[0] == before.files[0]
    assert (tmp_path / "raw" / gathered.files[1].sha256).read_bytes() == b"<p>corrected</p>"
    assert (tmp_path / "raw" / before.files[1].sha256).is_file()
    assert (journal.n_new, journal.n_changed, journal.n_same) == (0, 1, 1)
    assert journal.digest() != old.digest()
    assert journal.pages[site.root + "/a/"].at == old.pages[site.root + "/a/"].at


def test_a_page_that_is_gone_stays_as_it_was_and_is_told(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/", "C|/c/")
    first, _ = gather(feed, tmp_path)
    site.pages |= {"/a/": Said(404), "/b/": Said(302, b"", (("Location", "/"),)), "/": b"front page"}
    gathered, journal = gather(feed, tmp_path, refresh=True)
    assert (gathered.files, gathered.failures) == (first.files, [])
    assert sorted(visit.fault for visit in journal.kept.values()) == ["missing", "missing"]
    again = Journal(tmp_path / "journal.jsonl")
    assert (again.kept, again.n_same, again.digest()) == (journal.kept, 1, journal.digest())


def test_a_notice_before_every_page_costs_one_page_at_most(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, *(f"{name}|/{name}/" for name in "abcde"))
    gather(feed, tmp_path)
    site.pages |= {f"/{name}/": b"<p>Please log in.</p>" for name in "abcde"}
    gathered, journal = gather(feed, tmp_path, refresh=True)
    assert (len(gathered.files), len(journal.kept), journal.n_changed) == (5, 4, 1)
    assert "same content" in next(iter(journal.kept.values())).message


def test_a_page_whose_item_has_left_the_feed_is_asked_for_again_too(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    gather(feed, tmp_path)
    feed_of(site, "B|/b/")
    site.pages["/a/"] = b"<p>corrected</p>"
    gathered, journal = gather(feed, tmp_path, refresh=True)
    assert [file.title for file in gathered.files] == ["A", "B"]
    assert journal.n_changed == 1


def test_a_refresh_finds_the_transcript_that_was_dead(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, f'A|/a/|<podcast:transcript url="{site.root}/late.vtt" type="text/vtt"/>')
    gather(feed, tmp_path)
    site.pages["/late.vtt"] = b"WEBVTT\n"
    gathered, _ = gather(feed, tmp_path, refresh=True)
    assert [file.location for file in gathered.files] == [site.root + "/late.vtt"]


def test_a_tag_that_changes_while_the_page_does_not_is_the_one_to_ask_with(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/")
    tagged(site, "/a/", b"page a", "1")
    first, _ = gather(feed, tmp_path)
    tagged(site, "/a/", b"page a", "2")
    gathered, journal = gather(feed, tmp_path, refresh=True)
    assert gathered.files == first.files
    assert Journal(journal.path).conditions(site.root + "/a/")["etag"] == '"2"'


def test_a_refresh_that_is_stopped_goes_on_where_it_was(site: StandIn, tmp_path: Path) -> None:
    names = "abcd"
    feed = feed_of(site, *(f"{name}|/{name}/" for name in names))
    gather(feed, tmp_path)
    ask_for_pause(site, "/c/", "7200")
    site.log.clear()
    with pytest.raises(SourceError, match="left alone"):
        gather(feed, tmp_path, refresh=True)
    assert Journal(tmp_path / "journal.jsonl").is_refreshing
    site.pages["/d/"] = b"<p>corrected</p>"
    gathered, journal = gather(feed, tmp_path, now=later(hours=3))
    assert site.paths() == ["/feed.xml", "/a/", "/b/", "/c/", "/feed.xml", "/c/", "/d/"]
    assert (journal.is_finished, journal.n_same, journal.n_changed) == (True, 3, 1)
    assert len(gathered.files) == 4


def test_a_refresh_killed_at_random_loses_no_page(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, *(f"{n}|/{n}/" for n in range(30)))
    before, _ = gather(feed, tmp_path)
    site.log.clear()
    command = [sys.executable, "-m", "tests.helpers.gather_once", feed, str(tmp_path), "0.02", "refresh"]
    for n_pages in (5, 12, 20):
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert wait_until(lambda n=n_pages: len(site.paths()) >= n)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    gathered, journal = gather(feed, tmp_path)
    assert gathered.files == before.files
    assert (journal.is_finished, journal.n_same) == (True, 30)
    counted = Counter(path for path in site.paths() if path != "/feed.xml")
    assert set(counted) == {f"/{n}/" for n in range(30)}
    assert sum(counted.values()) <= 30 + 3
