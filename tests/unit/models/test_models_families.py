"""Every family that has a map: what llama.cpp answers is what transformers answers, and what is wrong is seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from econchatr.errors import ModelError
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.transformers_engine import TransformersModel, open_transformers
from econchatr.models.files import checkpoint_gguf
from econchatr.models.files.adapters import write_gguf_adapter, write_merged_checkpoint
from econchatr.models.files.checkpoint_gguf import tell_obstacle, write_checkpoint_gguf
from econchatr.models.files.families import Family
from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.weights import open_base, read_chat_template
from econchatr.models.parity import LIMITS, Agreement, Witness, compare_with, hear_witnesses
from econchatr.prompts import chat_messages, render_chat
from econchatr.records import Sampling
from tests.helpers.tiny_bases import FAMILIES, write_tiny_base

QUESTIONS = ("Why 12345 bridges, don't they?", "What  is\n\n\trüst — ÿé日本 in it?")
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "gate_up_proj")


class Tuned(NamedTuple):
    """A tiny base with an adapter of random numbers, and what both together say."""

    base: Path
    adapter: Path
    model: TransformersModel
    witnesses: list[Witness]

    def compare(self, gguf: Path, adapter: Path | None = None) -> Agreement:
        with open_llamacpp(gguf, adapter=adapter, n_ctx=512) as served:
            for witness in self.witnesses:
                assert tuple(served.tokenize(witness.prompt)) == witness.prompt_ids
            return compare_with(served, self.witnesses)


def write_random_adapter(base: Path, out: Path) -> Path:
    """A LoRA of random numbers on every projection of the language model, as peft saves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(base))
    wanted = [name for name, _ in model.named_modules() if name.endswith(PROJECTIONS) and "vision_tower" not in name]
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=wanted, init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, config).save_pretrained(str(out))
    return out


@pytest.fixture(scope="module")
def tune(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tuned]:
    @cache
    def make(family: str) -> Tuned:
        folder = tmp_path_factory.mktemp(family)
        base = write_tiny_base(family, folder / "base")
        adapter = write_random_adapter(base, folder / "adapter")
        model = open_transformers(base, adapter=adapter, is_exact=True)
        template = read_chat_template(base)
        prompts = [render_chat(chat_messages(text, None, system="You are the host."), template) for text in QUESTIONS]
        asked = list(zip(QUESTIONS, prompts, strict=True))
        return Tuned(base, adapter, model, hear_witnesses(model, asked, n_tokens=16))

    return make


@pytest.mark.parametrize("family", FAMILIES)
def test_llamacpp_says_what_transformers_says_with_the_adapter(
    family: str, tune: Callable[[str], Tuned], tmp_path: Path
) -> None:
    tuned, gguf, adapter = tune(family), tmp_path / "base.gguf", tmp_path / "adapter.gguf"
    write_checkpoint_gguf(tuned.base, out=gguf, name=family)
    write_gguf_adapter(tuned.adapter, base_gguf=gguf, out=adapter)
    right, untuned = tuned.compare(gguf, adapter), tuned.compare(gguf)
    assert right.n_tokens == 32
    assert LIMITS["gguf F16"].tell_breach(right) == ""
    assert LIMITS["gguf F16"].tell_breach(untuned)


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_it_says_the_same_in_every_form(family: str, tune: Callable[[str], Tuned], tmp_path: Path) -> None:
    tuned, merged = tune(family), tmp_path / "merged"
    merged.mkdir()
    write_merged_checkpoint(tuned.base, tuned.adapter, merged, template=read_chat_template(tuned.base))
    model = open_transformers(merged, adapter=None, is_exact=True)
    assert LIMITS["checkpoint"].tell_breach(compare_with(model, tuned.witnesses)) == ""
    for kind in ("F16", "Q8_0"):
        write_checkpoint_gguf(merged, out=tmp_path / f"{kind}.gguf", name=family, kind=kind)  # type: ignore[arg-type]
        found = tuned.compare(tmp_path / f"{kind}.gguf")
        assert LIMITS[f"gguf {kind}"].tell_breach(found) == ""


def leave_out_layer(tensors: dict[str, np.ndarray], config: dict[str, object]) -> None:
    for name in [name for name in tensors if ".layers.1." in name]:
        del tensors[name]


def double_alpha(tensors: dict[str, np.ndarray], config: dict[str, object]) -> None:
    config["lora_alpha"] = 16


def halve_alpha(tensors: dict[str, np.ndarray], config: dict[str, object]) -> None:
    config["lora_alpha"] = 4


def change_adapter(adapter: Path, out: Path, change: Callable[..., None]) -> Path:
    """An adapter like another but for one fault."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(adapter / "adapter_model.safetensors")
    config = json.loads((adapter / "adapter_config.json").read_text())
    change(tensors, config)
    out.mkdir()
    save_file(tensors, out / "adapter_model.safetensors")
    (out / "adapter_config.json").write_text(json.dumps(config))
    return out


@pytest.mark.parametrize("fault", [leave_out_layer, double_alpha, halve_alpha])
@pytest.mark.parametrize("family", ["llama3.2", "qwen3", "gemma3", "phi3"])
def test_a_wrong_adapter_is_seen(
    family: str, fault: Callable[..., None], tune: Callable[[str], Tuned], tmp_path: Path
) -> None:
    tuned, gguf = tune(family), tmp_path / "base.gguf"
    write_checkpoint_gguf(tuned.base, out=gguf, name=family)
    wrong = change_adapter(tuned.adapter, tmp_path / "wrong", fault)
    write_gguf_adapter(wrong, base_gguf=gguf, out=tmp_path / "wrong.gguf")
    assert LIMITS["gguf F16"].tell_breach(tuned.compare(gguf, tmp_path / "wrong.gguf"))


@pytest.mark.parametrize("family", ["llama3.2", "mistral", "smollm3", "granite"])
def test_rows_in_transformers_order_are_seen(
    family: str, tune: Callable[[str], Tuned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned, gguf = tune(family), tmp_path / "base.gguf"
    write_checkpoint_gguf(tuned.base, out=gguf, name=family)
    monkeypatch.setattr(Family, "reorder", lambda family, name, matrix, n_heads: matrix)
    write_gguf_adapter(tuned.adapter, base_gguf=gguf, out=tmp_path / "wrong.gguf")
    assert LIMITS["gguf F16"].tell_breach(tuned.compare(gguf, tmp_path / "wrong.gguf"))


def test_an_8_bit_file_with_rows_in_the_wrong_order_is_seen(
    tune: Callable[[str], Tuned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned, merged = tune("llama3.2"), tmp_path / "merged"
    merged.mkdir()
    write_merged_checkpoint(tuned.base, tuned.adapter, merged, template=read_chat_template(tuned.base))
    monkeypatch.setattr(Family, "reorder", lambda family, name, matrix, n_heads: matrix)
    write_checkpoint_gguf(merged, out=tmp_path / "q8.gguf", name="m", kind="Q8_0")
    assert LIMITS["gguf Q8_0"].tell_breach(tuned.compare(tmp_path / "q8.gguf"))


def test_positions_stretched_by_llama_3s_rule_are_written(
    tune: Callable[[str], Tuned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig.from_pretrained(str(tune("llama3.2").base))
    stretched = LlamaRotaryEmbedding(config).inv_freq.numpy()
    plain = config.rope_parameters["rope_theta"] ** -(np.arange(0, 32, 2) / 32)
    factors = checkpoint_gguf.list_llama3_factors(config.rope_parameters, 32)
    np.testing.assert_allclose(plain / np.array(factors), stretched, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "gpt_neox"}, "a gpt_neox model"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "positions of the kind"),
        ({"vocab_size": 64}, "the embedding has 64 rows"),
        ({"intermediate_size": [64, 32]}, "intermediate_size"),
    ],
)
def test_what_llamacpp_cannot_compute_is_told_with_the_reason(
    change: dict[str, object], told: str, tune: Callable[[str], Tuned], tmp_path: Path
) -> None:
    import shutil

    base = Path(shutil.copytree(tune("llama3.2").base, tmp_path / "base"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | change))
    assert told in tell_obstacle(base)
    with pytest.raises(ModelError, match=told):
        write_checkpoint_gguf(base, out=tmp_path / "base.gguf", name="m")


def test_a_checkpoint_base_is_served_by_llamacpp(tune: Callable[[str], Tuned], tmp_path: Path) -> None:
    tuned = tune("qwen3")
    base = open_base(str(tuned.base), cache=tmp_path, hub="never")
    assert base.gguf_path is not None
    assert read_gguf_file(base.gguf_path).text("general.architecture") == "qwen3"


# --- transformers, where there is no map ------------------------------------------------------------------------------


def test_what_is_said_in_a_batch_is_what_is_said_alone(tune: Callable[[str], Tuned]) -> None:
    tuned = tune("qwen2.5")
    prompts = [tuned.witnesses[0].prompt, "Why?", tuned.witnesses[1].prompt]
    for sampling in (Sampling(0, 0.8, 12, 1.2), Sampling(0, 0.0, 12)):
        together = tuned.model.reply_all(prompts, sampling, seeds=[5, 6, 7], tuned=True)
        alone = [
            tuned.model.reply(prompt, sampling._replace(seed=seed), tuned=True)
            for prompt, seed in zip(prompts, (5, 6, 7), strict=True)
        ]
        assert together == alone


def test_another_seed_draws_another_reply(tune: Callable[[str], Tuned]) -> None:
    tuned = tune("qwen2.5")
    draw = Sampling(0, 1.0, 12)
    first, second, again = tuned.model.reply_all(["Why?"] * 3, draw, seeds=[1, 2, 1], tuned=True)
    assert first == again
    assert first != second


def test_several_replies_to_one_prompt_are_those_of_seeds_that_follow_each_other(
    tune: Callable[[str], Tuned],
) -> None:
    tuned, draw, n = tune("qwen2.5"), Sampling(5, 1.0, 12), TransformersModel.n_together + 1
    often = tuned.model.reply_often("Why?", draw, n, tuned=True)
    assert often == [tuned.model.reply("Why?", draw._replace(seed=seed), tuned=True) for seed in range(5, 5 + n)]
