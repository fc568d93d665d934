"""Divide a show's time into quarters, or into years where there would be too many quarters.

Knows dates only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median

from econchatr.records import Episode, EpisodeKind
from econchatr.report.counts import EpisodeFlags
from econchatr.report.formats import MISSING, count_noun, format_count, format_date, format_decimal, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Cell, Chart, KeyFigure, LegendEntry, Link, Table, name_columns
from econchatr.report.svg import Mark, choose_ticks, draw_columns

_UNDATED = "undated"
_MOST_QUARTERS = 20
_MOST_YEAR_LABELS = 7


def list_periods(days: Sequence[date]) -> list[str]:
    """Give every quarter between the first and the last date, or every year when there are too many quarters."""
    first, last = min(days), max(days)
    years = range(first.year, last.year + 1)
    quarters = [
        f"{year} Q{quarter}"
        for year in years
        for quarter in range(1, 5)
        if (first.year, _quarter(first.month)) <= (year, quarter) <= (last.year, _quarter(last.month))
    ]
    return quarters if len(quarters) <= _MOST_QUARTERS else [str(year) for year in years]


def name_period(day: date | None, periods: Sequence[str]) -> str:
    """Give the period of `list_periods` that a day falls in."""
    if day is None:
        return _UNDATED
    return f"{day.year} Q{_quarter(day.month)}" if " Q" in periods[0] else str(day.year)


def label_period(period: str, periods: Sequence[str]) -> str:
    """Give the year where it begins and under the first column, if there is room for it; else nothing."""
    year, _, quarter = period.partition(" ")
    if quarter:
        begins = quarter == "Q1" or (period == periods[0] and quarter != "Q4")
    else:
        begins = len(periods) <= _MOST_YEAR_LABELS or year.endswith(("0", "5"))
    return year if begins else ""


def _quarter(month: int) -> int:
    return (month + 2) // 3


_KIND_WORDS: dict[EpisodeKind, str] = {
    "verbatim": "verbatim",
    "unlabelled": "verbatim, speakers not told",
    "notes": "notes only",
}
_WANTED_BINS = 10
_MOST_BIN_LABELS = 6
_MOST_RUNS = 40
_MOST_WORDS = 5000


def chart_periods(
    episodes: Sequence[Episode], groups: Sequence[str], words: Mapping[str, str], *, stacked_by: str
) -> Chart | None:
    """Draw how many episodes fall in each quarter or year, stacked by group; `None` when none is dated.

    Args:
        episodes: In any order.
        groups: The group of each episode.
        words: Group -> how it is called, from the bottom of a column up.
        stacked_by: What the groups are, in a word.
    """
    days = [episode.published for episode in episodes if episode.published is not None]
    if not days:
        return None
    periods = list_periods(days)
    counts = Counter(
        (name_period(episode.published, periods), group) for episode, group in zip(episodes, groups, strict=True)
    )
    styles = {group: f"k-{group.replace(' ', '-')}" for group in words}
    columns = [
        (label_period(period, periods), [Mark(styles[group], group, counts[period, group]) for group in words])
        for period in periods
    ]
    title, n_undated = "Episodes over time", len(episodes) - len(days)
    description = (
        f"{count_noun(len(days), 'dated episode')} from {periods[0]} to {periods[-1]}, stacked by {stacked_by}. "
        "The figures are in the table below."
    )
    rows = tuple((period, *(format_count(counts[period, group]) for group in words)) for period in periods)
    headings = name_columns("period", *(f"#{name}" for name in words.values()))
    return Chart(
        "fig-episodes",
        title,
        draw_columns("fig-episodes", title, description, columns),
        Table("fig-episodes-table", title, headings, rows),
        legend=tuple(LegendEntry(styles[group], name) for group, name in words.items()),
        note=f"{count_noun(n_undated, 'undated episode')} not drawn." if n_undated else "",
    )


def chart_kinds(episodes: Sequence[Episode]) -> Chart | None:
    """Draw the episodes over time, stacked by kind; `None` when none is dated."""
    found = {episode.kind for episode in episodes}
    words: dict[str, str] = {kind: name for kind, name in _KIND_WORDS.items() if kind in found}
    return chart_periods(episodes, [episode.kind for episode in episodes], words, stacked_by="kind")


def chart_order(episodes: Sequence[Episode]) -> Chart | None:
    """Draw the words per episode along the show's order, for a show without dates; `None` when there is no word.

    Many episodes are drawn by their means over runs of equal length.
    """
    if not any(episode.n_words for episode in episodes):
        return None
    size = -(-len(episodes) // _MOST_RUNS)
    runs = [episodes[first : first + size] for first in range(0, len(episodes), size)]
    means = [sum(episode.n_words for episode in run) / len(run) for run in runs]
    names = [_name_run(size * index + 1, len(run)) for index, run in enumerate(runs)]
    every = -(-len(runs) // _MOST_BIN_LABELS)
    # The scale's numbers must be short: they stand in the margin, which a telephone has little of.
    scale = 1000 if max(means) >= _MOST_WORDS else 1
    columns = [
        (str(size * index + 1) if index % every == 0 else "", [Mark("k-verbatim", "words", mean / scale)])
        for index, mean in enumerate(means)
    ]
    title = "Words per episode, in the show’s order"
    told = f"{count_noun(len(episodes), 'episode')}, from {min(means):,.0f} to {max(means):,.0f} words."
    run = f" Each column is the mean of {size} episodes." if size > 1 else ""
    rows = tuple((name, format_decimal(mean, 0)) for name, mean in zip(names, means, strict=True))
    return Chart(
        "fig-order",
        title,
        draw_columns("fig-order", title, told, columns),
        Table("fig-order-table", title, name_columns("place in the order", "#words per episode"), rows),
        note="No episode is dated, so none can be drawn over time: they stand in the order of the numbers in their "
        f"files’ names.{run} {'Thousands of words' if scale > 1 else 'Words'} up.",
    )


def _name_run(first: int, n: int) -> str:
    return f"{first:,}" if n == 1 else f"{first:,} to {first + n - 1:,}"


def chart_turns(episodes: Sequence[Episode]) -> Chart | None:
    """Draw how many episodes have how many turns; `None` when there is no turn."""
    numbers = [episode.n_turns for episode in episodes]
    if not any(numbers):
        return None
    width = _choose_width(min(numbers), max(numbers))
    counts = Counter(number // width for number in numbers)
    bins = range(min(numbers) // width, max(numbers) // width + 1)
    every = -(-len(bins) // _MOST_BIN_LABELS)
    columns = [
        (f"{width * index:,}" if place % every == 0 else "", [Mark("k-verbatim", "episodes", counts[index])])
        for place, index in enumerate(bins)
    ]
    title = "Turns per episode"
    told = (
        f"Fewest {format_count(min(numbers))}, median {format_decimal(median(numbers), 0)}, "
        f"most {format_count(max(numbers))}."
    )
    rows = tuple((_name_bin(index, width), format_count(counts[index])) for index in bins)
    return Chart(
        "fig-turns",
        title,
        draw_columns("fig-turns", title, f"{count_noun(len(numbers), 'episode')} by number of turns. {told}", columns),
        Table("fig-turns-table", title, name_columns("turns", "#episodes"), rows),
        note=f"{told} Number of turns across, number of episodes up.",
    )


def _choose_width(fewest: int, most: int) -> int:
    """Give a round width that makes about ten bins; one turn at least."""
    ticks = choose_ticks(fewest, most, n_wanted=_WANTED_BINS)
    return max(1, round(ticks[1] - ticks[0])) if len(ticks) > 1 else 1


def _name_bin(index: int, width: int) -> str:
    first = width * index
    return format_count(first) if width == 1 else f"{first:,} to {first + width - 1:,}"


def tell_size(material: ReportMaterial) -> tuple[KeyFigure, ...]:
    """Give the figures of the first screen: how much there is, and how much of it is doubtful or lost."""
    episodes, flagged = material.episodes, material.parsed.flagged
    n_words = sum(episode.n_words for episode in episodes)
    n_chars, n_lost = sum(one.n_chars for one in episodes), sum(one.n_unplaced_chars for one in episodes)
    kinds = Counter(episode.kind for episode in episodes)
    told = ", ".join(f"{kinds[kind]:,} {words}" for kind, words in _KIND_WORDS.items() if kinds[kind])
    n_turns = sum(episode.n_turns for episode in episodes)
    share = format_share(flagged.n_words / n_words if n_words else None, 1)
    flags = f"{count_noun(flagged.n_flags, 'flag')} on {count_noun(flagged.n_turns, 'turn')}"
    return (
        KeyFigure("Episodes", format_count(len(episodes)), told),
        KeyFigure("Words", format_count(n_words), f"in {count_noun(n_turns, 'turn')}"),
        KeyFigure("Words under a flag", share, flags),
        KeyFigure("Quarantined", format_count(len(material.failures)), "files not had or not read"),
        KeyFigure(
            "Characters unplaced",
            format_share(n_lost / n_chars, 2) if n_lost else "none",
            f"{format_count(n_lost)} of {format_count(n_chars)} in the files",
        ),
    )


def tabulate_episodes(material: ReportMaterial) -> Table | None:
    """List every episode with its size and with what is doubtful in it; `None` when there is none."""
    if not material.episodes:
        return None
    flags = {count.slug: count for count in material.parsed.flagged.episodes}
    stretches, lines = _find_first_flags(material), _find_first_lines(material)
    has_languages = any(episode.language for episode in material.episodes)
    has_doubts = any(episode.doubt for episode in material.episodes)
    rows = tuple(
        (
            episode.title,
            format_date(episode.published),
            episode.reader if episode.kind == "verbatim" else f"{episode.reader}: {_KIND_WORDS[episode.kind]}",
            format_count(episode.n_turns),
            format_count(episode.n_words),
            _link(_share_flagged(episode, flags.get(episode.slug)), stretches.get(episode.slug)),
            ", ".join(f"{kind}\N{NO-BREAK SPACE}{n:,}" for kind, n in flags[episode.slug].kinds)
            if episode.slug in flags
            else "",
            _link(format_count(episode.n_unplaced_lines), lines.get(episode.slug)),
            *((episode.language or MISSING,) if has_languages else ()),
            *((episode.doubt or MISSING,) if has_doubts else ()),
        )
        for episode in material.episodes
    )
    columns = name_columns(
        "episode",
        "date",
        "read as",
        "#turns",
        "#words",
        "#words flagged",
        "flags",
        "#lines unplaced",
        *(("language",) if has_languages else ()),
        *(("in doubt",) if has_doubts else ()),
    )
    return Table(
        "listing",
        f"All {count_noun(len(rows), 'episode')}, in the show’s order",
        columns,
        rows,
        note="A figure with a link leads to the first flagged stretch or unplaced line of the episode on this page.",
        anchors=tuple(f"episode-{episode.rank}" for episode in material.episodes),
    )


def _share_flagged(episode: Episode, flags: EpisodeFlags | None) -> str:
    if not episode.n_words:
        return MISSING
    return format_share(flags.n_words / episode.n_words if flags else 0.0, 1)


def _find_first_flags(material: ReportMaterial) -> dict[str, str]:
    """Give, per episode, the anchor of the first of its flagged stretches that is shown."""
    places = [
        (excerpt.slug, excerpt.position, f"#flag-{kind}-{number}")
        for kind, count in enumerate(material.parsed.flagged.kinds, start=1)
        for number, excerpt in enumerate(count.excerpts, start=1)
    ]
    return {slug: href for slug, _, href in sorted(places, reverse=True)}


def _find_first_lines(material: ReportMaterial) -> dict[str, str]:
    lines = list(enumerate(material.parsed.lost_lines, start=1))
    return {line.slug: f"#line-{number}" for number, line in reversed(lines)}


def _link(text: str, href: str | None) -> Cell:
    return Link(text, href) if href else text
