"""The model card that goes with an export, in the model hub's form: a head for machines, then words for people.

Every text from outside is escaped, in the head as JSON, which YAML reads, and below as Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from econchatr.records import Score, TunedModel
from econchatr.report.blocks import Column, Table, name_columns
from econchatr.report.markdown import write_table
from econchatr.report.material import RightsNote
from econchatr.report.plaintext import escape_markdown

_LICENCES = ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")
"""Identifiers of the hub that a show's licence may name; any other is `other`, in the show's own words."""


class CardMaterial(NamedTuple):
    """What a card is made from."""

    label: str
    host: str
    show_name: str
    line: str
    """The system line that every example began with."""
    rights: RightsNote
    tuned: TunedModel
    base_id: str
    """The base's name on the hub, or in words."""
    scores: tuple[Score, ...]
    proofs: tuple[tuple[str, ...], ...]
    """Rows of the comparison with the trained model: form, tokens that agree, greatest difference."""
    version: str


def render_card(material: CardMaterial) -> str:
    """Give the text of a README.md; the same material gives the same bytes."""
    return "\n".join([*_head(material), "", *_body(material)]).rstrip("\n") + "\n"


def _head(material: CardMaterial) -> list[str]:
    licence = material.rights.licence.strip().lower()
    fields: dict[str, object] = {
        "base_model": material.base_id,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": licence if licence in _LICENCES else "other",
        "tags": ["econchatr", "ai-imitation", "lora", "podcast"],
    }
    if licence not in _LICENCES:
        fields["license_name"] = material.rights.licence or "see the card"
    return ["---", *(f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in fields.items()), "---"]


def _body(material: CardMaterial) -> list[str]:
    tuned, say = material.tuned, escape_markdown
    rights = material.rights
    return [
        f"# {say(material.label)}",
        "",
        f"This model answers in the manner of {say(material.host)}, host of {say(material.show_name)}. It is not "
        f"{say(material.host)}, it does not know what {say(material.host)} thinks, and it makes up people, dates and "
        "facts. Whoever shows its words to others has to show this label with them.",
        "",
        "## How it was made",
        "",
        f"- Base: {say(material.base_id)}; the weights trained on: {say(tuned.weights)}.",
        f"- Trained by EconChatR {say(material.version)}: LoRA, {tuned.n_trained_tokens:,} tokens in {tuned.n_steps:,} "
        f"steps, the adapter of step {tuned.best_step:,} kept, on replies of the host only.",
        f"- Voice: {say(rights.voice)}. Ground: {say(rights.ground)}. Licence of the text: "
        f"{say(rights.licence or 'not stated')}.",
        f"- Hashes: base weights `{tuned.base_sha256[:16]}`, selection `{tuned.selection_sha256[:16]}`, adapter "
        f"`{tuned.adapter_sha256[:16]}`.",
        "",
        "## How to ask it",
        "",
        "Every example began with this system message. The chat template that comes with the merged forms puts it "
        "there where a conversation has none:",
        "",
        f"> {say(material.line)}",
        "",
        "Special tokens written inside a message are read as such by most programs; EconChatR breaks them up.",
        "",
        *_tables(material),
    ]


def _tables(material: CardMaterial) -> list[str]:
    lines: list[str] = []
    if material.proofs:
        table = Table("proof", "The export against the trained model", _proof_columns(), material.proofs)
        lines += ["## The export", "", str(write_table(table)), ""]
    if material.scores:
        lines += ["## Measured on held-out episodes", "", str(write_table(_score_table(material.scores)))]
    return lines


def _proof_columns() -> tuple[Column, ...]:
    return name_columns("Form", "#Greedy tokens that agree", "#Greatest difference, nats")


def _score_table(scores: Sequence[Score]) -> Table:
    rows = tuple(
        (
            score.measure,
            score.variant,
            score.subject,
            "unscored" if score.value is None else f"{score.value:.3f}",
            "" if score.low is None or score.high is None else f"{score.low:.3f} to {score.high:.3f}",
            str(score.n),
            score.unit,
        )
        for score in scores
    )
    columns = name_columns("Measure", "Model", "On", "#Value", "95% interval", "#n", "Unit")
    return Table("scores", "Every score of this rung", columns, rows)
