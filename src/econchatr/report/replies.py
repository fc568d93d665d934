"""Show the held-out replies that training helped most and least: what was said, and what it saved.

Reads bits as they were measured; a short reply's bits per byte swing by chance, so the shortest ones are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from econchatr.records import HeldOutReply
from econchatr.report.excerpts import drop_middle, keep_end
from econchatr.report.formats import count_noun, format_count, format_date, format_decimal
from econchatr.report.material import ReportMaterial

MIN_BYTES = 60
"""A reply shorter than this is not shown, where enough are longer."""
N_SHOWN = 3
_MOST_CUE_CHARS = 300
_MOST_REPLY_CHARS = 600


@dataclass(frozen=True, slots=True)
class ShownReply:
    """One real reply with its cue, and what training saved on it."""

    cue: str
    reply: str
    saved: str
    """Bits per byte, before and after, in words."""
    source: str


@dataclass(frozen=True, slots=True)
class ShownReplies:
    """The best and the worst of one rung."""

    rung: str
    told: str
    best: tuple[ShownReply, ...]
    worst: tuple[ShownReply, ...]


def lay_out_replies(material: ReportMaterial) -> tuple[ShownReplies, ...]:
    """Give the host's held-out replies that training helped most and least, per rung; empty: none was kept."""
    rungs = dict.fromkeys(row.rung for row in material.replies)
    sources = _name_sources(material)
    return tuple(_lay_out(rung, _list_host(material.replies, rung), sources) for rung in rungs)


def _list_host(replies: Sequence[HeldOutReply], rung: str) -> list[HeldOutReply]:
    own = [row for row in replies if row.rung == rung and row.side == "host" and _is_measured(row)]
    long = [row for row in own if row.n_bytes >= MIN_BYTES]
    return long if len(long) >= 2 * N_SHOWN else own


def _is_measured(row: HeldOutReply) -> bool:
    return row.n_bytes > 0 and math.isfinite(row.base_bits) and math.isfinite(row.tuned_bits)


def _lay_out(rung: str, replies: Sequence[HeldOutReply], sources: dict[str, str]) -> ShownReplies:
    ranked = sorted(replies, key=lambda row: (-_save(row), row.pair_id))
    n = min(N_SHOWN, len(ranked) // 2) or len(ranked[:1])
    n_helped = sum(_save(row) > 0 for row in ranked)
    told = (
        f"Of {format_count(len(ranked))} replies that no model had seen, training left {rung} less surprised by "
        f"{format_count(n_helped)}."
    )
    worst = ranked[len(ranked) - n :] if len(ranked) > 1 else []
    return ShownReplies(
        rung,
        told,
        tuple(_show(row, sources) for row in ranked[:n]),
        tuple(_show(row, sources) for row in reversed(worst)),
    )


def _save(row: HeldOutReply) -> float:
    return (row.base_bits - row.tuned_bits) / row.n_bytes


def _show(row: HeldOutReply, sources: dict[str, str]) -> ShownReply:
    before, after, saved = row.base_bits / row.n_bytes, row.tuned_bits / row.n_bytes, _save(row)
    change = f"{format_decimal(abs(saved), 3)} bits per byte {'saved' if saved >= 0 else 'lost'}"
    return ShownReply(
        keep_end(" ".join(row.cue.split()), _MOST_CUE_CHARS),
        drop_middle(row.reply.strip(), _MOST_REPLY_CHARS),
        f"{change} ({format_decimal(before, 3)} before, {format_decimal(after, 3)} after; "
        f"{count_noun(row.n_bytes, 'byte')})",
        sources.get(row.pair_id.rsplit("#", 1)[0], row.pair_id),
    )


def _name_sources(material: ReportMaterial) -> dict[str, str]:
    return {
        episode.slug: episode.title
        if episode.published is None
        else f"{episode.title}, {format_date(episode.published)}"
        for episode in material.episodes
    }
