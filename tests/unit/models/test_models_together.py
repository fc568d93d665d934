"""Replies drawn together: the real model in float32, so that every machine says the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from econchatr.errors import ModelError
from econchatr.models import machine
from econchatr.models.base_model import Base
from econchatr.models.engines.llamacpp import LlamaCpp
from econchatr.models.engines.together import TogetherModel, _Begun, _count_certain, _cut_lots, open_together
from econchatr.models.engines.transformers_engine import open_transformers
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.llama.drawing import DrawnModel, DrawnReplies, TokenDraws
from econchatr.records import Reply, Sampling
from econchatr.tokens import open_tokenizer
from tests.helpers.model_material import CUES, PROMPT, make_prompt, open_embedded, train_briefly

PROMPTS = [make_prompt(cue) for cue in (*CUES, "Why do bees keep to the hive all winter, and what do they eat?")]


@pytest.fixture(scope="module")
def model(cache: Path) -> TogetherModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "choose_dtype", lambda _device: torch.float32)
        return open_here(cache)


def open_here(cache: Path) -> TogetherModel:
    checkpoint = open_embedded(cache).checkpoint_path
    adapter = train_briefly(cache).adapter_folder
    return open_together(checkpoint, adapter=adapter, tokenizer=open_tokenizer(str(checkpoint)))


def draw_often(model: TogetherModel, *, seed: int = 1, n: int = 5, n_tokens: int = 12) -> list[Reply]:
    return model.reply_often(PROMPT, Sampling(seed, 0.9, n_tokens, 1.1), n, tuned=True)


@pytest.mark.parametrize("tuned", [True, False])
def test_the_likeliest_reply_is_that_of_transformers_whatever_is_drawn_beside_it(
    model: TogetherModel, cache: Path, tuned: bool
) -> None:
    adapter = train_briefly(cache).adapter_folder if tuned else None
    other = open_transformers(open_embedded(cache).checkpoint_path, adapter=adapter, is_exact=True)
    likeliest = Sampling(0, 0.0, 12)
    expected = [other.reply(prompt, likeliest, tuned=tuned) for prompt in PROMPTS]
    assert model.reply_all(PROMPTS, likeliest, seeds=[0] * len(PROMPTS), tuned=tuned) == expected


def test_a_short_prompt_beside_a_long_one_is_continued_as_alone(model: TogetherModel) -> None:
    drawn = DrawnModel(model._model, max_kept_tokens=256)
    ids = [tuple(model._tokenizer.encode(prompt)) for prompt in (PROMPTS[1], PROMPTS[-1])]

    def weigh_two(prompts: list[tuple[int, ...]]) -> list[torch.Tensor]:
        drawing = DrawnReplies(drawn, prompts, tuned=True, n_new=2)
        return [drawing.read()[0], drawing.step(torch.tensor([ids[0][0]] * len(prompts)))[0]]

    with torch.no_grad():
        for alone, together in zip(weigh_two(ids[:1]), weigh_two(ids), strict=True):
            assert torch.allclose(alone, together, atol=2e-3)


def test_the_same_arguments_give_the_same_replies_whatever_was_asked_between(model: TogetherModel) -> None:
    first = draw_often(model)
    draw_often(model, seed=9, n=2)
    model.reply(PROMPT, Sampling(1, 0.9, 4), tuned=False)
    assert draw_often(model) == first


def test_each_reply_has_its_own_seed_and_counts(model: TogetherModel) -> None:
    replies = draw_often(model)
    assert len({reply.text for reply in replies}) == 5
    assert all(0 < reply.n_reply_tokens <= 12 and reply.n_prompt_tokens > 3 for reply in replies)


def test_a_reply_begins_alike_alone_and_in_company(model: TogetherModel) -> None:
    alone = model.reply(PROMPT, Sampling(3, 0.9, 12, 1.1), tuned=True).text
    assert draw_often(model, seed=1)[2].text.split()[:2] == alone.split()[:2]


def test_a_listener_stops_all_that_are_drawn_together(model: TogetherModel) -> None:
    def stop(_text: str) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        model.reply_often(PROMPT, Sampling(1, 0.9, 400), 4, tuned=True, on_text=stop)
    assert draw_often(model)


def test_pieces_as_they_come_make_the_reply_and_none_of_what_ends_it(model: TogetherModel) -> None:
    heard: list[str] = []
    plain = model.reply(PROMPT, Sampling(1, 0.0, 20), tuned=True).text
    word = plain.split()[3]
    reply = model.reply(PROMPT, Sampling(1, 0.0, 20, stop=(word,)), tuned=True, on_text=heard.append)
    assert len(heard) > 1
    assert ("".join(heard), reply.stop) == (plain[: plain.index(word)], "end") == (reply.text, "end")


def test_a_prompt_that_leaves_no_room_is_refused(model: TogetherModel) -> None:
    with pytest.raises(ModelError, match=r"2\d\d\d tokens of prompt and 100 of reply exceed its 2048"):
        model.reply("bees " * 2000, Sampling(1, 0.9, 100), tuned=True)


# --- tokens -----------------------------------------------------------------------------------------------------------


def draw_tokens(logits: list[float], sampling: Sampling, n: int) -> Counter[int]:
    draws = TokenDraws([[0]] * n, sampling, range(n))
    return Counter(draws.draw(torch.tensor([logits] * n)).tolist())


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    chances = [0.5, 0.3, 0.15, 0.05, 0.0]
    found = draw_tokens(torch.tensor(chances).log().tolist(), Sampling(0, 1.0, 1), 4000)
    assert [found[n] / 4000 for n in range(5)] == pytest.approx(chances, abs=0.03)
    assert not found[4]


def test_at_temperature_zero_the_likeliest_token_is_taken() -> None:
    assert draw_tokens([0.0, 1.0, 0.5], Sampling(0, 0.0, 1), 50) == {1: 50}


def test_what_was_just_said_is_penalized_as_llama_cpp_does() -> None:
    draws = TokenDraws([[0, 1]], Sampling(0, 0.0, 1, 2.0), [0])
    assert draws._penalize(torch.tensor([[4.0, -4.0, 1.0]])).tolist() == [[2.0, -8.0, 1.0]]


def test_what_was_said_long_ago_is_not_penalized() -> None:
    draws = TokenDraws([[0] + [1] * 64], Sampling(0, 0.0, 1, 2.0), [0])
    assert draws._penalize(torch.tensor([[4.0, 4.0]])).tolist() == [[4.0, 2.0]]


@given(st.text("Guest: x", max_size=12))
def test_text_that_may_still_be_cut_is_held_back(text: str) -> None:
    n = _count_certain(text, ["Guest:"])
    assert all(not "Guest:".startswith(text[start:]) for start in range(n, len(text)) if start < n)
    assert text[n:] == "" or "Guest:".startswith(text[n:])


@given(st.lists(st.integers(1, 1800), max_size=90), st.integers(1, 240))
def test_lots_hold_all_replies_in_order_and_what_memory_allows(lengths: list[int], n_new: int) -> None:
    begun = [_Begun((1,) * n, seed, frozenset()) for seed, n in enumerate(lengths)]
    lots = list(_cut_lots(begun, n_new=n_new))
    assert [one for lot in lots for one in lot] == begun
    for lot in lots:
        n_kept = len(lot) * (max(len(one.prompt_ids) for one in lot) + n_new)
        assert len(lot) <= 32
        assert len(lot) == 1 or n_kept <= 16_384


# --- which engine -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "n_together", "engine"),
    [(torch.bfloat16, 8, TogetherModel), (torch.bfloat16, 1, LlamaCpp), (torch.float32, 8, LlamaCpp)],
)
def test_many_draws_are_drawn_here_where_the_processor_has_bfloat16(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, n_together: int, engine: type
) -> None:
    folder = train_briefly(cache).adapter_folder
    base = Base("embedded", cache, may_ask_hub=False)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    write_gguf_adapter(folder, base_gguf=base.path, out=tmp_path / "adapter.gguf")
    monkeypatch.setattr(machine, "choose_dtype", lambda _device: dtype)
    with base.speak(tmp_path, n_together=n_together) as speaker:
        assert type(speaker) is engine
