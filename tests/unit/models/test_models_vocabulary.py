"""A GGUF's text is cut as llama.cpp cuts it, or the file is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from econchatr.errors import ModelError
from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.files.gguf_file import read_gguf_file
from econchatr.models.files.vocabulary import PRE_TOKENIZERS, build_tokenizer, keep_vocabulary, write_tokenizer
from tests.helpers.tiny_gguf import write_byte_level_gguf, write_sentencepiece_gguf

SPEECH = "who counted the bridges, in 1849 and 3.14? don't YOU'RE ÜBER straße naïve 日本語 русский (yes) — “well” 🫖"
PARTS = ["a", "aa", " ", "   ", "\n", "\n\n", "\r\n", "\t", "<s>", "<break>", "<|im_end|>", "ha", "▁", "<0x0A>", "123"]
ODD = "\u200b\u200d\ufeff\x00\x07\x85\u00a0\u2028\u0301\U0001f1e6\ufffd\U0010ffff\ue000²ⅷ٣"
PIECES = ["▁", "t", "h", "e", "a", "aa", "aaa", "ha", "th", "the", "▁the", "▁a", "▁▁", ".", "..", "aaaa", "\n", "é"]


def draw_texts(n: int) -> list[str]:
    """Speech, hostile fragments, odd signs, runs of one sign, and signs from anywhere."""
    draw = random.Random(14)
    kinds = [
        lambda: " ".join(draw.choices(SPEECH.split(), k=30)),
        lambda: "".join(draw.choices(PARTS, k=25)),
        lambda: "".join(draw.choices(ODD, k=20)),
        lambda: draw.choice("ah.- =0\n\t") * draw.randrange(1, 80),
        lambda: "".join(chr(draw.randrange(32, 0xD7FF)) for _ in range(30)),
    ]
    return [draw.choice(kinds)() for _ in range(n)]


@contextmanager
def open_both(gguf: Path) -> Iterator[tuple[Tokenizer, list[tuple[str, list[int]]]]]:
    with open_llamacpp(gguf, adapter=None, n_ctx=256) as model:
        yield build_tokenizer(read_gguf_file(gguf)), [(text, model.tokenize(text)) for text in draw_texts(250)]


def find_differences(gguf: Path) -> list[str]:
    """The texts that the two cut differently; llama.cpp may put its beginning token first."""
    with open_both(gguf) as (ours, theirs):
        return [
            text
            for text, ids in theirs
            if (own := ours.encode(text, add_special_tokens=False).ids) != ids and own != ids[1:]
        ]


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_every_known_pre_tokenizer_cuts_as_llama_cpp(pre: str, tmp_path: Path) -> None:
    assert find_differences(write_byte_level_gguf(tmp_path / "tiny.gguf", pre=pre)) == []


@pytest.mark.parametrize("adds_space", [True, False])
def test_a_sentencepiece_vocabulary_cuts_as_llama_cpp(adds_space: bool, tmp_path: Path) -> None:
    gguf = write_sentencepiece_gguf(tmp_path / "tiny.gguf", PIECES, adds_space=adds_space)
    assert find_differences(gguf) == []


@pytest.mark.parametrize("adds_space", [True, False])
def test_a_sentencepiece_text_comes_back_whole(adds_space: bool, tmp_path: Path) -> None:
    gguf = write_sentencepiece_gguf(tmp_path / "tiny.gguf", PIECES, adds_space=adds_space)
    ours = build_tokenizer(read_gguf_file(gguf))
    text = " the 🫖  that a\nbee made."
    assert ours.decode(ours.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("pre", ["default", "deepseek-llm", "a-new-one"])
def test_an_unknown_pre_tokenizer_is_refused_with_its_name(pre: str, tmp_path: Path) -> None:
    gguf = write_byte_level_gguf(tmp_path / "tiny.gguf", pre=pre)
    with pytest.raises(ModelError, match=rf"tiny\.gguf: the pre-tokenizer '{pre}' is not known"):
        keep_vocabulary(gguf, cache=tmp_path)


def test_a_token_that_stands_twice_is_refused_before_llama_cpp_sees_it(tmp_path: Path) -> None:
    gguf = write_sentencepiece_gguf(tmp_path / "tiny.gguf", ["a", "a"], adds_space=True)
    with pytest.raises(ModelError, match="stands twice"):
        keep_vocabulary(gguf, cache=tmp_path)


def test_transformers_reads_the_tokenizer_of_a_converted_checkpoint_alike(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    found = read_gguf_file(write_byte_level_gguf(tmp_path / "tiny.gguf", pre="qwen2"))
    write_tokenizer(found, tmp_path)
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path), build_tokenizer(found)
    for text in draw_texts(50):
        assert theirs(text, add_special_tokens=False).input_ids == ours.encode(text, add_special_tokens=False).ids
