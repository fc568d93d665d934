"""Let a rung's tuned model answer with the best of several draws, as `[ask] best_of` says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Final

from econchatr.ask.best_of import BestOf, Chooser
from econchatr.ask.exam import FramedSpeaker, OftenSpeaker, Speaker, render_question
from econchatr.models.llama.meter import ReplyMeter, open_meter
from econchatr.pipeline.show import Rung
from econchatr.prompts import EncodedExample, reply_frame
from econchatr.tokens import Tokenizer

_N_POSITIONS: Final = 2 * 2048
"""Tokens of prompt and reply together: twice what an answer through llama.cpp may have."""


def answer_best_of(rung: Rung, speaker: Speaker) -> Speaker:
    """The rung's speaker itself where one draw is wanted, else one that gives the best of several."""
    inner = speaker.speaker if isinstance(speaker, FramedSpeaker) else speaker
    chooser = open_chooser(rung, meter=inner if isinstance(inner, ReplyMeter) else None)
    return BestOf(speaker, chooser) if chooser and isinstance(speaker, OftenSpeaker) else speaker


def open_chooser(rung: Rung, *, meter: ReplyMeter | None = None) -> Chooser | None:
    """What chooses among the draws of the rung's tuned model; `None`: one draw is wanted.

    Args:
        meter: The rung's model, open already; `None`: the untuned one is opened when draws are first weighed.
    """
    n_draws = rung.n_draws
    if n_draws == 1:
        return None
    return Chooser(n_draws, render_question("", "tuned", rung.show.voice, rung.template), _Scales(rung, meter).weigh)


class _Scales:
    """The untuned model as a meter, opened when something is first weighed; threads may share it."""

    def __init__(self, rung: Rung, meter: ReplyMeter | None) -> None:
        self._rung, self._meter, self._lock = rung, meter, Lock()

    def weigh(self, prompt: str, replies: Sequence[str]) -> list[float]:
        """The log-likelihood of each reply after a rendered prompt, in nats.

        Raises:
            MissingExtraError: torch is not installed.
            ModelError: The model cannot be opened.
        """
        encode, lead = self._tokenizer.encode, reply_frame(self._rung.template).lead
        prompt_ids = encode(prompt)
        examples = [EncodedExample((*prompt_ids, *encode(lead + reply)), len(prompt_ids)) for reply in replies]
        with self._lock:
            nats = self._open().measure(examples, tuned=False)
        return [-value for value in nats]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return self._rung.base.tokenizer()

    def _open(self) -> ReplyMeter:
        if self._meter is None:
            checkpoint = self._rung.base.weights().checkpoint_path
            self._meter = open_meter(checkpoint, adapter=None, n_positions=_N_POSITIONS)
        return self._meter
