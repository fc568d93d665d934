"""The tokenizer of a GGUF file, built so that it cuts text as llama.cpp cuts it.

Training, counting and asking use this one. Two kinds of vocabulary are known: byte-pair ones with the pre-tokenizers
in `PRE_TOKENIZERS`, and SentencePiece ones with scores, as Gemma's and Llama 2's. Every other is refused: a text cut
otherwise than in the base's own training teaches the model nothing but noise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from econchatr.errors import ModelError
from econchatr.models.files.gguf_file import GgufFile, read_gguf_file
from econchatr.tables import hash_file, replace_path

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
"""GGUF's numbers for kinds of tokens. Source: github.com/ggml-org/llama.cpp, include/llama.h, `llama_token_type`."""
SPECIAL_KINDS = (_UNKNOWN, _CONTROL)
"""Tokens that are read as special where they are written, and mean something to the model."""
_BUILDER_VERSION = 2
"""Raised whenever the same GGUF would give another tokenizer."""
_SPACE = "\u2581"
"""How SentencePiece writes a space."""
_HINT = "Give the model's checkpoint folder instead of the GGUF file."

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_AS_CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_APOSTROPHES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_AS_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_APOSTROPHES}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_APOSTROPHES}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class PreTokenizer(NamedTuple):
    """How a byte-pair vocabulary's text is cut before pairs are joined."""

    patterns: tuple[str, ...]
    """Each cuts what the one before left; matches and what lies between them stand alone."""
    prefers_whole: bool = False
    """Whether a piece that is a token is taken as it is, whatever the merges say."""


_DIGITS_ALONE = PreTokenizer((r"\p{N}", _GPT2))
_LLAMA3 = PreTokenizer((_AS_CL100K,), prefers_whole=True)
PRE_TOKENIZERS = {
    "gpt-2": PreTokenizer((_GPT2,)),
    "olmo": PreTokenizer((_GPT2,)),
    "smollm": _DIGITS_ALONE,
    "starcoder": _DIGITS_ALONE,
    "refact": _DIGITS_ALONE,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "smaug-bpe": PreTokenizer((_AS_CL100K,)),
    "dbrx": PreTokenizer((_AS_CL100K,)),
    "qwen2": PreTokenizer((_AS_CL100K.replace("{1,3}", ""),)),
    "tekken": PreTokenizer((_TEKKEN,), prefers_whole=True),
    "gpt-4o": PreTokenizer((_AS_O200K,)),
}
"""By GGUF's `tokenizer.ggml.pre`. Source: llama.cpp/src/llama-vocab.cpp, `llm_tokenizer_bpe`; a test holds each against
llama.cpp's own cutting."""


def keep_vocabulary(gguf: Path, *, cache: Path) -> Path:
    """Keep a GGUF file's vocabulary as tokenizer.json in the cache, once per file content; give its path.

    Raises:
        ModelError: The file is damaged, or its vocabulary is of a kind that is not known here.
        ShowFolderError: The cache cannot be written.
    """
    target = cache / "tokenizers" / f"{hash_file(gguf)}-{_BUILDER_VERSION}.json"
    if not target.is_file():
        built = build_tokenizer(read_gguf_file(gguf))
        with replace_path(target) as beside:
            built.save(str(beside))
    return target


def write_tokenizer(found: GgufFile, folder: Path) -> None:
    """Write a GGUF file's tokenizer into a checkpoint folder, as transformers reads it.

    Raises:
        ModelError: The vocabulary is of a kind that is not known here.
    """
    tokens = found.texts("tokenizer.ggml.tokens")
    build_tokenizer(found).save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": found.count(f"{found.text('general.architecture')}.context_length"),
    }
    for ours, theirs in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        place = found.number(f"tokenizer.ggml.{theirs}_token_id")
        if place is not None and 0 <= int(place) < len(tokens):
            config[f"{ours}_token"] = tokens[int(place)]
    if template := found.text("tokenizer.chat_template"):
        config["chat_template"] = template
    content = json.dumps(config, indent=2, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(content + "\n", encoding="utf-8")


def build_tokenizer(found: GgufFile) -> FastTokenizer:
    """The tokenizer of a GGUF file. It adds no token of its own accord.

    Raises:
        ModelError: The vocabulary is of a kind that is not known here, or makes no sense.
    """
    kind, pre = found.text("tokenizer.ggml.model"), found.text("tokenizer.ggml.pre") or "none"
    tokens = found.texts("tokenizer.ggml.tokens")
    if len(set(tokens)) < len(tokens):  # llama.cpp would end the whole process over it
        raise ModelError(f"{found.path}: a token stands twice in its vocabulary.", hint=_HINT)
    try:
        if kind == "llama":
            return _add_specials(_build_sentencepiece(found), found)
        if kind == "gpt2" and pre in PRE_TOKENIZERS:
            return _add_specials(_build_byte_level(found, PRE_TOKENIZERS[pre]), found)
    except ModelError:
        raise
    except Exception as exc:  # tokenizers raises plain Exception
        raise ModelError(f"{found.path}: its vocabulary makes no sense ({exc}).", hint=_HINT) from exc
    named = f"the pre-tokenizer {pre!r}" if kind == "gpt2" else f"a vocabulary of the kind {kind!r}"
    raise ModelError(f"{found.path}: {named} is not known here, so its text would be cut wrongly.", hint=_HINT)


def _build_byte_level(found: GgufFile, pre: PreTokenizer) -> FastTokenizer:
    from tokenizers import Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as FastTokenizer

    merges = [(left, right) for left, _, right in (row.partition(" ") for row in found.texts("tokenizer.ggml.merges"))]
    vocabulary = {token: n for n, token in enumerate(found.texts("tokenizer.ggml.tokens"))}
    fast = FastTokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre.prefers_whole))
    cuts: list[Any] = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in pre.patterns]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fast.pre_tokenizer = pre_tokenizers.Sequence([*cuts, byte_level])
    fast.decoder = decoders.ByteLevel()
    return fast


def _build_sentencepiece(found: GgufFile) -> FastTokenizer:
    """A vocabulary with scores as byte-pair merges: the pieces with the highest score are joined first.

    Source: llama.cpp/src/llama-vocab.cpp, `llm_tokenizer_spm_session`. There two joints of one piece are equal and the
    left one goes first; here they have an order, which shows in runs of one character only.
    """
    from tokenizers import Tokenizer as FastTokenizer
    from tokenizers import decoders, models, normalizers

    tokens, scores = found.texts("tokenizer.ggml.tokens"), found.metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(tokens):
        raise ModelError(f"{found.path}: {len(tokens):,} tokens have no scores.", hint=_HINT)
    unknown = int(found.number("tokenizer.ggml.unknown_token_id") or 0)
    vocabulary = {token: n for n, token in enumerate(tokens)}
    fast = FastTokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=_list_merges(tokens, vocabulary, scores),
            byte_fallback=True,
            fuse_unk=True,
            unk_token=tokens[unknown] if unknown < len(tokens) else None,
        )
    )
    begins_with_space = found.metadata.get("tokenizer.ggml.add_space_prefix") is not False
    steps: list[Any] = [normalizers.Prepend(_SPACE)] if begins_with_space else []
    fast.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    undone: list[Any] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    fast.decoder = decoders.Sequence([*undone, decoders.Strip(" ", 1, 0)] if begins_with_space else undone)
    return fast


def _list_merges(tokens: list[str], vocabulary: dict[str, int], scores: list[Any]) -> list[tuple[str, str]]:
    """Every way to join two tokens to a third, the third with the highest score first."""
    found: list[tuple[float, str, str]] = []
    for token, score in zip(tokens, scores, strict=True):
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in vocabulary and right in vocabulary:
                found.append((-float(score), left, right))
    found.sort(key=lambda merge: merge[0])
    return [(left, right) for _, left, right in found]


def _add_specials(fast: FastTokenizer, found: GgufFile) -> FastTokenizer:
    """Let control tokens, and tokens that the model's makers added, be read wherever they are written."""
    from tokenizers import AddedToken

    tokens, kinds = found.texts("tokenizer.ggml.tokens"), found.metadata.get("tokenizer.ggml.token_type")
    with_kinds = list(zip(tokens, kinds if isinstance(kinds, list) else (), strict=False))
    special = [AddedToken(token, normalized=False, special=True) for token, kind in with_kinds if kind in SPECIAL_KINDS]
    added = [AddedToken(token, normalized=False) for token, kind in with_kinds if kind == _USER_DEFINED and token]
    fast.add_special_tokens(special)
    fast.add_tokens(added)
    return fast
