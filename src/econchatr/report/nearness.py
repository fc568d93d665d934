"""Draw how near each row comes to the host: the one chart of the first screen.

Reads Voices and gates; a greyed-out Voice is drawn as such, never left out and never as if it counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from econchatr.display import name_hosts
from econchatr.records import Score
from econchatr.report.blocks import Chart, LegendEntry, Table, name_columns
from econchatr.report.drawings import Ends, draw_rows
from econchatr.report.formats import MISSING, count_noun, format_count, format_decimal, format_interval
from econchatr.report.gates import find_gates, list_doubts, tell_why_closed
from econchatr.report.material import ReportMaterial, is_round_kept
from econchatr.report.scorebook import PREFERRED, REFERENCES, VOICE, find_score, list_rungs
from econchatr.report.svg import Group, Mark

_ORDER = (PREFERRED, "tuned", "grounded", "retrieval", "persona", "base")
_OF_MANY = (PREFERRED, "tuned", "base")
"""Drawn of each rung where there are several; the table has them all."""
_SHORT = {
    "guest": "guests",
    "parrot": "retrieval parrot",
    PREFERRED: "preferred",
    "tuned": "tuned",
    "grounded": "tuned + excerpts",
    "retrieval": "base + excerpts",
    "persona": "base + persona",
    "base": "base",
}
"""A telephone leaves room for sixteen letters."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One row's Voice, why it is greyed out, and what is in doubt; empty: it is not, and nothing is."""

    rung: str
    variant: str
    score: Score
    closed: str
    doubts: tuple[str, ...]

    @property
    def ruling(self) -> str:
        """What the gates say of it, in words."""
        return self.closed or (f"in doubt: {' and '.join(self.doubts)}" if self.doubts else "passes")


def chart_voices(material: ReportMaterial) -> Chart | None:
    """Draw the Voice of every row of every rung, with intervals; `None` when no Voice is known."""
    rungs = list_rungs(material.scores)
    references = list(_find(material, rungs[0] if rungs else "", REFERENCES))
    models = {rung: list(_find(material, rung, _ORDER)) for rung in rungs}
    known = [one for found in models.values() for one in found if one.score.value is not None]
    if not known:
        return None
    host = name_hosts(material.hosts)
    groups = []
    for rung in rungs:
        drawn = [one for one in models[rung] if len(rungs) == 1 or one.variant in _OF_MANY]
        marks = [_mark(one) for one in drawn if one.score.value is not None]
        groups += [Group(rung if len(rungs) > 1 else "", "", tuple(marks))] if marks else []
    # The host's own row stands first, then the models, then what a guest and a parrot reach.
    ceiling = [_mark(one) for one in references if one.variant == "host" and one.score.value is not None]
    rest = [_mark(one) for one in references if one.variant != "host" and one.score.value is not None]
    groups = [
        Group("", "", tuple(ceiling)),
        *groups,
        Group("for comparison" if len(rungs) > 1 else "", "", tuple(rest)),
    ]
    found = [*references, *(one for rung in rungs for one in models[rung])]
    title = f"How near each comes to {host}"
    told = f"Voice, from 0 (the guests) to 1 ({host}). " + " ".join(_tell(one, host, len(rungs)) for one in found)
    n_greyed = sum("k-greyed" in mark.style for group in groups for mark in group.marks)
    grey = f" In brackets: {count_noun(n_greyed, 'Voice')} greyed out, see the table." if n_greyed else ""
    return Chart(
        "fig-voices",
        title,
        draw_rows("fig-voices", title, told, [group for group in groups if group.marks], _name_ends()),
        _tabulate(found, host),
        legend=_explain_marks(n_greyed),
        note=f"Voice: how it talks, whatever it says. Above 1 is caricature. Lines are 95% intervals.{grey}",
    )


def _name_ends() -> Ends:
    return Ends(0.0, 1.0, "0 guests", "1 host")


def _explain_marks(n_greyed: int) -> tuple[LegendEntry, ...]:
    legend = [LegendEntry("dot k-host", "really said"), LegendEntry("dot k-tuned", "trained")]
    legend.append(LegendEntry("dot k-base", "not trained"))
    return (*legend, *([LegendEntry("dot k-base k-greyed", "greyed out")] if n_greyed else []))


def _find(material: ReportMaterial, rung: str, variants: Sequence[str]) -> Iterator[_Found]:
    for variant in variants:
        if variant == PREFERRED and not is_round_kept(material, rung):
            continue
        score = find_score(material.scores, VOICE, rung=rung, variant=variant)
        if score is not None:
            gates = find_gates(material.gates, rung=rung, variant=variant)
            yield _Found(rung, variant, score, tell_why_closed(gates), list_doubts(gates))


def _mark(one: _Found) -> Mark:
    style = {"tuned": "k-tuned", "grounded": "k-tuned", PREFERRED: "k-tuned", "host": "k-host", "guest": "k-host"}.get(
        one.variant, "k-base"
    )
    style += " k-greyed" if one.closed else ""
    label = "the real host" if one.variant == "host" else _SHORT[one.variant]
    value = one.score.value if one.score.value is not None else 0.0
    return Mark(style, label, value, one.score.low, one.score.high)


def _name(one: _Found, host: str) -> str:
    return host if one.variant == "host" else _SHORT[one.variant]


def _tell(one: _Found, host: str, n_rungs: int) -> str:
    rung = f" {one.rung}" if n_rungs > 1 and one.variant not in REFERENCES else ""
    if one.score.value is None:
        return f"{_name(one, host)}{rung}: not scored."
    grey = ", greyed out" if one.closed else ""
    return f"{_name(one, host)}{rung}: {format_decimal(one.score.value, 2)}{grey}."


def _tabulate(found: Sequence[_Found], host: str) -> Table:
    rows = tuple(
        (
            _name(one, host),
            MISSING if one.variant in REFERENCES else one.rung,
            "not scored" if one.score.value is None else format_decimal(one.score.value, 2),
            format_interval(one.score.low, one.score.high, 2),
            format_count(one.score.n),
            (one.score.reason or "no reason was given") if one.score.value is None else one.ruling,
        )
        for one in found
    )
    columns = name_columns("row", "rung", "#Voice", "#95% interval", "#n", "gates, or why there is none")
    return Table("fig-voices-table", "Voice of every row", columns, rows)
