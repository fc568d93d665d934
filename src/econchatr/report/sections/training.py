"""The section on how the training went: a learning curve per rung."""

from __future__ import annotations

import math
from typing import TypeGuard

from econchatr.records import CurvePoint
from econchatr.report.formats import count_noun, format_count, format_decimal
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import Chart, LegendEntry, Section, say_absent, tabulate
from econchatr.report.svg import Line, draw_lines


def training_section(material: ReportMaterial) -> Section:
    """Give one learning curve per rung; a rung without a single measured loss gets none."""
    charts = list[Chart]()
    for index, rung in enumerate(dict.fromkeys(point.rung for point in material.curve), start=1):
        points = tuple(point for point in material.curve if point.rung == rung)
        if any(_is_drawn(point.dev_loss) or _is_drawn(point.train_loss) for point in points):
            charts.append(_chart_curve(f"fig-curve-{index}", rung, points))
    blocks = tuple(charts) or (say_absent("No learning curve is recorded."),)
    return Section("training", "Training", blocks, menu="Training")


def _is_drawn(loss: float | None) -> TypeGuard[float]:
    # A run that diverged reads nan or inf: kept in the table, left out of the drawing.
    return loss is not None and math.isfinite(loss)


def _chart_curve(key: str, rung: str, points: tuple[CurvePoint, ...]) -> Chart:
    train = tuple((float(p.n_seen_tokens), p.train_loss) for p in points if _is_drawn(p.train_loss))
    dev = tuple((float(p.n_seen_tokens), p.dev_loss) for p in points if _is_drawn(p.dev_loss))
    lines = [Line(style, path) for style, path in (("k-base", train), ("k-tuned", dev)) if path]
    # A reading is marked when it is the best so far: the last one marked is the one that was kept.
    best = next((point for point in reversed(points) if point.is_best and _is_drawn(point.dev_loss)), None)
    mark, told = None, "no best step is recorded"
    if best is not None and best.dev_loss is not None:
        told = f"best {format_decimal(best.dev_loss, 3)} at step {format_count(best.step)}"
        mark = (float(best.n_seen_tokens), best.dev_loss, told)
    first = f"from {format_decimal(dev[0][1], 3)} to {format_decimal(dev[-1][1], 3)}" if dev else "not measured"
    title = f"Learning curve of {rung}"
    return Chart(
        key,
        title,
        f"Loss in nats per learned token against tokens seen, {count_noun(len(points), 'reading')}. "
        f"Development loss {first}; {told}.",
        draw_lines(lines, best=mark),
        tabulate(
            f"{key}-table",
            title,
            points,
            {
                "step": lambda point: f"{format_count(point.step)}{' (best)' if point is best else ''}",
                "#tokens seen": lambda point: format_count(point.n_seen_tokens),
                "#training loss": lambda point: format_decimal(point.train_loss, 4),
                "#development loss": lambda point: format_decimal(point.dev_loss, 4),
            },
        ),
        legend=(LegendEntry("line k-tuned", "development episodes"), LegendEntry("line k-base", "training pairs")),
        note="Loss in nats per learned token (up), tokens seen (across). The loss axis does not begin at zero.",
    )
