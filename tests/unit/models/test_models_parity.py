from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from econchatr.errors import ModelError
from econchatr.models.engines.transformers_engine import open_transformers
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import locate_embedded_gguf
from econchatr.models.parity import ParityResult, check_parity
from econchatr.records import Sampling
from tests.helpers.model_material import CUES, PROMPT, make_prompt, open_embedded, train_briefly


def test_both_engines_say_the_same_with_a_trained_adapter(cache: Path) -> None:
    base, outcome = open_embedded(cache), train_briefly(cache)
    adapter = cache / "parity.gguf"
    write_gguf_adapter(outcome.adapter_folder, base_gguf=locate_embedded_gguf(), out=adapter)
    prompts = [make_prompt(cue) for cue in CUES]
    result = check_parity(prompts, base=base, adapter_folder=outcome.adapter_folder, gguf_adapter=adapter, n_tokens=16)
    assert result == ParityResult(len(CUES), len(CUES))


@pytest.mark.slow
def test_engines_do_not_agree_about_an_adapter_of_half_the_strength(cache: Path) -> None:
    base, outcome = open_embedded(cache), train_briefly(cache)
    weak = Path(shutil.copytree(outcome.adapter_folder, cache / "weak"))
    settings = json.loads((weak / "adapter_config.json").read_text())
    (weak / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": settings["lora_alpha"] / 2}))
    write_gguf_adapter(weak, base_gguf=locate_embedded_gguf(), out=cache / "weak.gguf")
    result = check_parity(
        [make_prompt(cue) for cue in CUES],
        base=base,
        adapter_folder=outcome.adapter_folder,
        gguf_adapter=cache / "weak.gguf",
        n_tokens=16,
    )
    assert result.n_agreeing == 0


def test_an_adapter_that_is_none_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no readable adapter"):
        write_gguf_adapter(tmp_path, base_gguf=locate_embedded_gguf(), out=tmp_path / "adapter.gguf")
    assert not (tmp_path / "adapter.gguf").exists()


def test_transformers_answers_with_and_without_the_adapter(cache: Path) -> None:
    base, outcome = open_embedded(cache), train_briefly(cache)
    model = open_transformers(base.checkpoint_path, adapter=outcome.adapter_folder)
    greedy = Sampling(seed=1, temperature=0.0, max_tokens=8)
    tuned, untuned = (model.reply(PROMPT, greedy, tuned=tuned) for tuned in (True, False))
    assert tuned.text.startswith("Arr,")
    assert not untuned.text.startswith("Arr,")


def test_transformers_repeats_itself_for_the_same_seed(cache: Path) -> None:
    model = open_transformers(open_embedded(cache).checkpoint_path, adapter=None)
    replies = [model.reply(PROMPT, Sampling(seed, 1.0, 12), tuned=False) for seed in (1, 1, 2)]
    assert replies[0] == replies[1]
    assert replies[0] != replies[2]


def test_transformers_ends_before_a_stop_text(cache: Path) -> None:
    model = open_transformers(open_embedded(cache).checkpoint_path, adapter=None)
    greedy = Sampling(seed=1, temperature=0.0, max_tokens=12)
    whole = model.reply(PROMPT, greedy, tuned=False)
    word = whole.text.split()[2]
    cut = model.reply(PROMPT, greedy._replace(stop=(word,)), tuned=False)
    assert cut.text == whole.text[: whole.text.index(word)]
    assert cut.stop == "end"
