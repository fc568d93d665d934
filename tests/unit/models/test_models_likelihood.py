from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.errors import ModelError
from econchatr.models.llama.checkpoint import new_adapters, open_packed_llama
from econchatr.models.llama.meter import _TransformersMeter, open_meter, reply_nats
from econchatr.models.llama.packed import PackedLlama
from econchatr.models.trainable.trainable_model import cut_packs
from econchatr.prompts import EncodedExample
from tests.helpers.model_material import make_examples, open_embedded, train_briefly


def open_exact(cache: Path, *, n_positions: int = 256) -> PackedLlama:
    import torch

    return open_packed_llama(
        open_embedded(cache).checkpoint_path, adapters=None, scale=1.0, dtype=torch.float32, device="cpu",
        n_positions=n_positions,
    )  # fmt: skip


def test_the_packed_model_is_transformers_model(cache: Path) -> None:
    import torch

    from econchatr.models.engines.transformers_engine import load_model

    examples = make_examples(open_embedded(cache))[:3]
    model = load_model(open_embedded(cache).checkpoint_path, adapter=None, is_exact=True)
    expected = []
    for example in examples:
        ids = torch.tensor([example.ids])
        with torch.no_grad():
            chances = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        expected.append(-float(chances.gather(1, ids[0, 1:, None])[example.n_prompt - 1 :].sum()))
    assert open_exact(cache).measure_nats(examples) == pytest.approx(expected, rel=1e-4)


def test_the_gradient_is_autograds(cache: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from econchatr.models.engines.transformers_engine import load_model

    checkpoint = open_embedded(cache).checkpoint_path
    adapters = new_adapters(checkpoint, rank=4, seed=0, device="cpu")
    generator = torch.Generator().manual_seed(1)
    for adapter in adapters.values():
        adapter.up.copy_(torch.randn(adapter.up.shape, generator=generator) * 0.02)
    examples = make_examples(open_embedded(cache))[:2]
    ours = open_packed_llama(
        checkpoint, adapters=adapters, scale=2.0, dtype=torch.float32, device="cpu", n_positions=256
    )
    ours.learn(examples, weight=0.5)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear")
    theirs = get_peft_model(load_model(checkpoint, adapter=None, is_exact=True), config)
    named = dict(theirs.named_parameters())
    prefix = "base_model.model.model.layers"
    for name, adapter in adapters.items():
        named[f"{prefix}.{name}.lora_A.default.weight"].data.copy_(adapter.down)
        named[f"{prefix}.{name}.lora_B.default.weight"].data.copy_(adapter.up)
    for example in examples:
        ids = torch.tensor([example.ids])
        logits = theirs(input_ids=ids, logits_to_keep=example.n_reply + 1).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, ids[0, example.n_prompt :], reduction="sum")
        (0.5 * loss).backward()
    for name, adapter in adapters.items():
        for side, gradient in (("A", adapter.down.grad), ("B", adapter.up.grad)):
            expected = named[f"{prefix}.{name}.lora_{side}.default.weight"].grad
            assert gradient is not None
            assert expected is not None
            assert float((gradient - expected).norm()) <= 1e-3 * float(expected.norm()), (name, side)


def test_examples_of_equal_length_are_measured_together_as_each_alone(cache: Path) -> None:
    model, examples = open_exact(cache), make_examples(open_embedded(cache))
    same_cue, other = (examples[0], examples[4]), examples[1]
    n = min(one.n_reply for one in same_cue)
    alike = [EncodedExample(one.ids[: one.n_prompt + n], one.n_prompt) for one in same_cue]
    mixed = [*alike, other, *alike]
    alone = [model.measure_nats([example])[0] for example in mixed]
    assert model.measure_nats(mixed) == pytest.approx(alone, rel=1e-4)


def test_sharing_the_beginning_changes_nothing(cache: Path) -> None:
    model, examples = open_exact(cache), make_examples(open_embedded(cache))[:3]
    alone = [model.measure_nats([example])[0] for example in examples]
    assert model.measure_nats(examples) == pytest.approx(alone, rel=1e-4)


def test_an_adapter_lowers_the_nats_of_its_voice(cache: Path) -> None:
    base, examples = open_embedded(cache), make_examples(open_embedded(cache))
    before = reply_nats(examples, checkpoint=base.checkpoint_path, adapter=None)
    after = reply_nats(examples, checkpoint=base.checkpoint_path, adapter=train_briefly(cache).adapter_folder)
    assert all(tuned < untuned for tuned, untuned in zip(after, before, strict=True))


def test_values_keep_the_order_of_the_examples(cache: Path) -> None:
    base, examples = open_embedded(cache), make_examples(open_embedded(cache))
    forward = reply_nats(examples, checkpoint=base.checkpoint_path, adapter=None)
    backward = reply_nats(examples[::-1], checkpoint=base.checkpoint_path, adapter=None)
    assert forward == pytest.approx(backward[::-1], rel=0.02)


def test_the_way_through_transformers_gives_the_same_values(cache: Path) -> None:
    from econchatr.models.engines.transformers_engine import load_model

    base, adapter = open_embedded(cache), train_briefly(cache).adapter_folder
    examples = make_examples(base)[:3]
    meter = _TransformersMeter(load_model(base.checkpoint_path, adapter=adapter), has_adapter=True)
    for tuned, known in ((False, None), (True, adapter)):
        packed = reply_nats(examples, checkpoint=base.checkpoint_path, adapter=known)
        assert meter.measure(examples, tuned=tuned) == pytest.approx(packed, rel=0.02)


def test_one_open_model_measures_base_and_tuned_in_any_order(cache: Path) -> None:
    base, adapter, examples = (
        open_embedded(cache),
        train_briefly(cache).adapter_folder,
        make_examples(open_embedded(cache)),
    )
    alone = {
        tuned: reply_nats(examples, checkpoint=base.checkpoint_path, adapter=adapter if tuned else None)
        for tuned in (False, True)
    }
    meter = open_meter(base.checkpoint_path, adapter=adapter, n_positions=256)
    for tuned in (True, False, True):
        assert meter.measure(examples, tuned=tuned) == alone[tuned]


def test_replies_to_one_cue_have_the_values_they_have_alone(cache: Path) -> None:
    """The cue is computed once for all of them."""
    first, *others = make_examples(open_embedded(cache))
    prompt = first.ids[: first.n_prompt]
    examples = [first, *(EncodedExample((*prompt, *one.ids[one.n_prompt :][:40]), len(prompt)) for one in others)]
    meter = open_meter(open_embedded(cache).checkpoint_path, adapter=None, n_positions=512)
    alone = [meter.measure([example], tuned=False)[0] for example in examples]
    assert meter.measure(examples, tuned=False) == pytest.approx(alone, rel=0.01)


def test_progress_ends_with_all(cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    examples = make_examples(open_embedded(cache))[:2]
    reply_nats(
        examples, checkpoint=open_embedded(cache).checkpoint_path, adapter=None,
        on_progress=lambda n_done, n_all: seen.append((n_done, n_all)),
    )  # fmt: skip
    assert seen[-1] == (2, 2)


def test_no_examples_need_no_model(tmp_path: Path) -> None:
    assert reply_nats([], checkpoint=tmp_path, adapter=None) == []


def test_a_folder_without_an_adapter_is_an_error_of_ours(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="adapter"):
        reply_nats(
            make_examples(open_embedded(cache))[:1], checkpoint=open_embedded(cache).checkpoint_path, adapter=tmp_path
        )


def test_packs_hold_every_example_once_and_keep_the_order() -> None:
    examples = [EncodedExample(tuple(range(n)), 1) for n in (5, 3, 9, 2, 2)]
    packs = [list(pack) for pack in cut_packs(examples, max_tokens=8)]
    assert [[len(example.ids) for example in pack] for pack in packs] == [[5, 3], [9], [2, 2]]
