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
from econchatr.models.engines.together import TogetherModel, Words, _Begun, _count_certain, _cut_lots, open_together
from econchatr.models.engines.transformers_engine import open_transformers
from econchatr.models.files.adapters import write_gguf_adapter
from econchatr.models.files.weights import read_chat_template
from econchatr.models.llama.drawing import DrawnReplies, TokenDraws
from econchatr.models.llama.meter import open_meter
from econchatr.records import Reply, Sampling
from econchatr.tokens import open_tokenizer
from tests.helpers.model_material import CUES, PROMPT, make_examples, make_prompt, open_embedded, train_briefly

PROMPTS = [make_prompt(cue) for cue in (*CUES, "Why do bees keep to the hive all winter, and what do they eat?")]


@pytest.fixture(scope="module")
def model(cache: Path) -> TogetherModel:
    train_briefly(cache)  # as this machine does: its adapter is shared with other tests
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "choose_dtype", lambda _device: torch.float32)
        return open_here(cache)


def open_here(cache: Path) -> TogetherModel:
    checkpoint = open_embedded(cache).checkpoint_path
    adapter = train_briefly(cache).adapter_folder
    template = read_chat_template(checkpoint)
    return open_together(checkpoint, adapter=adapter, tokenizer=open_tokenizer(str(checkpoint)), template=template)


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
    ids = [tuple(model._words.tokenizer.encode(prompt)) for prompt in (PROMPTS[1], PROMPTS[-1])]

    def weigh_two(prompts: list[tuple[int, ...]]) -> list[torch.Tensor]:
        drawing = DrawnReplies(model.drawn, prompts, tuned=True, n_new=2)
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

    before = draw_often(model)
    with pytest.raises(LookupError, match="enough"):
        model.reply_often(PROMPT, Sampling(1, 0.9, 400), 4, tuned=True, on_text=stop)
    assert draw_often(model) == before


def test_pieces_as_they_come_make_the_reply_and_none_of_what_ends_it(model: TogetherModel) -> None:
    heard: list[str] = []
    plain = model.reply(PROMPT, Sampling(1, 0.0, 20), tuned=True).text
    word = plain.split()[3]
    reply = model.reply(PROMPT, Sampling(1, 0.0, 20, stop=(word,)), tuned=True, on_text=heard.append)
    assert len(heard) > 1
    assert ("".join(heard), reply.stop) == (plain[: plain.index(word)], "end") == (reply.text, "end")


@pytest.mark.slow
def test_those_that_go_on_are_as_alone_when_half_have_ended(model: TogetherModel) -> None:
    """Each ends at another length: its own second sentence."""
    stops = Sampling(0, 0.0, 60, stop=(".",))
    together = model.reply_all(PROMPTS, stops, seeds=[0] * len(PROMPTS), tuned=True)
    assert len({reply.n_reply_tokens for reply in together}) > 2
    assert together == [model.reply(prompt, stops, tuned=True) for prompt in PROMPTS]


def test_what_is_measured_is_what_a_meter_measures(model: TogetherModel, cache: Path) -> None:
    base, adapter = open_embedded(cache), train_briefly(cache).adapter_folder
    examples = make_examples(base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "choose_dtype", lambda _device: torch.float32)
        meter = open_meter(base.checkpoint_path, adapter=adapter, n_positions=512)
    for tuned in (True, False):
        assert model.measure(examples, tuned=tuned) == pytest.approx(meter.measure(examples, tuned=tuned), abs=1e-3)


@pytest.mark.parametrize(("n_words", "told"), [(2100, "2 to 2047 can be continued"), (0, "prompt of 0 tokens")])
def test_a_prompt_that_cannot_be_continued_is_refused(model: TogetherModel, n_words: int, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        model.reply("bees " * n_words, Sampling(1, 0.9, 100), tuned=True)


@pytest.mark.slow
def test_a_long_prompt_leaves_a_short_reply(model: TogetherModel) -> None:
    n = len(model._words.tokenizer.encode("bees " * 2040))
    reply = model.reply("bees " * 2040, Sampling(1, 0.9, 100), tuned=False)
    assert reply.n_reply_tokens <= 2048 - n < 100


def test_a_reply_of_no_tokens_is_refused(model: TogetherModel) -> None:
    with pytest.raises(ModelError, match="a reply of 0 tokens"):
        model.reply(PROMPT, Sampling(1, 0.9, 0), tuned=True)


def test_without_an_adapter_nobody_is_taken_for_tuned(model: TogetherModel) -> None:
    bare = TogetherModel(model.drawn, model._words, name="bare", has_adapter=False)
    with pytest.raises(ModelError, match="opened without an adapter"):
        bare.reply(PROMPT, Sampling(1, 0.9, 4), tuned=True)


def test_a_closed_model_says_so(model: TogetherModel) -> None:
    other = TogetherModel(model.drawn, model._words, name="other", has_adapter=True)
    other.close()
    with pytest.raises(ModelError, match="is closed"):
        other.reply(PROMPT, Sampling(1, 0.9, 4), tuned=True)


def test_special_tokens_are_no_words_and_some_end_a_reply(model: TogetherModel) -> None:
    words, encode = model._words, model._words.tokenizer.encode
    said = encode("<|im_start|>Well<|endoftext|>")
    assert words.read(said, ()) == ("Well", False)
    assert {words.specials[token] for token in words.ends} >= {"<|im_end|>", "<|endoftext|>"}
    assert words.read(encode("Well<|im_start|>user"), ("<|im_start|>",)) == ("Well", True)


@pytest.mark.skipif(machine.choose_dtype("cpu") != torch.bfloat16, reason="needs a processor with bfloat16")
def test_a_token_drawn_with_the_adapter_added_in_is_as_likely_as_one_read(cache: Path) -> None:
    """In bfloat16, the arithmetic that is used: the logits are some 20 in size and rounded to an eighth."""
    model = open_here(cache)
    ids = tuple(model._words.tokenizer.encode(PROMPTS[-1]))
    with torch.no_grad():
        whole = DrawnReplies(model.drawn, [ids], tuned=True, n_new=1).read()
        drawing = DrawnReplies(model.drawn, [ids[:-1]], tuned=True, n_new=1)
        drawing.read()
        apart = (drawing.step(torch.tensor([ids[-1]])).log_softmax(-1) - whole.log_softmax(-1)).exp() - 1
    assert float((apart.abs() * whole.softmax(-1)).sum()) < 0.1


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
def test_text_that_may_still_be_cut_is_held_back_and_no_more(text: str) -> None:
    n = _count_certain(text, ["Guest:"])
    may_be_cut = [start for start in range(len(text)) if "Guest:".startswith(text[start:]) and text[start:] != "Guest:"]
    assert n == min(may_be_cut, default=len(text))


@given(st.lists(st.integers(2, 1800), max_size=90), st.integers(1, 240))
def test_lots_hold_all_replies_in_order_and_what_memory_allows(lengths: list[int], n_new: int) -> None:
    words = Words(open_tokenizer("gpt2"), frozenset(), {})
    begun = [_Begun((1,) * n, Sampling(seed, 1.0, n_new), words) for seed, n in enumerate(lengths)]
    lots = list(_cut_lots(begun))
    assert [one for lot in lots for one in lot] == begun
    for lot in lots:
        n_kept = len(lot) * (max(len(one.prompt_ids) for one in lot) + max(one.n_most for one in lot))
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
    monkeypatch.setattr(machine, "choose_device", lambda: "cpu")
    with base.speak(tmp_path, n_together=n_together) as speaker:
        assert type(speaker) is engine
