"""Everything a feed names -> pages on disk as received, asked for once and politely.

`Gatherer` asks, `list_gathered` says what is there and what is not. This module does not know what is in a page, nor
what becomes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from econchatr.errors import SourceError
from econchatr.fetch.client import PoliteClient, host_of
from econchatr.fetch.feed import Feed, FeedItem, read_feed
from econchatr.fetch.folder import is_kept
from econchatr.fetch.http_answers import Fault, FetchedPage
from econchatr.fetch.journal import Journal, Visit
from econchatr.fetch.plan import FeedSource, Wanted, plan_items
from econchatr.records import Failure, SourceFile
from econchatr.tables import hash_bytes, write_bytes

_N_IN_A_ROW: Final = 3
"""So many pages of one host that cannot be reached, one after the other: the host, or our own connection, is gone."""

_OUT_OF_REACH: Final = "It is asked for again by the next `econchatr fetch`; or save the page and put it in a folder."
_ADVICE: Final = {
    "missing": _OUT_OF_REACH,
    "unreachable": _OUT_OF_REACH,
    "broken": _OUT_OF_REACH,
    "busy": _OUT_OF_REACH,
    "large": "Look what the address leads to; no transcript is so large or so slow.",
    "unsafe": "Look at the feed; if the host is your own, name it under `allow_hosts` in [fetch].",
    "refused": "Ask the site's owner, or save the page and put it in a folder.",
    "forbidden": "Ask the site's owner, or save the page and put it in a folder.",
    "same page": "Look for the episode's own page and save it, or leave the episode out.",
    "no link": "Save the episode's page and put it in a folder, or leave the episode out.",
    "not asked": "Run `econchatr fetch` again; it goes on where it was.",
}
"""Kind of fault -> one thing to do about it, where the fault says nothing better."""

Progress = Callable[[int, int], None]
Note = Callable[[str], None]


class Gathered(NamedTuple):
    """What is there, and every item that is not, with its reason."""

    files: list[SourceFile]
    failures: list[Failure]
    n_by_fault: dict[str, int]
    """Kind of fault -> items that are not there for it."""
    n_items: int
    """Items of the feed as it was last received."""
    n_shared: int
    """Items to which the feed gives a link that is another item's."""


@dataclass
class Gatherer:
    """Asks for what a feed names; every answer is on the disk, and in the journal, before the next question."""

    source: FeedSource
    journal: Journal
    client: PoliteClient
    now: Callable[[], datetime]
    progress: Progress = lambda n_done, n_all: None
    note: Note = lambda text: None
    _n_silent: dict[str, int] = field(default_factory=dict)
    """Host -> its pages in a row that could not be reached."""

    def gather(self, *, refresh: bool = False) -> None:
        """Ask for the feed, and for every page it names that is not there yet; with `refresh`, for those there are too.

        A page that has not changed stays as it is, and so does one that cannot be had again. A refresh that was stopped
        goes on at the next call.

        Raises:
            SourceError: The feed cannot be had, a site asks to be left alone, the connection is gone, or nothing at all
                could be fetched. What came before is kept, and the next call goes on there.
            ShowFolderError: The disk is full.
        """
        wanted = plan_items(self._ask_feed().items, prefer=self.source.prefer)
        if refresh and not self.journal.is_refreshing:
            self.journal.add(Visit(kind="refresh", at=self.now()))
        if self.journal.is_refreshing:
            wanted += [Wanted(item, (one,), "", is_shared=False) for one, item in _find_forgotten(wanted, self.journal)]
        missing = [plan for plan in wanted if _next_address(plan, self.journal)]
        if missing:
            seconds = len(missing) * self.client.manners.delay_seconds
            self.note(f"{len(missing):,} of {len(wanted):,} episodes to ask for, at least {_tell(seconds)}")
        for n_done, plan in enumerate(missing, start=1):
            self._ask_item(plan)
            self.progress(n_done, len(missing))
        self._refuse_nothing()
        self.journal.add(Visit(kind="end", at=self.now()))

    def _ask_feed(self) -> Feed:
        before = self.journal.feed
        answer = self._get_feed(before)
        if isinstance(answer, Fault):
            raise SourceError(answer.message, hint=_advise(answer))
        if answer.status == 304 and before is not None:
            self.journal.add(before.model_copy(update={"at": self.now()}))
            return read_feed((self.journal.raw / before.sha256).read_bytes(), location=before.location)
        feed = read_feed(answer.body, location=answer.location)
        self.journal.add(self._keep("feed", answer, None))
        return feed

    def _get_feed(self, before: Visit | None) -> FetchedPage | Fault:
        address = self.source.feed
        if "://" not in address:
            return _read_saved_feed(Path(address), max_bytes=self.client.manners.max_bytes)
        if before is None:
            return self.client.get(address)
        etag, modified = before.header("etag"), before.header("last-modified")
        return self.client.get(address, etag=etag, last_modified=modified)

    def _ask_item(self, plan: Wanted) -> None:
        while address := _next_address(plan, self.journal):
            host = host_of(address)
            answer = self._refuse_stranger(_refuse_front_page(self._get(address, host)))
            if isinstance(answer, Fault):
                self._check_connection(answer, host)
                fault = {"fault": answer.kind, "message": answer.message, "hint": answer.hint}
                self.journal.add(Visit(kind="page", at=self.now(), address=address, item=plan.item, **fault))
            else:
                self._n_silent[host] = 0
                self.journal.add(self._note_same(answer) or self._keep("page", answer, plan.item))

    def _get(self, address: str, host: str) -> FetchedPage | Fault:
        if self._n_silent.get(host, 0) >= _N_IN_A_ROW:
            return Fault("unreachable", f"{host} does not answer; {address} was not asked for.")
        return self.client.get(address, **self.journal.conditions(address))

    def _refuse_stranger(self, answer: FetchedPage | Fault) -> FetchedPage | Fault:
        """A page that comes again with what stands at another address is no new version of itself.

        Sites do that when they move, or put a notice before everything; what was fetched before is worth more.
        """
        if isinstance(answer, Fault) or answer.status == 304 or not self.journal.has(answer.address):
            return answer
        sha256 = hash_bytes(answer.body)
        others = (one for one in self.journal.pages.values() if one.sha256 == sha256 and one.address != answer.address)
        twin = next((one for one in others if one.location != answer.location), None)
        if twin is None or self.journal.pages[answer.address].sha256 == sha256:
            return answer
        return Fault("broken", f"{answer.address} now has the same content as {twin.location}.")

    def _note_same(self, page: FetchedPage) -> Visit | None:
        """The line for a page that has not changed; `None`: it has, or is new."""
        if not self.journal.has(page.address):
            return None
        if page.status != 304 and hash_bytes(page.body) != self.journal.pages[page.address].sha256:
            return None
        return Visit(kind="same", at=self.now(), address=page.address, status=page.status, headers=page.headers)

    def _check_connection(self, fault: Fault, host: str) -> None:
        if fault.kind == "busy":
            raise SourceError(fault.message, hint=fault.hint)
        if fault.kind != "unreachable":
            self._n_silent[host] = 0
            return
        self._n_silent[host] = self._n_silent.get(host, 0) + 1
        has_answered = any(one.sha256 and host_of(one.address) == host for one in self.journal.pages.values())
        if has_answered and self._n_silent[host] >= _N_IN_A_ROW:
            raise SourceError(f"{host} does not answer any more: {fault.message}", hint=fault.hint)

    def _keep(self, kind: Literal["feed", "page"], page: FetchedPage, item: FeedItem | None) -> Visit:
        sha256 = hash_bytes(page.body)
        if not is_kept(self.journal.raw, sha256):
            write_bytes(self.journal.raw / sha256, page.body)
        return Visit(
            kind=kind, at=self.now(), address=page.address, location=page.location, status=page.status, sha256=sha256,
            n_bytes=len(page.body), headers=page.headers, item=item,
        )  # fmt: skip

    def _refuse_nothing(self) -> None:
        if any(visit.sha256 for visit in self.journal.pages.values()):
            return
        fault = next((visit for visit in self.journal.pages.values() if visit.fault), None)
        if fault is not None:
            raise SourceError(
                f"not one page could be fetched: {fault.message}",
                hint=fault.hint or "Check `feed` under [fetch] in show.toml.",
            )
        raise SourceError(
            f"{self.source.feed} names no page and no transcript.", hint="Check `feed` under [fetch] in show.toml."
        )


def ask_feed_once(address: str, client: PoliteClient) -> Feed:
    """What a feed lists, read without keeping it.

    Args:
        address: Of the feed, or the path of a saved one.

    Raises:
        SourceError: It cannot be had, or is no feed.
    """
    saved = "://" not in address
    page = _read_saved_feed(Path(address), max_bytes=client.manners.max_bytes) if saved else client.get(address)
    if isinstance(page, Fault):
        raise SourceError(page.message, hint=page.hint or "Look at the address, or save the feed and name its file.")
    return read_feed(page.body, location=page.location)


def _advise(fault: Fault) -> str:
    if fault.kind in ("refused", "forbidden"):
        return 'Save the feed with your browser and set feed = "feed.xml", or save the pages and set folder = ...'
    return fault.hint or "Check `feed` under [fetch] in show.toml."


def _read_saved_feed(path: Path, *, max_bytes: int) -> FetchedPage | Fault:
    try:
        if path.stat().st_size > max_bytes:
            return Fault("large", f"{path} has more than {max_bytes:,} bytes; no feed has.")
        return FetchedPage(str(path), str(path), 200, (), path.read_bytes())
    except OSError as exc:
        return Fault("missing", f"cannot read the feed {path}: {exc.strerror}.")


def list_gathered(source: FeedSource, journal: Journal) -> Gathered:
    """What is there, oldest first, and every item of the feed that is not, with its reason; the same each time.

    A page whose item has left the feed stays: feeds forget their oldest items.

    Raises:
        SourceError: The feed was never received.
    """
    if journal.feed is None:
        raise SourceError(f"the feed {source.feed} was not received yet.", hint="Run `econchatr fetch`.")
    feed = read_feed((journal.raw / journal.feed.sha256).read_bytes(), location=journal.feed.location)
    plans = plan_items(feed.items, prefer=source.prefer)
    files, failures, faults = list[SourceFile](), list[Failure](), Counter[str]()
    seen: dict[str, str] = {}
    for plan in sorted(plans, key=lambda plan: plan.is_shared):
        visit = next((journal.pages[one] for one in plan.addresses if journal.has(one)), None)
        if visit is None:
            fault, message, hint = _reason(plan, journal)
            faults[fault] += 1
            failures.append(_fail(plan.item, fault, message, hint))
        elif twin := seen.get(visit.location) or seen.get(visit.sha256):
            faults["same page"] += 1
            message = f"{visit.location} is the same page as that of {twin!r}."
            failures.append(_fail(plan.item, "same page", message))
        else:
            seen |= {visit.location: plan.item.name, visit.sha256: plan.item.name}
            files.append(_describe(visit, plan.item))
    files += _list_forgotten(plans, journal, seen)
    files.sort(key=lambda file: (file.published or date.min, file.location))
    failures.sort(key=lambda failure: (failure.item, failure.message))
    return Gathered(files, failures, dict(sorted(faults.items())), len(plans), sum(plan.is_shared for plan in plans))


def _list_forgotten(plans: list[Wanted], journal: Journal, seen: dict[str, str]) -> Iterator[SourceFile]:
    for address, item in _find_forgotten(plans, journal):
        visit = journal.pages[address]
        if visit.location not in seen and visit.sha256 not in seen:
            seen |= {visit.location: item.name, visit.sha256: item.name}
            yield _describe(visit, item)


def _find_forgotten(plans: list[Wanted], journal: Journal) -> list[tuple[str, FeedItem]]:
    """The pages there are of items that have left the feed, by address."""
    known = {address for plan in plans for address in plan.addresses}
    names = {plan.item.guid or plan.item.name for plan in plans}
    found = [(address, visit.item) for address, visit in sorted(journal.pages.items()) if visit.sha256 and visit.item]
    return [(one, item) for one, item in found if one not in known and (item.guid or item.name) not in names]


def _next_address(plan: Wanted, journal: Journal) -> str:
    """The address to ask for now; empty: the page is there, or everything was tried in this round.

    A better address that was never tried is asked for even where a page is there: transcripts are often added later. In
    a refresh every address is, once, down to the one that has the page.
    """
    is_wanted = journal.is_refreshing or not any(journal.has(address) for address in plan.addresses)
    for address in plan.addresses:
        is_open = address not in journal.tried
        if journal.has(address):
            return address if journal.is_refreshing and is_open else ""
        if address not in journal.pages or (is_wanted and is_open):
            return address
    return ""


def _refuse_front_page(answer: FetchedPage | Fault) -> FetchedPage | Fault:
    """A site that sends a dead link to its front page, or answers with nothing, has no page for us."""
    if isinstance(answer, Fault) or answer.status == 304:
        return answer
    if not answer.body.strip():
        return Fault("missing", f"{answer.location} is empty.")
    asked, found = urlsplit(answer.address), urlsplit(answer.location)
    if asked.path.strip("/") and not found.path.strip("/") and not found.query:
        return Fault("missing", f"{answer.address} only leads to the front page of {found.hostname}.")
    return answer


def _reason(plan: Wanted, journal: Journal) -> tuple[str, str, str]:
    """Kind of fault, message and hint; of several addresses, what became of the first."""
    if plan.reason:
        return ("same page" if plan.is_shared else "no link"), plan.reason, ""
    visits = [journal.pages[address] for address in plan.addresses if address in journal.pages]
    if not visits:
        return "not asked", "it was not asked for yet.", ""
    return visits[0].fault, visits[0].message, visits[0].hint


def _fail(item: FeedItem, fault: str, message: str, hint: str = "") -> Failure:
    hint = hint or _ADVICE.get(fault, _OUT_OF_REACH)
    return Failure(stage="fetch", item=item.name, error="SourceError", message=message, hint=hint)


def _describe(visit: Visit, item: FeedItem) -> SourceFile:
    return SourceFile(
        location=visit.location, sha256=visit.sha256, n_bytes=visit.n_bytes, title=item.title,
        published=item.published, hosts=item.hosts, guests=item.guests, media_type=visit.header("content-type")[:200],
        etag=visit.header("etag")[:500], last_modified=visit.header("last-modified")[:100],
    )  # fmt: skip


def _tell(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:,.0f} seconds"
