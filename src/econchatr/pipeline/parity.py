"""Whether a trained adapter answers alike through transformers and llama.cpp, and how much agreement is enough.

This module does not know how the adapter was trained.
"""

from __future__ import annotations

from pathlib import Path

from econchatr.ask.exam import render_question
from econchatr.config import Rung
from econchatr.errors import ModelError
from econchatr.models.memory import free_memory
from econchatr.models.parity import ParityResult, check_parity
from econchatr.models.weights import BaseWeights
from econchatr.pipeline.forms import rung_template
from econchatr.pipeline.show import Show

PARITY_TOKENS = 4
"""Greedy tokens that must agree per question between transformers and llama.cpp."""

MIN_PARITY_SHARE = 0.75
"""Below this share of agreeing questions a training is refused: 9 of 12."""


def check_rung_parity(show: Show, rung: Rung, *, base: BaseWeights, folder: Path) -> ParityResult | None:
    """Ask the exam's questions greedily through both engines; `None`: the base is no GGUF, so there is one engine.

    Args:
        folder: Holds the adapter in both forms.

    Raises:
        ModelError: They answer differently: the adapter was not exported as it was trained.
    """
    if base.gguf_path is None:
        return None
    template = rung_template(rung)
    prompts = [render_question(question.text, "tuned", show.voice, template) for question in show.questions()]
    result = check_parity(
        prompts, base=base, adapter_folder=folder, gguf_adapter=folder / "adapter.gguf", n_tokens=PARITY_TOKENS
    )
    free_memory()
    if result.n_agreeing < MIN_PARITY_SHARE * result.n_checked:
        raise ModelError(
            f"{rung.name}: transformers and llama.cpp agree on {result.n_agreeing} of {result.n_checked} questions.",
            hint="This is a fault of the export; report it with the base model's name.",
        )
    return result
