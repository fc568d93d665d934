"""Draw the ladder: what each rung is worth against what it cost and against how big it is.

A model's size is read from its name, where it says it (`SmolLM2-135M`), and is not known where it does not. Money is
what the bill says; computes no price and measures nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from econchatr.display import name_hosts
from econchatr.records import Score
from econchatr.report.formats import MISSING, format_count, format_decimal, format_interval, format_usd
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Chart, LegendEntry, Table, name_columns
from econchatr.report.score_table import find_gates, tell_why_closed
from econchatr.report.scorebook import CHANGE, HOST_SHARE, VOICE, find_score, list_rungs
from econchatr.report.svg import Axis, Point, choose_ticks, draw_points

_SIZE = re.compile(r"(?<![A-Za-z0-9.])(?:(\d{1,2})x)?(\d{1,4}(?:\.\d{1,3})?)([MB])(?![A-Za-z0-9])", re.IGNORECASE)
_SCALES = {"m": 1_000_000, "b": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder: what it cost, how big it is, what it is worth."""

    rung: str
    base: str
    n_parameters: int | None
    """`None`: its name does not say."""
    charged_usd: Decimal
    """What was charged, less what was given back; 0 for one trained at home."""
    is_paid: bool
    n_trained_tokens: int | None
    """`None`: no tuned model is recorded."""
    tuned: Score | None
    base_score: Score | None
    """Voice of the untrained model; `None` where the ladder is drawn by bits saved, which compare the two already."""
    closed: str
    """Why the Voice is greyed out; empty: it is not."""
    base_closed: str

    @property
    def is_scored(self) -> bool:
        """Whether there is a value to draw."""
        return self.tuned is not None and self.tuned.value is not None


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs side by side."""

    told: tuple[str, ...]
    by_money: Chart | None
    by_size: Chart | None


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


def lay_out_ladder(material: ReportMaterial) -> Ladder:
    """Say what each rung cost, and draw what it is worth against that and against its size."""
    steps = _list_steps(material)
    measured = [step for step in steps if step.is_scored]
    is_paid = any(step.charged_usd > 0 for step in steps)
    sized = [step for step in measured if step.n_parameters]
    return Ladder(
        _tell(steps, sized),
        _chart(material, measured, _BY_MONEY) if measured and is_paid else None,
        _chart(material, sized, _BY_SIZE) if sized else None,
    )


def _list_steps(material: ReportMaterial) -> list[Step]:
    rungs = list(dict.fromkeys([*(chosen.rung for chosen in material.selections), *list_rungs(material.scores)]))
    has_voice = any(score.measure == VOICE and score.variant == "tuned" for score in material.scores)
    return [_read_step(material, rung, has_voice=has_voice) for rung in rungs]


def _read_step(material: ReportMaterial, rung: str, *, has_voice: bool) -> Step:
    bill = [row for row in material.bill if row.rung == rung]
    tuned = next((one for one in material.tuned_models if one.rung == rung), None)
    base = tuned.base_model if tuned else dict(material.hub_ids).get(rung, rung)
    measure, variant = (VOICE, "tuned") if has_voice else (HOST_SHARE, CHANGE)
    gates = find_gates(material.gates, rung=rung, variant="tuned")
    before = find_score(material.scores, VOICE, rung=rung, variant="base") if has_voice else None
    return Step(
        rung=rung,
        base=base,
        n_parameters=read_size(base) or read_size(rung),
        charged_usd=sum((row.charged_usd - row.refunded_usd for row in bill), Decimal(0)),
        is_paid=bool(bill),
        n_trained_tokens=tuned.n_trained_tokens if tuned else None,
        tuned=find_score(material.scores, measure, rung=rung, variant=variant),
        base_score=before if before is not None and before.value is not None else None,
        closed=tell_why_closed(gates) if has_voice else "",
        base_closed=tell_why_closed(find_gates(material.gates, rung=rung, variant="base")) if has_voice else "",
    )


# --- in words ---------------------------------------------------------------------------------------------------------


def _tell(steps: Sequence[Step], sized: Sequence[Step]) -> tuple[str, ...]:
    told = [_tell_cost(step) for step in steps]
    if len(steps) == 1 and sized:
        told.append("The ladder has one rung, so nothing can be said of what more money or a larger model would bring.")
    unsized = [step.rung for step in steps if step.n_parameters is None]
    if unsized:
        told.append(f"How large the model is, its name does not say: {', '.join(unsized)}.")
    return tuple(told)


def _tell_cost(step: Step) -> str:
    trained = f", {format_count(step.n_trained_tokens)} tokens" if step.n_trained_tokens is not None else ""
    if not step.is_paid and step.n_trained_tokens is None and not step.is_scored:
        return f"{step.rung}: not trained yet."
    if not step.is_paid:
        return f"{step.rung}: trained at home{trained}; nothing was charged."
    return f"{step.rung}: {_dollars(step)} charged{trained}."


def _dollars(step: Step) -> str:
    return format_usd(str(step.charged_usd))


def _tell_size(n_parameters: int | None) -> str:
    if n_parameters is None:
        return MISSING
    scale, unit = (1_000_000_000, "billion") if n_parameters >= 1_000_000_000 else (1_000_000, "million")
    return f"{n_parameters / scale:g} {unit}"


# --- the charts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a ladder is drawn against."""

    key: str
    title: str
    title_of_one: str
    """Where there is one rung, and so no comparison."""
    across: str
    measure: Callable[[Step], float]


_BY_MONEY = _Ground(
    "fig-ladder-money",
    "What more money buys",
    "What the money bought",
    "US dollars charged",
    lambda step: float(step.charged_usd),
)
_BY_SIZE = _Ground(
    "fig-ladder-size",
    "What a larger model brings",
    "Before and after training",
    "parameters of the base model",
    lambda step: step.n_parameters or 1,
)


def _chart(material: ReportMaterial, steps: Sequence[Step], ground: _Ground) -> Chart:
    host = name_hosts(material.hosts)
    has_voice = any(step.base_score for step in steps) or any(
        step.tuned is not None and step.tuned.measure == VOICE for step in steps
    )
    points = [point for step in steps for point in _list_points(step, ground)]
    title = ground.title if len(steps) > 1 else ground.title_of_one
    told = " ".join(
        f"{step.rung} ({_dollars(step)}, {_tell_size(step.n_parameters)} parameters): {_tell_value(step)}."
        for step in steps
    )
    quality = f"Voice up, from 0 (the guests) to 1 ({host})" if has_voice else "Host bits saved per byte up"
    legend = [LegendEntry("dot k-tuned", "tuned")]
    drawn = {point.style for point in points}
    legend += [LegendEntry("dot k-base", "untrained")] if any("k-base" in style for style in drawn) else []
    has_grey = any("k-greyed" in style for style in drawn)
    legend += [LegendEntry("dot k-tuned k-greyed", "greyed out")] if has_grey else []
    levels = ((0.0, "guests"), (1.0, "host")) if has_voice else ((0.0, "nothing learned"),)
    return Chart(
        ground.key,
        title,
        draw_points(
            ground.key,
            title,
            f"{quality}, {ground.across} across. {told}",
            points,
            _choose_axis([ground.measure(step) for step in steps], ground),
            levels=levels,
        ),
        _tabulate(steps, ground, title),
        legend=tuple(legend),
        note=f"{quality}; {ground.across} across. Lines are 95% intervals.",
    )


def _list_points(step: Step, ground: _Ground) -> list[Point]:
    if step.tuned is None or step.tuned.value is None:
        return []
    x, style = ground.measure(step), "k-tuned k-greyed" if step.closed else "k-tuned"
    points = [Point(style, step.rung, x, step.tuned.value, step.tuned.low, step.tuned.high)]
    # Untrained, a model cost nothing to train: by money both stand where the tuned one does, by size they are one size.
    if step.base_score is not None and step.base_score.value is not None and ground is _BY_SIZE:
        grey = " k-greyed" if step.base_closed else ""
        points.insert(0, Point(f"k-base{grey}", "", x, step.base_score.value))
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


def _tell_value(step: Step) -> str:
    if step.tuned is None or step.tuned.value is None:
        return "not scored"
    value = format_decimal(step.tuned.value, 2 if step.tuned.measure == VOICE else 3)
    return f"{value}, greyed out: {step.closed}" if step.closed else value


def _tabulate(steps: Sequence[Step], ground: _Ground, title: str) -> Table:
    rows = tuple(
        (
            step.rung,
            step.base,
            _tell_size(step.n_parameters),
            _dollars(step),
            format_count(step.n_trained_tokens),
            _tell_value(step),
            MISSING if step.tuned is None else format_interval(step.tuned.low, step.tuned.high, 2),
            MISSING if step.base_score is None else format_decimal(step.base_score.value, 2),
        )
        for step in steps
    )
    quality = "Voice" if any(step.tuned is not None and step.tuned.measure == VOICE for step in steps) else "bits saved"
    columns = name_columns(
        "rung",
        "base model",
        "#parameters",
        "#charged",
        "#tokens trained on",
        f"#{quality}, tuned",
        "#95% interval",
        "#Voice, untrained",
    )
    return Table(f"{ground.key}-table", title, columns, rows)
