"""Tell how the training went, and tie each tuned model to its weights and its selection by hash.

Reads curve points and tuned models; knows nothing of how they were trained.
"""

from __future__ import annotations

import math
from typing import TypeGuard

from econchatr.records import CurvePoint, TunedModel
from econchatr.report.blocks import Chart, LegendEntry, Table, name_columns
from econchatr.report.formats import MISSING, count_noun, format_count, format_decimal, shorten_hash
from econchatr.report.material import ReportMaterial
from econchatr.report.svg import Line, draw_lines


def chart_curves(curve: tuple[CurvePoint, ...]) -> tuple[Chart, ...]:
    """Draw one learning curve per rung; a rung without a single measured loss gets none."""
    charts = []
    for index, rung in enumerate(dict.fromkeys(point.rung for point in curve), start=1):
        points = tuple(point for point in curve if point.rung == rung)
        if any(_is_drawn(point.dev_loss) or _is_drawn(point.train_loss) for point in points):
            charts.append(_chart_curve(f"fig-curve-{index}", rung, points))
    return tuple(charts)


def _is_drawn(loss: float | None) -> TypeGuard[float]:
    # A run that diverged reads nan or inf: kept in the table, left out of the drawing.
    return loss is not None and math.isfinite(loss)


def _chart_curve(key: str, rung: str, points: tuple[CurvePoint, ...]) -> Chart:
    train = tuple((float(p.n_seen_tokens), p.train_loss) for p in points if _is_drawn(p.train_loss))
    dev = tuple((float(p.n_seen_tokens), p.dev_loss) for p in points if _is_drawn(p.dev_loss))
    lines = [Line(style, path) for style, path in (("k-base", train), ("k-tuned", dev)) if path]
    # A reading is marked when it is the best so far: the last one marked is the one that was kept.
    best = next((point for point in reversed(points) if point.is_best and _is_drawn(point.dev_loss)), None)
    title = f"Learning curve of {rung}"
    mark, told = None, "no best step is recorded"
    if best is not None and best.dev_loss is not None:
        told = f"best {format_decimal(best.dev_loss, 3)} at step {format_count(best.step)}"
        mark = (float(best.n_seen_tokens), best.dev_loss, told)
    first = f"from {format_decimal(dev[0][1], 3)} to {format_decimal(dev[-1][1], 3)}" if dev else "not measured"
    description = (
        f"Loss in nats per learned token against tokens seen, {count_noun(len(points), 'reading')}. "
        f"Development loss {first}; {told}."
    )
    rows = tuple(
        (
            f"{format_count(point.step)}{' (best)' if point is best else ''}",
            format_count(point.n_seen_tokens),
            format_decimal(point.train_loss, 4),
            format_decimal(point.dev_loss, 4),
        )
        for point in points
    )
    return Chart(
        key,
        title,
        draw_lines(key, title, description, lines, best=mark),
        Table(f"{key}-table", title, name_columns("step", "#tokens seen", "#training loss", "#development loss"), rows),
        legend=(LegendEntry("line k-tuned", "development episodes"), LegendEntry("line k-base", "training pairs")),
        note="Loss in nats per learned token (up), tokens seen (across). The loss axis does not begin at zero.",
    )


def tabulate_weights(material: ReportMaterial) -> Table | None:
    """Give the weights, steps and full hashes behind each tuned model; `None` when none was trained."""
    if not material.tuned_models:
        return None
    facts = [_list_facts(tuned) for tuned in material.tuned_models]
    rows = tuple((name, *(values[name] for values in facts)) for name in facts[0])
    rungs = (tuned.rung for tuned in material.tuned_models)
    return Table("weights-table", "What each tuned model is made of", name_columns("", *rungs), rows)


def _list_facts(tuned: TunedModel) -> dict[str, str]:
    checked = tuned.n_agreeing_questions
    return {
        "base model": tuned.base_model,
        "weights": tuned.weights,
        "steps, best step": f"{format_count(tuned.n_steps)}, {format_count(tuned.best_step)}",
        "tokens trained on": format_count(tuned.n_trained_tokens),
        "number type": tuned.dtype,
        "questions with the same first tokens in transformers and llama.cpp": (
            "not checked" if checked is None else f"{checked} of {tuned.n_checked_questions}"
        ),
        "SHA-256 of the base weights": tuned.base_sha256,
        "SHA-256 of the selection": tuned.selection_sha256,
        "SHA-256 of the adapter": tuned.adapter_sha256,
        "SHA-256 of the adapter for llama.cpp": tuned.gguf_sha256 or MISSING,
    }


def tabulate_made(material: ReportMaterial) -> Table | None:
    """Give the hash of what each stage made, to compare a repetition with; `None` when none is told."""
    if not material.made:
        return None
    columns = name_columns("stage", "SHA-256 of what it made")
    return Table("made", "What each stage made", columns, material.made)


def warn_of_mismatch(material: ReportMaterial) -> tuple[str, ...]:
    """Name each tuned model whose selection is not the one this page shows."""
    shown = {selection.rung: selection.sha256 for selection in material.selections}
    return tuple(
        f"The tuned model of {tuned.rung} was made from selection {shorten_hash(tuned.selection_sha256)}, but the "
        f"selection shown here is {shorten_hash(shown[tuned.rung])}."
        for tuned in material.tuned_models
        if tuned.rung in shown and shown[tuned.rung] != tuned.selection_sha256
    )
