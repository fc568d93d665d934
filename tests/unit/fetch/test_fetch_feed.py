from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import SourceError
from econchatr.fetch.feed import Feed, FeedItem, read_feed
from econchatr.fetch.plan import make_slug, plan_items, repair_link

REAL_FEED = Path(__file__).parents[4] / "shared" / "data" / "econtalk" / "feed.xml"
BASE = "https://show.example"
CANONICAL = "https://podcastindex.org/namespace/1.0"
GITHUB = "https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md"


def rss(*items: str, channel: str = "", namespace: str = CANONICAL) -> bytes:
    body = "".join(f"<item>{item}</item>" for item in items)
    return (
        f'<?xml version="1.0"?><rss version="2.0" xmlns:p="{namespace}"><channel><title>The Show</title>'
        f"<language>en-us</language>{channel}{body}</channel></rss>"
    ).encode()


def read(*items: str, channel: str = "", namespace: str = CANONICAL) -> Feed:
    return read_feed(rss(*items, channel=channel, namespace=namespace), location=f"{BASE}/feed.xml")


def item_of(text: str, **options: str) -> FeedItem:
    (item,) = read(text, **options).items
    return item


# --- what a feed says -------------------------------------------------------------------------------------------------


def test_an_item_without_an_enclosure_counts() -> None:
    item = item_of(
        f"<title>Ada on Tides</title><link>{BASE}/ada/</link><pubDate>Mon, 5 May 2031 06:30:00 +0000</pubDate>"
        "<guid>g1</guid>"
    )
    assert (item.title, item.link, item.published, item.guid) == (
        "Ada on Tides",
        f"{BASE}/ada/",
        date(2031, 5, 5),
        "g1",
    )


def test_an_atom_entry_is_an_item() -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>The Show</title><entry><title>Ada</title><id>x1</id>'
        f'<link href="/ada"/><updated>2031-05-05T10:00:00Z</updated>'
        f'<t:transcript xmlns:t="{CANONICAL}" url="/ada.vtt" type="text/vtt"/></entry></feed>'
    )
    (item,) = read_feed(atom.encode(), location=f"{BASE}/feed.xml").items
    assert (item.link, item.published) == (f"{BASE}/ada", date(2031, 5, 5))
    assert [link.address for link in item.transcripts] == [f"{BASE}/ada.vtt"]


@pytest.mark.parametrize("namespace", [CANONICAL, GITHUB, CANONICAL + "/", GITHUB.lower()])
def test_all_transcripts_are_read_best_first_whatever_the_namespace_and_its_prefix(namespace: str) -> None:
    types = ("text/plain", "text/html", "application/x-subrip", "application/json", "text/vtt")
    links = "".join(f'<p:transcript url="{BASE}/{n}" type="{kind}"/>' for n, kind in enumerate(types))
    item = item_of(f"<title>A</title>{links}", namespace=namespace)
    assert [link.address[-1] for link in item.transcripts] == ["4", "3", "2", "1", "0"]


def test_a_wrong_type_is_read_from_the_name_and_a_translation_comes_last() -> None:
    links = (
        f'<p:transcript url="{BASE}/de.vtt" type="text/vtt" language="de"/>'
        f'<p:transcript url="{BASE}/a.srt?x=1" type="application/octet-stream" language="en"/>'
        f'<p:transcript url="{BASE}/b.txt"/>'
    )
    names = [link.address.removeprefix(BASE) for link in item_of(f"<title>A</title>{links}").transcripts]
    assert names == ["/a.srt?x=1", "/b.txt", "/de.vtt"]


def test_another_namespace_with_the_same_names_is_not_read() -> None:
    text = '<title>A</title><p:transcript url="https://x.example/a.vtt"/><p:person>Ada</p:person>'
    item = item_of(text, namespace="https://evil.example/ns")
    assert (item.transcripts, item.hosts) == ((), ())


def test_an_items_people_wholly_replace_the_channels() -> None:
    channel = "<p:person>Orla Quill</p:person><p:person role='Guest'>Nobody</p:person>"
    with_own = "<title>A</title><p:person role='GUEST' group='cast'>Dara  Finch</p:person>"
    feed = read(with_own, "<title>B</title>", channel=channel)
    assert [(item.hosts, item.guests) for item in feed.items] == [((), ("Dara Finch",)), (("Orla Quill",), ("Nobody",))]


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "addresses"),
    [
        ("/plain-slug/", ["/plain-slug/"]),
        ("/archives/2015/11/what_color.html", ["/archives/2015/11/what_color.html"]),
        ("/on-#republic/", ["/on-%23republic/", "/on-republic/"]),
        ("/the-top-1%/", ["/the-top-1%25/", "/the-top-1/"]),
        ("/100%-sure/", ["/100%25-sure/", "/100-sure/"]),
        ("/(and-help-the-poor)/", ["/(and-help-the-poor)/", "/and-help-the-poor/"]),
        ("/a.j.-finch/", ["/a.j.-finch/", "/a-j-finch/"]),
        ("/grab-bag:-peat/", ["/grab-bag:-peat/", "/grab-bag-peat/"]),
        ("/a-malady?/", ["/a-malady%3F/", "/a-malady/"]),
        ("/[part-2]/", ["/%5Bpart-2%5D/", "/part-2/"]),
        ("/two words/", ["/two%20words/", "/two-words/"]),
        ("/s%C3%B6der/", ["/s%C3%B6der/"]),
        ("/page#comments", ["/page"]),
        ("/#/episode/7", ["/"]),
        ("/?p=17", ["/?p=17"]),
        ("/ep?id=3&x=4%", ["/ep?id=3&x=4%25"]),
    ],
)
def test_a_link_is_escaped_first_and_then_read_as_a_title(link: str, addresses: list[str]) -> None:
    assert list(repair_link(BASE + link)) == [BASE + address for address in addresses]


@pytest.mark.parametrize("link", ["", "no-address", "mailto:ada@example.org", "https://x.example/\r\nX-Injected: 1"])
def test_what_is_no_web_address_gives_none(link: str) -> None:
    assert repair_link(link) == ()


@given(st.text(max_size=80))
def test_any_link_is_repaired_to_a_fixed_point_or_to_nothing(text: str) -> None:
    for address in repair_link("https://x.example/" + text):
        assert address.isascii()
        assert address.isprintable()
        assert " " not in address


def test_the_slug_of_a_title_has_no_marks() -> None:
    assert make_slug("  P.J. O'Dell & Söder: the 1% (again)? ") == "p-j-odell-soder-the-1-again"


# --- plans ------------------------------------------------------------------------------------------------------------


def episode(title: str, slug: str, extra: str = "") -> str:
    return f"<title>{title}</title><link>{BASE}/{slug}/</link>{extra}"


def test_an_item_is_asked_for_its_transcript_first_and_its_page_last() -> None:
    feed = read(episode("Ada", "ada", f'<p:transcript url="{BASE}/ada.vtt" type="text/vtt"/>'))
    assert plan_items(feed.items)[0].addresses == (f"{BASE}/ada.vtt", f"{BASE}/ada/")
    assert plan_items(feed.items, prefer="page")[0].addresses == (f"{BASE}/ada/", f"{BASE}/ada.vtt")


def test_a_shared_link_goes_to_the_item_it_is_named_after_and_the_others_is_guessed() -> None:
    feed = read(episode("Dara on Weirs", "ada-on-tides"), episode("Ada on Tides", "ada-on-tides"), episode("C", "c"))
    dara, ada, _ = plan_items(feed.items)
    assert ada.addresses == (f"{BASE}/ada-on-tides/",)
    assert (dara.addresses, dara.is_shared) == ((f"{BASE}/dara-on-weirs/",), True)


def test_a_shared_link_is_not_guessed_where_links_are_not_made_of_titles() -> None:
    feed = read(episode("Dara", "episode-7"), episode("Ada", "episode-7"), episode("C", "episode-8"))
    _, ada, _ = plan_items(feed.items)
    assert ada.addresses == ()
    assert "'Dara'" in ada.reason


def test_an_item_without_any_link_says_so() -> None:
    assert "no link" in plan_items(read("<title>A</title>").items)[0].reason
    mail = read("<title>A</title><link>mailto:ada@example.org</link>")
    assert "no web address" in plan_items(mail.items)[0].reason


@pytest.mark.skipif(not REAL_FEED.exists(), reason="the real feed is not on this machine")
def test_every_item_of_the_real_feed_is_resolved_and_its_odd_links_counted() -> None:
    feed = read_feed(REAL_FEED.read_bytes(), location="https://feeds.example/feed")
    plans = plan_items(feed.items)
    assert len(plans) == 874
    assert all(plan.addresses and plan.item.title and plan.item.published for plan in plans)
    assert len({plan.addresses[0] for plan in plans}) == 874
    assert sum(len(plan.addresses) > 1 for plan in plans) == 24
    assert sum(plan.is_shared for plan in plans) == 1


# --- feeds that are none, or mean harm --------------------------------------------------------------------------------


def test_a_web_page_is_no_feed_and_the_feed_it_names_is_told() -> None:
    page = b'<!DOCTYPE html><html><head><link rel="alternate" type="application/rss+xml" href="/rss.xml"></head></html>'
    with pytest.raises(SourceError, match="web page") as caught:
        read_feed(page, location=f"{BASE}/")
    assert f"{BASE}/rss.xml" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", b"{}", b"just words", rss(), b"<rss", b"<html>"])
def test_what_holds_no_episode_is_refused_with_a_hint(data: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        read_feed(data, location=f"{BASE}/feed.xml")
    assert caught.value.hint


def bomb() -> str:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE rss [<!ENTITY l0 "ha">{levels}]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_entity_bomb_is_refused_unread(encoding: str) -> None:
    text = f'<?xml version="1.0"?>{bomb()}<rss><channel><item><title>&l11;</title></item></channel></rss>'
    with pytest.raises(SourceError, match="entities"):
        read_feed(text.encode(encoding), location="feed")


def test_an_entity_that_hides_behind_padding_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret")
    entity = f'<!DOCTYPE rss {" " * 3000}[<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    text = (
        f'<?xml version="1.0"?>{entity}<rss xmlns:p="{CANONICAL}"><channel><item><title>A &x;</title>'
        "<p:person>B &x;</p:person></item></channel></rss>"
    )
    assert "the secret" not in str(read_feed(text.encode(), location="feed"))


def test_a_body_that_is_a_path_or_an_address_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.xml").write_bytes(rss("<title>the secret</title>"))
    for body in (str(tmp_path / "secret.xml"), "http://127.0.0.1:1/feed.xml"):
        with pytest.raises(SourceError, match="not a feed"):
            read_feed(body.encode(), location="feed")


def test_more_items_than_a_show_can_have_are_refused() -> None:
    with pytest.raises(SourceError, match="items"):
        read_feed(b"<rss><channel>" + b"<item>" * 30_001, location="feed")


@given(st.binary(max_size=400), st.integers(0, 600))
def test_a_damaged_feed_gives_a_feed_or_our_error(noise: bytes, at: int) -> None:
    data = rss(episode("Ada", "ada", '<p:person>Ada</p:person><p:transcript url="a.vtt"/>'))
    try:
        feed = read_feed(data[:at] + noise + data[at:], location=f"{BASE}/feed.xml")
    except SourceError:
        return
    assert plan_items(feed.items)
