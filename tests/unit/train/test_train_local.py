from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import InputError, ModelError
from econchatr.models.llama.meter import reply_nats
from econchatr.prompts import EncodedExample
from econchatr.tables import hash_file
from econchatr.train.local import describe_arithmetic, evaluation_steps, learning_rate_at, train_lora
from econchatr.train.recipe import LoraRecipe, TrainProgress
from tests.helpers.model_material import make_examples, open_embedded, train_briefly


def test_training_lowers_the_loss_on_what_was_trained(cache: Path) -> None:
    curve = train_briefly(cache).curve
    assert curve[-1].dev_loss is not None
    assert curve[0].dev_loss is not None
    assert curve[-1].dev_loss < 0.8 * curve[0].dev_loss


def test_steps_tokens_and_readings_follow_from_the_recipe(cache: Path) -> None:
    outcome, examples = train_briefly(cache), make_examples(open_embedded(cache))
    assert outcome.n_steps == 8
    assert outcome.n_trained_tokens == 4 * sum(len(example.ids) for example in examples)
    assert [point.step for point in outcome.curve] == [0, 2, 4, 6, 8]


def test_the_adapter_is_of_the_best_reading(cache: Path) -> None:
    base, outcome = open_embedded(cache), train_briefly(cache)
    dev = make_examples(base)[:2]
    nats = sum(reply_nats(dev, checkpoint=base.checkpoint_path, adapter=outcome.adapter_folder))
    best = next(point for point in outcome.curve if point.step == outcome.best_step)
    assert nats / sum(example.n_reply for example in dev) == pytest.approx(best.dev_loss, rel=0.01)


def test_peft_reads_the_adapter(cache: Path) -> None:
    from peft import PeftConfig

    config = PeftConfig.from_pretrained(str(train_briefly(cache).adapter_folder))
    assert (config.r, config.lora_alpha, config.peft_type) == (16, 32, "LORA")


def test_the_adapter_folder_holds_the_adapter_alone(cache: Path) -> None:
    folder = train_briefly(cache).adapter_folder
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


class _StopError(Exception):
    """Raised by a listener to break a training off."""


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "left"), [(1e9, [5, 6, 7, 8]), (0.0, [6, 7, 8])])
def test_a_training_broken_off_ends_with_the_same_adapter(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, left: list[int]
) -> None:
    """Its state is kept at readings only, or after each step, also between two readings."""
    monkeypatch.setattr("econchatr.train.local._STATE_EVERY_SECONDS", seconds)
    base = open_embedded(cache)
    examples = make_examples(base)
    recipe = LoraRecipe(n_epochs=2, batch_examples=2, eval_every_share=0.5, dropout=0.1)

    def stop_at_6(progress: TrainProgress) -> None:
        if progress.step == 6:
            raise _StopError

    whole = train_lora(examples, examples[:2], base=base, folder=tmp_path / "whole", recipe=recipe)
    with pytest.raises(_StopError):
        train_lora(examples, examples[:2], base=base, folder=tmp_path / "cut", recipe=recipe, on_progress=stop_at_6)
    seen: list[int] = []
    again = train_lora(
        examples, examples[:2], base=base, folder=tmp_path / "cut", recipe=recipe,
        on_progress=lambda progress: seen.append(progress.step),
    )  # fmt: skip
    assert seen == left
    assert again.curve == whole.curve
    name = "adapter_model.safetensors"
    assert hash_file(again.adapter_folder / name) == hash_file(whole.adapter_folder / name)


def test_the_state_of_another_training_is_not_taken_up(cache: Path, tmp_path: Path) -> None:
    base = open_embedded(cache)
    examples = make_examples(base)[:4]

    def stop(progress: TrainProgress) -> None:
        raise _StopError

    with pytest.raises(_StopError):
        train_lora(examples, [], base=base, folder=tmp_path, recipe=LoraRecipe(batch_examples=2), on_progress=stop)
    seen: list[int] = []
    train_lora(
        examples, [], base=base, folder=tmp_path, recipe=LoraRecipe(batch_examples=2, seed=1, n_epochs=1),
        on_progress=lambda progress: seen.append(progress.step),
    )  # fmt: skip
    assert seen == [1, 2]


_KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.helpers.model_material import make_examples, open_embedded
from econchatr.train.local import train_lora
from econchatr.train.recipe import LoraRecipe
base = open_embedded(Path(sys.argv[1]))
examples = make_examples(base)
recipe = LoraRecipe(n_epochs=3, batch_examples=2, eval_every_share=0.25)
train_lora(examples, examples[:2], base=base, folder=Path(sys.argv[2]), recipe=recipe)
"""


@pytest.mark.slow
def test_a_training_killed_again_and_again_ends_with_the_same_adapter(cache: Path, tmp_path: Path) -> None:
    open_embedded(cache)
    root = Path(__file__).parents[3]

    def start(folder: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", _KILLED, str(cache), str(tmp_path / folder), str(root)])

    assert start("whole").wait(timeout=300) == 0
    for seconds in (0.0, 0.3, 0.7, 1.1):
        process = start("cut")
        state = tmp_path / "cut" / "state.safetensors"
        before = state.stat().st_mtime_ns if state.exists() else 0
        while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.01)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=300)
    assert start("cut").wait(timeout=300) == 0
    hashes = {hash_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "cut")}
    assert len(hashes) == 1


def test_nothing_to_train_on_is_the_users_error(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no examples"):
        train_lora([], [], base=open_embedded(cache), folder=tmp_path, recipe=LoraRecipe())


def test_a_loss_that_is_no_number_stops_the_training(cache: Path, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import load_file, save_file

    base = open_embedded(cache)
    broken = tmp_path / "broken"
    broken.mkdir()
    tensors = load_file(base.checkpoint_path / "model.safetensors")
    tensors["model.layers.7.mlp.up_proj.weight"] = np.full((1536, 576), np.nan, dtype=np.float16)
    save_file(tensors, broken / "model.safetensors")
    (broken / "config.json").write_text((base.checkpoint_path / "config.json").read_text())
    with pytest.raises(ModelError, match="step 1"):
        train_lora(
            make_examples(base)[:2], [], base=base.model_copy(update={"checkpoint_path": broken}),
            folder=tmp_path / "out", recipe=LoraRecipe(),
        )  # fmt: skip


def test_an_example_needs_a_prompt_and_a_reply() -> None:
    with pytest.raises(InputError):
        EncodedExample((1, 2, 3), 3)
    with pytest.raises(InputError):
        EncodedExample((1, 2, 3), 0)


@given(steps=st.integers(1, 500), n_epochs=st.integers(1, 5), share=st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_the_last_step_is_always_read(steps: int, n_epochs: int, share: float) -> None:
    found = evaluation_steps(steps, LoraRecipe(n_epochs=n_epochs, eval_every_share=share))
    assert max(found) == steps * n_epochs
    assert min(found) > 0
    assert len(found) <= math.ceil(n_epochs / share)


@given(n_tokens=st.integers(100_000, 10**7), n_epochs=st.integers(1, 5), share=st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_all_readings_together_cost_a_tenth_of_the_learning(n_tokens: int, n_epochs: int, share: float) -> None:
    recipe = LoraRecipe(n_epochs=n_epochs, eval_every_share=share)
    n_readings = 1 + len(evaluation_steps(10_000, recipe))
    cost = n_readings * recipe.count_dev_tokens(n_tokens) / 2
    assert cost == pytest.approx(0.1 * n_tokens * n_epochs, rel=0.01)


def test_a_small_training_reads_its_loss_on_enough_to_mean_something() -> None:
    assert LoraRecipe().count_dev_tokens(100) == 1_000


@given(n_steps=st.integers(1, 2000))
def test_the_learning_rate_rises_falls_and_never_leaves_its_bounds(n_steps: int) -> None:
    recipe = LoraRecipe(learning_rate=1e-3)
    rates = [learning_rate_at(step, n_steps, recipe) for step in range(n_steps)]
    assert all(0 < rate <= 1e-3 for rate in rates)
    top = rates.index(max(rates))
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[: top + 1] == sorted(rates[: top + 1])


def test_the_machines_arithmetic_is_told_in_words() -> None:
    assert describe_arithmetic().split()[0] in ("bfloat16", "float32")


def test_the_adapters_config_names_every_linear_layer(cache: Path) -> None:
    config = json.loads((train_briefly(cache).adapter_folder / "adapter_config.json").read_text())
    assert len(config["target_modules"]) == 7
