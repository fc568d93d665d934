"""The hash that an answer carries, and the keys under which answers given before are found."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from econchatr.ask.asker import Asker, GenerationLog
from econchatr.ask.exam import ExamSettings, model_identity
from econchatr.errors import ModelError
from econchatr.models.base_model import Base
from econchatr.prompts import CHATML, FORM_VERSION, Voice, render_chat
from econchatr.records import Reply, TunedModel
from econchatr.select.examples import ExampleForm, build_example
from econchatr.tables import hash_settings
from econchatr.tokens import open_tokenizer
from econchatr.tools.sheets import HeldOutDrawer
from tests.helpers.make_records import make_pair
from tests.unit.ask.test_ask import Scripted

TUNED = TunedModel(
    rung="small",
    base_model="b",
    base_sha256="1" * 64,
    weights="b, F16",
    selection_sha256="2" * 64,
    adapter_path="a",
    adapter_sha256="3" * 64,
    gguf_path=None,
    gguf_sha256=None,
    n_steps=1,
    best_step=1,
    n_trained_tokens=1,
    dtype="float32",
    n_agreeing_questions=None,
    n_checked_questions=0,
)
RETRAINED = TUNED.model_copy(update={"adapter_sha256": "4" * 64})
SETTINGS = ExamSettings(samples=2, temperature=0.6, max_tokens=250, seed=7, repeat_penalty=1.0)


def test_an_answer_of_the_base_carries_the_bases_hash_whatever_was_trained() -> None:
    for variant in ("base", "persona", "retrieval"):
        assert model_identity(TUNED, variant) == model_identity(RETRAINED, variant)
    for variant in ("tuned", "grounded"):
        assert model_identity(TUNED, variant) != model_identity(RETRAINED, variant)


def test_the_hash_of_a_model_is_what_it_was() -> None:
    """Answers are found again by it, and shows of earlier versions hold many."""
    assert model_identity(TUNED, "tuned") == hash_settings(["1" * 64, "3" * 64, "tuned", FORM_VERSION])
    assert model_identity(TUNED, "base") == hash_settings(["1" * 64, "", "base", FORM_VERSION])


def make_drawer(speaker: Scripted, folder: Path) -> HeldOutDrawer:
    form = ExampleForm(
        rung="small",
        voice=Voice(host="Hal Host", show="The Show"),
        tokenizer=open_tokenizer("gpt2"),
        template=CHATML,
        max_cue_tokens=100,
        max_example_tokens=400,
    )
    asker = Asker(speaker, GenerationLog(folder / "generations.jsonl"))
    return HeldOutDrawer(form, CHATML, TUNED, SETTINGS, asker)


def test_a_reply_drawn_by_an_earlier_version_is_found_and_carries_the_models_hash(tmp_path: Path) -> None:
    pair, known = make_pair(1), Reply(text="As before.", stop="end", n_prompt_tokens=1, n_reply_tokens=2)
    speaker = Scripted("Anew.")
    drawer = make_drawer(speaker, tmp_path)
    prompt = render_chat(build_example(pair, drawer.form).messages[:-1], CHATML)
    stored = hash_settings([hash_settings(["1" * 64, "3" * 64, "held out", FORM_VERSION]), prompt, 7, SETTINGS])
    GenerationLog(tmp_path / "generations.jsonl").add(stored, {"reply": known.model_dump()})
    found, drawn = make_drawer(speaker, tmp_path).answer(pair, 2)
    assert (found.reply, len(speaker.calls)) == (known, 1)
    assert found.model_sha256 == drawn.model_sha256 == model_identity(TUNED, "tuned")


def test_openai_encodings_count_what_a_service_bills_and_nothing_that_a_base_at_hand_learns(cache: Path) -> None:
    base = Base("embedded", cache, may_ask_hub=False)
    assert base.counter("gpt2", is_billed=True).encode("Hello world") == [15496, 995]
    assert base.counter("gpt2", is_billed=False).encode("Hello world") == base.tokenizer().encode("Hello world")


def test_a_stand_in_counts_at_home_only_while_the_base_is_away(cache: Path, tmp_path: Path) -> None:
    Tokenizer(models.BPE(vocab={"a": 0}, merges=[])).save(str(tmp_path / "tokenizer.json"))
    away = Base("maker/large", cache, may_ask_hub=False, has_stand_in=True)
    assert away.counter(str(tmp_path), is_billed=False).encode("aa") == [0, 0]
    here = Base("embedded", cache, may_ask_hub=False, has_stand_in=True)
    assert here.counter(str(tmp_path), is_billed=False).encode("aa") == here.tokenizer().encode("aa")
    with pytest.raises(ModelError, match="no base model 'maker/large' on this machine"):
        away.tokenizer()
