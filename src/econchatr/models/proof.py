"""Ask an exported model again, and compare it with the model that was trained.

The trained model, in float32, answers greedily. Its tokens are then laid before the exported one, which says for each
whether it would have taken the same, and if not, by how much it prefers another. So one early difference does not spoil
the rest, and a tie that rounding decides can be told from a model that says something else.

It does not decide how much may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from econchatr.models.transformers_model import TransformersModel


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


class Forced(Protocol):
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


def compare_with(model: Forced, witnesses: Sequence[Witness], *, decode: TransformersModel) -> Agreement:
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
