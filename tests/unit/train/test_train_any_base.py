"""Tiny bases of every family, trained through transformers."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from econchatr.errors import ModelError
from econchatr.models.files.weights import BaseWeights
from econchatr.models.trainable.memory_plan import TrainingPlan
from econchatr.models.trainable.trainable_model import AdapterShape
from econchatr.prompts import EncodedExample
from econchatr.tables import hash_file
from econchatr.train.local import plan_lora, train_lora
from econchatr.train.recipe import TrainProgress
from tests.helpers.model_material import make_examples, open_embedded
from tests.helpers.tiny_bases import FAMILIES, make_tiny_examples
from tests.helpers.tiny_training import TINY_RECIPE, open_tiny_base, train_tiny_base

if TYPE_CHECKING:
    from econchatr.models.trainable.adapted_model import AdaptedModel
    from econchatr.models.trainable.packing import PackedRows

ADAPTER = "adapter_model.safetensors"
PLAN = TrainingPlan(device="cpu", dtype="float32", n_pack_tokens=1024)


def open_model(family: str, cache: Path, plan: TrainingPlan = PLAN) -> AdaptedModel:
    """A tiny base with an adapter that is not zero."""
    import torch

    from econchatr.models.trainable.adapted_model import open_adapted_model

    base = open_tiny_base(family, cache)
    model = open_adapted_model(base.checkpoint_path, plan=plan, shape=AdapterShape(rank=4, alpha=8, seed=0))
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters.values():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
    model.refresh()
    return model


def plain_nats(model: AdaptedModel, example: EncodedExample) -> object:
    """The loss as a plain loop has it: all logits of one example, which the model makes itself."""
    import torch

    ids = torch.tensor([example.ids])
    logits = model._model(input_ids=ids, use_cache=False, attention_mask=torch.ones_like(ids)).logits[0].float()
    targets = ids[0, example.n_prompt :]
    return torch.nn.functional.cross_entropy(logits[example.n_prompt - 1 : -1], targets, reduction="sum")


def read_gradients(model: AdaptedModel) -> dict[str, object]:
    gradients = {name: parameter.grad.clone() for name, parameter in model.parameters.items()}
    for parameter in model.parameters.values():
        parameter.grad = None
    return gradients


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_examples_cost_what_each_costs_alone(family: str, cache: Path) -> None:
    model = open_model(family, cache)
    examples = make_tiny_examples(open_tiny_base(family, cache).checkpoint_path, family)
    assert model.is_packed
    packed, alone = model.measure_nats(examples), [model.measure_nats([example])[0] for example in examples]
    n_tokens = [example.n_reply for example in examples]
    assert max(abs(a - b) / n for a, b, n in zip(packed, alone, n_tokens, strict=True)) < 1e-4


@pytest.mark.parametrize("mixes", [False, True])
def test_a_sure_model_in_bfloat16_is_packed_unless_it_mixes_examples(
    mixes: bool, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large logits, as trained models have, make rounding large too: that is no sign of mixed examples."""
    from safetensors.torch import load_file, save_file

    from econchatr.models.trainable import adapted_model, packing

    sure = Path(shutil.copytree(open_tiny_base("gemma3", cache).checkpoint_path, tmp_path / "sure"))
    weights = load_file(sure / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] + 60
    save_file(weights, sure / "model.safetensors", metadata={"format": "pt"})
    if mixes:
        whole = packing.lay_out
        monkeypatch.setattr(adapted_model, "lay_out", lambda examples, *, device: blend(whole(examples, device=device)))
    plan = TrainingPlan(device="cpu", dtype="bfloat16", n_pack_tokens=1024)
    model = adapted_model.open_adapted_model(sure, plan=plan, shape=AdapterShape(rank=4, alpha=8, seed=0))
    assert model.is_packed != mixes


def blend(packed: PackedRows) -> PackedRows:
    """The same rows, each of which sees all before it."""
    return replace(packed, spans=((0, packed.ids.shape[1], 0),))


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradient_are_those_of_all_logits(family: str, cache: Path) -> None:
    model = open_model(family, cache)
    examples = make_tiny_examples(open_tiny_base(family, cache).checkpoint_path, family)
    nats = model.learn(examples, weight=0.01)
    found = read_gradients(model)
    model._model.set_attn_implementation("eager")
    losses = [plain_nats(model, example) for example in examples]
    (sum(losses) * 0.01).backward()
    assert nats == pytest.approx(sum(float(loss.detach()) for loss in losses), rel=1e-5)
    for name, wanted in read_gradients(model).items():
        assert float((found[name] - wanted).abs().max()) < 1e-4 * float(wanted.abs().max()), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_broken_off_ends_with_the_same_adapter(family: str, cache: Path, tmp_path: Path) -> None:
    base, whole = open_tiny_base(family, cache), train_tiny_base(family, cache)
    examples = make_tiny_examples(base.checkpoint_path, family)

    def stop_at_3(progress: TrainProgress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_lora(examples, examples[:2], base=base, folder=tmp_path, recipe=TINY_RECIPE, on_progress=stop_at_3)
    again = train_lora(examples, examples[:2], base=base, folder=tmp_path, recipe=TINY_RECIPE)
    assert again.curve == whole.curve
    assert hash_file(again.adapter_folder / ADAPTER) == hash_file(whole.adapter_folder / ADAPTER)


@pytest.mark.parametrize("family", FAMILIES)
def test_peft_opens_the_adapter_and_finds_the_loss_of_the_training(family: str, cache: Path) -> None:
    import torch

    from econchatr.models.engines.transformers_engine import load_model

    base, outcome = open_tiny_base(family, cache), train_tiny_base(family, cache)
    example = make_tiny_examples(base.checkpoint_path, family)[0]
    model = load_model(base.checkpoint_path, adapter=outcome.adapter_folder, is_exact=True)
    trained = open_model(family, cache)
    from safetensors.torch import load_file

    tensors = load_file(outcome.adapter_folder / ADAPTER)
    assert set(tensors) == set(trained.parameters)
    for name, parameter in trained.parameters.items():
        parameter.data = tensors[name]
    trained.refresh()
    ids = torch.tensor([example.ids])
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0, example.n_prompt - 1 : -1]
    wanted = torch.nn.functional.cross_entropy(logits, ids[0, example.n_prompt :], reduction="sum")
    assert trained.measure_nats([example])[0] == pytest.approx(float(wanted), rel=1e-4)


def test_the_vision_tower_gets_no_adapter(cache: Path) -> None:
    names = open_model("gemma3-conditional", cache).parameters
    assert len(names) == 2 * 2 * 7
    assert all("language_model.layers" in name for name in names)
    config = json.loads(
        (train_tiny_base("gemma3-conditional", cache).adapter_folder / "adapter_config.json").read_text()
    )
    assert config["target_modules"].startswith(r"model\.language_model\.layers")


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("qwen3", ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]),
        ("phi3", ["down_proj", "gate_up_proj", "o_proj", "qkv_proj"]),
    ],
)
def test_every_linear_layer_of_a_family_is_named(family: str, expected: list[str], cache: Path) -> None:
    assert open_model(family, cache).target_modules == expected


def test_checkpointing_and_short_passes_change_no_gradient(cache: Path) -> None:
    examples = make_tiny_examples(open_tiny_base("qwen3", cache).checkpoint_path, "qwen3")
    kept, again = open_model("qwen3", cache), open_model("qwen3", cache, replace(PLAN, is_checkpointed=True))
    assert kept.learn(examples, weight=1.0) == again.learn(examples, weight=1.0)
    wanted = read_gradients(kept)
    assert all((found == wanted[name]).all() for name, found in read_gradients(again).items())


def test_the_same_seed_drops_the_same_features(cache: Path) -> None:
    model = open_model("qwen3", cache)
    example = make_tiny_examples(open_tiny_base("qwen3", cache).checkpoint_path, "qwen3")[:1]
    found = []
    for seed in (3, 4, 3):
        model.refresh(dropout=0.2, seed=seed)
        found.append(model.measure_nats(example))
    assert found[0] == found[2] != found[1]


OTHER_SIZES = {
    "vocab_size": 448, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 512, "initializer_range": 0.1,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
OTHERS = {
    "GPT2Config": {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512, "resid_pdrop": 0.1},
    "Gemma2Config": {
        "head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16, "attn_logit_softcapping": 5.0,
        "final_logit_softcapping": 3.0,
    },
    "CohereConfig": {"logit_scale": 0.2, "tie_word_embeddings": True},
    "Qwen3MoeConfig": {"head_dim": 32, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64},
    # These look back by other means than attention, or by attention with more to it: one example at a time.
    "Lfm2Config": {"layer_types": ["conv", "full_attention"]},
    "GptOssConfig": {"head_dim": 32, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16},
}  # fmt: skip


@pytest.mark.parametrize("config", OTHERS)
def test_a_family_without_a_line_of_ours_is_packed_only_where_that_is_right(config: str, tmp_path: Path) -> None:
    import torch
    import transformers

    from econchatr.models.trainable.adapted_model import open_adapted_model

    made = getattr(transformers, config)(**(OTHER_SIZES | OTHERS[config]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(made).save_pretrained(tmp_path)
    model = open_adapted_model(tmp_path, plan=PLAN, shape=AdapterShape(rank=4, alpha=8, seed=0))
    examples = [EncodedExample((5, 6, 7, *range(n, 3 * n)), n) for n in (20, 33, 27)]
    assert model.is_packed == (config not in ("Lfm2Config", "GptOssConfig"))
    packed = model.measure_nats(examples)
    model._model.set_attn_implementation("eager")
    alone = [float(plain_nats(model, example).detach()) for example in examples]
    assert packed == pytest.approx(alone, rel=1e-4)


def test_both_ways_train_a_plain_llama_alike(cache: Path) -> None:
    from econchatr.models.trainable.trainable_model import open_trainable

    folder = write_plain_llama(cache)
    examples = make_tiny_examples(folder, "llama3.2")
    shape = AdapterShape(rank=4, alpha=8, seed=0)
    nats, gradients = [], []
    for plan in (PLAN, replace(PLAN, is_checkpointed=True)):
        model = open_trainable(folder, plan=plan, shape=shape, n_positions=1024)
        nats.append(model.learn(examples, weight=0.01))
        gradients.append({name: parameter.grad for name, parameter in model.parameters.items()})
    assert type(model).__name__ == "AdaptedModel"
    assert nats[0] == pytest.approx(nats[1], rel=1e-5)
    for name, wanted in gradients[0].items():
        assert float((gradients[1][name] - wanted).abs().max()) <= 1e-4 * float(wanted.abs().max()), name


@pytest.mark.slow
def test_both_ways_train_the_embedded_model_alike_within_bfloat16(cache: Path) -> None:
    import torch

    from econchatr.models.trainable.trainable_model import open_trainable

    base, plan, shape = open_embedded(cache), replace(PLAN, dtype="bfloat16"), AdapterShape(rank=8, alpha=16, seed=0)
    examples = make_examples(base)[:4]
    nats, gradients = [], []
    for way in (replace(plan, dtype="float32"), plan, replace(plan, is_checkpointed=True)):
        model = open_trainable(base.checkpoint_path, plan=way, shape=shape, n_positions=1024)
        nats.append(model.learn(examples, weight=0.01))
        gradients.append(torch.cat([one.grad.flatten().double() for _, one in sorted(model.parameters.items())]))
    assert type(model).__name__ == "AdaptedModel"
    assert nats == pytest.approx([nats[0]] * 3, rel=2**-8)
    exact, packed, adapted = (one / gradients[0].norm() for one in gradients)
    lost = float((packed - exact).norm())
    assert lost < 0.1
    assert float((adapted - exact).norm()) == pytest.approx(lost, rel=0.5)
    assert float((adapted - packed).norm()) < 2 * lost


def write_plain_llama(cache: Path) -> Path:
    """The tiny Llama 3.2 with the rotation that the packed Llama computes."""
    folder = cache / "tiny-plain-llama"
    if not folder.exists():
        shutil.copytree(open_tiny_base("llama3.2", cache).checkpoint_path, folder)
        config = json.loads((folder / "config.json").read_text())
        config["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
        (folder / "config.json").write_text(json.dumps(config))
    return folder


KILLED = """
import sys, time
from pathlib import Path
from econchatr.train.local import train_lora
from tests.helpers.tiny_bases import make_tiny_examples
from tests.helpers.tiny_training import TINY_RECIPE, open_tiny_base
family, cache, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
base = open_tiny_base(family, cache)
examples = make_tiny_examples(base.checkpoint_path, family)
recipe = TINY_RECIPE.model_copy(update={"n_epochs": 12, "eval_every_share": 0.1})
def tell(progress):
    print(progress.step, flush=True)
    time.sleep(0.1)  # so that a signal comes between two steps, and not after the last
train_lora(examples, examples[:2], base=base, folder=folder, recipe=recipe, on_progress=tell)
"""


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gemma3", "qwen3"])
def test_a_training_through_transformers_killed_twice_ends_with_the_same_adapter(
    family: str, cache: Path, tmp_path: Path
) -> None:
    open_tiny_base(family, cache)

    def train(folder: str, *, kill_after: int = 0) -> list[int]:
        """The steps that a process told, up to its end or to the signal that it was sent after so many."""
        command = [sys.executable, "-c", KILLED, family, str(cache), str(tmp_path / folder)]
        steps, root = list[int](), Path(__file__).parents[3]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            for line in process.stdout or ():
                steps.append(int(line))
                if len(steps) == kill_after:
                    process.send_signal(signal.SIGKILL)
        assert process.returncode == (-signal.SIGKILL if kill_after else 0)
        return steps

    whole = train("whole")
    assert whole == list(range(1, len(whole) + 1))
    cut = [train("cut", kill_after=5), train("cut", kill_after=4), train("cut")]
    assert cut[2][0] > cut[1][0] > cut[0][0] == 1
    assert cut[2][-1] == whole[-1]
    hashes = {hash_file(tmp_path / folder / "adapter" / ADAPTER) for folder in ("whole", "cut")}
    assert len(hashes) == 1


def test_a_training_keeps_to_its_plan_whatever_memory_is_free(cache: Path, tmp_path: Path) -> None:
    base = open_tiny_base("qwen3", cache)
    examples = make_tiny_examples(base.checkpoint_path, "qwen3")
    plan = plan_lora(examples, base=base, folder=tmp_path, recipe=TINY_RECIPE)
    content = json.loads((tmp_path / "plan.json").read_text())
    content["plan"]["n_pack_tokens"] = 300
    (tmp_path / "plan.json").write_text(json.dumps(content))
    assert plan_lora(examples, base=base, folder=tmp_path, recipe=TINY_RECIPE) == replace(plan, n_pack_tokens=300)


def test_a_token_the_model_does_not_have_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"qwen3: token 87,940 .* not among its 448"):
        train_lora(
            [EncodedExample((1, 2, 87_940), 1)], [], base=open_tiny_base("qwen3", cache), folder=tmp_path,
            recipe=TINY_RECIPE,
        )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "homemade", "auto_map": {"AutoModelForCausalLM": "modeling_homemade.Homemade"}},
        {"intermediate_size": [64, 32]},
    ],
    ids=["needs code from the hub", "layers of different widths"],
)
def test_a_base_that_transformers_does_not_open_is_refused(
    change: dict[str, object], cache: Path, tmp_path: Path
) -> None:
    base = open_tiny_base("qwen3", cache)
    folder = tmp_path / "base"
    shutil.copytree(base.checkpoint_path, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    (folder / "modeling_homemade.py").write_text("raise SystemExit('this code ran')\n")
    with pytest.raises(ModelError, match="cannot open it as a causal language model"):
        train_lora(
            make_tiny_examples(base.checkpoint_path, "qwen3"), [], folder=tmp_path / "work", recipe=TINY_RECIPE,
            base=base.model_copy(update={"checkpoint_path": folder}),
        )  # fmt: skip


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="the extra `qlora` is not installed")
@pytest.mark.parametrize("family", ["qwen3", "gemma3"])
def test_a_base_in_4_bits_is_trained_and_taken_up_bit_for_bit(family: str, cache: Path, tmp_path: Path) -> None:
    from econchatr.models.trainable.adapted_model import open_adapted_model

    base = open_tiny_base(family, cache)
    plan = replace(PLAN, is_4bit=True)
    examples = make_tiny_examples(base.checkpoint_path, family)
    model = open_adapted_model(base.checkpoint_path, plan=plan, shape=AdapterShape(rank=4, alpha=8, seed=0))
    assert model.is_packed
    kinds = {type(model._model.get_submodule(name)).__name__ for name in model._adapters}
    assert kinds == {"Linear4bit"}
    hashes = []
    for name in ("one", "two"):
        write_forced_plan(tmp_path / name, examples, base, plan)
        outcome = train_lora(examples, examples[:2], base=base, folder=tmp_path / name, recipe=TINY_RECIPE)
        assert outcome.curve[-1].dev_loss < outcome.curve[0].dev_loss
        assert outcome.dtype == "float32, base in 4 bits"
        hashes.append(hash_file(outcome.adapter_folder / ADAPTER))
    assert hashes[0] == hashes[1]


def write_forced_plan(folder: Path, examples: list[EncodedExample], base: BaseWeights, plan: TrainingPlan) -> None:
    """Put another plan in place of the one this machine would make."""
    plan_lora(examples, base=base, folder=folder, recipe=TINY_RECIPE)
    content = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(content | {"plan": asdict(plan)}))
