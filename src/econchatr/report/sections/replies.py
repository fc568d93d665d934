"""The section on the held-out replies that training helped most and least.

Reads bits as they were measured; a short reply's bits per byte swing by chance, so the shortest ones are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from econchatr.display import name_hosts
from econchatr.records import HeldOutReply
from econchatr.report.blocks import Block, Box, Paragraph, Part, Passage, Section, Spoken, Stretch, keep, say_absent
from econchatr.report.excerpts import drop_middle, keep_end
from econchatr.report.formats import count_noun, format_count, format_date, format_decimal
from econchatr.report.material import ReportMaterial

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
