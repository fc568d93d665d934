"""Opening a show: what show.toml names is checked before anything runs, and what it leaves open is settled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from econchatr.errors import InputError
from econchatr.pipeline.show import open_show
from econchatr.select.strategies import STRATEGIES


def write_config(folder: Path, strategy: str) -> Path:
    text = f'[show]\nname = "A"\nhosts = ["Hal Host"]\n[select]\nstrategy = "{strategy}"\n'
    (folder / "show.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_show_may_name_every_strategy_there_is(tmp_path: Path, name: str) -> None:
    assert open_show(write_config(tmp_path, name), cache=tmp_path).config.select.strategy == name


def test_a_strategy_that_does_not_exist_is_refused_with_its_line_and_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"show\.toml, line 5: select\.strategy: no strategy 'coverge'\.") as caught:
        open_show(write_config(tmp_path, "coverge"))
    assert caught.value.hint == f"Use one of {', '.join(STRATEGIES)}."


@pytest.mark.parametrize("name", ["coverage-plain", "coverage-cues", "longest"])
def test_a_show_of_an_earlier_version_is_told_what_replaces_its_strategy(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"line 5: select.strategy: strategy '{name}' was removed") as caught:
        open_show(write_config(tmp_path, name))
    assert 'Use "coverage"' in caught.value.hint


def count_draws(folder: Path, base: str, asked: str) -> int:
    """The draws for each answer of a rung with that base."""
    rung = f'[[ladder]]\nname = "r"\nbase = "{base}"\nmax_tokens = 100\n[ask]\n{asked}\n'
    (folder / "show.toml").write_text(f'[show]\nname = "A"\nhosts = ["Hal Host"]\n{rung}', encoding="utf-8")
    return open_show(folder, cache=folder).rung("r").n_draws


def write_llama_config(folder: Path, n_layers: int) -> Path:
    """A checkpoint without weights, of 80 million parameters a layer."""
    about = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000, "hidden_size": 2560}
    about |= {"intermediate_size": 6912, "num_hidden_layers": n_layers, "num_attention_heads": 32}
    (folder / "config.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    return folder


def test_each_answer_of_a_small_base_is_the_best_of_eight_draws(tmp_path: Path) -> None:
    assert count_draws(tmp_path, "embedded", "") == 8
    assert count_draws(tmp_path, str(write_llama_config(tmp_path, 8)), "") == 8


def test_an_answer_of_a_base_above_a_billion_parameters_is_drawn_once(tmp_path: Path) -> None:
    assert count_draws(tmp_path, str(write_llama_config(tmp_path, 16)), "") == 1


def test_so_many_draws_as_the_show_asks_for_are_taken_whatever_the_base(tmp_path: Path) -> None:
    assert count_draws(tmp_path, str(write_llama_config(tmp_path, 16)), "best_of = 7") == 7
    assert count_draws(tmp_path, "embedded", "best_of = 1") == 1
