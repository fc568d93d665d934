"""The sections of the page to look at the transcripts: what was read, and what is doubtful, set aside or lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from econchatr.records import Episode, EpisodeKind
from econchatr.report.counts import UnnamedSpeaker
from econchatr.report.formats import MISSING, count_noun, format_count, format_date, format_decimal, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import (
    Block,
    Box,
    Cell,
    Chart,
    KeyFigure,
    KeyFigures,
    Link,
    Paragraph,
    Section,
    Table,
    fold_table,
    keep,
    name_columns,
    say_absent,
    tabulate,
)
from econchatr.report.sections.left_out import (
    chart_flags,
    show_flags,
    show_lines,
    show_openings,
    tabulate_failures,
    tabulate_reasons,
)
from econchatr.report.sections.made_of import chart_periods, chart_speakers, chart_turns, list_rights, name_range
from econchatr.report.svg import Datum, draw_columns


def transcript_sections(material: ReportMaterial) -> tuple[Section, ...]:
    """Give the sections in their order; those that have nothing to show say so."""
    parsed, listing = material.parsed, tabulate_episodes(material)
    speakers = chart_speakers(parsed.speakers) or say_absent("Nobody speaks.")
    rights = list_rights(material.rights)
    return (
        Section("size", "How much there is", (KeyFigures(_tell_size(material)),)),
        Section("episodes", "Episodes", keep(*_list_episodes(material)), menu="Episodes"),
        Section("speakers", "Who speaks", keep(speakers, tabulate_unnamed(parsed.unnamed)), menu="Speakers"),
        Section("flagged", "What was flagged, and why", keep(*_list_flags(material)), menu="Flagged"),
        Section("quarantined", "What was set aside", tuple(_list_failures(material)), menu="Quarantined"),
        Section("unplaced", "What no rule could place", tuple(_list_lines(material)), menu="Unplaced"),
        Section("every-episode", "Every episode", (listing or say_absent("There is none."),), menu="Every episode"),
        Section("rights", "Rights", (rights,), menu="Rights"),
    )


def _list_episodes(material: ReportMaterial) -> Iterator[Block | None]:
    over_time = _chart_kinds(material.episodes) or chart_order(material.episodes)
    yield Box("pair", keep(over_time, chart_turns(material.episodes)))
    yield None if material.episodes else say_absent("No episode was read.")


def _list_flags(material: ReportMaterial) -> Iterator[Block | None]:
    yield chart_flags(material.parsed.flagged) or say_absent("Nothing was flagged.")
    yield fold_table(tabulate_reasons(material.parsed.flagged))
    yield from show_flags(material, is_listed=True)


def _list_failures(material: ReportMaterial) -> Iterator[Block]:
    failures = tabulate_failures(material)
    yield failures or say_absent("Nothing was quarantined.")
    if failures:
        yield from show_openings(material)


def _list_lines(material: ReportMaterial) -> Iterator[Block]:
    n_lines = sum(episode.n_unplaced_lines for episode in material.episodes)
    if not n_lines:
        yield say_absent("Every line of every episode was placed.")
        return
    lines = show_lines(material, is_listed=True)
    yield Paragraph(
        f"Shown: {format_count(len(lines))} of {format_count(n_lines)} unplaced lines, the first ones of each episode, "
        "with what stands around them in the file. econchatr parse --explain FILE says more of one file.",
        "lede",
    )
    yield from lines


# --- how much there is, and who is not named --------------------------------------------------------------------------

_KIND_WORDS: dict[EpisodeKind, str] = {
    "verbatim": "verbatim",
    "unlabelled": "verbatim, speakers not told",
    "notes": "notes only",
}
_MOST_UNNAMED = 100


def _tell_size(material: ReportMaterial) -> tuple[KeyFigure, ...]:
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


def tabulate_unnamed(unnamed: Sequence[UnnamedSpeaker]) -> Table | None:
    """List the voices nobody named, those who say most first; `None` when every voice has a name."""
    if not unnamed:
        return None
    shown = sorted(unnamed, key=lambda voice: (-voice.n_words, voice.alias))[:_MOST_UNNAMED]
    return tabulate(
        "unnamed",
        f"Voices nobody named: {len(shown):,} of {len(unnamed):,} shown",
        shown,
        {
            "alias": lambda voice: voice.alias,
            "#turns": lambda voice: format_count(voice.n_turns),
            "#words": lambda voice: format_count(voice.n_words),
            "how it begins": lambda voice: voice.sample,
        },
        note='Name them once under [show.aliases] in show.toml, as "alias" = "Person".',
    )


# --- the episodes -----------------------------------------------------------------------------------------------------

_MOST_LABELS = 6
_MOST_RUNS = 40
_MOST_WORDS = 5000


def _chart_kinds(episodes: Sequence[Episode]) -> Chart | None:
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
    every = -(-len(runs) // _MOST_LABELS)
    # The scale's numbers must be short: they stand in the margin, which a telephone has little of.
    scale = 1000 if max(means) >= _MOST_WORDS else 1
    columns = [
        (str(size * index + 1) if index % every == 0 else "", [Datum("k-verbatim", "words", mean / scale)])
        for index, mean in enumerate(means)
    ]
    title = "Words per episode, in the show’s order"
    run = f" Each column is the mean of {size} episodes." if size > 1 else ""
    rows = tuple(
        (name_range(size * index + 1, len(run)), format_decimal(mean, 0))
        for index, (run, mean) in enumerate(zip(runs, means, strict=True))
    )
    return Chart(
        "fig-order",
        title,
        f"{count_noun(len(episodes), 'episode')}, from {min(means):,.0f} to {max(means):,.0f} words.",
        draw_columns(columns),
        Table("fig-order-table", title, name_columns("place in the order", "#words per episode"), rows),
        note="No episode is dated, so none can be drawn over time: they stand in the order of the numbers in their "
        f"files’ names.{run} {'Thousands of words' if scale > 1 else 'Words'} up.",
    )


def tabulate_episodes(material: ReportMaterial) -> Table | None:
    """List every episode with its size and with what is doubtful in it; `None` when there is none."""
    if not material.episodes:
        return None
    flags = {count.slug: count for count in material.parsed.flagged.episodes}
    # Of several, the first stretch or line of an episode stays.
    lines = {one.slug: f"#line-{n}" for n, one in reversed(list(enumerate(material.parsed.lost_lines, start=1)))}
    stretches = _find_first_flags(material)

    def share_flagged(episode: Episode) -> str:
        n_words = flags[episode.slug].n_words if episode.slug in flags else 0
        return format_share(n_words / episode.n_words, 1) if episode.n_words else MISSING

    def tell_flags(episode: Episode) -> str:
        kinds = flags[episode.slug].kinds if episode.slug in flags else ()
        return ", ".join(f"{kind}\N{NO-BREAK SPACE}{n:,}" for kind, n in kinds)

    columns: dict[str, Callable[[Episode], Cell]] = {
        "episode": lambda episode: episode.title,
        "date": lambda episode: format_date(episode.published),
        "read as": lambda episode: (
            episode.reader if episode.kind == "verbatim" else f"{episode.reader}: {_KIND_WORDS[episode.kind]}"
        ),
        "#turns": lambda episode: format_count(episode.n_turns),
        "#words": lambda episode: format_count(episode.n_words),
        "#words flagged": lambda episode: _link(share_flagged(episode), stretches.get(episode.slug)),
        "flags": tell_flags,
        "#lines unplaced": lambda episode: _link(format_count(episode.n_unplaced_lines), lines.get(episode.slug)),
    }
    if any(episode.language for episode in material.episodes):
        columns["language"] = lambda episode: episode.language or MISSING
    if any(episode.doubt for episode in material.episodes):
        columns["in doubt"] = lambda episode: episode.doubt or MISSING
    return tabulate(
        "listing",
        f"All {count_noun(len(material.episodes), 'episode')}, in the show’s order",
        material.episodes,
        columns,
        note="A figure with a link leads to the first flagged stretch or unplaced line of the episode on this page.",
        anchors=tuple(f"episode-{episode.rank}" for episode in material.episodes),
    )


def _find_first_flags(material: ReportMaterial) -> dict[str, str]:
    """Give, per episode, the anchor of the first of its flagged stretches that is shown."""
    places = [
        (excerpt.slug, excerpt.position, f"#flag-{kind}-{number}")
        for kind, count in enumerate(material.parsed.flagged.kinds, start=1)
        for number, excerpt in enumerate(count.excerpts, start=1)
    ]
    return {slug: href for slug, _, href in sorted(places, reverse=True)}


def _link(text: str, href: str | None) -> Cell:
    return Link(text, href) if href else text
