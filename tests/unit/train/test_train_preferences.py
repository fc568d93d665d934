"""TRL's two trainers on the embedded model: some seconds a step, so all of them are slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from econchatr.errors import InputError, ModelError
from econchatr.models.llama.meter import reply_nats
from econchatr.prompts import EncodedExample
from econchatr.tables import hash_file
from econchatr.train.preference_training import (
    EncodedPreference,
    EncodedVerdict,
    PreferenceProgress,
    PreferenceRecipe,
    blend_adapters,
    train_preferences,
)
from tests.helpers.model_material import make_examples, open_embedded, train_briefly

RECIPE = PreferenceRecipe(batch_examples=4, learning_rate=5e-4, n_epochs=2)


def make_rows(cache: Path) -> list[EncodedPreference]:
    """Everything is better answered with what the first example says."""
    examples = make_examples(open_embedded(cache))
    better = examples[0].ids[examples[0].n_prompt :]
    return [EncodedPreference(one.ids[: one.n_prompt], better, one.ids[one.n_prompt :]) for one in examples[1:]]


def measure(rows: list[EncodedPreference], adapter: Path, cache: Path) -> float:
    """By how many nats the better reply is likelier than the worse one, on average."""
    checkpoint = open_embedded(cache).checkpoint_path
    encoded = [
        EncodedExample((*row.prompt_ids, *reply), len(row.prompt_ids))
        for row in rows
        for reply in (row.better_ids, row.worse_ids)
    ]
    nats = reply_nats(encoded, checkpoint=checkpoint, adapter=adapter)
    return sum(worse - better for better, worse in zip(nats[::2], nats[1::2], strict=True)) / len(rows)


@pytest.mark.slow
def test_dpo_makes_the_better_reply_likelier_and_leaves_the_tuned_model_alone(cache: Path, tmp_path: Path) -> None:
    tuned, rows = train_briefly(cache).adapter_folder, make_rows(cache)
    before, seen = hash_file(tuned / "adapter_model.safetensors"), []
    made = train_preferences(
        rows, base=open_embedded(cache), adapter=tuned, folder=tmp_path, recipe=RECIPE,
        on_progress=lambda done: seen.append((done.step, done.n_steps)),
    )  # fmt: skip
    assert measure(rows, made.adapter_folder, cache) > measure(rows, tuned, cache) + 1
    assert hash_file(tuned / "adapter_model.safetensors") == before
    assert seen == [(n, 4) for n in (1, 2, 3, 4)]


@pytest.mark.slow
def test_kto_makes_what_is_right_likelier_than_what_is_wrong(cache: Path, tmp_path: Path) -> None:
    tuned, rows = train_briefly(cache).adapter_folder, make_rows(cache)
    verdicts = [
        EncodedVerdict(row.prompt_ids, reply, reply is row.better_ids)
        for row in rows
        for reply in (row.better_ids, row.worse_ids)
    ]
    made = train_preferences(
        verdicts, base=open_embedded(cache), adapter=tuned, folder=tmp_path, recipe=RECIPE, on_progress=None
    )
    assert measure(rows, made.adapter_folder, cache) > measure(rows, tuned, cache) + 1


class _StopError(Exception):
    """Raised by a listener to break a round off."""


@pytest.mark.slow
def test_a_round_broken_off_goes_on_where_it_was(cache: Path, tmp_path: Path) -> None:
    tuned, rows = train_briefly(cache).adapter_folder, make_rows(cache)[:4]
    recipe = RECIPE.model_copy(update={"n_epochs": 7})

    def stop_at_6(done: PreferenceProgress) -> None:
        if done.step == 6:
            raise _StopError

    with pytest.raises(_StopError):
        train_preferences(
            rows, base=open_embedded(cache), adapter=tuned, folder=tmp_path, recipe=recipe, on_progress=stop_at_6
        )
    seen: list[int] = []
    made = train_preferences(
        rows, base=open_embedded(cache), adapter=tuned, folder=tmp_path, recipe=recipe,
        on_progress=lambda done: seen.append(done.step),
    )  # fmt: skip
    assert (seen, made.n_steps) == ([6, 7], 7)
    assert measure(rows, made.adapter_folder, cache) > measure(rows, tuned, cache) + 1


def test_nothing_to_learn_is_refused(cache: Path, tmp_path: Path) -> None:
    base = open_embedded(cache)
    with pytest.raises(InputError, match="no preferences"):
        train_preferences([], base=base, adapter=tmp_path, folder=tmp_path, recipe=RECIPE)
    with pytest.raises(InputError, match="alike"):
        train_preferences(
            [EncodedVerdict((1,), (2,), True)] * 4, base=base, adapter=tmp_path, folder=tmp_path, recipe=RECIPE
        )


@pytest.mark.slow
def test_a_missing_adapter_is_refused_with_its_folder(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        train_preferences(
            make_rows(cache), base=open_embedded(cache), adapter=tmp_path / "nowhere", folder=tmp_path, recipe=RECIPE
        )


@pytest.mark.parametrize(("strength", "expected"), [(0.0, [0.0, 4.0]), (0.25, [0.5, 3.0]), (1.0, [2.0, 0.0])])
def test_a_blend_lies_on_the_line_between_two_adapters(strength: float, expected: list[float], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    for name, values in (("tuned", [0.0, 4.0]), ("preferred", [2.0, 0.0])):
        save_file({"lora_A": torch.tensor(values)}, tmp_path / name)
    blend_adapters(tmp_path / "tuned", tmp_path / "preferred", strength, out=tmp_path / "blend")
    assert load_file(tmp_path / "blend")["lora_A"].tolist() == expected
