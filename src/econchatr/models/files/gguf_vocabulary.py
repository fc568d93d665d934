"""Write a checkpoint's tokenizer into a GGUF file, so that llama.cpp cuts a text as the tokenizer does.

Two kinds are known: byte-pair vocabularies over bytes, which llama.cpp cuts by rules that it knows by name, and
SentencePiece vocabularies with single bytes for what they lack. What is of another kind is refused.

Source: the GGUF keys, github.com/ggml-org/ggml docs/gguf.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from econchatr.errors import ModelError
from econchatr.models.files.vocabulary import PRE_TOKENIZERS

_HINT = "transformers answers instead; nothing needs to be done."
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
"""GGUF's numbers for kinds of tokens. Source: llama.cpp/include/llama.h, `llama_token_type`."""
_BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
_SPACE = "\u2581"
_LEAST = -1e6
"""The score of a token that no merge makes."""

_GPT_2 = PRE_TOKENIZERS["gpt-2"].patterns[0]
_ALIKE = {r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": _GPT_2}
"""Patterns that cut as another does -> that other."""


class Vocabulary(NamedTuple):
    """A tokenizer as GGUF keeps it."""

    model: str
    """`gpt2` for byte-pair, `llama` for SentencePiece."""
    pre: str
    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    scores: list[float]
    specials: dict[str, int]
    """`bos`, `eos`, `unk` and `pad`, as far as there are any."""
    adds_space: bool


def read_vocabulary(checkpoint: Path, *, n_rows: int) -> Vocabulary:
    """Give a checkpoint's tokenizer as GGUF keeps it.

    Args:
        n_rows: Of the embedding; ids without a token get a name that no text holds.

    Raises:
        ModelError: There is no tokenizer.json, or one that llama.cpp has no rule for.
    """
    read = _Reader(checkpoint)
    model, specials = read.tokenizer["model"], read.special_ids()
    tokens, kinds = read.list_tokens(n_rows)
    if model.get("byte_fallback"):
        return Vocabulary("llama", "default", tokens, kinds, [], read.scores(tokens), specials, read.adds_space())
    merges = [" ".join(pair) for pair in read.merges()]
    return Vocabulary("gpt2", read.name_rule(), tokens, kinds, merges, [], specials, adds_space=False)


class _Reader:
    """A checkpoint's tokenizer.json and tokenizer_config.json."""

    def __init__(self, checkpoint: Path) -> None:
        self.path = checkpoint / "tokenizer.json"
        try:
            self.tokenizer: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            self.config: dict[str, Any] = json.loads((checkpoint / "tokenizer_config.json").read_text("utf-8"))
            kind = self.tokenizer["model"]["type"]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ModelError(f"{self.path}: no tokenizer that can be read ({exc}).", hint=_HINT) from exc
        if kind != "BPE":
            raise ModelError(f"{self.path}: a tokenizer of the kind {kind}, which is not written as GGUF.", hint=_HINT)

    @property
    def added(self) -> list[dict[str, Any]]:
        return list(self.tokenizer.get("added_tokens") or ())

    def merges(self) -> list[tuple[str, str]]:
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in self.tokenizer["model"]["merges"])
        return [(str(left), str(right)) for left, right in pairs]

    def list_tokens(self, n_rows: int) -> tuple[list[str], list[int]]:
        """Tokens and their kinds by id, one for each row of the embedding."""
        vocabulary: Mapping[str, int] = self.tokenizer["model"]["vocab"]
        ids = {*vocabulary.values(), *(int(token["id"]) for token in self.added)}
        if max(ids) >= n_rows:
            raise ModelError(
                f"{self.path}: {max(ids) + 1} tokens, and the embedding has {n_rows} rows.", hint="Use another base."
            )
        tokens, kinds = [f"[PAD{n}]" for n in range(n_rows)], [_UNUSED] * n_rows
        unknown = self.tokenizer["model"].get("unk_token")
        for token, place in vocabulary.items():
            tokens[place] = token
            kinds[place] = _UNKNOWN if token == unknown else _BYTE if _BYTE_TOKEN.fullmatch(token) else _NORMAL
        for added in self.added:
            place = int(added["id"])
            tokens[place] = str(added["content"])
            if kinds[place] != _UNKNOWN:
                kinds[place] = _CONTROL if added.get("special") else _USER_DEFINED
        return tokens, kinds

    def scores(self, tokens: Sequence[str]) -> list[float]:
        """SentencePiece joins the pair whose token scores highest: the one whose merge stands first."""
        first: dict[str, float] = {}
        for place, (left, right) in enumerate(self.merges()):
            first.setdefault(left + right, -float(place))
        return [first.get(token, _LEAST) for token in tokens]

    def adds_space(self) -> bool:
        """Whether a space is put before the text, and after each special token."""
        told = json.dumps([self.tokenizer.get("normalizer"), self.tokenizer.get("pre_tokenizer")], ensure_ascii=False)
        return f'"prepend": "{_SPACE}"' in told or '"prepend_scheme": "first"' in told

    def name_rule(self) -> str:
        """llama.cpp's name of the way in which the text is cut into words."""
        patterns = tuple(self._patterns())
        is_whole = bool(self.tokenizer["model"].get("ignore_merges"))
        for name, pre in PRE_TOKENIZERS.items():
            if pre.patterns == patterns and pre.prefers_whole == is_whole:
                return name
        raise ModelError(f"{self.path}: cuts words in a way that llama.cpp has no name for.", hint=_HINT)

    def _patterns(self) -> Iterator[str]:
        """The patterns by which the text is cut, one after another."""
        for step in _steps(self.tokenizer.get("pre_tokenizer")):
            if step["type"] == "Digits" and step.get("individual_digits"):
                yield r"\p{N}"
            elif step["type"] == "Split":
                pattern = step["pattern"].get("Regex", "")
                yield _ALIKE.get(pattern, pattern)
            elif step["type"] == "ByteLevel" and step.get("use_regex", True):
                yield _GPT_2
            elif step["type"] != "ByteLevel":
                yield str(step["type"])

    def special_ids(self) -> dict[str, int]:
        ids = {**self.tokenizer["model"]["vocab"], **{str(token["content"]): int(token["id"]) for token in self.added}}
        found = {}
        for name in ("bos", "eos", "unk", "pad"):
            token = self.config.get(f"{name}_token")
            place = ids.get(str(token["content"]) if isinstance(token, dict) else token)
            if place is not None:
                found[name] = place
        return found


def _steps(found: Any) -> list[dict[str, Any]]:
    """The steps of a pre-tokenizer, one after another."""
    if not isinstance(found, dict):
        return []
    return list(found["pretokenizers"]) if found.get("type") == "Sequence" else [found]
