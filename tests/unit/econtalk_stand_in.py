"""A site like EconTalk's: its feed, its pages of every era with varied tags, and the faults a real site has.

The text is made up when the tests run.
"""

from __future__ import annotations

import html
import re
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple

from econchatr.fetch.feed import FeedItem, read_feed
from econchatr.fetch.plan import plan_items
from tests.unit.stand_in_site import Handler, Said, StandIn

REAL_FEED = Path(__file__).parents[3] / "shared" / "data" / "econtalk" / "feed.xml"
REAL_HOST = "https://www.econtalk.org"
SENTENCES = (
    "well the tide turns and nobody counts it twice so we ask again what a ferry costs when fog comes down over both "
    "banks of that slow brown river where my uncle kept bees and sold maps to people who were never lost"
)
ODD_TITLES = ("Ada Finch on #Weirs", "P.J. Vale on the Top 1%", "Dara Oak (and Ben Elm) on Peat", "Cor: a Malady?")


class Planted(NamedTuple):
    """What is wrong with the site, by the path of the page."""

    dead: list[str]
    passing: list[str]
    """Answer 429 or 503 with Retry-After first, then the page."""
    hostile: list[str]


def make_up_feed(n_items: int) -> bytes:
    """A feed with plain and odd links, and one link that two items share."""
    items = []
    for n in range(n_items):
        title = ODD_TITLES[n] if n < len(ODD_TITLES) else f"Guest {n} on Subject {n}"
        slug = title.lower().replace(" ", "-")
        slug = "guest-9-on-subject-9" if n == 10 else slug
        day = date(2006, 3, 16).replace(year=2006 + n % 18).strftime("%a, %d %b %Y 06:30:00 +0000")
        items.append(
            f"<item><guid>g{n}</guid><title>{html.escape(title)}</title><pubDate>{day}</pubDate>"
            f"<link>{REAL_HOST}/{html.escape(slug)}/</link></item>"
        )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{"".join(items)}</channel></rss>'.encode()


def real_or_made_up(n_items: int) -> bytes:
    """The real feed, where it lies beside the project; else one made up."""
    return REAL_FEED.read_bytes() if REAL_FEED.exists() else make_up_feed(n_items)


def build_site(site: StandIn, feed: bytes, *, n_items: int = 10_000, seed: int = 0) -> Planted:
    """Put a feed's pages on the site, and plant faults."""
    data = feed.replace(REAL_HOST.encode(), site.root.encode())
    keep = iter(range(n_items))
    data = re.sub(
        rb"<item>.*?</item>", lambda found: found[0] if next(keep, None) is not None else b"", data, flags=re.S
    )
    site.pages["/feed.xml"] = Said(200, data, (("ETag", f'"{hash(data)}"'), ("Content-Type", "text/xml")))
    site.pages["/robots.txt"] = b"User-agent: *\nDisallow: /private/\n"
    site.pages["/"] = b"<html>front page</html>"
    random = Random(seed)
    plans = plan_items(read_feed(data, location=site.root).items)
    for n, plan in enumerate(plans):
        first, *others = (path_of(address) for address in plan.addresses)
        page = make_page(plan.item, random)
        if others and n % 2:
            # As blog software does it: the address with the marks leads to the one without.
            site.pages[first] = Said(301, b"", (("Location", others[0]),))
        site.pages[others[0] if others else first] = Said(
            200, page, (("Content-Type", "text/html"), ("ETag", f'"{n}"'))
        )
    plain = sorted(path_of(plan.addresses[0]) for plan in plans if len(plan.addresses) == 1 and not plan.is_shared)
    return _plant(site, random.sample(plain, 11))


def _plant(site: StandIn, chosen: list[str]) -> Planted:
    def endless(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b"<p>" * 20_000)
        except OSError:
            return

    dead, passing, hostile = chosen[:4], chosen[4:7], chosen[7:]
    site.pages[dead[0]] = Said(404)
    site.pages[dead[1]] = Said(410)
    site.pages[dead[2]] = Said(302, b"", (("Location", "/"),))
    site.pages[dead[3]] = Said(200, b" \n")
    for path, status in zip(passing, (429, 503, 503), strict=True):
        page = site.pages[path]
        site.pages[path] = [Said(status, b"", (("Retry-After", "0" if status == 429 else "1"),)), page]  # type: ignore[list-item]
    for path, inward in zip(hostile, ("http://169.254.169.254/", "file:///etc/passwd", "/private/x"), strict=False):
        site.pages[path] = Said(302, b"", (("Location", inward),))
    site.pages[hostile[3]] = endless
    return Planted(dead, passing, hostile)


def path_of(address: str) -> str:
    return "/" + address.split("/", 3)[3]


def make_page(item: FeedItem, random: Random) -> bytes:
    """An episode's page in the markup of its time."""
    published = item.published or date(2020, 1, 1)
    guest = html.escape(item.title.partition(" on ")[0] or "Guest")
    bold, head = random.choice(("b", "strong")), random.choice(("th", "td"))
    rows = "".join(
        f"<tr><td>{stamp}</td><td>{_say(published, guest, bold, random)}</td></tr>"
        for stamp in ("0:33", "9:12", "1:00:39")
    )
    heads = f"<tr><{head}>Time</{head}><{head}>Podcast Episode Highlights</{head}></tr>"
    return (
        f"<!DOCTYPE html><html><head><title>{html.escape(item.title)} - Econlib</title></head><body>"
        f'<p>{_words(random)}</p><div class="audio-highlight"><table><tbody>{heads}{rows}</tbody></table></div>'
        f"<h3>READER COMMENTS</h3><p>{_words(random)}</p></body></html>"
    ).encode()


def _say(published: date, guest: str, bold: str, random: Random) -> str:
    if published < date(2012, 1, 23):
        return _words(random)
    if published < date(2016, 8, 29):
        return " ".join(f"{who}: {_words(random)}." for who in ("Russ", "Guest") * 2)
    return "".join(f"<p><{bold}>{who}:</{bold}> {_words(random)}.</p>" for who in ("Russ Roberts", guest) * 2)


def _words(random: Random) -> str:
    return " ".join(random.choices(SENTENCES.split(), k=random.randint(20, 60)))
