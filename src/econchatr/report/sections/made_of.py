"""The section on what the show is made of: its size, its years, who speaks, and which episodes were held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median

from econchatr.records import Episode, Split
from econchatr.report.counts import NOBODY, ROLES, RoleCount, SpeakerCount
from econchatr.report.formats import MISSING, count_noun, format_count, format_date, format_decimal, format_share
from econchatr.report.material import CorpusStatistics, ReportMaterial, RightsNote
from econchatr.report.page_blocks import (
    Block,
    Box,
    Chart,
    Facts,
    LegendEntry,
    Part,
    Section,
    Table,
    keep,
    name_columns,
    say_absent,
    tabulate,
)
from econchatr.report.svg import Datum, choose_ticks, draw_bars, draw_columns

_SPLITS: tuple[Split, ...] = ("train", "dev", "test")
_NO_PAIRS = "no pairs"
_SPLIT_WORDS = {"train": "training", "dev": "development", "test": "test", _NO_PAIRS: "gave no pairs"}


def made_of_section(material: ReportMaterial) -> Section:
    """Give the section."""
    blocks = keep(
        tabulate_corpus(material.corpus) or say_absent("No pair was kept."),
        tabulate_splits(material),
        tabulate_acts(material),
        Box("pair", keep(chart_episodes(material), _chart_roles(material.roles))),
        Box("pair", keep(chart_speakers(material.parsed.speakers), chart_turns(material.episodes))),
        Part("Rights", (list_rights(material.rights),), style=""),
    )
    return Section("show", "What it was made of", blocks, menu="The show")


def list_rights(rights: RightsNote | None) -> Block:
    """Give whose voice is imitated, on what ground, and the licence of the text."""
    if rights is None:
        return say_absent("The show states no rights.")
    return Facts((("Voice", rights.voice), ("Ground", rights.ground), ("Licence of the text", rights.licence)))


# --- size and splits --------------------------------------------------------------------------------------------------


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
    n_episodes = Counter(_list_splits(material))
    n_kept, n_tokens = Counter[str](), Counter[str]()
    for pair in material.pairs:
        if pair.is_kept:
            n_kept[pair.split] += 1
            n_tokens[pair.split] += pair.n_cue_tokens + pair.n_reply_tokens
    return tabulate(
        "splits",
        "Episodes and kept pairs by split",
        [*_SPLITS, *([_NO_PAIRS] if n_episodes[_NO_PAIRS] else [])],
        {
            "split": lambda split: _SPLIT_WORDS[split],
            "#episodes": lambda split: format_count(n_episodes[split]),
            "#kept pairs": lambda split: MISSING if split == _NO_PAIRS else format_count(n_kept[split]),
            "#tokens of these": lambda split: MISSING if split == _NO_PAIRS else format_count(n_tokens[split]),
        },
        note="Whole episodes are held out, before anything is chosen: no episode is in two splits.",
    )


def tabulate_acts(material: ReportMaterial) -> Table | None:
    """Count what cues and replies do; `None` where no pair says so."""
    kept = [pair for pair in material.pairs if pair.is_kept and pair.reply_act]
    cues, replies = Counter(pair.cue_act for pair in kept), Counter(pair.reply_act for pair in kept)
    if not kept:
        return None
    return tabulate(
        "acts",
        "What was said to the host, and what the host's replies do",
        sorted(cues | replies, key=lambda act: (-replies[act], act)),
        {
            "it": lambda act: act,
            "#cues": lambda act: format_count(cues[act]),
            "#share": lambda act: format_share(cues[act] / len(kept)),
            "#replies": lambda act: format_count(replies[act]),
            "#share of replies": lambda act: format_share(replies[act] / len(kept)),
        },
        note="Told by rule, from the words and marks of each turn. Questions that were made are not among them.",
    )


def _list_splits(material: ReportMaterial) -> list[str]:
    """The split of each episode, in the episodes' order."""
    by_slug = {pair.slug: pair.split for pair in material.pairs}
    return [by_slug.get(episode.slug, _NO_PAIRS) for episode in material.episodes]


# --- episodes over time -----------------------------------------------------------------------------------------------

_UNDATED = "undated"
_MOST_QUARTERS = 20
_MOST_YEAR_LABELS = 7


def chart_episodes(material: ReportMaterial) -> Chart | None:
    """Draw how many episodes fall in each quarter or year, by split; `None` when none is dated."""
    splits = _list_splits(material)
    shown = [*_SPLITS, *([_NO_PAIRS] if _NO_PAIRS in splits else [])]
    return chart_periods(material.episodes, splits, {split: _SPLIT_WORDS[split] for split in shown}, stacked_by="split")


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
    periods = _list_periods(days)
    counts = Counter(
        (_name_period(episode.published, periods), group) for episode, group in zip(episodes, groups, strict=True)
    )
    styles = {group: f"k-{group.replace(' ', '-')}" for group in words}
    columns = [
        (_label_period(period, periods), [Datum(styles[group], group, counts[period, group]) for group in words])
        for period in periods
    ]
    title, n_undated = "Episodes over time", len(episodes) - len(days)
    rows = tuple((period, *(format_count(counts[period, group]) for group in words)) for period in periods)
    return Chart(
        "fig-episodes",
        title,
        f"{count_noun(len(days), 'dated episode')} from {periods[0]} to {periods[-1]}, stacked by {stacked_by}. "
        "The figures are in the table below.",
        draw_columns(columns),
        Table("fig-episodes-table", title, name_columns("period", *(f"#{name}" for name in words.values())), rows),
        legend=tuple(LegendEntry(styles[group], name) for group, name in words.items()),
        note=f"{count_noun(n_undated, 'undated episode')} not drawn." if n_undated else "",
    )


def _list_periods(days: Sequence[date]) -> list[str]:
    """Every quarter between the first and the last date, or every year when there are too many quarters."""
    first, last = min(days), max(days)
    years = range(first.year, last.year + 1)
    quarters = [
        f"{year} Q{quarter}"
        for year in years
        for quarter in range(1, 5)
        if (first.year, _quarter(first)) <= (year, quarter) <= (last.year, _quarter(last))
    ]
    return quarters if len(quarters) <= _MOST_QUARTERS else [str(year) for year in years]


def _name_period(day: date | None, periods: Sequence[str]) -> str:
    if day is None:
        return _UNDATED
    return f"{day.year} Q{_quarter(day)}" if " Q" in periods[0] else str(day.year)


def _label_period(period: str, periods: Sequence[str]) -> str:
    """The year where it begins and under the first column, if there is room for it; else nothing."""
    year, _, quarter = period.partition(" ")
    if quarter:
        begins = quarter == "Q1" or (period == periods[0] and quarter != "Q4")
    else:
        begins = len(periods) <= _MOST_YEAR_LABELS or year.endswith(("0", "5"))
    return year if begins else ""


def _quarter(day: date) -> int:
    return (day.month + 2) // 3


# --- turns per episode ------------------------------------------------------------------------------------------------

_WANTED_BINS = 10
_MOST_BIN_LABELS = 6


def chart_turns(episodes: Sequence[Episode]) -> Chart | None:
    """Draw how many episodes have how many turns; `None` when there is no turn."""
    numbers = [episode.n_turns for episode in episodes]
    if not any(numbers):
        return None
    # A round width that makes about ten bins; one turn at least.
    ticks = choose_ticks(min(numbers), max(numbers), n_wanted=_WANTED_BINS)
    width = max(1, round(ticks[1] - ticks[0])) if len(ticks) > 1 else 1
    counts = Counter(number // width for number in numbers)
    bins = range(min(numbers) // width, max(numbers) // width + 1)
    every = -(-len(bins) // _MOST_BIN_LABELS)
    columns = [
        (f"{width * index:,}" if place % every == 0 else "", [Datum("k-verbatim", "episodes", counts[index])])
        for place, index in enumerate(bins)
    ]
    title = "Turns per episode"
    told = (
        f"Fewest {format_count(min(numbers))}, median {format_decimal(median(numbers), 0)}, "
        f"most {format_count(max(numbers))}."
    )
    rows = tuple((name_range(width * index, width), format_count(counts[index])) for index in bins)
    return Chart(
        "fig-turns",
        title,
        f"{count_noun(len(numbers), 'episode')} by number of turns. {told}",
        draw_columns(columns),
        Table("fig-turns-table", title, name_columns("turns", "#episodes"), rows),
        note=f"{told} Number of turns across, number of episodes up.",
    )


def name_range(first: int, n: int) -> str:
    """Give `n` numbers from the first one on in words: `7`, `1 to 20`."""
    return f"{first:,}" if n == 1 else f"{first:,} to {first + n - 1:,}"


# --- who speaks -------------------------------------------------------------------------------------------------------

_MOST_BARS = 12
_MOST_ROWS = 200


def _chart_roles(roles: Sequence[RoleCount]) -> Chart | None:
    """Draw the words each role says; `None` when no turns were counted."""
    n_words = sum(count.n_words for count in roles)
    if not n_words:
        return None
    told = ", ".join(f"{count.role} {format_share(count.n_words / n_words)}" for count in roles)
    return Chart(
        "fig-roles",
        "Words by role",
        f"Share of {count_noun(n_words, 'word')}: {told}.",
        draw_bars([Datum(f"k-role-{count.role}", count.role, count.n_words) for count in roles]),
        tabulate(
            "fig-roles-table",
            "Turns and words by role",
            roles,
            {
                "role": lambda count: count.role,
                "#turns": lambda count: format_count(count.n_turns),
                "#words": lambda count: format_count(count.n_words),
                "#share of words": lambda count: format_share(count.n_words / n_words),
            },
        ),
    )


def chart_speakers(speakers: Sequence[SpeakerCount]) -> Chart | None:
    """Draw the share of words of each of the twelve who say most, and of all others; `None` when nobody speaks."""
    n_words = sum(count.n_words for count in speakers)
    if not n_words:
        return None
    drawn, rest = speakers[:_MOST_BARS], speakers[_MOST_BARS:]
    data = []
    for count in drawn:
        share = format_share(count.n_words / n_words, 1)
        label = f"{count.speaker or NOBODY} ({count.role}): {share}"
        data.append(Datum(f"k-role-{count.role}", label, count.n_words))
    if rest:
        n_rest = sum(count.n_words for count in rest)
        others = f"{count_noun(len(rest), 'other speaker')}: {format_share(n_rest / n_words, 1)}"
        data.append(Datum("k-base", others, n_rest))
    first = speakers[0]
    return Chart(
        "fig-speakers",
        "Share of words per speaker",
        f"{count_noun(n_words, 'word')} of {count_noun(len(speakers), 'speaker')}; {first.speaker or NOBODY} "
        f"({first.role}) says {format_share(first.n_words / n_words, 1)}.",
        draw_bars(data),
        _tabulate_speakers(speakers, n_words),
        legend=tuple(
            LegendEntry(f"k-role-{role}", role) for role in ROLES if any(count.role == role for count in drawn)
        ),
        note="Bars show words.",
    )


def _tabulate_speakers(speakers: Sequence[SpeakerCount], n_words: int) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            one.speaker or NOBODY,
            one.role,
            format_count(one.n_episodes),
            format_count(one.n_turns),
            format_count(one.n_words),
            format_share(one.n_words / n_words, 1),
        )
        for one in speakers[:_MOST_ROWS]
    ]
    rest = speakers[_MOST_ROWS:]
    if rest:
        n_turns, n_rest = sum(one.n_turns for one in rest), sum(one.n_words for one in rest)
        shown = (format_count(n_turns), format_count(n_rest), format_share(n_rest / n_words, 1))
        rows.append((f"{count_noun(len(rest), 'other speaker')}", "", "", *shown))
    columns = name_columns("speaker", "role", "#episodes", "#turns", "#words", "#share of words")
    return Table("fig-speakers-table", "Share of words per speaker", columns, tuple(rows))
