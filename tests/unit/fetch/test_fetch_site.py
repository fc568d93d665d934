from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from econchatr.errors import ShowFolderError, SourceError, TranscriptError
from econchatr.fetch.journal import Journal
from econchatr.fetch.site import Gathered
from econchatr.parse import SpeakerTable, parse_file
from econchatr.records import SourceFile
from econchatr.tables import hash_bytes, read_table, write_table
from tests.helpers.aired_episodes import tell_difference
from tests.helpers.econtalk_stand_in import REAL_FEED, Planted, build_site, make_up_feed, path_of, real_or_made_up
from tests.helpers.gather_once import gather
from tests.helpers.stand_in_site import Said, StandIn, feed_of, open_site

N_ITEMS = 60


@pytest.fixture
def site() -> Iterator[StandIn]:
    with open_site() as opened:
        yield opened


# --- the whole site ---------------------------------------------------------------------------------------------------


def check_whole_site(site: StandIn, folder: Path, feed: bytes, *, n_items: int, delay_seconds: float) -> None:
    planted = build_site(site, feed, n_items=n_items, is_real_size=True)
    gathered, journal = gather(site.root + "/feed.xml", folder, delay_seconds=delay_seconds)
    n_lost = len(planted.dead) + len(planted.hostile)
    assert gathered.n_items == n_items
    assert (len(gathered.files), len(gathered.failures)) == (n_items - n_lost, n_lost)
    assert journal.n_new == n_items - n_lost
    kept = {file.location.removeprefix(site.root) for file in gathered.files}
    assert set(planted.passing) <= kept
    assert len({file.sha256 for file in gathered.files}) == len(kept) == len(gathered.files)
    assert min(site.gaps()) >= delay_seconds
    assert not any(path.startswith("/private/") for path in site.paths())
    counted = Counter(site.paths())
    # A page is asked for once, but for those that answer 429 or 503 first, and that never end.
    again = {path for path, n in counted.items() if n > 1}
    assert again <= {*planted.passing, *planted.hostile, "/"}
    waits = {path: [asked.at for asked in site.log if asked.path == path] for path in planted.passing[1:]}
    assert min(later - earlier for earlier, later in waits.values()) >= 1, "Retry-After was 1 second"
    check_turns(planted, gathered, folder)


def check_turns(planted: Planted, gathered: Gathered, folder: Path) -> None:
    """Parse every page that was fetched, and hold each turn to what the site put in."""
    show = SpeakerTable(hosts=("Russ Roberts",), aliases={"Russ": "Russ Roberts", "Roberts": "Russ Roberts"})
    different, refused, parsed_paths = dict[str, str](), dict[str, str](), list[str]()
    for file in gathered.files:
        path = path_of(file.location)
        try:
            parsed = parse_file((folder / "raw" / file.sha256).read_bytes(), location=file.location, show=show)
        except TranscriptError as exc:
            refused[path] = exc.message
            continue
        parsed_paths.append(path)
        if told := tell_difference(planted.aired[path], parsed.episode, parsed.turns):
            different[path] = told
    assert different == {}
    assert sorted(parsed_paths) == sorted(planted.aired)
    assert sorted(refused) == sorted(planted.bare)
    assert all("no transcript box" in message for message in refused.values())


def test_a_whole_site_is_fetched_once_and_every_fault_counted(site: StandIn, tmp_path: Path) -> None:
    check_whole_site(site, tmp_path, real_or_made_up(N_ITEMS), n_items=N_ITEMS, delay_seconds=0.02)


def test_a_made_up_site_gives_the_page_of_every_odd_and_shared_link(site: StandIn, tmp_path: Path) -> None:
    check_whole_site(site, tmp_path, make_up_feed(N_ITEMS), n_items=N_ITEMS, delay_seconds=0.0)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_FEED.exists(), reason="the real feed is not on this machine")
def test_all_874_items_of_the_real_feed_are_resolved(site: StandIn, tmp_path: Path) -> None:
    check_whole_site(site, tmp_path, REAL_FEED.read_bytes(), n_items=874, delay_seconds=0.02)


def check_kills(site: StandIn, folder: Path, *, n_items: int, n_kills: int, delay_seconds: float) -> None:
    planted = build_site(site, real_or_made_up(n_items), n_items=n_items, is_real_size=True)
    command = [
        sys.executable,
        "-m",
        "tests.helpers.gather_once",
        site.root + "/feed.xml",
        str(folder),
        str(delay_seconds),
    ]
    random = Random(n_kills)
    for n_killed in range(n_kills):
        n_before = len(site.log)
        n_more = random.randint(0, n_items // n_kills)
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        while process.poll() is None and len(site.log) < n_before + n_more:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 2 * delay_seconds + 0.02))
        assert process.poll() is None, f"it ended before kill {n_killed}"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    gathered, _ = gather(site.root + "/feed.xml", folder, delay_seconds=delay_seconds)
    n_lost = len(planted.dead) + len(planted.hostile)
    assert len(gathered.files) == len({file.location for file in gathered.files}) == n_items - n_lost
    assert len(gathered.failures) == n_lost
    assert {path_of(file.location) for file in gathered.files} == {*planted.aired, *planted.bare}
    for file in gathered.files:
        assert hash_bytes((folder / "raw" / file.sha256).read_bytes()) == file.sha256
    check_turns(planted, gathered, folder)
    counted = Counter(site.paths())
    once = [file.location.removeprefix(site.root) for file in gathered.files]
    once = [path for path in once if path not in planted.passing]
    assert sum(counted[path] - 1 for path in once) <= n_kills
    assert min(site.gaps()) >= delay_seconds


def test_a_fetch_killed_at_random_moments_goes_on_where_it_was(site: StandIn, tmp_path: Path) -> None:
    check_kills(site, tmp_path, n_items=N_ITEMS, n_kills=3, delay_seconds=0.02)


@pytest.mark.slow
def test_a_fetch_killed_twenty_times_loses_nothing(site: StandIn, tmp_path: Path) -> None:
    check_kills(site, tmp_path, n_items=400, n_kills=20, delay_seconds=0.02)


# --- the second time --------------------------------------------------------------------------------------------------


def test_a_second_fetch_asks_only_for_what_is_new(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    gather(feed, tmp_path)
    site.log.clear()
    feed_of(site, "C|/c/", "A|/a/", "B|/b/")
    gathered, journal = gather(feed, tmp_path)
    assert site.paths() == ["/feed.xml", "/c/"]
    assert journal.n_new == 1
    assert [file.title for file in gathered.files] == ["A", "B", "C"]


def test_a_feed_that_has_not_changed_is_not_sent_again(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/")
    site.pages["/feed.xml"] = Said(200, site.pages["/feed.xml"], (("ETag", '"one"'),))  # type: ignore[arg-type]
    _, first = gather(feed, tmp_path)
    digest = first.digest()
    gathered, journal = gather(feed, tmp_path)
    assert site.log[-1].headers["if-none-match"] == '"one"'
    assert (journal.n_new, journal.n_rounds, journal.digest()) == (0, 2, digest)
    assert len(gathered.files) == 1


def test_what_was_fetched_stays_when_the_feed_forgets_it(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    gather(feed, tmp_path)
    feed_of(site, "C|/c/")
    gathered, _ = gather(feed, tmp_path)
    assert [file.title for file in gathered.files] == ["A", "B", "C"]


def test_a_transcript_that_comes_later_takes_the_pages_place(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/")
    gather(feed, tmp_path)
    feed_of(site, f'A|/a/|<podcast:transcript url="{site.root}/a.vtt" type="text/vtt"/>')
    site.pages["/a.vtt"] = b"WEBVTT\n"
    gathered, _ = gather(feed, tmp_path)
    assert [file.location for file in gathered.files] == [site.root + "/a.vtt"]


def test_a_dead_transcript_falls_back_to_the_page_and_is_not_asked_for_every_week(
    site: StandIn, tmp_path: Path
) -> None:
    feed = feed_of(site, f'A|/a/|<podcast:transcript url="{site.root}/gone.vtt" type="text/vtt"/>')
    gather(feed, tmp_path)
    gathered, _ = gather(feed, tmp_path)
    assert [file.location for file in gathered.files] == [site.root + "/a/"]
    assert Counter(site.paths()) == {"/feed.xml": 2, "/gone.vtt": 1, "/a/": 1}


def test_a_dead_page_is_asked_for_again_the_next_time_and_then_found(site: StandIn, tmp_path: Path) -> None:
    site.pages["/b/"] = [Said(404), Said(200, b"<p>late</p>")]
    feed = feed_of(site, "A|/a/", "B|/b/")
    gathered, _ = gather(feed, tmp_path)
    assert [(failure.item, "404" in failure.message) for failure in gathered.failures] == [("B", True)]
    gathered, _ = gather(feed, tmp_path)
    assert (len(gathered.files), gathered.failures) == (2, [])


def test_bytes_that_were_taken_away_are_asked_for_again(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    gathered, _ = gather(feed, tmp_path)
    (tmp_path / "raw" / gathered.files[0].sha256).unlink()
    assert not Journal(tmp_path / "journal.jsonl").is_finished
    gather(feed, tmp_path)
    assert Counter(site.paths())["/a/"] == 2
    assert Counter(site.paths())["/b/"] == 1


def test_bytes_that_were_changed_are_found_by_their_hash_and_asked_for_again(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    gathered, journal = gather(feed, tmp_path)
    kept = tmp_path / "raw" / gathered.files[0].sha256
    whole = kept.read_bytes()
    assert journal.forget_changed() == 0
    kept.write_bytes(whole.swapcase())
    gather(feed, tmp_path, is_checked=True)
    assert kept.read_bytes() == whole
    assert Counter(site.paths())["/a/"] == 2
    assert Counter(site.paths())["/b/"] == 1


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_page_is_kept_with_its_hash_headers_and_what_the_feed_says_of_it(site: StandIn, tmp_path: Path) -> None:
    people = "<podcast:person role='guest'>Dara Finch</podcast:person><podcast:person>Orla Quill</podcast:person>"
    feed = feed_of(site, f"A|/a/|<pubDate>Mon, 5 May 2031 06:30:00 +0000</pubDate>{people}")
    site.pages["/a/"] = Said(200, b"\xff raw \r\n", (("ETag", '"v"'), ("Content-Type", "text/html"), ("X-Odd", "yes")))
    gathered, _ = gather(feed, tmp_path)
    (file,) = gathered.files
    assert (tmp_path / "raw" / file.sha256).read_bytes() == b"\xff raw \r\n"
    assert (file.title, str(file.published), file.hosts, file.guests) == (
        "A",
        "2031-05-05",
        ("Orla Quill",),
        ("Dara Finch",),
    )
    assert (file.location, file.etag, file.media_type) == (site.root + "/a/", '"v"', "text/html")
    visit = Journal(tmp_path / "journal.jsonl").pages[site.root + "/a/"]
    assert visit.header("x-odd") == "yes"


def test_the_table_does_not_depend_on_when_or_in_which_order_pages_came(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/", "C|/c/")
    gather(feed, tmp_path / "one")
    site.pages["/b/"] = [Said(404), site.pages["/b/"]]  # type: ignore[list-item]
    gather(feed, tmp_path / "two")
    for name in ("one", "two"):
        gathered, _ = gather(feed, tmp_path / name)
        write_table(tmp_path / f"{name}.parquet", gathered.files, SourceFile)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert len(read_table(tmp_path / "one.parquet", SourceFile)) == 3


def test_a_saved_feed_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read the feed"):
        gather(str(tmp_path / "feed.xml"), tmp_path)


def test_two_items_that_lead_to_one_page_are_one_file_and_one_reason(site: StandIn, tmp_path: Path) -> None:
    site.pages["/b/"] = Said(301, b"", (("Location", "/a/"),))
    gathered, _ = gather(feed_of(site, "A|/a/", "B|/b/"), tmp_path)
    assert [file.title for file in gathered.files] == ["A"]
    assert [failure.item for failure in gathered.failures] == ["B"]
    assert "same page as that of 'A'" in gathered.failures[0].message


# --- when the site does not want, or cannot ---------------------------------------------------------------------------


def test_a_site_that_refuses_is_asked_once_and_the_way_out_is_told(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/", "C|/c/")
    site.pages |= dict.fromkeys(("/a/", "/b/", "/c/"), Said(403))
    with pytest.raises(SourceError, match="refuses to be read by a program") as caught:
        gather(feed, tmp_path)
    assert "folder" in caught.value.hint
    assert site.paths() == ["/feed.xml", "/a/"]


def test_a_refusal_halfway_keeps_what_came_and_counts_the_rest(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/", "C|/c/")
    site.pages |= dict.fromkeys(("/b/", "/c/"), Said(403))
    gathered, _ = gather(feed, tmp_path)
    assert [file.title for file in gathered.files] == ["A"]
    assert [failure.item for failure in gathered.failures] == ["B", "C"]
    assert "/c/" not in site.paths()


def test_a_connection_that_goes_stops_the_fetch_instead_of_losing_every_page(site: StandIn, tmp_path: Path) -> None:
    names = "abcdefgh"
    feed = feed_of(site, *(f"{name}|/{name}/" for name in names))
    pages = {f"/{name}/": site.pages[f"/{name}/"] for name in names}
    site.pages |= {path: Said(500) for path in pages if path != "/a/"}
    with pytest.raises(SourceError, match="does not answer any more"):
        gather(feed, tmp_path)
    assert "/e/" not in site.paths()
    site.pages |= pages
    gathered, _ = gather(feed, tmp_path)
    assert [file.title for file in gathered.files] == list(names)


def test_robots_txt_that_forbids_all_is_told_as_such(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/")
    site.pages["/robots.txt"] = b"User-agent: *\nDisallow: /\nAllow: /feed.xml\n"
    with pytest.raises(SourceError, match=r"robots\.txt .* forbids"):
        gather(feed, tmp_path)


def test_links_that_lead_inward_are_counted_and_nobody_is_asked(site: StandIn, tmp_path: Path) -> None:
    inward = ("file:///etc/passwd", "http://169.254.169.254/x", "http://127.0.0.2/x", "http://[::1]/x", "http://u:p@x.example/",
              "http://2130706433/x", "gopher://x.example/x")  # fmt: skip
    feed = feed_of(site, "A|/a/")
    items = "".join(f"<item><title>T{n}</title><link>{link}</link></item>" for n, link in enumerate(inward))
    data = site.pages["/feed.xml"].replace(b"</channel>", items.encode() + b"</channel>")  # type: ignore[union-attr]
    site.pages["/feed.xml"] = data
    gathered, _ = gather(feed, tmp_path)
    assert [file.title for file in gathered.files] == ["A"]
    assert len(gathered.failures) == len(inward)
    assert gathered.n_by_fault == {"unsafe": len(inward)}
    assert site.paths() == ["/feed.xml", "/a/"]


def test_a_feed_that_is_a_web_page_is_not_kept(site: StandIn, tmp_path: Path) -> None:
    site.pages["/feed.xml"] = b"<!DOCTYPE html><html><body>blog</body></html>"
    with pytest.raises(SourceError, match="web page"):
        gather(site.root + "/feed.xml", tmp_path)
    assert not (tmp_path / "journal.jsonl").exists()


def test_a_saved_feed_on_disk_is_as_good_as_one_on_the_web(site: StandIn, tmp_path: Path) -> None:
    feed_of(site, "A|/a/")
    (tmp_path / "feed.xml").write_bytes(site.pages["/feed.xml"])  # type: ignore[arg-type]
    gathered, _ = gather(str(tmp_path / "feed.xml"), tmp_path)
    assert [file.location for file in gathered.files] == [site.root + "/a/"]


# --- the journal ------------------------------------------------------------------------------------------------------


def test_a_journal_cut_at_any_byte_is_read_up_to_its_last_whole_line(site: StandIn, tmp_path: Path) -> None:
    gather(feed_of(site, "A|/a/", "B|/b/"), tmp_path)
    path = tmp_path / "journal.jsonl"
    data = path.read_bytes()
    n_pages = set()
    for n_bytes in (*range(0, len(data), 13), len(data)):
        path.write_bytes(data[:n_bytes])
        journal = Journal(path)
        assert journal.is_finished == (n_bytes == len(data))
        n_pages.add(len(journal.pages))
    assert n_pages == {0, 1, 2}


def test_half_a_last_line_is_forgotten_and_written_over(site: StandIn, tmp_path: Path) -> None:
    feed = feed_of(site, "A|/a/", "B|/b/")
    gather(feed, tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind": "page", "addr')
    gathered, _ = gather(feed, tmp_path)
    assert len(gathered.files) == 2
    assert Journal(path).is_finished


def test_a_broken_line_in_the_middle_is_told_with_its_number(site: StandIn, tmp_path: Path) -> None:
    gather(feed_of(site, "A|/a/"), tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"not a line\n" + path.read_bytes())
    with pytest.raises(ShowFolderError, match="line 1"):
        Journal(path)


def test_a_link_that_is_no_address_is_a_fault_of_its_item_and_the_others_are_fetched(
    site: StandIn, tmp_path: Path
) -> None:
    feed = feed_of(site, "Bad|/bad", "Good|/good")
    site.pages["/feed.xml"] = site.pages["/feed.xml"].replace(f"{site.root}/bad".encode(), b"https://[bad/1")
    gathered, _ = gather(feed, tmp_path)
    assert [path_of(file.location) for file in gathered.files] == ["/good"]
