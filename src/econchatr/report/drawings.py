"""Draw two more kinds of chart as inline SVG: labelled rows between two ends, and points with intervals.

As in `svg`, places run in percent across and in pixels down, colours are style classes, and the same numbers give the
same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from econchatr.report.svg import (
    Group,
    Mark,
    Scale,
    choose_ticks,
    draw_text,
    draw_whisker,
    percent,
    wrap_drawing,
)

_ROW_HEIGHT = 30
_HEAD_HEIGHT = 30
_LABEL_LINES = 3
_ROOM = 0.75
"""How far a row's interval is drawn beyond the two ends, in their distance; a longer one stands in the table."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The two values that rows lie between, and their names."""

    low: float
    high: float
    low_name: str
    high_name: str


def draw_rows(key: str, title: str, description: str, groups: Sequence[Group], ends: Ends) -> Markup:
    """Draw one labelled dot with its interval per mark, between two named ends; the value stands at the far end.

    A group's remark is not drawn. A mark's own label is its name; its value is written with two places, and in
    brackets where its style says `greyed`.
    """
    room = _ROOM * (ends.high - ends.low)
    marks = [mark for group in groups for mark in group.marks]
    spots = [spot for mark in marks for spot in (mark.value, mark.low, mark.high) if spot is not None]
    low, high = max(min([*spots, ends.low]), ends.low - room), min(max([*spots, ends.high]), ends.high + room)
    scale = Scale(low, high, 37, 86)
    height = sum((_HEAD_HEIGHT if group.title else 0) + _ROW_HEIGHT * len(group.marks) for group in groups)
    parts = [_draw_end(scale, value, height) for value in (ends.low, ends.high)]
    top = 24
    for group in groups:
        if group.title:
            parts.append(draw_text(0, top + 20, group.title, "chart-head"))
            top += _HEAD_HEIGHT
        for mark in group.marks:
            parts.append(_draw_row(scale, _clip(mark, low, high), mark, y=top + 15))
            top += _ROW_HEIGHT
    for value, name in ((ends.low, ends.low_name), (ends.high, ends.high_name)):
        parts.append(draw_text(scale.place(value), 12, name, "chart-tick middle"))
    return wrap_drawing(key, title, description, top + 6, parts)


def _draw_end(scale: Scale, value: float, height: int) -> Markup:
    return Markup('<line class="plumb" x1="{0}" x2="{0}" y1="20" y2="{1}"/>').format(
        percent(scale.place(value)), height + 26
    )


def _clip(mark: Mark, low: float, high: float) -> Mark:
    def clip(value: float) -> float:
        return min(max(value, low), high)

    ends = (None, None) if mark.low is None or mark.high is None else (clip(mark.low), clip(mark.high))
    return Mark(mark.style, mark.label, clip(mark.value), *ends)


def _draw_row(scale: Scale, clipped: Mark, mark: Mark, *, y: int) -> Markup:
    value = f"{mark.value:.2f}".replace("-", "\N{MINUS SIGN}")
    is_greyed = "greyed" in mark.style
    return Markup().join(
        (
            draw_text(0, y + 4, mark.label, "chart-tick" if is_greyed else "chart-text"),
            draw_whisker(scale, clipped, y=y),
            _draw_spot(mark.style, percent(scale.place(clipped.value)), y),
            draw_text(100, y + 4, f"({value})" if is_greyed else value, "chart-tick end" if is_greyed else "end"),
        )
    )


def _draw_spot(style: str, x: str, y: float) -> Markup:
    return Markup('<circle class="dot {}" cx="{}" cy="{}" r="5.5"/>').format(style, x, y)


# --- points -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
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


def draw_points(
    key: str, title: str, description: str, points: Sequence[Point], axis: Axis, *, levels: Sequence[tuple[float, str]]
) -> Markup:
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
    parts = [_draw_levels(down, levels)]
    for tick, label in axis.ticks:
        parts.append(draw_text(across.place(axis.measure(tick)), height + 18, label, "chart-tick middle"))
    # Points may stand close together: their labels take turns in lines of their own.
    for place, point in enumerate(named):
        parts.append(_draw_label(across.place(axis.measure(point.x)), down, point, y=14 + 16 * (place % n_lines)))
    parts += [_draw_point(across.place(axis.measure(point.x)), down, point) for point in points]
    return wrap_drawing(key, title, description, height + 26, parts)


def _draw_levels(down: Scale, levels: Sequence[tuple[float, str]]) -> Markup:
    parts, names = [], dict(levels)
    for tick in sorted({*choose_ticks(down.low, down.high), *names}):
        y = round(down.place(tick), 1)
        style = "plumb" if tick in names else "grid"
        parts.append(Markup('<line class="{0}" x1="0" x2="100%" y1="{1}" y2="{1}"/>').format(style, y))
        text = names.get(tick, f"{tick:g}".replace("-", "\N{MINUS SIGN}"))
        parts.append(draw_text(0, y - 4, text, "chart-tick"))
    return Markup().join(parts)


def _draw_label(x: float, down: Scale, point: Point, *, y: int) -> Markup:
    bottom = round(down.place(point.y if point.high is None else max(point.y, point.high)), 1)
    thread = Markup('<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(percent(x), y + 4, bottom)
    anchor = "end" if x > 70 else "middle" if x > 30 else ""
    return thread + draw_text(x, y, point.label, f"chart-value {anchor}")


def _draw_point(x: float, down: Scale, point: Point) -> Markup:
    place, y, whisker = percent(x), round(down.place(point.y), 1), Markup()
    if point.low is not None and point.high is not None:
        whisker = Markup('<line class="whisker {0}" x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>').format(
            point.style, place, round(down.place(point.low), 1), round(down.place(point.high), 1)
        )
    return whisker + _draw_spot(point.style, place, y)
