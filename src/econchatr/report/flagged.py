"""Draw what was flagged, by kind, with its reasons, and show some of it in its context.

Reads counts; judges no flag.
"""

from __future__ import annotations

from collections.abc import Sequence

from econchatr.records import Episode
from econchatr.report.counts import (
    ROLES,
    Effect,
    Excerpt,
    FlagCount,
    FlaggedSpeech,
    Neighbour,
    SpeakerCount,
    UnnamedSpeaker,
)
from econchatr.report.formats import count_noun, format_clock, format_count, format_date, format_share
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import (
    Cell,
    Chart,
    LegendEntry,
    Link,
    More,
    Paragraph,
    Part,
    Passage,
    Spoken,
    Stretch,
    Table,
    keep,
    name_columns,
)
from econchatr.report.svg import Mark, draw_bars

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
        legend=tuple(LegendEntry(f"k-{effect}", words) for effect, words in _EFFECT_WORDS.items() if effect in shown),
        note="A flag is a doubt, with its reason. Nothing is deleted; pairs leave out what is cut out of them.",
    )


def _list_kind(count: FlagCount, number: int) -> tuple[Cell, ...]:
    numbers = (count.n_flags, count.n_turns, count.n_episodes, count.n_words)
    link: Cell = Link(_tell_shown(count), f"#flag-{number}") if count.excerpts else "none shown"
    return (count.kind, *(format_count(n) for n in numbers), _EFFECT_WORDS[count.effect], link)


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
            _show(excerpt, episodes.get(excerpt.slug), f"{key}-{place}", is_listed=is_listed)
            for place, excerpt in enumerate(count.excerpts, start=1)
        )
        told = f"{_tell_shown(count)} shown. Such a stretch {_EFFECT_WORDS[count.effect]}."
        first, rest = shown[:_MOST_AT_ONCE], shown[_MOST_AT_ONCE:]
        more = More(f"{len(rest)} more of {count.kind}", rest) if rest else None
        blocks = keep(Paragraph(told, "note"), *first, more)
        kinds.append(Part(count.kind, blocks, key=key, style="kind-shown"))
    return tuple(kinds)


def name_episode(episode: Episode, *, is_listed: bool) -> Cell:
    """Give an episode's title, with a link where the page lists the episodes."""
    return Link(episode.title, f"#episode-{episode.rank}") if is_listed else episode.title


def _show(excerpt: Excerpt, episode: Episode | None, key: str, *, is_listed: bool) -> Passage:
    clock = format_clock(excerpt.start_seconds)
    facts = [
        format_date(episode.published) if episode and episode.published else "",
        f"at {clock}" if clock else "",
        # As pairs are named, so that a stretch can be found in the tables and among the pairs.
        f"{excerpt.slug}#{excerpt.position}",
    ]
    return Passage(
        (Stretch(excerpt.before), Stretch(excerpt.said, is_marked=True), Stretch(excerpt.after)),
        name_episode(episode, is_listed=is_listed) if episode else excerpt.slug,
        ", ".join(filter(None, facts)),
        key=key,
        speaker=(excerpt.speaker or NOBODY, excerpt.role),
        previous=_show_neighbour(excerpt.previous),
        following=_show_neighbour(excerpt.following),
        why=excerpt.reason or "no reason recorded",
    )


def _show_neighbour(neighbour: Neighbour | None) -> Spoken | None:
    return Spoken(neighbour.speaker or NOBODY, neighbour.text) if neighbour else None


NOBODY = "nobody named"
_MOST_BARS = 12
_MOST_ROWS = 200
_MOST_UNNAMED = 100


def chart_speakers(speakers: Sequence[SpeakerCount]) -> Chart | None:
    """Draw the share of words of each of the twelve who say most, and of all others; `None` when nobody speaks."""
    n_words = sum(count.n_words for count in speakers)
    if not n_words:
        return None
    title = "Share of words per speaker"
    shares = [(_name_speaker(count.speaker), count, format_share(count.n_words / n_words, 1)) for count in speakers]
    marks = [
        Mark(f"k-role-{count.role}", f"{name} ({count.role}): {share}", count.n_words)
        for name, count, share in shares[:_MOST_BARS]
    ]
    rest = speakers[_MOST_BARS:]
    if rest:
        n_rest = sum(count.n_words for count in rest)
        others = f"{count_noun(len(rest), 'other speaker')}: {format_share(n_rest / n_words, 1)}"
        marks.append(Mark("k-base", others, n_rest))
    name, count, share = shares[0]
    told = (
        f"{count_noun(n_words, 'word')} of {count_noun(len(speakers), 'speaker')}; {name} ({count.role}) says {share}."
    )
    roles = [role for role in ROLES if any(count.role == role for count in speakers[:_MOST_BARS])]
    return Chart(
        "fig-speakers",
        title,
        draw_bars("fig-speakers", title, told, marks),
        _tabulate_speakers(speakers, n_words),
        legend=tuple(LegendEntry(f"k-role-{role}", role) for role in roles),
        note="Bars show words.",
    )


def _tabulate_speakers(speakers: Sequence[SpeakerCount], n_words: int) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            _name_speaker(one.speaker),
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


def tabulate_unnamed(unnamed: Sequence[UnnamedSpeaker]) -> Table | None:
    """List the voices nobody named, those who say most first; `None` when every voice has a name."""
    if not unnamed:
        return None
    shown = sorted(unnamed, key=lambda voice: (-voice.n_words, voice.alias))[:_MOST_UNNAMED]
    rows = tuple((one.alias, format_count(one.n_turns), format_count(one.n_words), one.sample) for one in shown)
    return Table(
        "unnamed",
        f"Voices nobody named: {len(rows):,} of {len(unnamed):,} shown",
        name_columns("alias", "#turns", "#words", "how it begins"),
        rows,
        note='Name them once under [show.aliases] in show.toml, as "alias" = "Person".',
    )


def _name_speaker(speaker: str) -> str:
    """Give the speaker's name, or say that there is none."""
    return speaker or NOBODY
