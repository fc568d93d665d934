"""Check that an exported adapter answers as the trained one.

Both engines take the likeliest tokens, transformers in float32 and llama.cpp on the unquantized GGUF, so that what
differs is the export. It does not decide how much agreement is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from econchatr.models.llamacpp import open_llamacpp
from econchatr.models.weights import BaseWeights, write_f16_gguf


@dataclass(frozen=True)
class ParityResult:
    """How two engines agree."""

    n_agreeing: int
    """Prompts whose first tokens are the same text in both."""
    n_checked: int
    texts: tuple[tuple[str, str], ...]
    """Per prompt: what transformers said and what llama.cpp said."""


def check_parity(
    prompts: Sequence[str], *, base: BaseWeights, adapter_folder: Path, gguf_adapter: Path, n_tokens: int
) -> ParityResult:
    """Compare the first greedy tokens after each rendered prompt, adapter on, through transformers and llama.cpp.

    Raises:
        MissingExtraError: An engine is not installed.
        ModelError: The base is no GGUF, or an engine fails.
        ShowFolderError: The unquantized GGUF cannot be written.
    """
    from econchatr.models.transformers_model import open_transformers

    f16_gguf = write_f16_gguf(base)
    exact = open_transformers(base.checkpoint_path, adapter=adapter_folder, is_exact=True)
    expected = [exact.decode(exact.greedy_ids(prompt, n_tokens=n_tokens)) for prompt in prompts]
    del exact
    with open_llamacpp(f16_gguf, adapter=gguf_adapter) as served:
        found = [
            served.reply(prompt, tuned=True, seed=0, temperature=0.0, max_tokens=n_tokens).text for prompt in prompts
        ]
    texts = tuple(zip(expected, found, strict=True))
    return ParityResult(sum(ours == theirs for ours, theirs in texts), len(texts), texts)
