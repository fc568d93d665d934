"""The section on what each rung cost, and what that bought: the ladder against money and against size.

A model's size is read from its name, where the name says it (`SmolLM2-135M`), and is not known where it does not.
Money is what the bill says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from econchatr.display import name_hosts
from econchatr.records import BillRow, Score
from econchatr.records.measures import TUNED_MINUS_BASE, Measure
from econchatr.report.formats import MISSING, format_count, format_decimal, format_interval, format_usd
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Box, Chart, Items, LegendEntry, Section, Table, keep, say_absent, tabulate
from econchatr.report.score_table import tell_why_closed
from econchatr.report.svg import Axis, PlotPoint, choose_ticks, draw_points


def cost_section(material: ReportMaterial) -> Section:
    """Give the section."""
    told = tell_costs(material)
    blocks = keep(
        Items(told) if told else say_absent("Nothing has been trained."),
        tabulate_bill(material.bill),
        Box("pair even", keep(chart_by_money(material), chart_by_size(material))),
    )
    return Section("cost", "What it cost, and what that bought", blocks, menu="Cost")


# --- the bill ---------------------------------------------------------------------------------------------------------


def tabulate_bill(bill: tuple[BillRow, ...]) -> Table | None:
    """Give what each hosted rung was quoted and is charged so far; `None` when nothing is to be paid."""
    if not bill:
        return None
    total = BillRow(
        rung="all",
        what="",
        quoted_usd=sum((row.quoted_usd for row in bill if row.quoted_usd is not None), Decimal(0)),
        charged_usd=sum((row.charged_usd for row in bill), Decimal(0)),
        refunded_usd=sum((row.refunded_usd for row in bill), Decimal(0)),
        reserved_usd=sum((row.reserved_usd for row in bill), Decimal(0)),
        sources=(),
    )
    return tabulate(
        "bill",
        "Quote and bill of the hosted rungs, US dollars",
        (*bill, total),
        {
            "rung": lambda row: row.rung,
            "for": lambda row: row.what,
            "#quoted": lambda row: format_usd(row.quoted_usd),
            "#charged": lambda row: format_usd(row.charged_usd),
            "#refunded": lambda row: format_usd(row.refunded_usd),
            "#set aside": lambda row: format_usd(row.reserved_usd),
            "read from": lambda row: "; ".join(row.sources) or MISSING,
        },
        note="Set aside is what open jobs may still be charged."
        if total.charged_usd
        else "Nothing has been charged so far.",
    )


# --- the rungs side by side -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _RungWorth:
    """What one rung cost, how big it is, what it is worth."""

    rung: str
    base: str
    n_parameters: int | None
    """`None`: its name does not say."""
    charged_usd: Decimal
    """What was charged, less what was given back; 0 for one trained at home."""
    is_paid: bool
    n_trained_tokens: int | None
    """`None`: no tuned model is recorded."""
    is_trainable: bool
    """False where the rung is only asked, as a model at an address is."""
    tuned: Score | None
    """The Voice, or the bits saved where no rung has a Voice."""
    untrained: Score | None
    """Voice of the untrained model; `None` where rungs are compared by bits saved, which compare the two already."""
    closed: str
    """Why the Voice is greyed out; empty: it is not."""
    untrained_closed: str

    @property
    def is_voice(self) -> bool:
        return self.tuned is not None and self.tuned.measure == Measure.VOICE

    @property
    def value(self) -> float | None:
        """`None`: there is nothing to draw."""
        return None if self.tuned is None else self.tuned.value

    def tell_value(self) -> str:
        if self.value is None:
            return "not scored"
        value = format_decimal(self.value, 2 if self.is_voice else 3)
        return f"{value}, greyed out: {self.closed}" if self.closed else value


_SIZE = re.compile(r"(?<![A-Za-z0-9.])(?:(\d{1,2})x)?(\d{1,4}(?:\.\d{1,3})?)([MB])(?![A-Za-z0-9])", re.IGNORECASE)
_SCALES = {"m": 1_000_000, "b": 1_000_000_000}


def read_size(name: str) -> int | None:
    """Read the number of parameters from a model's name; `None`: the name does not say.

    >>> read_size("SmolLM2-135M-Instruct")
    135000000
    >>> read_size("org/some-8x7B-v0.1")
    56000000000
    >>> read_size("davinci") is None
    True
    """
    found = _SIZE.search(name)
    if found is None:
        return None
    return round(int(found[1] or 1) * Decimal(found[2]) * _SCALES[found[3].lower()])


def _list_worths(material: ReportMaterial) -> list[_RungWorth]:
    rungs = dict.fromkeys([*(chosen.rung for chosen in material.selections), *material.scored_rungs])
    has_voice = any(score.measure == Measure.VOICE and score.variant == "tuned" for score in material.scores)
    return [_read_worth(material, rung, has_voice=has_voice) for rung in rungs]


def _read_worth(material: ReportMaterial, rung: str, *, has_voice: bool) -> _RungWorth:
    bill = [row for row in material.bill if row.rung == rung]
    tuned = next((one for one in material.tuned_models if one.rung == rung), None)
    base = tuned.base_model if tuned else dict(material.hub_ids).get(rung, rung)
    measure, variant = (Measure.VOICE, "tuned") if has_voice else (Measure.HOST_BITS_SAVED, TUNED_MINUS_BASE)
    untrained = material.find_score(Measure.VOICE, rung, "base") if has_voice else None
    closed, untrained_closed = (
        tell_why_closed(material.find_gates(rung, one)) if has_voice else "" for one in ("tuned", "base")
    )
    return _RungWorth(
        rung=rung,
        base=base,
        n_parameters=read_size(base) or read_size(rung),
        charged_usd=sum((row.charged_usd - row.refunded_usd for row in bill), Decimal(0)),
        is_paid=bool(bill),
        n_trained_tokens=tuned.n_trained_tokens if tuned else None,
        is_trainable=tuned is not None or any(chosen.rung == rung for chosen in material.selections),
        tuned=material.find_score(measure, rung, variant),
        untrained=untrained if untrained is not None and untrained.value is not None else None,
        closed=closed,
        untrained_closed=untrained_closed,
    )


def tell_costs(material: ReportMaterial) -> tuple[str, ...]:
    """Say what each rung cost, one sentence each, and what cannot be compared; empty: there is no rung."""
    worths = _list_worths(material)
    told = [_tell_cost(one) for one in worths]
    if len(worths) == 1 and worths[0].value is not None and worths[0].n_parameters:
        told.append("The ladder has one rung, so nothing can be said of what more money or a larger model would bring.")
    unsized = [one.rung for one in worths if one.n_parameters is None]
    if unsized:
        told.append(f"How large the model is, its name does not say: {', '.join(unsized)}.")
    return tuple(told)


def _tell_cost(one: _RungWorth) -> str:
    trained = f", {format_count(one.n_trained_tokens)} tokens" if one.n_trained_tokens is not None else ""
    if one.is_paid:
        return f"{one.rung}: {format_usd(one.charged_usd)} charged{trained}."
    if not one.is_trainable:
        return f"{one.rung}: only asked; nothing was charged."
    if one.n_trained_tokens is None and one.value is None:
        return f"{one.rung}: not trained yet."
    return f"{one.rung}: trained at home{trained}; nothing was charged."


# --- the charts -------------------------------------------------------------------------------------------------------


class _Ground(NamedTuple):
    """What a ladder is drawn against."""

    key: str
    title: str
    title_of_one: str
    """Where there is one rung, and so no comparison."""
    across: str
    measure: Callable[[_RungWorth], float]


_BY_MONEY = _Ground(
    "fig-ladder-money",
    "What more money buys",
    "What the money bought",
    "US dollars charged",
    lambda one: float(one.charged_usd),
)
_BY_SIZE = _Ground(
    "fig-ladder-size",
    "What a larger model brings",
    "Before and after training",
    "parameters of the base model",
    lambda one: one.n_parameters or 1,
)


def chart_by_money(material: ReportMaterial) -> Chart | None:
    """Draw what each rung is worth against what it cost; `None`: nothing was charged, or nothing is scored."""
    worths = _list_worths(material)
    scored = [one for one in worths if one.value is not None]
    return _chart(material, scored, _BY_MONEY) if scored and any(one.charged_usd > 0 for one in worths) else None


def chart_by_size(material: ReportMaterial) -> Chart | None:
    """Draw what each rung is worth against its size; `None`: no rung that is scored has a known size."""
    sized = [one for one in _list_worths(material) if one.value is not None and one.n_parameters]
    return _chart(material, sized, _BY_SIZE) if sized else None


def _chart(material: ReportMaterial, worths: Sequence[_RungWorth], ground: _Ground) -> Chart:
    has_voice = any(one.is_voice for one in worths)
    points = [point for one in worths for point in _list_points(one, ground)]
    title = ground.title if len(worths) > 1 else ground.title_of_one
    told = " ".join(
        f"{one.rung} ({format_usd(one.charged_usd)}, {_tell_size(one.n_parameters)} parameters): {one.tell_value()}."
        for one in worths
    )
    host = name_hosts(material.hosts)
    quality = f"Voice up, from 0 (the guests) to 1 ({host})" if has_voice else "Host bits saved per byte up"
    drawn = " ".join(point.style for point in points)
    legend = [("dot k-tuned", "tuned")]
    legend += [("dot k-base", "untrained")] if "k-base" in drawn else []
    legend += [("dot k-tuned k-greyed", "greyed out")] if "k-greyed" in drawn else []
    levels = ((0.0, "guests"), (1.0, "host")) if has_voice else ((0.0, "nothing learned"),)
    axis = _choose_axis([ground.measure(one) for one in worths], ground)
    return Chart(
        ground.key,
        title,
        f"{quality}, {ground.across} across. {told}",
        draw_points(points, axis, levels=levels),
        _tabulate(worths, ground, title),
        legend=tuple(LegendEntry(*entry) for entry in legend),
        note=f"{quality}; {ground.across} across. Lines are 95% intervals.",
    )


def _list_points(one: _RungWorth, ground: _Ground) -> list[PlotPoint]:
    if one.tuned is None or one.tuned.value is None:
        return []
    x, style = ground.measure(one), "k-tuned k-greyed" if one.closed else "k-tuned"
    points = [PlotPoint(style, one.rung, x, one.tuned.value, one.tuned.low, one.tuned.high)]
    # Untrained, a model cost nothing to train: by money both stand where the tuned one does, by size they are one size.
    if one.untrained is not None and one.untrained.value is not None and ground is _BY_SIZE:
        grey = " k-greyed" if one.untrained_closed else ""
        points.insert(0, PlotPoint(f"k-base{grey}", "", x, one.untrained.value))
    return points


def _choose_axis(places: Sequence[float], ground: _Ground) -> Axis:
    if ground is _BY_MONEY:
        ticks = choose_ticks(0, max(places), n_wanted=3)
        return Axis(tuple((tick, f"${tick:,.{0 if tick == int(tick) else 2}f}") for tick in ticks))
    low, high = min(places), max(places)
    if low == high:
        return Axis(((low, _tell_size(round(low))),), is_logarithmic=True)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return Axis(tuple((10.0**power, _tell_size(10**power)) for power in powers), is_logarithmic=True)


def _tell_size(n_parameters: int | None) -> str:
    if n_parameters is None:
        return MISSING
    scale, unit = (1_000_000_000, "billion") if n_parameters >= 1_000_000_000 else (1_000_000, "million")
    return f"{n_parameters / scale:g} {unit}"


def _tabulate(worths: Sequence[_RungWorth], ground: _Ground, title: str) -> Table:
    quality = "Voice" if any(one.is_voice for one in worths) else "bits saved"
    return tabulate(
        f"{ground.key}-table",
        title,
        worths,
        {
            "rung": lambda one: one.rung,
            "base model": lambda one: one.base,
            "#parameters": lambda one: _tell_size(one.n_parameters),
            "#charged": lambda one: format_usd(one.charged_usd),
            "#tokens trained on": lambda one: format_count(one.n_trained_tokens),
            f"#{quality}, tuned": lambda one: one.tell_value(),
            "#95% interval": lambda one: format_interval(one.tuned.low, one.tuned.high, 2) if one.tuned else MISSING,
            "#Voice, untrained": lambda one: format_decimal(one.untrained.value, 2) if one.untrained else MISSING,
        },
    )
