"""Draw who says how much, and list the voices nobody named.

Reads counts; who is a host was decided before.
"""

from __future__ import annotations

from collections.abc import Sequence

from econchatr.report.blocks import Chart, LegendEntry, Table, name_columns
from econchatr.report.counts import ROLES, SpeakerCount, UnnamedSpeaker
from econchatr.report.formats import count_noun, format_count, format_share
from econchatr.report.svg import Mark, draw_bars

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
