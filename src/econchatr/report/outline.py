"""Gather every part of the page once, so that HTML and Markdown cannot tell different stories.

Knows the order of nothing and the markup of nothing: the templates hold both.
"""

from __future__ import annotations

from dataclasses import dataclass

from econchatr.report.blocks import Chart, Table
from econchatr.report.corpus import chart_episodes, chart_roles, tabulate_corpus, tabulate_splits
from econchatr.report.dropped import chart_dropped, tabulate_failures, tabulate_unplaced
from econchatr.report.exam import Card, lay_out_answers, note_gaps, tell_people
from econchatr.report.formats import format_date
from econchatr.report.material import ReportMaterial, label_imitation, name_hosts
from econchatr.report.measures import chart_bits, chart_lengths, list_unscored, tabulate_scores
from econchatr.report.money import tabulate_prices, tabulate_selections, tabulate_subsets
from econchatr.report.scorebook import refuse_infinite
from econchatr.report.training import chart_curves, tabulate_weights, warn_of_mismatch
from econchatr.report.verdict import Verdict, give_verdicts


@dataclass(frozen=True, slots=True)
class Outline:
    """The page's parts; `None` or an empty tuple where a stage gave nothing."""

    title: str
    host: str
    label: str
    made_on: str
    verdicts: tuple[Verdict, ...]
    gaps: tuple[str, ...]
    bits: Chart | None
    cards: tuple[Card, ...]
    people: tuple[str, ...]
    lengths: Chart | None
    scores: Table | None
    unscored: tuple[str, ...]
    corpus: Table | None
    splits: Table | None
    episodes: Chart | None
    roles: Chart | None
    selections: Table | None
    subsets: tuple[Table, ...]
    prices: tuple[Table, ...]
    curves: tuple[Chart, ...]
    dropped: Chart | None
    failures: Table | None
    unplaced: Table | None
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
        bits=chart_bits(material),
        cards=lay_out_answers(material),
        people=tell_people(material),
        lengths=chart_lengths(material),
        scores=tabulate_scores(material),
        unscored=list_unscored(material),
        corpus=tabulate_corpus(material.corpus),
        splits=tabulate_splits(material),
        episodes=chart_episodes(material),
        roles=chart_roles(material),
        selections=tabulate_selections(material),
        subsets=tuple(tabulate_subsets(subsets, index=i) for i, subsets in enumerate(material.subsets, start=1)),
        prices=tabulate_prices(material.prices),
        curves=chart_curves(material.curve),
        dropped=chart_dropped(material),
        failures=tabulate_failures(material),
        unplaced=tabulate_unplaced(material),
        weights=tabulate_weights(material),
        warnings=warn_of_mismatch(material),
    )
