"""Check that an exported adapter answers as the trained one.

transformers answers in float32 and llama.cpp weighs the answer on the unquantized GGUF, so that what differs is the
export.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from econchatr.models.engines.llamacpp import open_llamacpp
from econchatr.models.engines.transformers_engine import TransformersModel, open_transformers
from econchatr.models.files.weights import BaseWeights, write_f16_gguf


class ParityResult(NamedTuple):
    """How two engines agree."""

    n_agreeing: int
    """Prompts after which both find the trained model's answer equally likely, within `_MAX_MEAN_NATS` a token."""
    n_checked: int


_MAX_MEAN_NATS: Final = 0.02
"""Source: docs/decisions/0019-export-proof.md: right adapters differ by 0.002 nats at most, wrong ones by 0.032."""


def check_parity(
    prompts: Sequence[str], *, base: BaseWeights, adapter_folder: Path, gguf_adapter: Path, n_tokens: int
) -> ParityResult:
    """Let the trained model answer each rendered prompt in float32, and lay its tokens before llama.cpp.

    Args:
        n_tokens: Of each greedy answer.

    Raises:
        MissingExtraError: An engine is not installed.
        ModelError: The base is no GGUF, or an engine fails.
        ShowFolderError: The unquantized GGUF cannot be written.
    """
    f16_gguf = write_f16_gguf(base)
    exact = open_transformers(base.checkpoint_path, adapter=adapter_folder, is_exact=True)
    witnesses = hear_witnesses(exact, [(prompt, prompt) for prompt in prompts], n_tokens=n_tokens)
    del exact  # before the other engine takes its memory
    with open_llamacpp(f16_gguf, adapter=gguf_adapter) as served:
        found = [compare_with(served, [witness]) for witness in witnesses]
    return ParityResult(sum(one.mean_nats <= _MAX_MEAN_NATS for one in found), len(found))


class Witness(NamedTuple):
    """What the trained model said to one question."""

    question: str
    prompt: str
    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    """Its greedy tokens, with the one that ends a reply where it came that far."""
    logprobs: tuple[float, ...]
    """How likely each was to it, in nats below certainty."""
    words: tuple[str, ...]
    """Each token as text."""
    text: str


class Agreement(NamedTuple):
    """How an exported model compares, over the tokens of every answer."""

    n_agreeing: int
    """Tokens at which it would have taken the same one."""
    n_tokens: int
    mean_nats: float
    """By how much its log-probability of a token differs, on average over the tokens."""
    worst_nats: float
    """The greatest such difference."""
    worst_at: str
    """The question and the token at which that is, in words."""

    @property
    def share(self) -> float:
        """The share of tokens that agree."""
        return self.n_agreeing / self.n_tokens if self.n_tokens else 0.0


class Limit(NamedTuple):
    """How far an exported model may be from the trained one."""

    mean_nats: float
    worst_nats: float
    min_share: float
    """Of tokens that agree."""

    def tell_breach(self, found: Agreement) -> str:
        """What is beyond the limit, in a sentence; empty: nothing."""
        if not found.n_tokens:
            return "nothing was compared"
        if found.mean_nats > self.mean_nats:
            return f"its tokens differ by {found.mean_nats:.3f} nats on average, and {self.mean_nats:g} are allowed"
        if found.worst_nats > self.worst_nats:
            told = f"and {self.worst_nats:g} are allowed"
            return f"at {found.worst_at}, it differs by {found.worst_nats:.2f} nats, {told}"
        if found.share < self.min_share:
            return f"{found.n_agreeing} of {found.n_tokens} tokens agree, and {self.min_share:.0%} must"
        return ""


LIMITS = {
    "adapter": Limit(0.002, 0.02, 0.98),
    "checkpoint": Limit(0.005, 0.05, 0.95),
    "gguf F16": Limit(0.01, 0.1, 0.9),
    "gguf Q8_0": Limit(0.15, 2.0, 0.75),
}
"""By format. Source: docs/decisions/0019-export-proof.md, measured on right and on wrong exports."""


class _Forced(Protocol):
    """A model that can be shown a reply."""

    def weigh_tokens(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> list[tuple[float, float]]:
        """The log-probability of each token, and of the likeliest one in its place."""


def hear_witnesses(model: TransformersModel, questions: Sequence[tuple[str, str]], *, n_tokens: int) -> list[Witness]:
    """Let the trained model answer; each question comes with its rendered prompt.

    Raises:
        ModelError: A prompt is too long.
    """
    heard = []
    answers = model.greedy_ids([prompt for _, prompt in questions], n_tokens=n_tokens)
    for (question, prompt), ids in zip(questions, answers, strict=True):
        prompt_ids = model.encode(prompt)
        logprobs = tuple(given for given, _ in model.weigh_tokens(prompt_ids, ids))
        words = tuple(model.decode([token]) or "the end of the reply" for token in ids)
        heard.append(Witness(question, prompt, tuple(prompt_ids), tuple(ids), logprobs, words, model.decode(ids)))
    return heard


def compare_with(model: _Forced, witnesses: Sequence[Witness]) -> Agreement:
    """Lay every answer before an exported model.

    Raises:
        ModelError: The exported model fails.
    """
    n_agreeing = 0
    found: list[tuple[float, Witness, int]] = []
    for witness in witnesses:
        weighed = model.weigh_tokens(witness.prompt_ids, witness.ids)
        n_agreeing += sum(given >= best for given, best in weighed)
        differences = [abs(given - heard) for (given, _), heard in zip(weighed, witness.logprobs, strict=True)]
        found += [(difference, witness, place) for place, difference in enumerate(differences)]
    if not found:
        return Agreement(0, 0, 0.0, 0.0, "")
    worst, witness, place = max(found, key=lambda item: item[0])
    worst_at = f"{witness.question!r}, token {place + 1}, where {witness.words[place]!r} was said"
    return Agreement(n_agreeing, len(found), sum(item[0] for item in found) / len(found), worst, worst_at)
