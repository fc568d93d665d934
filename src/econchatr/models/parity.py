"""Check that an exported adapter answers as the trained one.

Both engines take the likeliest tokens, transformers in float32 and llama.cpp on the unquantized GGUF, so that what
differs is the export.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import eq
from pathlib import Path
from typing import NamedTuple, Protocol

from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.transformers_engine import TransformersModel, open_transformers
from econchatr.models.files.weights import BaseWeights, write_f16_gguf
from econchatr.records import Sampling


class ParityResult(NamedTuple):
    """How two engines agree."""

    n_agreeing: int
    """Prompts whose first tokens are the same text in both."""
    n_checked: int


def check_parity(
    prompts: Sequence[str], *, base: BaseWeights, adapter_folder: Path, gguf_adapter: Path, n_tokens: int
) -> ParityResult:
    """Compare the first greedy tokens after each rendered prompt, adapter on, through transformers and llama.cpp.

    Raises:
        MissingExtraError: An engine is not installed.
        ModelError: The base is no GGUF, or an engine fails.
        ShowFolderError: The unquantized GGUF cannot be written.
    """
    f16_gguf = write_f16_gguf(base)
    exact = open_transformers(base.checkpoint_path, adapter=adapter_folder, is_exact=True)
    expected = [exact.decode(exact.greedy_ids(prompt, n_tokens=n_tokens)) for prompt in prompts]
    del exact
    with open_llamacpp(f16_gguf, adapter=gguf_adapter) as served:
        greedy = Sampling(seed=0, temperature=0.0, max_tokens=n_tokens)
        found = [served.reply(prompt, greedy, tuned=True).text for prompt in prompts]
    return ParityResult(sum(map(eq, expected, found)), len(prompts))


class Witness(NamedTuple):
    """What the trained model said to one question."""

    question: str
    prompt: str
    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    """Its greedy tokens, with the one that ends a reply where it came that far."""
    text: str


class Agreement(NamedTuple):
    """How an exported model compares."""

    n_agreeing: int
    """Tokens at which it would have taken the same one."""
    n_tokens: int
    worst_gap_nats: float
    """The most by which it prefers another token where it differs; 0 where it never does."""
    worst_at: str
    """The question and the token at which that is, in words; empty where it never differs."""


class _Forced(Protocol):
    """A model that can be shown a reply."""

    def forced_gaps_nats(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> list[float]:
        """By how much it prefers another token, for each."""


def hear_witnesses(model: TransformersModel, questions: Sequence[tuple[str, str]], *, n_tokens: int) -> list[Witness]:
    """Let the trained model answer; each question comes with its rendered prompt.

    Raises:
        ModelError: A prompt is too long.
    """
    heard = []
    for question, prompt in questions:
        ids = model.greedy_ids(prompt, n_tokens=n_tokens)
        heard.append(Witness(question, prompt, tuple(model.encode(prompt)), tuple(ids), model.decode(ids)))
    return heard


def compare_with(model: _Forced, witnesses: Sequence[Witness], *, decode: TransformersModel) -> Agreement:
    """Lay every answer before an exported model.

    Args:
        decode: The model whose tokens these are, to name one.

    Raises:
        ModelError: The exported model fails.
    """
    n_agreeing = n_tokens = 0
    worst, worst_at = 0.0, ""
    for witness in witnesses:
        gaps = model.forced_gaps_nats(witness.prompt_ids, witness.ids)
        n_agreeing += sum(gap == 0 for gap in gaps)
        n_tokens += len(gaps)
        if gaps and max(gaps) > worst:
            worst, place = max(gaps), gaps.index(max(gaps))
            token = decode.decode([witness.ids[place]]) or "the end of the reply"
            worst_at = f"{witness.question!r}, token {place + 1}, where {token!r} was said"
    return Agreement(n_agreeing, n_tokens, worst, worst_at)
