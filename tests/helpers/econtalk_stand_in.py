"""A site like EconTalk's: its feed, its pages of every era with varied tags, and the faults a real site has.

What is said on the pages is `aired_episodes`'.
"""

from __future__ import annotations

import html
import re
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple

from econchatr.fetch.feed import read_feed
from econchatr.fetch.plan import plan_items
from tests.helpers.aired_episodes import Aired, air_episode, write_bare_page
from tests.helpers.stand_in_site import Handler, Said, StandIn

REAL_FEED = Path(__file__).parents[3] / "shared" / "data" / "econtalk" / "feed.xml"
REAL_HOST = "https://www.econtalk.org"
ODD_TITLES = ("Ada Finch on #Weirs", "P.J. Vale on the Top 1%", "Dara Oak (and Ben Elm) on Peat", "Cor: a Malady?")


class Planted(NamedTuple):
    """What is wrong with the site, by the path of the page."""

    dead: list[str]
    passing: list[str]
    """Answer 429 or 503 with Retry-After first, then the page."""
    hostile: list[str]
    bare: list[str]
    """Pages without a transcript."""
    aired: dict[str, Aired]
    """What was said on every page that has one."""


N_LOST = 8
"""Pages of a site that cannot be had, dead and hostile ones."""


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


def build_site(
    site: StandIn, feed: bytes, *, n_items: int = 10_000, seed: int = 0, is_real_size: bool = False
) -> Planted:
    """Put a feed's pages on the site, and plant faults."""
    data = feed.replace(REAL_HOST.encode(), site.root.encode())
    keep = iter(range(n_items))
    data = re.sub(
        rb"<item>.*?</item>", lambda found: found[0] if next(keep, None) is not None else b"", data, flags=re.S
    )
    site.pages["/feed.xml"] = Said(200, data, (("ETag", f'"{hash(data)}"'), ("Content-Type", "text/xml")))
    site.pages["/robots.txt"] = b"User-agent: *\nDisallow: /private/\n"
    site.pages["/"] = b"<html>front page</html>"
    random, aired = Random(seed), dict[str, Aired]()
    plans = plan_items(read_feed(data, location=site.root).items)
    for n, plan in enumerate(plans):
        first, *others = (path_of(address) for address in plan.addresses)
        published = plan.item.published or date(2020, 1, 1)
        episode = air_episode(plan.item.title, published, random, is_real_size=is_real_size)
        if others and n % 2:
            # As blog software does it: the address with the marks leads to the one without.
            site.pages[first] = Said(301, b"", (("Location", others[0]),))
        path = others[0] if others else first
        aired[path] = episode
        site.pages[path] = Said(200, episode.page, (("Content-Type", "text/html"), ("ETag", f'"{n}"')))
    plain = sorted(path_of(plan.addresses[0]) for plan in plans if len(plan.addresses) == 1 and not plan.is_shared)
    return _plant(site, random.sample(plain, 13), aired)


def _plant(site: StandIn, chosen: list[str], aired: dict[str, Aired]) -> Planted:
    def endless(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b"<p>" * 20_000)
        except OSError:
            return

    dead, passing, hostile, bare = chosen[:4], chosen[4:7], chosen[7:11], chosen[11:]
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
    for path in bare:
        site.pages[path] = Said(200, write_bare_page(path), (("Content-Type", "text/html"),))
    said = {path: episode for path, episode in aired.items() if path not in (*dead, *hostile, *bare)}
    return Planted(dead, passing, hostile, bare, said)


def path_of(address: str) -> str:
    return "/" + address.split("/", 3)[3]
