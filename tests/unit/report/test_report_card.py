"""The model card: the hub's form, and nobody else's words in it as more than words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from econchatr.records import Score, TunedModel
from econchatr.records.measures import PREFERRED, ROW_NAMES
from econchatr.report.card import CardMaterial, card_from_report, render_card
from econchatr.report.material import RightsNote
from tests.helpers.report_proof_material import make_gates, make_proved_material
from tests.unit.report.test_report_hostile import ATTACKS, make_hostile_material

TUNED = TunedModel(
    rung="r", base_model="b", base_sha256="1" * 64, weights="b, F16", selection_sha256="2" * 64, adapter_path="a",
    adapter_sha256="3" * 64, gguf_path=None, gguf_sha256=None, n_steps=1000, best_step=900, n_trained_tokens=123456,
    dtype="float32", n_agreeing_questions=None, n_checked_questions=0,
)  # fmt: skip
UNSCORED = Score(measure="m", rung="r", variant="tuned", subject="s", value=None, n=0, unit="bits", reason="none")


def card(*, host: str = "Hal Host", licence: str = "CC-BY-4.0", base_licence: str = "Apache-2.0") -> str:
    return render_card(
        CardMaterial(
            label=f"AI imitation of {host}, not {host}", host=host, show_name="The Show", line="Line.",
            rights=RightsNote(voice=host, ground="consent", licence=licence), base_id="org/base",
            tuned=TUNED.model_copy(update={"licence": base_licence}),
            scores=(UNSCORED,), proofs=(("adapter", "72 of 72", "0.000"),), version="1",
        )
    )  # fmt: skip


def head(text: str) -> dict[str, object]:
    lines = text.split("---\n")[1].splitlines()
    return {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in lines}


def test_the_head_is_the_hubs() -> None:
    found = head(card())
    assert (found["base_model"], found["license"]) == ("org/base", "apache-2.0")
    assert "ai-imitation" in str(found["tags"])


def test_the_weights_stand_under_the_bases_licence_and_the_shows_is_named_in_the_text() -> None:
    text = card(licence="CC-BY-NC-4.0", base_licence="gemma")
    assert head(text)["license"] == "gemma"
    assert "license_name" not in head(text)
    assert "Licence of the text trained on: CC-BY-NC-4.0. The weights stand under the base's licence" in text


def test_a_licence_that_the_hub_has_no_word_for_is_told_by_its_name() -> None:
    assert head(card(base_licence="smallgpt\nme: ---"))["license"] == "other"
    assert head(card(base_licence="smallgpt\nme: ---"))["license_name"] == "smallgpt\nme: ---"


def test_a_base_that_tells_no_licence_is_not_given_the_shows() -> None:
    found = head(card(licence="CC0-1.0", base_licence=""))
    assert (found["license"], found["license_name"]) == ("other", "not told by the base")


def test_the_label_the_proof_and_what_is_unscored_are_there() -> None:
    text = card()
    assert "# AI imitation of Hal Host, not Hal Host" in text
    assert "72 of 72" in text
    assert "unscored" in text


def test_a_card_without_figures_says_why() -> None:
    fields = {"label": "AI imitation of H, not H", "host": "H", "show_name": "S", "line": "Line.", "base_id": "b"}
    rights = RightsNote(voice="H", ground="consent", licence="")
    made = CardMaterial(**fields, rights=rights, tuned=TUNED, scores=(), proofs=(), version="1",
                        unmeasured="It was not measured <b>yet</b>.")  # fmt: skip
    text = render_card(made)
    assert text.index("## Measured") < text.index("It was not measured")
    assert "<b>" not in text
    assert "model-index" not in head(text)
    assert "## Measured\n" not in card()


def test_a_name_is_only_a_name() -> None:
    text = card(host="<script>x</script>\n---\n# [y](http://evil)")
    assert "<script>" not in text
    assert not re.search(r"(?<!\\)\]\(", text), "a link"
    assert text.count("\n---\n") == 1


def make_full_card(**update: object) -> str:
    material = make_proved_material().model_copy(update=update)
    found = card_from_report(material, material.tuned_models[0])
    assert found is not None
    return render_card(found)


def list_metrics(text: str) -> dict[str, float]:
    results = head(text)["model-index"][0]["results"][0]["metrics"]  # type: ignore[index]
    return {metric["type"]: metric["value"] for metric in results}


def test_the_head_tells_the_measured_values_that_may_be_believed() -> None:
    metrics = list_metrics(make_full_card())
    assert (metrics["voice"], metrics["made-up-rate"], metrics["host-bits-saved"]) == (0.74, 0.6, 0.083)


def test_a_greyed_out_voice_is_told_as_one_and_left_out_of_the_head() -> None:
    text = make_full_card(gates=make_gates({"tuned": "copying"}))
    assert "voice" not in list_metrics(text)
    assert "cannot be said: it copies." in text
    assert "greyed out: it copies" in text


def test_every_row_and_what_it_was_made_of_are_there() -> None:
    text = make_full_card()
    shown = [name for variant, name in ROW_NAMES.items() if variant not in ("host", PREFERRED)]
    assert all(f"| {name} |" in text for name in shown)
    assert "Episodes no model was trained on" in text
    assert "trained at home, 100,080 tokens; nothing was charged" in text
    assert "leaning towards the exam: 20.0% of its replies" in text
    assert head(text)["base_model"] == "org/SmolLM2-135M-Instruct"
    assert head(text)["language"] == ["en"]


def test_the_hubs_own_library_reads_the_card() -> None:
    hub: Any = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(make_full_card()).data
    assert data.base_model == "org/SmolLM2-135M-Instruct"
    assert {result.metric_type: result.metric_value for result in data.eval_results}["voice"] == 0.74


def test_nothing_measured_claims_nothing() -> None:
    text = make_full_card(scores=(), gates=())
    assert "model-index" not in head(text)
    assert "Nothing has been measured yet." in text


def test_a_show_without_rights_has_no_card() -> None:
    material = make_proved_material().model_copy(update={"rights": None})
    assert card_from_report(material, material.tuned_models[0]) is None


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_show_puts_no_markup_into_its_card(attack: str) -> None:
    material = make_hostile_material(attack)
    found = card_from_report(material, material.tuned_models[0])
    assert found is not None
    text = render_card(found)
    body = text.split("\n---\n", 1)[1]
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
    inline = {child.type for token in tokens for child in token.children or []}
    assert not inline & {"html_inline", "link_open", "image"}
    assert not {"html_block", "fence", "code_block"} & {token.type for token in tokens}
    assert head(text)["pipeline_tag"] == "text-generation"
