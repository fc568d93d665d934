"""The model card: the hub's form, and nobody else's words in it as more than words."""

from __future__ import annotations

import json
import re

from econchatr.records import Score, TunedModel
from econchatr.report.card import CardMaterial, render_card
from econchatr.report.material import RightsNote

TUNED = TunedModel(
    rung="r", base_model="b", base_sha256="1" * 64, weights="b, F16", selection_sha256="2" * 64, adapter_path="a",
    adapter_sha256="3" * 64, gguf_path=None, gguf_sha256=None, n_steps=1000, best_step=900, n_trained_tokens=123456,
    dtype="float32", n_agreeing_questions=None, n_checked_questions=0,
)  # fmt: skip
UNSCORED = Score(measure="m", rung="r", variant="tuned", subject="s", value=None, n=0, unit="bits", reason="none")


def card(*, host: str = "Hal Host", licence: str = "CC-BY-4.0") -> str:
    return render_card(
        CardMaterial(
            label=f"AI imitation of {host}, not {host}", host=host, show_name="The Show", line="Line.",
            rights=RightsNote(voice=host, ground="consent", licence=licence), tuned=TUNED, base_id="org/base",
            scores=(UNSCORED,), proofs=(("adapter", "72 of 72", "0.000"),), version="1",
        )
    )  # fmt: skip


def head(text: str) -> dict[str, object]:
    lines = text.split("---\n")[1].splitlines()
    return {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in lines}


def test_the_head_is_the_hubs() -> None:
    found = head(card())
    assert (found["base_model"], found["license"]) == ("org/base", "cc-by-4.0")
    assert "ai-imitation" in str(found["tags"])


def test_a_licence_of_ones_own_is_told_in_words() -> None:
    assert head(card(licence="ask\nme: ---"))["license"] == "other"
    assert head(card(licence="ask\nme: ---"))["license_name"] == "ask\nme: ---"


def test_the_label_the_proof_and_what_is_unscored_are_there() -> None:
    text = card()
    assert "# AI imitation of Hal Host, not Hal Host" in text
    assert "72 of 72" in text
    assert "unscored" in text


def test_a_name_is_only_a_name() -> None:
    text = card(host="<script>x</script>\n---\n# [y](http://evil)")
    assert "<script>" not in text
    assert not re.search(r"(?<!\\)\]\(", text), "a link"
    assert text.count("\n---\n") == 1
