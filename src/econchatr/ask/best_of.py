"""Draw several answers and give the one that its question explains best.

A small model draws answers that suit any question ("It's like ..."), and among a few draws some that suit this one. How
well an answer suits is how much likelier the untuned model finds the answer after the question than after none: so the
tuned model does not mark its own answers. In a conversation what was said before stands in both, or a copy of an
earlier answer would win. In 2023 a person did the choosing, among up to ten tries.

Source: Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models", 2016 (MMI); our own
figures: docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from econchatr.ask.exam import BatchSpeaker, OftenSpeaker
from econchatr.records import Reply, Sampling

_SEEDS: Final = 2**31


class Chooser(NamedTuple):
    """Chooses among the draws of a rung's tuned model."""

    n_draws: int
    """For each answer, 2 or more."""
    bare: str
    """The rendered prompt to compare with: that of an empty question, after what was said before."""
    weigh: Callable[[str, Sequence[str]], list[float]]
    """Gives the log-likelihood, in nats, of each reply after a rendered prompt, under the untuned model."""

    def list_seeds(self, seed: int) -> list[int]:
        """The seeds of the draws of an answer: they follow each other, and no two answers share one."""
        first = seed * self.n_draws % _SEEDS
        return list(range(first, first + self.n_draws))

    def choose(self, prompt: str, texts: Sequence[str]) -> int:
        """The place of the text that the prompt explains best; of equals the first. Silence is never chosen over words.

        Raises:
            EconChatRError: The texts cannot be weighed.
        """
        worded = [place for place, text in enumerate(texts) if text.strip()]
        if len({texts[place] for place in worded}) < 2:
            return worded[0] if worded else 0
        told = [texts[place] for place in worded]
        gains = [
            after - alone for after, alone in zip(self.weigh(prompt, told), self.weigh(self.bare, told), strict=True)
        ]
        return worded[gains.index(max(gains))]


class BestOf:
    """A model whose tuned answers are each the best of several draws; untuned ones are drawn once, as ever."""

    def __init__(self, speaker: OftenSpeaker, chooser: Chooser) -> None:
        self._speaker, self._chooser = speaker, chooser
        self.n_at_once = speaker.n_at_once
        self.n_together = speaker.n_together if isinstance(speaker, BatchSpeaker) else 1

    def compare_with(self, bare: str) -> BestOf:
        """The same model, whose draws are compared with this rendered prompt; see `Chooser.bare`."""
        return BestOf(self._speaker, self._chooser._replace(bare=bare))

    def reply(
        self, prompt: str, sampling: Sampling, *, tuned: bool, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        """What the model says; the same arguments give the same text.

        Args:
            prompt: The rendered prompt.
            sampling: The seeds of the draws follow from its seed.
            tuned: Whether the adapter takes part.
            on_text: Gets each piece of text as it comes. The best of several comes at once; before that, an empty text
                comes with each piece that is drawn, so that a caller can stop the drawing by raising.

        Raises:
            ModelError: The model failed at a draw.
        """
        if not tuned or not sampling.temperature:  # at temperature 0 all draws are one
            return self._speaker.reply(prompt, sampling, tuned=tuned, on_text=on_text)
        sampling = sampling._replace(seed=self._chooser.list_seeds(sampling.seed)[0])
        tick = (lambda _piece: on_text("")) if on_text else None
        drawn = self._speaker.reply_often(prompt, sampling, self._chooser.n_draws, tuned=True, on_text=tick)
        best = self._choose(prompt, drawn)
        if on_text and best.text:
            on_text(best.text)
        return best

    def reply_all(
        self, prompts: Sequence[str], sampling: Sampling, *, seeds: Sequence[int], tuned: bool
    ) -> list[Reply]:
        """What the model says to each: of the tuned model the best of several draws, which are computed together.

        Raises:
            ModelError: The model failed, or it computes each alone.
        """
        n_draws, speaker = self._chooser.n_draws, self._speaker
        if not isinstance(speaker, BatchSpeaker) or (tuned and sampling.temperature and n_draws > self.n_together):
            asked = zip(prompts, seeds, strict=True)
            return [self.reply(prompt, sampling._replace(seed=seed), tuned=tuned) for prompt, seed in asked]
        if not (tuned and sampling.temperature):
            return speaker.reply_all(prompts, sampling, seeds=seeds, tuned=tuned)
        best = list[Reply]()
        n_at_a_time = self.n_together // n_draws
        for start in range(0, len(prompts), n_at_a_time):
            lot = prompts[start : start + n_at_a_time]
            drawn_with = [self._chooser.list_seeds(seed) for seed in seeds[start : start + n_at_a_time]]
            drawn = speaker.reply_all(
                [prompt for prompt in lot for _ in range(n_draws)],
                sampling,
                seeds=[seed for of_one in drawn_with for seed in of_one],
                tuned=True,
            )
            for n, prompt in enumerate(lot):
                best.append(self._choose(prompt, drawn[n * n_draws : (n + 1) * n_draws]))
        return best

    def _choose(self, prompt: str, drawn: Sequence[Reply]) -> Reply:
        return drawn[self._chooser.choose(prompt, [reply.text for reply in drawn])]
