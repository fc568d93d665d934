"""Gather every part of a page once, so that HTML and Markdown cannot tell different stories.

Knows the order of nothing and the markup of nothing: the templates hold both.
"""

from __future__ import annotations

from dataclasses import dataclass

from econchatr.report.blocks import Chart, KeyFigure, Table
from econchatr.report.corpus import chart_episodes, chart_roles, tabulate_corpus, tabulate_splits
from econchatr.report.dropped import (
    ShownLine,
    ShownOpening,
    chart_dropped,
    lay_out_lines,
    lay_out_openings,
    tabulate_doubts,
    tabulate_failures,
    tabulate_unplaced,
)
from econchatr.report.episodes import chart_kinds, chart_order, chart_turns, tabulate_episodes, tell_size
from econchatr.report.evidence import chart_strategies
from econchatr.report.exam import Card, lay_out_answers, note_gaps, tell_people
from econchatr.report.flagged import ShownKind, chart_flags, lay_out_flags, tabulate_reasons
from econchatr.report.formats import format_date
from econchatr.report.further import tabulate_probes, tell_further
from econchatr.report.gates import tabulate_gates
from econchatr.report.ladder import Ladder, lay_out_ladder
from econchatr.report.material import ReportMaterial, label_imitation, label_transcripts, name_hosts
from econchatr.report.measures import chart_bits, chart_lengths, list_unscored, tabulate_scores
from econchatr.report.money import (
    ToldChoice,
    tabulate_bill,
    tabulate_epochs,
    tabulate_prices,
    tabulate_selections,
    tabulate_subsets,
    tell_choices,
)
from econchatr.report.nearness import chart_voices
from econchatr.report.preferring import ShownRound, lay_out_rounds
from econchatr.report.replies import ShownReplies, lay_out_replies
from econchatr.report.rows import Explained, explain_measures, tabulate_rows
from econchatr.report.scorebook import refuse_infinite
from econchatr.report.training import chart_curves, tabulate_made, tabulate_weights, warn_of_mismatch
from econchatr.report.verdict import Verdict, give_verdicts
from econchatr.report.voices import chart_speakers, tabulate_unnamed


@dataclass(frozen=True, slots=True)
class Outline:
    """The page's parts; `None` or an empty tuple where a stage gave nothing."""

    title: str
    host: str
    label: str
    made_on: str
    verdicts: tuple[Verdict, ...]
    gaps: tuple[str, ...]
    voices: Chart | None
    bits: Chart | None
    ladder: Ladder
    rows: tuple[Table, ...]
    measures: tuple[Explained, ...]
    further: tuple[str, ...]
    probes: Table | None
    gates: Table | None
    replies: tuple[ShownReplies, ...]
    choices: tuple[ToldChoice, ...]
    doubts: Table | None
    made: Table | None
    cards: tuple[Card, ...]
    people: tuple[str, ...]
    lengths: Chart | None
    scores: Table | None
    unscored: tuple[str, ...]
    corpus: Table | None
    splits: Table | None
    episodes: Chart | None
    roles: Chart | None
    speakers: Chart | None
    turns: Chart | None
    selections: Table | None
    strategies: Chart | None
    bill: Table | None
    subsets: tuple[Table, ...]
    prices: tuple[Table, ...]
    epochs: Table | None
    curves: tuple[Chart, ...]
    rounds: tuple[ShownRound, ...]
    dropped: Chart | None
    flags: Chart | None
    reasons: Table | None
    flags_shown: tuple[ShownKind, ...]
    failures: Table | None
    openings: tuple[ShownOpening, ...]
    unplaced: Table | None
    lines: tuple[ShownLine, ...]
    weights: Table | None
    warnings: tuple[str, ...]


def outline_page(material: ReportMaterial) -> Outline:
    """Give every part of the page, worded and drawn."""
    material = material.model_copy(update={"scores": refuse_infinite(material.scores)})
    return Outline(
        title=material.show_name,
        host=name_hosts(material.hosts),
        label=label_imitation(material.hosts),
        made_on="" if material.made_on is None else format_date(material.made_on),
        verdicts=give_verdicts(material),
        gaps=note_gaps(material),
        voices=chart_voices(material),
        bits=chart_bits(material),
        ladder=lay_out_ladder(material),
        rows=tabulate_rows(material),
        measures=explain_measures(material),
        further=tell_further(material),
        probes=tabulate_probes(material),
        gates=tabulate_gates(material),
        replies=lay_out_replies(material),
        choices=tell_choices(material),
        doubts=tabulate_doubts(material),
        made=tabulate_made(material),
        cards=lay_out_answers(material),
        people=tell_people(material),
        lengths=chart_lengths(material),
        scores=tabulate_scores(material),
        unscored=list_unscored(material),
        corpus=tabulate_corpus(material.corpus),
        splits=tabulate_splits(material),
        episodes=chart_episodes(material),
        roles=chart_roles(material),
        speakers=chart_speakers(material.parsed.speakers),
        turns=chart_turns(material.episodes),
        selections=tabulate_selections(material),
        strategies=chart_strategies(material.compared),
        bill=tabulate_bill(material.bill),
        subsets=tuple(tabulate_subsets(subsets, index=i) for i, subsets in enumerate(material.subsets, start=1)),
        prices=tabulate_prices(material.prices),
        epochs=tabulate_epochs(material),
        curves=chart_curves(material.curve),
        rounds=lay_out_rounds(material),
        dropped=chart_dropped(material),
        flags=chart_flags(material.parsed.flagged),
        reasons=tabulate_reasons(material.parsed.flagged),
        flags_shown=lay_out_flags(material),
        failures=tabulate_failures(material),
        openings=lay_out_openings(material),
        unplaced=tabulate_unplaced(material),
        lines=lay_out_lines(material),
        weights=tabulate_weights(material),
        warnings=warn_of_mismatch(material),
    )


@dataclass(frozen=True, slots=True)
class CorpusOutline:
    """The parts of the page to look at the transcripts; `None` or an empty tuple where there is nothing to show."""

    title: str
    host: str
    label: str
    made_on: str
    figures: tuple[KeyFigure, ...]
    episodes: Chart | None
    turns: Chart | None
    speakers: Chart | None
    unnamed: Table | None
    flags: Chart | None
    reasons: Table | None
    flags_shown: tuple[ShownKind, ...]
    failures: Table | None
    openings: tuple[ShownOpening, ...]
    lines: tuple[ShownLine, ...]
    n_lines: int
    """Unplaced lines in all, shown or not."""
    listing: Table | None


def outline_corpus(material: ReportMaterial) -> CorpusOutline:
    """Give every part of the page to look at the transcripts, worded and drawn."""
    parsed = material.parsed
    return CorpusOutline(
        title=material.show_name,
        host=name_hosts(material.hosts),
        label=label_transcripts(material.hosts),
        made_on="" if material.made_on is None else format_date(material.made_on),
        figures=tell_size(material),
        episodes=chart_kinds(material.episodes) or chart_order(material.episodes),
        turns=chart_turns(material.episodes),
        speakers=chart_speakers(parsed.speakers),
        unnamed=tabulate_unnamed(parsed.unnamed),
        flags=chart_flags(parsed.flagged),
        reasons=tabulate_reasons(parsed.flagged),
        flags_shown=lay_out_flags(material),
        failures=tabulate_failures(material),
        openings=lay_out_openings(material),
        lines=lay_out_lines(material),
        n_lines=sum(episode.n_unplaced_lines for episode in material.episodes),
        listing=tabulate_episodes(material),
    )
