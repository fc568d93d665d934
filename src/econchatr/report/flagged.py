"""Draw what was flagged, by kind, with its reasons, and show some of it in its context.

Reads counts; judges no flag.
"""

from __future__ import annotations

from dataclasses import dataclass

from econchatr.records import Episode
from econchatr.report.blocks import Cell, Chart, LegendEntry, Link, Table, name_columns
from econchatr.report.counts import Effect, FlagCount, FlaggedSpeech
from econchatr.report.excerpts import Excerpt
from econchatr.report.formats import count_noun, format_clock, format_count, format_date, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.svg import Mark, draw_bars

EFFECT_WORDS: dict[Effect, str] = {
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
    title = "Flagged stretches by kind"
    marks = [Mark(f"k-{count.effect}", count.kind, count.n_flags) for count in flagged.kinds]
    most = flagged.kinds[0]
    told = (
        f"{count_noun(flagged.n_flags, 'flag')} on {count_noun(flagged.n_turns, 'turn')}; "
        f"most often {most.kind} ({format_count(most.n_flags)})."
    )
    columns = name_columns("kind", "#flags", "#turns", "#episodes", "#words", "in pairs", "in context")
    rows = tuple(_list_kind(count, number) for number, count in enumerate(flagged.kinds, start=1))
    shown = dict.fromkeys(count.effect for count in flagged.kinds)
    return Chart(
        "fig-flags",
        title,
        draw_bars("fig-flags", title, told, marks),
        Table("fig-flags-table", title, columns, rows),
        legend=tuple(
            LegendEntry(f"k-{effect}", words) for effect, words in EFFECT_WORDS.items() if effect in shown
        ),
        note="A flag is a doubt, with its reason. Nothing is deleted; pairs leave out what is cut out of them.",
    )  # fmt: skip


def _list_kind(count: FlagCount, number: int) -> tuple[Cell, ...]:
    numbers = (count.n_flags, count.n_turns, count.n_episodes, count.n_words)
    link: Cell = Link(tell_shown(count), f"#flag-{number}") if count.excerpts else "none shown"
    return (count.kind, *(format_count(n) for n in numbers), EFFECT_WORDS[count.effect], link)


def tell_shown(count: FlagCount) -> str:
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


@dataclass(frozen=True, slots=True)
class ShownStretch:
    """One flagged stretch as it is shown, with where it was said."""

    key: str
    """The id that links lead to."""
    excerpt: Excerpt
    title: str
    """Of its episode."""
    href: str
    """Where the page lists the episode."""
    facts: str
    """Date, time and place, in words."""


@dataclass(frozen=True, slots=True)
class ShownKind:
    """The stretches of one kind that are shown: some at once, the others to unfold."""

    key: str
    kind: str
    told: str
    """How many there are and are shown, and what becomes of them."""
    first: tuple[ShownStretch, ...]
    more: tuple[ShownStretch, ...]


def lay_out_flags(material: ReportMaterial) -> tuple[ShownKind, ...]:
    """Show every excerpt, kind by kind, the most frequent kind first."""
    episodes = {episode.slug: episode for episode in material.episodes}
    kinds = []
    for number, count in enumerate(material.parsed.flagged.kinds, start=1):
        shown = tuple(
            _show(excerpt, episodes.get(excerpt.slug), f"flag-{number}-{place}")
            for place, excerpt in enumerate(count.excerpts, start=1)
        )
        told = f"{tell_shown(count)} shown. Such a stretch {EFFECT_WORDS[count.effect]}."
        kinds.append(ShownKind(f"flag-{number}", count.kind, told, shown[:_MOST_AT_ONCE], shown[_MOST_AT_ONCE:]))
    return tuple(kinds)


def _show(excerpt: Excerpt, episode: Episode | None, key: str) -> ShownStretch:
    clock = format_clock(excerpt.start_seconds)
    facts = [
        format_date(episode.published) if episode and episode.published else "",
        f"at {clock}" if clock else "",
        # As pairs are named, so that a stretch can be found in the tables and among the pairs.
        f"{excerpt.slug}#{excerpt.position}",
    ]
    title, href = (episode.title, f"#episode-{episode.rank}") if episode else (excerpt.slug, "")
    return ShownStretch(key, excerpt, title, href, ", ".join(filter(None, facts)))
