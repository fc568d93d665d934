"""Draw four kinds of chart as inline SVG: intervals, bars, columns, lines.

Places run in percent of the width and in pixels of height, so that one drawing fits a phone and a desk without its
letters shrinking; colours are style classes, so that dark mode and print may choose their own. The same
numbers give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from econchatr.display import escape_html
from econchatr.report.formats import format_decimal

_AXIS_HEIGHT = 26
_LONGEST_TEXT = 56


@dataclass(frozen=True, slots=True)
class Mark:
    """One measured value to draw: its style class, its label, and its interval where it has one."""

    style: str
    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Marks under one heading, with a short remark at the far end."""

    title: str
    remark: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: its style class and its points (x, y), in the order of x."""

    style: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a value stands between the first and the last percent of the drawing."""

    low: float
    high: float
    first: float
    last: float

    def place(self, value: float) -> float:
        """Give the place in percent."""
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


def draw_intervals(key: str, title: str, description: str, groups: Sequence[Group]) -> Markup:
    """Draw one dot with its interval per mark, grouped under headings, over one shared scale.

    The scale does not begin at zero: dots mark places, not lengths.
    """
    marks = [mark for group in groups for mark in group.marks]
    ends = [end for mark in marks for end in (mark.value, mark.low, mark.high) if end is not None]
    low, high = min(ends), max(ends)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    # The right third is left for the values, which stand behind their dots.
    scale = Scale(low - margin, high + margin, 0, 70)
    height = sum(30 + 24 * len(group.marks) + 14 for group in groups)
    ticks = choose_ticks(scale.low, scale.high)
    parts = [_draw_axis(scale, ticks, height=height)]
    top = 0
    for group in groups:
        parts.append(draw_text(0, top + 18, group.title, "chart-head"))
        parts.append(draw_text(100, top + 18, group.remark, "chart-head end"))
        for row, mark in enumerate(group.marks):
            parts.append(_draw_dot(scale, mark, y=top + 40 + 24 * row))
        top += 30 + 24 * len(group.marks) + 14
    return wrap_drawing(key, title, description, height + _AXIS_HEIGHT, parts)


def draw_bars(key: str, title: str, description: str, marks: Sequence[Mark], *, places: int = 0) -> Markup:
    """Draw one horizontal bar from zero per mark, its label above it and its value behind it."""
    longest = max((mark.high if mark.high is not None else mark.value) for mark in marks) or 1.0
    scale = Scale(0, longest, 0, 82)
    parts = []
    for row, mark in enumerate(marks):
        y = 44 * row
        width = percent(scale.place(mark.value))
        parts.append(draw_text(0, y + 14, mark.label, "chart-text"))
        parts.append(
            Markup('<rect class="fill {}" x="0" y="{}" width="{}" height="12"/>').format(mark.style, y + 21, width)
        )
        end = mark.value
        if mark.low is not None and mark.high is not None:
            parts.append(draw_whisker(scale, mark, y=y + 27))
            end = max(mark.value, mark.high)
        parts.append(draw_text(scale.place(end), y + 31, format_decimal(mark.value, places), "chart-value", dx=7))
    return wrap_drawing(key, title, description, 44 * len(marks), parts)


def draw_columns(key: str, title: str, description: str, columns: Sequence[tuple[str, Sequence[Mark]]]) -> Markup:
    """Draw one stacked column per entry (label, marks from the bottom up); an empty label leaves its place blank."""
    height = 150
    most = max((sum(mark.value for mark in marks) for _, marks in columns), default=0) or 1.0
    ticks = [tick for tick in choose_ticks(0, most, n_wanted=3) if tick == int(tick)]
    scale = Scale(0, most, height, 16)
    parts = []
    for tick in ticks:
        y = round(scale.place(tick), 1)
        parts.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y))
        parts.append(draw_text(0, y - 4, format_decimal(tick, 0), "chart-tick"))
    slot = 93 / max(1, len(columns))
    for index, (label, marks) in enumerate(columns):
        x, base = 7 + slot * index, 0.0
        for mark in marks:
            y_top, y_bottom = scale.place(base + mark.value), scale.place(base)
            parts.append(
                Markup('<rect class="fill {}" x="{}" y="{}" width="{}" height="{}"/>').format(
                    mark.style, percent(x), round(y_top, 1), percent(slot * 0.78), round(y_bottom - y_top, 1)
                )
            )
            base += mark.value
        parts.append(draw_text(x, height + 16, label, "chart-tick"))
    return wrap_drawing(key, title, description, height + _AXIS_HEIGHT, parts)


def draw_lines(
    key: str, title: str, description: str, lines: Sequence[Line], *, best: tuple[float, float, str] | None
) -> Markup:
    """Draw curves over one scale; `best` (x, y, label) is marked with a ring and a plumb line."""
    height, top = 240, 30
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    margin = (max(ys) - min(ys)) * 0.08 or 0.1
    across = Scale(min(xs), max(xs), 10, 93)
    down = Scale(min(ys) - margin, max(ys) + margin, height, top)
    parts = []
    for tick in choose_ticks(down.low, down.high):
        y = round(down.place(tick), 1)
        parts.append(Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y))
        parts.append(draw_text(0, y - 4, f"{tick:g}", "chart-tick"))
    for tick in choose_ticks(across.low, across.high, n_wanted=3):
        parts.append(draw_text(across.place(tick), height + 18, f"{tick:,.0f}", "chart-tick middle"))
    if best is not None:
        x = percent(across.place(best[0]))
        parts.append(Markup('<line class="plumb" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(x, top - 8, height))
        anchor = "end" if across.place(best[0]) > 50 else ""
        parts.append(draw_text(across.place(best[0]), top - 14, best[2], f"chart-value {anchor}"))
    parts += [_draw_line(across, down, line, height=height) for line in lines]
    if best is not None:
        y = round(down.place(best[1]), 1)
        parts.append(Markup('<circle class="ring" cx="{}" cy="{}" r="6"/>').format(x, y))
    return wrap_drawing(key, title, description, height + _AXIS_HEIGHT, parts)


def _draw_line(across: Scale, down: Scale, line: Line, *, height: int) -> Markup:
    # A stretched box inside the drawing: only there may a path's points follow the width, and its stroke must not.
    points = " ".join(f"{across.place(x) * 10:.1f},{down.place(y):.1f}" for x, y in line.points)
    box = Markup(
        '<svg x="0" y="0" width="100%" height="{0}" viewBox="0 0 1000 {0}" preserveAspectRatio="none">'
    ).format(height)
    return box + Markup('<polyline class="curve {}" points="{}"/></svg>').format(line.style, points)


def _draw_axis(scale: Scale, ticks: Sequence[float], *, height: int) -> Markup:
    parts = []
    for tick in ticks:
        x = percent(scale.place(tick))
        parts.append(Markup('<line class="grid" x1="{0}" x2="{0}" y1="28" y2="{1}"/>').format(x, height))
        parts.append(draw_text(scale.place(tick), height + 18, f"{tick:g}", "chart-tick middle"))
    return Markup().join(parts)


def _draw_dot(scale: Scale, mark: Mark, *, y: int) -> Markup:
    end = mark.value if mark.high is None else max(mark.value, mark.high)
    dot = Markup('<circle class="dot {}" cx="{}" cy="{}" r="5.5"/>').format(
        mark.style, percent(scale.place(mark.value)), y
    )
    return draw_whisker(scale, mark, y=y) + dot + draw_text(scale.place(end), y + 4, mark.label, "chart-value", dx=10)


def draw_whisker(scale: Scale, mark: Mark, *, y: int) -> Markup:
    """Draw a mark's interval; nothing where it has none."""
    if mark.low is None or mark.high is None:
        return Markup()
    # The wider line behind parts the whisker from the bar it may lie on.
    return Markup(
        '<line class="halo" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>'
        '<line class="whisker {0}" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>'
    ).format(mark.style, percent(scale.place(mark.low)), percent(scale.place(mark.high)), y)


def draw_text(x: float, y: float, text: str, style: str, *, dx: int = 0) -> Markup:
    """Write one line at `x` percent and `y` pixels, cut where it is too long for a drawing."""
    # A drawing cannot wrap its lines: what is cut here stands whole in the chart's table.
    text = text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return Markup('<text class="{}" x="{}" y="{}" dx="{}">{}</text>').format(
        style, percent(x), round(y, 1), dx, escape_html(text)
    )


def percent(place: float) -> str:
    """Give a place as SVG takes it."""
    return f"{place:.2f}%"


def wrap_drawing(key: str, title: str, description: str, height: int, parts: Sequence[Markup]) -> Markup:
    """Put parts into one drawing with a title and a description in words, for those who do not see it."""
    head = Markup(
        '<svg class="chart" role="img" aria-labelledby="{0}-title {0}-desc" width="100%" height="{1}">'
        '<title id="{0}-title">{2}</title><desc id="{0}-desc">{3}</desc>'
    ).format(key, height, escape_html(title), escape_html(description))
    return head + Markup().join(parts) + Markup("</svg>")


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
