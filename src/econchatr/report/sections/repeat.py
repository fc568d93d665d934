"""The section on how to repeat it all: commands, settings, versions, and each tuned model's hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
    made = Table("made", "What each stage made", name_columns("stage", "SHA-256 of what it made"), material.made)
    blocks = keep(
        Paragraph(f"With EconChatR {material.version}, in the show’s folder:"),
        Commands(material.commands),
        *_warn_of_mismatch(material),
        _tabulate_weights(material.tuned_models) or say_absent("No model has been tuned."),
        *_list_settings(material),
        Folded(made.caption, (made,)) if material.made else None,
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


def _tabulate_weights(tuned_models: Sequence[TunedModel]) -> Table | None:
    """Give the weights, steps and full hashes behind each tuned model, one a column; `None` when none was trained."""
    if not tuned_models:
        return None
    facts: dict[str, Callable[[TunedModel], str]] = {
        "base model": lambda tuned: tuned.base_model,
        "weights": lambda tuned: tuned.weights,
        "commit of the base on the model hub": lambda tuned: tuned.base_commit or MISSING,
        "licence of the base": lambda tuned: tuned.tell_licence(),
        "steps, best step": lambda tuned: f"{format_count(tuned.n_steps)}, {format_count(tuned.best_step)}",
        "tokens trained on": lambda tuned: format_count(tuned.n_trained_tokens),
        "number type": lambda tuned: tuned.dtype,
        "questions answered alike by transformers and llama.cpp": _tell_agreement,
        "SHA-256 of the base weights": lambda tuned: tuned.base_sha256,
        "SHA-256 of the selection": lambda tuned: tuned.selection_sha256,
        "SHA-256 of the adapter": lambda tuned: tuned.adapter_sha256,
        "SHA-256 of the adapter for llama.cpp": lambda tuned: tuned.gguf_sha256 or MISSING,
    }
    columns = name_columns("", *(tuned.rung for tuned in tuned_models))
    rows = tuple((name, *map(tell, tuned_models)) for name, tell in facts.items())
    return Table("weights-table", "What each tuned model is made of", columns, rows)


def _tell_agreement(tuned: TunedModel) -> str:
    checked = tuned.n_agreeing_questions
    return "not checked" if checked is None else f"{checked} of {tuned.n_checked_questions}"


def _warn_of_mismatch(material: ReportMaterial) -> Iterator[Block]:
    """Name each tuned model whose selection is not the one this page shows."""
    shown = {selection.rung: selection.sha256 for selection in material.selections}
    for tuned in material.tuned_models:
        if tuned.rung in shown and shown[tuned.rung] != tuned.selection_sha256:
            made_from, here = shorten_hash(tuned.selection_sha256), shorten_hash(shown[tuned.rung])
            told = (
                f"The tuned model of {tuned.rung} was made from selection {made_from}, but the selection shown here is"
            )
            yield Paragraph(f"{told} {here}.", "warning")
