"""The stage `fetch`: bring the episodes in as they are, from a folder or from a feed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from econchatr.config import FetchTable
from econchatr.fetch.folder import Listing, keep_files, list_files, tell_left
from econchatr.fetch.journal import Journal
from econchatr.fetch.plan import FeedSource
from econchatr.pipeline.show import Show
from econchatr.pipeline.show_folder import STAGE_NAMES
from econchatr.pipeline.stage import Made, Narrator, Stage, narrated, tell_failures
from econchatr.records import Failure, SourceFile
from econchatr.tables import hash_bytes, hash_settings, read_manifest

if TYPE_CHECKING:
    from econchatr.fetch.client import PoliteClient
    from econchatr.fetch.feed import Feed

RETRAIN_SHARE: Final = 0.05
"""So many new episodes, as a share of those the models were made from, are worth another training. A judgement, not a
measurement: the newest episodes are held out, so a few more hardly change what is learned."""
_FAULT: Final = "fault: "


class News(NamedTuple):
    """What came with the last fetch, and whether it matters."""

    n_new: int
    n_episodes: int
    n_missing: int
    """Items of the feed whose page could not be had."""
    n_since_trained: int | None
    """Episodes that came or changed after the newest model was trained; `None`: none is trained."""
    is_worth_quoting: bool
    n_changed: int
    """Pages a refresh found changed; 0 where everything was not asked for again. So too the two below."""
    n_same: int
    n_kept: int
    """Pages that could not be had again; what was there stays."""
    text: str


def _inputs(show: Show) -> dict[str, str]:
    if show.feed is not None:
        return {"pages": _open_journal(show).digest()}
    listing = _list_transcripts(show)
    rows = [(file.location, file.sha256) for file in listing.files]
    rows += [(failure.item, "") for failure in listing.failures]
    # Nothing is added where nothing was left aside, so that shows of version 0.1 keep their hash.
    return {"transcripts": hash_settings([*rows, *listing.n_left.items()])}


def _list_transcripts(show: Show) -> Listing:
    """What lies in the show's folder of transcripts; where that is the show's own folder, without what stages made."""
    return list_files(show.transcripts, apart=[show.folder(stage) for stage in (*STAGE_NAMES, "talk")])


def _fetch(show: Show, narrator: Narrator) -> Made:
    if show.feed is None:
        files, failures, n_left = _list_transcripts(show)
        keep_transcripts(show, files, narrator)
        counts = {"files": len(files), "refused": len(failures)}
        if n_left:
            counts["left_aside"] = sum(n_left.values())
            narrator.note(tell_left(n_left))
    else:
        files, failures, counts = _list_pages(show, show.feed)
    tell_failures(failures, narrator)
    return Made({"files": files, "failures": failures}, counts=counts)


def keep_transcripts(show: Show, files: Sequence[SourceFile], narrator: Narrator) -> None:
    """Copy the files of a folder into the show, and again those whose copy was changed or is gone."""
    raw = show.folder("fetch") / "raw"
    for file in keep_files(files, folder=show.transcripts, raw=raw):
        narrator.note(f"{raw / file.sha256} was changed; it is copied again from {file.location}")


FETCH = Stage[Show](
    "fetch",
    version=3,
    settings={"folder": "fetch.folder", "feed": "fetch.feed", "prefer": "fetch.prefer"},
    inputs=_inputs,
    reads=("transcripts/, or the feed",),
    writes={"files": SourceFile, "failures": Failure},
    do=_fetch,
)


# --- a feed -----------------------------------------------------------------------------------------------------------


def _open_journal(show: Show) -> Journal:
    """The journal of this feed; another feed in show.toml has another one."""
    # By the text in show.toml, not the resolved path: a show's folder may be moved.
    return Journal(show.folder("fetch") / f"journal-{hash_bytes(show.config.fetch.feed.encode())[:12]}.jsonl")


def gather_feed(show: Show, narrator: Narrator, *, ask_again: bool, refresh: bool = False) -> None:
    """Ask the show's feed for what is not there yet; nothing where the show has no feed.

    A fetch that was brought to its end is left alone unless `ask_again`; one that was stopped goes on. With `refresh`,
    what is there is asked for again; once stopped, that goes on only with `ask_again`, for nothing waits for it.

    Raises:
        SourceError: The feed or the site cannot be had; what came before is kept.
    """
    feed = show.feed
    if feed is None:
        if refresh:
            narrator.note(f"the episodes come from {show.source}, which is read anew each time: nobody is asked")
        return
    journal = _open_journal(show)
    n_changed = journal.forget_changed()
    has_all = not n_changed and (journal.is_finished or (journal.is_refreshing and journal.n_rounds > 0))
    if has_all and journal.feed is not None and not ask_again:
        return
    with narrated(narrator, "fetch", _tell_purpose(journal, refresh=refresh)) as counts:
        if n_changed:
            narrator.note(f"{n_changed:,} kept in {journal.raw} were changed since they came; they are asked for again")
        if not show.config.fetch.contact:
            narrator.note("no `contact` under [fetch] in show.toml: the sites' owners cannot reach you")
        _gather(show, feed, journal, narrator, refresh=refresh)
        for visit in journal.kept.values():
            narrator.note(f"kept as it was: {visit.message}")
        counts["new episodes"] = journal.n_new


def _tell_purpose(journal: Journal, *, refresh: bool) -> str:
    if refresh or journal.is_refreshing:
        return "asks for everything again"
    return "asks for what is new" if journal.is_finished else "asks for the episodes"


def _gather(show: Show, feed: FeedSource, journal: Journal, narrator: Narrator, *, refresh: bool) -> None:
    from econchatr.fetch.journal import Visit
    from econchatr.fetch.site import Gatherer

    client = _open_client(
        show.config.fetch,
        narrator,
        is_resuming=not journal.is_empty,
        waits=journal.waits,
        on_wait=lambda host, until: journal.add(Visit(kind="wait", at=_now(), host=host, until=until)),
    )
    try:
        Gatherer(
            feed, journal, client, _now, lambda n, n_all: narrator.progress(n, n_all, "episodes"), narrator.note
        ).gather(refresh=refresh)
    finally:
        client.close()


def look_at_feed(address: str, narrator: Narrator) -> Feed:
    """What a feed lists, asked for once and not kept.

    Args:
        address: Of the feed, or the path of a saved one.

    Raises:
        SourceError: It cannot be had, or is no feed.
    """
    from econchatr.fetch.site import ask_feed_once

    client = _open_client(FetchTable(), narrator)
    try:
        return ask_feed_once(address, client)
    finally:
        client.close()


def _open_client(settings: FetchTable, narrator: Narrator, **resumed: Any) -> PoliteClient:
    """What asks sites politely.

    Args:
        resumed: What a fetch that was stopped had come to.
    """
    from random import Random

    from econchatr.fetch.address_guard import GuardedTransport
    from econchatr.fetch.client import PoliteClient, user_agent
    from econchatr.fetch.http_answers import Manners

    manners = Manners(delay_seconds=settings.delay_seconds)
    transport = GuardedTransport(
        clock=time.monotonic, page_seconds=manners.page_seconds, allow_hosts=settings.allow_hosts
    )
    return PoliteClient(
        agent=user_agent(settings.contact),
        transport=transport,
        clock=time.monotonic,
        now=_now,
        sleep=time.sleep,
        random=Random(),
        manners=manners,
        allow_hosts=settings.allow_hosts,
        note=narrator.note,
        **resumed,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _list_pages(show: Show, feed: FeedSource) -> tuple[list[SourceFile], list[Failure], dict[str, int]]:
    """What was fetched, what was not and why, and the counts worth telling."""
    from econchatr.fetch.site import list_gathered

    journal = _open_journal(show)
    gathered = list_gathered(feed, journal)
    counts = {
        "items": gathered.n_items,
        "files": len(gathered.files),
        "new": journal.n_new,
        "missing": len(gathered.failures),
        "shared_links": gathered.n_shared,
    }
    counts |= {_FAULT + fault: n for fault, n in gathered.n_by_fault.items()}
    return gathered.files, gathered.failures, counts


def read_news(show: Show) -> News | None:
    """What the last finished fetch brought; `None` where the show has no feed."""
    manifest = read_manifest(show.folder("fetch"))
    if show.feed is None or manifest is None:
        return None
    journal = _open_journal(show)
    n_files, n_missing = manifest.counts.get("files", 0), manifest.counts.get("missing", 0)
    trained = [read_manifest(show.folder("train", rung.name)) for rung in show.config.ladder]
    times = [one.finished_at for one in trained if one is not None]
    since = None
    if times:
        since = sum(bool(visit.sha256) and visit.at > max(times) for visit in journal.pages.values())
    is_worth = since is None or since >= max(1.0, RETRAIN_SHARE * (n_files - since))
    faults = {name: n for name, n in manifest.counts.items() if name.startswith(_FAULT)}
    texts = (
        _tell_news(journal.n_new, n_files, n_missing, faults),
        _tell_refresh(journal),
        _advise(since, n_files, is_worth=is_worth),
    )
    n_again = (journal.n_changed, journal.n_same, len(journal.kept))
    return News(journal.n_new, n_files, n_missing, since, is_worth, *n_again, " ".join(filter(None, texts)))


def _tell_refresh(journal: Journal) -> str:
    """What came of asking again; empty where that was not done."""
    if not (journal.n_changed or journal.n_same or journal.kept):
        return ""
    kept = ""
    if journal.kept:
        kinds = Counter(visit.fault for visit in journal.kept.values())
        told = ", ".join(f"{n:,} {fault}" for fault, n in sorted(kinds.items()))
        kept = f", {len(journal.kept):,} could not be had again and stay as they were ({told})"
    return f"Asked again: {journal.n_changed:,} changed, {journal.n_same:,} unchanged{kept}."


def _tell_news(n_new: int, n_files: int, n_missing: int, faults: dict[str, int]) -> str:
    new = f"{n_new:,} new episode{'s' * (n_new != 1)}" if n_new else "No new episode"
    missing = ""
    if n_missing:
        kinds = ", ".join(f"{n:,} {name.removeprefix(_FAULT)}" for name, n in faults.items())
        missing = f", {n_missing:,} could not be had ({kinds})"
    return f"{new}; {n_files:,} in all{missing}."


def _advise(since: int | None, n_files: int, *, is_worth: bool) -> str:
    if since is None:
        return "No model is trained yet: `econchatr run --plan` says what it would use."
    if not since:
        return "Nothing came or changed since the models were trained."
    came = f"{since:,} came or changed since the models were trained ({since / max(1, n_files):.1%} of all)"
    if is_worth:
        return f"{came}: see `econchatr run --plan` for a quote."
    return f"{came}: perhaps too few for training again; `econchatr run --if-worth` measures it."
