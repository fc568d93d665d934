"""Tell what the show is made of: its size, its years, who speaks, and which episodes were held out.

Reads episodes, pairs and the condensed counts; knows nothing of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from econchatr.records import Episode, Split
from econchatr.report.blocks import Chart, LegendEntry, Table, name_columns
from econchatr.report.formats import MISSING, count_noun, format_count, format_date, format_decimal, format_share
from econchatr.report.material import CorpusStatistics, ReportMaterial
from econchatr.report.svg import Mark, draw_bars, draw_columns

SPLITS: tuple[Split, ...] = ("train", "dev", "test")
NO_PAIRS = "no pairs"
SPLIT_WORDS = {"train": "training", "dev": "development", "test": "test", NO_PAIRS: "gave no pairs"}
_MOST_QUARTERS = 20
_MOST_YEAR_LABELS = 7


def tabulate_corpus(corpus: CorpusStatistics | None) -> Table | None:
    """Give the size table of 2023: mean and sum of tokens, words and characters; `None` when nothing was kept."""
    if corpus is None:
        return None
    sums = (corpus.n_tokens, corpus.n_words, corpus.n_chars)
    means = tuple(format_decimal(total / corpus.n_texts, 1) for total in sums)
    period = f"{format_date(corpus.first_date)} to {format_date(corpus.last_date)}"
    if corpus.first_date is None:
        period = "no episode is dated"
    return Table(
        "corpus",
        "Size of the kept texts",
        name_columns("", f"#tokens ({corpus.tokenizer})", "#words", "#characters"),
        (("mean per text", *means), ("sum", *(format_count(total) for total in sums))),
        note=f"{count_noun(corpus.n_texts, 'text')}: every kept cue and every kept reply is one. Episodes with kept "
        f"pairs: {period}.",
    )


def tabulate_splits(material: ReportMaterial) -> Table | None:
    """Count episodes and kept pairs of each split; `None` when there are no episodes."""
    if not material.episodes:
        return None
    by_slug = _split_by_slug(material)
    n_episodes = Counter(by_slug.get(episode.slug, NO_PAIRS) for episode in material.episodes)
    kept = [pair for pair in material.pairs if pair.is_kept]
    n_kept = Counter(pair.split for pair in kept)
    tokens = dict.fromkeys(SPLITS, 0)
    for pair in kept:
        tokens[pair.split] += pair.n_cue_tokens + pair.n_reply_tokens
    rows = [
        (SPLIT_WORDS[split], format_count(n_episodes[split]), format_count(n_kept[split]), format_count(tokens[split]))
        for split in SPLITS
    ]
    if n_episodes[NO_PAIRS]:
        rows.append((SPLIT_WORDS[NO_PAIRS], format_count(n_episodes[NO_PAIRS]), MISSING, MISSING))
    return Table(
        "splits",
        "Episodes and kept pairs by split",
        name_columns("split", "#episodes", "#kept pairs", "#tokens of these"),
        tuple(rows),
        note="Whole episodes are held out, before anything is chosen: no episode is in two splits.",
    )


def chart_episodes(material: ReportMaterial) -> Chart | None:
    """Draw how many episodes fall in each quarter or year, by split; `None` when none is dated."""
    dated = [episode for episode in material.episodes if episode.published is not None]
    if not dated:
        return None
    periods = _list_periods(dated)
    by_slug = _split_by_slug(material)
    shown = [*SPLITS, NO_PAIRS] if any(e.slug not in by_slug for e in material.episodes) else list(SPLITS)
    counts = Counter((_name_period(episode, periods), by_slug.get(episode.slug, NO_PAIRS)) for episode in dated)
    columns = []
    for period in periods:
        marks = [Mark(f"k-{split.replace(' ', '-')}", split, counts[period, split]) for split in shown]
        columns.append((_label_period(period, periods), marks))
    title = "Episodes over time"
    n_undated = len(material.episodes) - len(dated)
    description = (
        f"{count_noun(len(dated), 'dated episode')} from {periods[0]} to {periods[-1]}, stacked by split. "
        "The figures are in the table below."
    )
    rows = tuple((period, *(format_count(counts[period, split]) for split in shown)) for period in periods)
    return Chart(
        "fig-episodes",
        title,
        draw_columns("fig-episodes", title, description, columns),
        Table(
            "fig-episodes-table", title, name_columns("period", *(f"#{SPLIT_WORDS[split]}" for split in shown)), rows
        ),
        legend=tuple(LegendEntry(f"k-{split.replace(' ', '-')}", SPLIT_WORDS[split]) for split in shown),
        note=f"{count_noun(n_undated, 'undated episode')} not drawn." if n_undated else "",
    )


def chart_roles(material: ReportMaterial) -> Chart | None:
    """Draw the words each role says; `None` when no turns were counted."""
    n_words = sum(count.n_words for count in material.roles)
    if not n_words:
        return None
    title = "Words by role"
    marks = [Mark(f"k-role-{count.role}", count.role, count.n_words) for count in material.roles]
    told = ", ".join(f"{count.role} {format_share(count.n_words / n_words)}" for count in material.roles)
    rows = tuple(
        (c.role, format_count(c.n_turns), format_count(c.n_words), format_share(c.n_words / n_words))
        for c in material.roles
    )
    return Chart(
        "fig-roles",
        title,
        draw_bars("fig-roles", title, f"Share of {count_noun(n_words, 'word')}: {told}.", marks),
        Table(
            "fig-roles-table",
            "Turns and words by role",
            name_columns("role", "#turns", "#words", "#share of words"),
            rows,
        ),
    )


def _split_by_slug(material: ReportMaterial) -> dict[str, str]:
    return {pair.slug: pair.split for pair in material.pairs}


def _list_periods(dated: Sequence[Episode]) -> list[str]:
    """Give every quarter between the first and the last date, or every year when there are too many quarters."""
    days = [episode.published for episode in dated if episode.published is not None]
    first, last = min(days), max(days)
    years = range(first.year, last.year + 1)
    quarters = [
        f"{year} Q{quarter}"
        for year in years
        for quarter in range(1, 5)
        if (first.year, _quarter(first.month)) <= (year, quarter) <= (last.year, _quarter(last.month))
    ]
    return quarters if len(quarters) <= _MOST_QUARTERS else [str(year) for year in years]


def _name_period(episode: Episode, periods: Sequence[str]) -> str:
    day = episode.published
    if day is None:
        return "undated"
    return f"{day.year} Q{_quarter(day.month)}" if " Q" in periods[0] else str(day.year)


def _quarter(month: int) -> int:
    return (month + 2) // 3


def _label_period(period: str, periods: Sequence[str]) -> str:
    """Give the year where it begins and under the first column, if there is room for it; else nothing."""
    year, _, quarter = period.partition(" ")
    if quarter:
        begins = quarter == "Q1" or (period == periods[0] and quarter != "Q4")
    else:
        begins = len(periods) <= _MOST_YEAR_LABELS or year.endswith(("0", "5"))
    return year if begins else ""
