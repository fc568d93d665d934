"""A base on the hub: its small files first, one line for each failure. The client runs in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models
from transformers import BertConfig, BertLMHeadModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from econchatr.errors import ModelError
from econchatr.models.files.description import describe_base
from econchatr.models.files.weights import open_base
from tests.helpers.stand_in_hub import REVISION, ask_hub, serve_model

MAKER = "maker/small"
OPEN = """
import sys
from pathlib import Path
from econchatr.errors import ModelError
from econchatr.models.files.weights import open_base
try:
    base = open_base({name!r}, cache=Path("cache"), hub="auto")
    print(base.commit, base.licence, base.checkpoint_path.name)
except ModelError as exc:
    print(exc.message, "Hint:", exc.hint)
"""
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 4,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A checkpoint's files, with weights that nobody opens."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer_config.json").write_text('{"chat_template": "x", "eos_token": "b"}')
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ntags: [text]\n---\n# Small\n")
    Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[])).save(str(folder / "tokenizer.json"))
    save_file({"x": np.zeros(50_000, np.float32)}, folder / "model.safetensors")
    return folder


def told(address: str, tmp_path: Path, name: str = MAKER) -> str:
    done = ask_hub(address, tmp_path / "home", OPEN.format(name=name))
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return line


def test_a_hub_model_says_its_commit_and_licence_and_asks_for_the_config_first(model: Path, tmp_path: Path) -> None:
    with serve_model(MAKER, model) as hub:
        assert told(hub.address, tmp_path) == f"{REVISION} apache-2.0 {REVISION}"
    assert hub.asked[0] == "config.json from 0"
    assert hub.asked[-1] == "model.safetensors from 0"


def test_what_was_downloaded_once_is_not_asked_for_again(model: Path, tmp_path: Path) -> None:
    with serve_model(MAKER, model) as hub:
        told(hub.address, tmp_path)
    assert told(hub.address, tmp_path).startswith(REVISION)  # the hub is gone


def test_a_revision_is_pinned_by_an_at_sign(model: Path, tmp_path: Path) -> None:
    with serve_model(MAKER, model) as hub:
        assert told(hub.address, tmp_path, f"{MAKER}@{REVISION}").startswith(REVISION)
        assert f"{MAKER}: has no revision 'v9'." in told(hub.address, tmp_path, f"{MAKER}@v9")


def test_a_broken_download_is_told_and_goes_on_where_it_stopped(model: Path, tmp_path: Path) -> None:
    # The client writes ten megabytes at once.
    save_file({"x": np.zeros(6_000_000, np.float32)}, model / "model.safetensors")
    with serve_model(MAKER, model, breaks_after=15_000_000) as hub:
        assert "the download broke off" in told(hub.address, tmp_path)
        hub.mend()
        assert told(hub.address, tmp_path).startswith(REVISION)
    assert hub.asked[-1].startswith("model.safetensors from 1")


def test_a_gated_model_says_where_its_terms_are_accepted(model: Path, tmp_path: Path) -> None:
    with serve_model(MAKER, model, is_gated=True) as hub:
        line = told(hub.address, tmp_path)
    assert line.startswith(f"{MAKER}: its makers want their terms accepted first. Hint: Accept them at https://")


def test_without_a_network_the_line_says_what_to_take(tmp_path: Path) -> None:
    line = told("http://127.0.0.1:9", tmp_path)
    assert line.startswith(f"{MAKER}: is not on this machine, and the model hub does not answer. Hint: Go online once")


def test_a_model_that_the_hub_does_not_know_is_named(model: Path, tmp_path: Path) -> None:
    with serve_model(MAKER, model) as hub:
        assert "other/model: the model hub knows no such model." in told(hub.address, tmp_path, "other/model")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "BertForMaskedLM is no causal language model"),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "has an encoder and a decoder"),
        ({"architectures": ["CLIPModel"], "model_type": "clip"}, "CLIPModel is no causal language model"),
        ({"architectures": ["ViTForConditionalGeneration"]}, "is no causal language model"),
        ({"model_type": "own", "auto_map": {"AutoModel": "own.py"}}, "needs code of its makers"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"its weights are quantized \(gptq\)"),
        ({"model_type": None}, "names no kind of model"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(changes: dict[str, object], why: str, model: Path) -> None:
    (model / "config.json").write_text(json.dumps(CONFIG | changes))
    with pytest.raises(ModelError, match=why) as caught:
        open_base(str(model), cache=model, hub="never")
    assert caught.value.hint


def list_encoders() -> list[tuple[str, str]]:
    """Every kind of model that transformers gives a causal class, and one that fills gaps or has two halves."""
    others = {**MODEL_FOR_MASKED_LM_MAPPING_NAMES, **MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES}
    causal = {**MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, "xlnet": "XLNetLMHeadModel"}
    return [(kind, causal[kind]) for kind in causal if kind in others or kind == "xlnet"]


@pytest.mark.parametrize(("family", "kind"), list_encoders())
def test_an_encoder_is_refused_under_the_name_of_a_decoder_too(family: str, kind: str, model: Path) -> None:
    (model / "config.json").write_text(json.dumps(CONFIG | {"model_type": family, "architectures": [kind]}))
    with pytest.raises(ModelError, match=kind) as caught:
        open_base(str(model), cache=model, hub="never")
    assert "\n" not in caught.value.message
    assert "HuggingFaceTB/SmolLM2" in caught.value.hint


def test_a_bert_that_transformers_opens_as_a_causal_model_is_refused(model: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertLMHeadModel(BertConfig(vocab_size=9, **sizes)).save_pretrained(model)
    with pytest.raises(ModelError, match=r"BertLMHeadModel is of a family of encoders \(bert\)"):
        open_base(str(model), cache=model, hub="never")


def test_a_language_model_with_a_tower_for_images_is_described_by_its_language_model(model: Path) -> None:
    text = CONFIG | {"model_type": "gemma3_text"}
    whole = {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config": text}
    (model / "config.json").write_text(json.dumps(whole))
    assert describe_base(model, name="g", has_template=True).family == "gemma3_text"


def test_code_of_the_makers_is_no_hindrance_where_transformers_knows_the_kind(model: Path) -> None:
    (model / "config.json").write_text(json.dumps(CONFIG | {"auto_map": {"AutoModel": "own.py"}}))
    assert open_base(str(model), cache=model, hub="never").checkpoint_path == model


def test_a_description_says_sizes_licence_memory_and_template(model: Path) -> None:
    told = describe_base(model, name="m", has_template=True)
    # A table of four rows, and in each of two layers four matrices of 32 x 32 and three of 32 x 64.
    assert told.n_parameters == 4 * 32 + 2 * (4 * 32 * 32 + 3 * 32 * 64)
    assert (told.family, told.n_layers, told.licence, told.has_template) == ("llama", 2, "apache-2.0", True)
    assert "GB to train" in told.tell()


def test_an_encoder_is_refused_after_one_file(model: Path, tmp_path: Path) -> None:
    (model / "config.json").write_text(json.dumps(CONFIG | {"architectures": ["BertForMaskedLM"]}))
    with serve_model(MAKER, model) as hub:
        assert "BertForMaskedLM is no causal language model" in told(hub.address, tmp_path)
    assert hub.asked == ["config.json from 0"]


def test_pickled_weights_are_refused_before_they_are_downloaded(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with serve_model(MAKER, model) as hub:
        assert "its weights are pickled (pytorch_model.bin)" in told(hub.address, tmp_path)
    assert hub.asked == ["config.json from 0"]


def test_a_vocabulary_larger_than_the_embedding_is_refused_before_the_weights(model: Path, tmp_path: Path) -> None:
    (model / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": 1}))
    with serve_model(MAKER, model) as hub:
        assert "its tokenizer has 2 tokens, its embedding 1" in told(hub.address, tmp_path)
    assert not any("safetensors" in file for file in hub.asked)
