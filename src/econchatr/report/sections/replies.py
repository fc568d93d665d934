"""The section on the held-out replies that training helped most and least.

Reads bits as they were measured; a short reply's bits per byte swing by chance, so the shortest ones are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from econchatr.display import name_hosts
from econchatr.records import HeldOutReply, Score
from econchatr.report.counts import drop_middle, keep_end
from econchatr.report.formats import MISSING, count_noun, format_count, format_date, format_decimal, format_interval
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import (
    Block,
    Box,
    Paragraph,
    Part,
    Passage,
    Section,
    Spoken,
    Stretch,
    keep,
    say_absent,
)
from econchatr.report.scorebook import CHANGE, GUEST_REPLIES, HOST_REPLIES, HOST_SHARE, Fall, compute_fall, find_score

_MIN_BYTES = 60
"""A reply shorter than this is not shown, where enough are longer."""
_N_SHOWN = 3
_MOST_CUE_CHARS = 300
_MOST_REPLY_CHARS = 600


def replies_section(material: ReportMaterial) -> Section:
    """Give the host's held-out replies that training helped most and least, per rung."""
    rungs = tuple(dict.fromkeys(row.rung for row in material.replies))
    sources, host = _name_sources(material), name_hosts(material.hosts)
    blocks = list[Block]()
    for index, rung in enumerate(rungs, start=1):
        shown = _lay_out(rung, _list_host(material.replies, rung), sources, index=index, host=host)
        blocks += shown if len(rungs) == 1 else [Part(rung, shown)]
    absent = say_absent("Which held-out replies training helped, was not kept.")
    return Section("replies", "Where training helped, and where not", tuple(blocks) or (absent,), menu="Best and worst")


def _list_host(replies: Sequence[HeldOutReply], rung: str) -> list[HeldOutReply]:
    own = [row for row in replies if row.rung == rung and row.side == "host" and _is_measured(row)]
    long = [row for row in own if row.n_bytes >= _MIN_BYTES]
    return long if len(long) >= 2 * _N_SHOWN else own


def _is_measured(row: HeldOutReply) -> bool:
    return row.n_bytes > 0 and math.isfinite(row.base_bits) and math.isfinite(row.tuned_bits)


def _lay_out(
    rung: str, replies: Sequence[HeldOutReply], sources: dict[str, str], *, index: int, host: str
) -> tuple[Block, ...]:
    ranked = sorted(replies, key=lambda row: (-_save(row), row.pair_id))
    n = min(_N_SHOWN, len(ranked) // 2) or len(ranked[:1])
    n_helped = sum(_save(row) > 0 for row in ranked)
    told = (
        f"Of {format_count(len(ranked))} replies that no model had seen, training left {rung} less surprised by "
        f"{format_count(n_helped)}. These are true words of {host}, from episodes that were held out."
    )
    best = tuple(_show(row, sources) for row in ranked[:n])
    worst = tuple(_show(row, sources) for row in reversed(ranked[len(ranked) - n :])) if len(ranked) > 1 else ()
    parts = keep(
        Part("Helped most", best, key=f"best-{index}"),
        Part("Helped least", worst, key=f"worst-{index}") if worst else None,
    )
    return Paragraph(told, "lede"), Box("pair even", parts)


def _save(row: HeldOutReply) -> float:
    return (row.base_bits - row.tuned_bits) / row.n_bytes


def _show(row: HeldOutReply, sources: dict[str, str]) -> Passage:
    before, after, saved = row.base_bits / row.n_bytes, row.tuned_bits / row.n_bytes, _save(row)
    change = f"{format_decimal(abs(saved), 3)} bits per byte {'saved' if saved >= 0 else 'lost'}"
    return Passage(
        (Stretch(drop_middle(row.reply.strip(), _MOST_REPLY_CHARS)),),
        sources.get(row.pair_id.rsplit("#", 1)[0], row.pair_id),
        previous=Spoken("Said to the host", keep_end(" ".join(row.cue.split()), _MOST_CUE_CHARS)),
        remark=f"{change} ({format_decimal(before, 3)} before, {format_decimal(after, 3)} after; "
        f"{count_noun(row.n_bytes, 'byte')})",
    )


def _name_sources(material: ReportMaterial) -> dict[str, str]:
    return {
        episode.slug: episode.title
        if episode.published is None
        else f"{episode.title}, {format_date(episode.published)}"
        for episode in material.episodes
    }


_RATHER = " rather than the show"


def tell_surprise(material: ReportMaterial, rung: str) -> str:
    """Say by how much training left a rung less surprised by the host, and whether by the host more than by guests."""
    host = compute_fall(material.scores, rung=rung, subject=HOST_REPLIES)
    guest = compute_fall(material.scores, rung=rung, subject=GUEST_REPLIES)
    name = name_hosts(material.hosts)
    sentence = _tell_fall(rung, name, host, guest)
    if isinstance(host, str) or host.percent <= 0:
        return sentence
    share = find_score(material.scores, HOST_SHARE, rung=rung, variant=CHANGE)
    weighed = _weigh(host, guest, name) if share is None or share.value is None else _weigh_share(share, name)
    return f"{sentence} {weighed}"


def _tell_fall(rung: str, name: str, host: Fall | str, guest: Fall | str) -> str:
    if isinstance(host, str):
        unknown = f"Whether training taught {rung} anything of {name} is not known"
        return f"{unknown}: the held-out replies are not scored ({host})."
    size = f"{format_decimal(abs(host.percent), 1)}%"
    span = f"95% interval {format_interval(host.low, host.high, 1)}%"
    told = f"what {name} really said in episodes it had never seen"
    if host.low is None:
        direction = "less" if host.percent >= 0 else "more"
        sentence = (
            f"Training left {rung} {size} {direction} surprised by {told}, without an interval to say how sure that is"
        )
    elif not host.is_clear:
        sentence = f"Training made no clear difference to how well {rung} foresees {told} ({span})"
    elif host.percent > 0:
        sentence = f"Training left {rung} {size} less surprised by {told} ({span})"
    else:
        sentence = f"Training made {rung} worse: {size} more surprised by {told} (95% interval {_span_of_rise(host)}%)"
    return f"{sentence}; {_tell_guests(guest)}."


def _span_of_rise(fall: Fall) -> str:
    if fall.low is None or fall.high is None:
        return MISSING
    return format_interval(-fall.high, -fall.low, 1)


def _tell_guests(guest: Fall | str) -> str:
    if isinstance(guest, str):
        return f"for the guests there is no score to compare ({guest})"
    size = f"{format_decimal(abs(guest.percent), 1)}%"
    if guest.low is None or guest.high is None:
        return f"by the guests, {size} {'less' if guest.percent >= 0 else 'more'}"
    if not guest.is_clear:
        return f"for the guests there is no clear difference ({format_interval(guest.low, guest.high, 1)}% less)"
    if guest.percent > 0:
        return f"by the guests, {size} less ({format_interval(guest.low, guest.high, 1)}%)"
    return f"by the guests, {size} more ({_span_of_rise(guest)}%)"


def _weigh_share(share: Score, name: str) -> str:
    """Judge by the measured difference of the two savings, whose interval is narrower than the two set side by side."""
    size = f"{format_decimal(share.value, 3)} bits per byte"
    if share.low is None or share.high is None:
        return f"Training saves {size} more on {name} than on the guests, but no interval says how sure that is."
    span = f"{size}, 95% interval {format_interval(share.low, share.high, 3)}"
    if share.low > 0:
        return f"Training saves more on {name} than on the guests ({span}): shared subjects do not explain it all."
    if share.high < 0:
        return f"Training saves less on {name} than on the guests ({span}), so it did not learn {name}{_RATHER}."
    return (
        f"What training saves on {name} beyond the guests cannot be told from nothing ({span}), so this does not "
        f"show that the model learned {name}{_RATHER}."
    )


def _weigh(host: Fall, guest: Fall | str, name: str) -> str:
    if isinstance(guest, str) or host.low is None or host.high is None or guest.low is None or guest.high is None:
        return f"Without an interval for host and guests, this does not show that the model learned {name}{_RATHER}."
    if host.low > guest.high:
        return (
            f"The gain on {name} is larger than on the guests by more than both intervals, so subjects that both "
            "share do not explain all of it."
        )
    if host.high < guest.low:
        return f"The guests gained more than {name}, so this does not show that the model learned {name}{_RATHER}."
    return f"The two intervals overlap, so this alone does not show that the model learned {name}{_RATHER}."
