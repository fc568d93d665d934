"""What people liked better, and what a training on it came to."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import AwareDatetime, Field, field_validator, model_validator

from econchatr.records.base import Record, Variant


class JudgedSample(Record):
    """One answer as a person was shown it."""

    text: str = Field(min_length=1, max_length=50_000)
    text_sha256: str = Field(default="", pattern=r"^[0-9a-f]{64}$")
    """Of the text; reckoned where it is not given, and refused where it is another."""
    rung: str = Field(min_length=1, max_length=40)
    variant: Variant
    model_sha256: str = Field(max_length=64)
    """As in an `Answer`."""
    seed: int
    is_whole: bool = True
    """Whether it ended by itself; false: it was cut off at the limit of tokens."""

    @model_validator(mode="before")
    @classmethod
    def _hash_the_text(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and isinstance(text := fields.get("text"), str):
            reckoned = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            if fields.get("text_sha256", reckoned) != reckoned:
                raise ValueError("text_sha256 is not the hash of the text")
            return {**fields, "text_sha256": reckoned}
        return fields


class _Judged(Record):
    """Who judged what, when."""

    scorer: str = Field(min_length=1, max_length=100)
    """Who, as they call themselves."""
    judged_at: AwareDatetime
    question: str = Field(min_length=1, max_length=20_000)
    """The words that were answered."""
    question_id: str = Field(default="", max_length=40)
    """Of the exam; empty: it was asked freely."""
    seed: int = 0
    """Of the order in which the answers were shown."""

    @field_validator("scorer", "question")
    @classmethod
    def _has_words(cls, text: str) -> str:
        if not text.strip() or any(not char.isprintable() and char not in "\n\t" for char in text):
            raise ValueError("needs words, and no control characters")
        return text


class Ranking(_Judged):
    """Answers to one question in the order in which a person likes them."""

    samples: tuple[JudgedSample, ...] = Field(min_length=2, max_length=20)
    """The best first."""

    @model_validator(mode="after")
    def _texts_differ(self) -> Ranking:
        if len({sample.text_sha256 for sample in self.samples}) < len(self.samples):
            raise ValueError("the same text stands twice in the order")
        return self


class Verdict(_Judged):
    """Whether a person takes one answer for right: something the host might have said."""

    sample: JudgedSample
    is_right: bool


class PreferenceOutcome(Record):
    """What one round of training on preferences did to a tuned model, and whether it was kept."""

    rung: str
    method: str
    """`dpo` (one answer above another) or `kto` (right and wrong ones)."""
    source: str
    """`rankings`, `verdicts`, or `host replies`: what the host said against what the model says."""
    n_preferences: int
    n_scorers: int
    """People behind them; 0: none."""
    n_steps: int
    strength: float
    """How far it goes from the tuned model to what the training made of it: 1 is all the way."""
    beta: float
    learning_rate: float
    tuned_sha256: str
    """Of the adapter it began from."""
    adapter_path: str
    """Below the show's folder: peft's safetensors, whether kept or not."""
    adapter_sha256: str
    gguf_path: str | None
    """As in a `TunedModel`."""
    gguf_sha256: str | None
    n_held_out: int
    """The host's development replies behind the bits; test replies are not touched."""
    bits_base: float | None
    """Bits per byte of those replies under the base model; `None`, as the next two: there are none."""
    bits_before: float | None
    """Under the tuned model."""
    bits_after: float | None
    """Under the preferred one."""
    bits_change_low: float | None
    """95% interval of after less before, over episodes; `None`: one episode cannot give one."""
    bits_change_high: float | None
    copied_before: float | None
    """Share of the words of the exam's answers that are copied from training episodes; `None`: it said nothing."""
    copied_after: float | None
    copied_limit: float | None
    gates_lost: tuple[str, ...]
    """Gates that the tuned model passed, or left in doubt, and the preferred one fails."""
    words_before: float | None
    """Median words of the exam's answers."""
    words_after: float | None
    n_kept_out: int
    """Preferences or verdicts kept out of the training, whole questions."""
    agreement_before: float | None
    """Of those, the share in which the model gains more over its base on the better answer than on the worse one (of
    verdicts: in which it gains on the right, or loses on the wrong); `None`: none were kept out."""
    agreement_after: float | None
    n_agreeing_questions: int | None = None
    """Questions of the exam on which transformers and llama.cpp begin alike with the round's adapter; `None`: not
    checked, since the base is no GGUF, or an earlier version did the round."""
    n_checked_questions: int = 0
    is_kept: bool
    reason: str
    """Why, in a sentence."""
