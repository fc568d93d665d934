from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econchatr import tokens
from econchatr.errors import InputError, ModelError
from econchatr.tokens import OPENAI_ENCODINGS, cut_left, cut_right, open_tokenizer


def test_gpt2_counts_as_the_published_encoder_does() -> None:
    """`Hello world` is 15496 995 in GPT-2's own example."""
    assert open_tokenizer("gpt2").encode("Hello world") == [15496, 995]


def test_openai_encodings_count_without_a_download() -> None:
    assert open_tokenizer("cl100k_base").encode("Hello world") == [9906, 1917]
    assert open_tokenizer("o200k_base").count("Hello world") == 2


@pytest.mark.parametrize("name", OPENAI_ENCODINGS)
def test_many_texts_count_as_they_do_one_by_one(name: str) -> None:
    tokenizer, texts = open_tokenizer(name), ["", "Who counted?", "\u200b\n\nnaïve café 🫖" * 40]
    assert tokenizer.count_each(texts) == [tokenizer.count(text) for text in texts]


ODD = "he'll SAY it's\r\n\r\n  3.14159 naïve café 🫖 日本語\u200b\u00a0ⅷ٣ x<|fim_prefix|>y ...\n\n\n   "


@pytest.mark.parametrize(
    ("name", "n_tokens", "sha256"),
    [
        ("gpt2", 49, "af02ee313c307c39"),
        ("cl100k_base", 40, "cf76ba9027fd8b6e"),
        ("o200k_base", 34, "fc54cc1fd526395b"),
    ],
)
def test_odd_text_is_cut_as_the_packages_of_before_cut_it(name: str, n_tokens: int, sha256: str) -> None:
    ids = open_tokenizer(name).encode(ODD)
    assert (len(ids), hashlib.sha256(str(ids).encode()).hexdigest()[:16]) == (n_tokens, sha256)


def test_ranks_that_were_changed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tokens._ENCODINGS, "gpt2", tokens._ENCODINGS["gpt2"]._replace(sha256="0" * 64))
    with pytest.raises(ModelError, match="is not OpenAI's"):
        tokens._read_ranks("gpt2")


def test_text_of_megabytes_is_counted() -> None:
    assert open_tokenizer("o200k_base").count("word " * 600_000) >= 600_000


def test_the_name_of_a_special_token_in_speech_does_not_break_the_count() -> None:
    for name in ("gpt2", "cl100k_base"):
        assert open_tokenizer(name).count("he said <|endoftext|> and left") > 4


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=80), n=st.integers(1, 20))
def test_a_cut_text_is_an_end_of_the_text(text: str, n: int) -> None:
    tokenizer = open_tokenizer("gpt2")
    left, n_cut = cut_left(text, tokenizer, n_tokens=n)
    right, _ = cut_right(text, tokenizer, n_tokens=n)
    assert n_cut == max(0, tokenizer.count(text) - n)
    assert text.endswith(left)
    assert text.startswith(right)


def test_an_unknown_tokenizer_names_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        open_tokenizer("gpt5")
    assert "gpt2" in caught.value.hint


def test_a_folder_with_a_broken_tokenizer_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        open_tokenizer(str(tmp_path))
