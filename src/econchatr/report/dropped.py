"""Tell what was left out and why: dropped pairs, quarantined items, lines no rule could place.

Reads the reasons as they were recorded; judges none of them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from econchatr.report.blocks import Cell, Chart, Link, Table, name_columns
from econchatr.report.excerpts import LostLine
from econchatr.report.formats import MISSING, count_noun, format_count, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.svg import Mark, draw_bars

_MOST_LINES = 40
_NOT_SHOWN: Cell = "not shown"
_COUNTED = re.compile(r"(?P<part>\w+) has [\d,]+ (?P<unit>\w+), (?P<rule>.+)")
_PARTICULARS = re.compile(r"[:(]| of \S+#")


def classify_reason(reason: str) -> str:
    """Give the class of a reason: the rule it names, without the count, the person or the pair it was applied to.

    >>> classify_reason("reply has 12 tokens, 2023 keeps more than 20")
    'reply: 2023 keeps more than 20 tokens'
    >>> classify_reason("duplicate of 2021-02-11-bees#3")
    'duplicate'
    """
    counted = _COUNTED.match(reason)
    if counted:
        return f"{counted['part']}: {counted['rule']} {counted['unit']}"
    if reason.startswith("cue is spoken by "):
        return "cue is not spoken by a guest"
    return _PARTICULARS.split(reason, maxsplit=1)[0].strip() or "no reason recorded"


def chart_dropped(material: ReportMaterial) -> Chart | None:
    """Draw the dropped pairs by class of reason, most first; `None` when no pair was dropped."""
    counts = Counter(classify_reason(pair.reason) for pair in material.pairs if not pair.is_kept)
    if not counts:
        return None
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    n_pairs, n_dropped = len(material.pairs), sum(counts.values())
    title = "Dropped pairs by reason"
    told = f"{format_count(n_dropped)} of {count_noun(n_pairs, 'pair')} dropped"
    marks = [Mark("k-base", reason, count) for reason, count in ranked]
    rows = [(reason, format_count(count), format_share(count / n_pairs, 1)) for reason, count in ranked]
    rows.append(("kept", format_count(n_pairs - n_dropped), format_share((n_pairs - n_dropped) / n_pairs, 1)))
    return Chart(
        "fig-dropped",
        title,
        draw_bars("fig-dropped", title, f"{told}; most often: {ranked[0][0]}.", marks),
        Table("fig-dropped-table", title, name_columns("reason", "#pairs", "#share of all pairs"), tuple(rows)),
        note=f"{told}.",
    )


def tabulate_failures(material: ReportMaterial) -> Table | None:
    """List every item a stage could not do, with its error; `None` when there is none."""
    if not material.failures:
        return None
    shown = {(one.item, one.why): Link("how it begins", f"#{one.key}") for one in lay_out_openings(material)}
    rows = tuple(
        (
            fail.item,
            fail.stage,
            fail.error,
            fail.message,
            fail.hint or MISSING,
            shown.get((fail.item, fail.message), _NOT_SHOWN),
        )
        for fail in material.failures
    )
    caption = f"Quarantined: {count_noun(len(rows), 'item')}"
    columns = name_columns("item", "stage", "error", "message", "what to do", "its text")
    return Table("failures", caption, columns, rows)


def tabulate_doubts(material: ReportMaterial) -> Table | None:
    """List the episodes whose file is doubtful as a whole, and those in another language than most; `None`: none is."""
    languages = Counter(episode.language for episode in material.episodes if episode.language)
    usual = languages.most_common(1)[0][0] if languages else ""
    rows = tuple(
        (episode.title, episode.language or MISSING, episode.doubt or f"in another language than most ({usual})")
        for episode in material.episodes
        if episode.doubt or (episode.language and episode.language != usual)
    )
    if not rows:
        return None
    caption = f"Used, but doubtful: {count_noun(len(rows), 'episode')}"
    return Table("doubts", caption, name_columns("episode", "language", "what is doubtful"), rows)


def tabulate_unplaced(material: ReportMaterial) -> Table | None:
    """List the lines that no rule could place, episode by episode; `None` when every line was placed."""
    lines = [(episode.slug, line) for episode in material.episodes for line in episode.unplaced]
    n_lines = sum(episode.n_unplaced_lines for episode in material.episodes)
    if not n_lines:
        return None
    n_chars = sum(episode.n_unplaced_chars for episode in material.episodes)
    n_texts = sum(episode.n_placed_chars + episode.n_flagged_chars for episode in material.episodes) + n_chars
    share = format_share(n_chars / n_texts if n_texts else None, 2)
    shown = min(len(lines), _MOST_LINES)
    return Table(
        "unplaced",
        f"Unplaced: {count_noun(n_lines, 'line')}",
        name_columns("episode", "line"),
        tuple(lines[:_MOST_LINES]),
        note=f"{count_noun(n_chars, 'character')} ({share} of the text). "
        + ("All lines are shown." if shown == n_lines else f"The first {shown} are shown."),
    )


@dataclass(frozen=True, slots=True)
class ShownOpening:
    """How a quarantined file begins."""

    key: str
    item: str
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownLine:
    """An unplaced line in its file."""

    key: str
    line: LostLine
    title: str
    """Of its episode."""
    location: str
    href: str
    """Where the page lists the episode; empty: nowhere."""


def lay_out_openings(material: ReportMaterial) -> tuple[ShownOpening, ...]:
    """Show how each quarantined file begins of which something was kept."""
    return tuple(
        ShownOpening(f"opening-{number}", one.failure.item, one.failure.message, one.opening)
        for number, one in enumerate(material.parsed.set_aside, start=1)
        if one.opening
    )


def lay_out_lines(material: ReportMaterial) -> tuple[ShownLine, ...]:
    """Show each unplaced line that was looked up in its file."""
    episodes = {episode.slug: episode for episode in material.episodes}
    shown = []
    for number, line in enumerate(material.parsed.lost_lines, start=1):
        episode = episodes.get(line.slug)
        title, location, href = line.slug, "", ""
        if episode is not None:
            title, location, href = episode.title, episode.location, f"#episode-{episode.rank}"
        shown.append(ShownLine(f"line-{number}", line, title, location, href))
    return tuple(shown)
