"""Tell what was left out and why: dropped pairs, quarantined items, lines no rule could place.

Reads the reasons as they were recorded; judges none of them.
"""

from __future__ import annotations

import re
from collections import Counter

from econchatr.report.blocks import Chart, Table, name_columns
from econchatr.report.formats import count_noun, format_count, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.svg import Mark, draw_bars

_MOST_LINES = 40
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
    rows = tuple((fail.item, fail.stage, fail.error, fail.message) for fail in material.failures)
    caption = f"Quarantined: {count_noun(len(rows), 'item')}"
    return Table("failures", caption, name_columns("item", "stage", "error", "message"), rows)


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
