"""Count and cut text in tokens, offline, by the tokenizer's name.

Two kinds of names: an OpenAI encoding (`gpt2`, which is GPT-3's too, `cl100k_base`, `o200k_base`), or the path of a
folder or file with a `tokenizer.json`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from econchatr.errors import InputError, ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as _FastTokenizer

OPENAI_ENCODINGS = ("gpt2", "cl100k_base", "o200k_base")
_END = "<|endoftext|>"


class _Encoding(NamedTuple):
    """What makes one of OpenAI's encodings, beside its ranks."""

    sha256: str
    """Of the rank file that stands gzipped in `ranks/`."""
    pattern: str
    """How text is cut before tokens are joined."""
    reads_end: bool = False
    """Whether `<|endoftext|>` in a text is read as that token."""


_APOSTROPHES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ENCODINGS = {
    "gpt2": _Encoding(
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        reads_end=True,
    ),
    "cl100k_base": _Encoding(
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    "o200k_base": _Encoding(
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_APOSTROPHES}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_APOSTROPHES}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
}
"""Source: github.com/openai/tiktoken (MIT), tiktoken_ext/openai_public.py, for hashes and patterns. The rank files are
OpenAI's own; GPT-2's is that of `r50k_base`, which differs in its name alone."""

_MAX_PIECE_CHARS = 200_000
"""Longer texts are counted in pieces of this many characters: a pattern on megabytes without a space is slow."""


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


class _OpenAITokenizer(Tokenizer):
    def __init__(self, encoding: Any, *, reads_end: bool) -> None:
        self._encoding, self._allowed = encoding, {_END} if reads_end else set()

    def encode(self, text: str) -> list[int]:
        starts = range(0, len(text), _MAX_PIECE_CHARS)
        pieces = (text[start : start + _MAX_PIECE_CHARS] for start in starts)
        return [token for piece in pieces for token in self._encode(piece)]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._encoding.decode(list(ids)))

    def _encode(self, piece: str) -> list[int]:
        return list(self._encoding.encode(piece, allowed_special=self._allowed, disallowed_special=()))


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
    import tiktoken

    known = _ENCODINGS[name]
    ranks = _read_ranks(name)
    specials = {_END: len(ranks)} if known.reads_end else {}
    encoding = tiktoken.Encoding(name, pat_str=known.pattern, mergeable_ranks=ranks, special_tokens=specials)
    return _OpenAITokenizer(encoding, reads_end=known.reads_end)


def _read_ranks(name: str) -> dict[bytes, int]:
    """The ranks that stand in this package: tiktoken itself would download them."""
    file = resources.files("econchatr").joinpath("ranks", f"{name}.tiktoken.gz")
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as exc:
        raise ModelError(f"{file}: cannot be read ({exc}).", hint="Install EconChatR again.") from exc
    if hashlib.sha256(content).hexdigest() != _ENCODINGS[name].sha256:
        raise ModelError(f"{file}: is not OpenAI's.", hint="Install EconChatR again.")
    rows = (line.split() for line in content.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in rows}


@lru_cache(maxsize=8)
def _load_fast(path: str) -> _FastTokenizer:
    from tokenizers import Tokenizer as FastTokenizer

    try:
        return FastTokenizer.from_file(path)
    except Exception as exc:
        raise InputError(f"{path} is not a tokenizer.json: {exc}.", hint="Name another tokenizer.") from exc
