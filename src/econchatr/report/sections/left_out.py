"""The section on what was left out and why: dropped pairs, quarantined items, lines no rule could place.

Reads the reasons as they were recorded; judges none of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from econchatr.report.flagged import chart_flags, name_episode, show_flags, tabulate_reasons
from econchatr.report.formats import MISSING, count_noun, format_count, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import (
    Block,
    Cell,
    Chart,
    Folded,
    Link,
    Paragraph,
    Passage,
    Section,
    Stretch,
    Table,
    fold_table,
    keep,
    name_columns,
    say_absent,
)
from econchatr.report.svg import Mark, draw_bars

_MOST_LINES = 40
_NOT_SHOWN: Cell = "not shown"
_COUNTED = re.compile(r"(?P<part>\w+) has [\d,]+ (?P<unit>\w+), (?P<rule>.+)")
_PARTICULARS = re.compile(r"[:(]| of \S+#")


def left_out_section(material: ReportMaterial) -> Section:
    """Give the section."""
    openings = show_openings(material)
    blocks = keep(
        chart_dropped(material) or say_absent("No pair was dropped."),
        *_list_flags(material),
        tabulate_failures(material) or say_absent("Nothing was quarantined."),
        Folded(f"How {len(openings)} of these files begin", openings) if openings else None,
        tabulate_doubts(material),
        *_list_unplaced(material),
    )
    return Section("dropped", "What was left out, and why", blocks, menu="Left out")


def _list_flags(material: ReportMaterial) -> Iterator[Block | None]:
    chart = chart_flags(material.parsed.flagged)
    if chart is None:
        yield say_absent("Nothing was flagged.")
        return
    yield chart
    yield fold_table(tabulate_reasons(material.parsed.flagged))
    note = Paragraph("These words stand in the transcripts; no model made them.", "note")
    kinds = show_flags(material, is_listed=False)
    yield Folded("Flagged stretches in context, some of each kind", (note, *kinds))


def _list_unplaced(material: ReportMaterial) -> Iterator[Block | None]:
    unplaced = tabulate_unplaced(material)
    if unplaced is None:
        yield say_absent("Every line of every episode was placed.")
        return
    yield fold_table(unplaced)
    if lines := show_lines(material, is_listed=False):
        yield Folded(f"{len(lines)} of these lines in their files", lines)


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
    shown = {
        (one.failure.item, one.failure.message): Link("how it begins", f"#{_name_opening(number)}")
        for number, one in enumerate(material.parsed.set_aside, start=1)
        if one.opening
    }
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


def show_openings(material: ReportMaterial) -> tuple[Passage, ...]:
    """Show how each quarantined file begins of which something was kept."""
    return tuple(
        Passage(
            (Stretch(one.opening),),
            one.failure.item,
            "how it begins",
            key=_name_opening(number),
            is_file=True,
            why=one.failure.message,
        )
        for number, one in enumerate(material.parsed.set_aside, start=1)
        if one.opening
    )


def _name_opening(number: int) -> str:
    return f"opening-{number}"


def show_lines(material: ReportMaterial, *, is_listed: bool) -> tuple[Passage, ...]:
    """Show each unplaced line that was looked up in its file.

    Args:
        is_listed: The page lists the episodes, so that a line can lead to its own.
    """
    episodes = {episode.slug: episode for episode in material.episodes}
    shown = []
    for number, line in enumerate(material.parsed.lost_lines, start=1):
        episode = episodes.get(line.slug)
        stretches = (Stretch(line.before), Stretch(line.line, is_marked=True), Stretch(line.after))
        shown.append(
            Passage(
                stretches,
                name_episode(episode, is_listed=is_listed) if episode else line.slug,
                episode.location if episode else "",
                key=f"line-{number}",
                is_file=True,
            )
        )
    return tuple(shown)
