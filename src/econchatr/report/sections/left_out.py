"""The section on what was left out and why: dropped pairs, flagged stretches, quarantined items, unplaced lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from econchatr.records import Episode
from econchatr.report.counts import NOBODY, Effect, Excerpt, FlagCount, FlaggedSpeech
from econchatr.report.formats import MISSING, count_noun, format_clock, format_count, format_date, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import (
    Block,
    Cell,
    Chart,
    Folded,
    LegendEntry,
    Link,
    More,
    Paragraph,
    Part,
    Passage,
    Section,
    Stretch,
    Table,
    fold_table,
    keep,
    name_columns,
    say_absent,
    tabulate,
)
from econchatr.report.svg import Datum, draw_bars

_MOST_LINES = 40


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


# --- dropped pairs ----------------------------------------------------------------------------------------------------

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
    return Chart(
        "fig-dropped",
        title,
        f"{told}; most often: {ranked[0][0]}.",
        draw_bars([Datum("k-base", reason, count) for reason, count in ranked]),
        tabulate(
            "fig-dropped-table",
            title,
            [*ranked, ("kept", n_pairs - n_dropped)],
            {
                "reason": lambda row: row[0],
                "#pairs": lambda row: format_count(row[1]),
                "#share of all pairs": lambda row: format_share(row[1] / n_pairs, 1),
            },
        ),
        note=f"{told}.",
    )


# --- flagged stretches ------------------------------------------------------------------------------------------------

_EFFECT_WORDS: dict[Effect, str] = {
    "cut": "is cut out of pairs",
    "weighed": "drops a reply it is half of",
    "kept": "stays in pairs",
}
_MOST_REASONS = 8
_MOST_AT_ONCE = 5


def chart_flags(flagged: FlaggedSpeech) -> Chart | None:
    """Draw the flags by kind, most first, with a link to where some of each are shown; `None` without a flag."""
    if not flagged.n_flags:
        return None
    title, most = "Flagged stretches by kind", flagged.kinds[0]
    told = (
        f"{count_noun(flagged.n_flags, 'flag')} on {count_noun(flagged.n_turns, 'turn')}; "
        f"most often {most.kind} ({format_count(most.n_flags)})."
    )
    numbers = {count.kind: number for number, count in enumerate(flagged.kinds, start=1)}
    shown = {count.effect for count in flagged.kinds}
    return Chart(
        "fig-flags",
        title,
        told,
        draw_bars([Datum(f"k-{count.effect}", count.kind, count.n_flags) for count in flagged.kinds]),
        tabulate(
            "fig-flags-table",
            title,
            flagged.kinds,
            {
                "kind": lambda count: count.kind,
                "#flags": lambda count: format_count(count.n_flags),
                "#turns": lambda count: format_count(count.n_turns),
                "#episodes": lambda count: format_count(count.n_episodes),
                "#words": lambda count: format_count(count.n_words),
                "in pairs": lambda count: _EFFECT_WORDS[count.effect],
                "in context": lambda count: (
                    Link(_tell_shown(count), f"#flag-{numbers[count.kind]}") if count.excerpts else "none shown"
                ),
            },
        ),
        legend=tuple(LegendEntry(f"k-{effect}", words) for effect, words in _EFFECT_WORDS.items() if effect in shown),
        note="A flag is a doubt, with its reason. Nothing is deleted; pairs leave out what is cut out of them.",
    )


def _tell_shown(count: FlagCount) -> str:
    """Say how many of a kind's stretches are shown: `All 13`, `100 of 3,329`."""
    n_shown = len(count.excerpts)
    return f"All {format_count(n_shown)}" if n_shown == count.n_flags else f"{n_shown:,} of {count.n_flags:,}"


def tabulate_reasons(flagged: FlaggedSpeech) -> Table | None:
    """List the reasons of each kind, the most frequent eight and the rest together; `None` without a flag."""
    rows = list[tuple[str, ...]]()
    for count in flagged.kinds:
        rest = sum(one.n_flags for one in count.reasons[_MOST_REASONS:])
        reasons = [(one.reason, one.n_flags) for one in count.reasons[:_MOST_REASONS]]
        if rest:
            reasons.append((count_noun(len(count.reasons) - _MOST_REASONS, "other reason"), rest))
        rows += [(count.kind, why, format_count(n), format_share(n / count.n_flags, 1)) for why, n in reasons]
    if not rows:
        return None
    columns = name_columns("kind", "reason", "#flags", "#share of its kind")
    return Table("reasons", "Why it was flagged", columns, tuple(rows), note="N stands for a number.")


def show_flags(material: ReportMaterial, *, is_listed: bool) -> tuple[Part, ...]:
    """Show every excerpt, kind by kind, the most frequent kind first: some at once, the others to unfold.

    Args:
        is_listed: The page lists the episodes, so that an excerpt can lead to its own.
    """
    episodes = {episode.slug: episode for episode in material.episodes}
    kinds = []
    for number, count in enumerate(material.parsed.flagged.kinds, start=1):
        key = f"flag-{number}"
        shown = tuple(
            _show_excerpt(excerpt, episodes.get(excerpt.slug), f"{key}-{place}", is_listed=is_listed)
            for place, excerpt in enumerate(count.excerpts, start=1)
        )
        told = f"{_tell_shown(count)} shown. Such a stretch {_EFFECT_WORDS[count.effect]}."
        first, rest = shown[:_MOST_AT_ONCE], shown[_MOST_AT_ONCE:]
        more = More(f"{len(rest)} more of {count.kind}", rest) if rest else None
        blocks = keep(Paragraph(told, "note"), *first, more)
        kinds.append(Part(count.kind, blocks, key=key, style="kind-shown"))
    return tuple(kinds)


def _show_excerpt(excerpt: Excerpt, episode: Episode | None, key: str, *, is_listed: bool) -> Passage:
    clock = format_clock(excerpt.start_seconds)
    facts = [
        format_date(episode.published) if episode and episode.published else "",
        f"at {clock}" if clock else "",
        # As pairs are named, so that a stretch can be found in the tables and among the pairs.
        f"{excerpt.slug}#{excerpt.position}",
    ]
    return Passage(
        (Stretch(excerpt.before), Stretch(excerpt.said, is_marked=True), Stretch(excerpt.after)),
        _name_episode(episode, excerpt.slug, is_listed=is_listed),
        ", ".join(filter(None, facts)),
        key=key,
        speaker=(excerpt.speaker or NOBODY, excerpt.role),
        previous=excerpt.previous,
        following=excerpt.following,
        why=excerpt.reason or "no reason recorded",
    )


def _name_episode(episode: Episode | None, slug: str, *, is_listed: bool) -> Cell:
    if episode is None:
        return slug
    return Link(episode.title, f"#episode-{episode.rank}") if is_listed else episode.title


# --- quarantined and doubtful files -----------------------------------------------------------------------------------


def tabulate_failures(material: ReportMaterial) -> Table | None:
    """List every item a stage could not do, with its error; `None` when there is none."""
    if not material.failures:
        return None
    openings: dict[tuple[str, str], Cell] = {
        (one.failure.item, one.failure.message): Link("how it begins", f"#opening-{number}")
        for number, one in enumerate(material.parsed.set_aside, start=1)
        if one.opening
    }
    return tabulate(
        "failures",
        f"Quarantined: {count_noun(len(material.failures), 'item')}",
        material.failures,
        {
            "item": lambda failure: failure.item,
            "stage": lambda failure: failure.stage,
            "error": lambda failure: failure.error,
            "message": lambda failure: failure.message,
            "what to do": lambda failure: failure.hint or MISSING,
            "its text": lambda failure: openings.get((failure.item, failure.message), "not shown"),
        },
    )


def show_openings(material: ReportMaterial) -> tuple[Passage, ...]:
    """Show how each quarantined file begins of which something was kept."""
    return tuple(
        Passage(
            (Stretch(one.opening),),
            one.failure.item,
            "how it begins",
            key=f"opening-{number}",
            is_file=True,
            why=one.failure.message,
        )
        for number, one in enumerate(material.parsed.set_aside, start=1)
        if one.opening
    )


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


# --- unplaced lines ---------------------------------------------------------------------------------------------------


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
        source = _name_episode(episode, line.slug, is_listed=is_listed)
        place = episode.location if episode else ""
        shown.append(Passage(stretches, source, place, key=f"line-{number}", is_file=True))
    return tuple(shown)
