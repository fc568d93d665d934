"""What training leaves behind, and what it was worth: curves, models, trials.

This module holds no weights, only where they lie.
"""

from __future__ import annotations

from econchatr.records.base import Record


class CurvePoint(Record):
    """One reading of the learning curve."""

    rung: str
    step: int
    n_seen_tokens: int
    train_loss: float | None
    """Mean loss per learned token since the last reading, in nats; `None` before the first step."""
    dev_loss: float | None
    """Mean loss per learned token on the development pairs, in nats."""
    is_best: bool


class TunedModel(Record):
    """An adapter, tied by hash to the selection and the base weights that made it."""

    rung: str
    base_model: str
    base_sha256: str
    """Of the base weights file the adapter was trained on."""
    weights: str
    """Which weights these are, in words: `SmolLM2-135M-Instruct, 4-bit (Q4_1) dequantized`."""
    selection_sha256: str
    adapter_path: str
    """Below the show's folder: peft's safetensors."""
    adapter_sha256: str
    gguf_path: str | None
    """Below the show's folder: the same adapter for llama.cpp; `None` where the base is not a Llama-type GGUF."""
    gguf_sha256: str | None
    n_steps: int
    best_step: int
    n_trained_tokens: int
    dtype: str
    n_agreeing_questions: int | None
    """Questions whose greedy first tokens agree between transformers and llama.cpp; `None`: not checked."""
    n_checked_questions: int


class EpisodeSaving(Record):
    """What one training saved on one held-out episode."""

    slug: str
    host_bits: float
    """Bits by which the host's replies became less surprising, summed."""
    host_bytes: int
    guest_bits: float
    guest_bytes: int


class Trial(Record):
    """One fine-tune of a comparison of strategies."""

    key: str
    """Hash of all that decides the result."""
    strategy: str
    share: float
    """Of the pool's billed tokens that the budget allows, 0 to 1."""
    selection_seed: int
    train_seed: int
    n_pairs: int
    n_tokens: int
    """Billed tokens of one epoch."""
    n_steps: int
    seconds: float
    savings: tuple[EpisodeSaving, ...]


class ComparedStrategy(Record):
    """What one strategy is worth at one budget."""

    strategy: str
    share: float
    n_trials: int
    mean_pairs: float
    mean_tokens: float
    mean_steps: float
    value: float
    """Host bits saved, in bits per byte; the mean of the trials."""
    low: float | None
    """95% interval over episodes and trials; `None`: one episode cannot give one."""
    high: float | None
    over_random: float | None
    """Difference from random choice at the same budget; `None`: random was not tried there."""
    over_random_low: float | None
    over_random_high: float | None
