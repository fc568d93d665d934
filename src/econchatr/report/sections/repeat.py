"""The section on how to repeat it all: commands, settings, versions, and each tuned model's hashes."""

from __future__ import annotations

from collections.abc import Iterator

from econchatr.records import TunedModel
from econchatr.report.formats import MISSING, format_count, shorten_hash
from econchatr.report.material import ReportMaterial
from econchatr.report.page_blocks import (
    Block,
    Commands,
    Facts,
    Folded,
    Paragraph,
    Part,
    Section,
    Table,
    keep,
    name_columns,
    say_absent,
)


def repeat_section(material: ReportMaterial) -> Section:
    """Give the section."""
    made = _tabulate_made(material)
    blocks = keep(
        Paragraph(f"With EconChatR {material.version}, in the show’s folder:"),
        Commands(material.commands),
        *(Paragraph(warning, "warning") for warning in _warn_of_mismatch(material)),
        _tabulate_weights(material) or say_absent("No model has been tuned."),
        *_list_settings(material),
        Folded(made.caption, (made,)) if made else None,
        _list_files(material),
    )
    return Section("repeat", "How to repeat it", blocks, menu="Repeat it")


def _list_settings(material: ReportMaterial) -> Iterator[Block]:
    if material.settings:
        yield Part("Settings and seeds", (Facts(material.settings),))
    if material.versions:
        yield Part("Installed when this page was written", (Facts(material.versions),))


def _list_files(material: ReportMaterial) -> Block | None:
    if not material.files:
        return None
    told = (
        f"In the folder of this page lie {', '.join(material.files)}: the same in Markdown, all answers, all scores "
        "and all gates to count again, and a model card for each tuned model."
    )
    return Part("Beside this page", (Paragraph(told),))


def _tabulate_weights(material: ReportMaterial) -> Table | None:
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


def _tabulate_made(material: ReportMaterial) -> Table | None:
    """Give the hash of what each stage made, to compare a repetition with; `None` when none is told."""
    if not material.made:
        return None
    columns = name_columns("stage", "SHA-256 of what it made")
    return Table("made", "What each stage made", columns, material.made)


def _warn_of_mismatch(material: ReportMaterial) -> tuple[str, ...]:
    """Name each tuned model whose selection is not the one this page shows."""
    shown = {selection.rung: selection.sha256 for selection in material.selections}
    return tuple(
        f"The tuned model of {tuned.rung} was made from selection {shorten_hash(tuned.selection_sha256)}, but the "
        f"selection shown here is {shorten_hash(shown[tuned.rung])}."
        for tuned in material.tuned_models
        if tuned.rung in shown and shown[tuned.rung] != tuned.selection_sha256
    )
