"""The section on the held-out replies that training helped most and least, and what is said of surprise elsewhere.

A short reply's bits per byte swing by chance, so the shortest ones are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from econchatr.display import name_hosts
from econchatr.records import HeldOutReply, Score
from econchatr.records.measures import GUEST_REPLIES, HOST_LESS_GUEST, HOST_REPLIES, TUNED_MINUS_BASE, Measure
from econchatr.report.counts import Neighbour, drop_middle, keep_end
from econchatr.report.formats import MISSING, count_noun, format_count, format_decimal, format_interval, format_source
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import (
    Block,
    Box,
    Chart,
    LegendEntry,
    Paragraph,
    Part,
    Passage,
    Section,
    Stretch,
    Table,
    keep,
    name_columns,
    say_absent,
)
from econchatr.report.svg import Datum, Group, draw_intervals

_MIN_BYTES = 60
"""A reply shorter than this is not shown, where enough are longer."""
_N_SHOWN = 3
_MOST_CUE_CHARS = 300
_MOST_REPLY_CHARS = 600


def replies_section(material: ReportMaterial) -> Section:
    """Give the host's held-out replies that training helped most and least, per rung."""
    rungs = tuple(dict.fromkeys(row.rung for row in material.replies))
    blocks = list[Block]()
    for index, rung in enumerate(rungs, start=1):
        shown = _lay_out(material, rung, index)
        blocks += shown if len(rungs) == 1 else [Part(rung, shown)]
    absent = say_absent("Which held-out replies training helped, was not kept.")
    return Section("replies", "Where training helped, and where not", tuple(blocks) or (absent,), menu="Best and worst")


def _lay_out(material: ReportMaterial, rung: str, index: int) -> tuple[Block, ...]:
    ranked = sorted(_list_replies(material.replies, rung), key=lambda row: (-_save(row), row.pair_id))
    n = min(_N_SHOWN, len(ranked) // 2) or len(ranked[:1])
    n_helped = sum(_save(row) > 0 for row in ranked)
    told = (
        f"Of {format_count(len(ranked))} replies that no model had seen, training left {rung} less surprised by "
        f"{format_count(n_helped)}. These are true words of {name_hosts(material.hosts)}, from episodes that were held "
        "out."
    )
    sources = {episode.slug: format_source(episode.title, episode.published) for episode in material.episodes}
    best = tuple(_show(row, sources) for row in ranked[:n])
    worst = tuple(_show(row, sources) for row in reversed(ranked[len(ranked) - n :])) if len(ranked) > 1 else ()
    parts = keep(
        Part("Helped most", best, key=f"best-{index}"),
        Part("Helped least", worst, key=f"worst-{index}") if worst else None,
    )
    return Paragraph(told, "lede"), Box("pair even", parts)


def _list_replies(replies: Sequence[HeldOutReply], rung: str) -> list[HeldOutReply]:
    own = [
        row
        for row in replies
        if row.rung == rung
        and row.side == "host"
        and row.n_bytes > 0
        and math.isfinite(row.base_bits)
        and math.isfinite(row.tuned_bits)
    ]
    long = [row for row in own if row.n_bytes >= _MIN_BYTES]
    return long if len(long) >= 2 * _N_SHOWN else own


def _save(row: HeldOutReply) -> float:
    return (row.base_bits - row.tuned_bits) / row.n_bytes


def _show(row: HeldOutReply, sources: dict[str, str]) -> Passage:
    before, after, saved = row.base_bits / row.n_bytes, row.tuned_bits / row.n_bytes, _save(row)
    change = f"{format_decimal(abs(saved), 3)} bits per byte {'saved' if saved >= 0 else 'lost'}"
    return Passage(
        (Stretch(drop_middle(row.reply.strip(), _MOST_REPLY_CHARS)),),
        sources.get(row.pair_id.rsplit("#", 1)[0], row.pair_id),
        previous=Neighbour(speaker="Said to the host", text=keep_end(" ".join(row.cue.split()), _MOST_CUE_CHARS)),
        remark=f"{change} ({format_decimal(before, 3)} before, {format_decimal(after, 3)} after; "
        f"{count_noun(row.n_bytes, 'byte')})",
    )


# --- by how much surprise fell ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fall:
    """By how many percent bits per byte fell from the base to the tuned model; negative when they rose."""

    before: Score
    after: Score
    percent: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero; without an interval nothing is clear."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def span(self) -> str:
        """The interval of the fall, in words; a dash: there is none."""
        return format_interval(self.low, self.high, 1)

    @property
    def span_of_rise(self) -> str:
        """The same interval with the signs of a rise."""
        return MISSING if self.low is None or self.high is None else format_interval(-self.high, -self.low, 1)


def compute_fall(material: ReportMaterial, rung: str, subject: str) -> Fall | str:
    """Give the fall of bits per byte in percent of the base model's value, or why there is none.

    The interval is that of the difference, divided by the base value as if that were exact.
    """
    measure = Measure.BITS_PER_BYTE
    before, after = (material.find_score(measure, rung, variant, subject) for variant in ("base", "tuned"))
    for score, name in ((before, "before training"), (after, "after training")):
        if score is None:
            return f"there is no score {name}"
        if score.value is None:
            return score.reason or f"no reason was given {name}"
    if before is None or after is None or not before.value or after.value is None:
        return "the value before training is zero"
    change = material.find_score(measure, rung, TUNED_MINUS_BASE, subject)
    if change is None or change.value is None:
        return Fall(before, after, 100 * (before.value - after.value) / before.value, None, None)
    to_percent = -100 / before.value
    low = None if change.high is None else change.high * to_percent
    high = None if change.low is None else change.low * to_percent
    return Fall(before, after, change.value * to_percent, low, high)


def chart_bits(material: ReportMaterial) -> Chart | None:
    """Draw bits per byte before and after training, host and guests, with intervals; `None` when none is scored."""
    rungs = material.scored_rungs
    groups, rows, told = [], [], []
    for rung in rungs:
        for subject, who in ((HOST_REPLIES, name_hosts(material.hosts)), (GUEST_REPLIES, "The guests")):
            fall = compute_fall(material, rung, subject)
            title = who if len(rungs) == 1 else f"{who}, {rung}"
            if isinstance(fall, str):
                rows.append((title, "not scored", "not scored", fall, MISSING))
                continue
            # A falling measure is shown with the sign of its change, as the axis runs.
            change = f"{format_decimal(-fall.percent, 1)}%"
            groups.append(Group(title, change, (_draw_bits("k-base", fall.before), _draw_bits("k-tuned", fall.after))))
            before, after = _tell_bits(fall.before), _tell_bits(fall.after)
            span = fall.span_of_rise
            rows.append((title, before, after, change, span if span == MISSING else f"{span}%"))
            told.append(f"{title}: {before} before, {after} after, {change}.")
    if not groups:
        return None
    return Chart(
        "fig-bits",
        "How surprised the model is by replies it never saw",
        " ".join(told),
        draw_intervals(groups),
        Table(
            "fig-bits-table",
            "Bits per byte of held-out replies, with 95% intervals",
            name_columns("who speaks", "#before", "#after", "#change", "#95% interval of the change"),
            tuple(rows),
        ),
        legend=(LegendEntry("dot k-base", "before"), LegendEntry("dot k-tuned", "after training")),
        note="Bits per byte: lower is less surprised. Lines are 95% intervals; the axis does not begin at zero.",
    )


def _draw_bits(style: str, score: Score) -> Datum:
    value = score.value if score.value is not None else 0.0
    return Datum(style, format_decimal(value, 3), value, score.low, score.high)


def _tell_bits(score: Score) -> str:
    span = "" if score.low is None else f" ({format_interval(score.low, score.high, 3)})"
    return f"{format_decimal(score.value, 3)}{span}"


# --- in words ---------------------------------------------------------------------------------------------------------

_RATHER = " rather than the show"


def tell_surprise(material: ReportMaterial, rung: str) -> str:
    """Say by how much training left a rung less surprised by the host, and whether by the host more than by guests."""
    host = compute_fall(material, rung, HOST_REPLIES)
    guest = compute_fall(material, rung, GUEST_REPLIES)
    name = name_hosts(material.hosts)
    sentence = _tell_fall(rung, name, host, guest)
    if isinstance(host, str) or host.percent <= 0:
        return sentence
    share = material.find_score(Measure.HOST_BITS_SAVED, rung, TUNED_MINUS_BASE, HOST_LESS_GUEST)
    weighed = _weigh(host, guest, name) if share is None or share.value is None else _weigh_share(share, name)
    return f"{sentence} {weighed}"


def _tell_fall(rung: str, name: str, host: Fall | str, guest: Fall | str) -> str:
    if isinstance(host, str):
        unknown = f"Whether training taught {rung} anything of {name} is not known"
        return f"{unknown}: the held-out replies are not scored ({host})."
    size = f"{format_decimal(abs(host.percent), 1)}%"
    span = f"95% interval {host.span}%"
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
        sentence = f"Training made {rung} worse: {size} more surprised by {told} (95% interval {host.span_of_rise}%)"
    return f"{sentence}; {_tell_guests(guest)}."


def _tell_guests(guest: Fall | str) -> str:
    if isinstance(guest, str):
        return f"for the guests there is no score to compare ({guest})"
    size = f"{format_decimal(abs(guest.percent), 1)}%"
    if guest.low is None or guest.high is None:
        return f"by the guests, {size} {'less' if guest.percent >= 0 else 'more'}"
    if not guest.is_clear:
        return f"for the guests there is no clear difference ({guest.span}% less)"
    if guest.percent > 0:
        return f"by the guests, {size} less ({guest.span}%)"
    return f"by the guests, {size} more ({guest.span_of_rise}%)"


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
