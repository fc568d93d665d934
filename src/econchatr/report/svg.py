"""Draw charts as inline SVG: intervals, bars, columns, lines, rows between two ends, and points.

Places run in percent of the width and in pixels of height, so that one drawing fits a phone and a desk without its
letters shrinking; colours are style classes, so that dark mode and print may choose their own. The same numbers give
the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from econchatr.display import escape_html
from econchatr.report.formats import MINUS, format_decimal

_AXIS_HEIGHT = 26
_LONGEST_TEXT = 56


class Drawing(NamedTuple):
    """What stands inside a chart's `<svg>`, and how high it is, in pixels."""

    parts: Markup
    height: int


@dataclass(frozen=True, slots=True)
class Datum:
    """One measured value to draw: its style class, its label, and its interval where it has one."""

    style: str
    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Values under one heading, with a short remark at the far end."""

    title: str
    remark: str
    data: tuple[Datum, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: its style class and its points (x, y), in the order of x."""

    style: str
    points: tuple[tuple[float, float], ...]


class Scale(NamedTuple):
    """Where a value stands between two places of the drawing, in percent across or in pixels down."""

    low: float
    high: float
    first: float
    last: float

    def place(self, value: float) -> float:
        """Give the place of a value."""
        span = self.high - self.low
        return self.first + (self.last - self.first) * ((value - self.low) / span if span else 0.5)


def choose_ticks(low: float, high: float, *, n_wanted: int = 4) -> list[float]:
    """Give round values (1, 2 or 5 times a power of ten apart) that lie between low and high."""
    if not high > low:
        return [low]
    rough = (high - low) / n_wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def draw_intervals(groups: Sequence[Group]) -> Drawing:
    """Draw one dot with its interval per value, grouped under headings, over one shared scale.

    The scale does not begin at zero: dots mark places, not lengths.
    """
    data = [datum for group in groups for datum in group.data]
    ends = [end for datum in data for end in (datum.value, datum.low, datum.high) if end is not None]
    low, high = min(ends), max(ends)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    # The right third is left for the values, which stand behind their dots.
    scale = Scale(low - margin, high + margin, 0, 70)
    height = sum(30 + 24 * len(group.data) + 14 for group in groups)
    parts = []
    for tick in choose_ticks(scale.low, scale.high):
        parts.append(_rule_down("grid", scale.place(tick), 28, height))
        parts.append(_write(scale.place(tick), height + 18, f"{tick:g}", "chart-tick middle"))
    top = 0
    for group in groups:
        parts.append(_write(0, top + 18, group.title, "chart-head"))
        parts.append(_write(100, top + 18, group.remark, "chart-head end"))
        for row, datum in enumerate(group.data):
            y = top + 40 + 24 * row
            end = scale.place(datum.value if datum.high is None else max(datum.value, datum.high))
            parts += [_draw_whisker(scale, datum, y), _draw_dot(datum.style, scale.place(datum.value), y)]
            parts.append(_write(end, y + 4, datum.label, "chart-value", dx=10))
        top += 30 + 24 * len(group.data) + 14
    return Drawing(Markup().join(parts), height + _AXIS_HEIGHT)


def draw_bars(data: Sequence[Datum]) -> Drawing:
    """Draw one horizontal bar from zero per value, its label above it and the number behind it."""
    longest = max((datum.high if datum.high is not None else datum.value) for datum in data) or 1.0
    scale = Scale(0, longest, 0, 82)
    parts = []
    for row, datum in enumerate(data):
        y = 44 * row
        bar = Markup('<rect class="fill {}" x="0" y="{}" width="{}" height="12"/>')
        parts.append(_write(0, y + 14, datum.label, "chart-text"))
        parts.append(bar.format(datum.style, y + 21, _percent(scale.place(datum.value))))
        parts.append(_draw_whisker(scale, datum, y + 27))
        end = datum.value if datum.low is None or datum.high is None else max(datum.value, datum.high)
        parts.append(_write(scale.place(end), y + 31, format_decimal(datum.value, 0), "chart-value", dx=7))
    return Drawing(Markup().join(parts), 44 * len(data))


def draw_columns(columns: Sequence[tuple[str, Sequence[Datum]]]) -> Drawing:
    """Draw one stacked column per entry (label, values from the bottom up); an empty label leaves its place blank."""
    height = 150
    most = max((sum(datum.value for datum in data) for _, data in columns), default=0) or 1.0
    scale = Scale(0, most, height, 16)
    parts = []
    for tick in choose_ticks(0, most, n_wanted=3):
        if tick == int(tick):
            parts.append(_rule_across("grid", scale.place(tick)))
            parts.append(_write(0, round(scale.place(tick), 1) - 4, format_decimal(tick, 0), "chart-tick"))
    slot = 93 / max(1, len(columns))
    box = Markup('<rect class="fill {}" x="{}" y="{}" width="{}" height="{}"/>')
    for index, (label, data) in enumerate(columns):
        x, base = 7 + slot * index, 0.0
        for datum in data:
            top, bottom = scale.place(base + datum.value), scale.place(base)
            size = (_percent(slot * 0.78), round(bottom - top, 1))
            parts.append(box.format(datum.style, _percent(x), round(top, 1), *size))
            base += datum.value
        parts.append(_write(x, height + 16, label, "chart-tick"))
    return Drawing(Markup().join(parts), height + _AXIS_HEIGHT)


def draw_lines(lines: Sequence[Line], *, best: tuple[float, float, str] | None) -> Drawing:
    """Draw curves over one scale; `best` (x, y, label) is marked with a ring and a plumb line."""
    height, top = 240, 30
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    margin = (max(ys) - min(ys)) * 0.08 or 0.1
    across = Scale(min(xs), max(xs), 10, 93)
    down = Scale(min(ys) - margin, max(ys) + margin, height, top)
    parts = []
    for tick in choose_ticks(down.low, down.high):
        parts.append(_rule_across("grid", down.place(tick)))
        parts.append(_write(0, round(down.place(tick), 1) - 4, f"{tick:g}", "chart-tick"))
    for tick in choose_ticks(across.low, across.high, n_wanted=3):
        parts.append(_write(across.place(tick), height + 18, f"{tick:,.0f}", "chart-tick middle"))
    ring = Markup()
    if best is not None:
        x, y = across.place(best[0]), round(down.place(best[1]), 1)
        parts.append(_rule_down("plumb", x, top - 8, height))
        parts.append(_write(x, top - 14, best[2], f"chart-value {'end' if x > 50 else ''}"))
        ring = Markup('<circle class="ring" cx="{}" cy="{}" r="6"/>').format(_percent(x), y)
    curves = [_draw_curve(across, down, line, height=height) for line in lines]
    return Drawing(Markup().join([*parts, *curves, ring]), height + _AXIS_HEIGHT)


def _draw_curve(across: Scale, down: Scale, line: Line, *, height: int) -> Markup:
    # A stretched box inside the drawing: only there may a path's points follow the width, and its stroke must not.
    points = " ".join(f"{across.place(x) * 10:.1f},{down.place(y):.1f}" for x, y in line.points)
    return Markup(
        '<svg x="0" y="0" width="100%" height="{0}" viewBox="0 0 1000 {0}" preserveAspectRatio="none">'
        '<polyline class="curve {1}" points="{2}"/></svg>'
    ).format(height, line.style, points)


# --- rows between two ends --------------------------------------------------------------------------------------------

_ROW_HEIGHT = 30
_HEAD_HEIGHT = 30
_ROOM = 0.75
"""How far a row's interval is drawn beyond the two ends, in their distance; a longer one stands in the table."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The two values that rows lie between, and their names."""

    low: float
    high: float
    low_name: str
    high_name: str


def draw_rows(groups: Sequence[Group], ends: Ends) -> Drawing:
    """Draw one labelled dot with its interval per value, between two named ends; the value stands at the far end.

    A group's remark is not drawn. A value is written with two places, in brackets where its style says `greyed`.
    """
    room = _ROOM * (ends.high - ends.low)
    data = [datum for group in groups for datum in group.data]
    spots = [spot for datum in data for spot in (datum.value, datum.low, datum.high) if spot is not None]
    low, high = max(min([*spots, ends.low]), ends.low - room), min(max([*spots, ends.high]), ends.high + room)
    scale = Scale(low, high, 37, 86)
    height = sum((_HEAD_HEIGHT if group.title else 0) + _ROW_HEIGHT * len(group.data) for group in groups)
    parts = [_rule_down("plumb", scale.place(value), 20, height + 26) for value in (ends.low, ends.high)]
    top = 24
    for group in groups:
        if group.title:
            parts.append(_write(0, top + 20, group.title, "chart-head"))
            top += _HEAD_HEIGHT
        for datum in group.data:
            parts += _draw_row(scale, datum, top + 15)
            top += _ROW_HEIGHT
    for value, name in ((ends.low, ends.low_name), (ends.high, ends.high_name)):
        parts.append(_write(scale.place(value), 12, name, "chart-tick middle"))
    return Drawing(Markup().join(parts), top + 6)


def _draw_row(scale: Scale, datum: Datum, y: int) -> list[Markup]:
    def clip(value: float) -> float:
        return min(max(value, scale.low), scale.high)

    ends = (None, None) if datum.low is None or datum.high is None else (clip(datum.low), clip(datum.high))
    drawn = Datum(datum.style, datum.label, clip(datum.value), *ends)
    value = f"{datum.value:.2f}".replace("-", MINUS)
    is_greyed = "greyed" in datum.style
    return [
        _write(0, y + 4, datum.label, "chart-tick" if is_greyed else "chart-text"),
        _draw_whisker(scale, drawn, y),
        _draw_dot(datum.style, scale.place(drawn.value), y),
        _write(100, y + 4, f"({value})" if is_greyed else value, "chart-tick end" if is_greyed else "end"),
    ]


# --- points -----------------------------------------------------------------------------------------------------------

_LABEL_LINES = 3


@dataclass(frozen=True, slots=True)
class PlotPoint:
    """One value at one place: its style class, its label, and its interval where it has one."""

    style: str
    label: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """What runs across: where its ticks stand and what is written there."""

    ticks: tuple[tuple[float, str], ...]
    is_logarithmic: bool = False

    def measure(self, value: float) -> float:
        """Give the place of a value before it is scaled to the drawing."""
        return math.log10(value) if self.is_logarithmic else value


def draw_points(points: Sequence[PlotPoint], axis: Axis, *, levels: Sequence[tuple[float, str]]) -> Drawing:
    """Draw each point with its interval, and its label above all of them; `levels` are named lines across."""
    named = sorted((point for point in points if point.label), key=lambda point: point.x)
    n_lines = min(_LABEL_LINES, len(named))
    top = 16 * n_lines + 12
    height = top + 200
    ups = [up for point in points for up in (point.y, point.low, point.high) if up is not None]
    ups += [value for value, _ in levels]
    margin = (max(ups) - min(ups)) * 0.06 or 0.1
    down = Scale(min(ups) - margin, max(ups) + margin, height, top)
    placed = [axis.measure(x) for x in (*(point.x for point in points), *(tick for tick, _ in axis.ticks))]
    across = Scale(min(placed), max(placed), 16, 88)
    names = dict(levels)
    parts = []
    for tick in sorted({*choose_ticks(down.low, down.high), *names}):
        parts.append(_rule_across("plumb" if tick in names else "grid", down.place(tick)))
        text = names.get(tick, f"{tick:g}".replace("-", MINUS))
        parts.append(_write(0, round(down.place(tick), 1) - 4, text, "chart-tick"))
    for tick, label in axis.ticks:
        parts.append(_write(across.place(axis.measure(tick)), height + 18, label, "chart-tick middle"))
    # Points may stand close together: their labels take turns in lines of their own.
    for place, point in enumerate(named):
        x, y = across.place(axis.measure(point.x)), 14 + 16 * (place % n_lines)
        bottom = round(down.place(point.y if point.high is None else max(point.y, point.high)), 1)
        anchor = "end" if x > 70 else "middle" if x > 30 else ""
        parts += [_rule_down("grid", x, y + 4, bottom), _write(x, y, point.label, f"chart-value {anchor}")]
    parts += [_draw_point(across.place(axis.measure(point.x)), down, point) for point in points]
    return Drawing(Markup().join(parts), height + 26)


def _draw_point(x: float, down: Scale, point: PlotPoint) -> Markup:
    dot = _draw_dot(point.style, x, round(down.place(point.y), 1))
    if point.low is None or point.high is None:
        return dot
    ends = round(down.place(point.low), 1), round(down.place(point.high), 1)
    return _rule_down(f"whisker {point.style}", x, *ends) + dot


# --- what all of them are made of -------------------------------------------------------------------------------------


def _percent(place: float) -> str:
    return f"{place:.2f}%"


def _rule_across(style: str, y: float) -> Markup:
    return Markup('<line class="{0}" x1="0" x2="100%" y1="{1}" y2="{1}"/>').format(style, round(y, 1))


def _rule_down(style: str, x: float, top: float, bottom: float) -> Markup:
    return Markup('<line class="{0}" x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>').format(style, _percent(x), top, bottom)


def _draw_dot(style: str, x: float, y: float) -> Markup:
    return Markup('<circle class="dot {}" cx="{}" cy="{}" r="5.5"/>').format(style, _percent(x), y)


def _draw_whisker(scale: Scale, datum: Datum, y: int) -> Markup:
    if datum.low is None or datum.high is None:
        return Markup()
    # The wider line behind parts the whisker from the bar it may lie on.
    return Markup(
        '<line class="halo" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>'
        '<line class="whisker {0}" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>'
    ).format(datum.style, _percent(scale.place(datum.low)), _percent(scale.place(datum.high)), y)


def _write(x: float, y: float, text: str, style: str, *, dx: int = 0) -> Markup:
    """Write one line at `x` percent and `y` pixels, cut where it is too long for a drawing."""
    # A drawing cannot wrap its lines: what is cut here stands whole in the chart's table.
    text = text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return Markup('<text class="{}" x="{}" y="{}" dx="{}">{}</text>').format(
        style, _percent(x), round(y, 1), dx, escape_html(text)
    )
