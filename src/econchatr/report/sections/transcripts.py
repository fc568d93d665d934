"""The sections of the page to look at the transcripts: what was read, and what is doubtful, set aside or lost."""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.report.episode_charts import chart_kinds, chart_order, chart_turns, tabulate_episodes, tell_size
from econchatr.report.flagged import chart_flags, chart_speakers, show_flags, tabulate_reasons, tabulate_unnamed
from econchatr.report.formats import format_count
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Block, Box, KeyFigures, Paragraph, Section, fold_table, keep, say_absent
from econchatr.report.sections.left_out import show_lines, show_openings, tabulate_failures
from econchatr.report.sections.made_of import list_rights


def transcript_sections(material: ReportMaterial) -> tuple[Section, ...]:
    """Give the sections in their order; those that have nothing to show say so."""
    parsed, listing = material.parsed, tabulate_episodes(material)
    speakers = chart_speakers(parsed.speakers) or say_absent("Nobody speaks.")
    rights = list_rights(material.rights)
    return (
        Section("size", "How much there is", (KeyFigures(tell_size(material)),)),
        Section("episodes", "Episodes", keep(*_list_episodes(material)), menu="Episodes"),
        Section("speakers", "Who speaks", keep(speakers, tabulate_unnamed(parsed.unnamed)), menu="Speakers"),
        Section("flagged", "What was flagged, and why", keep(*_list_flags(material)), menu="Flagged"),
        Section("quarantined", "What was set aside", tuple(_list_failures(material)), menu="Quarantined"),
        Section("unplaced", "What no rule could place", tuple(_list_lines(material)), menu="Unplaced"),
        Section("every-episode", "Every episode", (listing or say_absent("There is none."),), menu="Every episode"),
        Section("rights", "Rights", (rights,), menu="Rights"),
    )


def _list_episodes(material: ReportMaterial) -> Iterator[Block | None]:
    over_time = chart_kinds(material.episodes) or chart_order(material.episodes)
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
